"""The size of a journal while it grows: right each time, and each file asked as long as it may."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_size import JournalSize
from adapters.runtime.snapshots import SnapshotKeeper
from adapters.simulated import SimFs
from engine.state import State
from tests.journal.helpers import JOURNAL, RAW, append, closed_journal, open_writer


class CountingFs(SimFs):
    """Counts how often the size of each file is asked for; one may be gone by then."""

    def __init__(self, like: SimFs) -> None:
        super().__init__()
        self.__dict__.update(like.__dict__)
        self.asked: Counter[Path] = Counter()
        self.gone = ""

    def size(self, path: Path) -> int:
        self.asked[path] += 1
        if path.name == self.gone:
            raise FileNotFoundError(path)
        return super().size(path)


def true_size(fs: SimFs) -> int:
    paths = [path / name for path in (JOURNAL, RAW) for name in fs.list_dir(path)]
    return sum(SimFs.size(fs, path) for path in paths if path != RAW)


def test_it_is_right_while_the_journal_grows_and_shrinks() -> None:
    fs = CountingFs(closed_journal())
    size, keeper = JournalSize(fs, JOURNAL), SnapshotKeeper(fs, JOURNAL, b"code", 0)
    assert size() == true_size(fs)
    writer = open_writer(fs, segment_bytes=500)
    for seq in range(1, 20):
        append(writer, 5)
        writer.sync()
        keeper.keep(State(seq=seq))
        assert size() == true_size(fs)
    writer.close()
    compact_journal(fs, JOURNAL)
    assert size() == true_size(fs)
    fs.remove(JOURNAL / "00000001.qfj.zst")
    assert size() == true_size(fs)


def test_only_what_may_still_grow_is_asked_again() -> None:
    fs = CountingFs(closed_journal())
    keeper = SnapshotKeeper(fs, JOURNAL, b"code", 0)
    for seq in (1, 2):
        keeper.keep(State(seq=seq))
    size = JournalSize(fs, JOURNAL)
    for _ in range(3):
        size()
    assert {path for path, times in fs.asked.items() if times > 1} == {
        *(JOURNAL / name for name in ("00000004.qfj", "snapshot-0000000000000002.qfs", "lock")),
        *(RAW / name for name in ("00000002.qfj", "lock")),
        RAW,
    }


def test_a_file_that_goes_while_it_is_looked_at_counts_no_more() -> None:
    fs = CountingFs(closed_journal())
    fs.gone = "00000001.qfj"
    whole, gone = true_size(fs), SimFs.size(fs, JOURNAL / "00000001.qfj")
    assert JournalSize(fs, JOURNAL)() == whole - gone - SimFs.size(fs, RAW / "00000001.qfj")
