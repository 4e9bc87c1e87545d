"""What a run does beside its loop: prove what a start took on trust, keep snapshots.

On a real disk it is done in threads, so that no frame waits for it. A simulation has none: its
clock would not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from adapters.ports import Fs
from adapters.runtime.journal_format import Kind
from adapters.runtime.journal_read import RAW_DIR
from adapters.runtime.journal_recovery import prove_older
from adapters.runtime.snapshots import SnapshotKeeper
from engine.state import State


class Chores:
    """The chores of one run."""

    def __init__(
        self, fs: Fs, journal: Path, keeper: SnapshotKeeper, trusted_seq: int, *, threaded: bool
    ) -> None:
        """Know what there is to do.

        Args:
            fs: Where the journal is.
            journal: Its directory.
            keeper: Of the snapshots.
            trusted_seq: Segments that end before this record were not checked at the start.
            threaded: Do it in threads.
        """
        self._fs = fs
        self._journal = journal
        self._keeper = keeper
        self._trusted_seq = trusted_seq
        self._threaded = threaded

    async def at_start(self) -> None:
        """Prove the older segments.

        Raises:
            JournalError: one of them is damaged.
        """
        for directory, kind in (
            (self._journal, Kind.EVENTS),
            (self._journal / RAW_DIR, Kind.RAW),
        ):
            await self._do(partial(prove_older, self._fs, directory, kind, self._trusted_seq))

    def is_due(self, vouched: State) -> bool:
        """Say whether it is time for a snapshot."""
        return self._keeper.is_due(vouched)

    async def now_and_then(self, vouched: State) -> None:
        """Keep a snapshot of a state that the journal vouches for."""
        await self._do(partial(self._keeper.keep, vouched))

    async def at_end(self, vouched: State) -> None:
        """Keep the last state of a run, unless there is one of it already."""
        if self._keeper.is_due(vouched, every=1):
            await self.now_and_then(vouched)

    async def _do(self, chore: Callable[[], None]) -> None:
        if self._threaded:
            await trio.to_thread.run_sync(chore)
        else:
            chore()
