"""Every byte of a journal may be the last one, or have a bit flipped.

Either the damage is refused, with its place, and nothing is touched; or what was synced is all
there, nothing else is made up, and the journal goes on and survives the next crash.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_raw import RawReader, RawWriter
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from engine.errors import JournalError
from tests.journal.helpers import CONFIG, JOURNAL, RAW, SCHEMA, append, payload, read_all, records

pytestmark = pytest.mark.slow

OPEN = (JOURNAL, SCHEMA, CONFIG)
Files = dict[Path, bytes]


class Written:
    """A journal of several segments with raw bytes beside it, and what was synced when."""

    def __init__(self, *, closed: bool) -> None:
        fs = SimFs()
        self.synced: list[tuple[Path, int, int]] = []
        for run in (1, 2):
            writer, _ = JournalWriter.open(fs, *OPEN, segment_bytes=330)
            raw, _ = RawWriter.open(fs, *OPEN, first_seq=writer.next_seq, segment_bytes=220)
            for _ in range(3):
                raw.append(writer.next_seq, "public", payload(writer.next_seq))
                append(writer, 1 + run % 2)
                writer.sync()
                raw.flush()
                path = self._last(fs)
                self.synced.append((path, fs.size(path), writer.next_seq - 1))
            if closed or run == 1:
                raw.close()
                writer.close()
            else:
                append(writer, 2)
                writer.flush()
        self.files: Files = {
            directory / name: fs.read(directory / name)
            for directory in (JOURNAL, RAW)
            for name in fs.list_dir(directory)
            if name.endswith(".qfj")
        }

    @staticmethod
    def _last(fs: SimFs) -> Path:
        return JOURNAL / [name for name in fs.list_dir(JOURNAL) if name.endswith(".qfj")][-1]

    def synced_within(self, files: Files) -> int:
        """The last seq that was synced before these files were longer than they are."""
        fits = (s for path, size, s in self.synced if len(files.get(path, b"")) >= size)
        return max(fits, default=0)


def disk_of(files: Files) -> SimFs:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    fs.make_dir(RAW)
    for path, data in files.items():
        fs.overwrite(path, data)
    return fs


def write_on(fs: SimFs) -> int:
    """Open, append two synced records and one that is not; returns the last synced seq."""
    writer, _ = JournalWriter.open(fs, *OPEN)
    raw, _ = RawWriter.open(fs, *OPEN, first_seq=writer.next_seq)
    raw.append(writer.next_seq, "public", b"bytes")
    raw.flush()
    append(writer, 2)
    writer.sync()
    synced = writer.next_seq - 1
    append(writer, 1)
    writer.flush()
    return synced


def assert_goes_on(fs: SimFs, synced: int, rng: random.Random) -> None:
    """Nothing synced is lost now, nor when the machine stops and starts again."""
    last = write_on(fs)
    assert last >= synced + 2
    fs.crash(rng)
    write_on(fs)
    fs.crash()
    found = read_all(fs)
    assert found == records(1, len(found))
    assert len(found) >= last + 2
    assert verify_journal(fs, JOURNAL).all_problems == ()
    assert all(record.seq <= len(found) for record in RawReader(fs, JOURNAL).records())


def refusal(fs: SimFs) -> str:
    """What opening and writing on is refused with; empty if it is not."""
    try:
        write_on(fs)
    except JournalError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("directory", [JOURNAL, RAW], ids=["events", "raw"])
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unclosed"])
def test_cut_at_any_byte_it_goes_on_from_what_was_synced_before(
    closed: bool, directory: Path
) -> None:
    written, rng = Written(closed=closed), random.Random(1)
    paths = [path for path in written.files if path.parent == directory]
    assert len(paths) >= 3
    for index, path in enumerate(paths):
        for size in range(len(written.files[path])):
            files = {p: data for p, data in written.files.items() if p not in paths[index:]}
            files[path] = written.files[path][:size]
            synced = written.synced_within(files)
            assert_goes_on(disk_of(files), synced, rng)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unclosed"])
def test_an_older_segment_cut_at_any_byte_is_refused_with_its_place(closed: bool) -> None:
    written = Written(closed=closed)
    for directory in (JOURNAL, RAW):
        for path in [path for path in written.files if path.parent == directory][:-1]:
            for size in range(len(written.files[path])):
                files = {**written.files, path: written.files[path][:size]}
                fs = disk_of(files)
                assert f"{path} offset " in refusal(fs)
                assert fs.read(path) == files[path], "refused means untouched"
                assert verify_journal(fs, JOURNAL).all_problems


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unclosed"])
def test_a_bit_flipped_in_any_byte_is_refused_with_its_place(closed: bool) -> None:
    written = Written(closed=closed)
    for path, data in written.files.items():
        for offset in range(len(data)):
            harmed = bytearray(data)
            harmed[offset] ^= 1 << offset % 8
            fs = disk_of({**written.files, path: bytes(harmed)})
            assert f"{path} offset " in refusal(fs)
            assert fs.read(path) == harmed, "refused means untouched"
            places = [p for p in verify_journal(fs, JOURNAL).all_problems if p.file == str(path)]
            assert places
            assert places[0].offset <= offset
