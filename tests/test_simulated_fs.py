"""The simulated disk: what a crash takes, and how its calls fail."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Literal

import pytest

from adapters.simulated_fs import Fault, SimFs

ROOT = Path("/sim")


def test_crash_keeps_what_was_synced_and_nothing_else() -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    file = fs.open_new(ROOT / "a")
    file.write(b"synced")
    file.sync()
    file.write(b", not synced")
    assert fs.read(ROOT / "a") == b"synced, not synced"
    fs.crash()
    assert fs.read(ROOT / "a") == b"synced"
    with pytest.raises(OSError, match="crashed"):
        file.write(b"x")


def test_drawn_crash_keeps_some_of_the_rest_and_may_zero_pages() -> None:
    results = set()
    for seed in range(40):
        fs = SimFs()
        fs.make_dir(ROOT)
        file = fs.open_new(ROOT / "a")
        file.write(b"s" * 100)
        file.sync()
        file.write(b"u" * 9000)
        fs.crash(random.Random(seed))
        data = fs.read(ROOT / "a")
        assert data.startswith(b"s" * 100)
        assert len(data) <= 9100
        results.add((len(data) > 4096, b"\0" in data))
    assert results == {(True, True), (True, False), (False, True), (False, False)}


def test_full_disk_takes_what_fits_and_refuses_the_rest() -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    file = fs.open_new(ROOT / "a")
    fs.space_left = 5
    file.write(b"abc")
    with pytest.raises(OSError, match="no space left"):
        file.write(b"defgh")
    assert fs.read(ROOT / "a") == b"abcde"


def test_failing_sync_raises_and_leaves_the_bytes_at_risk() -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    file = fs.open_new(ROOT / "a")
    file.write(b"abc")
    fs.fail_syncs = True
    with pytest.raises(OSError, match="failed to sync"):
        file.sync()
    fs.crash()
    assert fs.read(ROOT / "a") == b""


def test_crash_frees_locks_and_an_old_holder_cannot_free_the_new_one() -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    old = fs.lock(ROOT / "lock")
    with pytest.raises(BlockingIOError):
        fs.lock(ROOT / "lock")
    fs.crash()
    fs.lock(ROOT / "lock")
    old.release()
    with pytest.raises(BlockingIOError):
        fs.lock(ROOT / "lock")


@pytest.mark.parametrize(
    ("kind", "kept", "after_crash"),
    [("refused", b"ab", b"ab"), ("short", b"abcd", b"ab"), ("done", b"abcdef", b"ab")],
)
def test_a_write_fails_in_the_way_that_was_asked_for(
    kind: Literal["refused", "short", "done"], kept: bytes, after_crash: bytes
) -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    file = fs.open_new(ROOT / "a")
    file.write(b"ab")
    file.sync()
    fs.fault = Fault(fs.calls + 1, kind, errno.ENOSPC)
    with pytest.raises(OSError, match="failed at call 5") as caught:
        file.write(b"cdef")
    assert caught.value.errno == errno.ENOSPC
    assert fs.read(ROOT / "a") == kept
    fs.crash()
    assert fs.read(ROOT / "a") == after_crash


@pytest.mark.parametrize(("rewrite_from", "found"), [(0, b"abcdef"), (2, b"abcdef"), (6, b"ab")])
def test_what_a_failed_sync_dropped_is_only_safe_once_it_is_written_again(
    rewrite_from: int, found: bytes
) -> None:
    fs = SimFs()
    fs.make_dir(ROOT)
    file = fs.open_new(ROOT / "a")
    file.write(b"ab")
    file.sync()
    file.write(b"cdef")
    fs.fail_syncs = True
    with pytest.raises(OSError, match="failed to sync"):
        file.sync()
    fs.end_process()
    fs.truncate(ROOT / "a", 6, rewrite_from=rewrite_from)
    fs.crash()
    assert fs.read(ROOT / "a").rstrip(b"\0") == found
