"""What a human tells a running engine: hold a market back, let it go, change how it is quoted.

Every command is an event, folded here, so that a replay does what the human did. A command that
does not fit the state is refused before it is journaled; should one be found in a journal all the
same, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from engine import reconcile
from engine.errors import ConfigError
from engine.events import OperatorCommanded, Record
from engine.guards import account_forgiven, re_enabled
from engine.live_changes import changed, current, parse_changes
from engine.stages import CANCEL, FLATTEN, OFF, QUOTE, STOP, WIDEN, Hold, SideOff, Stage
from engine.state import MarketState, State, advance, held, with_market

RULE = "operator"
"""Name of the hold that these commands set and lift; limits have holds of their own."""
STAGES: Mapping[str, Stage] = {
    "widen": WIDEN,
    "pause": STOP,
    "cancel": CANCEL,
    "flatten": FLATTEN,
    "off": OFF,
}
"""Commands that hold a market back, and how far."""
SIDES: Mapping[str, SideOff] = {"buy": SideOff.SELL, "sell": SideOff.BUY}
"""Side to be quoted alone -> side that is off."""
SIDE, RESUME, ENABLE, SET, NOTE = "side", "resume", "enable", "set", "note"
COMMANDS = (*STAGES, SIDE, RESUME, ENABLE, SET, NOTE)
ARGUMENT_MAX = 8_192
"""Characters of an argument: a journal is no place for more."""


def refusal(state: State, event: OperatorCommanded) -> str:
    """Return why a command is not obeyed in a state; empty when it is."""
    try:
        _commanded(state, event)
    except ConfigError as error:
        return str(error)
    return ""


def commanded(state: State, record: Record, event: OperatorCommanded) -> State:
    """Fold a command."""
    try:
        markets = _commanded(state, event)
    except ConfigError:
        return advance(state, record)
    for market in markets:
        if event.command == ENABLE:
            state = account_forgiven(state, state.markets[market.quoted.market.name])
        since = tuple(
            [replace(h, since_ns=record.recv_ns) if h.since_ns < 0 else h for h in market.holds]
        )
        state = with_market(state, record, replace(market, holds=since, touched_seq=record.seq))
    return replace(advance(state, record), attention_seq=record.seq)


def differences(before: State, after: State) -> tuple[str, ...]:
    """Say what a command changed, a line each; empty when it was so already."""
    lines: list[str] = []
    for name, market in after.markets.items():
        lines += [f"{name}: {line}" for line in _differences(before.markets[name], market)]
    return tuple(lines)


# --- commands ---------------------------------------------------------------------------------


def _commanded(state: State, event: OperatorCommanded) -> list[MarketState]:
    # The markets as the command leaves them; a new hold has -1 for its time.
    if event.command not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise ConfigError(f"expected one of {known}, found {event.command[:40]!r}")
    if len(event.argument) > ARGUMENT_MAX:
        raise ConfigError(f"expected {ARGUMENT_MAX} characters at most, found more")
    if event.command == NOTE:
        if not event.argument.strip():
            raise ConfigError("note: expected a text, found none")
        return []
    if state.stopping_ns:
        raise ConfigError("the run is stopping: nothing is quoted any more")
    return [_obeyed(market, event) for market in _markets(state, event.market)]


def _markets(state: State, name: str) -> list[MarketState]:
    if not name:
        return list(state.markets.values())
    if name not in state.markets:
        known = ", ".join(state.markets)
        raise ConfigError(f"expected a market of this run ({known}), found {name[:40]!r}")
    return [state.markets[name]]


def _obeyed(market: MarketState, event: OperatorCommanded) -> MarketState:
    command, argument = event.command, event.argument
    if command == SET:
        return changed(market, parse_changes(argument))
    if command == SIDE:
        if argument not in SIDES:
            raise ConfigError(f"side: expected buy or sell, found {argument[:40]!r}")
        reason = f"only the {argument} side is quoted, by command"
        return _held(market, Hold(RULE, Stage.ONE_SIDE, reason, -1, True, SIDES[argument]))
    if argument:
        raise ConfigError(f"{command}: expected no argument, found {argument[:40]!r}")
    if command == RESUME:
        return held(market, Hold(RULE, QUOTE, ""))
    if command == ENABLE:
        return reconcile.start(re_enabled(market), "re-enabled by a human", blind=True)
    return _held(market, Hold(RULE, STAGES[command], f"{command}, by command", -1))


def _held(market: MarketState, hold: Hold) -> MarketState:
    before = next((each for each in market.holds if each.rule == RULE), hold)
    # The same command twice changes nothing, not even since when.
    return (
        market
        if replace(before, since_ns=-1) == hold and before is not hold
        else held(market, hold)
    )


# --- what it changed --------------------------------------------------------------------------


def _differences(before: MarketState, after: MarketState) -> list[str]:
    lines: list[str] = []
    if before.holds != after.holds:
        lines.append(f"held back: {_holds(before)} -> {_holds(after)}")
    if before.halted != after.halted:
        lines.append(f"no longer halted: {before.halted}")
    if before.quoted != after.quoted:
        old, new = current(before), current(after)
        lines += [f"{key}: {old.get(key)} -> {new[key]}" for key in new if old.get(key) != new[key]]
    return lines


def _holds(market: MarketState) -> str:
    named = [f"{hold.stage.name.lower()} ({hold.rule}: {hold.reason})" for hold in market.holds]
    return ", ".join(named) or "not at all"
