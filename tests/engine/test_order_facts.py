"""What each fact makes of an order, field by field: a case names the fields that change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine import intents as i
from engine import orders
from engine.debts import Owed
from engine.orders import CLOSED, IDLE, MODIFYING, NEW, OPEN, Moved, Order, Pending
from engine.types import BUY, OrderStatus, Stp
from tests.engine.builders import NAME, T0, fill, new_order, venue_order

CID = "r1-1"
SEQ, NOW = 9, T0 + 9

PLACED = orders.placed(new_order(CID, level=2), T0, 1)
RESTING = replace(PLACED, status=OPEN, pending=IDLE, order_id=1)
MODIFY = {"pending": MODIFYING, "wanted_price": 1001, "wanted_qty": 12, "request_seq": 7}
MOVING = replace(RESTING, **MODIFY, unknown=True)
GOING = replace(RESTING, pending=Pending.CANCEL, request_seq=7)
ENDED = replace(RESTING, status=CLOSED, closed_ns=T0 + 1, close_reason="no funds")

SEEN: dict[str, Any] = {"updated_seq": SEQ}
OVER: dict[str, Any] = {
    "status": CLOSED,
    "pending": IDLE,
    "unknown": False,
    "closed_ns": NOW,
    "past_ids": (1,),
    **SEEN,
}


def test_a_placed_order_is_what_was_asked_for() -> None:
    asked = Order(CID, BUY, 2, 1000, 10, 10, Stp.CANCEL_NEW, False, True, T0, 1, updated_seq=1)
    assert orders.placed(new_order(CID, level=2), T0, 1) == asked
    assert orders.placed(new_order(CID, rpi=True), T0, 1).rpi


def test_what_is_asked_waits_for_its_own_answer() -> None:
    intent = i.ModifyOrder(NAME, CID, 1001, 12, Stp.CANCEL_NEW)
    moving = orders.modify_sent(RESTING, intent, NOW, 7)
    assert moving == replace(RESTING, **MODIFY, sent_ns=NOW)
    going = orders.cancel_sent(RESTING, NOW, 8)
    assert going == replace(RESTING, pending=Pending.CANCEL, sent_ns=NOW, request_seq=8)
    assert orders.awaits(moving, 7)
    assert not orders.awaits(moving, 8)
    assert not orders.awaits(replace(moving, pending=IDLE), 7)
    assert orders.outcome_lost(moving) == replace(moving, unknown=True)
    assert orders.outcome_lost(RESTING) == RESTING


Case = tuple[str, Order, dict[str, Any], dict[str, Any], str]

SHOWN: tuple[Case, ...] = (
    (
        "the place is shown, and settled",
        replace(PLACED, unknown=True),
        {"order_id": 1, "leaves": 6},
        {"status": OPEN, "pending": IDLE, "unknown": False, "order_id": 1, "leaves_qty": 6},
        "",
    ),
    (
        "a deal told the id before, and the push settles the place all the same",
        replace(PLACED, order_id=1, unknown=True),
        {"order_id": 1},
        {"status": OPEN, "pending": IDLE, "unknown": False},
        "",
    ),
    ("more than we know to be left is older news", replace(RESTING, leaves_qty=4), {}, {}, ""),
    ("the id that a modify is to replace settles nothing", MOVING, {}, {}, ""),
    (
        "the replacement settles the modify, and the old id may have filled",
        replace(MOVING, filled_qty=3),
        {"order_id": 2, "price": 1001, "qty": 12},
        {
            "pending": IDLE,
            "unknown": False,
            "order_id": 2,
            "price": 1001,
            "qty": 12,
            "leaves_qty": 12,
            "filled_qty": 0,
            "past_ids": (1,),
            "owed": (Owed(1, 10, 3),),
        },
        "",
    ),
    ("an order that is to be cancelled rests until it is", GOING, {}, {}, ""),
    (
        "a new id does not settle a cancel",
        replace(GOING, unknown=True),
        {"order_id": 2},
        {"order_id": 2, "past_ids": (1,), "owed": (Owed(1, 10, 0),)},
        "",
    ),
    (
        "what was over is not: it owes nothing of this id any more",
        replace(ENDED, owed=(Owed(1, 10, 0), Owed(7, 4, 0))),
        {},
        {"status": OPEN, "owed": (Owed(7, 4, 0),), "closed_ns": 0, "close_reason": ""},
        f"{CID}: shown resting after no funds",
    ),
    (
        "what a listing lacked is there again, which is no surprise",
        replace(ENDED, close_reason=orders.ABSENT, absent_us=50),
        {},
        {"status": OPEN, "closed_ns": 0, "close_reason": "", "absent_us": 0},
        "",
    ),
)


@pytest.mark.parametrize(
    ("before", "venue", "changes", "anomaly"), [c[1:] for c in SHOWN], ids=[c[0] for c in SHOWN]
)
def test_shown_resting(
    before: Order, venue: dict[str, Any], changes: dict[str, Any], anomaly: str
) -> None:
    seen = venue_order(CID, **{"order_id": 1, **venue})
    after = replace(before, **{**SEEN, **changes})
    assert orders.shown(before, seen, SEQ) == (after, anomaly)


CANCELLED: dict[str, Any] = {"status": OrderStatus.CANCELLED, "text": "CANCELED"}

FINISHED: tuple[Case, ...] = (
    (
        "filled, which its deals are to tell",
        RESTING,
        {"leaves": 0, "status": OrderStatus.FILLED},
        {**OVER, "leaves_qty": 0, "close_reason": "FILLED", "owed": (Owed(1, 10, 0),)},
        "",
    ),
    (
        "cancelled with a part filled, of which a deal told a part",
        replace(RESTING, filled_qty=1, leaves_qty=9),
        {"leaves": 7, **CANCELLED},
        {**OVER, "leaves_qty": 7, "close_reason": "CANCELED", "owed": (Owed(1, 3, 1),)},
        "",
    ),
    (
        "the old half of a modify ends, and the new one is still to come",
        replace(MOVING, filled_qty=1, leaves_qty=9),
        {"leaves": 8, **CANCELLED},
        {
            **SEEN,
            "status": NEW,
            "order_id": 0,
            "leaves_qty": 0,
            "filled_qty": 0,
            "past_ids": (1,),
            "owed": (Owed(1, 2, 1),),
        },
        "",
    ),
    (
        "a modify asked for an order that had filled",
        MOVING,
        {"leaves": 0, "status": OrderStatus.CANCELLED, "text": "CANCELED"},
        {**OVER, "leaves_qty": 0, "close_reason": "CANCELED", "owed": (Owed(1, 10, 0),)},
        "",
    ),
    (
        "a modify asked for an order that filled, one lot left or not",
        MOVING,
        {"leaves": 1, "status": OrderStatus.FILLED},
        {**OVER, "leaves_qty": 1, "close_reason": "FILLED", "owed": (Owed(1, 9, 0),)},
        "",
    ),
    (
        "the replacement of a modify is over before it was shown",
        MOVING,
        {"order_id": 2, "price": 1001, "qty": 12, "leaves": 5, **CANCELLED},
        {
            **OVER,
            "order_id": 2,
            "price": 1001,
            "qty": 12,
            "leaves_qty": 5,
            "close_reason": "CANCELED",
            "past_ids": (1, 2),
            "owed": (Owed(1, 10, 0), Owed(2, 7, 0)),
        },
        "",
    ),
    (
        "it is over already, and now we know what it filled",
        replace(ENDED, past_ids=(1,), owed=(Owed(1, 10, 2), Owed(7, 4, 0))),
        {"leaves": 6, **CANCELLED},
        {"leaves_qty": 6, "owed": (Owed(1, 4, 2), Owed(7, 4, 0))},
        "",
    ),
    (
        "an older id is over, which leaves what rests alone",
        replace(RESTING, order_id=2, past_ids=(1,), owed=(Owed(1, 10, 0),)),
        {"leaves": 6, **CANCELLED},
        {"owed": (Owed(1, 4, 0),)},
        "",
    ),
)


@pytest.mark.parametrize(
    ("before", "venue", "changes", "anomaly"),
    [c[1:] for c in FINISHED],
    ids=[c[0] for c in FINISHED],
)
def test_finished(
    before: Order, venue: dict[str, Any], changes: dict[str, Any], anomaly: str
) -> None:
    seen = venue_order(CID, **{"order_id": 1, **venue})
    after = replace(before, **changes)
    assert orders.finished(before, seen, SEQ, NOW) == (after, anomaly)


def test_of_two_figures_for_what_filled_the_larger_counts() -> None:
    told = replace(venue_order(CID, 1, leaves=0, **CANCELLED), filled_qty=2)
    assert orders.finished(RESTING, told, SEQ, NOW)[0].owed == (Owed(1, 10, 0),)
    told = replace(venue_order(CID, 1, leaves=10, **CANCELLED), filled_qty=2)
    assert orders.finished(RESTING, told, SEQ, NOW)[0].owed == (Owed(1, 2, 0),)


DEALT: tuple[Case, ...] = (
    (
        "a part, and the id that nothing else has told yet",
        PLACED,
        {"qty": 4},
        {**SEEN, "order_id": 1, "filled_qty": 4, "leaves_qty": 6},
        "",
    ),
    (
        "a part of what was known to be left",
        replace(RESTING, filled_qty=2, leaves_qty=3),
        {"qty": 4},
        {**SEEN, "filled_qty": 6, "leaves_qty": 3},
        "",
    ),
    (
        "the rest, and it is over",
        replace(RESTING, filled_qty=6, leaves_qty=4),
        {"qty": 4},
        {**OVER, "filled_qty": 10, "leaves_qty": 0, "close_reason": "filled by deals"},
        "",
    ),
    (
        "more than there is",
        replace(RESTING, filled_qty=6),
        {"qty": 5},
        {},
        f"{CID}: deals of 11 lots exceed its 10",
    ),
    (
        "the replacement of a modify fills before anything told of it",
        replace(MOVING, filled_qty=1),
        {"order_id": 2, "qty": 4},
        {
            **SEEN,
            "pending": IDLE,
            "unknown": False,
            "order_id": 2,
            "price": 1001,
            "qty": 12,
            "leaves_qty": 8,
            "filled_qty": 4,
            "past_ids": (1,),
            "owed": (Owed(1, 10, 1),),
        },
        "",
    ),
    (
        "the id that a modify is to replace fills in part",
        MOVING,
        {"qty": 4},
        {**SEEN, "filled_qty": 4, "leaves_qty": 6},
        "",
    ),
    (
        "an id that is over pays a part of what it owes",
        replace(RESTING, order_id=2, past_ids=(1,), owed=(Owed(1, 10, 2), Owed(7, 4, 0))),
        {"qty": 4},
        {"owed": (Owed(1, 10, 6), Owed(7, 4, 0))},
        "",
    ),
    (
        "the last id of an order that is over pays all of it",
        replace(ENDED, filled_qty=5, leaves_qty=5, owed=(Owed(1, 10, 5),)),
        {"qty": 5},
        {"filled_qty": 10, "leaves_qty": 0, "owed": ()},
        "",
    ),
    (
        "more deals than its size leave an order that is over full",
        replace(ENDED, filled_qty=8, leaves_qty=2, owed=(Owed(1, 10, 5),)),
        {"qty": 4},
        {"filled_qty": 10, "leaves_qty": 0, "owed": (Owed(1, 10, 9),)},
        "",
    ),
    (
        "an id that nothing has told of pays what an unknown one owes",
        replace(ENDED, owed=(Owed(0, 12, 0), Owed(1, 10, 0))),
        {"order_id": 5, "qty": 4},
        {"owed": (Owed(0, 12, 4), Owed(1, 10, 0))},
        "",
    ),
)


@pytest.mark.parametrize(
    ("before", "deal", "changes", "anomaly"), [c[1:] for c in DEALT], ids=[c[0] for c in DEALT]
)
def test_dealt(before: Order, deal: dict[str, Any], changes: dict[str, Any], anomaly: str) -> None:
    told = fill(30, client_order_id=CID, **deal)
    assert orders.dealt(before, told, SEQ, NOW) == (replace(before, **changes), anomaly)


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
