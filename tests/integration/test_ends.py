"""How a run ends, and what it refuses to begin."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from engine.events import RequestSent, StreamClosed
from engine.intents import PlaceOrders
from tests.integration.kit import (
    proved,
    quotefold,
    running_engine,
    running_venue,
    settings,
    wait_until,
)
from tests.integration.truth import assert_agrees_with_venue

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_clean(tmp_path: Path, number: signal.Signals) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        engine.send(number)
        assert engine.wait() == 0
        assert venue.orders() == []
        assert venue.timers() == []
        assert engine.summary()["reason"] == "stopped"
        assert engine.err.read_text() == ""
        assert_agrees_with_venue(engine.journal, venue)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_ends_at_once_what_has_not_begun(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with running_venue() as venue:
        # It takes connections and answers nothing, which a start waits for.
        venue.process.send_signal(signal.SIGSTOP)
        try:
            with running_engine(tmp_path, venue) as engine:
                sockets = tmp_path / "quotefold"
                wait_until(lambda: list(sockets.glob("control-*.sock")), "the start")
                engine.send(number)
                assert engine.wait(5) == code
        finally:
            venue.process.send_signal(signal.SIGCONT)
    assert engine.err.read_text() == ""
    assert not engine.journal.exists()


def test_a_second_signal_leaves_at_once_with_the_timer_armed(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        # The venue stands still, so the orderly end cannot be over before the second signal.
        venue.process.send_signal(signal.SIGSTOP)
        try:
            engine.send(signal.SIGINT)
            wait_until(lambda: "StopRequested" in repr(engine.records()[-20:]), "the stop")
            engine.send(signal.SIGINT)
            code = engine.wait(2)
        finally:
            venue.process.send_signal(signal.SIGCONT)
        assert code == 128 + signal.SIGINT
        assert engine.out.read_text() == ""
        assert {timer["market"] for timer in venue.timers()} == {"BTC_USDT", "BTC_PERP"}
        wait_until(lambda: not venue.orders(), "the timers have cleared what was left")


def test_an_end_that_cannot_be_proved_leaves_the_timer_armed_and_says_so(tmp_path: Path) -> None:
    with (
        running_venue() as venue,
        running_engine(tmp_path, venue, shutdown_deadline="2s") as engine,
    ):
        venue.wait_quotes()
        venue.process.send_signal(signal.SIGSTOP)
        try:
            engine.send(signal.SIGTERM)
            assert engine.wait() == 1
        finally:
            venue.process.send_signal(signal.SIGCONT)
        summary = engine.summary()
        assert not summary["clean"]
        assert "kill-switch left armed" in summary["reason"]


def test_observing_captures_and_places_nothing(tmp_path: Path) -> None:
    with running_venue() as venue:
        arguments = ("--observe", "--for", "2s")
        with running_engine(tmp_path, venue, *arguments) as engine:
            assert engine.wait() == 0
        assert venue.ask("GET", "/hashes") == []
    summary = engine.summary()
    assert (summary["mode"], summary["fills"]) == ("observe", 0)
    records = engine.records()
    assert all(
        record.event.method != "POST" for record in records if isinstance(record.event, RequestSent)
    )
    assert any(type(record.event).__name__ == "BookDelta" for record in records)
    assert proved(engine.journal)["fingerprint"] == summary["fingerprint"]


def test_the_venue_of_a_run_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    with running_engine(tmp_path, None) as engine:
        wait_until(lambda: PlaceOrders.__name__ in repr(engine.records()), "quotes")
        (child,) = children(engine.process.pid)
        engine.process.kill()
        wait_until(lambda: not is_alive(child), "the venue is gone")


def test_a_venue_that_ends_is_noticed_and_the_run_can_still_be_stopped(tmp_path: Path) -> None:
    with (
        running_venue() as venue,
        running_engine(tmp_path, venue, shutdown_deadline="2s") as engine,
    ):
        venue.wait_quotes()
        venue.process.kill()
        wait_until(
            lambda: any(isinstance(r.event, StreamClosed) for r in engine.records()), "the loss"
        )
        engine.send(signal.SIGTERM)
        assert engine.wait() == 1
        assert not engine.summary()["clean"]
    assert proved(engine.journal)["runs"] == 1


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


# --- refusals ---------------------------------------------------------------------------------

REFUSALS = [
    ("live trading on paper", None, ("--live",), ("--live", "expected a section [venue]")),
    ("an unknown key", "[engine]\nkill_swich_timeout = '5s'", (), ("engine.kill_swich_timeout",)),
    ("a wrong type", "[engine]\ndepth_limit = '20'", (), ("engine.depth_limit", "expected")),
    ("an unknown section", "[enigne]\n", (), ("enigne", "engine")),
    ("no TOML", "= 1", (), ("not TOML",)),
    ("a flow file that is none", None, ("--flow", "bad.jsonl"), ("bad.jsonl",)),
    ("a flow file that is missing", None, ("--flow", "none.jsonl"), ("none.jsonl",)),
    ("a time that is none", None, ("--for", "10 parsecs"), ("10 parsecs",)),
]


@pytest.mark.parametrize(
    ("name", "text", "arguments", "parts"), REFUSALS, ids=[case[0] for case in REFUSALS]
)
def test_what_cannot_be_run_is_refused_before_anything_starts(
    tmp_path: Path, name: str, text: str | None, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    (tmp_path / "bad.jsonl").write_text("this is no recording\n")
    config, journal = tmp_path / "my.toml", tmp_path / "journal"
    config.write_text(settings() if text is None else text)
    given = [str(tmp_path / each) if each.endswith(".jsonl") else each for each in arguments]
    code, out, err = quotefold("run", str(config), "--journal", str(journal), *given)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    for part in parts:
        assert part in line
    if text:
        assert arguments or str(config) in line
    assert not journal.exists()


def test_a_configuration_that_is_missing_is_refused(tmp_path: Path) -> None:
    path, journal = tmp_path / "none.toml", tmp_path / "journal"
    code, out, err = quotefold("run", str(path), "--journal", str(journal), "--json")
    assert (code, err) == (2, "")
    error = json.loads(out)
    assert (error["kind"], str(path) in error["error"]) == ("ConfigError", True)
    assert not journal.exists()


def test_a_market_that_the_venue_does_not_list_is_refused(tmp_path: Path) -> None:
    config, journal = tmp_path / "my.toml", tmp_path / "journal"
    config.write_text(settings().replace("BTC_PERP", "DOGE_PERP"))
    code, out, err = quotefold("run", str(config), "--journal", str(journal))
    assert (code, out) == (2, "")
    assert "DOGE_PERP" in err
    assert len(err.splitlines()) == 1
    assert not journal.exists()
