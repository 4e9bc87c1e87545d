"""`panic` from another process: against an engine that quotes, hangs, is gone, or wakes up."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engine.events import PlacingAllowed, PlacingForbidden, Record
from tests.integration.kit import (
    MARKETS,
    Engine,
    Venue,
    environment,
    proved,
    quotefold,
    running_engine,
    running_venue,
    wait_until,
)
from tests.integration.test_crash import is_place

pytestmark = pytest.mark.slow

PATIENT = {"kill_switch_timeout": "60s"}
"""A timer that does none of the work in these tests."""


def panic(directory: Path, venue: Venue, *arguments: str) -> tuple[int, dict[str, Any]]:
    config = directory / "quotefold.toml"
    env = environment(directory, venue)
    code, out, err = quotefold("panic", str(config), "--json", *arguments, env=env)
    assert err == ""
    report: dict[str, Any] = json.loads(out)
    return code, report


def latch(directory: Path) -> Path:
    return directory / "quotefold" / "panic-latch"


def last_place(records: list[Record]) -> int:
    return max(record.seq for record in records if is_place(record))


def seqs(engine: Engine, kind: type) -> list[int]:
    return [record.seq for record in engine.records() if isinstance(record.event, kind)]


def test_panic_clears_a_quoting_engine_which_places_again_only_when_lifted(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue, **PATIENT) as engine:
        venue.wait_quotes()
        code, report = panic(tmp_path, venue)
        assert (code, report["clear"], report["latched"]) == (0, True, True), report
        assert set(report["markets"]) == set(MARKETS)
        assert venue.orders() == []
        (forbidden,) = seqs(engine, PlacingForbidden)
        assert last_place(engine.records()) < forbidden
        assert panic(tmp_path, venue, "--lift")[1]["lifted"]
        venue.wait_quotes()
        assert len(seqs(engine, PlacingAllowed)) == 1
        assert engine.finish()["anomalies"] == 0
    proved(engine.journal)


def test_panic_clears_what_a_hanging_engine_left_and_holds_it_when_it_wakes_up(
    tmp_path: Path,
) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue, **PATIENT) as engine:
        venue.wait_quotes()
        engine.send(signal.SIGSTOP)
        code, report = panic(tmp_path, venue)
        assert (code, report["clear"]) == (0, True), report
        engine.send(signal.SIGCONT)
        (forbidden,) = wait_until(lambda: seqs(engine, PlacingForbidden), "the latch is found")
        summary = engine.finish()
        assert venue.orders() == []
        assert last_place(engine.records()) < forbidden
        assert summary["clean"]
    proved(engine.journal)


def test_panic_clears_what_a_dead_engine_left_and_no_engine_starts_under_the_latch(
    tmp_path: Path,
) -> None:
    with running_venue() as venue:
        with running_engine(tmp_path, venue, **PATIENT) as engine:
            venue.wait_quotes()
            engine.send(signal.SIGKILL)
            engine.wait()
        assert venue.orders()
        code, report = panic(tmp_path, venue)
        assert (code, report["clear"]) == (0, True), report
        assert venue.orders() == []
        with running_engine(tmp_path, venue, name="second") as second:
            assert second.wait() == 2
        refusal = json.loads(second.out.read_text())
        assert "quotefold panic --lift" in refusal["error"]
        assert latch(tmp_path).exists()


def test_panic_without_a_venue_stops_the_engine_on_its_own_paper_venue(tmp_path: Path) -> None:
    with running_engine(tmp_path, None) as engine:
        wait_until(lambda: any(is_place(r) for r in engine.records()), "quotes")
        env = environment(tmp_path, None)
        code, out, err = quotefold("panic", "--json", env=env)
        assert (code, err) == (1, "")
        assert json.loads(out) == {
            "latch": str(latch(tmp_path)),
            "latched": True,
            "clear": False,
            "markets": {},
        }
        wait_until(lambda: seqs(engine, PlacingForbidden), "the latch is found")
        assert engine.finish()["clean"]


def test_panic_that_cannot_reach_the_venue_says_so_and_leaves_the_latch(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        engine.send(signal.SIGTERM)
        engine.wait()
    began = time.monotonic()
    code, report = panic(tmp_path, venue, "--patience", "10s")
    assert time.monotonic() - began < 20
    assert (code, report["clear"], report["latched"]) == (1, False, True)
    for name in MARKETS:
        assert report["markets"][name]["error"].startswith("no answer")
    assert latch(tmp_path).exists()
