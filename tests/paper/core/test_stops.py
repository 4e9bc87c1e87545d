"""Stops: triggers, activation in the same action, cascades, freezes (10.1, 10.7, 10.13)."""

from __future__ import annotations

import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    CancelOrder,
    ModifyOrder,
    NewOrder,
    Order,
    OrderType,
    Reject,
    Status,
    Stp,
)
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    SPOT,
    exchange,
    order,
    placed,
    refused,
    story,
    totals,
    units,
    with_alice,
)


def stop(
    side: str, amount: str, trigger: str, price: str | None = None, **more: object
) -> NewOrder:
    kind = OrderType.STOP_MARKET
    if price is not None or "bbo_role" in more:
        kind = OrderType.STOP_LIMIT
    return order(side, amount, price, type=kind, activation_price=trigger, **more)


def trade(venue: Exchange, price: str, market: str = SPOT) -> None:
    """Let bob print one trade with himself at a price; his orders leave nothing behind."""
    placed(venue, "bob", order("sell", "0.1", price, market=market))
    placed(venue, "bob", order("buy", "0.1", price, market=market))


def at(price: str, market: str = SPOT) -> Exchange:
    venue = exchange()
    trade(venue, price, market)
    venue.drain()
    return venue


def test_a_stop_waits_unseen_but_open() -> None:
    venue = at("100")
    placed_stop = placed(venue, "alice", stop("buy", "1", "110", "111", client_order_id="s"))
    assert (placed_stop.status, placed_stop.waiting) == (Status.OPEN, True)
    assert story(venue.drain(), "alice") == ["P1 OPEN left 1000000"]
    assert venue.markets[SPOT].best() == (0, 0, 0, 0)
    assert venue.open_orders("alice") == [placed_stop]
    assert refused(venue, "alice", order("buy", "1", "50", client_order_id="s")).code == 36
    assert venue.spot_balances("alice")["USDT"].freeze == units("111")


@pytest.mark.parametrize(
    ("side", "trigger", "misses", "hits"),
    [
        ("buy", "110", ["109.99", "90"], "110"),
        ("buy", "110", ["109.99"], "112"),
        ("sell", "90", ["90.01", "110"], "90"),
        ("sell", "90", ["90.01"], "80"),
    ],
)
def test_the_last_trade_triggers_by_side(
    side: str, trigger: str, misses: list[str], hits: str
) -> None:
    venue = at("100")
    placed(venue, "alice", stop(side, "1", trigger, trigger))
    for price in misses:
        trade(venue, price)
        assert venue.open_orders("alice")[0].waiting
    trade(venue, hits)
    [activated] = venue.open_orders("alice")
    assert (activated.waiting, activated.activated_us) == (False, NOW_US)
    venue.check()


def test_activation_repeats_event_one_and_rests_without_a_third() -> None:
    venue = at("100")
    placed(venue, "alice", stop("buy", "1", "110", "105"))
    trade(venue, "110")
    assert story(venue.drain(), "alice") == ["P1 OPEN left 1000000", "P1 OPEN left 1000000"]
    assert venue.markets[SPOT].best()[:2] == (10_500, 1_000_000)
    assert venue.spot_balances("alice")["USDT"].freeze == units("105")


def test_an_activated_stop_may_fill_partly_and_rest() -> None:
    venue = at("100")
    placed(venue, "alice", stop("buy", "1", "110", "112"))
    placed(venue, "bob", order("sell", "0.4", "111"))
    trade(venue, "110")
    assert story(venue.drain(), "alice") == [
        "P1 OPEN left 1000000",
        "D taker 400000@11100",
        "P1 OPEN left 1000000",
        "P2 PARTIALLY_FILLED left 600000",
    ]


def test_a_stop_market_buy_spends_its_money_and_ends() -> None:
    venue = at("100")
    before = totals(venue)
    placed(venue, "alice", stop("buy", "60", "110"))
    assert venue.spot_balances("alice")["USDT"].freeze == units("60")
    placed(venue, "bob", order("sell", "1", "120"))
    trade(venue, "110")
    told = story(venue.drain(), "alice")
    assert told[-3:] == ["P1 OPEN left 0", "P3 FILLED left 0", "X FILLED"]
    balance = venue.spot_balances("alice")
    assert (balance["USDT"].freeze, balance["USDT"].available) == (0, units("999940"))
    assert balance["BTC"].available == units("10.4995")
    assert totals(venue) == before


def test_a_stop_market_into_an_empty_book_is_cancelled() -> None:
    venue = at("100")
    placed(venue, "alice", stop("sell", "1", "90"))
    trade(venue, "90")
    assert story(venue.drain(), "alice")[1:] == [
        "P1 OPEN left 1000000",
        "P3 CANCELED left 1000000",
        "X CANCELED",
    ]
    assert venue.spot_balances("alice")["BTC"].freeze == 0


def test_stops_cascade_within_the_action_that_triggered_them() -> None:
    venue = at("100")
    for amount, price in (("1", "95"), ("1", "90"), ("1", "85")):
        placed(venue, "bob", order("buy", amount, price))
    placed(venue, "alice", stop("sell", "1", "90"))
    placed(venue, "alice", stop("sell", "1", "95"))
    venue.drain()
    # One sell of the flow sets off the second stop, whose fill sets off the first.
    before = totals(venue)
    placed(venue, "bob", order("sell", "1", "95", ioc=True))
    assert story(venue.drain(), "alice") == [
        "D taker 1000000@9000",
        "D taker 1000000@8500",
        "P1 OPEN left 1000000",
        "P3 FILLED left 0",
        "P1 OPEN left 1000000",
        "P3 FILLED left 0",
        "X FILLED",
        "X FILLED",
    ]
    assert venue.markets[SPOT].last_ticks == 8500
    assert totals(venue) == before


def test_stops_of_one_trade_enter_in_the_order_of_placement() -> None:
    venue = at("100")
    far = placed(venue, "alice", stop("sell", "1", "90", "80"))
    near = placed(venue, "alice", stop("sell", "1", "95", "80"))
    buy = placed(venue, "bob", stop("buy", "1", "101", "70"))
    trade(venue, "85")
    queue = [o.order_id for o in venue.markets[SPOT].asks.orders()]
    assert queue == [far.order_id, near.order_id]
    assert venue.open_orders("bob")[0].order_id == buy.order_id


def test_a_condition_true_at_placement_waits_for_the_next_trade() -> None:
    venue = at("100")
    placed(venue, "alice", stop("buy", "1", "90", "80"))
    assert venue.open_orders("alice")[0].waiting
    trade(venue, "120")
    assert not venue.open_orders("alice")[0].waiting


def test_a_bbo_price_is_resolved_at_activation() -> None:
    venue = at("100")
    queue = placed(venue, "alice", stop("sell", "1", "95", bbo_role=1))
    counterparty = placed(venue, "alice", stop("sell", "1", "95", bbo_role=2))
    placed(venue, "bob", order("buy", "2", "90"))
    placed(venue, "bob", order("sell", "0.1", "99"))
    trade(venue, "95")
    [resting] = venue.open_orders("alice")
    assert (resting.order_id, resting.ticks, resting.post_only) == (queue.order_id, 9_900, True)
    [done] = venue.finished_orders("alice")
    assert (done.order_id, done.ticks) == (counterparty.order_id, 9_000)
    assert done.status is Status.FILLED


def test_without_a_best_price_an_activated_bbo_stop_is_cancelled() -> None:
    venue = at("100")
    placed(venue, "alice", stop("buy", "1", "110", bbo_role=2))
    assert venue.spot_balances("alice")["USDT"].freeze == units("110")
    trade(venue, "110")
    assert story(venue.drain(), "alice")[-1] == "X CANCELED"
    assert venue.spot_balances("alice")["USDT"].freeze == 0


def test_waiting_stops_are_cancelled_like_any_order() -> None:
    venue = at("100")
    first = placed(venue, "alice", stop("buy", "1", "110", "111"))
    placed(venue, "alice", stop("sell", "1", "90", client_order_id="s"))
    placed(venue, "alice", stop("sell", "1", "80"))
    placed(venue, "alice", stop("buy", "50", "120"))
    for by in ({"order_id": first.order_id}, {"client_order_id": "s"}):
        answer = venue.cancel("alice", CancelOrder(market=SPOT, **by), NOW_US)
        assert isinstance(answer, Order)
        assert answer.status is Status.CANCELED
    venue.check()
    venue.set_kill_switch("alice", SPOT, 5, ("spot",), NOW_US)
    venue.advance(NOW_US + 6_000_000)
    assert venue.open_orders("alice") == []
    assert all(not balance.freeze for balance in venue.spot_balances("alice").values())


def test_self_trade_prevention_works_on_an_activated_stop() -> None:
    venue = at("100")
    placed(venue, "alice", order("buy", "1", "90"))
    placed(venue, "alice", stop("sell", "1", "95", stp=Stp.CANCEL_NEW))
    trade(venue, "95")
    assert [done.status for done in venue.finished_orders("alice")] == [Status.CANCELED_STP]
    assert len(venue.open_orders("alice")) == 1


def test_reduce_only_stops_are_cut_at_placement_and_leave_with_the_position() -> None:
    venue = at("60000", PERP)
    assert (
        refused(venue, "alice", stop("sell", "1", "59000", market=PERP, reduce_only=True)).code
        == 116
    )
    placed(venue, "bob", order("sell", "1", "60000", market=PERP))
    placed(venue, "alice", order("buy", "1", "60000", market=PERP))
    kept = placed(venue, "alice", stop("sell", "3", "59000", market=PERP, reduce_only=True))
    assert (kept.type, kept.lots) == (OrderType.MARGIN_STOP_MARKET, 1000)
    venue.drain()
    placed(venue, "bob", order("buy", "1", "60000", market=PERP))
    placed(venue, "alice", order("sell", "1", "60000", market=PERP))
    assert story(venue.drain(), "alice")[-1] == "X AUTO_CANCELED_REDUCE_ONLY"
    assert venue.open_orders("alice") == []


def test_a_perpetual_stop_uses_margin_until_it_ends() -> None:
    venue = exchange(with_alice(collateral={"USDT": "1000"}))
    trade(venue, "60000", PERP)
    placed(venue, "alice", stop("buy", "0.1", "61000", market=PERP))
    assert venue.collateral("alice")["USDT"].margin == units("610")
    assert refused(venue, "alice", stop("buy", "0.1", "61000", "62000", market=PERP)).code == 10
    venue.cancel_all("alice", PERP, None, NOW_US)
    assert venue.collateral("alice")["USDT"].margin == 0


@pytest.mark.parametrize(
    ("request_", "code", "errors"),
    [
        (stop("buy", "1", "100", "99"), 30, "activationPrice"),
        (stop("buy", "1", "x", "99"), 30, "activation_price"),
        (stop("buy", "1", "0", "99"), 30, "activation_price"),
        (stop("buy", "1", "100.001", "99"), 30, "activation_price"),
        (stop("buy", "1", "110", "99.001"), 33, "price"),
        (stop("buy", "0.01", "110", "99"), 30, "total"),
        (stop("buy", "10001", "110", "100"), 32, "amount"),
        (stop("sell", "11", "90"), 32, "amount"),
        (stop("buy", "1000001", "110"), 32, "amount"),
        (stop("buy", "1", "110", "99", client_order_id="!"), 36, "clientOrderId"),
    ],
)
def test_refusals(request_: NewOrder, code: int, errors: str) -> None:
    reject = refused(at("100"), "alice", request_)
    assert (reject.code, list(reject.errors)) == (code, [errors])


MODIFIES: dict[str, tuple[NewOrder, dict[str, str], int | tuple[int, int, int, str]]] = {
    "amount, price and trigger of a stop-limit": (
        stop("buy", "1", "110", "111"),
        {"amount": "2", "price": "112", "activation_price": "113"},
        (2_000_000, 11_200, 11_300, "224"),
    ),
    "the trigger alone": (
        stop("buy", "1", "110", "111"),
        {"activation_price": "120"},
        (1_000_000, 11_100, 12_000, "111"),
    ),
    "total and trigger of a stop-market buy": (
        stop("buy", "50", "110"),
        {"total": "70", "activation_price": "120"},
        (0, 12_000, 12_000, "70"),
    ),
    "the amount of a stop-market buy": (stop("buy", "50", "110"), {"amount": "1"}, 161),
    "the price of a stop-market": (stop("sell", "1", "90"), {"price": "80"}, 159),
    "the total of a stop-limit": (stop("buy", "1", "110", "111"), {"total": "80"}, 162),
    "a trigger at the last price": (
        stop("buy", "1", "110", "111"),
        {"activation_price": "100"},
        101,
    ),
    "the trigger of a limit order": (order("buy", "1", "90"), {"activation_price": "99"}, 158),
    "more money than there is": (stop("buy", "50", "110"), {"total": "1000001"}, 10),
}


@pytest.mark.parametrize("name", MODIFIES)
def test_modify(name: str) -> None:
    request, changes, expected = MODIFIES[name]
    venue = at("100")
    old = placed(venue, "alice", request)
    venue.drain()
    modify = ModifyOrder(market=SPOT, order_id=old.order_id, **changes)  # type: ignore[arg-type]
    new = venue.modify("alice", modify, NOW_US)
    venue.check()
    if isinstance(new, Reject):
        assert (new.code, new.http) == (expected, 400 if expected in (101, 158) else 422)
        assert venue.open_orders("alice") == [old]
        return
    frozen = units(expected[3]) if isinstance(expected, tuple) else None
    assert (new.lots, new.ticks, new.trigger_ticks) == expected[:3]  # type: ignore[index]
    assert venue.spot_balances("alice")["USDT"].freeze == frozen
    assert story(venue.drain(), "alice")[1:] == ["X CANCELED", f"P1 OPEN left {new.lots}"]


def test_an_activated_stop_is_modified_like_a_limit_order() -> None:
    venue = at("100")
    old = placed(venue, "alice", stop("buy", "1", "110", "105"))
    trade(venue, "110")
    venue.drain()
    trigger = ModifyOrder(market=SPOT, order_id=old.order_id, activation_price="120")
    answer = venue.modify("alice", trigger, NOW_US)
    assert isinstance(answer, Reject)
    assert answer.code == 158
    price = ModifyOrder(market=SPOT, order_id=old.order_id, price="106")
    assert isinstance(venue.modify("alice", price, NOW_US), Order)
    told = ["P3 CANCELED left 1000000", "X CANCELED", "P1 OPEN left 1000000"]
    assert story(venue.drain(), "alice") == told
