"""What a what-if changes of a recorded run: parameters, limits, the strategy.

A change holds for the whole run: it is made again after each record by which the run itself
changed what it quotes by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.errors import ConfigError
from engine.events import AnyEvent, OperatorCommanded, ParametersChanged, Record, RunStarted
from engine.live_changes import PARAMETERS, changed
from engine.reduce import HANDLERS
from engine.state import MarketState, State, advance
from engine.strategy import load_strategy, strategy_class

RESETS = (RunStarted, ParametersChanged, OperatorCommanded)
"""Events that may undo a change."""


class Changes(msgspec.Struct, frozen=True):
    """What is to be otherwise than recorded."""

    strategy: str = ""
    """Registered name; empty for the recorded one. It takes over what parameters it knows."""
    keys: tuple[tuple[str, str], ...] = ()
    """`key` or `MARKET.key`, and its value as text, as `quotefold ctl set` takes them."""
    markets: tuple[str, ...] = ()
    """Names that a key may begin with, besides those of the run at hand: of other runs."""

    @property
    def is_none(self) -> bool:
        return not (self.strategy or self.keys)

    def applied(self, state: State) -> State:
        """Return a state whose markets are quoted by what is changed.

        Raises:
            ConfigError: a key, a value or a strategy that does not fit; names it.
        """
        if self.is_none:
            return state
        markets = {
            name: self._changed(market, name, tuple(state.markets))
            for name, market in state.markets.items()
        }
        return replace(state, markets=markets)

    def fold(self, state: State, record: Record) -> State:
        """Fold a recorded record into a state that is changed, which it stays.

        Raises:
            ConfigError: as `applied`.
        """
        event: AnyEvent = record.event
        if self.strategy and isinstance(event, ParametersChanged):
            # They are those of another strategy.
            return advance(state, record)
        state = HANDLERS[type(event)](state, record, event)
        return self.applied(state) if isinstance(event, RESETS) else state

    def _changed(self, market: MarketState, name: str, names: tuple[str, ...]) -> MarketState:
        keys = dict(_keys_of(self.keys, name, (*names, *self.markets)))
        if self.strategy and market.quoted.strategy != self.strategy:
            market = _with_strategy(market, self.strategy, keys)
        return changed(market, keys) if keys else market


def parse_changes(texts: Iterable[str], strategy: str = "", markets: Iterable[str] = ()) -> Changes:
    """Read changes as they stand on a command line, `key=value` or `MARKET.key=value`.

    Args:
        texts: Of the keys.
        strategy: Registered name; empty for the recorded one.
        markets: Names of those that any run quotes.

    Raises:
        ConfigError: one has no key, no value, or is given twice.
    """
    keys: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value) or key in keys:
            raise ConfigError(f"--set: expected KEY=VALUE, each key once, found {text!r}")
        keys[key] = value
    return Changes(strategy, tuple(keys.items()), tuple(markets))


def _keys_of(
    keys: tuple[tuple[str, str], ...], name: str, names: tuple[str, ...]
) -> list[tuple[str, str]]:
    # What is said of one market comes after, and so above, what is said of all.
    general = [(key, text) for key, text in keys if key.partition(".")[0] not in names]
    own = [(key.partition(".")[2], text) for key, text in keys if key.partition(".")[0] == name]
    return general + own


def _with_strategy(market: MarketState, name: str, keys: dict[str, str]) -> MarketState:
    fields = {field.encode_name for field in msgspec.structs.fields(strategy_class(name))}
    quoted = market.quoted
    before: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(load_strategy(quoted.strategy, quoted.parameters))
    )
    values = {key: value for key, value in before.items() if key in fields}
    for key, text in keys.items():
        parameter = key.removeprefix(PARAMETERS)
        if parameter in fields:
            values[parameter] = _read(text, values.get(parameter))
    try:
        strategy = load_strategy(name, msgspec.json.encode(values).decode())
    except ConfigError as error:
        raise ConfigError(f"--strategy {name}: {error}; give what it needs by --set") from error
    parameters = msgspec.json.encode(strategy).decode()
    return replace(
        market,
        quoted=replace(quoted, strategy=name, parameters=parameters),
        strategy=strategy,
        memory=strategy.initial_memory(),
    )


def _read(text: str, before: Any) -> Any:
    if isinstance(before, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text
