"""The file port: the system's files and the simulated ones obey the same contract."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from adapters import ports
from adapters.ports import Fs, SystemClock, SystemFs, SystemIds, SystemNet
from adapters.simulated import SimFs


@pytest.fixture(params=["system", "simulated"])
def fs(request: pytest.FixtureRequest) -> Fs:
    return SystemFs() if request.param == "system" else SimFs()


@pytest.fixture
def directory(fs: Fs, tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b"
    fs.make_dir(path)
    return path


def test_files_grow_and_are_read_in_parts(fs: Fs, directory: Path) -> None:
    file = fs.open_new(directory / "x")
    file.write(b"hello ")
    file.write(bytearray(b"world"))
    file.sync()
    file.close()
    assert fs.read(directory / "x") == b"hello world"
    assert fs.read(directory / "x", 6) == b"world"
    assert fs.read(directory / "x", 6, 2) == b"wo"
    assert fs.size(directory / "x") == 11


def test_truncated_file_keeps_its_start(fs: Fs, directory: Path) -> None:
    file = fs.open_new(directory / "x")
    file.write(b"hello world")
    file.close()
    for rewrite_from in (0, 3, 5):
        fs.truncate(directory / "x", 5, rewrite_from=rewrite_from)
        assert fs.read(directory / "x") == b"hello"


def test_renamed_file_takes_the_place_of_another(fs: Fs, directory: Path) -> None:
    for name in ("x", "y"):
        file = fs.open_new(directory / name)
        file.write(name.encode())
        file.close()
    fs.rename(directory / "x", directory / "y")
    assert fs.list_dir(directory) == ["y"]
    assert fs.read(directory / "y") == b"x"
    with pytest.raises(FileNotFoundError):
        fs.rename(directory / "x", directory / "y")


def test_removed_file_is_gone(fs: Fs, directory: Path) -> None:
    fs.open_new(directory / "x").close()
    fs.remove(directory / "x")
    assert fs.list_dir(directory) == []
    with pytest.raises(FileNotFoundError):
        fs.remove(directory / "x")


def test_what_exists_is_told_from_what_does_not(fs: Fs, directory: Path) -> None:
    assert fs.exists(directory)
    assert not fs.exists(directory / "x")
    fs.open_new(directory / "x").close()
    assert fs.exists(directory / "x")
    fs.remove(directory / "x")
    assert not fs.exists(directory / "x")


def test_directory_lists_files_and_directories_sorted(fs: Fs, directory: Path) -> None:
    fs.make_dir(directory / "c")
    fs.make_dir(directory / "c")
    fs.open_new(directory / "d").close()
    fs.open_new(directory / "b").close()
    assert fs.list_dir(directory) == ["b", "c", "d"]
    assert fs.list_dir(directory / "missing") == []


def test_creating_a_file_twice_is_refused(fs: Fs, directory: Path) -> None:
    fs.open_new(directory / "x").close()
    with pytest.raises(FileExistsError):
        fs.open_new(directory / "x")


def test_missing_file_is_refused(fs: Fs, directory: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fs.read(directory / "x")
    with pytest.raises(FileNotFoundError):
        fs.size(directory / "x")
    with pytest.raises(FileNotFoundError):
        fs.open_new(directory / "missing" / "x")


def test_lock_is_exclusive_until_released(fs: Fs, directory: Path) -> None:
    lock = fs.lock(directory / "lock")
    with pytest.raises(BlockingIOError):
        fs.lock(directory / "lock")
    lock.release()
    fs.lock(directory / "lock").release()
    assert fs.size(directory / "lock") == 0


def test_system_clock_never_steps_back() -> None:
    clock = SystemClock()
    readings = [clock.now_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert readings[0] > 1_767_000_000_000_000_000  # nanoseconds, not micro- or milliseconds


def test_system_ids_do_not_repeat() -> None:
    ids = SystemIds()
    assert len({ids.token(8) for _ in range(100)}) == 100
    assert len(ids.token(8)) == 16
    assert 0 <= ids.uniform() < 1


async def test_system_net_connects_to_what_it_serves() -> None:
    net = SystemNet()

    async def shout(stream: trio.abc.HalfCloseableStream) -> None:
        await stream.send_all((await stream.receive_some()).upper())

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(net.serve, shout, "127.0.0.1", 0)
        stream = await net.connect("127.0.0.1", port, tls=False)
        await stream.send_all(b"hello")
        assert await stream.receive_some() == b"HELLO"
        await stream.aclose()
        nursery.cancel_scope.cancel()


def test_the_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ports._since_boot_ns.args == (time.CLOCK_BOOTTIME,)
    boot_ns, wall_ns = 5_000, 1_700_000_000_000_000_000
    monkeypatch.setattr(ports, "_since_boot_ns", lambda: boot_ns)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns)
    clock = SystemClock()
    assert clock.now_ns() == wall_ns
    # An hour of sleep; the wall clock, which may be set, is not asked again.
    boot_ns += 3_600_000_000_000
    wall_ns = 0
    assert clock.now_ns() == 1_700_003_600_000_000_000
