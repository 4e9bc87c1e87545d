"""Fold the session: runs, streams, timer and stalls."""

from __future__ import annotations

from msgspec.structs import replace

from engine import backoff, freshness, orders, rates, reconcile, reduce_funding, watch
from engine.events import (
    FrameRefused,
    LoopStalled,
    ParametersChanged,
    PlacingAllowed,
    PlacingForbidden,
    PongReceived,
    Record,
    RunStarted,
    StopRequested,
    StreamClosed,
    StreamOpened,
    StreamReady,
    TimerFired,
)
from engine.inventory import position_lots
from engine.legs import of_net
from engine.losses import account_marked, carried
from engine.order_changes import with_orders, without_old_ghosts
from engine.orders import MODIFYING, OPEN, Order
from engine.reduce_account import MISMATCH_GRACE_NS
from engine.reduce_failures import lost, signature_refused
from engine.reduce_limits import at_mark, own_room, paced
from engine.refusals import classify
from engine.rescale import rescaled, rescaled_losses
from engine.stages import highest
from engine.state import (
    PRIVATE,
    Link,
    LinkStatus,
    MarketState,
    ReconStage,
    State,
    Uptime,
    advance,
    with_market,
)
from engine.stopping import Shutdown
from engine.strategy import load_strategy
from engine.top import mid2
from engine.types import Quoted
from engine.working import LEFT_LEVEL

NS_PER_S = 1_000_000_000
BACKOFF_MAX_S = 30
LASTING_NS = 30 * NS_PER_S
"""A connection that lasted so long was a good one: the back-off begins anew."""
UNKNOWN_RETRY_NS = 1_000_000_000
NEVER_NS = 1 << 62
"""Who only observes cancels nothing, and has no key to do it with."""
ADOPT_NS = 3_000_000_000
"""Orders of an earlier run may rest unquoted for so long while a new one finds its feet; a restart
takes a second."""


# --- runs -------------------------------------------------------------------------------------


def run_started(state: State, record: Record, event: RunStarted) -> State:
    """Begin a run; whatever an earlier run of this journal had in flight becomes unknown."""
    anomalies, last_anomaly = state.anomalies, state.last_anomaly
    markets: dict[str, MarketState] = {}
    for quoted in event.quoted:
        name = quoted.market.name
        markets[name] = _market_started(state.markets.get(name), quoted, record, event)
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
        sent_max=event.settings.requests_max,
        anomalies=anomalies,
        last_anomaly=last_anomaly,
        # What an earlier run sent still counts at the venue.
        spent=rates.carried(state.spent, event.settings.rate_percent, record.recv_ns),
        used=state.used,
        losses=carried(state, markets, event.settings, record.recv_ns),
    )


def _market_started(
    before: MarketState | None, quoted: Quoted, record: Record, event: RunStarted
) -> MarketState:
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    fresh = MarketState(
        quoted=quoted,
        strategy=strategy,
        memory=strategy.initial_memory(),
        touched_seq=record.seq,
    )
    if before is None:
        return own_room(fresh)
    # A restart is no human who looked. What lies ahead was stamped by a clock that was ahead.
    now_ns = record.recv_ns
    holds = tuple([replace(h, since_ns=min(h.since_ns, now_ns)) for h in before.holds if h.human])
    fresh = replace(fresh, holds=holds, stage=highest(holds), fees_base=before.fees_base)
    if _precision(before.quoted) != _precision(quoted):
        # What was counted in other units begins anew, but for what was lost; what rests is seen
        # off, in the new ones.
        old, new = before.quoted.market, quoted.market
        left = tuple(orders.outcome_lost(rescaled(order, old, new)) for order in before.live)
        lost_before = rescaled_losses(watch.carried(before.watch, now_ns), old, new)
        return with_orders(own_room(replace(fresh, watch=lost_before)), left, record)
    inventory = reduce_funding.carried_on(before.inventory, now_ns)
    position = position_lots(inventory, quoted.market, quoted.inventory_target)
    if quoted.hedged and not before.quoted.hedged:
        inventory = replace(inventory, legs=of_net(position))
    kept = replace(
        fresh,
        inventory=inventory,
        position=position,
        breaks=before.breaks,
        watch=watch.carried(before.watch, now_ns),
    )
    # Nothing is quoted yet, so the planner cancels what it finds, at once or once it may.
    cancel_at_ns = now_ns + ADOPT_NS if event.settings.on_restart == "adopt" else 0
    if event.mode == "observe":
        cancel_at_ns = NEVER_NS
    left = tuple(
        replace(_left(order, index), cancel_at_ns=cancel_at_ns)
        for index, order in enumerate(before.live)
    )
    # Deals of orders that ended may still come: they count, and are laid where they belong.
    return with_orders(own_room(kept), (*left, *before.owing), record)


def _left(order: Order, index: int) -> Order:
    # A place or modify that may never have come counts until its nonce window has proved that,
    # which takes seconds. It holds no level meanwhile, so that its side is quoted again at once.
    is_known = order.status is OPEN and order.pending is not MODIFYING
    return replace(
        orders.outcome_lost(order), level=order.level if is_known else LEFT_LEVEL + index
    )


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
    """Begin the orderly end; a private stream and endpoints in back-off are tried at once, as it
    must be proved over them that nothing is left."""
    if not state.stopping_ns:
        # What was cancelled before proves nothing now.
        for market in state.markets.values():
            state = with_market(state, record, replace(market, shutdown=Shutdown()))
    state = replace(
        advance(state, record),
        stopping_ns=state.stopping_ns or record.recv_ns,
        attention_seq=record.seq,
        circuits={},
    )
    private = state.links.get(PRIVATE)
    if private is None or private.status is not LinkStatus.CLOSED:
        return state
    links = {**state.links, PRIVATE: replace(private, retry_at_ns=record.recv_ns)}
    return replace(state, links=links)


def placing_forbidden(state: State, record: Record, event: PlacingForbidden) -> State:
    """Pull every quote, and let the kill-switch run out, until a human lifts the latch."""
    return replace(advance(state, record), latched=event.reason, attention_seq=record.seq)


def placing_allowed(state: State, record: Record, event: PlacingAllowed) -> State:
    """Quote again, once the venue was asked what the panic left."""
    for market in state.markets.values():
        doubted = reconcile.start(market, "the panic latch was lifted", blind=True)
        state = with_market(state, record, doubted)
    return replace(advance(state, record), latched="", attention_seq=record.seq)


# --- streams ----------------------------------------------------------------------------------


def stream_opened(state: State, record: Record, event: StreamOpened) -> State:
    return advance(state, record)


def stream_ready(state: State, record: Record, event: StreamReady) -> State:
    if event.stream not in state.links:
        return advance(state, record)
    before = state.links[event.stream]
    link = Link(
        status=LinkStatus.READY,
        attempts=before.attempts,
        opened_ns=before.opened_ns,
        pong_ns=record.recv_ns,
    )
    state = _with_link(state, record, event.stream, link)
    market = state.markets.get(event.stream)
    if market is not None and not market.feed.book_ok:
        # The first snapshot is awaited from now on.
        feed = replace(market.feed, resubscribed_ns=record.recv_ns)
        return with_market(state, record, replace(market, feed=feed))
    if event.stream != PRIVATE:
        return state
    for market in state.markets.values():
        recon = reconcile.start(market, market.recon.reason, blind=True)
        state = with_market(state, record, recon)
    return state


def stream_closed(state: State, record: Record, event: StreamClosed) -> State:
    """Back off 1, 2, 4 .. 30 s plus up to half as much jitter (contract 11.6); 1 s for an end."""
    link = state.links.get(event.stream)
    if link is None:
        return advance(state, record)
    lasted = link.status is LinkStatus.READY and record.recv_ns - link.opened_ns > LASTING_NS
    attempts = 1 if lasted or state.stopping_ns else link.attempts + 1
    delay_ns = min(BACKOFF_MAX_S, 1 << min(attempts - 1, 5)) * NS_PER_S
    jitter_ns = delay_ns * event.jitter_permille // 2000
    closed = Link(attempts=attempts, retry_at_ns=record.recv_ns + delay_ns + jitter_ns)
    state = _with_link(state, record, event.stream, closed)
    if event.refusal is not None:
        state = signature_refused(state, event.refusal, classify(event.refusal))
    if event.stream == PRIVATE:
        for market in state.markets.values():
            blind = reconcile.start(market, "the private stream was lost", blind=True)
            state = with_market(state, record, blind)
        return state
    market = state.markets[event.stream]
    feed = replace(
        market.feed, book_ok=False, bbo=None, resubscribed_ns=0, trades_seen=False, mark2=0
    )
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
    if market is None and event.stream == PRIVATE:
        # It may have been about anything of ours.
        for quoted in state.markets.values():
            doubted = reconcile.start(quoted, "a private frame was refused", blind=True)
            state = with_market(state, record, doubted)
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
    now_ns = record.recv_ns
    state = replace(state, seq=record.seq, now_ns=now_ns, attention_seq=record.seq)
    state = paced(state, now_ns)
    overdue_ns = now_ns - state.settings.request_deadline_ns
    for seq, request in state.requests.items():
        if request.sent_ns <= overdue_ns and not request.expired:
            requests = {**state.requests, seq: replace(request, expired=True)}
            state = backoff.failed(state, record, request, backoff.Trouble.NO_ANSWER)
            state = lost(replace(state, requests=requests), record, seq, request)
    for market in state.markets.values():
        timed = _doubts(state, at_mark(state, _sampled(state, market), record), record)
        timed = freshness.at_timer(timed, record)
        if timed.inventory.funding.next_s:
            timed = reduce_funding.at_timer(state, timed)
        if timed.ghosts and timed.ghosts[0].until_ns <= record.recv_ns:
            timed = without_old_ghosts(timed, record)
        if timed is not market:
            state = with_market(state, record, timed)
    if state.settings.account_losses:
        state = account_marked(state)
    return rates.settled(state)


def _sampled(state: State, market: MarketState) -> MarketState:
    # The time since the last sample counts as quoted if it is quoted now.
    if state.stopping_ns:
        return market
    middle2 = mid2(market)
    bid, ask = _is_near(market, market.bids, middle2), _is_near(market, market.asks, middle2)
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


def _is_near(market: MarketState, orders: tuple[Order, ...], middle2: int) -> bool:
    # Whether an acknowledged order of a side is close enough to the mid to count as quoting.
    reach = market.quoted.uptime_bps * middle2
    for order in orders:
        if order.status is OPEN and abs(2 * order.price - middle2) * 10_000 <= reach:
            return True
    return False


def _doubts(state: State, market: MarketState, record: Record) -> MarketState:
    if market.recon.stage is not ReconStage.DONE:
        return market
    missing = False
    overdue_ns = record.recv_ns - MISMATCH_GRACE_NS
    for order in market.live + market.owing:
        if order.unknown:
            at_ns = record.recv_ns + UNKNOWN_RETRY_NS
            return reconcile.start(market, "an order's state is unknown", blind=False, at_ns=at_ns)
        if order.owed and max(order.sent_ns, order.closed_ns) < overdue_ns:
            missing = True
    if missing:
        return reconcile.start(market, "a deal is missing", blind=False)
    since_ns = market.mismatch.since_ns
    if since_ns and record.recv_ns - since_ns > MISMATCH_GRACE_NS:
        return reconcile.start(market, "reports differ from the deals", blind=True)
    every_ns = state.settings.reconcile_every_ns
    if not every_ns or record.recv_ns - market.recon.orders_asked_ns < every_ns:
        return market
    return market if state.stopping_ns else reconcile.start(market, "it is time", blind=False)


def loop_stalled(state: State, record: Record, event: LoopStalled) -> State:
    """Distrust every feed until the venue's own stamps are fresh, and look at the account."""
    for market in state.markets.values():
        feed = replace(market.feed, doubt=freshness.STALLED)
        doubted = replace(market, feed=feed, touched_seq=record.seq)
        doubted = reconcile.start(doubted, "the loop stalled", blind=True)
        state = with_market(state, record, doubted)
    # A machine that slept may have lost its hold on the time too.
    return replace(advance(state, record), attention_seq=record.seq, time_asked_ns=0)
