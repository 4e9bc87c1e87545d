"""Every interleaving of what the venue tells of an order ends in the same order and inventory.

Contract 10.13: the REST answer, pending events, deals and listings come in any order. At every
moment the worst case that risk counts covers what is still to come.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import NamedTuple

import pytest

from engine import events as e
from engine import intents as i
from engine.orders import Order, Pending, Status
from engine.risk import exposure_of
from engine.types import OrderStatus, Refusal, Stp
from tests.engine.builders import (
    NAME,
    NOT_FOUND,
    WOULD_TAKE,
    Run,
    balances,
    fill,
    new_order,
    started,
    venue_order,
)

CID = "r1-1"
OPEN, FILLED, CANCELLED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELLED
Fact = Callable[[Run, int], object]
"""Folds one piece of news, given the seq of the request that is in flight."""


class Life(NamedTuple):
    """News of one order, and what must be left when all of it has come, in whatever order."""

    asked: str
    """The request in flight: place, modify or cancel."""
    news: tuple[Fact, ...]
    status: Status
    leaves: int
    position: int
    order_id: int


def opened(order_id: int = 1, leaves: int | None = None, qty: int = 10) -> Fact:
    """Pending event 1."""
    venue = venue_order(CID, order_id, qty=qty, leaves=leaves)
    return lambda run, _: run.push(e.OrderOpened(venue))


def updated(order_id: int, leaves: int, qty: int = 10) -> Fact:
    """Pending event 2."""
    venue = venue_order(CID, order_id, qty=qty, leaves=leaves)
    return lambda run, _: run.push(e.OrderUpdated(venue))


def closed(order_id: int = 1, leaves: int = 0, qty: int = 10, text: str = "") -> Fact:
    """Pending event 3."""
    status = CANCELLED if leaves else FILLED
    venue = venue_order(CID, order_id, qty=qty, leaves=leaves, status=status, text=text)
    return lambda run, _: run.push(e.OrderClosed(venue))


def deal(deal_id: int, qty: int, order_id: int = 1) -> Fact:
    news = e.Filled(fill(deal_id, qty=qty, order_id=order_id, client_order_id=CID))
    return lambda run, _: run.push(news)


def answer(order_id: int = 1, leaves: int = 10, qty: int = 10, status: OrderStatus = OPEN) -> Fact:
    """The REST answer to the request in flight."""
    venue = venue_order(CID, order_id, qty=qty, leaves=leaves, status=status)

    def push(run: Run, request: int) -> None:
        intent = run.state.requests[request].intent
        event: e.AnyEvent
        if isinstance(intent, i.PlaceOrders):
            event = e.OrdersPlaced(NAME, (e.PlaceResult(venue, None),))
        elif isinstance(intent, i.ModifyOrder):
            event = e.OrderModified(venue)
        else:
            event = e.OrderCancelled(venue)
        run.push(event, request)

    return push


def refused(refusal: Refusal) -> Fact:
    return lambda run, request: run.push(e.RequestRefused(refusal), request)


def unknown(run: Run, request: int) -> None:
    run.push(e.OutcomeUnknown("connection reset"), request)


def timer(run: Run, request: int) -> None:
    run.wait(3.5)


LIVES: dict[str, Life] = {
    "placed, rests": Life("place", (answer(), opened()), Status.OPEN, 10, 0, 1),
    "placed, a second event 1 tells of an activation": Life(
        "place", (answer(), opened(), opened(), deal(1, 4), updated(1, 6)), Status.OPEN, 6, 4, 1
    ),
    "placed, partly filled on arrival": Life(
        "place", (deal(1, 4), opened(leaves=6), answer(leaves=6)), Status.OPEN, 6, 4, 1
    ),
    "placed, filled on arrival: event 3 only": Life(
        "place", (deal(1, 4), deal(2, 6), closed(), answer(leaves=0, status=FILLED)),
        Status.CLOSED, 0, 10, 1,
    ),
    "placed, filled by two deals, the answer still says open": Life(
        "place", (opened(), deal(1, 4), updated(1, 6), deal(2, 6), closed(), answer()),
        Status.CLOSED, 0, 10, 1,
    ),
    "placed, kill-switch cancels what is left": Life(
        "place", (answer(), opened(), deal(1, 4), updated(1, 6), closed(leaves=6)),
        Status.CLOSED, 6, 4, 1,
    ),
    "placed, cancelled by self-trade prevention": Life(
        "place", (answer(status=CANCELLED), closed(leaves=10, text="CANCELED_STP")),
        Status.CLOSED, 10, 0, 1,
    ),
    "placed, deadline passes, late answer": Life(
        "place", (timer, answer(), opened()), Status.OPEN, 10, 0, 1
    ),
    "placed, connection lost, pending events tell": Life(
        "place", (unknown, opened(), deal(1, 10), closed()), Status.CLOSED, 0, 10, 1
    ),
    "cancelled": Life(
        "cancel", (answer(status=CANCELLED), closed(leaves=10)), Status.CLOSED, 10, 0, 1
    ),
    "cancel meets a fill": Life(
        "cancel", (refused(NOT_FOUND), deal(1, 10), closed()), Status.CLOSED, 0, 10, 1
    ),
    "cancel after a part filled": Life(
        "cancel",
        (deal(1, 4), updated(1, 6), closed(leaves=6), answer(leaves=6, status=CANCELLED)),
        Status.CLOSED, 6, 4, 1,
    ),
    "cancel, outcome unknown, pending event tells": Life(
        "cancel", (unknown, closed(leaves=10)), Status.CLOSED, 10, 0, 1
    ),
    "modified": Life(
        "modify", (answer(2, 8, 8), closed(leaves=10), opened(2, qty=8)), Status.OPEN, 8, 0, 2
    ),
    "modified while the old order fills in part": Life(
        "modify",
        (deal(1, 4), updated(1, 6), closed(leaves=6), opened(2, qty=8), answer(2, 8, 8)),
        Status.OPEN, 8, 4, 2,
    ),
    "modified, replacement filled on arrival: event 3 only": Life(
        "modify",
        (closed(leaves=10), deal(1, 8, 2), closed(2, qty=8), answer(2, 0, 8, FILLED)),
        Status.CLOSED, 0, 8, 2,
    ),
    "modified, replacement partly filled on arrival": Life(
        "modify",
        (closed(leaves=10), deal(1, 3, 2), opened(2, 5, 8), answer(2, 5, 8)),
        Status.OPEN, 5, 3, 2,
    ),
    "modified, kill-switch takes the replacement": Life(
        "modify",
        (closed(leaves=10), opened(2, qty=8), closed(2, 8, 8), answer(2, 8, 8)),
        Status.CLOSED, 8, 0, 2,
    ),
    "modified after a part filled, the new size is whole again": Life(
        "modify",
        (deal(1, 4), closed(leaves=6), deal(2, 3, 2), opened(2, 5, 8), answer(2, 5, 8)),
        Status.OPEN, 5, 7, 2,
    ),
    "modified while it filled twice, the replacement fills too": Life(
        "modify",
        (deal(1, 4), deal(2, 5), closed(leaves=1), deal(3, 8, 2), closed(2, qty=8),
         answer(2, 0, 8, FILLED)),
        Status.CLOSED, 0, 17, 2,
    ),
    "modify meets a fill": Life(
        "modify", (deal(1, 4), deal(2, 6), closed(), refused(NOT_FOUND)), Status.CLOSED, 0, 10, 1
    ),
    "modify refused, the order stays": Life(
        "modify", (refused(WOULD_TAKE), deal(1, 4), updated(1, 6)), Status.OPEN, 6, 4, 1
    ),
    "modify, outcome unknown, pending events tell": Life(
        "modify", (unknown, closed(leaves=10), opened(2, qty=8)), Status.OPEN, 8, 0, 2
    ),
    "modify, deadline passes, late answer": Life(
        "modify", (timer, closed(leaves=10), opened(2, qty=8), answer(2, 8, 8)),
        Status.OPEN, 8, 0, 2,
    ),
}  # fmt: skip


def begin(asked: str) -> tuple[Run, int]:
    """A run with a bid of 10 lots and the given request in flight."""
    run = started()
    (place,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    if asked == "place":
        return run, place
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(venue_order(CID, 1), None),)), place)
    if asked == "cancel":
        return run, run.ask(i.CancelOrder(NAME, CID))[0]
    return run, run.ask(i.ModifyOrder(NAME, CID, 1000, 8, Stp.CANCEL_NEW))[0]


def left(order: Order) -> tuple[object, ...]:
    return (
        order.status, order.pending, order.unknown, order.order_id, order.price, order.qty,
        order.leaves_qty, order.filled_qty, order.worst_qty,
    )  # fmt: skip


@pytest.mark.parametrize("name", LIVES)
def test_every_interleaving_ends_alike(name: str) -> None:
    life = LIVES[name]
    ends: set[tuple[object, ...]] = set()
    before, request = begin(life.asked)
    still_open = life.leaves if life.status is Status.OPEN else 0
    for order_of_news in permutations(life.news):
        run = Run(state=before.state)
        for fact in order_of_news:
            fact(run, request)
            covered = run.market.position + exposure_of(run.market, run.now_ns).buy_qty
            assert covered >= life.position + still_open, "risk counts less than is to come"
        order = run.order(CID)
        assert run.state.anomalies == 0, run.state.last_anomaly
        assert exposure_of(run.market, run.now_ns).buy_qty == still_open
        ends.add((run.market.position, *left(order)))
    ((position, status, pending, is_unknown, order_id, _, _, leaves, _, worst),) = ends
    assert (status, leaves, position) == (life.status, life.leaves, life.position)
    assert (pending, is_unknown, order_id) == (Pending.NONE, False, life.order_id)
    assert worst == still_open


WITH_BALANCES = [name for name, life in LIVES.items() if life.position and len(life.news) < 6]


@pytest.mark.parametrize("name", WITH_BALANCES)
def test_the_balance_may_come_at_any_moment_among_them(name: str) -> None:
    life = LIVES[name]
    before, request = begin(life.asked)
    base = balances(f"0.{life.position:03}")

    def balance(run: Run, _: int) -> None:
        run.push(e.SpotBalancesChanged(base))

    ends = set()
    for order_of_news in permutations((*life.news, balance)):
        run = Run(state=before.state)
        for fact in order_of_news:
            fact(run, request)
        market = run.market
        assert (run.state.anomalies, market.breaks) == (0, 0)
        ends.add((market.position, market.mismatch.since_ns, str(run.state.spot["BTC"].available)))
        ends.add((market.position, 0, str(base[0].available)))
    assert len(ends) == 1, "the last word of balance and deals is one"


@pytest.mark.parametrize("refusal", [NOT_FOUND, WOULD_TAKE])
def test_a_modify_refused_after_the_kill_switch_took_the_order_leaves_nothing(
    refusal: Refusal,
) -> None:
    before, request = begin("modify")
    for order_of_news in permutations((closed(leaves=10), refused(refusal))):
        run = Run(state=before.state)
        for fact in order_of_news:
            fact(run, request)
        assert run.order(CID).status is Status.CLOSED
        assert exposure_of(run.market, run.now_ns).buy_qty == 0
        assert run.state.anomalies == 0


def test_a_late_answer_settles_nothing_but_its_own_request() -> None:
    run, place = begin("place")
    opened()(run, place)
    (modify,) = run.ask(i.ModifyOrder(NAME, CID, 1000, 8, Stp.CANCEL_NEW))
    answer()(run, place)
    assert run.order(CID).pending is Pending.MODIFY
    assert run.order(CID).worst_qty == 18
    closed(leaves=10)(run, modify)
    assert (run.order(CID).status, run.order(CID).worst_qty) == (Status.NEW, 8)
    answer(2, 8, 8)(run, modify)
    assert (run.order(CID).status, run.order(CID).order_id) == (Status.OPEN, 2)
    assert run.state.anomalies == 0


def test_a_venue_that_modifies_under_the_same_id_settles_the_modify() -> None:
    run, modify = begin("modify")
    answer()(run, modify)
    order = run.order(CID)
    assert (order.pending, order.status, order.order_id) == (Pending.NONE, Status.OPEN, 1)


def test_deals_beyond_the_order_are_an_anomaly_but_count_in_the_inventory() -> None:
    run, place = begin("place")
    answer()(run, place)
    deal(1, 12)(run, place)
    assert "deals of 12 lots exceed its 10" in run.state.last_anomaly
    assert run.market.position == 12
    assert run.order(CID).leaves_qty == 10


def test_an_order_refused_after_it_was_shown_stays_and_is_reported() -> None:
    run, place = begin("place")
    opened()(run, place)
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, WOULD_TAKE),)), place)
    assert run.order(CID).status is Status.OPEN
    assert "open but place refused" in run.state.last_anomaly
