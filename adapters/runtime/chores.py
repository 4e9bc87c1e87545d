"""What a run does beside its loop: prove what a start took on trust, keep
snapshots, compress and drop segments.

On a real disk it is done in threads, so that no frame waits for it. A simulation has none: its
clock would not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from adapters.ports import Fs
from adapters.runtime.journal_compact import compact_segment, plain_segments
from adapters.runtime.journal_format import Kind
from adapters.runtime.journal_keep import EVERYTHING, Keep, carry_out, plan_drop, remove_leftovers
from adapters.runtime.journal_read import RAW_DIR
from adapters.runtime.journal_recovery import prove_older
from adapters.runtime.snapshots import SnapshotKeeper
from engine.events import AnyEvent, ChoreFailed, HistoryDropped
from engine.state import State

T = TypeVar("T")

EVERY_S = 10.0
"""How often it is looked whether there is something to compress."""
DROP_EVERY_S = 600.0
"""How often it is looked whether something is too old, or too much."""
FAILED_PAUSE_S = 600.0
"""Until what the disk refused is tried again."""


def _go_on() -> None:
    """Never call off what is being done."""


class Chores:
    """The chores of one run."""

    def __init__(
        self,
        fs: Fs,
        journal: Path,
        keeper: SnapshotKeeper,
        trusted_seq: int,
        *,
        threaded: bool,
        compress: bool = True,
        keep: Keep = EVERYTHING,
        now_ns: Callable[[], int] = int,
    ) -> None:
        """Know what there is to do.

        Args:
            fs: Where the journal is.
            journal: Its directory.
            keeper: Of the snapshots.
            trusted_seq: Segments that end before this record were not checked at the start.
            threaded: Do it in threads.
            compress: Compress segments once others follow them.
            keep: What is kept of the journal.
            now_ns: Tells the time, by which records are too old; 0 while nobody knows.
        """
        self._fs = fs
        self._journal = journal
        self._next_drop_s = 0.0
        self._directories = ((journal, Kind.EVENTS), (journal / RAW_DIR, Kind.RAW))
        self._keeper = keeper
        self._trusted_seq = trusted_seq
        self._threaded = threaded
        # A thread that works when the run ends looks up after each piece.
        self._look_up = trio.from_thread.check_cancelled if threaded else _go_on
        self._compress = compress
        self._keep = keep
        self._now_ns = now_ns

    async def at_start(self) -> None:
        """Prove the older segments.

        Raises:
            JournalError: one of them is damaged.
        """
        for directory, kind in self._directories:
            older = partial(prove_older, self._fs, directory, kind, self._trusted_seq)
            await self._do(partial(older, self._look_up))

    async def beside(self, tell: Callable[[AnyEvent], None]) -> None:
        """Prove the older segments, then compress and drop what is closed, until cancelled.

        Args:
            tell: Takes events for the journal: what is dropped, and what could not be done.

        Raises:
            JournalError: a segment is damaged.
        """
        await self.at_start()
        while self._compress or not self._keep.everything:
            await trio.sleep(EVERY_S)
            chore = "compressing"
            try:
                for directory, kind in self._directories if self._compress else ():
                    await self._do(partial(self._compact, directory, kind))
                if not self._keep.everything:
                    chore = "dropping old segments"
                    await self._drop(tell)
            except OSError as error:
                tell(ChoreFailed(chore, str(error)))
                await trio.sleep(FAILED_PAUSE_S)

    async def _drop(self, tell: Callable[[AnyEvent], None]) -> None:
        await self._do(partial(remove_leftovers, self._fs, self._journal))
        if trio.current_time() < self._next_drop_s:
            return
        self._next_drop_s = trio.current_time() + DROP_EVERY_S
        plan = partial(plan_drop, self._fs, self._journal, self._keep, self._now_ns())
        drop = await self._do(plan)
        if drop is not None:
            tell(HistoryDropped(drop.base.first_seq, drop.segments, drop.size))
            await trio.sleep(EVERY_S)  # so that it is in the journal before it is so
            await self._do(partial(carry_out, self._fs, self._journal, drop))

    def _compact(self, directory: Path, kind: Kind) -> None:
        for number in plain_segments(self._fs, directory):
            compact_segment(self._fs, directory, kind, number, self._look_up)

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

    async def _do(self, chore: Callable[[], T]) -> T:
        if self._threaded:
            return await trio.to_thread.run_sync(chore)
        return chore()
