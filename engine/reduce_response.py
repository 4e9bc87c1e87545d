"""Fold the ends of requests: answers, refusals, throttling, silence.

Every REST request ends in exactly one of these events, whose record names the request as its
cause. A late answer, after the deadline declared the outcome unknown, is one more fact.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine import backoff, kill_switch, orders, reconcile, reduce_funding, repricing
from engine.anomalies import unexpected
from engine.events import (
    AnyEvent,
    FeesListed,
    FillsListed,
    FundingListed,
    KillSwitchArmed,
    KillSwitchDisarmed,
    KillSwitchesListed,
    MarginBalancesListed,
    MarketsListed,
    OpenOrdersListed,
    OrderCancelled,
    OrderModified,
    OrdersAllCancelled,
    OrdersPlaced,
    PlaceResult,
    PositionsListed,
    Record,
    RequestWithheld,
    ServerTimeReported,
    SpotBalancesListed,
)
from engine.intents import (
    CancelOrder,
    ModifyOrder,
    NewOrder,
    PlaceOrders,
)
from engine.orders import Moved, Order
from engine.reduce_account import change_order
from engine.reduce_failures import (
    REQUEST_RETRY_NS,
    Failure,
    came_to_nothing,
    failed,
    order_lost,
    places_refused,
    withheld,
)
from engine.reduce_venue import fees_listed, markets_listed, server_time
from engine.state import InFlight, State, advance, with_market
from engine.types import OrderStatus, VenueOrder

NOTHING_SAID = PlaceResult(None, None)


def answered(state: State, record: Record, event: AnyEvent) -> State:
    """Fold the end of the request that `record.cause_seq` names."""
    request = state.requests.get(record.cause_seq)
    if request is None:
        return replace(
            advance(state, record),
            anomalies=state.anomalies + 1,
            last_anomaly=f"seq {record.seq}: an answer to no request of this run",
        )
    requests = {seq: r for seq, r in state.requests.items() if seq != record.cause_seq}
    state = replace(advance(state, record), requests=requests, attention_seq=record.seq)
    if isinstance(event, Failure):
        return failed(state, record, request, event)
    if isinstance(event, RequestWithheld):
        return withheld(state, record, request, event)
    return _succeeded(backoff.worked(state, request), record, request, event)


def _succeeded(state: State, record: Record, request: InFlight, event: AnyEvent) -> State:
    match event:
        case OrdersPlaced():
            return _placed(state, record, request, event)
        case OrderModified():
            return _modified(state, record, request, event)
        case OrderCancelled():
            return _cancelled(state, record, request, event)
        case OrdersAllCancelled(name):
            return _all_cancelled(state, record, name)
        case KillSwitchArmed() | KillSwitchDisarmed():
            return kill_switch.answered(state, record, request, event)
        case ServerTimeReported(server_s):
            return server_time(state, record, request, server_s)
        case MarketsListed():
            return markets_listed(state, record, event)
        case FeesListed():
            return fees_listed(state, record, event)
        case FundingListed():
            return reduce_funding.listed(state, record, event)
        case KillSwitchesListed():
            return kill_switch.listed(state, record, event)
        case _:
            return _recon_answer(state, record, event)


def _recon_answer(state: State, record: Record, event: AnyEvent) -> State:
    for name, market in state.markets.items():
        if market.recon.request_seq == record.cause_seq:
            match event:
                case OpenOrdersListed():
                    return reconcile.open_orders_listed(state, record, event)
                case FillsListed():
                    return reconcile.fills_listed(state, record, event)
                case SpotBalancesListed():
                    return reconcile.spot_balances_listed(state, record, event, name)
                case PositionsListed():
                    return reconcile.positions_listed(state, record, event)
                case _:
                    assert isinstance(event, MarginBalancesListed), "no answer to what was asked"
                    return reconcile.margin_balances_listed(state, record, event, name)
    # A reconciliation that was started over does not want this answer any more.
    return state


# --- orders -----------------------------------------------------------------------------------


def _placed(state: State, record: Record, request: InFlight, event: OrdersPlaced) -> State:
    intent = request.intent
    if not isinstance(intent, PlaceOrders):
        return unexpected(state, record, event)
    name, refusals = intent.market, []
    for index, new in enumerate(intent.orders):
        result = event.results[index] if index < len(event.results) else NOTHING_SAID
        if result.refusal is not None:
            refusals.append((new, result.refusal))
        elif result.order is not None:
            state = _rests(state, record, name, new, result.order)
        else:
            # The venue stopped early and did not say what became of the rest (G-6).
            state = order_lost(state, record, name, new.client_order_id, record.cause_seq)
    return places_refused(state, record, name, tuple(refusals))


def _rests(state: State, record: Record, name: str, new: NewOrder, venue: VenueOrder) -> State:
    def fact(order: Order) -> Moved:
        return orders.answered(order, venue, record.cause_seq, record.seq, record.recv_ns)

    state = change_order(state, record, name, new.client_order_id, fact)
    return _rested(state, record, name, venue)


def _modified(state: State, record: Record, request: InFlight, event: OrderModified) -> State:
    intent = request.intent
    if not isinstance(intent, ModifyOrder):
        return unexpected(state, record, event)

    def fact(order: Order) -> Moved:
        return orders.answered(order, event.order, record.cause_seq, record.seq, record.recv_ns)

    state = change_order(state, record, intent.market, intent.client_order_id, fact)
    return _rested(state, record, intent.market, event.order)


def _cancelled(state: State, record: Record, request: InFlight, event: OrderCancelled) -> State:
    intent = request.intent
    if not isinstance(intent, CancelOrder):
        return unexpected(state, record, event)

    def fact(order: Order) -> Moved:
        return orders.finished(order, event.order, record.seq, record.recv_ns)

    return change_order(state, record, intent.market, intent.client_order_id, fact)


def _all_cancelled(state: State, record: Record, name: str) -> State:
    market = state.markets.get(name)
    if market is None or market.shutdown.cancel_request_seq != record.cause_seq:
        return state
    shutdown = replace(market.shutdown, cancel_request_seq=0, cancelled_seq=record.seq)
    if not state.stopping_ns:
        # An escalation: what still looks live is cancelled again, but not at every decision.
        shutdown = replace(shutdown, retry_at_ns=record.recv_ns + REQUEST_RETRY_NS)
    market = reconcile.start(market, "cancel all", blind=False)
    return with_market(state, record, replace(market, shutdown=shutdown))


def _rested(state: State, record: Record, name: str, venue: VenueOrder) -> State:
    if venue.status is OrderStatus.CANCELLED and not venue.filled_qty:
        # Self-trade prevention took it (contract 10.4), and would take the next one too.
        return came_to_nothing(state, record, name)
    market, side = state.markets[name], venue.side
    if not market.refused_in_row and not market.would_take:
        return state
    market = replace(repricing.rested(market, side), refused_in_row=0)
    return replace(state, markets={**state.markets, name: market})
