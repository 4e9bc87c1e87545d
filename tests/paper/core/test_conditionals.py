"""OCO pairs and OTO triggers: what one order does to another (contract 6.3, 6.4, 10.7)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.conditionals import Pair
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    CancelOrder,
    ModifyOrder,
    NewOco,
    NewOrder,
    Order,
    OrderType,
    Reject,
    Side,
    Status,
)
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

SELL = NewOco(
    market=PERP,
    side=Side.SELL,
    amount="1",
    price="61000",
    activation_price="59000",
    stop_limit_price="58900",
    client_order_id="pair",
)


def perp(side: str, amount: str, price: str, **more: object) -> NewOrder:
    return msgspec.structs.replace(order(side, amount, price, market=PERP), **more)


def trade(venue: Exchange, price: str) -> None:
    """Let bob print one trade with himself at a price."""
    placed(venue, "bob", perp("sell", "0.1", price))
    placed(venue, "bob", perp("buy", "0.1", price))


def at(price: str = "60000") -> Exchange:
    venue = exchange()
    trade(venue, price)
    venue.drain()
    return venue


def paired(venue: Exchange, request: NewOco = SELL) -> Pair:
    pair = venue.place_oco("alice", request, NOW_US)
    assert isinstance(pair, Pair), pair
    return pair


def test_a_pair_is_a_resting_limit_and_a_waiting_stop_of_one_client_id() -> None:
    venue = at()
    pair = paired(venue)
    assert story(venue.drain(), "alice") == ["P1 OPEN left 1000", "P1 OPEN left 1000"]
    stop, limit = pair.stop_loss, pair.take_profit
    assert (stop.type, limit.type) == (OrderType.MARGIN_STOP_LIMIT, OrderType.MARGIN_LIMIT)
    assert (stop.waiting, stop.trigger_above, limit.ticks) == (True, False, 610_000)
    assert stop.client_order_id == limit.client_order_id == "pair"
    assert venue.oco_pairs("alice") == [pair]
    assert venue.oco_pairs("bob") == venue.oco_pairs("alice", "BTC_USDT") == []
    # Only one leg executes, so only one uses margin.
    assert venue.collateral("alice")["USDT"].margin == units("6100")
    assert refused(venue, "alice", perp("buy", "1", "50000", client_order_id="pair")).code == 36


def test_the_first_fill_of_the_limit_cancels_the_stop() -> None:
    venue = at()
    paired(venue)
    venue.drain()
    placed(venue, "bob", perp("buy", "0.4", "61000"))
    assert story(venue.drain(), "alice") == [
        "D maker 400@610000",
        "P3 CANCELED left 1000",
        "P2 PARTIALLY_FILLED left 600",
        "X CANCELED",
    ]
    assert venue.oco_pairs("alice") == []
    left = venue.cancel("alice", CancelOrder(market=PERP, client_order_id="pair"), NOW_US)
    assert isinstance(left, Order)
    assert (left.type, left.status) == (OrderType.MARGIN_LIMIT, Status.CANCELED)
    venue.check()


def test_an_activated_stop_keeps_the_limit_until_it_fills() -> None:
    venue = at()
    paired(venue)
    venue.drain()
    trade(venue, "59000")
    assert story(venue.drain(), "alice") == ["P1 OPEN left 1000"]
    assert len(venue.oco_pairs("alice")) == 1
    placed(venue, "bob", perp("buy", "0.4", "58900"))
    assert story(venue.drain(), "alice")[1:] == [
        "P3 CANCELED left 1000",
        "P2 PARTIALLY_FILLED left 600",
        "X CANCELED",
    ]
    [left] = venue.open_orders("alice")
    assert left.type is OrderType.MARGIN_STOP_LIMIT
    venue.check()


def test_a_stop_that_fills_at_once_cancels_the_limit() -> None:
    venue = at()
    before = totals(venue)
    paired(venue)
    placed(venue, "bob", perp("buy", "2", "58950"))
    trade(venue, "59000")
    placed(venue, "bob", perp("sell", "0.1", "58950"))
    assert venue.open_orders("alice") == []
    assert {done.status for done in venue.finished_orders("alice")} == {
        Status.FILLED,
        Status.CANCELED,
    }
    venue.check()
    assert totals(venue) == before


@pytest.mark.parametrize("leg", ["stop_loss", "take_profit"])
def test_cancelling_a_leg_cancels_the_pair(leg: str) -> None:
    venue = at()
    pair = paired(venue)
    venue.drain()
    order_id = getattr(pair, leg).order_id
    venue.cancel("alice", CancelOrder(market=PERP, order_id=order_id), NOW_US)
    told = story(venue.drain(), "alice")
    assert told == ["P3 CANCELED left 1000"] * 2 + ["X CANCELED"] * 2
    assert (venue.open_orders("alice"), venue.oco_pairs("alice")) == ([], [])
    assert venue.collateral("alice")["USDT"].margin == 0


def test_pairs_end_by_their_id_by_client_id_and_by_cancel_all() -> None:
    venue = at()
    first = paired(venue)
    answer = venue.cancel_oco("alice", PERP, first.oco_id, None, NOW_US)
    assert isinstance(answer, Pair)
    assert {answer.stop_loss.status, answer.take_profit.status} == {Status.CANCELED}
    paired(venue)
    assert isinstance(venue.cancel_oco("alice", PERP, None, "pair", NOW_US), Pair)
    second = paired(venue)
    assert venue.cancel_conditional("alice", PERP, second.oco_id, NOW_US) is None
    paired(venue)
    venue.cancel_all("alice", None, None, NOW_US)
    assert venue.open_orders("alice") == []
    foreign = paired(venue)
    for refusal, key in (
        (venue.cancel_oco("bob", PERP, foreign.oco_id, None, NOW_US), "orderId"),
        (venue.cancel_oto("bob", PERP, foreign.oco_id, NOW_US), "otoId"),
        (venue.cancel_conditional("bob", PERP, foreign.oco_id, NOW_US), "id"),
    ):
        assert isinstance(refusal, Reject)
        assert (refusal.http, refusal.code, list(refusal.errors)) == (400, 2, [key])
    venue.check()


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        ({"price": "60400"}, 150, "price"),
        ({"activation_price": "60001"}, 151, "activation_price"),
        ({"activation_price": "60000"}, 30, "activationPrice"),
        ({"stop_limit_price": "0"}, 33, "stop_limit_price"),
        ({"price": "0"}, 33, "price"),
        ({"amount": "x"}, 32, "amount"),
        ({"amount": "50"}, 10, "amount"),
        ({"client_order_id": "?"}, 36, "clientOrderId"),
        ({"reduce_only": True}, 116, "reduceOnly"),
        ({"market": "NOPE"}, 31, "market"),
    ],
)
def test_refused_pairs_leave_nothing(changes: dict[str, object], code: int, key: str) -> None:
    venue = at()
    placed(venue, "bob", perp("buy", "1", "60500"))
    placed(venue, "bob", perp("sell", "1", "60500"))
    placed(venue, "bob", perp("buy", "1", "60400"))
    trade_price = venue.markets[PERP].last_ticks
    assert trade_price == 605_000
    venue.markets[PERP].last_ticks = 600_000
    venue.drain()
    result = venue.place_oco("alice", msgspec.structs.replace(SELL, **changes), NOW_US)
    assert isinstance(result, Reject)
    assert (result.code, list(result.errors)) == (code, [key])
    assert venue.drain() == []
    assert venue.open_orders("alice") == []
    venue.check()


def test_legs_cannot_be_modified() -> None:
    venue = at()
    pair = paired(venue)
    for leg in (pair.stop_loss, pair.take_profit):
        modify = ModifyOrder(market=PERP, order_id=leg.order_id, price="62000")
        answer = venue.modify("alice", modify, NOW_US)
        assert isinstance(answer, Reject)
        assert answer.code == 155


def with_oto(venue: Exchange, side: str = "buy") -> Order:
    below, above = ("stop_loss", "take_profit") if side == "buy" else ("take_profit", "stop_loss")
    return placed(venue, "alice", perp(side, "1", "60000", **{below: "59000", above: "61000"}))


def test_triggers_wait_once_the_order_is_completely_filled() -> None:
    venue = at()
    parent = with_oto(venue)
    assert venue.oto_orders("alice") == [parent]
    placed(venue, "bob", perp("sell", "0.4", "60000"))
    assert len(venue.open_orders("alice")) == 1
    venue.drain()
    placed(venue, "bob", perp("sell", "0.6", "60000"))
    assert story(venue.drain(), "alice")[1:] == [
        "P3 FILLED left 0",
        "P1 OPEN left 0",
        "P1 OPEN left 0",
        "X FILLED",
    ]
    take, stop = venue.open_orders("alice")
    assert (take.type, take.lots, take.side) == (OrderType.MARGIN_STOP_MARKET, 0, Side.SELL)
    assert (take.trigger_ticks, take.trigger_above) == (610_000, True)
    assert (stop.trigger_ticks, stop.trigger_above) == (590_000, False)
    [position] = venue.positions("alice")
    assert position.take_profit == (take.order_id, 610_000)
    assert position.stop_loss == (stop.order_id, 590_000)
    assert venue.oto_orders("alice") == []


@pytest.mark.parametrize(("side", "price"), [("buy", "61000"), ("buy", "58990"), ("sell", "59000")])
def test_a_trigger_closes_the_whole_position_and_takes_the_other_along(
    side: str, price: str
) -> None:
    venue = at()
    with_oto(venue, side)
    opposite = "sell" if side == "buy" else "buy"
    placed(venue, "bob", perp(opposite, "1", "60000"))
    # Adding to the position is covered too: the size is read when triggered.
    placed(venue, "bob", perp(opposite, "0.5", "60000"))
    placed(venue, "alice", perp(side, "0.5", "60000"))
    placed(venue, "bob", perp(side, "5", price))
    before = totals(venue)
    venue.drain()
    placed(venue, "bob", perp(opposite, "0.1", price))
    assert venue.positions("alice") == []
    assert venue.open_orders("alice") == []
    assert story(venue.drain(), "alice")[-2:] == ["X FILLED", "X AUTO_CANCELED_REDUCE_ONLY"]
    assert totals(venue) == before
    venue.check()


def test_closing_the_position_cancels_its_triggers() -> None:
    venue = at()
    with_oto(venue)
    placed(venue, "bob", perp("sell", "1", "60000"))
    placed(venue, "bob", perp("buy", "1", "60000"))
    [position] = venue.positions("alice")
    venue.close_position("alice", PERP, position.position_id, NOW_US)
    assert venue.open_orders("alice") == []


def test_a_later_order_replaces_the_triggers_of_its_position() -> None:
    venue = at()
    for stop_loss in ("59000", "59100"):
        placed(venue, "alice", perp("buy", "1", "60000", stop_loss=stop_loss))
        placed(venue, "bob", perp("sell", "1", "60000"))
    [stop] = venue.open_orders("alice")
    assert stop.trigger_ticks == 591_000
    [position] = venue.positions("alice")
    assert (position.take_profit, position.stop_loss) == (None, (stop.order_id, 591_000))


def test_an_order_cancelled_before_it_is_full_leaves_no_triggers() -> None:
    venue = at()
    parent = with_oto(venue)
    assert parent.oto is not None
    placed(venue, "bob", perp("sell", "0.4", "60000"))
    answer = venue.cancel_oto("alice", PERP, parent.oto.oto_id, NOW_US)
    assert isinstance(answer, Order)
    assert answer.status is Status.CANCELED
    assert venue.open_orders("alice") == []
    other = with_oto(venue)
    assert other.oto is not None
    assert venue.cancel_conditional("alice", PERP, other.oto.oto_id, NOW_US) is None
    assert venue.open_orders("alice") == []


def test_triggers_and_orders_that_have_them_cannot_be_modified() -> None:
    venue = at()
    parent = with_oto(venue)
    change = ModifyOrder(market=PERP, order_id=parent.order_id, price="59500")
    refusals = [venue.modify("alice", change, NOW_US)]
    placed(venue, "bob", perp("sell", "1", "60000"))
    for trigger in venue.open_orders("alice"):
        move = ModifyOrder(market=PERP, order_id=trigger.order_id, activation_price="59500")
        refusals.append(venue.modify("alice", move, NOW_US))
    assert [each.code for each in refusals if isinstance(each, Reject)] == [155, 160, 160]


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.STOP_LIMIT, OrderType.STOP_MARKET])
def test_all_collateral_orders_may_have_triggers(kind: OrderType) -> None:
    venue = exchange(with_alice(collateral={"USDT": "100000"}))
    trade(venue, "60000")
    placed(venue, "bob", perp("sell", "1", "60000"))
    request = perp("buy", "1", "60000", type=kind, stop_loss="59000", take_profit="61000")
    if kind is not OrderType.MARKET:
        request = msgspec.structs.replace(request, activation_price="59999")
    placed(venue, "alice", request)
    if kind is not OrderType.MARKET:
        trade(venue, "59999.5")
    [position] = venue.positions("alice")
    assert None not in (position.take_profit, position.stop_loss)


@pytest.mark.parametrize(
    ("side", "stop_loss", "take_profit", "code"),
    [
        ("buy", "60000", None, 106),
        ("buy", None, "60000", 105),
        ("buy", "50000", "40000", 105),
        ("sell", "60000", None, 106),
        ("sell", None, "60000", 105),
        ("buy", "x", None, 30),
        ("buy", None, "0", 30),
    ],
)
def test_triggers_on_the_wrong_side_are_refused(
    side: str, stop_loss: str | None, take_profit: str | None, code: int
) -> None:
    request = perp(side, "1", "60000", stop_loss=stop_loss, take_profit=take_profit)
    assert refused(at(), "alice", request).code == code


def test_a_reduce_only_order_has_no_triggers() -> None:
    venue = at()
    placed(venue, "bob", perp("sell", "1", "60000"))
    placed(venue, "alice", perp("buy", "1", "60000"))
    request = perp("sell", "1", "61000", reduce_only=True, stop_loss="62000")
    assert refused(venue, "alice", request).code == 30
