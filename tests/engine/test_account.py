"""Limits over all markets of the account: net by base asset, gross by quote asset, at the worst."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.account import check_assets, confined, counted, share
from engine.errors import ConfigError
from engine.orders import CLOSED
from engine.state import MarketState
from engine.step import decide
from engine.types import BUY, SELL, AccountLimit, Settings, Stp
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    Pairs,
    Run,
    accepted,
    fill,
    fixed,
    limits,
    new_order,
    quoted,
    snapshot,
)

PERP = PERPETUAL.name
SMALL = replace(PERPETUAL, qty_decimals=2, price_decimals=1)
"""A perpetual of ten times the lot and ten times the tick."""


def account(*account_limits: AccountLimit, position_max: int = 1000) -> Run:
    """Spot and perpetual with nothing held and nothing wanted, both at a mid of 10.00."""
    spot = quoted(limit=limits(position_max=position_max), parameters=fixed())
    perpetual = quoted(SMALL, limit=limits(position_max=position_max), parameters=fixed())
    run = Run(spot, perpetual, settings=Settings(account_limits=account_limits))
    run.settle()
    run.push(snapshot(market=NAME, at_ns=run.now_ns))
    run.push(snapshot((99, 5), (101, 5), market=PERP, at_ns=run.now_ns))
    run.settle()
    run.wait(0)
    return run


def holding(run: Run, name: str, position: int, buys: int = 0, sells: int = 0) -> None:
    market = replace(run.state.markets[name], position=position, buy_worst=buys, sell_worst=sells)
    run.state = replace(run.state, markets={**run.state.markets, name: market})


def room(run: Run, name: str = NAME) -> tuple[int, int]:
    market = confined(run.state, run.state.markets[name])
    return market.long_max, market.short_max


NET = AccountLimit("BTC", 50_000_000, False)
"""0.5 BTC: 500 lots of the spot market, 50 of the perpetual."""
GROSS = AccountLimit("USDT", 500_000_000, True)
"""5 USDT at a mid of 10: 500 lots of the spot market, 50 of the perpetual."""


NET_CASES: tuple[tuple[str, int, int, int, tuple[int, int]], ...] = (
    ("nothing held elsewhere", 0, 0, 0, (500, 500)),
    ("long elsewhere leaves less long", 20, 0, 0, (300, 700)),
    ("bids elsewhere count as filled", 20, 10, 0, (200, 700)),
    ("asks elsewhere count as filled", 0, 0, 30, (500, 200)),
    ("short elsewhere leaves less short", -20, 0, 5, (700, 250)),
    ("too much elsewhere leaves nothing", 60, 0, 0, (0, 1000)),
)


@pytest.mark.parametrize(("name", "position", "buys", "sells", "left"), NET_CASES)
def test_net_position_over_spot_and_perpetual(
    name: str, position: int, buys: int, sells: int, left: tuple[int, int]
) -> None:
    run = account(NET)
    holding(run, PERP, position, buys, sells)
    assert room(run) == left


def test_lots_of_another_size_are_rounded_down() -> None:
    run = account(NET)
    holding(run, NAME, 1, 0, 0)
    assert room(run, PERP) == (49, 50)
    holding(run, NAME, -1, 0, 0)
    assert room(run, PERP) == (50, 49)


GROSS_CASES: tuple[tuple[str, int, int, int, int], ...] = (
    ("nothing held elsewhere", 0, 0, 0, 500),
    ("long", 20, 0, 0, 300),
    ("short counts the same", -20, 0, 0, 300),
    ("the worse way counts", 10, 15, 20, 250),
    ("the worse way counts, short", -10, 15, 20, 200),
    ("all of it", 50, 0, 0, 0),
    ("more than all of it", 51, 0, 0, 0),
)


@pytest.mark.parametrize(("name", "position", "buys", "sells", "left"), GROSS_CASES)
def test_gross_notional_over_spot_and_perpetual(
    name: str, position: int, buys: int, sells: int, left: int
) -> None:
    run = account(GROSS)
    holding(run, PERP, position, buys, sells)
    assert room(run) == (left, left)


def test_what_was_never_valued_leaves_no_room() -> None:
    run = account(GROSS)
    unmarked = replace(run.state.markets[PERP].watch, mid2=0)
    market = replace(run.state.markets[PERP], watch=unmarked)
    run.state = replace(run.state, markets={**run.state.markets, PERP: market})
    assert room(run) == (500, 500), "nothing is held there"
    assert room(run, PERP) == (0, 0)
    holding(run, PERP, 1)
    assert room(run) == (0, 0)


def test_other_assets_and_the_markets_own_limits() -> None:
    run = account(replace(NET, asset="ETH"), replace(GROSS, asset="EUR"), position_max=400)
    holding(run, PERP, 60)
    assert room(run) == (400, 400)
    run = account(NET, position_max=400)
    assert room(run) == (400, 400)
    other = replace(MARKET, name="ETH_EUR", base_asset="ETH", quote_asset="EUR")
    stranger = replace(run.state.markets[PERP], quoted=quoted(other), position=60)
    for limit in (NET, GROSS):
        run = account(limit)
        markets = {NAME: run.state.markets[NAME], "ETH_EUR": stranger}
        run.state = replace(run.state, markets=markets)
        assert room(run) == (500, 500)


def test_the_tightest_of_several_limits_counts() -> None:
    run = account(NET, replace(GROSS, most=300_000_000))
    assert room(run) == (300, 300)
    holding(run, PERP, 30)
    assert room(run) == (0, 0)
    run = account(replace(NET, most=20_000_000), GROSS)
    assert room(run) == (200, 200)


def test_a_strategy_may_aim_for_what_the_positions_of_others_leave() -> None:
    run = account(NET)
    spot = run.state.markets[NAME]
    assert spot.inventory_max == 500
    holding(run, PERP, 20, 29, 29)
    assert share(run.state, spot) == 300, "orders elsewhere do not count"
    holding(run, PERP, -20)
    assert share(run.state, spot) == 300
    holding(run, PERP, 60)
    assert share(run.state, spot) == 1
    run = account(GROSS)
    holding(run, PERP, 20, 29, 29)
    assert share(run.state, spot) == 300


def test_what_one_market_plans_counts_for_the_next() -> None:
    run = account(NET)
    spot = run.state.markets[NAME]
    new = (new_order("a"), new_order("b", side=SELL))
    run.push(e.OrdersPlaced(NAME, accepted(new)), *run.ask(i.PlaceOrders(NAME, new)))
    spot = run.state.markets[NAME]
    planned: list[i.Intent] = [
        i.PlaceOrders(NAME, (new_order("x", qty=3), new_order("y", side=SELL, qty=4))),
        i.ModifyOrder(NAME, "a", 990, 20, Stp.CANCEL_NEW),
        i.ModifyOrder(NAME, "b", 1010, 30, Stp.CANCEL_NEW),
        i.CancelOrder(NAME, "a"),
    ]
    after = counted(run.state, spot, planned).markets
    assert (after[NAME].buy_worst, after[NAME].sell_worst) == (10 + 3 + 20, 10 + 4 + 30)
    assert after[PERP] is run.state.markets[PERP]


def test_two_markets_of_one_decision_do_not_share_the_same_room() -> None:
    run = account(NET)
    for name, price in ((NAME, 990), (PERP, 99)):
        run.push(e.ParametersChanged(name, fixed(((price, 400 if name == NAME else 40),))))
    decision = decide(run.state)
    (place,) = [intent for intent in decision.intents if isinstance(intent, i.PlaceOrders)]
    assert place.market == NAME
    assert [(r.market, r.rule, r.found, r.limit) for r in decision.refusals] == [
        (PERP, "position", 40, 10)
    ]


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        (NET, ""),
        (GROSS, ""),
        (
            replace(NET, asset="USDT"),
            "limits.position_max.USDT: expected the base asset of a market of this run "
            "(BTC, ETH), found none",
        ),
        (
            replace(GROSS, asset="BTC"),
            "limits.notional_max.BTC: expected the quote asset of a market of this run "
            "(USDT), found none",
        ),
    ],
)
def test_a_limit_about_no_market_is_refused(limit: AccountLimit, problem: str) -> None:
    markets = (quoted(), quoted(SMALL), quoted(replace(MARKET, base_asset="ETH")))
    settings = Settings(account_limits=(limit,))
    if not problem:
        check_assets(settings, markets)
        return
    with pytest.raises(ConfigError, match=re.escape(problem)):
        check_assets(settings, markets)


# --- no limit is crossed at any interleaving ----------------------------------------------------

sides = st.sampled_from([BUY, SELL])


def worst_net(run: Run) -> tuple[Decimal, Decimal]:
    """Long and short BTC if everything that is live fills on one side only."""
    longs = shorts = Decimal(0)
    for market in run.state.markets.values():
        lot = Decimal(1).scaleb(-market.quoted.market.qty_decimals)
        bids, asks = _worst(market)
        longs += (market.position + bids) * lot
        shorts += (asks - market.position) * lot
    return longs, shorts


def _worst(market: MarketState) -> tuple[int, int]:
    bids = sum(o.worst_qty for o in market.live if o.side is BUY)
    asks = sum(o.worst_qty for o in market.live if o.side is SELL)
    return bids, asks


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["want", "fill", "answer"]),
            st.booleans(),
            sides,
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_net_position_never_exceeds_the_limit(
    steps: list[tuple[str, bool, object, int]],
) -> None:
    run = account(NET)
    waiting: list[tuple[int, i.PlaceOrders]] = []
    deals = 0
    for what, spot, side, size in steps:
        name = NAME if spot else PERP
        price, qty = (1000, size * 10) if spot else (100, size)
        if what == "want":
            bids: Pairs = ((price - 10 // (1 if spot else 10), qty),)
            asks: Pairs = ((price + 10 // (1 if spot else 10), qty),)
            run.push(e.ParametersChanged(name, fixed(bids, asks)))
        elif what == "answer" and waiting:
            seq, place = waiting.pop(size % len(waiting))
            run.push(
                e.OrdersPlaced(place.market, accepted(place.orders, seq * 100, place.market)), seq
            )
        elif what == "fill":
            market = run.state.markets[name]
            for order in [o for o in market.live if o.side is side and o.status is not CLOSED]:
                if order.order_id and order.leaves_qty:
                    deals += 1
                    run.push(
                        e.Filled(
                            fill(
                                deals,
                                qty=order.leaves_qty,
                                price=order.price,
                                side=order.side,
                                order_id=order.order_id,
                                client_order_id=order.client_order_id,
                                market=name,
                            )
                        )
                    )
        for seq, intent in run.act():
            if isinstance(intent, i.PlaceOrders):
                waiting.append((seq, intent))
        longs, shorts = worst_net(run)
        assert max(longs, shorts) <= Decimal("0.5")
