"""`quotefold replay --follow`: prove a journal while the run that writes it goes on."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import trio

from adapters.cli.proof_text import print_beginning, print_proofs
from adapters.cli.proving import Proven, begin
from adapters.ports import Fs
from adapters.runtime.journal_follow import Follower
from adapters.runtime.snapshots import kept_state
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import Fingerprint, RunEnded
from engine.state import State
from replay.verify import Verifier

POLL_S = 0.1
"""Between two looks: an alarm is due within a second."""
BLOCK = 2_000
"""Records between two looks at the signals, while the past is caught up with."""


def follow_journal(fs: Fs, journal: Path, at_most: int | None, *, as_json: bool) -> int:
    """Prove until the run ends, a difference is found, or Ctrl-C; returns the exit code.

    Args:
        fs: Where the journal is.
        journal: Its directory; never written to.
        at_most: The last record whose snapshot may be begun with; 0: none, None: any.
        as_json: One JSON object at the end, and nothing else.

    Raises:
        ConfigError: there is no journal.
        JournalError: it is damaged.
    """
    one, start = begin(fs, journal, at_most)
    if not as_json:
        print_beginning(one, verified=True)
    trio.run(_until_signal, fs, one, start)
    if one.error:
        raise JournalError(one.error)
    return print_proofs(fs, [one], verified=True, as_json=as_json)


async def _until_signal(fs: Fs, one: Proven, start: State) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            try:
                await follow(fs, one, start)
            except JournalError as error:
                one.error = str(error)  # the nursery would hide it in a group
            nursery.cancel_scope.cancel()


async def _cancel_on_signal(signals: Any, scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


async def follow(fs: Fs, one: Proven, start: State) -> None:
    """Prove what is written to a journal, until its run ends or something differs.

    Args:
        fs: Where the journal is.
        one: Told what was found, also when this is cancelled.
        start: The state to begin with.
    """
    verifier = Verifier(start, snapshot_at=partial(kept_state, fs, one.journal))
    follower = Follower(fs, one.journal, start.seq + 1)
    last: tuple[type, type] = (State, State)  # kinds of the last two records
    try:
        while not verifier.proof.divergences:
            payloads = follower.poll()
            for at in range(0, len(payloads), BLOCK):
                records = [decode_record(payload) for _, payload in payloads[at : at + BLOCK]]
                verifier.take(records)
                if verifier.proof.divergences:
                    return
                kinds = (last[1], *(type(record.event) for record in records[-2:]))
                last = kinds[-2], kinds[-1]
                await trio.lowlevel.checkpoint()
            if follower.at_end:
                # An orderly end is its record and a fingerprint; more may follow of another run.
                if last == (RunEnded, Fingerprint):
                    return
                await trio.sleep(POLL_S)
    finally:
        one.proof, one.state = verifier.finish(), verifier.state
