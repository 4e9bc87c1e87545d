"""Fold what was decided, and what went on the wire: from there on a request's orders count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from engine import orders, rates, reconcile, reduce_funding
from engine.events import Decided, Record, RequestSent
from engine.guards import with_stages
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    CloseStream,
    DisarmKillSwitch,
    ModifyOrder,
    OpenStream,
    Ping,
    PlaceOrders,
    QueryFees,
    QueryFills,
    QueryFunding,
    QueryKillSwitch,
    QueryMarginBalances,
    QueryMarkets,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
    Resubscribe,
)
from engine.order_changes import with_ladder, with_orders, with_request
from engine.stages import FLATTEN_LEVEL
from engine.state import (
    InFlight,
    LinkStatus,
    MarketState,
    ReconStage,
    State,
    advance,
    with_market,
)
from engine.stopping import Shutdown
from engine.types import Product

RISK_HOLD_NS = 250_000_000
"""After a refusal by risk, places and modifies of the market wait this long."""


def decided(state: State, record: Record, event: Decided) -> State:
    state = replace(
        state,
        seq=record.seq,
        now_ns=record.recv_ns,
        decided_seq=record.seq,
        decided=event.intents,
        sent=state.sent + len(event.intents),
    )
    for refusal in event.refusals:
        if refusal.key:
            state = rates.told(state, refusal)
            continue
        market = state.markets[refusal.market]
        held = replace(market, hold_until_ns=record.recv_ns + RISK_HOLD_NS)
        state = with_market(state, record, held)
    return with_stages(state, event.stages) if event.stages else state


def request_sent(state: State, record: Record, event: RequestSent) -> State:
    """A request goes on the wire."""
    if record.cause_seq != state.decided_seq or not 0 <= event.index < len(state.decided):
        return replace(
            advance(state, record),
            anomalies=state.anomalies + 1,
            last_anomaly=f"seq {record.seq}: a request that no decision before it asked for",
        )
    intent: Any = state.decided[event.index]
    kind, seq, now_ns = type(intent), record.seq, record.recv_ns
    if kind in _FRAMES:
        return _FRAMES[kind](state, record, intent)
    requests = {**state.requests, seq: InFlight(intent, now_ns, event.nonce)}
    used, path = state.used, event.path
    used = {**used, path: used.get(path, 0) + 1}
    change, markets = _MARKETS.get(kind), state.markets
    if change is not None and (market := markets.get(intent.market)) is not None:
        markets = {**markets, intent.market: change(market, record, intent)}
    elif kind in _ACCOUNT:
        state = replace(state, requests=requests, used=used, slack=state.slack - 1)
        return _ACCOUNT[kind](advance(state, record), record)
    return replace(
        state,
        seq=seq,
        now_ns=now_ns,
        requests=requests,
        markets=markets,
        used=used,
        slack=state.slack - 1,
    )


# --- requests of one market ---------------------------------------------------------------------


def _placed(market: MarketState, record: Record, intent: PlaceOrders) -> MarketState:
    at_ns, nonce, seq = record.recv_ns, _nonce(record), record.seq
    new = tuple(orders.placed(order, at_ns, nonce, seq) for order in intent.orders)
    if new[0].level == FLATTEN_LEVEL:
        market = replace(market, flattened_ns=record.recv_ns)
    return with_orders(market, new, record)


def _modify_sent(market: MarketState, record: Record, intent: ModifyOrder) -> MarketState:
    order = market.orders[intent.client_order_id]
    changed = orders.modify_sent(order, intent, record.recv_ns, _nonce(record), record.seq)
    market = with_request(market, changed, record)
    return with_ladder(market, intent.ladder) if intent.ladder else market


def _nonce(record: Record) -> int:
    return cast("RequestSent", record.event).nonce


def _cancel_sent(market: MarketState, record: Record, intent: CancelOrder) -> MarketState:
    order = market.orders[intent.client_order_id]
    return with_request(market, orders.cancel_sent(order, record.recv_ns, record.seq), record)


def _timer_sent(
    market: MarketState, record: Record, intent: ArmKillSwitch | DisarmKillSwitch
) -> MarketState:
    timer = replace(market.kill_switch, request_seq=record.seq)
    return replace(market, kill_switch=timer)


def _cancel_all_sent(market: MarketState, record: Record, intent: CancelAll) -> MarketState:
    return replace(market, shutdown=Shutdown(cancel_request_seq=record.seq))


def _recon_asked(
    market: MarketState, record: Record, intent: QueryOpenOrders | QueryFills | QueryPositions
) -> MarketState:
    return reconcile.asked(market, record)


def _fees_asked(market: MarketState, record: Record, intent: QueryFees) -> MarketState:
    return replace(market, fees_asked_ns=record.recv_ns)


_MARKETS: dict[type, Callable[[MarketState, Record, Any], MarketState]] = {
    PlaceOrders: _placed,
    ModifyOrder: _modify_sent,
    CancelOrder: _cancel_sent,
    ArmKillSwitch: _timer_sent,
    DisarmKillSwitch: _timer_sent,
    CancelAll: _cancel_all_sent,
    QueryOpenOrders: _recon_asked,
    QueryFills: _recon_asked,
    QueryPositions: _recon_asked,
    QueryFees: _fees_asked,
    QueryFunding: reduce_funding.asked,
}


# --- requests of the account --------------------------------------------------------------------


def _time_asked(state: State, record: Record) -> State:
    return replace(state, time_asked_ns=record.recv_ns)


def _markets_asked(state: State, record: Record) -> State:
    return replace(state, markets_asked_ns=record.recv_ns)


def _timers_asked(state: State, record: Record) -> State:
    return replace(state, timers_asked_ns=record.recv_ns)


def _spot_asked(state: State, record: Record) -> State:
    return _balances_asked(state, record, ReconStage.BALANCES)


def _margin_asked(state: State, record: Record) -> State:
    return _balances_asked(state, record, ReconStage.COLLATERAL)


def _balances_asked(state: State, record: Record, stage: ReconStage) -> State:
    # The query names no market: it belongs to the first one that waits to ask it. Only spot asks
    # for balances to know its total; the others ask for their positions.
    of_spot = stage is ReconStage.BALANCES
    for market in state.markets.values():
        recon, product = market.recon, market.quoted.market.product
        if (
            recon.stage is stage
            and not recon.request_seq
            and (product is Product.SPOT or not of_spot)
        ):
            return with_market(state, record, reconcile.asked(market, record))
    return state


_ACCOUNT: dict[type, Callable[[State, Record], State]] = {
    QueryTime: _time_asked,
    QueryMarkets: _markets_asked,
    QueryKillSwitch: _timers_asked,
    QuerySpotBalances: _spot_asked,
    QueryMarginBalances: _margin_asked,
}


# --- frames on a stream -------------------------------------------------------------------------


def _stream_opened(state: State, record: Record, intent: OpenStream) -> State:
    event = cast("RequestSent", record.event)
    state = rates.opened(state, intent, event.body.count(b"\n") + 1)
    return _with_link(
        state, record, intent.stream, status=LinkStatus.OPENING, opened_ns=record.recv_ns
    )


def _stream_closing(state: State, record: Record, intent: CloseStream) -> State:
    return _with_link(state, record, intent.stream, closing=True)


def _pinged(state: State, record: Record, intent: Ping) -> State:
    state = rates.framed(state, intent.stream, 1)
    return _with_link(state, record, intent.stream, ping_sent_ns=record.recv_ns)


def _with_link(state: State, record: Record, stream: str, **changes: Any) -> State:
    links = {**state.links, stream: replace(state.links[stream], **changes)}
    return replace(advance(state, record), links=links)


def _resubscribed(state: State, record: Record, intent: Resubscribe) -> State:
    state = rates.framed(state, intent.stream, rates.RESUBSCRIBE_FRAMES)
    market = state.markets[intent.stream]
    feed = replace(market.feed, resubscribed_ns=record.recv_ns)
    return with_market(state, record, replace(market, feed=feed))


_FRAMES: dict[type, Callable[[State, Record, Any], State]] = {
    OpenStream: _stream_opened,
    CloseStream: _stream_closing,
    Ping: _pinged,
    Resubscribe: _resubscribed,
}
