"""What the session itself needs: streams, pings, kill-switch, reconciliation, an orderly end.

Deadlines, back-off and retries are read from the folded state, so they replay like all else.
"""

from __future__ import annotations

from engine import clock, nonces
from engine.events import RunEnded
from engine.freshness import is_silent
from engine.gates import unsettled
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CloseStream,
    DisarmKillSwitch,
    Intent,
    OpenStream,
    Ping,
    QueryFees,
    QueryFills,
    QueryFunding,
    QueryMarginBalances,
    QueryMarkets,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
    Resubscribe,
)
from engine.kill_switch import check_intents, confirmed_empty, timer_intents
from engine.state import PRIVATE, Link, LinkStatus, MarketState, ReconStage, State
from engine.types import Product

NS_PER_S = 1_000_000_000
# As `engine.types.BUY`: plain names of what is compared most.
_CLOSED, _OPENING, _READY = LinkStatus.CLOSED, LinkStatus.OPENING, LinkStatus.READY
_DONE = ReconStage.DONE
MARKETS_EVERY_NS = 60 * NS_PER_S
"""A market that disappears from the list must stop quoting (contract 4.1)."""
FEES_EVERY_NS = 600 * NS_PER_S
"""Fees change with the tier, which the venue works out once a day."""
FEES_RETRY_NS = 30 * NS_PER_S
OPENING_MAX_NS = 20 * NS_PER_S
"""Connecting, authorising and subscribing take one second at most around the world; each of the
client's own steps gives up after 10 s."""
RESUBSCRIBE_RETRY_NS = 5 * NS_PER_S


def session_intents(state: State) -> list[Intent]:
    """Return what is due now, apart from quoting."""
    intents: list[Intent] = []
    for stream, link in state.links.items():
        intents += _link_intents(state, stream, link)
    if state.halted:
        # The key was refused: nothing is asked with it again. The kill-switch clears the orders.
        return intents
    intents += _account_intents(state)
    intents += check_intents(state)
    for market in state.markets.values():
        if state.mode != "observe":
            intents += timer_intents(state, market)
            intents += _recon_intents(state, market)
            intents += _fees_intents(state, market)
            intents += _funding_intents(state, market)
            if state.stopping_ns:
                intents += _shutdown_intents(state, market)
    return _one_of_each(intents)


def _one_of_each(intents: list[Intent]) -> list[Intent]:
    # Two markets may want the same account-wide query; one answer serves the one that asked.
    if len(intents) < 2:
        return intents
    unique: list[Intent] = []
    for intent in intents:
        if intent not in unique:
            unique.append(intent)
    return unique


def _link_intents(state: State, stream: str, link: Link) -> list[Intent]:
    now_ns = state.now_ns
    if link.status is _CLOSED:
        refused = stream == PRIVATE and bool(state.halted)
        due = now_ns >= link.retry_at_ns and not refused and not finished(state)
        return [OpenStream(stream)] if due else []
    if link.closing:
        return []
    if link.status is _OPENING:
        late = now_ns - link.opened_ns > OPENING_MAX_NS
        return [CloseStream(stream)] if late else []
    if link.ping_sent_ns:
        late = now_ns - link.ping_sent_ns > state.settings.pong_deadline_ns
        return [CloseStream(stream)] if late else []
    intents: list[Intent] = []
    if now_ns - link.pong_ns >= state.settings.ping_every_ns:
        intents.append(Ping(stream))
    market = state.markets.get(stream)
    if market is None:
        return intents
    if is_silent(market.feed, link.opened_ns, now_ns):
        return [CloseStream(stream)]
    if market.feed.book_ok:
        return intents
    # 0 after a gap: ask at once.
    if now_ns - market.feed.resubscribed_ns > RESUBSCRIBE_RETRY_NS:
        intents.append(Resubscribe(stream))
    return intents


def _account_intents(state: State) -> list[Intent]:
    intents: list[Intent] = []
    if state.now_ns - state.time_asked_ns >= clock.ASK_EVERY_NS:
        intents.append(QueryTime())
    if state.now_ns - state.markets_asked_ns >= MARKETS_EVERY_NS:
        intents.append(QueryMarkets())
    if not intents or state.stopping_ns:
        return []
    # One that was given up may hang for a minute: it is not waited for.
    for request in state.requests.values():
        if isinstance(request.intent, QueryTime | QueryMarkets) and not request.expired:
            return []
    return intents


def _fees_intents(state: State, market: MarketState) -> list[Intent]:
    every_ns = FEES_RETRY_NS if market.fees is None else FEES_EVERY_NS
    if state.stopping_ns or state.now_ns - market.fees_asked_ns < every_ns:
        return []
    return [QueryFees(market.quoted.market.name)]


def _funding_intents(state: State, market: MarketState) -> list[Intent]:
    funding = market.inventory.funding
    if funding.request_seq or state.now_ns < funding.ask_at_ns or state.stopping_ns:
        return []
    if not funding.counted_s or market.quoted.market.product is not Product.PERPETUAL:
        # Payments count from the baseline on.
        return []
    return [QueryFunding(market.quoted.market.name, funding.offset)]


# --- reconciliation ---------------------------------------------------------------------------


def _recon_intents(state: State, market: MarketState) -> list[Intent]:
    recon = market.recon
    if recon.stage is _DONE or recon.request_seq or state.now_ns < recon.retry_at_ns:
        return []
    if state.links[PRIVATE].status is not LinkStatus.READY:
        return []
    name = market.quoted.market.name
    match recon.stage:
        case ReconStage.ORDERS:
            return [QueryOpenOrders(name, recon.offset)]
        case ReconStage.FILLS:
            return [QueryFills(name, recon.offset)]
        case ReconStage.BALANCES if market.quoted.market.product is Product.SPOT:
            return [QuerySpotBalances()]
        case ReconStage.BALANCES:
            return [QueryPositions(name)]
        case _:
            return [QueryMarginBalances()]


# --- the end ----------------------------------------------------------------------------------


def _arming(state: State, name: str) -> bool:
    """An arming without an answer may still arrive, and would outlive the disarming."""
    return any(
        isinstance(request.intent, ArmKillSwitch)
        and request.intent.market == name
        and not nonces.is_over(request.nonce, state.now_ns, state.offset_low_ns)
        for request in state.requests.values()
    )


def _shutdown_intents(state: State, market: MarketState) -> list[Intent]:
    """Cancel all; disarm only once every place is settled and a later query shows none open."""
    shutdown, timer = market.shutdown, market.kill_switch
    name = market.quoted.market.name
    if shutdown.disarmed or shutdown.cancel_request_seq or state.now_ns < shutdown.retry_at_ns:
        return []
    if not shutdown.cancelled_seq:
        return [CancelAll(name)]
    if confirmed_empty(market):
        busy = timer.request_seq or state.now_ns < timer.retry_at_ns or _arming(state, name)
        return [] if busy else [DisarmKillSwitch(name)]
    listed = market.recon.orders_asked_seq > shutdown.cancelled_seq
    if listed and market.live and not unsettled(market):
        # A place overtook the cancel.
        return [CancelAll(name)]
    return []


def finished(state: State) -> bool:
    """True when a stopping run may end clean: every market is empty, its timer disarmed, and every
    deal counted.

    The reconciliation that proved the first is waited for: a deal may have raced the cancel-all,
    and its push may still be on its way.
    """
    if not state.stopping_ns:
        return False
    if state.mode == "observe":
        return True
    return _disarmed(state) and all(
        market.recon.stage is ReconStage.DONE and not market.owing
        for market in state.markets.values()
    )


def overdue(state: State) -> bool:
    """True when a stopping run must give up."""
    deadline_ns = state.stopping_ns + state.settings.shutdown_deadline_ns
    # With a refused key, waiting would prove nothing.
    late = state.now_ns > deadline_ns or bool(state.halted)
    return state.stopping_ns > 0 and late and not finished(state)


def ending(state: State) -> RunEnded | None:
    """Return how a stopping run ends now; None while it goes on."""
    if finished(state):
        return RunEnded(clean=True, reason="stopped")
    if not overdue(state):
        return None
    if _disarmed(state):
        return RunEnded(clean=False, reason="no order is left, but deals may be missing")
    return RunEnded(clean=False, reason="orders not proved gone: kill-switch left armed")


def _disarmed(state: State) -> bool:
    return all(market.shutdown.disarmed for market in state.markets.values())
