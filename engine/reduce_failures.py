"""Fold what went wrong with a request: refused, throttled, late, or lost without proof."""

from __future__ import annotations

from msgspec.structs import replace

from engine import backoff, kill_switch, orders, reconcile, reduce_funding, repricing
from engine.clock import ASK_AGAIN_NS, ASK_EVERY_NS
from engine.events import (
    OutcomeUnknown,
    Record,
    RequestRefused,
    RequestThrottled,
    RequestWithheld,
)
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    DisarmKillSwitch,
    ModifyOrder,
    NewOrder,
    PlaceOrders,
    QueryFunding,
    QueryTime,
)
from engine.orders import Moved, Order, Status
from engine.reduce_account import change_order
from engine.refusals import RefusalKind, classify
from engine.state import InFlight, State, with_market
from engine.types import Refusal

HOLD_NS = 100_000_000
"""First back-off of a market after a refusal; doubles with each refusal in a row."""
HOLD_MAX_NS = 5_000_000_000
REQUEST_RETRY_NS = 500_000_000
UNAVAILABLE_CODES = frozenset({10, 31, 51})
"""The venue does not trade a market at the moment (contract section 9); its list says when it does
again. Other stops, such as a product that the account may not trade, wait for a human."""
THROTTLED = Refusal(429, 0, "", "throttled")

Failure = RequestRefused | RequestThrottled | OutcomeUnknown


def failed(state: State, record: Record, request: InFlight, event: Failure) -> State:
    """Fold the failure of a whole request."""
    if isinstance(event, OutcomeUnknown):
        if not request.expired:
            state = backoff.failed(state, record, request, backoff.trouble_of(event))
        return lost(state, record, record.cause_seq, request)
    if isinstance(event, RequestThrottled):
        state = backoff.failed(state, record, request, backoff.Trouble.THROTTLED)
        return _refused(state, record, request, THROTTLED, RefusalKind.TRY_LATER)
    kind = classify(event.refusal)
    state = backoff.refused(state, record, request, kind)
    return _refused(state, record, request, event.refusal, kind)


def withheld(state: State, record: Record, request: InFlight, event: RequestWithheld) -> State:
    """The request was not sent after all, so it says nothing of the venue."""
    refusal = Refusal(0, 0, "", event.reason)
    return _refused(state, record, request, refusal, RefusalKind.OTHER)


def _refused(
    state: State, record: Record, request: InFlight, refusal: Refusal, kind: RefusalKind
) -> State:
    state = signature_refused(state, refusal, kind)
    intent = request.intent
    match intent:
        case PlaceOrders():
            refusals = tuple([(new, refusal) for new in intent.orders])
            return places_refused(state, record, intent.market, refusals)
        case ModifyOrder() | CancelOrder():
            return _change_refused(state, record, intent, refusal, kind)
        case _:
            return _retry_later(state, record, request)


def signature_refused(state: State, refusal: Refusal, kind: RefusalKind) -> State:
    """Halt for a key that was refused, and ask for the time where only a nonce was."""
    if kind is RefusalKind.AUTH:
        reason = f"the venue refused the key: {refusal.http_status} {refusal.text}"
        return replace(state, halted=state.halted or reason)
    return replace(state, time_asked_ns=0) if kind is RefusalKind.NONCE else state


def _change_refused(
    state: State,
    record: Record,
    intent: ModifyOrder | CancelOrder,
    refusal: Refusal,
    kind: RefusalKind,
) -> State:
    def fact(order: Order) -> Moved:
        if order.status is Status.CLOSED:
            # It filled, or ended otherwise, before the request reached it.
            return order, ""
        if not orders.awaits(order, record.cause_seq):
            # A listing that still had the order settled a cancel; a modify, only its own success.
            if isinstance(intent, CancelOrder):
                return order, ""
            return order, f"{order.client_order_id}: settled, then refused: {refusal.text}"
        if kind is RefusalKind.NOT_FOUND:
            return orders.gone(order, "not found at the venue", record.seq, record.recv_ns)
        after = orders.request_refused(order, record.seq, record.recv_ns)
        if isinstance(intent, CancelOrder):
            after = replace(after, cancel_at_ns=record.recv_ns + REQUEST_RETRY_NS)
        return after, ""

    state = change_order(state, record, intent.market, intent.client_order_id, fact)
    if isinstance(intent, ModifyOrder):
        # Whether a refused modify left the original alone is not documented (G-44): look.
        market = state.markets[intent.market]
        market = reconcile.start(market, "a modify was refused", blind=False)
        state = with_market(state, record, market)
    if kind is RefusalKind.NOT_FOUND:
        return state
    if kind is RefusalKind.POST_ONLY_WOULD_TAKE and isinstance(intent, ModifyOrder):
        return _would_take(state, record, intent)
    return _hold(state, record, intent.market, refusal)


def _would_take(state: State, record: Record, intent: ModifyOrder) -> State:
    market = state.markets[intent.market]
    order = market.order(intent.client_order_id)
    if order is None:
        return state
    seq, now_ns = record.cause_seq, record.recv_ns
    after = repricing.refused(market, order.side, intent.price, seq, now_ns)
    return with_market(state, record, after)


def _retry_later(state: State, record: Record, request: InFlight) -> State:
    intent = request.intent
    retry_at_ns = record.recv_ns + REQUEST_RETRY_NS
    match intent:
        case ArmKillSwitch(name) | DisarmKillSwitch(name):
            return kill_switch.failed(state, record, name, retry_at_ns)
        case CancelAll(name):
            market = state.markets.get(name)
            if market is None:
                return state
            shutdown = replace(market.shutdown, cancel_request_seq=0, retry_at_ns=retry_at_ns)
            return with_market(state, record, replace(market, shutdown=shutdown))
        case QueryFunding(name):
            return reduce_funding.failed(state, record, name)
        case QueryTime():
            return replace(state, time_asked_ns=record.recv_ns - ASK_EVERY_NS + ASK_AGAIN_NS)
        case _:
            for market in state.markets.values():
                if market.recon.request_seq == record.cause_seq:
                    return with_market(state, record, reconcile.failed(market, record))
            return state


def lost(state: State, record: Record, request_seq: int, request: InFlight) -> State:
    """The deadline passed, or the request ended without proof: its outcome is unknown."""
    intent = request.intent
    match intent:
        case PlaceOrders():
            for new in intent.orders:
                state = order_lost(state, record, intent.market, new.client_order_id, request_seq)
            return state
        case ModifyOrder() | CancelOrder():
            return order_lost(state, record, intent.market, intent.client_order_id, request_seq)
        case _:
            named = _replace_cause(record, request_seq)
            return _retry_later(state, named, request)


def _replace_cause(record: Record, request_seq: int) -> Record:
    """The same record seen as the end of one request (a timer may end several)."""
    return replace(record, cause_seq=request_seq)


def order_lost(
    state: State, record: Record, market_name: str, client_order_id: str, request_seq: int
) -> State:
    """One order's outcome is unknown, unless a push has settled the request already."""
    market = state.markets[market_name]
    order = market.order(client_order_id)
    if order is None or not orders.awaits(order, request_seq):
        return state

    def fact(order: Order) -> Moved:
        return orders.outcome_lost(order), ""

    state = change_order(state, record, market_name, client_order_id, fact)
    market = state.markets[market_name]
    return with_market(
        state, record, reconcile.start(market, "a request's outcome is unknown", blind=False)
    )


def came_to_nothing(state: State, record: Record, name: str) -> State:
    """Hold a market back whose order was refused, or taken in and cancelled before it rested."""
    market = state.markets[name]
    in_row = market.refused_in_row + 1
    hold_ns = min(HOLD_NS << min(in_row - 1, 16), HOLD_MAX_NS)
    market = replace(market, refused_in_row=in_row, hold_until_ns=record.recv_ns + hold_ns)
    return with_market(state, record, market)


def _hold(state: State, record: Record, name: str, refusal: Refusal) -> State:
    state = came_to_nothing(state, record, name)
    market = state.markets[name]
    halted = market.halted
    if classify(refusal) is RefusalKind.MARKET_STOPPED and not halted:
        halted = f"the venue refused the market: {refusal.code} {refusal.text}"
        if refusal.code in UNAVAILABLE_CODES:
            market = replace(market, halted_seq=record.seq)
    return with_market(state, record, replace(market, halted=halted))


def places_refused(
    state: State, record: Record, name: str, refusals: tuple[tuple[NewOrder, Refusal], ...]
) -> State:
    """Fold the refusals of one place request, item by item; the market is held back once."""
    gravest: Refusal | None = None
    for new, refusal in refusals:
        kind, client_order_id = classify(refusal), new.client_order_id
        if kind is RefusalKind.DUPLICATE_CLIENT_ID:
            # An order of this id is open: some earlier request did arrive. Ask.
            state = order_lost(state, record, name, client_order_id, record.cause_seq)
            continue
        state = _place_refused(state, record, name, client_order_id, refusal)
        if kind is RefusalKind.POST_ONLY_WOULD_TAKE:
            market, seq = state.markets[name], record.cause_seq
            after = repricing.refused(market, new.side, new.price, seq, record.recv_ns)
            state = with_market(state, record, after)
        elif kind is RefusalKind.MARKET_STOPPED or gravest is None:
            gravest = refusal
    return state if gravest is None else _hold(state, record, name, gravest)


def _place_refused(
    state: State, record: Record, market: str, client_order_id: str, refusal: Refusal
) -> State:
    def fact(order: Order) -> Moved:
        reason = f"refused: {refusal.code} {refusal.text}"
        return orders.place_refused(order, reason, record.seq, record.recv_ns)

    return change_order(state, record, market, client_order_id, fact)
