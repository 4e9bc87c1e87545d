"""Log, metrics and service manager of a real run, and that none of them is in its way."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
import trio

from adapters.cli.main import main
from adapters.cli.watchers import Watchers
from engine.events import RunEnded
from tests.integration.kit import (
    environment,
    quotefold,
    read,
    running_engine,
    running_venue,
    settings,
    wait_until,
)

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def everything(manager: socket.socket) -> bytes:
    """Take what waits."""
    said = b""
    with suppress(BlockingIOError):
        while True:
            said += manager.recv(1_000)
    return said


def scraped(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_run_is_logged_measured_and_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, path, address = free_port(), tmp_path / "run.log", str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        running_venue() as venue,
    ):
        manager.bind(address)
        manager.settimeout(20)
        metrics = f"\n[metrics]\nport = {port}\n"
        with running_engine(tmp_path, venue, "--log", str(path), text=metrics) as engine:
            assert manager.recv(1_000).startswith(b"READY=1")
            venue.wait_quotes()
            found = scraped(port)
            assert found['quotefold_quotes{market="BTC_USDT",side="buy"}'] >= 1
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                assert answer.status == 200
            wait_until(lambda: '"quoting"' in path.read_text(), "the line of the first tick")
            # A socket holds a few messages, and what finds no room is not said again.
            manager.setblocking(False)
            said = everything(manager)
            summary = engine.finish()
        said += everything(manager)
    assert b"ended" in said
    assert b"WATCHDOG=1" in said
    assert b"STOPPING=1" in said
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = [line["event"] for line in lines]
    assert names[0] == "run_started"
    assert "quoting" in names
    assert names[-1] == "run_ended"
    assert names.count("filled") == summary["fills"]


def test_the_log_can_go_to_standard_error(tmp_path: Path) -> None:
    code, out, err = quotefold(
        *("run", "--json", "--for", "1s", "--log", "-", "--log-level", "debug"),
        *("--journal", str(tmp_path / "journal")),
    )
    assert code == 0
    assert json.loads(out)["clean"]
    levels = {json.loads(line)["level"] for line in err.splitlines()}
    assert {"debug", "info"} <= levels


def test_a_run_that_cannot_begin_says_so_in_its_log(tmp_path: Path) -> None:
    config, log = tmp_path / "my.toml", tmp_path / "log"
    config.write_text(settings().replace("BTC_PERP", "DOGE_PERP"))
    code, _, _ = quotefold("run", str(config), "--json", "--log", str(log))
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (code, line["event"], line["error"]) == (2, "crashed", "ConfigError")
    assert "DOGE_PERP" in line["text"]


REFUSALS = [
    ("a log that cannot be written", "", ("--log", "/proc/none"), "--log /proc/none"),
    ("a port that is taken", "\n[metrics]\nport = {port}\n", (), "metrics: cannot listen on"),
]


@pytest.mark.parametrize(
    ("text", "arguments", "problem"), [pytest.param(*case[1:], id=case[0]) for case in REFUSALS]
)
def test_what_cannot_be_watched_as_asked_is_refused_before_a_journal_exists(
    tmp_path: Path, text: str, arguments: tuple[str, ...], problem: str
) -> None:
    config, journal = tmp_path / "my.toml", tmp_path / "journal"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(settings() + text.format(port=taken.getsockname()[1]))
        given = ("run", str(config), "--journal", str(journal), *arguments)
        code, out, err = quotefold(*given)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert problem in err
    assert not journal.exists()


def test_a_fault_of_what_watches_ends_the_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, journal, log = tmp_path / "my.toml", tmp_path / "journal", tmp_path / "log"
    with running_venue() as venue:

        async def fail(watchers: Watchers) -> None:
            await trio.to_thread.run_sync(venue.wait_quotes)
            raise ZeroDivisionError("of a line of the log")

        monkeypatch.setattr(Watchers, "_refresh", fail)
        for name, value in environment(tmp_path, venue).items():
            monkeypatch.setenv(name, value)
        config.write_text(settings(venue))
        with pytest.raises(ExceptionGroup) as fault:
            main(["run", str(config), "--journal", str(journal), "--json", "--log", str(log)])
        assert fault.group_contains(ZeroDivisionError, match="of a line of the log", depth=1)
        assert (venue.orders(), venue.timers()) == ([], [])
    (ended,) = [r.event for r in read(journal) if isinstance(r.event, RunEnded)]
    assert ended.clean
    assert '"crashed"' in log.read_text().splitlines()[-1]
