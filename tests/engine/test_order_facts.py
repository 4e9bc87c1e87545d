"""What each fact makes of an order, field by field: a case names the fields that change."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import intents as i
from engine import orders
from engine.debts import Owed
from engine.orders import CLOSED, IDLE, MODIFYING, NEW, OPEN, Order, Pending
from engine.types import BUY, OrderStatus, Stp
from tests.engine.builders import NAME, T0, fill, new_order, venue_order

CID = "r1-1"
SEQ, NOW = 9, T0 + 9

PLACED = orders.placed(new_order(CID, level=2), T0, 7, 1)
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
    asked = Order(
        CID, BUY, 2, 1000, 10, 10, Stp.CANCEL_NEW, False, True, T0, 1, updated_seq=1, nonce=7
    )
    assert orders.placed(new_order(CID, level=2), T0, 7, 1) == asked
    assert orders.placed(new_order(CID, rpi=True), T0, 7, 1).rpi


def test_what_is_asked_waits_for_its_own_answer() -> None:
    intent = i.ModifyOrder(NAME, CID, 1001, 12, Stp.CANCEL_NEW)
    moving = orders.modify_sent(RESTING, intent, NOW, 8, 7)
    assert moving == replace(RESTING, **MODIFY, sent_ns=NOW, nonce=8)
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
