"""Market orders of every kind: budget, band, exhausted and empty books (contract 5.3, 10.3)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import NewOrder, OrderType, Side, Status, Stp, units_text
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    exchange,
    order,
    placed,
    refused,
    story,
    totals,
    units,
    with_alice,
)


def market(side: str, amount: str, **fields: object) -> NewOrder:
    return order(side, amount, None, type=OrderType.MARKET, **fields)


def with_asks(*asks: tuple[str, str], where: str = "BTC_USDT") -> Exchange:
    venue = exchange()
    for amount, price in asks:
        placed(venue, "bob", order("sell", amount, price, market=where))
    venue.drain()
    return venue


def test_a_spot_buy_spends_money_and_releases_what_no_lot_costs() -> None:
    venue = with_asks(("0.5", "100"), ("1", "101"))
    before = totals(venue)
    bought = placed(venue, "alice", market("buy", "60.01"))
    # 50 at the best ask, then floor(10.01 / 101) = 0.099108 at the next one.
    assert (bought.status, bought.deal_lots) == (Status.FILLED, 599_108)
    assert bought.deal_money == units("60.009908")
    balance = venue.spot_balances("alice")["USDT"]
    assert (balance.available, balance.freeze) == (units("999939.990092"), 0)
    assert story(venue.drain(), "alice") == [
        "D taker 500000@10000",
        "D taker 99108@10100",
        "P3 FILLED left 0",
        "X FILLED",
    ]
    assert totals(venue) == before


@pytest.mark.parametrize(
    ("side", "kind", "amount"),
    [
        ("buy", OrderType.STOCK_MARKET, "0.7"),
        ("sell", OrderType.STOCK_MARKET, "0.7"),
        ("sell", OrderType.MARKET, "0.7"),
    ],
)
def test_all_others_are_sized_in_stock(side: str, kind: OrderType, amount: str) -> None:
    venue = exchange()
    opposite = "sell" if side == "buy" else "buy"
    placed(venue, "bob", order(opposite, "1", "100"))
    done = placed(venue, "alice", order(side, amount, type=kind))
    assert (done.status, done.type, done.deal_lots) == (Status.FILLED, kind, 700_000)


def test_the_sweep_stops_at_the_taker_band() -> None:
    venue = with_asks(("1", "100"), ("1", "105"), ("1", "105.01"))
    done = placed(venue, "alice", order("buy", "3", type=OrderType.STOCK_MARKET))
    assert (done.status, done.leaves_lots) == (Status.CANCELED_TAKER_BAND, 1_000_000)
    assert venue.markets["BTC_USDT"].best()[2] == 10_501


def test_an_exhausted_book_cancels_the_rest() -> None:
    venue = with_asks(("1", "100"))
    done = placed(venue, "alice", market("buy", "150"))
    assert (done.status, done.deal_money) == (Status.CANCELED, units("100"))
    assert story(venue.drain(), "alice")[-1] == "X CANCELED"
    assert venue.spot_balances("alice")["USDT"].freeze == 0


def test_an_empty_or_too_thin_book_refuses() -> None:
    venue = exchange()
    for kind in (OrderType.MARKET, OrderType.STOCK_MARKET):
        assert refused(venue, "alice", order("sell", "1", type=kind)).code == 12
    expensive = with_asks(("0.00001", "90000000"))
    assert refused(expensive, "alice", market("buy", "5.05")).code == 12


def test_a_hidden_order_is_nothing_to_match_for_a_market_order() -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "1", "100", rpi=True))
    assert refused(venue, "alice", market("buy", "100")).code == 12
    taken = Background(venue, "BTC_USDT").take(Side.BUY, 400_000, NOW_US, retail=True)
    assert taken.status is Status.FILLED


@pytest.mark.parametrize(
    ("request_", "code", "errors"),
    [
        (market("buy", "5.04"), 32, {"amount": ["Given amount is less than min amount 5.05"]}),
        (market("buy", "6.001"), 32, {"amount": ["Min amount step = 0.01"]}),
        (market("buy", "0"), 32, {"amount": ["Amount should be greater than 0."]}),
        (market("buy", "1000000.01"), 32, {"amount": ["Not enough balance."]}),
        (market("sell", "10.000001"), 32, {"amount": ["Not enough balance."]}),
        (order("buy", "9", type=OrderType.STOCK_MARKET), 32, {"amount": ["Not enough balance."]}),
        (market("sell", "0.0000001"), 32, None),
    ],
)
def test_refusals(request_: NewOrder, code: int, errors: dict[str, list[str]] | None) -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "9", "111112"))
    placed(venue, "bob", order("buy", "1", "100"))
    reject = refused(venue, "alice", request_)
    assert (reject.code, reject.http) == (code, 422)
    assert errors is None or reject.errors == errors


@pytest.mark.parametrize(
    ("stp", "status", "resting"),
    [
        (Stp.CANCEL_NEW, Status.CANCELED_STP, 1),
        (Stp.CANCEL_BOTH, Status.CANCELED_STP, 0),
        (Stp.CANCEL_OLD, Status.FILLED, 0),
        (Stp.NO, Status.FILLED, 0),
    ],
)
def test_self_trade_prevention_holds_for_market_orders(
    stp: Stp, status: Status, resting: int
) -> None:
    venue = with_asks(("5", "101"))
    placed(venue, "alice", order("sell", "0.5", "100"))
    done = placed(venue, "alice", market("buy", "50", stp=stp))
    assert done.status is status
    assert len(venue.open_orders("alice")) == resting
    assert units_text(done.deal_money) == {"co": "49.999949", "no": "50"}.get(stp, "0")


def test_a_perpetual_takes_stock_on_both_sides_and_needs_margin() -> None:
    venue = with_asks(("5", "60000"), ("5", "60001"), where=PERP)
    done = placed(venue, "alice", market("buy", "6", market=PERP))
    assert (done.type, done.status) == (OrderType.MARGIN_MARKET, Status.FILLED)
    assert done.deal_money == units("360001")
    poor = with_alice(collateral={"USDT": "1000"})
    other = exchange(poor)
    placed(other, "bob", order("sell", "1", "60000", market=PERP))
    assert refused(other, "alice", market("buy", "1", market=PERP)).code == 10
    assert placed(other, "alice", market("buy", "0.1", market=PERP)).status is Status.FILLED


def test_a_reduce_only_market_order_is_cut_to_the_position() -> None:
    venue = with_asks(("2", "60000"), where=PERP)
    placed(venue, "alice", market("buy", "1", market=PERP))
    placed(venue, "bob", order("buy", "5", "59000", market=PERP))
    done = placed(venue, "alice", market("sell", "3", market=PERP, reduce_only=True))
    assert (done.lots, done.status) == (1000, Status.FILLED)
    assert venue.positions("alice") == []
    nothing = refused(venue, "alice", market("sell", "3", market=PERP, reduce_only=True))
    assert nothing.code == 116


@pytest.mark.parametrize(("funds", "enough"), [("301", True), ("300.99", False)])
def test_a_purchase_in_stock_needs_exactly_what_it_will_cost(funds: str, enough: bool) -> None:
    config = with_alice(spot={"USDT": funds, "BTC": "5"})
    venue = exchange(msgspec.structs.replace(config, rpi_match_all=True))
    placed(venue, "bob", order("sell", "1", "100", rpi=True))
    placed(venue, "bob", order("sell", "1", "100"))
    placed(venue, "bob", order("sell", "1", "101", rpi=True))
    placed(venue, "bob", order("sell", "1", "101.01"))
    # Two at 100, then the hidden one at 101 before the visible one behind it.
    request = order("buy", "3", type=OrderType.STOCK_MARKET)
    if enough:
        assert placed(venue, "alice", request).deal_money == units("301")
    else:
        assert refused(venue, "alice", request).code == 32


@pytest.mark.parametrize(
    ("stp", "cost"), [(Stp.NO, "201"), (Stp.CANCEL_OLD, "203"), (Stp.CANCEL_NEW, "100")]
)
def test_own_orders_in_the_way_count_as_they_will_be_treated(stp: Stp, cost: str) -> None:
    request = order("buy", "2", type=OrderType.STOCK_MARKET, stp=stp)
    for money in (units(cost), units(cost) - units("0.01")):
        venue = exchange(with_alice(spot={"USDT": units_text(money), "BTC": "5"}))
        placed(venue, "bob", order("sell", "1", "100"))
        placed(venue, "alice", order("sell", "1", "101"))
        placed(venue, "bob", order("sell", "1", "103"))
        if money == units(cost):
            placed(venue, "alice", request)
            venue.check()
        else:
            assert refused(venue, "alice", request).code == 32
