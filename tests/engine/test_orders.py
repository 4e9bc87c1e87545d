"""The table of an order's life, pair by pair: what is not in it changes nothing and is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine import orders
from engine.orders import PAST_IDS, TRANSITIONS, Moved, Order, Pending, Status, Trigger
from engine.types import OrderStatus
from tests.engine.builders import T0, fill, new_order, venue_order

CID = "r1-1"
SEQ, NOW = 9, T0 + 9


def order_at(status: Status) -> Order:
    placed = orders.placed(new_order(CID), T0, 7, 1)
    if status is Status.NEW:
        return placed
    shown, _ = orders.shown(placed, venue_order(CID, 1), 2)
    return shown if status is Status.OPEN else orders.close(shown, "test", 3, T0, 0)


FACTS: dict[Trigger, Callable[[Order], Moved]] = {
    Trigger.SHOWN: lambda order: orders.shown(order, venue_order(CID, 5), SEQ),
    Trigger.FINISHED: lambda order: orders.finished(
        order, venue_order(CID, 5, leaves=0, status=OrderStatus.FILLED), SEQ, NOW
    ),
    Trigger.REFUSED: lambda order: orders.place_refused(order, "no funds", SEQ, NOW),
    Trigger.NEVER_ACCEPTED: lambda order: orders.never_accepted(order, SEQ, NOW),
    Trigger.GONE: lambda order: orders.gone(order, "not found", SEQ, NOW),
}


@pytest.mark.parametrize("trigger", FACTS)
@pytest.mark.parametrize("status", Status)
def test_each_fact_leads_where_the_table_says(status: Status, trigger: Trigger) -> None:
    before = order_at(status)
    after, anomaly = FACTS[trigger](before)
    expected = TRANSITIONS.get((status, trigger))
    after.check()
    if expected is None:
        assert after == before
        assert anomaly == f"{CID}: {status} but {trigger}"
        return
    assert after.status is expected
    if (status, trigger) == (Status.CLOSED, Trigger.SHOWN):
        assert anomaly == f"{CID}: shown resting after test"
    else:
        assert anomaly == ""


def test_an_order_that_was_over_stays_closed_for_the_first_reason_that_counts() -> None:
    refused, _ = FACTS[Trigger.REFUSED](order_at(Status.NEW))
    assert (refused.close_reason, refused.closed_ns, refused.worst_qty) == ("no funds", NOW, 0)
    never, _ = FACTS[Trigger.NEVER_ACCEPTED](order_at(Status.NEW))
    assert (never.close_reason, never.worst_qty) == ("never accepted", 10)
    lost, _ = FACTS[Trigger.GONE](order_at(Status.NEW))
    assert (lost.close_reason, lost.worst_qty) == ("not found", 0)
    gone, _ = FACTS[Trigger.GONE](order_at(Status.OPEN))
    assert gone.worst_qty == 10, "it may have filled"


def test_ids_of_the_last_modifies_are_remembered_and_older_ones_are_not() -> None:
    order = order_at(Status.OPEN)
    for order_id in range(2, PAST_IDS + 4):
        order = replace(order, pending=Pending.MODIFY, wanted_price=1000, wanted_qty=10)
        order, anomaly = orders.shown(order, venue_order(CID, order_id), SEQ)
        assert anomaly == ""
    assert order.order_id == PAST_IDS + 3
    assert order.past_ids == tuple(range(3, PAST_IDS + 3))
    assert PAST_IDS == 16


def test_news_of_an_id_that_is_over_moves_nothing() -> None:
    order = replace(order_at(Status.OPEN), past_ids=(7,))
    assert orders.shown(order, venue_order(CID, 7), SEQ) == (order, "")
    cancelled = venue_order(CID, 7, status=OrderStatus.CANCELLED)
    assert orders.finished(order, cancelled, SEQ, NOW) == (order, "")


@pytest.mark.parametrize(("changed_us", "moves"), [(0, True), (1, False), (99, False), (100, True)])
def test_news_from_before_a_listing_that_lacked_the_order_is_old(
    changed_us: int, moves: bool
) -> None:
    absent, _ = orders.absent(order_at(Status.OPEN), 5, T0, 100)
    venue = replace(venue_order(CID, 1), modified_us=changed_us)
    after, _ = orders.shown(absent, venue, SEQ)
    assert (after.status is Status.OPEN) is moves


def modified(order: Order, order_id: int) -> Order:
    """The order after a modify that its answer told of, and no push yet."""
    asked = replace(order, pending=Pending.MODIFY, wanted_price=1000, wanted_qty=10, request_seq=7)
    after, anomaly = orders.answered(asked, venue_order(CID, order_id), 7, SEQ, NOW)
    assert (after.order_id, after.pending, anomaly) == (order_id, Pending.NONE, "")
    return after


def far_behind() -> Order:
    """An order whose pushes lag by more modifies than ids are remembered."""
    order = order_at(Status.OPEN)
    for order_id in range(2, PAST_IDS + 6):
        order = modified(order, order_id)
    assert order.past_ids[0] > 3
    return order


@pytest.mark.parametrize(
    "order",
    [
        far_behind(),
        replace(far_behind(), pending=Pending.MODIFY, wanted_price=1000, wanted_qty=10),
        replace(far_behind(), pending=Pending.CANCEL),
        FACTS[Trigger.GONE](far_behind())[0],
    ],
    ids=["nothing asked", "modify in flight", "cancel in flight", "over"],
)
def test_pushes_of_ids_that_are_not_remembered_any_more_are_old_news(order: Order) -> None:
    owed_qty = order.worst_qty
    cancelled = venue_order(CID, 2, status=OrderStatus.CANCELLED)
    after, anomaly = orders.pushed(order, venue_order(CID, 2), SEQ, NOW)
    assert (after, anomaly) == (order, "")
    after, anomaly = orders.pushed(order, cancelled, SEQ, NOW)
    assert anomaly == ""
    assert after.worst_qty == owed_qty - 10, "it is known now that this id filled nothing"
    assert replace(after, owed=order.owed) == order
    after, anomaly = orders.dealt(order, fill(1, qty=4, order_id=3, client_order_id=CID), SEQ, NOW)
    assert anomaly == ""
    assert after.worst_qty == owed_qty - 4
    assert replace(after, owed=order.owed) == order


def test_an_id_between_those_that_are_remembered_was_not_forgotten() -> None:
    order = replace(far_behind(), past_ids=tuple(range(10, 10 + 2 * PAST_IDS, 2)), order_id=50)
    for order_id, is_news in ((9, False), (11, True)):
        after, anomaly = orders.pushed(order, venue_order(CID, order_id), SEQ, NOW)
        assert (after.order_id == order_id, anomaly) == (is_news, ""), order_id


def test_a_late_answer_ends_an_order_at_the_moment_it_comes() -> None:
    filled = venue_order(CID, 1, leaves=0, status=OrderStatus.FILLED)
    after, anomaly = orders.answered(order_at(Status.OPEN), filled, 1, SEQ, NOW)
    assert (after.status, after.closed_ns, anomaly) == (Status.CLOSED, NOW, "")


@pytest.mark.parametrize("status", list(OrderStatus))
def test_an_answer_far_behind_revives_nothing(status: OrderStatus) -> None:
    """A slow connection: later modifies were answered and pushed, and the order filled."""
    over, _ = FACTS[Trigger.GONE](far_behind())
    late = venue_order(CID, 2, status=status)
    after, anomaly = orders.answered(over, late, 3, SEQ, NOW)
    assert (after.status, after.order_id, anomaly) == (Status.CLOSED, over.order_id, "")


def test_the_answer_to_a_request_counts_even_if_its_id_were_lower_than_those_before() -> None:
    assert modified(far_behind(), 2).order_id == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"qty": 0}, "price and qty must be positive"),
        ({"leaves_qty": 11}, "leaves outside 0..qty"),
        ({"past_ids": (1,)}, "a live id among the past ones"),
        ({"unknown": True}, "unknown without a request"),
        ({"status": Status.NEW}, "not shown, and nothing asked"),
    ],
)
def test_what_an_order_may_never_be_is_told_in_words(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(AssertionError) as broken:
        replace(order_at(Status.OPEN), **changes).check()
    assert str(broken.value) == told
