"""A backtest that lives through what a captured run did: from when, with what, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.simulate import JOURNAL, simulate
from adapters.ports import SystemFs
from engine import events as e
from engine import intents as i
from engine.types import Position
from replay.backtest.latency import Constant
from replay.backtest.made import LatencySpec
from replay.backtest.moves import TRADE, Move, together
from replay.backtest.run import Plan, moves_of, run_backtest, start_of
from replay.backtest.source import find_journal
from replay.backtest.venue import BacktestVenue, funded
from replay.backtest.world import World
from replay.model.survey import Survey, survey
from replay.read import read_records
from tests.backtest.recordings import plan_of, recorded, write
from tests.engine.builders import MS, PERPETUAL, S, quoted, snapshot
from tests.integration.world import quiet_config, quiet_flow
from tests.replay.journals import Made
from tests.replay.story import Story


def held_story(lots: int) -> Story:
    """A run that begins with 0.7 BTC, and a position on the perpetual."""
    story = Story(quoted(), quoted(PERPETUAL))
    story.base = "0.7"
    story.positions = (Position("BTC_PERP", 1, lots, Decimal(9), None),) if lots else ()
    story.settle()
    for name, mid in (("BTC_USDT", 1000), ("BTC_PERP", 990)):
        book = (mid - 10, 50), (mid + 10, 50)
        story.push(snapshot(*book, market=name, at_ns=story.now_ns))
        story.push(snapshot((1, 50), (3, 50), 2, market=name, at_ns=story.now_ns))
    return story


def told(story: Story) -> Survey:
    return survey(iter(story.records))


def test_a_survey_tells_what_the_first_run_began_with() -> None:
    found = told(held_story(-5))
    assert found.baselines == {"BTC_USDT": Decimal("0.7"), "BTC_PERP": Decimal("-0.005")}
    assert found.mids2 == {"BTC_USDT": 2000, "BTC_PERP": 1980}


@pytest.mark.parametrize("lots", [5, -5, 0])
def test_the_venue_begins_with_what_the_run_held(lots: int) -> None:
    story = held_story(lots)
    markets = (quoted(inventory_target=9_000), quoted(PERPETUAL))
    venue = BacktestVenue(funded(markets, told(story), as_run=True), story.now_ns)
    listed = venue.ask(i.QueryPositions(""), story.now_ns)
    assert isinstance(listed, e.PositionsListed)
    assert [(each.market, each.qty) for each in listed.positions] == (
        [("BTC_PERP", lots)] if lots else []
    )
    spot = venue.ask(i.QuerySpotBalances(), story.now_ns)
    assert isinstance(spot, e.SpotBalancesListed)
    held = {each.asset: each.available for each in spot.balances}
    assert held == {"BTC": Decimal("0.7"), "USDT": Decimal(1_000_000)}
    seat = venue.account.seats["BTC_PERP"]
    assert (seat.lots, seat.cost) == (lots, lots * 990 * 10**13)
    venue.exchange.check()


def test_any_other_backtest_begins_at_its_targets() -> None:
    story = held_story(5)
    markets = (quoted(inventory_target=9_000), quoted(PERPETUAL))
    venue = BacktestVenue(funded(markets, told(story), as_run=False), story.now_ns)
    assert venue.account.seats["BTC_PERP"].lots == 0
    assert venue.account.spot["BTC"].available == 9 * 10**18


def moves(market: int, *times: int) -> Iterator[Move]:
    return iter([(at_ns, market, TRADE, 0, 1, True, 1, 1, False) for at_ns in times])


@pytest.mark.parametrize(
    ("to_the_last", "expected"),
    [(False, [(1, 0), (2, 1), (3, 0)]), (True, [(1, 0), (2, 1), (3, 0), (5, 1), (9, 1)])],
)
def test_markets_of_one_run_go_on_to_the_last(
    to_the_last: bool, expected: list[tuple[int, int]]
) -> None:
    sources = [moves(0, 1, 3), moves(1, 2, 5, 9)]
    found, begin_ns = together(sources, ["A", "B"], to_the_last=to_the_last)
    assert [(move[0], move[1]) for move in found] == expected
    assert begin_ns == 2


@cache
def captured() -> Made:
    """Ten quiet seconds of an account that holds a little more than its target."""
    config = quiet_config("5s")
    spot = replace(config.market["BTC_USDT"], inventory_target="9.99")
    config = replace(config, market={**config.market, "BTC_USDT": spot})
    fs = simulate(config, quiet_flow(4), seed=4, seconds=10).fs
    return Made(fs, list(read_records(fs, JOURNAL)), [])


@pytest.mark.slow
def test_it_lives_through_what_the_run_did() -> None:
    made = captured()
    first, out = made.records[0], JOURNAL.with_name("again")
    assert isinstance(first.event, e.RunStarted)
    stopped = [r.recv_ns for r in made.records if isinstance(r.event, e.StopRequested)]
    plan = Plan(
        quoted=first.event.quoted,
        settings=first.event.settings,
        config=first.event.config,
        journals=(find_journal(made.fs, str(JOURNAL)),),
        latency=LatencySpec(2 * MS),
        begin_ns=first.recv_ns,
        end_ns=stopped[0],
        as_run=True,
    )
    played = run_backtest(made.fs, plan, out)
    records = list(read_records(made.fs, out))
    assert records[0].recv_ns == first.recv_ns
    decided = next(record for record in records if isinstance(record.event, e.Decided))
    assert decided.recv_ns - first.recv_ns < MS
    stop = next(record for record in records if isinstance(record.event, e.StopRequested))
    assert stop.recv_ns == stopped[0]
    assert played.ended.clean
    assert played.ended_ns - stopped[0] < S
    baselines = survey(iter(records)).baselines
    assert baselines == survey(iter(made.records)).baselines
    assert baselines["BTC_USDT"] == 10
    # Told apart from a backtest of the same data that is none of the run.
    other = run_backtest(made.fs, replace(plan, as_run=False), JOURNAL.with_name("other"))
    assert other.state.run_id != played.state.run_id
    assert other.started_ns > first.recv_ns


class Uneven(Constant):
    """Requests are quick, and pushes slow."""

    def there_ns(self) -> int:
        return 99 * MS


@pytest.mark.slow
def test_what_is_told_before_a_stream_is_open_waits_for_it(tmp_path: Path) -> None:
    # The book's first levels are of after the subscription, and were taken in quicker than it is.
    plan = plan_of(write(tmp_path / "spot.zst", recorded()))
    found, begin_ns = moves_of(SystemFs(), plan)
    told = [(*move[:3], move[0] + 20 * MS, *move[4:]) for move in found]
    venue = BacktestVenue(funded(plan.quoted, Survey(), as_run=False), begin_ns)
    legs, now_ns = Uneven(150 * MS), begin_ns - 100 * MS
    played = World(venue, None, start_of(plan), legs, "risk_averse", now_ns).run(told)
    market = played.state.markets["BTC_USDT"]
    assert market.feed.gaps == 0
    assert market.uptime.since_ns - begin_ns < 2 * S
