"""What goes of a long journal, against a naive reading of its headers."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.runtime.journal_base import Base, read_base
from adapters.runtime.journal_format import HEADER_SIZE, Kind, encode_record_frame
from adapters.runtime.journal_keep import HEAD_BYTES, Drop, Keep, plan_drop
from adapters.runtime.journal_read import read_headers, segment_paths
from adapters.runtime.snapshots import list_snapshots
from adapters.simulated import SimFs
from engine.codec import encode_record
from engine.events import Record, TimerFired
from tests.journal.helpers import JOURNAL, RAW, open_writer
from tests.journal.test_keep import HOUR_NS, NOW_NS, RECORDS, SEGMENT, kept_journal


def size_before(fs: SimFs, directory: Path, number: int) -> list[int]:
    return [fs.size(path) for other, path in segment_paths(fs, directory).items() if other < number]


def drop_at(fs: SimFs, wanted: int) -> Drop | None:
    """What goes where all before one segment may: the naive way, from the headers alone."""
    headers = list(read_headers(fs, JOURNAL))
    raw_headers = list(read_headers(fs, RAW, Kind.RAW))
    spans = [*pairwise(headers), (headers[-1], None)]
    for header, following in reversed(spans[1:]):
        end = following.first_seq if following is not None else RECORDS + 1
        starts = [s for s in list_snapshots(fs, JOURNAL) if header.first_seq <= s + 1 < end]
        if header.number > wanted or not starts:
            continue
        why = f"records up to seq {header.first_seq - 1} were dropped, as [journal] keep asks"
        seq = starts[0]
        base = Base(header.number, header.first_seq, header.prev_hash, seq, b"", why)
        raw = raw_with(fs, header.first_seq)
        raw_header = raw_headers[raw - 1]
        raw_base = Base(raw, raw_header.first_seq, raw_header.prev_hash, why=why)
        gone = [*size_before(fs, JOURNAL, header.number), *size_before(fs, RAW, raw)]
        return Drop(base, raw_base if raw > 1 else None, len(gone), sum(gone))
    return None


def raw_with(fs: SimFs, seq: int) -> int:
    """Number of the last raw segment that begins up to a seq, by its first frame."""
    at = HEADER_SIZE + 8
    firsts = {number: fs.read(path, at, 8) for number, path in segment_paths(fs, RAW).items()}
    return max(n for n, first in firsts.items() if int.from_bytes(first, "little") <= seq)


def stateless(drop: Drop | None) -> Drop | None:
    """A drop without the bytes of its state, which `assert_whole` of other tests proves."""
    if drop is None:
        return None
    base = drop.base
    bare = Base(base.number, base.first_seq, base.prev_hash, base.state_seq, b"", base.why)
    return Drop(bare, drop.raw, drop.segments, drop.size)


@pytest.mark.parametrize("segment_bytes", [420, 610, SEGMENT])
def test_what_is_older_than_the_limit_goes_to_the_nanosecond(segment_bytes: int) -> None:
    fs, _ = kept_journal(segment_bytes=segment_bytes)
    for header in list(read_headers(fs, JOURNAL))[1:]:
        exact_ns = NOW_NS - header.first_seq * HOUR_NS
        for for_ns, wanted in ((exact_ns, header.number), (exact_ns + 1, header.number - 1)):
            found = plan_drop(fs, JOURNAL, Keep(for_ns=for_ns), NOW_NS)
            assert stateless(found) == drop_at(fs, wanted)


def test_what_is_beyond_the_size_goes_to_the_byte() -> None:
    fs, _ = kept_journal()
    paths = [*segment_paths(fs, JOURNAL).values(), *segment_paths(fs, RAW).values()]
    total = sum(fs.size(path) for path in paths)
    assert plan_drop(fs, JOURNAL, Keep(bytes_max=total), NOW_NS) is None
    numbers = [header.number for header in read_headers(fs, JOURNAL)][1:]
    for number, following in pairwise(numbers):
        header = next(h for h in read_headers(fs, JOURNAL) if h.number == number)
        raw = raw_with(fs, header.first_seq)
        freed = sum([*size_before(fs, JOURNAL, number), *size_before(fs, RAW, raw)])
        for excess, wanted in ((freed, number), (freed + 1, following)):
            found = plan_drop(fs, JOURNAL, Keep(bytes_max=total - excess), NOW_NS)
            assert stateless(found) == drop_at(fs, wanted)


def test_a_journal_without_raw_bytes_begins_late_alone() -> None:
    fs, _ = kept_journal()
    for path in segment_paths(fs, RAW).values():
        fs.remove(path)
    drop = plan_drop(fs, JOURNAL, Keep(for_ns=60 * HOUR_NS), NOW_NS)
    assert drop is not None
    assert drop.raw is None
    assert drop.size == sum(size_before(fs, JOURNAL, drop.base.number))
    assert read_base(fs, JOURNAL).is_whole


class OnceFs(SimFs):
    """Counts how often each file is looked at."""

    def __init__(self, like: SimFs) -> None:
        super().__init__()
        self.__dict__.update(like.__dict__)
        self.heads: Counter[Path] = Counter()
        self.sizes: Counter[Path] = Counter()

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        self.heads[path] += size == HEAD_BYTES
        return super().read(path, start, size)

    def size(self, path: Path) -> int:
        self.sizes[path] += 1
        return super().size(path)


def test_a_long_journal_is_looked_at_once_however_much_of_it_goes() -> None:
    fs = OnceFs(kept_journal(segment_bytes=400)[0])
    drop = plan_drop(fs, JOURNAL, Keep(for_ns=HOUR_NS, bytes_max=2_000), NOW_NS)
    assert drop is not None
    assert drop.segments > 50
    assert max(fs.heads.values()) == max(fs.sizes.values()) == 1


def test_a_segment_of_a_clock_that_was_ahead_is_as_old_as_those_around_it() -> None:
    fs, paths = kept_journal()[0], segment_paths(kept_journal()[0], JOURNAL)
    number = list(paths)[2]
    header = list(read_headers(fs, JOURNAL))[2]
    ahead = Record(header.first_seq, 2 * NOW_NS, 0, TimerFired())
    data = fs.read(paths[number])
    frame = encode_record_frame(header.first_seq, encode_record(ahead))
    fs.remove(paths[number])
    with closing(fs.open_new(paths[number])) as file:
        file.write(data[:HEADER_SIZE] + frame)
    drop = plan_drop(fs, JOURNAL, Keep(for_ns=HOUR_NS), NOW_NS)
    assert drop is not None
    assert drop.base.number > number


def test_a_segment_without_a_record_is_of_no_age() -> None:
    fs, _ = kept_journal()
    keep = Keep(for_ns=HOUR_NS)
    before = plan_drop(fs, JOURNAL, keep, NOW_NS)
    with open_writer(fs):
        assert plan_drop(fs, JOURNAL, keep, NOW_NS) == before
