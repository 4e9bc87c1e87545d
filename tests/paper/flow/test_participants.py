"""Rivals, momentum takers, storms, settings by market, and the pace of the presets."""

from __future__ import annotations

from random import Random

import pytest

from adapters.paper.config import VenueConfig
from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import BboChanged, Notice, PublicTrade
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.config import BUSY, PRESETS, WHITEBIT, SyntheticConfig
from adapters.paper.flow.participants import Momentum
from adapters.paper.flow.source import flow_maker, synthetic_of
from adapters.paper.flow.synthetic import SyntheticFlow
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.paper.exchange_kit import NOW_US, PERP, SPOT, exchange, totals

S = 1_000_000
# Makers who never move and no takers.
STILL = SyntheticConfig(
    walk_cents=1,
    basis_walk_cents=1,
    touch_every=10**9,
    taker_gap_ms=(10**9, 10**9),
    rivals=0,
    storm_percent=0,
    momentum_cents=0,
)


def run(config: SyntheticConfig, seconds: int, seed: int = 1) -> tuple[Exchange, list[Notice]]:
    venue = exchange()
    SyntheticFlow(venue, seed, FlowClock(NOW_US), config).run_until(NOW_US + seconds * S)
    venue.check()
    return venue, venue.drain()


def still(**changes: object) -> SyntheticConfig:
    fields = {name: getattr(STILL, name) for name in STILL.__struct_fields__}
    return SyntheticConfig(**{**fields, **changes})


def test_rivals_queue_between_the_levels_of_the_grid() -> None:
    quotes = {"rival_half_spread_cents": (37, 37), "rival_gap_ms": (50, 150)}
    venue, _ = run(still(rivals=3, half_spread_cents=(400, 400), **quotes), 5)
    for name in (SPOT, PERP):
        bids, asks = venue.markets[name].depth(100)
        assert len(bids) > 20
        assert len(asks) > 20


def test_a_storm_clears_the_touch_and_makers_come_back() -> None:
    storm = {"storm_percent": 50, "storm_gap_ms": (1_000, 1_000), "storm_ms": (600, 600)}
    venue = exchange()
    market = SyntheticFlow(venue, 1, FlowClock(NOW_US), still(rivals=1, **storm))

    def levels(us: int) -> int:
        market.run_until(NOW_US + us)
        venue.check()
        return len(venue.markets[SPOT].depth(100)[0])

    assert levels(999_000) >= 20
    assert levels(S) <= 11
    assert levels(1_590_000) <= 11
    assert levels(1_999_000) >= 20


class Scripted:
    """A market whose mid is told."""

    mid = 1_000_000
    storm_until_ms = 0

    def pull(self, until_ms: int, now_us: int) -> None:
        raise AssertionError("nobody asked for a storm")


def test_momentum_takers_follow_the_move() -> None:
    venue, _ = run(STILL, 0)
    scene, config = Scripted(), still(momentum_cents=300, momentum_gap_ms=(500, 500))
    taker = Momentum(Background(venue, SPOT), scene, config, Random(1))
    sides: list[str] = []
    for move in (299, 300, -299, -1_000, 0):
        scene.mid += move
        taker.act(NOW_US + taker.due_ms * 1_000)
        told = [n.side.name for n in venue.drain() if isinstance(n, PublicTrade)]
        sides.append(told[0] if told else "-")
    assert sides == ["-", "BUY", "-", "SELL", "-"]
    assert taker.due_ms == 6 * 500


def test_markets_may_differ() -> None:
    config = still(
        markets={
            SPOT: {"mid_cents": 250_000, "levels": 5},
            PERP: {"half_spread_cents": [50, 50], "step_ms": 1_000},
        }
    )
    venue, _ = run(config, 2)
    spot, perp = venue.markets[SPOT], venue.markets[PERP]
    assert 249_000 < spot.best()[0] < 250_000
    assert len(spot.depth(100)[0]) == 5
    assert perp.best()[2] - perp.best()[0] in (10, 11)


@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ({"NOPE": {}}, "synthetic markets: NOPE does not exist; one of BTC_USDT, BTC_PERP"),
        ({SPOT: {"colour": 1}}, r"synthetic markets.BTC_USDT: .*unknown field `colour`"),
        ({SPOT: {"storm_ms": [5, 4]}}, "storm_ms: expected low <= high, was 5, 4"),
    ],
)
def test_bad_settings_of_a_market_are_refused(
    markets: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SyntheticFlow(exchange(), 1, FlowClock(0), SyntheticConfig(markets=markets))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_preset_whitebit_is_as_quiet_and_thin_as_measured(seed: int) -> None:
    venue = exchange()
    market = SyntheticFlow(venue, seed, FlowClock(NOW_US), WHITEBIT)
    changes, sizes, spreads = 0, [], []
    for second in range(700):
        market.run_until(NOW_US + second * S)
        changes += sum(isinstance(n, BboChanged) and n.market == PERP for n in venue.drain())
        bid, bid_lots, ask, ask_lots = venue.markets[PERP].best()
        sizes += [bid_lots, ask_lots]
        spreads.append(ask - bid)
    assert 20 <= changes / 10 <= 48
    assert 8 <= sorted(sizes)[len(sizes) // 2] <= 18  # thousandths of a BTC
    spreads.sort()
    assert spreads[len(spreads) // 20] >= 1  # tenths of a USD
    assert spreads[len(spreads) * 19 // 20] <= 90


def test_preset_busy_is_busy() -> None:
    venue = exchange()
    before = totals(venue)
    SyntheticFlow(venue, 1, FlowClock(NOW_US), BUSY).run_until(NOW_US + 10 * S)
    notices = venue.drain()
    for name in (SPOT, PERP):
        trades = sum(isinstance(n, PublicTrade) and n.market == name for n in notices)
        changes = sum(isinstance(n, BboChanged) and n.market == name for n in notices)
        assert trades > 100
        assert changes > 150
    venue.check()
    assert totals(venue) == before


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_chosen_by_name_and_keep_what_markets_say(preset: str) -> None:
    own = {SPOT: {"levels": 7}}
    config = VenueConfig(synthetic=SyntheticConfig(levels=3, markets=own))
    chosen = synthetic_of(config, f"synthetic:{preset}")
    assert (chosen.levels, chosen.markets) == (PRESETS[preset].levels, own)
    assert synthetic_of(config, "synthetic").levels == 3
    venue = exchange()
    make = flow_maker(config, f"synthetic:{preset}", seed=1, speed="1", fs=SystemFs())
    make(venue, NOW_US).run_until(NOW_US)
    assert len(venue.markets[SPOT].depth(100)[0]) == 7


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="synthetic:calm: there is no such preset; one of"):
        synthetic_of(VenueConfig(), "synthetic:calm")
