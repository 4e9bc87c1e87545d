"""The engine against a venue whose plan of faults runs all the while, on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from adapters.cli.simulate import Simulation
from adapters.paper.faults.plan import Kind, Plan, Rule
from engine.errors import RemoteProtocolError
from tests.integration.kit import ACCOUNT, running_venue
from tests.integration.test_simulation import assert_proved
from tests.integration.truth import assert_agrees
from tests.integration.world import account_at, files_of, run_quiet

pytestmark = pytest.mark.slow

ORDERS = "/api/v4/order/*"
ALL = "/api/v4/*"
LONG_S = 240
# Nothing goes wrong any more when the run is told to stop.
CALM_S = 200


def rule(kind: Kind, **more: Any) -> Rule:
    return Rule(kind=kind, until_s=CALM_S, **more)


START = "/api/v4/public/markets"
ANSWERS = (
    rule(Kind.ANSWER, path=ORDERS, status=503, accepted=True, probability=0.01),
    rule(Kind.ANSWER, path=ORDERS, status=503, accepted=False, probability=0.01),
    rule(Kind.ANSWER, path=ALL, status=502, accepted=True, probability=0.005),
    rule(Kind.ANSWER, path=ALL, status=500, accepted=False, probability=0.005),
    rule(Kind.ANSWER, path=ALL, status=429, accepted=False, probability=0.01),
    rule(Kind.DELAY, path=ORDERS, seconds=0.3, probability=0.02),
    rule(Kind.DELAY, path=ORDERS, seconds=3, probability=0.005),
    rule(Kind.DELAY, path=ORDERS, seconds=2, accepted=False, probability=0.005),
    rule(Kind.DROP, path=ALL, accepted=True, probability=0.003),
    rule(Kind.DROP, path=ALL, accepted=False, probability=0.003),
    rule(Kind.CLOSE, path=ALL, accepted=True, probability=0.005),
    rule(Kind.CLOSE, path=ALL, accepted=False, probability=0.005),
    rule(Kind.DUPLICATE, path=ALL, probability=0.01),
)
PUSHES = (
    rule(Kind.SKIP_DELTA, probability=0.01),
    rule(Kind.DELAY, channel="*", seconds=0.4, probability=0.005),
    rule(Kind.DUPLICATE, channel="private", probability=0.03),
    rule(Kind.REORDER, channel="private", probability=0.03),
    rule(Kind.DROP, channel="private", probability=0.01),
    rule(Kind.DROP, channel="answer", probability=0.002),
)
SOCKETS = (
    rule(Kind.CLOSE, channel="*", probability=0.001),
    rule(Kind.STALL, channel="*", seconds=4, probability=0.0007),
    rule(Kind.HALF_OPEN, channel="*", probability=0.0005),
    rule(Kind.ANSWER, path="/ws", status=503, probability=0.2),
    rule(Kind.CLOSE, path="/ws", probability=0.1),
    rule(Kind.DROP, path="/ws", probability=0.1),
    rule(Kind.DELAY, path="/ws", seconds=3, probability=0.2),
)
VENUE = (
    Rule(kind=Kind.EXPIRE_TOKENS, from_s=40),
    Rule(kind=Kind.JUMP_CLOCK, from_s=70, seconds=1.5),
    Rule(kind=Kind.JUMP_CLOCK, from_s=110, seconds=-1.5),
    Rule(kind=Kind.CANCEL_ONLY, market="BTC_PERP", from_s=150, until_s=152),
)
PARTS = {"answers": ANSWERS, "pushes": PUSHES, "sockets": SOCKETS, "venue": VENUE}
EVERYTHING = ANSWERS + PUSHES + SOCKETS + VENUE


def assert_ended_in_truth(run: Simulation) -> None:
    exchange = run.venue.exchange
    assert_proved(run)
    state = run.outcome.state
    assert [market.breaks for market in state.markets.values()] == [0, 0]
    assert run.outcome.ended.clean
    assert exchange.open_orders(ACCOUNT) == []
    assert exchange.kill_switches(ACCOUNT) == []
    assert_agrees(state, account_at(run.venue))


def faulty(rules: tuple[Rule, ...], seed: int) -> Simulation:
    return run_quiet(LONG_S, seed=seed, kill_switch="15s", faults=Plan(rules=rules, seed=seed))


@pytest.mark.parametrize("part", PARTS)
def test_each_kind_of_faults_leaves_nothing_and_loses_nothing(part: str) -> None:
    run = faulty(PARTS[part], seed=5)
    faults = run.venue.venue.faults
    assert faults is not None
    assert faults.log
    assert_ended_in_truth(run)


def test_all_faults_at_once_and_the_same_once_more() -> None:
    seed = 11
    run = faulty(EVERYTHING, seed)
    assert_ended_in_truth(run)
    again = faulty(EVERYTHING, seed)
    logs = [each.venue.venue.faults for each in (run, again)]
    assert logs[0] is not None
    assert logs[1] is not None
    assert len({done.kind for done in logs[0].log}) >= 10
    assert logs[0].shown() == logs[1].shown()
    assert files_of(run.fs) == files_of(again.fs)


def test_a_venue_of_its_own_takes_a_plan_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('seed = 9\n[[rules]]\nkind = "close"\npath = "/api/v4/public/ping"\nnth = 2\n')
    with running_venue("--faults", str(path)) as venue:
        url = f"{venue.rest}/api/v4/public/ping"
        assert urlopen(url).status == 200
        with pytest.raises(OSError, match="without response"):
            urlopen(url)
        shown = venue.ask("DELETE", "/faults")
        assert [(done["seed"], done["kind"]) for done in shown["log"]] == [(9, "close")]
        assert urlopen(url).status == 200
        assert venue.ask("GET", "/faults")["rules"] == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_venue_that_is_busy_at_the_start_is_asked_again(status: int) -> None:
    busy = Rule(kind=Kind.ANSWER, path=START, status=status, times=2)
    run = run_quiet(5, faults=Plan(rules=(busy,)))
    assert run.outcome.ended.clean


def test_a_venue_that_stays_busy_is_told_of() -> None:
    busy = Rule(kind=Kind.ANSWER, path=START, status=503)
    with pytest.RaisesGroup(RemoteProtocolError, flatten_subgroups=True) as caught:
        run_quiet(5, faults=Plan(rules=(busy,)))
    assert "market list: HTTP 503" in str(caught.value.exceptions)
