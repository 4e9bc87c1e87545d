"""What a human may change while a market is quoted, and what needs a new start.

A change is text, `key -> value`, as it would stand in the configuration; it is checked whole and
folded whole or not at all. Sizes, widths and limits are safe: the planner moves what rests to what
is wanted then. What an engine is built from (markets, strategies, the venue, timers) is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from engine.errors import ConfigError
from engine.inventory import position_lots
from engine.money import from_units, parse, to_units
from engine.reduce_limits import own_room
from engine.state import MarketState
from engine.strategy import Strategy, View, load_strategy
from engine.types import NO_LIMIT, Limits, Market, Product, Quoted

PARAMETERS = "parameters."
"""Before the name of a strategy's parameter; may be left out where no other key has that name."""
CHANGES_MAX = 64
"""Keys of one command; a strategy has about ten."""


class Unit(Enum):
    """How the text of a key becomes a number."""

    LOTS = "base asset"
    TICKS = "quote asset, a price"
    NOTIONAL = "quote asset, an amount"
    BPS = "basis points"
    COUNT = "count"


class Key(msgspec.Struct, frozen=True):
    """One key of a market that is safe to change, with its bounds in its own unit."""

    unit: Unit
    low: int
    high: int


_MOST = NO_LIMIT - 1
"""No limit but what a configuration can say, and a state hold."""

# Fields of `Limits`, by their names in the configuration.
LIMITS: Mapping[str, Key] = {
    "position_max": Key(Unit.LOTS, 1, _MOST),
    "order_notional_max": Key(Unit.NOTIONAL, 1, _MOST),
    "collar_bps": Key(Unit.BPS, 1, 1_000),
    "open_orders_max": Key(Unit.COUNT, 1, 100),
    "limits.widen_bps": Key(Unit.BPS, 1, 1_000),
    "limits.order_qty_max": Key(Unit.LOTS, 1, _MOST),
    "limits.position_notional_max": Key(Unit.NOTIONAL, 1, _MOST),
    "limits.fills_per_minute_max": Key(Unit.COUNT, 1, 100_000),
    "limits.loss_day_max": Key(Unit.NOTIONAL, 1, _MOST),
    "limits.drawdown_max": Key(Unit.NOTIONAL, 1, _MOST),
    "limits.flatten_collar_bps": Key(Unit.BPS, 1, 1_000),
}
# Fields of `Quoted`.
QUOTED: Mapping[str, Key] = {
    "price_tolerance": Key(Unit.TICKS, 0, _MOST),
    "inventory_target": Key(Unit.LOTS, 0, _MOST),
    "uptime_bps": Key(Unit.BPS, 1, 1_000),
}
SAFE: Mapping[str, Key] = {**LIMITS, **QUOTED}
UNSAFE: Mapping[str, str] = {
    "strategy": "its memory would be another's",
    "placement": "requests of the old kind may be on their way",
    "market": "streams, timers and reconciliation belong to the markets of a run",
    "venue": "orders of the old venue would be left behind",
    "engine": "timers already armed and requests already sent follow the old settings",
    "journal": "a run writes one journal",
    "operator": "a panic would not find the engine",
}
"""What needs a new start, by its first word, and why."""


def parse_changes(argument: str) -> dict[str, str]:
    """Read the changes of a command: a JSON object of texts.

    Raises:
        ConfigError: it is none, is empty, or too long.
    """
    try:
        changes = msgspec.json.decode(argument, type=dict[str, str])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ConfigError(f"expected an object of key and text: {error}") from error
    if not 0 < len(changes) <= CHANGES_MAX:
        raise ConfigError(f"expected 1 to {CHANGES_MAX} keys, found {len(changes)}")
    return changes


def changed(market: MarketState, changes: Mapping[str, str]) -> MarketState:
    """Return a market with its keys changed, all of them.

    Raises:
        ConfigError: a key that does not exist or is not safe to change, or a value that does not
            fit; names the key, what was expected and what was found.
    """
    quoted = market.quoted
    parameters: dict[str, str] = {}
    for key, text in changes.items():
        if key in SAFE:
            quoted = _with_number(quoted, key, text)
        else:
            parameters[_parameter(quoted, key)] = text
    if parameters:
        quoted = _with_parameters(quoted, parameters)
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    _check(quoted, strategy)
    position = position_lots(market.inventory, quoted.market, quoted.inventory_target)
    return own_room(replace(market, quoted=quoted, strategy=strategy, position=position))


def current(market: MarketState) -> dict[str, str]:
    """Return every key that may be changed live, with its value as text."""
    quoted = market.quoted
    values = {key: _text(quoted, key) for key in SAFE if _exists(quoted, key)}
    leaves = _leaves(_values(quoted), PARAMETERS)
    return {**values, **{key: _shown(value) for key, value in leaves}}


# --- numbers ----------------------------------------------------------------------------------


def _decimals(market: Market, unit: Unit) -> int:
    match unit:
        case Unit.LOTS:
            return market.qty_decimals
        case Unit.TICKS:
            return market.price_decimals
        case Unit.NOTIONAL:
            return market.notional_decimals
        case _:
            return 0


def _exists(quoted: Quoted, key: str) -> bool:
    # A perpetual's inventory is its position: its target is always 0.
    return key != "inventory_target" or quoted.market.product is Product.SPOT


def _with_number(quoted: Quoted, key: str, text: str) -> Quoted:
    rule, market = SAFE[key], quoted.market
    if not _exists(quoted, key):
        raise ConfigError(f"{key}: a perpetual has none, its inventory is the position itself")
    decimals = _decimals(market, rule.unit)
    try:
        value = to_units(parse(text), decimals)
    except ValueError as error:
        raise ConfigError(f"{key}: expected {_expected(rule, decimals)}: {error}") from error
    if value > _MOST:
        raise ConfigError(f"{key}: expected fewer than 2^62 units, found {text}")
    if not rule.low <= value <= rule.high:
        raise ConfigError(f"{key}: expected {_expected(rule, decimals)}, found {text}")
    field = key.rpartition(".")[2]
    if key in LIMITS:
        return replace(quoted, limits=replace(quoted.limits, **{field: value}))
    return replace(quoted, **{field: value})


def _expected(rule: Key, decimals: int) -> str:
    low = from_units(rule.low, decimals)
    if rule.high == _MOST:
        return f"{low} or more ({rule.unit.value}, {decimals} decimals at most)"
    return f"{low} to {rule.high} ({rule.unit.value})"


def _text(quoted: Quoted, key: str) -> str:
    holder: Limits | Quoted = quoted.limits if key in LIMITS else quoted
    value: int = getattr(holder, key.rpartition(".")[2])
    if value == NO_LIMIT:
        return "no limit"
    return str(from_units(value, _decimals(quoted.market, SAFE[key].unit)))


# --- parameters -------------------------------------------------------------------------------


def _parameter(quoted: Quoted, key: str) -> str:
    word = key.partition(".")[0]
    if word in UNSAFE:
        raise ConfigError(
            f"{key}: not safe to change while running, since {UNSAFE[word]}; stop, edit the "
            "configuration and start again"
        )
    name = key.removeprefix(PARAMETERS)
    known = asdict(load_strategy(quoted.strategy, quoted.parameters))
    if name.partition(".")[0] not in known:
        raise ConfigError(f"{key}: expected one of {', '.join((*SAFE, *known))}; found no such key")
    return name


def _values(quoted: Quoted) -> Any:
    # With every default filled in: what is not written can be changed too.
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    return msgspec.json.decode(msgspec.json.encode(strategy))


def _with_parameters(quoted: Quoted, changes: Mapping[str, str]) -> Quoted:
    values = _values(quoted)
    for key, text in changes.items():
        _put(values, key, text)
    try:
        strategy = load_strategy(quoted.strategy, msgspec.json.encode(values).decode())
    except ConfigError as error:
        raise ConfigError(f"{', '.join(changes)}: {error}") from error
    return replace(quoted, parameters=msgspec.json.encode(strategy).decode())


def _put(values: Any, key: str, text: str) -> None:
    # `ladder.0.qty` names a value inside the parameters; a number counts from the best level.
    *path, last = key.split(".")
    holder = values
    for part in path:
        holder = _inside(holder, part, key)
    before = _inside(holder, last, key)
    holder[int(last) if isinstance(holder, list) else last] = _read(text, before)


def _inside(holder: Any, part: str, key: str) -> Any:
    if isinstance(holder, dict) and part in holder:
        return holder[part]
    if isinstance(holder, list) and part.isascii() and part.isdecimal() and int(part) < len(holder):
        return holder[int(part)]
    raise ConfigError(f"{key}: expected a parameter that exists, found none at {part!r}")


def _read(text: str, before: Any) -> Any:
    # A decimal that is a text in the file stays one, so that no float stands in between.
    if isinstance(before, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = [(str(index), each) for index, each in enumerate(value)]
    else:
        return [(path.removesuffix("."), value)]
    return [leaf for key, each in inner for leaf in _leaves(each, f"{path}{key}.")]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _check(quoted: Quoted, strategy: Strategy) -> None:
    # What fits its type may still not fit the market, or another limit: better now than later.
    limits = quoted.limits
    if limits.flatten_collar_bps > limits.collar_bps:
        raise ConfigError(
            f"limits.flatten_collar_bps: expected at most collar_bps, {limits.collar_bps}, "
            f"found {limits.flatten_collar_bps}"
        )
    scale: int = 10**quoted.market.price_decimals
    bid, memory = 50_000 * scale, strategy.initial_memory()
    view = View(quoted.market, 0, bid, 1, bid + 1, 1, 0, limits.position_max, memory)
    try:
        strategy.quote(view)
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        # Whatever a strategy makes of values it cannot use, a running engine must not meet it.
        raise ConfigError(f"parameters: not usable: {type(error).__name__} {error}") from error
