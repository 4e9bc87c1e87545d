"""Data at URLs is the same data: equal journals and results, for what fsspec opens by itself."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.backtest_plan import make_plan, parse_latency
from adapters.cli.main import main
from adapters.ports_urls import UrlFs
from engine.errors import ConfigError
from replay.backtest.run import Plan, play, run_backtest, start_of
from replay.backtest.source import find_recording, is_journal
from replay.backtest.sweep import Store, sweep
from replay.backtest.workers import local
from tests.backtest.recordings import made_up, plan_of, recorded, spot_config, write
from tests.backtest.sweeps import FS, files, made, nothing
from tests.integration.world import copied
from tests.replay.recorded import recorded as recorded_run

fsspec = pytest.importorskip("fsspec", reason="needs the extra `sweep`: make sweep-extra")
pytestmark = pytest.mark.slow
NAME = "spot.zst"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / NAME, recorded(600))


@pytest.fixture(autouse=True)
def memory() -> Iterator[Any]:
    """The file system of `memory://`, empty before and after."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def plan_on(*texts: str) -> Plan:
    latency = parse_latency("constant:5ms")
    return make_plan(FS, spot_config(), texts, latency, "risk_averse", 1)


def in_memory(path: Path, memory: Any) -> str:
    memory.pipe_file(f"/days/{path.name}", path.read_bytes())
    return f"memory://days/{path.name}"


def in_a_zip(path: Path, memory: Any) -> str:
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, path.name)
    return f"zip://{path.name}::file://{archive}"


PLACES: dict[str, Callable[[Path, Any], str]] = {
    "memory": in_memory,
    "file": lambda path, memory: f"file://{path}",
    "named": lambda path, memory: f"BTC_USDT=file://{path}",
    "zip": in_a_zip,
    "cached": lambda path, memory: f"simplecache::file://{path}",
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_recording_gives_the_same_journal_from_everywhere(
    here: Path, tmp_path: Path, memory: Any, kind: str
) -> None:
    plan = plan_on(PLACES[kind](here, memory))
    assert start_of(plan) == start_of(plan_of(here))
    played = run_backtest(FS, plan, tmp_path / "there")
    assert played == run_backtest(FS, plan_of(here), tmp_path / "here")
    assert files(tmp_path / "there") == files(tmp_path / "here")


@pytest.mark.skipif(find_spec("aiohttp") is None, reason="needs aiohttp, for https:// of fsspec")
def test_a_recording_is_fetched_over_http(here: Path) -> None:
    handler = partial(_Quiet, directory=str(here.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{NAME}?key=4f"
            plan = plan_on(url)
            assert start_of(plan) == start_of(plan_of(here))
            assert play(FS, plan) == play(FS, plan_of(here))
            with pytest.raises(ConfigError, match=r"/none\.zst: expected a recording"):
                find_recording(FS, url.replace(NAME, "none.zst"))
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.parametrize("raw", ["", "raw:"])
def test_a_journal_gives_the_same_journal_from_everywhere(
    tmp_path: Path, memory: Any, raw: str
) -> None:
    here = copied(recorded_run().fs, tmp_path / "first")
    memory.put(str(here), "/kept/first", recursive=True)
    plan = plan_on(f"{raw}{here}")
    for place in (f"file://{here}", "memory://kept/first"):
        there = plan_on(f"{raw}{place}")
        assert [each.shown for each in there.journals] == [f"{raw}{place}"]
        assert start_of(there) == start_of(plan)
        assert play(FS, there) == play(FS, plan)


def test_workers_read_urls_themselves(here: Path, tmp_path: Path) -> None:
    """The results are those of the file: by name and bytes, so that a sweep goes on elsewhere."""
    tasks = made([f"file://{here}"]).tasks
    assert sweep(tasks, Store(FS, tmp_path / "there"), local(2), nothing) == sweep(
        made([here]).tasks, Store(FS, tmp_path / "here"), local(1), nothing
    )
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_what_changed_at_a_url_is_refused(here: Path, memory: Any, tmp_path: Path) -> None:
    place = in_memory(here, memory)
    plan = plan_on(place)
    in_memory(write(tmp_path / NAME, made_up(3, rows=50)), memory)
    with pytest.raises(ConfigError, match="expected the bytes of the plan"):
        play(FS, plan)


def test_a_tree_at_a_url_is_read_as_one_on_the_disk(memory: Any) -> None:
    memory.pipe_file("/a/b/c.txt", b"hello world")
    memory.pipe_file("/a/d.txt", b"")
    fs = UrlFs("memory://a")
    assert fs.list_dir(fs.path) == ["b", "d.txt"]
    assert fs.list_dir(fs.path / "none") == fs.list_dir(fs.path / "d.txt") == []
    assert fs.read(fs.path / "b" / "c.txt") == b"hello world"
    assert fs.read(fs.path / "b" / "c.txt", 6, 3) == b"wor"
    assert fs.read(fs.path / "b" / "c.txt", 0, 5) == b"hello"
    assert [fs.exists(fs.path / name) for name in ("b", "d.txt", "e")] == [True, True, False]
    with pytest.raises(FileNotFoundError):
        fs.read(fs.path / "none")
    assert is_journal(FS, "memory://a")
    assert not is_journal(FS, "memory://a/d.txt")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("memory://none.zst", "expected a recording or a journal, found: "),
        ("nowhere://a.zst", "expected a URL that fsspec can open here, found: .*nowhere"),
        ("raw:memory://none", "expected bytes as received in raw/, found none"),
        ("BTC_USDT=file:///none/a.zst", "file:///none/a.zst: expected a recording"),
    ],
)
def test_the_command_refuses_what_is_not_there(
    place: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["backtest", "--data", place, "--journal", str(tmp_path / "j"), "--json"]
    assert main(command) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert pytest.RaisesExc(ConfigError, match=words).matches(ConfigError(error)), error


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(ConfigError, match=r"s3://bucket/a\.zst: .* s3fs"):
        find_recording(FS, "s3://bucket/a.zst")


def test_errors_of_a_file_system_do_not_quote_its_url() -> None:
    class Broken(Exception):
        pass

    fs = UrlFs("memory://a")

    def fail(*arguments: object) -> None:
        raise Broken("https://host/a?key=4f")

    fs._files = type("Files", (), {"info": fail})()
    with pytest.raises(OSError, match="Broken") as caught:
        fs.list_dir(fs.path)
    assert "key" not in str(caught.value)
