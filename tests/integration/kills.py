"""`kill -9` at random moments against a venue over TCP, again and again on one journal.

    make kills                                # 200 kills, on four journals of a million events
    make kills ARGS="--kills 20 --events 0"   # fewer, on journals that begin with the first
    make kills ARGS="--seed 7"                # other moments

After each restart no order of an earlier run may be left at the venue. After every tenth kill the
engine is stopped in order, and its deals, position and balances are compared with the venue's to
the last digit: a deal that was lost or counted twice anywhere before would show.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from engine.codec import encode_record, schema_hash
from engine.events import AnyEvent, BestBidOffer, BookDelta, BookSnapshot, Fingerprint, Record
from engine.reduce import reduce
from engine.state import State, fingerprint
from replay.read import fold, read_records
from replay.verify import verify as verify_records
from tests.integration.killing import Killing
from tests.integration.kit import MARKETS, running_venue

CHECK_EVERY = 10
"""Kills between two comparisons with the venue."""
FINGERPRINT_EVERY = 1_000
PASS_MIN = 1_000
"""Frames of a market that are repeated, at the least."""
STEP_NS = 1_000


# --- a long journal -----------------------------------------------------------------------------


def lengthen(journal: Path, events: int) -> State:
    """Add as many events to a journal, its own market data again; returns the state after them.

    They lie between two runs, as if no decision had been due: a replay follows and proves them.
    """
    fs = SystemFs()
    state = fold(read_records(fs, journal))
    data = [_market_data(journal, market) for market in MARKETS]
    writer, _ = JournalWriter.open(fs, journal, schema_hash(), bytes(32))
    with writer:
        for event in islice(_repeated(data), events):
            state = _append(writer, state, event)
            if state.seq % FINGERPRINT_EVERY == 0:
                state = _append(writer, state, Fingerprint(fingerprint(state)))
                writer.flush()
                writer.catch_up()
    return state


def _append(writer: JournalWriter, state: State, event: AnyEvent) -> State:
    record = Record(state.seq + 1, state.now_ns + STEP_NS, 0, event)
    writer.append(record.seq, encode_record(record))
    return reduce(state, record)


def _market_data(journal: Path, market: str) -> list[AnyEvent]:
    # From one full book to just before another, so that each pass begins with a book.
    found: list[AnyEvent] = []
    for record in read_records(SystemFs(), journal):
        event = record.event
        if isinstance(event, BookSnapshot | BookDelta | BestBidOffer) and event.market == market:
            starts = isinstance(event, BookSnapshot)
            if starts and len(found) > PASS_MIN:
                break
            if starts or found:
                found.append(event)
    return found


def _repeated(data: list[list[AnyEvent]]) -> Iterator[AnyEvent]:
    while True:
        for events in data:
            yield from events


# --- figures ------------------------------------------------------------------------------------


class Figures(NamedTuple):
    """What the kills on one journal showed."""

    kills: int
    early: int
    orphans: int
    deals: int
    records: int
    runs: int
    back_s: list[float]


def run_kills(kills: int, events: int, seed: int, directory: Path, *, verify: bool) -> Figures:
    """Kill so many engines on one journal; raises AssertionError at what must not be."""
    with running_venue("--seed", str(seed)) as venue:
        killing = Killing(directory, venue, seed)
        killing.check()
        if events:
            state = lengthen(killing.journal, events)
            sys.stderr.write(f"seed {seed}: a journal of {state.seq:,} records\n")
            # The first start after it folds them all, and leaves a snapshot.
            killing.check()
        killing.back_s.clear()
        for number in range(1, kills + 1):
            killing.kill_one()
            if number % CHECK_EVERY == 0 or number == kills:
                killing.check()
                sys.stderr.write(f"seed {seed}: {number} kills, {killing.deals} deals agree\n")
    found = Figures(
        kills, killing.early, killing.orphans, killing.deals, killing.state.seq, 0, killing.back_s
    )
    sys.stderr.write(f"seed {seed}: {words([found])}")
    return found._replace(runs=runs_proved(killing.journal)) if verify else found


def runs_proved(journal: Path) -> int:
    """Prove a journal from its first record; returns how many runs it holds."""
    proof, _ = verify_records(read_records(SystemFs(), journal))
    assert (proof.divergences, proof.first) == (0, None)
    return proof.runs


def words(found: list[Figures]) -> str:
    """Say what was found, over all journals."""
    times = sorted(time for each in found for time in each.back_s)
    at = {p: times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 99)}
    records = ", ".join(f"{each.records:,}" for each in found)
    return (
        f"{sum(each.kills for each in found)} kills, {sum(each.early for each in found)} of them "
        f"before the engine quoted; journals of {records} records\n"
        f"orders of an earlier run still to be settled when the next one quoted: "
        f"{sum(each.orphans for each in found)}, none 10 s later\n"
        f"deals: {sum(each.deals for each in found)}, each counted once; positions and balances "
        "equal the venue's\n"
        f"back to quoting, from the start of the process: p50 {at[50]:.2f} s, p99 {at[99]:.2f} s, "
        f"max {times[-1]:.2f} s, over {len(times)} starts\n"
    )


def _one(kills: int, events: int, seed: int, verify: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="quotefold-kills-") as directory:
        try:
            return run_kills(kills, events, seed, Path(directory), verify=verify)
        except BaseException as error:
            # Some hold a process, which cannot travel to the one that prints.
            text = "".join(traceback.format_exception(error))
            raise AssertionError(f"seed {seed}: {text}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=1_000_000, help="Of the journal, at first.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journals", type=int, default=4, help="Killed on side by side.")
    parser.add_argument("--verify", action="store_true", help="Prove the journals by a replay.")
    options = parser.parse_args()
    shares = [len(range(n, options.kills, options.journals)) for n in range(options.journals)]
    with ProcessPoolExecutor(options.journals) as pool:
        jobs = [
            pool.submit(_one, share, options.events, options.seed + number, options.verify)
            for number, share in enumerate(shares)
        ]
        sys.stdout.write(words([job.result() for job in jobs]))


if __name__ == "__main__":
    main()
