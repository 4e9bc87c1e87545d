"""Fold what the venue says of the timers that cancel everything when nobody refreshes them."""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import KillSwitchArmed, KillSwitchDisarmed, Record
from engine.intents import ArmKillSwitch, DisarmKillSwitch
from engine.state import InFlight, KillSwitch, State, unexpected, with_market

NS_PER_S = 1_000_000_000


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
    if isinstance(intent, DisarmKillSwitch):
        shutdown = replace(market.shutdown, disarmed=True)
        market = replace(market, kill_switch=KillSwitch(), shutdown=shutdown)
        return with_market(state, record, market)
    # The venue counts whole seconds, so it may fire up to one second early by our clock.
    armed_until_ns = request.sent_ns + (intent.timeout_s - 1) * NS_PER_S
    timer = KillSwitch(armed_until_ns=armed_until_ns, refreshed_ns=request.sent_ns)
    return with_market(state, record, replace(market, kill_switch=timer, touched_seq=record.seq))
