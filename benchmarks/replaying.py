"""Replay, fold and journal: how fast a recorded session is proved, folded, and written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

from adapters.cli.fills import Found, find
from adapters.cli.simulate import JOURNAL
from adapters.ports import AppendFile, SystemFs
from adapters.runtime.journal import JournalWriter
from benchmarks.feeding import make_journal
from benchmarks.figures import Section, per_call_us, rate_row, spread_us, timed_ns
from benchmarks.session import Session
from engine.events import Decided, Fingerprint, RequestSent
from replay.fill_rows import fill_row
from replay.fill_totals import Wanted
from replay.read import fold, read_records
from replay.verify import Proof, verify

_OWN_RECORDS = (Decided, RequestSent, Fingerprint)
_PAYLOAD = bytes(100)
_FLUSH_EVERY = 64


def measure_replay(session: Session, passes: int) -> Section:
    """Time `verify` from the journal's bytes to the proof.

    Raises:
        RuntimeError: the session does not prove, so that its times mean nothing.
    """
    proofs: list[Proof] = []

    def prove() -> None:
        proofs.append(verify(read_records(session.fs, JOURNAL))[0])

    times = timed_ns(prove, passes)
    proof = proofs[-1]
    if proof.divergences:
        raise RuntimeError(f"replay benchmark: the session does not prove: {proof.first}")
    return Section(
        key="replay",
        title="replay with verification",
        rows=[
            rate_row("all records", proof.records, times),
            rate_row("input events", proof.events, times),
        ],
        notes=[
            f"{session.label}; {proof.decisions} decisions, {proof.requests} requests and"
            f" {proof.fingerprints} fingerprints recomputed and compared; no divergence;"
            f" {passes} passes.",
            "From journal bytes in memory: read, CRC, decode, fold, decide, encode, compare. Input"
            " events are the records other than decisions, requests and fingerprints.",
        ],
    )


def measure_fold(session: Session, passes: int) -> Section:
    """Time the fold of records that are decoded already."""
    inputs = sum(not isinstance(record.event, _OWN_RECORDS) for record in session.records)
    times = timed_ns(lambda: fold(iter(session.records)), passes)
    return Section(
        key="fold",
        title="fold of decoded records",
        rows=[
            rate_row("all records", len(session.records), times),
            rate_row("input events", inputs, times),
        ],
        notes=[f"{session.label}; {passes} passes over one session."],
    )


def measure_fills(session: Session, passes: int) -> Section:
    """Time `fills` from the journal's bytes to rows and totals.

    Raises:
        RuntimeError: the fills are not those of the inventory, so that the times mean nothing.
    """
    inputs = sum(not isinstance(record.event, _OWN_RECORDS) for record in session.records)
    found: list[Found] = []

    def list_fills() -> None:
        found.append(find(session.fs, JOURNAL, Wanted(), 0, None, progress=False))
        for trail in found[-1].fills:
            fill_row(trail)

    times = timed_ns(list_fills, passes)
    state = found[-1].tracer.state
    counted = sum(market.inventory.fills for market in state.markets.values())
    if len(found[-1].fills) != counted:
        raise RuntimeError(f"fills benchmark: expected {counted}, found {len(found[-1].fills)}")
    return Section(
        key="fills",
        title="fills, traced from their cause to their markouts",
        rows=[
            rate_row("all records", len(session.records), times),
            rate_row("input events", inputs, times),
        ],
        notes=[
            f"{session.label}; {counted} fills; {passes} passes.",
            "From journal bytes in memory: read, CRC, decode, fold, trace, a row for each fill.",
        ],
    )


def measure_journal(appends: int, syncs: int, repeats: int) -> Section:
    """Time appends of 100-byte records in memory, and `fdatasync` on the disk of `/tmp`."""
    append = per_call_us("append 100 bytes", _appending(), appends, repeats)
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        file = SystemFs().open_new(Path(directory) / "synced")
        try:
            times = [_sync_ns(file) for _ in range(syncs)]
        finally:
            file.close()
    return Section(
        key="journal",
        title="journal",
        rows=[append, spread_us("write 200 bytes and fdatasync", times)],
        notes=[
            f"Appends are framed with CRC-32C and flushed, hashed, every {_FLUSH_EVERY} records to"
            " a file that drops them; the sync is of the disk under the temporary directory.",
        ],
    )


def _appending() -> Callable[[int], None]:
    journal: JournalWriter = make_journal()

    def append(count: int) -> None:
        seq = journal.next_seq
        for number in range(seq, seq + count):
            journal.append(number, _PAYLOAD)
            if not number % _FLUSH_EVERY:
                journal.flush()

    return append


def _sync_ns(file: AppendFile) -> int:
    start = perf_counter_ns()
    file.write(_PAYLOAD + _PAYLOAD)
    file.sync()
    return perf_counter_ns() - start
