"""Every interleaving of small cases: the limit and bid below ask hold at the venue at all times.

From resting quotes, what is wanted changes while requests are on their way. Each request may be
done, refused, or done without its answer ever coming; orders may fill in part or whole before,
between and after; answers and pushes arrive in any order of the two. All of it is enumerated, and
after each step the venue's own books are looked at: not only where the position is, but where it
would be if all that rests there filled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine import planner
from engine.orders import Order
from engine.reduce import reduce
from engine.risk import Exposure, exposure_of
from engine.state import State
from engine.step import decide
from engine.tombstones import every
from engine.types import OrderStatus, Placement, Side, VenueOrder
from tests.engine.builders import (
    MS,
    NAME,
    NOT_FOUND,
    WOULD_TAKE,
    Pairs,
    fill,
    limits,
    quoting,
    venue_order,
)
from tests.engine.rpi_levels import Mixed, mixed

MAX = 20
ORDERS = i.PlaceOrders | i.ModifyOrder | i.CancelOrder


class Resting(NamedTuple):
    name: str
    order_id: int
    side: Side
    price: int
    qty: int
    leaves: int
    rpi: bool


class Node(NamedTuple):
    """One moment: what the engine knows, what the venue has, and what is on its way between."""

    state: State
    open: tuple[Resting, ...]
    position: int
    next_id: int
    deals: int = 0
    requests: tuple[tuple[int, i.Intent], ...] = ()
    answers: tuple[tuple[int, e.AnyEvent], ...] = ()
    pushes: tuple[e.AnyEvent, ...] = ()
    wants: tuple[str, ...] = ()
    """What is still to be wanted, in order."""
    fills: int = 2
    """How many more fills there may be."""
    mishaps: int = 1
    """How many more requests may be refused, or lose their answer."""


# --- the engine -----------------------------------------------------------------------------------


def push(node: Node, event: e.AnyEvent, cause: int = 0) -> Node:
    """Fold one event."""
    state = node.state
    record = e.Record(state.seq + 1, state.now_ns + MS, cause, event)
    return node._replace(state=reduce(state, record))


def act(node: Node) -> Node:
    """Let the engine decide, and put its requests on their way."""
    decision = decide(replace(node.state, attention_seq=node.state.seq))
    intents = tuple(intent for intent in decision.intents if isinstance(intent, ORDERS))
    if not intents:
        return node
    node = push(node, e.Decided(intents, ()))
    decided = node.state.seq
    for index, intent in enumerate(intents):
        node = push(node, e.RequestSent(index, 0, "POST", "/", b""), decided)
        node = node._replace(requests=(*node.requests, (node.state.seq, intent)))
    return node


# --- the venue ------------------------------------------------------------------------------------


def shown(resting: Resting, status: OrderStatus = OrderStatus.OPEN) -> VenueOrder:
    return venue_order(
        resting.name,
        resting.order_id,
        qty=resting.qty,
        leaves=resting.leaves,
        side=resting.side,
        price=resting.price,
        status=status,
        rpi=resting.rpi,
    )


def found(node: Node, name: str) -> Resting | None:
    return next((resting for resting in node.open if resting.name == name), None)


def without(node: Node, name: str) -> tuple[Resting, ...]:
    return tuple(resting for resting in node.open if resting.name != name)


def done(node: Node, intent: i.Intent, refused: int) -> tuple[Node, e.AnyEvent]:
    """Do what a request asks; bit n of `refused` refuses the n-th order of it."""
    match intent:
        case i.PlaceOrders(_, new):
            results = []
            for at, order in enumerate(new):
                if refused >> at & 1:
                    results.append(e.PlaceResult(None, WOULD_TAKE))
                    continue
                assert found(node, order.client_order_id) is None
                resting = Resting(
                    order.client_order_id, node.next_id, order.side, order.price, order.qty,
                    order.qty, order.rpi,
                )  # fmt: skip
                results.append(e.PlaceResult(shown(resting), None))
                told = (*node.pushes, e.OrderOpened(shown(resting)))
                node = node._replace(
                    open=(*node.open, resting), next_id=node.next_id + 1, pushes=told
                )
            return node, e.OrdersPlaced(NAME, tuple(results))
        case i.ModifyOrder(_, name, price, qty):
            old = found(node, name)
            if old is None:
                return node, e.RequestRefused(NOT_FOUND)
            if refused:
                return node, e.RequestRefused(WOULD_TAKE)
            new_one = old._replace(order_id=node.next_id, price=price, qty=qty, leaves=qty)
            told = (
                *node.pushes,
                e.OrderClosed(shown(old, OrderStatus.CANCELLED)),
                e.OrderOpened(shown(new_one)),
            )
            node = node._replace(
                open=(*without(node, name), new_one), next_id=node.next_id + 1, pushes=told
            )
            return node, e.OrderModified(shown(new_one))
        case i.CancelOrder(_, name):
            old = found(node, name)
            if old is None:
                return node, e.RequestRefused(NOT_FOUND)
            gone = shown(old, OrderStatus.CANCELLED)
            node = node._replace(open=without(node, name))
            return node._replace(pushes=(*node.pushes, e.OrderClosed(gone))), e.OrderCancelled(gone)
    raise AssertionError(intent)


def filled(node: Node, resting: Resting, qty: int) -> Node:
    after = resting._replace(leaves=resting.leaves - qty)
    deal = fill(
        node.deals + 1, qty=qty, price=resting.price, side=resting.side,
        order_id=resting.order_id, client_order_id=resting.name,
    )  # fmt: skip
    told: e.AnyEvent = e.OrderUpdated(shown(after))
    if not after.leaves:
        told = e.OrderClosed(shown(after, OrderStatus.FILLED))
    rest = without(node, resting.name)
    return node._replace(
        open=(*rest, after) if after.leaves else rest,
        position=node.position + resting.side.sign * qty,
        deals=node.deals + 1,
        pushes=(*node.pushes, e.Filled(deal), told),
        fills=node.fills - 1,
    )


# --- what may happen next -------------------------------------------------------------------------


def following(node: Node) -> Iterator[tuple[str, Node]]:
    if node.wants:
        event = e.ParametersChanged(NAME, node.wants[0])
        yield "want", act(push(node, event)._replace(wants=node.wants[1:]))
    for at, (seq, intent) in enumerate(node.requests):
        rest = node._replace(requests=node.requests[:at] + node.requests[at + 1 :])
        size = len(intent.orders) if isinstance(intent, i.PlaceOrders) else 1
        fates = 1 << size if node.mishaps and not isinstance(intent, i.CancelOrder) else 1
        for refused in range(fates):
            after, answer = done(rest, intent, refused)
            after = after._replace(mishaps=node.mishaps - (1 if refused else 0))
            name = f"{type(intent).__name__} {'refused' if refused else 'done'}"
            yield name, after._replace(answers=(*after.answers, (seq, answer)))
        if node.mishaps:
            after, _ = done(rest, intent, 0)
            lost = (*after.answers, (seq, e.OutcomeUnknown("reset")))
            yield f"{type(intent).__name__} lost", after._replace(answers=lost, mishaps=0)
    if node.fills:
        for resting in node.open:
            for qty in {resting.leaves, min(3, resting.leaves)}:
                yield "fill", filled(node, resting, qty)
    for at, (seq, answer) in enumerate(node.answers):
        rest = node._replace(answers=node.answers[:at] + node.answers[at + 1 :])
        yield "answer", act(push(rest, answer, seq))
    if node.pushes:
        yield "push", act(push(node._replace(pushes=node.pushes[1:]), node.pushes[0]))


def assert_safe(node: Node) -> None:
    bids = [resting for resting in node.open if resting.side is Side.BUY]
    asks = [resting for resting in node.open if resting.side is Side.SELL]
    most = node.position + sum(resting.leaves for resting in bids)
    least = node.position - sum(resting.leaves for resting in asks)
    assert -MAX <= least <= most <= MAX, "the worst case at the venue is beyond the limit"
    if bids and asks:
        assert max(b.price for b in bids) < min(a.price for a in asks), "own orders meet"
    market = node.state.markets[NAME]
    exposure = exposure_of(market, node.state.now_ns)
    assert market.position + exposure.buy_qty >= most, "risk counts less than may happen"
    assert market.position - exposure.sell_qty <= least, "risk counts less than may happen"
    market.check()


def key(node: Node) -> str:
    """Name a moment so that two from which the same things can happen have one name.

    Sequence numbers, times and ids differ with the way that led here, and no rule looks at them;
    ids are numbered by their first appearance.
    """
    market = node.state.markets[NAME]
    requests = [told(intent) for _, intent in node.requests]
    coming = [told(event) for event in (*[answer for _, answer in node.answers], *node.pushes)]
    # A closed order matters while there may be late news of it.
    text = " ".join((*requests, *coming))
    late = [o for o in every(market.closed) if o.client_order_id in text]
    known = [of_order(o) for o in (*market.live, *market.owing, *late)]
    row = [(held.side, held.price, held.count) for held in market.would_take]
    world = [(r.name, f"#{r.order_id}", *r[2:]) for r in sorted(node.open)]
    rest = (len(node.answers), node.position, node.wants, node.fills, node.mishaps)
    names: dict[str, str] = {}
    whole = repr((known, market.position, row, requests, coming, world, rest))
    return ID.sub(lambda match: names.setdefault(match[0], f"n{len(names)}"), whole)


def of_order(o: Order) -> tuple[object, ...]:
    past = [f"#{order_id}" for order_id in o.past_ids]
    owed = [(f"#{debt.order_id}", debt.qty, debt.dealt_qty) for debt in o.owed]
    asked = (o.pending, o.unknown, o.wanted_price, o.wanted_qty)
    sizes = (o.price, o.qty, o.leaves_qty, o.filled_qty)
    who = (o.client_order_id, o.side, o.level, o.status, f"#{o.order_id}")
    return (*who, *asked, *sizes, past, owed)


ID = re.compile(r"r1-[0-9]+-[0-9]+-[0-9]+|#[1-9][0-9]*")


def told(what: object) -> str:
    """Text of an intent or event in which order ids are marked."""
    text = re.sub(r"order_id=([0-9]+)", r"order_id=#\1", repr(what))
    return re.sub(r"deal_id=[0-9]+", "", text)


def explore(node: Node) -> Counter[str]:
    """Visit every interleaving; return how often each kind of step was taken."""
    taken: Counter[str] = Counter()
    seen: set[str] = set()
    stack = [node]
    while stack:
        for kind, after in following(stack.pop()):
            taken[kind] += 1
            name = key(after)
            if name not in seen:
                seen.add(name)
                assert_safe(after)
                stack.append(after)
    return taken


class Case(NamedTuple):
    """Quotes that rest, what is wanted then, and what may happen."""

    bids: Pairs
    asks: Pairs
    wants: tuple[str, ...]
    fills: int = 1
    mishaps: int = 1
    placement: Placement = Placement.BULK


CASES: dict[str, Case] = {
    "both sides up, past our own ask": Case(
        ((990, 8),), ((1000, 8),), (mixed(((1002, 8),), ((1010, 8),)),)
    ),
    "both sides down, past our own bid": Case(
        ((990, 8),), ((1000, 8),), (mixed(((980, 8),), ((988, 8),)),)
    ),
    "up and down again before the first answer": Case(
        ((990, 6),), ((1000, 6),),
        (mixed(((1002, 6),), ((1010, 6),)), mixed(((980, 6),), ((988, 6),))), 0, 1,
    ),
    "a hidden bid at our own ask": Case(
        ((990, 5),), ((1000, 5),), (mixed(((1004, 5),), ((1006, 5),), (1004,)),), 1, 0
    ),
    "a hidden ask at our own bid": Case(
        ((990, 5),), ((1000, 5),), (mixed(((980, 5),), ((986, 5),), (986,)),), 1, 0
    ),
    "as large as the limit allows, and moved": Case(
        ((990, 15),), (), (mixed(((985, 20),)),), 2, 2
    ),
    "two levels that shift down": Case(
        ((990, 5), (989, 5)), (), (mixed(((989, 5), (988, 5))),), 1, 0
    ),
    "from nothing, item by item": Case(
        (), (), (mixed(((990, 12), (989, 8)), ((1000, 10),)),), 2, 1
    ),
    "from nothing, one by one": Case(
        (), (), (mixed(((990, 12), (989, 8))),), 2, 1, Placement.PIPELINED
    ),
}  # fmt: skip


def first(case: Case) -> Node:
    """The moment before anything is wanted."""
    run, orders = quoting(case.bids, case.asks, limit=limits(position_max=MAX))
    resting = tuple(
        Resting(o.client_order_id, o.order_id, o.side, o.price, o.qty, o.leaves_qty, o.rpi)
        for o in orders
    )
    quoted = replace(run.market.quoted, strategy="mixed", placement=case.placement)
    market = replace(run.market, quoted=quoted, strategy=Mixed(case.bids, case.asks))
    state = replace(run.state, markets={NAME: market})
    return Node(state, resting, 0, 100, wants=case.wants, fills=case.fills, mishaps=case.mishaps)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nothing_that_can_happen_crosses_a_limit(name: str) -> None:
    case = CASES[name]
    taken = explore(first(case))
    assert taken["want"] > 0
    assert (taken["fill"] > 0) is (case.fills > 0)
    assert any("refused" in kind or "lost" in kind for kind in taken) is (case.mishaps > 0)


@pytest.mark.slow
def test_a_planner_that_forgets_what_is_in_flight_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof has teeth: without the rule that keeps own sides apart, they meet."""
    monkeypatch.setattr(planner._Crossing, "allows", lambda *_: True)
    with pytest.raises(AssertionError, match="own orders meet"):
        explore(first(CASES["both sides up, past our own ask"]))


@pytest.mark.slow
def test_a_risk_that_approves_everything_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # A fill of the old size, and then the whole new one: more than the limit.
    monkeypatch.setattr(Exposure, "approve", lambda *_: None)
    with pytest.raises(AssertionError, match="beyond the limit"):
        explore(first(CASES["as large as the limit allows, and moved"]))
