"""How an order ends, what it may still fill, and what it must never be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine import orders
from engine.debts import Owed
from engine.orders import IDLE, Moved, Order, Pending
from tests.engine.builders import venue_order
from tests.engine.test_order_facts import (
    CANCELLED,
    CID,
    ENDED,
    GOING,
    MOVING,
    NOW,
    OVER,
    PLACED,
    RESTING,
    SEEN,
    SEQ,
)

Fact = Callable[[Order], Moved]

ENDINGS: tuple[tuple[str, Order, Fact, dict[str, Any]], ...] = (
    (
        "the place is refused",
        replace(PLACED, filled_qty=2, order_id=1),
        lambda order: orders.place_refused(order, "no funds", SEQ, NOW),
        {**OVER, "close_reason": "no funds"},
    ),
    (
        "the place was never accepted, unless its deals are to be found yet",
        PLACED,
        lambda order: orders.never_accepted(order, SEQ, NOW),
        {**OVER, "close_reason": "never accepted", "past_ids": (), "owed": (Owed(0, 10, 0),)},
    ),
    (
        "not found, so it may have filled",
        replace(RESTING, filled_qty=2),
        lambda order: orders.gone(order, "not found", SEQ, NOW),
        {**OVER, "close_reason": "not found", "owed": (Owed(1, 10, 2),)},
    ),
    (
        "not found while its new id is unknown: what is over owes what it owed",
        replace(MOVING, order_id=0, past_ids=(1,), owed=(Owed(1, 10, 0),)),
        lambda order: orders.gone(order, "not found", SEQ, NOW),
        {**OVER, "close_reason": "not found", "owed": (Owed(1, 10, 0),)},
    ),
    (
        "a listing lacks it: its id is not over for certain",
        RESTING,
        lambda order: orders.absent(order, SEQ, NOW, 50),
        {
            **OVER,
            "close_reason": orders.ABSENT,
            "past_ids": (),
            "owed": (Owed(1, 10, 0),),
            "absent_us": 50,
        },
    ),
    (
        "a listing lacks it during a modify: the old size and the new one may have filled",
        MOVING,
        lambda order: orders.absent(order, SEQ, NOW, 50),
        {
            **OVER,
            "close_reason": orders.ABSENT,
            "past_ids": (),
            "owed": (Owed(1, 10, 0), Owed(0, 12, 0)),
            "absent_us": 50,
        },
    ),
    (
        "a modify is refused, and it rests as it was",
        MOVING,
        lambda order: (orders.request_refused(order, SEQ, NOW), ""),
        {**SEEN, "pending": IDLE, "unknown": False},
    ),
    (
        "a modify is refused whose old half has ended: nothing is left",
        replace(MOVING, order_id=0, past_ids=(1,)),
        lambda order: (orders.request_refused(order, SEQ, NOW), ""),
        {**OVER, "close_reason": "ended during a modify"},
    ),
    (
        "the answer to a modify shows the id that it was to replace, so it did not",
        MOVING,
        lambda order: orders.answered(order, venue_order(CID, 1), 7, SEQ, NOW),
        {**SEEN, "pending": IDLE, "unknown": False},
    ),
    (
        "an answer to another request settles nothing",
        MOVING,
        lambda order: orders.answered(order, venue_order(CID, 1), 6, SEQ, NOW),
        SEEN,
    ),
    (
        "the answer to a modify shows the old half cancelled, so nothing is left",
        MOVING,
        lambda order: orders.answered(order, venue_order(CID, 1, **CANCELLED), 7, SEQ, NOW),
        {**OVER, "close_reason": "ended during a modify", "order_id": 0, "leaves_qty": 0},
    ),
)


@pytest.mark.parametrize(
    ("before", "fact", "changes"), [c[1:] for c in ENDINGS], ids=[c[0] for c in ENDINGS]
)
def test_refused_gone_or_answered(before: Order, fact: Fact, changes: dict[str, Any]) -> None:
    assert fact(before) == (replace(before, **changes), "")


def test_what_cannot_be_changes_nothing_and_is_told() -> None:
    refused = orders.place_refused(RESTING, "no funds", SEQ, NOW)
    assert refused == (RESTING, f"{CID}: open but place refused")
    never = orders.never_accepted(ENDED, SEQ, NOW)
    assert never == (ENDED, f"{CID}: closed but proved never accepted")


WORST = (
    ("resting, a part filled", replace(RESTING, filled_qty=3), 7),
    ("a cancel in flight", replace(GOING, filled_qty=3), 7),
    ("a modify in flight: the old size and the new", replace(MOVING, filled_qty=3), 7 + 12),
    ("a modify whose old half has ended", replace(MOVING, order_id=0), 12),
    ("over, and its deals are owed", replace(ENDED, owed=(Owed(1, 10, 4),)), 6),
    ("over", ENDED, 0),
    ("resting, and an older id owes deals", replace(RESTING, owed=(Owed(7, 5, 1),)), 4 + 10),
)


@pytest.mark.parametrize(("order", "qty"), [w[1:] for w in WORST], ids=[w[0] for w in WORST])
def test_most_that_may_still_fill(order: Order, qty: int) -> None:
    assert order.worst_qty == qty


BROKEN = (
    ("no price", replace(RESTING, price=0)),
    ("no size", replace(RESTING, qty=0, leaves_qty=0)),
    ("less than nothing left", replace(RESTING, leaves_qty=-1)),
    ("more left than there is", replace(RESTING, leaves_qty=11)),
    ("its id is over", replace(RESTING, past_ids=(1,))),
    ("over, and asked", replace(ENDED, pending=Pending.CANCEL)),
    ("unknown, and nothing asked", replace(RESTING, unknown=True)),
    ("neither shown nor asked", replace(PLACED, pending=IDLE)),
)


@pytest.mark.parametrize("order", [b[1] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_invariant_is_found(order: Order) -> None:
    with pytest.raises(AssertionError):
        order.check()


@pytest.mark.parametrize("order", [PLACED, RESTING, MOVING, GOING, ENDED])
def test_whole_orders_pass(order: Order) -> None:
    order.check()
    replace(order, qty=1, price=1, leaves_qty=1).check()
    replace(order, leaves_qty=0).check()
    replace(order, past_ids=(9,)).check()
