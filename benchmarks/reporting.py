"""Report and export: how fast what others look at is made of a recorded session."""

from __future__ import annotations

import tempfile
from pathlib import Path

from adapters.cli.journal_export import TABLES, export
from adapters.cli.report import read
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from benchmarks.figures import Section, rate_row, timed_ns
from benchmarks.session import Session
from engine.events import Decided, Fingerprint, RequestSent
from replay.parallel import cores
from replay.report.fold import Window
from replay.report.page import page

_OWN_RECORDS = (Decided, RequestSent, Fingerprint)


def _inputs(session: Session) -> int:
    return sum(not isinstance(record.event, _OWN_RECORDS) for record in session.records)


def measure_report(session: Session, passes: int) -> Section:
    """Time `report` from the journal's bytes to those of the page.

    Raises:
        RuntimeError: the page has not all fills, so that the times mean nothing.
    """
    pages: list[tuple[int, int]] = []

    def report() -> None:
        found = read(session.fs, JOURNAL, Window(), progress=False)
        text = page(found, "journal", "0")
        pages.append((found.fills.count, len(text)))

    times = timed_ns(report, passes)
    fills, size = pages[-1]
    state = read(session.fs, JOURNAL, Window(), progress=False).state
    counted = sum(market.inventory.fills for market in state.markets.values())
    if fills != counted:
        raise RuntimeError(f"report benchmark: expected {counted} fills, found {fills}")
    return Section(
        key="report",
        title="report, as one page",
        rows=[
            rate_row("all records", len(session.records), times),
            rate_row("input events", _inputs(session), times),
        ],
        notes=[
            f"{session.label}; {fills} fills; a page of {size:,} bytes; {passes} passes.",
            "From journal bytes in memory to the bytes of the page.",
        ],
    )


def measure_export(session: Session, passes: int) -> Section:
    """Time `journal export` from a journal on disk to files on disk.

    Raises:
        RuntimeError: a record is missing, so that the times mean nothing.
    """
    fs, rows = SystemFs(), []
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        journal = Path(directory) / "journal"
        _copied(session, journal)
        for kind in ("csv", "parquet"):
            counts: list[int] = []

            def write(kind: str = kind, counts: list[int] = counts) -> None:
                found = export(fs, journal, Path(directory) / kind, TABLES, kind, force=True)
                counts.append(found["events"])

            times = timed_ns(write, passes)
            if counts[-1] != len(session.records):
                raise RuntimeError(f"export benchmark: {counts[-1]} of {len(session.records)}")
            rows += [
                rate_row(f"{kind}, all records", len(session.records), times),
                rate_row(f"{kind}, input events", _inputs(session), times),
            ]
    return Section(
        key="export",
        title="export of every table",
        rows=rows,
        notes=[
            f"{session.label}; {len(session.records)} records; {passes} passes; {cores()} cores.",
            "Time that passes, from a journal on disk to files. With two cores the events are"
            " written beside the rest. It takes some tenths of a second to begin with.",
        ],
    )


def _copied(session: Session, journal: Path) -> None:
    fs = SystemFs()
    fs.make_dir(journal)
    for name in session.fs.list_dir(JOURNAL):
        if name.endswith((".qfj", ".zst")):
            file = fs.open_new(journal / name)
            file.write(session.fs.read(JOURNAL / name))
            file.close()
