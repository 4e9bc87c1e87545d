"""Fold the ends of requests: answers, refusals, throttling, silence.

Every REST request ends in exactly one of these events, whose record names the request as its
cause. A late answer, after the deadline declared the outcome unknown, is one more fact.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine import kill_switch, orders, reconcile
from engine.clock import ASK_AGAIN_NS, ASK_EVERY_NS
from engine.events import (
    AnyEvent,
    FeesListed,
    FillsListed,
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
    OutcomeUnknown,
    PlaceResult,
    PositionsListed,
    Record,
    RequestRefused,
    RequestThrottled,
    RequestWithheld,
    ServerTimeReported,
    SpotBalancesListed,
)
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    DisarmKillSwitch,
    ModifyOrder,
    NewOrder,
    PlaceOrders,
    QueryFills,
    QueryMarginBalances,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
)
from engine.orders import Moved, Order, Status
from engine.reduce_account import change_order
from engine.reduce_venue import fees_listed, markets_listed, server_time
from engine.refusals import RefusalKind, classify
from engine.state import InFlight, State, advance, unexpected, with_market
from engine.types import Refusal

NS_PER_S = 1_000_000_000
HOLD_NS = 100_000_000
"""First back-off of a market after a refusal; doubles with each refusal in a row."""
HOLD_MAX_NS = 5_000_000_000
REQUEST_RETRY_NS = 500_000_000
UNAVAILABLE_CODES = frozenset({10, 31, 51})
"""The venue does not trade a market at the moment (contract section 9); its list says when it does
again. Other stops, such as a product that the account may not trade, wait for a human."""

ReconQuery = QueryOpenOrders | QueryFills | QuerySpotBalances | QueryPositions | QueryMarginBalances


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
    if isinstance(event, RequestRefused):
        return _failed(state, record, request, event.refusal)
    if isinstance(event, RequestThrottled):
        return _failed(state, record, request, Refusal(429, 0, "", "throttled"))
    if isinstance(event, RequestWithheld):
        return _failed(state, record, request, Refusal(0, 0, "", event.reason))
    if isinstance(event, OutcomeUnknown):
        return lost(state, record, record.cause_seq, request)
    return _succeeded(state, record, request, event)


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
        case KillSwitchesListed():
            return state
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
                case MarginBalancesListed():
                    return reconcile.margin_balances_listed(state, record, event, name)
    # A reconciliation that was started over does not want this answer any more.
    return state


# --- orders -----------------------------------------------------------------------------------


def _placed(state: State, record: Record, request: InFlight, event: OrdersPlaced) -> State:
    intent = request.intent
    if not isinstance(intent, PlaceOrders):
        return unexpected(state, record, event)
    for index, new in enumerate(intent.orders):
        if index < len(event.results):
            state = _place_result(state, record, intent.market, new, event.results[index])
        else:
            # The venue stopped early and did not say what became of the rest (G-6).
            state = _order_lost(state, record, intent.market, new.client_order_id, record.cause_seq)
    return state


def _place_result(
    state: State, record: Record, market: str, new: NewOrder, result: PlaceResult
) -> State:
    refusal = result.refusal
    if refusal is not None:
        return _place_refused(state, record, market, new.client_order_id, refusal)
    venue = result.order
    if venue is None:
        return _order_lost(state, record, market, new.client_order_id, record.cause_seq)

    def fact(order: Order) -> Moved:
        return orders.answered(order, venue, record.cause_seq, record.seq, record.recv_ns)

    return _unrefused(change_order(state, record, market, new.client_order_id, fact), market)


def _place_refused(
    state: State, record: Record, market: str, client_order_id: str, refusal: Refusal
) -> State:
    if classify(refusal) is RefusalKind.DUPLICATE_CLIENT_ID:
        # An order of this id is open: some earlier request did arrive. Ask.
        return _order_lost(state, record, market, client_order_id, record.cause_seq)

    def fact(order: Order) -> Moved:
        reason = f"refused: {refusal.code} {refusal.text}"
        return orders.place_refused(order, reason, record.seq, record.recv_ns)

    state = change_order(state, record, market, client_order_id, fact)
    return _hold(state, record, market, refusal)


def _modified(state: State, record: Record, request: InFlight, event: OrderModified) -> State:
    intent = request.intent
    if not isinstance(intent, ModifyOrder):
        return unexpected(state, record, event)

    def fact(order: Order) -> Moved:
        return orders.answered(order, event.order, record.cause_seq, record.seq, record.recv_ns)

    state = change_order(state, record, intent.market, intent.client_order_id, fact)
    return _unrefused(state, intent.market)


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
    market = reconcile.start(market, "cancel all", blind=False)
    return with_market(state, record, replace(market, shutdown=shutdown))


# --- failures ---------------------------------------------------------------------------------


def _failed(state: State, record: Record, request: InFlight, refusal: Refusal) -> State:
    kind = classify(refusal)
    if kind is RefusalKind.AUTH:
        reason = f"the venue refused the key: {refusal.http_status} {refusal.text}"
        state = replace(state, halted=state.halted or reason)
    elif kind is RefusalKind.NONCE:
        state = replace(state, time_asked_ns=0)
    intent = request.intent
    match intent:
        case PlaceOrders():
            for new in intent.orders:
                state = _place_refused(state, record, intent.market, new.client_order_id, refusal)
            return state
        case ModifyOrder() | CancelOrder():
            return _change_refused(state, record, intent, refusal, kind)
        case _:
            return _retry_later(state, record, request)


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
    return _hold(state, record, intent.market, refusal)


def _retry_later(state: State, record: Record, request: InFlight) -> State:
    intent = request.intent
    retry_at_ns = record.recv_ns + REQUEST_RETRY_NS
    match intent:
        case ArmKillSwitch(name) | DisarmKillSwitch(name):
            market = state.markets.get(name)
            if market is None:
                return state
            timer = replace(market.kill_switch, request_seq=0, retry_at_ns=retry_at_ns)
            return with_market(state, record, replace(market, kill_switch=timer))
        case CancelAll(name):
            market = state.markets.get(name)
            if market is None:
                return state
            shutdown = replace(market.shutdown, cancel_request_seq=0, retry_at_ns=retry_at_ns)
            return with_market(state, record, replace(market, shutdown=shutdown))
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
                state = _order_lost(state, record, intent.market, new.client_order_id, request_seq)
            return state
        case ModifyOrder() | CancelOrder():
            return _order_lost(state, record, intent.market, intent.client_order_id, request_seq)
        case _:
            named = replace_cause(record, request_seq)
            return _retry_later(state, named, request)


def replace_cause(record: Record, request_seq: int) -> Record:
    """The same record seen as the end of one request (a timer may end several)."""
    return replace(record, cause_seq=request_seq)


def _order_lost(
    state: State, record: Record, market_name: str, client_order_id: str, request_seq: int
) -> State:
    market = state.markets[market_name]
    order = market.order(client_order_id)
    if order is None or not orders.awaits(order, request_seq):
        # A push has settled this request already.
        return state

    def fact(order: Order) -> Moved:
        return orders.outcome_lost(order), ""

    state = change_order(state, record, market_name, client_order_id, fact)
    market = state.markets[market_name]
    return with_market(
        state, record, reconcile.start(market, "a request's outcome is unknown", blind=False)
    )


def _hold(state: State, record: Record, name: str, refusal: Refusal) -> State:
    market = state.markets[name]
    in_row = market.refused_in_row + 1
    hold_ns = min(HOLD_NS << min(in_row - 1, 16), HOLD_MAX_NS)
    halted = market.halted
    if classify(refusal) is RefusalKind.MARKET_STOPPED and not halted:
        halted = f"the venue refused the market: {refusal.code} {refusal.text}"
        if refusal.code in UNAVAILABLE_CODES:
            market = replace(market, halted_seq=record.seq)
    market = replace(
        market, refused_in_row=in_row, hold_until_ns=record.recv_ns + hold_ns, halted=halted
    )
    return with_market(state, record, market)


def _unrefused(state: State, name: str) -> State:
    market = state.markets[name]
    if not market.refused_in_row:
        return state
    markets = {**state.markets, name: replace(market, refused_in_row=0)}
    return replace(state, markets=markets)
