"""Fold the session: streams, runs, timer, stalls, what was decided and what was sent."""

from __future__ import annotations

from msgspec.structs import replace

from engine import orders, reconcile
from engine.events import (
    Decided,
    FrameRefused,
    LoopStalled,
    ParametersChanged,
    PongReceived,
    Record,
    RequestSent,
    RunStarted,
    StopRequested,
    StreamClosed,
    StreamOpened,
    StreamReady,
    TimerFired,
)
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    CloseStream,
    DisarmKillSwitch,
    Intent,
    ModifyOrder,
    OpenStream,
    Ping,
    PlaceOrders,
    QueryFills,
    QueryMarginBalances,
    QueryMarkets,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
    Resubscribe,
)
from engine.inventory import position_lots
from engine.orders import Status
from engine.reduce_account import MISMATCH_GRACE_NS
from engine.reduce_response import lost
from engine.state import (
    PRIVATE,
    InFlight,
    Link,
    LinkStatus,
    MarketState,
    Recon,
    ReconStage,
    Shutdown,
    State,
    Uptime,
    advance,
    with_market,
    with_order,
    with_orders,
    without_old_ghosts,
)
from engine.strategy import load_strategy
from engine.top import mid2
from engine.types import Quoted, Side

NS_PER_S = 1_000_000_000
BACKOFF_MAX_S = 30
RISK_HOLD_NS = 250_000_000
"""After a refusal by risk, places and modifies of the market wait this long."""
UNKNOWN_RETRY_NS = 1_000_000_000


# --- runs -------------------------------------------------------------------------------------


def run_started(state: State, record: Record, event: RunStarted) -> State:
    """Begin a run; whatever an earlier run of this journal had in flight becomes unknown."""
    anomalies, last_anomaly = state.anomalies, state.last_anomaly
    markets: dict[str, MarketState] = {}
    for quoted in event.quoted:
        name = quoted.market.name
        markets[name] = _market_started(state.markets.get(name), quoted, record)
    for name, market in state.markets.items():
        if market.live and name not in markets:
            anomalies += 1
            last_anomaly = f"{name}: not quoted by this run, but {len(market.live)} orders live"
    streams = [*markets] if event.mode == "observe" else [*markets, PRIVATE]
    return State(
        seq=record.seq,
        now_ns=record.recv_ns,
        decided_seq=state.decided_seq,
        attention_seq=record.seq,
        markets=markets,
        links={stream: Link() for stream in streams},
        spot=state.spot,
        margin=state.margin,
        positions=state.positions,
        run_id=event.run_id,
        mode=event.mode,
        settings=event.settings,
        anomalies=anomalies,
        last_anomaly=last_anomaly,
    )


def _market_started(before: MarketState | None, quoted: Quoted, record: Record) -> MarketState:
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    fresh = MarketState(
        quoted=quoted,
        strategy=strategy,
        memory=strategy.initial_memory(),
        recon=Recon(reason="start"),
        touched_seq=record.seq,
    )
    if before is None or _precision(before.quoted) != _precision(quoted):
        return fresh
    target = quoted.inventory_target
    position = position_lots(before.inventory, quoted.market, target)
    kept = replace(fresh, inventory=before.inventory, position=position, breaks=before.breaks)
    lost_orders = tuple(orders.outcome_lost(order) for order in before.live)
    return with_orders(kept, lost_orders, record)


def _precision(quoted: Quoted) -> tuple[int, int]:
    return quoted.market.price_decimals, quoted.market.qty_decimals


def parameters_changed(state: State, record: Record, event: ParametersChanged) -> State:
    market = state.markets.get(event.market)
    if market is None:
        return advance(state, record)
    strategy = load_strategy(market.quoted.strategy, event.parameters)
    quoted = replace(market.quoted, parameters=event.parameters)
    market = replace(market, strategy=strategy, quoted=quoted, touched_seq=record.seq)
    return with_market(state, record, market)


def stop_requested(state: State, record: Record, event: StopRequested) -> State:
    return replace(
        advance(state, record),
        stopping_ns=state.stopping_ns or record.recv_ns,
        attention_seq=record.seq,
    )


# --- streams ----------------------------------------------------------------------------------


def stream_opened(state: State, record: Record, event: StreamOpened) -> State:
    return advance(state, record)


def stream_ready(state: State, record: Record, event: StreamReady) -> State:
    if event.stream not in state.links:
        return advance(state, record)
    link = Link(status=LinkStatus.READY, pong_ns=record.recv_ns)
    state = _with_link(state, record, event.stream, link)
    if event.stream != PRIVATE:
        return state
    for market in state.markets.values():
        recon = reconcile.start(market, market.recon.reason, blind=True)
        state = with_market(state, record, recon)
    return state


def stream_closed(state: State, record: Record, event: StreamClosed) -> State:
    """Back off 1, 2, 4 .. 30 s plus up to half as much jitter (contract 11.6)."""
    link = state.links.get(event.stream)
    if link is None:
        return advance(state, record)
    attempts = link.attempts + 1
    delay_ns = min(BACKOFF_MAX_S, 1 << min(attempts - 1, 5)) * NS_PER_S
    jitter_ns = delay_ns * event.jitter_permille // 2000
    closed = Link(attempts=attempts, retry_at_ns=record.recv_ns + delay_ns + jitter_ns)
    state = _with_link(state, record, event.stream, closed)
    if event.stream == PRIVATE:
        for market in state.markets.values():
            blind = reconcile.start(market, "the private stream was lost", blind=True)
            state = with_market(state, record, blind)
        return state
    market = state.markets[event.stream]
    feed = replace(market.feed, book_ok=False, bbo=None, resubscribed_ns=0)
    return with_market(state, record, replace(market, feed=feed, touched_seq=record.seq))


def pong_received(state: State, record: Record, event: PongReceived) -> State:
    link = state.links.get(event.stream)
    if link is None:
        return advance(state, record)
    return _with_link(
        state, record, event.stream, replace(link, pong_ns=record.recv_ns, ping_sent_ns=0)
    )


def _with_link(state: State, record: Record, stream: str, link: Link) -> State:
    return replace(
        advance(state, record),
        links={**state.links, stream: link},
        attention_seq=record.seq,
    )


def frame_refused(state: State, record: Record, event: FrameRefused) -> State:
    """What we cannot read, we cannot trust: the market it concerns stops being quoted."""
    if record.cause_seq in state.requests:
        request = state.requests[record.cause_seq]
        requests = {seq: r for seq, r in state.requests.items() if seq != record.cause_seq}
        state = replace(advance(state, record), requests=requests)
        state = lost(state, record, record.cause_seq, request)
    market = state.markets.get(event.market)
    if market is not None and not market.halted:
        reason = f"a frame was refused: {event.reason}"
        state = with_market(state, record, replace(market, halted=reason))
    link = state.links.get(event.stream)
    if link is not None and link.status is LinkStatus.OPENING:
        # A subscription or the authorisation was refused: it will never be ready.
        links = {**state.links, event.stream: replace(link, opened_ns=0)}
        state = replace(state, links=links)
    return replace(
        advance(state, record),
        attention_seq=record.seq,
        anomalies=state.anomalies + 1,
        last_anomaly=f"seq {record.seq}: {event.stream}: {event.reason}",
    )


# --- time -------------------------------------------------------------------------------------


def timer_fired(state: State, record: Record, event: TimerFired) -> State:
    """Let deadlines pass, sample uptime, and look into what stays unexplained."""
    state = replace(advance(state, record), attention_seq=record.seq)
    for seq, request in state.requests.items():
        if request.deadline_ns <= record.recv_ns and not request.expired:
            requests = {**state.requests, seq: replace(request, expired=True)}
            state = lost(replace(state, requests=requests), record, seq, request)
    for market in state.markets.values():
        timed = _doubts(_sampled(state, market), record)
        if timed.ghosts and timed.ghosts[0].until_ns <= record.recv_ns:
            timed = without_old_ghosts(timed, record)
        if timed is not market:
            state = with_market(state, record, timed)
    return state


def _sampled(state: State, market: MarketState) -> MarketState:
    # The time since the last sample counts as quoted if it is quoted now.
    if state.stopping_ns:
        return market
    bid = _near(market, Side.BUY)
    ask = _near(market, Side.SELL)
    uptime, now_ns = market.uptime, state.now_ns
    if not uptime.since_ns:
        if not bid and not ask:
            return market
        return replace(market, uptime=Uptime(since_ns=now_ns, sampled_ns=now_ns))
    elapsed_ns = now_ns - uptime.sampled_ns
    return replace(
        market,
        uptime=Uptime(
            uptime.since_ns,
            now_ns,
            uptime.total_ns + elapsed_ns,
            uptime.bid_ns + (elapsed_ns if bid else 0),
            uptime.ask_ns + (elapsed_ns if ask else 0),
        ),
    )


def _near(market: MarketState, side: Side) -> bool:
    middle2 = mid2(market)
    reach = market.quoted.uptime_bps * middle2
    return any(
        order.side is side
        and order.status is Status.OPEN
        and abs(2 * order.price - middle2) * 10_000 <= reach
        for order in market.live
    )


def _doubts(market: MarketState, record: Record) -> MarketState:
    if market.recon.stage is not ReconStage.DONE:
        return market
    if any(order.unknown for order in market.live):
        at_ns = record.recv_ns + UNKNOWN_RETRY_NS
        return reconcile.start(market, "an order's state is unknown", blind=False, at_ns=at_ns)
    overdue_ns = record.recv_ns - MISMATCH_GRACE_NS
    for order in (*market.live, *market.owing):
        if order.owed and max(order.sent_ns, order.closed_ns) < overdue_ns:
            return reconcile.start(market, "a deal is missing", blind=False)
    since_ns = market.mismatch.since_ns
    if since_ns and record.recv_ns - since_ns > MISMATCH_GRACE_NS:
        return reconcile.start(market, "reports differ from the deals", blind=True)
    return market


def loop_stalled(state: State, record: Record, event: LoopStalled) -> State:
    """Distrust every feed until the venue's own stamps are fresh, and look at the account."""
    for market in state.markets.values():
        feed = replace(market.feed, distrusted=True)
        doubted = replace(market, feed=feed, touched_seq=record.seq)
        doubted = reconcile.start(doubted, "the loop stalled", blind=True)
        state = with_market(state, record, doubted)
    return replace(advance(state, record), attention_seq=record.seq)


# --- decisions and requests -------------------------------------------------------------------


def decided(state: State, record: Record, event: Decided) -> State:
    state = replace(
        state,
        seq=record.seq,
        now_ns=record.recv_ns,
        decided_seq=record.seq,
        decided=event.intents,
    )
    for refusal in event.refusals:
        market = state.markets[refusal.market]
        held = replace(market, hold_until_ns=record.recv_ns + RISK_HOLD_NS)
        state = with_market(state, record, held)
    return state


def request_sent(state: State, record: Record, event: RequestSent) -> State:
    """A request goes on the wire: from here on its orders count."""
    intent = state.decided[event.index]
    if isinstance(intent, OpenStream | CloseStream | Ping | Resubscribe):
        return _frame_sent(state, record, intent)
    in_flight = InFlight(
        intent=intent,
        sent_ns=record.recv_ns,
        nonce=event.nonce,
        deadline_ns=record.recv_ns + state.settings.request_deadline_ns,
    )
    requests = {**state.requests, record.seq: in_flight}
    state = replace(advance(state, record), requests=requests)
    if isinstance(intent, QueryTime):
        return replace(state, time_asked_ns=record.recv_ns)
    if isinstance(intent, QueryMarkets):
        return replace(state, markets_asked_ns=record.recv_ns)
    return _market_request_sent(state, record, intent)


def _frame_sent(
    state: State, record: Record, intent: OpenStream | CloseStream | Ping | Resubscribe
) -> State:
    link = state.links[intent.stream]
    match intent:
        case OpenStream():
            link = replace(link, status=LinkStatus.OPENING, opened_ns=record.recv_ns)
        case CloseStream():
            link = replace(link, closing=True)
        case Ping():
            link = replace(link, ping_sent_ns=record.recv_ns)
        case Resubscribe():
            market = state.markets[intent.stream]
            feed = replace(market.feed, resubscribed_ns=record.recv_ns)
            return with_market(state, record, replace(market, feed=feed))
    links = {**state.links, intent.stream: link}
    return replace(advance(state, record), links=links)


def _market_request_sent(state: State, record: Record, intent: Intent) -> State:
    if isinstance(intent, QuerySpotBalances | QueryMarginBalances):
        return _balances_asked(state, record, intent)
    market = state.markets.get(getattr(intent, "market", ""))
    if market is None:
        return state
    match intent:
        case PlaceOrders():
            new = tuple(orders.placed(o, record.recv_ns, record.seq) for o in intent.orders)
            market = with_orders(market, new, record)
        case ModifyOrder():
            order = market.orders[intent.client_order_id]
            changed = orders.modify_sent(order, intent, record.recv_ns, record.seq)
            market = with_order(market, changed, record)
        case CancelOrder():
            order = market.orders[intent.client_order_id]
            changed = orders.cancel_sent(order, record.recv_ns, record.seq)
            market = with_order(market, changed, record)
        case ArmKillSwitch() | DisarmKillSwitch():
            timer = replace(market.kill_switch, request_seq=record.seq)
            market = replace(market, kill_switch=timer)
        case CancelAll():
            shutdown = Shutdown(cancel_request_seq=record.seq)
            market = replace(market, shutdown=shutdown)
        case QueryOpenOrders() | QueryFills() | QueryPositions():
            market = reconcile.asked(market, record)
        case _:
            return state
    return with_market(state, record, market)


def _balances_asked(
    state: State, record: Record, intent: QuerySpotBalances | QueryMarginBalances
) -> State:
    # The query names no market: it belongs to the first one that waits to ask it.
    stage = ReconStage.BALANCES if isinstance(intent, QuerySpotBalances) else ReconStage.COLLATERAL
    for market in state.markets.values():
        if market.recon.stage is stage and not market.recon.request_seq:
            return with_market(state, record, reconcile.asked(market, record))
    return state
