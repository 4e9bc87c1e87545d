"""What tells of positions is for its owner alone, whatever the umask allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import NO_HASH, Header, Kind
from adapters.runtime.journal_raw import RawWriter
from adapters.runtime.snapshots import SnapshotKeeper
from engine.state import State
from tests.journal.helpers import CONFIG, SCHEMA, append

HEADER = Header(1, Kind.EVENTS, False, 1, SCHEMA, CONFIG, NO_HASH)
BASE = Base(why="a test")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(root: Path) -> dict[str, int]:
    paths = [root, *sorted(root.rglob("*"))]
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in paths}


def write_journal(directory: Path) -> None:
    """One segment that is compressed, one that is not, raw bytes, a snapshot, a beginning."""
    fs = SystemFs()
    for _ in range(2):
        writer, _ = JournalWriter.open(fs, directory, SCHEMA, CONFIG)
        raw, _ = RawWriter.open(fs, directory, SCHEMA, CONFIG, first_seq=writer.next_seq)
        raw.append(writer.next_seq, "public", b"bytes")
        append(writer, 3)
        raw.close()
        writer.close()
        compact_journal(fs, directory)
    SnapshotKeeper(fs, directory, bytes(32), 0).keep(State(seq=6))
    write_base(fs, directory, BASE)


def test_everything_of_a_journal_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    root = tmp_path / "journals"
    write_journal(root / "run")
    copy = JournalCopy(SystemFs(), root / "copy", Kind.EVENTS, BASE)
    copy.add(HEADER, [(1, b"x")])
    found = modes(root)
    folders = [".", "copy", "run", "run/raw"]
    assert len(found) > 2 * len(folders)
    assert found == {name: 0o700 if name in folders else 0o600 for name in found}


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    root.chmod(0o750)
    write_journal(root)
    found = modes(root)
    assert found["."] == 0o750
    assert found["raw"] == 0o700
    assert {mode for name, mode in found.items() if "." in name[1:]} == {0o600}


def test_what_is_no_secret_is_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    fs = SystemFs()
    fs.make_dir(tmp_path / "a" / "b")
    fs.open_new(tmp_path / "a" / "b" / "c").close()
    found = modes(tmp_path / "a")
    assert found == {".": 0o777 & ~umask, "b": 0o777 & ~umask, "b/c": 0o644 & ~umask}
