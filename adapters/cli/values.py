"""Fields of a state as people read them: prices and quantities in the market's own decimals."""

from __future__ import annotations

import json
from typing import Any

from adapters.cli.figures import fixed_units
from adapters.cli.words import clock_time
from engine.money import format_units
from engine.state import State
from engine.types import NO_LIMIT, Market
from replay.fields import Change

_PRICES = frozenset({
    "price", "wanted_price", "bid_price", "ask_price", "last_trade", "price_tolerance",
})  # fmt: skip
_DOUBLE_PRICES = frozenset({"mid2", "mark2"})
_QTYS = frozenset({
    "qty", "leaves_qty", "filled_qty", "wanted_qty", "bid_qty", "ask_qty", "buy_worst",
    "sell_worst", "position", "net_qty", "bought_qty", "sold_qty", "long_max", "short_max",
    "inventory_max", "inventory_target", "position_max", "order_qty_max", "long", "short",
    "dealt_qty",
})  # fmt: skip
_NOTIONALS = frozenset({
    "cash", "order_notional_max", "position_notional_max", "loss_day_max", "drawdown_max",
})  # fmt: skip
_DOUBLE_NOTIONALS = frozenset({"pnl2", "day_pnl2", "peak_pnl2", "spread"})
_LEVELS = ("bids", "asks", "own_bids", "own_asks")
_WIDTH = 120


def change_line(change: Change, state: State) -> str:
    """Write one difference: `path: old -> new`."""
    market, path = _market_of(change.path, state), change.path.split(".")
    if market is not None and len(path) > 1 and path[-2] in _LEVELS and path[-1].isdigit():
        # A level of a book is named by its price.
        path[-1] = fixed_units(int(path[-1]), market.price_decimals)
        values = [_lots(value, market) for value in (change.old, change.new)]
    else:
        values = [shown(path[-1], value, market) for value in (change.old, change.new)]
    return f"{'.'.join(path)}: {values[0]} -> {values[1]}"


def _market_of(path: str, state: State) -> Market | None:
    names = path.split(".")
    if len(names) > 2 and names[0] == "markets" and names[1] in state.markets:
        return state.markets[names[1]].quoted.market
    return None


def _lots(value: Any, market: Market) -> str:
    if isinstance(value, int):
        return format_units(value, market.qty_decimals)
    return _text(value)


def shown(name: str, value: Any, market: Market | None) -> str:
    """Write the value of a field, exactly.

    Args:
        name: Of the field.
        value: Builtins, as `replay.fields.named` gives them.
        market: Whose decimals count; None where it has none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value == NO_LIMIT:
            return "no limit"
        if name.endswith("_ns") and value > 10**17:
            return clock_time(value)
        if market is not None:
            return _units(name, value, market)
    return _text(value)


def _units(name: str, value: int, market: Market) -> str:
    if name in _PRICES:
        return fixed_units(value, market.price_decimals)
    if name in _QTYS:
        return format_units(value, market.qty_decimals)
    if name in _NOTIONALS:
        return format_units(value, market.notional_decimals)
    if name in _DOUBLE_PRICES:
        return f"{format_units(5 * value, market.price_decimals + 1)} (half of {name})"
    if name in _DOUBLE_NOTIONALS:
        return f"{format_units(5 * value, market.notional_decimals + 1)}"
    return str(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or '""'
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
