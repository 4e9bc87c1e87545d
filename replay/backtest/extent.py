"""From when to when data goes, without reading what lies between: enough for a progress bar."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.ports import ReadFs
from replay.backtest.recording import ends_of
from replay.backtest.rows import JOIN_NS
from replay.backtest.run import Plan
from replay.backtest.source import Source, journal_ends, read_recording


def extent(fs: ReadFs, plan: Plan) -> tuple[int, int]:
    """Return when a plan begins and ends, in ns, but for what a market lacks at its beginning.

    Both are 0 where only reading it all would tell: frames without events beside them.

    Raises:
        ConfigError: data that cannot be read.
        JournalError: a damaged journal.
    """
    if plan.journals:
        ends = [journal_ends(fs, each) for each in plan.journals]
        begin_ns, end_ns = ends[0][0], ends[-1][1]
    else:
        markets = [_recorded(fs, files) for files in plan.files.values()]
        begin_ns, end_ns = max(begin for begin, _ in markets), min(end for _, end in markets)
    if not (begin_ns and end_ns):
        return 0, 0
    begin_ns = max(begin_ns, plan.begin_ns)
    return begin_ns, max(begin_ns, min(end_ns, plan.end_ns) if plan.end_ns else end_ns)


def _recorded(fs: ReadFs, files: Sequence[Source]) -> tuple[int, int]:
    # One after the other, each moved to where the last one ended.
    begin_ns = end_ns = 0
    for file in files:
        first_ns, last_ns = ends_of(file.shown, read_recording(fs, file))
        if end_ns:
            end_ns += JOIN_NS + last_ns - first_ns
        else:
            begin_ns, end_ns = first_ns, last_ns
    return begin_ns, end_ns
