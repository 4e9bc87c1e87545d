"""The kill-switch round trip: the one check that changes something, for less than a second.

It arms a timer of ten minutes on one market, sees it listed, removes it and sees it gone. Only
where no timer is armed and no order rests, so that neither an engine's timer is replaced nor an
order is cancelled should the way back be lost.
"""

from __future__ import annotations

import trio

from adapters.cli.checks.base import Finding, Patient, failed, passed, refusal_words, skipped
from engine.errors import RemoteProtocolError
from engine.events import KillSwitchArmed, KillSwitchesListed
from engine.intents import ArmKillSwitch, DisarmKillSwitch, QueryKillSwitch
from engine.types import KillSwitchTimer, Market

TIMEOUT_S = 600
"""The longest there is (5.6), far from what a run arms."""
TRIES = 3
PAUSE_S = 1.0


async def kill_switch(patient: Patient) -> Finding:
    """Arm, see, disarm, see."""
    learned = patient.learned
    free = [
        market
        for name, market in learned.markets.items()
        if name not in learned.armed and not learned.resting[name]
    ]
    if not free:
        return skipped("timers are armed or orders rest on every market, and are left alone")
    market, problem, left = free[0], "the check was interrupted", ""
    try:
        problem = await _round(patient, market)
    finally:
        # Whatever happened, what may be armed is removed before anything else is done.
        with trio.CancelScope(shield=True):
            left = await _removed(patient, market)
    if left:
        return failed(problem or f"disarming {market.name} could not be proved", left)
    if problem:
        return failed(problem, "do not trade without it")
    return passed(f"{market.name}: armed for {TIMEOUT_S} s, seen, disarmed, seen gone")


async def _round(patient: Patient, market: Market) -> str:
    # Arm and see; returns what went wrong.
    try:
        armed = await patient.ask(ArmKillSwitch(market.name, TIMEOUT_S), market)
        if not isinstance(armed, KillSwitchArmed):
            return f"arming {market.name}: {refusal_words(armed)}"
        if not _is_ours(await _timer(patient, market)):
            return f"{market.name}: armed, but not listed as armed"
    except RemoteProtocolError as error:
        return str(error)
    return ""


def _is_ours(timer: KillSwitchTimer | None) -> bool:
    # Told by its span, in whole seconds that the venue may round.
    return timer is not None and abs(timer.expiry_s - timer.start_s - TIMEOUT_S) <= 1


async def _timer(patient: Patient, market: Market) -> KillSwitchTimer | None:
    event = await patient.ask(QueryKillSwitch(market.name))
    if not isinstance(event, KillSwitchesListed):
        raise RemoteProtocolError(f"kill-switch of {market.name}: {refusal_words(event)}")
    return next((timer for timer in event.timers if timer.market == market.name), None)


async def _removed(patient: Patient, market: Market) -> str:
    # Return what is left to do by hand; nothing once no timer of ours is seen any more.
    for attempt in range(TRIES):
        if attempt:
            await trio.sleep(PAUSE_S)
        try:
            found = await _timer(patient, market)
            # Any other is a timer that an engine has armed since.
            if not _is_ours(found):
                return ""
            await patient.ask(DisarmKillSwitch(market.name), market)
            if await _timer(patient, market) is None:
                return ""
        except RemoteProtocolError:
            continue
    return (
        f"a timer of {TIMEOUT_S} s may be armed on {market.name}: when it ends, the venue cancels "
        "every order of the account there; a run replaces it at its start"
    )
