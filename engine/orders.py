"""Life of one order of ours, on two independent axes.

Theory of operation. `status` is what the venue has shown: NEW (not shown), OPEN (shown resting),
CLOSED (over). `pending` is what we have asked and not heard of: a place, a modify, a cancel. A
request whose outcome is unknown stays pending with `unknown` set, and counts at its worst case,
until the venue shows a fact. The REST answer, the pending event, the deal and a listing arrive in
any interleaving (contract 10.13), so each fact is folded by itself and none waits for another.

A modify is a cancel plus a new order with a new `order_id` under the same `client_order_id`
(contract 10.5). Ids that are over are kept in `past_ids`; news of those is old news.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from engine import debts
from engine.intents import ModifyOrder, NewOrder
from engine.types import OrderStatus, PositionSide, Side, Stp, VenueFill, VenueOrder


class Status(StrEnum):
    """What the venue has shown."""

    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class Pending(StrEnum):
    """What we have asked and not heard of."""

    NONE = "none"
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"


# As `engine.types.BUY`: plain names of what is compared most.
NEW, OPEN, CLOSED = Status.NEW, Status.OPEN, Status.CLOSED
IDLE, MODIFYING = Pending.NONE, Pending.MODIFY


class Trigger(StrEnum):
    """What happened, as far as `status` is concerned."""

    SHOWN = "shown resting"
    FINISHED = "filled or cancelled"
    HALF_REPLACED = "old half of a modify ended"
    REFUSED = "place refused"
    NEVER_ACCEPTED = "proved never accepted"
    GONE = "not found at the venue"


# A pair that is missing is illegal: it changes nothing and is reported as an anomaly.
TRANSITIONS: dict[tuple[Status, Trigger], Status] = {
    (Status.NEW, Trigger.SHOWN): Status.OPEN,
    (Status.NEW, Trigger.FINISHED): Status.CLOSED,
    (Status.NEW, Trigger.HALF_REPLACED): Status.NEW,
    (Status.NEW, Trigger.REFUSED): Status.CLOSED,
    (Status.NEW, Trigger.NEVER_ACCEPTED): Status.CLOSED,
    (Status.NEW, Trigger.GONE): Status.CLOSED,
    (Status.OPEN, Trigger.SHOWN): Status.OPEN,
    (Status.OPEN, Trigger.FINISHED): Status.CLOSED,
    (Status.OPEN, Trigger.HALF_REPLACED): Status.NEW,
    (Status.OPEN, Trigger.GONE): Status.CLOSED,
    (Status.CLOSED, Trigger.SHOWN): Status.OPEN,
    (Status.CLOSED, Trigger.FINISHED): Status.CLOSED,
    (Status.CLOSED, Trigger.GONE): Status.CLOSED,
}


class Order(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order of ours; quantities in lots, prices in ticks, times in ns."""

    client_order_id: str
    side: Side
    level: int
    """Place in the ladder, 0 is the best."""
    price: int
    qty: int
    leaves_qty: int
    """Lots that may still fill under `order_id`; the lowest that any fact has shown."""
    stp: Stp
    rpi: bool
    post_only: bool
    sent_ns: int
    """When the pending (or last) request was put on the wire."""
    request_seq: int
    """The pending (or last) request: only its own answer settles it."""
    status: Status = NEW
    pending: Pending = Pending.PLACE
    unknown: bool = False
    """The pending request's outcome is unknown."""
    wanted_price: int = 0
    """Price a pending modify asks for."""
    wanted_qty: int = 0
    """Size a pending modify asks for."""
    order_id: int = 0
    """0 until the venue has told."""
    filled_qty: int = 0
    """Lots filled under `order_id`, by deals."""
    past_ids: tuple[int, ...] = ()
    updated_seq: int = 0
    """Record that changed it last."""
    closed_ns: int = 0
    close_reason: str = ""
    owed: tuple[debts.Owed, ...] = ()
    cancel_at_ns: int = 0
    """No cancel before this: the venue refused the last one, and is not asked at full speed."""
    absent_us: int = 0
    """Venue time from which on a listing lacked it; 0 when none did, or the clock is unknown."""
    position_side: PositionSide = PositionSide.BOTH
    """The position it is for; a modify keeps it."""
    nonce: int = 0
    """Of the last request that may bring it to the book, its place or a modify."""

    @property
    def worst_qty(self) -> int:
        """Most lots that may still change the position, whatever the outcome of what is in flight.

        Only deals change the position, so what the venue calls filled counts until they come. A
        modify in flight may fill the old size and then rest its full new size, so both count.
        """
        owed = debts.total(self.owed) if self.owed else 0
        if self.status is CLOSED:
            return owed
        if self.pending is not MODIFYING:
            return owed + self.qty - self.filled_qty
        old_qty = self.qty - self.filled_qty if self.order_id else 0
        return owed + old_qty + self.wanted_qty

    def check(self) -> None:
        """Assert every invariant of an order."""
        assert min(self.qty, self.price) > 0, "price and qty must be positive"
        assert 0 <= self.leaves_qty <= self.qty, "leaves outside 0..qty"
        assert self.closed_ns or self.order_id not in self.past_ids, "a live id among the past ones"
        assert not (self.status is CLOSED and self.pending is not IDLE)
        assert not (self.unknown and self.pending is IDLE), "unknown without a request"
        assert not (self.status is NEW and self.pending is IDLE), "not shown, and nothing asked"


# Old ids remembered. Pushes may lag any number of modifies behind the answers, but ids grow (in
# each capture of the venue): one lower than all of these was forgotten. Only news that answers no
# request of ours is judged by that.
PAST_IDS = 16

ABSENT, NEVER = "not in the listing", "never accepted"
"""Why an order was closed whose last word was a listing's silence."""

Moved = tuple[Order, str]
"""The order after a fact, and the anomaly it revealed (empty when there was none)."""


def placed(new: NewOrder, sent_ns: int, nonce: int, seq: int) -> Order:
    """Start the life of an order at the moment its place request goes out."""
    return Order(
        client_order_id=new.client_order_id,
        side=new.side,
        level=new.level,
        price=new.price,
        qty=new.qty,
        leaves_qty=new.qty,
        stp=new.stp,
        rpi=new.rpi,
        post_only=new.post_only,
        sent_ns=sent_ns,
        request_seq=seq,
        updated_seq=seq,
        position_side=new.position_side,
        nonce=nonce,
    )


def modify_sent(order: Order, intent: ModifyOrder, sent_ns: int, nonce: int, seq: int) -> Order:
    return replace(
        order,
        pending=MODIFYING,
        wanted_price=intent.price,
        wanted_qty=intent.qty,
        sent_ns=sent_ns,
        request_seq=seq,
        nonce=nonce,
    )


def cancel_sent(order: Order, sent_ns: int, seq: int) -> Order:
    return replace(order, pending=Pending.CANCEL, sent_ns=sent_ns, request_seq=seq)


def awaits(order: Order, request_seq: int) -> bool:
    """True while the outcome of this very request is open (a push may have settled it first)."""
    return order.pending is not IDLE and order.request_seq == request_seq


def outcome_lost(order: Order) -> Order:
    """The pending request's deadline passed, or it ended without proof: unknown."""
    return replace(order, unknown=order.pending is not IDLE)


def pushed(order: Order, venue: VenueOrder, seq: int, now_ns: int) -> Moved:
    """A pending event, which may lag behind the answers to many modifies."""
    over = venue.status is not OrderStatus.OPEN
    if _forgot(order, venue.order_id):
        return _told(order, venue) if over else order, ""
    return finished(order, venue, seq, now_ns) if over else shown(order, venue, seq)


def shown(order: Order, venue: VenueOrder, seq: int) -> Moved:
    """The venue shows the order resting: a pending event 1 or 2, an answer, a listing."""
    if venue.order_id in order.past_ids or 0 < venue.modified_us < order.absent_us:
        # The second is news from before a listing that lacked the order: it was over by then.
        return order, ""
    after, anomaly = _status_after(order, Trigger.SHOWN)
    if order.status is CLOSED:
        # A push that waited, or overtook the listing that lacked the order, is no surprise.
        if order.close_reason != ABSENT:
            anomaly = f"{order.client_order_id}: shown resting after {order.close_reason}"
        order = replace(order, owed=tuple(o for o in order.owed if o.order_id != venue.order_id))
    if order.order_id == venue.order_id:
        settled = order.pending is Pending.PLACE
    else:
        settled = order.pending in (Pending.PLACE, MODIFYING)
        order = _take_id(order, venue.order_id, venue.price, venue.qty)
    return replace(
        order,
        status=after,
        leaves_qty=min(order.leaves_qty, venue.leaves_qty),
        pending=IDLE if settled else order.pending,
        unknown=False if settled else order.unknown,
        updated_seq=seq,
        closed_ns=0,
        close_reason="",
        absent_us=0,
    ), anomaly


def finished(order: Order, venue: VenueOrder, seq: int, now_ns: int) -> Moved:
    """The venue says an id is over: a pending event 3, or an answer with a final status."""
    if venue.order_id in order.past_ids:
        return _told(order, venue), ""
    old_half = (
        order.pending is MODIFYING
        and venue.order_id == order.order_id
        and venue.status is OrderStatus.CANCELLED
        and venue.leaves_qty > 0
    )
    if old_half:
        # The modify took this id away; the replacement is still to be shown.
        after, anomaly = _status_after(order, Trigger.HALF_REPLACED)
        return replace(
            _over(order, venue.executed_qty),
            status=after,
            order_id=0,
            leaves_qty=0,
            filled_qty=0,
            updated_seq=seq,
        ), anomaly
    _, anomaly = _status_after(order, Trigger.FINISHED)
    if venue.order_id != order.order_id:
        order = _take_id(order, venue.order_id, venue.price, venue.qty)
    last = replace(order, leaves_qty=min(order.leaves_qty, venue.leaves_qty))
    return close(last, venue.status_text, seq, now_ns, venue.executed_qty), anomaly


def answered(order: Order, venue: VenueOrder, request_seq: int, seq: int, now_ns: int) -> Moved:
    """The answer to a place or modify, which other news may have settled long ago."""
    if not awaits(order, request_seq):
        return pushed(order, venue, seq, now_ns)
    rests = venue.status is OrderStatus.OPEN
    after, anomaly = shown(order, venue, seq) if rests else finished(order, venue, seq, now_ns)
    if awaits(after, request_seq):
        # A venue that kept the id, or an answer that lost its race against newer news.
        after = request_refused(after, seq, now_ns)
    return after, anomaly


def dealt(order: Order, fill: VenueFill, seq: int, now_ns: int) -> Moved:
    """A deal, counted once by its caller."""
    if order.status is CLOSED or fill.order_id in order.past_ids or _forgot(order, fill.order_id):
        return _paid(order, fill), ""
    if fill.order_id != order.order_id and order.pending is MODIFYING:
        # The replacement filled before anything else told of it.
        order = _take_id(order, fill.order_id, order.wanted_price, order.wanted_qty)
        order = replace(order, pending=IDLE, unknown=False, status=OPEN)
    filled = order.filled_qty + fill.qty
    if filled > order.qty:
        return order, f"{order.client_order_id}: deals of {filled} lots exceed its {order.qty}"
    leaves = min(order.leaves_qty, order.qty - filled)
    after = replace(
        order, order_id=fill.order_id, filled_qty=filled, leaves_qty=leaves, updated_seq=seq
    )
    if filled == order.qty:
        return close(after, "filled by deals", seq, now_ns, filled), ""
    return after, ""


def place_refused(order: Order, reason: str, seq: int, now_ns: int) -> Moved:
    """The venue refused the place with per-order evidence."""
    after, anomaly = _status_after(order, Trigger.REFUSED)
    if after is order.status:
        return order, "" if order.close_reason == NEVER else anomaly
    return close(order, reason, seq, now_ns, order.filled_qty), anomaly


def never_accepted(order: Order, seq: int, now_ns: int) -> Moved:
    """A listing asked after the nonce window lacks an order the venue never showed.

    It may have come and filled; executed history, asked next, tells.
    """
    after, anomaly = _status_after(order, Trigger.NEVER_ACCEPTED)
    if after is order.status:
        return order, anomaly
    return close(order, NEVER, seq, now_ns, order.qty), anomaly


def gone(order: Order, reason: str, seq: int, now_ns: int) -> Moved:
    """The venue does not find an order that it had shown before: filled or cancelled."""
    _, anomaly = _status_after(order, Trigger.GONE)
    return close(order, reason, seq, now_ns, order.qty if order.order_id else 0), anomaly


def absent(order: Order, seq: int, now_ns: int, absent_us: int) -> Moved:
    """A listing, made at `absent_us` or later, lacks an order that the venue had shown before.

    Silence is weaker than an event: if the venue shows the id again, changed since the listing or
    at a time it does not tell, the order must reopen.
    """
    closed, anomaly = gone(order, ABSENT, seq, now_ns)
    more = (debts.Owed(0, order.wanted_qty, 0),) if order.pending is MODIFYING else ()
    owed = closed.owed + more
    return replace(closed, past_ids=order.past_ids, owed=owed, absent_us=absent_us), anomaly


def request_refused(order: Order, seq: int, now_ns: int) -> Order:
    """A modify or cancel that is pending was refused while the order lives on as it was."""
    if order.order_id == 0:
        # Its old id had ended and the replacement is refused: nothing is left.
        return close(order, "ended during a modify", seq, now_ns, 0)
    return replace(order, pending=IDLE, unknown=False, updated_seq=seq)


def close(order: Order, reason: str, seq: int, now_ns: int, filled_qty: int) -> Order:
    """End the order, whose last id filled `filled_qty` lots at most."""
    return replace(
        _over(order, filled_qty),
        status=CLOSED,
        pending=IDLE,
        unknown=False,
        updated_seq=seq,
        closed_ns=now_ns,
        close_reason=reason,
    )


def _forgot(order: Order, order_id: int) -> bool:
    past = order.past_ids
    return len(past) == PAST_IDS and order_id < past[0] and order_id != order.order_id


def _take_id(order: Order, order_id: int, price: int, qty: int) -> Order:
    # The first id we hear of, or a modify's replacement; event 3 tells what the old one filled.
    ended = _over(order, order.qty if order.order_id else 0)
    return replace(ended, order_id=order_id, price=price, qty=qty, leaves_qty=qty, filled_qty=0)


def _over(order: Order, filled_qty: int) -> Order:
    # The current id is over and filled so many lots at most; its deals may still come.
    past = order.past_ids
    if order.order_id and order.order_id not in past:
        past = (*past, order.order_id)[-PAST_IDS:]
    owed = debts.ended(order.owed, order.order_id, filled_qty, order.filled_qty)
    return replace(order, past_ids=past, owed=owed)


def _told(order: Order, venue: VenueOrder) -> Order:
    # An id that is over already: now we know what it filled.
    own = venue.order_id == order.order_id
    leaves = min(order.leaves_qty, venue.leaves_qty) if own else order.leaves_qty
    owed = debts.bounded(order.owed, venue.order_id, venue.executed_qty)
    return replace(order, owed=owed, leaves_qty=leaves)


def _paid(order: Order, fill: VenueFill) -> Order:
    # A deal of an id that is over, or of one that nothing else has told of.
    own_qty = fill.qty if fill.order_id == order.order_id else 0
    filled = min(order.qty, order.filled_qty + own_qty)
    owed, leaves = debts.paid(order.owed, fill.order_id, fill.qty), order.qty - filled
    return replace(order, owed=owed, filled_qty=filled, leaves_qty=min(order.leaves_qty, leaves))


def _status_after(order: Order, trigger: Trigger) -> tuple[Status, str]:
    if (after := TRANSITIONS.get((order.status, trigger))) is not None:
        return after, ""
    return order.status, f"{order.client_order_id}: {order.status} but {trigger}"
