"""The venue's timers that cancel everything once nobody refreshes them: when to arm, what it says.

Theory of operation. Each market has one timer (contract 10.8). It is armed before the first order
and refreshed by intents of the step loop itself, so that a loop that hangs stops refreshing. While
the engine is blind it is not refreshed, for then the venue shall clear the orders. A refresh that
fails is tried again; before the timer can fire, what rests is cancelled in the open rather than
left to it, and nothing is quoted until a refresh comes through. Now and then the venue is asked
which timers it has: another program of the account may have changed them.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.anomalies import unexpected
from engine.events import KillSwitchArmed, KillSwitchDisarmed, KillSwitchesListed, Record
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    DisarmKillSwitch,
    Intent,
    QueryKillSwitch,
)
from engine.orders import Pending
from engine.state import PRIVATE, InFlight, LinkStatus, MarketState, State, with_market
from engine.stopping import KillSwitch
from engine.types import Settings

NS_PER_S = 1_000_000_000
CHECK_EVERY_NS = 20 * NS_PER_S
"""The venue is asked for its timers this often: longer than the default timer would need to fire
unseen, and few requests."""


# --- what is due ------------------------------------------------------------------------------


def timer_intents(state: State, market: MarketState) -> list[Intent]:
    """Return what one market's timer needs now: a refresh, or everything cancelled while it runs.

    A stopping run cancels everything by itself, and orders found at a start, before the timer was
    ever armed, are reconciliation's.
    """
    intents: list[Intent] = []
    name, timer, shutdown = market.quoted.market.name, market.kill_switch, market.shutdown
    if _is_due(state, market):
        intents.append(ArmKillSwitch(name, state.settings.kill_switch_timeout_s))
    if (
        0 < timer.escalate_at_ns <= state.now_ns
        and market.live
        and not state.stopping_ns
        and not shutdown.cancel_request_seq
        and state.now_ns >= shutdown.retry_at_ns
    ):
        intents.append(CancelAll(name))
    return intents


def _is_due(state: State, market: MarketState) -> bool:
    timer, now_ns = market.kill_switch, state.now_ns
    if market.shutdown.disarmed or timer.request_seq or now_ns < timer.retry_at_ns:
        return False
    if timer.refreshed_ns and now_ns - timer.refreshed_ns < refresh_ns(state.settings):
        return False
    if state.latched or state.links[PRIVATE].status is not LinkStatus.READY:
        return False
    if any(order.unknown and order.pending is Pending.CANCEL for order in market.live):
        return False
    if not state.stopping_ns:
        return True
    return timer.armed_until_ns > 0 and not confirmed_empty(market)


def refresh_ns(settings: Settings) -> int:
    """Return the time between two refreshes of a timer."""
    return settings.kill_switch_refresh_ns or settings.kill_switch_timeout_s * NS_PER_S // 4


def check_intents(state: State) -> list[Intent]:
    """Ask which timers there are, once all are armed and then every `CHECK_EVERY_NS`.

    Not while one is being armed, or is to be since an answer was lost: of that one the answer would
    say nothing.
    """
    if state.stopping_ns or state.now_ns - state.timers_asked_ns < CHECK_EVERY_NS:
        return []
    for market in state.markets.values():
        timer = market.kill_switch
        if not timer.armed_until_ns or _is_doubtful(timer) or _is_due(state, market):
            return []
    return [QueryKillSwitch("")]


def _is_doubtful(timer: KillSwitch) -> bool:
    # A refresh is in flight, or the last one failed, and may have come all the same.
    return bool(timer.request_seq or timer.retry_at_ns)


def confirmed_empty(market: MarketState) -> bool:
    """A listing asked after the cancel-all shows nothing of ours, and nothing is in flight."""
    shutdown = market.shutdown
    return (
        shutdown.cancelled_seq > 0
        and not market.live
        and market.recon.orders_asked_seq > shutdown.cancelled_seq
    )


# --- what the venue says ----------------------------------------------------------------------


def answered(
    state: State,
    record: Record,
    request: InFlight,
    event: KillSwitchArmed | KillSwitchDisarmed,
) -> State:
    """Fold the answer to arming or disarming."""
    intent = request.intent
    if not isinstance(intent, ArmKillSwitch | DisarmKillSwitch):
        return unexpected(state, record, event)
    market = state.markets.get(intent.market)
    if market is None:
        return state
    if isinstance(event, KillSwitchDisarmed) or isinstance(intent, DisarmKillSwitch):
        shutdown = replace(market.shutdown, disarmed=True)
        market = replace(market, kill_switch=KillSwitch(), shutdown=shutdown)
        return with_market(state, record, market)
    before, sent_ns, expiry_s = market.kill_switch, request.sent_ns, event.timer.expiry_s
    if sent_ns < before.refreshed_ns:
        # A later refresh was answered first. The venue counts from the one that it took last.
        sent_ns, expiry_s = before.refreshed_ns, max(expiry_s, before.expiry_s)
    timer = KillSwitch(
        # The venue counts whole seconds, so it may fire up to one second early by our clock.
        armed_until_ns=sent_ns + (intent.timeout_s - 1) * NS_PER_S,
        refreshed_ns=sent_ns,
        request_seq=0 if before.request_seq == record.cause_seq else before.request_seq,
        escalate_at_ns=sent_ns + intent.timeout_s * NS_PER_S * 2 // 3,
        expiry_s=expiry_s,
        answered_seq=record.seq,
    )
    return with_market(state, record, replace(market, kill_switch=timer, touched_seq=record.seq))


def failed(state: State, record: Record, name: str, retry_at_ns: int) -> State:
    """Arming or disarming was refused, throttled or lost: try again, unless it was tried since."""
    market = state.markets.get(name)
    if market is None or market.kill_switch.request_seq != record.cause_seq:
        return state
    timer = replace(market.kill_switch, request_seq=0, retry_at_ns=retry_at_ns)
    return with_market(state, record, replace(market, kill_switch=timer))


def listed(state: State, record: Record, event: KillSwitchesListed) -> State:
    """Compare the venue's timers with what we armed; one that differs is armed anew at once.

    A listing says nothing of a timer that was armed, or is being armed, since it was asked for.
    """
    expiries = {timer.market: timer.expiry_s for timer in event.timers}
    for name, market in state.markets.items():
        timer = market.kill_switch
        if _is_doubtful(timer) or not 0 < timer.answered_seq < record.cause_seq:
            continue
        expiry_s = expiries.get(name, 0)
        has_fired = not expiry_s and record.recv_ns >= timer.armed_until_ns
        if expiry_s == timer.expiry_s or has_fired:
            continue
        state = replace(
            with_market(state, record, replace(market, kill_switch=_doubted(timer, expiry_s))),
            anomalies=state.anomalies + 1,
            last_anomaly=(
                f"seq {record.seq}: {name}: the kill-switch was to fire at {timer.expiry_s}, "
                f"and the venue says {expiry_s or 'that there is none'}: another program?"
            ),
        )
    return state


def _doubted(timer: KillSwitch, expiry_s: int) -> KillSwitch:
    if not expiry_s:
        return KillSwitch()
    earlier_ns = max(0, timer.expiry_s - expiry_s) * NS_PER_S
    return replace(
        timer,
        armed_until_ns=timer.armed_until_ns - earlier_ns,
        escalate_at_ns=timer.escalate_at_ns - earlier_ns,
        expiry_s=expiry_s,
        refreshed_ns=0,
    )
