"""Values in words: ticks as prices, lots as quantities, nanoseconds as seconds."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

from engine.money import format_units
from engine.types import Market

LENGTH_MAX = 200
"""Characters shown of one value; what is longer is cut in its middle, where least is known."""
_EPOCH_NS = 10**17
"""Nanoseconds beyond this are a moment, not a duration: three years."""
_TIME_DECIMALS = {"ns": 9, "us": 6, "ms": 3, "s": 0}
_LOTS = frozenset({"position", "qty", "qtys", "buy_worst", "sell_worst", "inventory_target"})
_LOTS |= {"long_max", "short_max", "position_max", "inventory_max", "long", "short"}


def shown(name: str, value: Any, market: Market | None = None) -> str:
    """Return a field's value with its unit.

    Args:
        name: Of the field, which tells the unit (STYLE section 2).
        value: What it holds.
        market: Whose ticks and lots they are; without one they are shown as such.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value if isinstance(value.value, str) else value.name.lower())
    if isinstance(value, int):
        return _number(name, value, market)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 32 and not value.isascii() else shortened(repr(value))
    return shortened(repr(value))


def _number(name: str, value: int, market: Market | None) -> str:
    last = name.rpartition("_")[2]
    if last in ("price", "prices", "ticks", "trade", "tolerance"):
        return price(value, market)
    if name in _LOTS or last in ("qty", "qtys", "lots"):
        return quantity(value, market)
    if "notional" in name and market is not None:
        return f"{format_units(value, market.notional_decimals)} {market.quote_asset}"
    if last == "bps":
        return f"{value} bps"
    if last in _TIME_DECIMALS and "_" in name:
        text = format_units(value, _TIME_DECIMALS[last])
        return (
            f"{text} s since 1970"
            if value * 10 ** (9 - _TIME_DECIMALS[last]) > _EPOCH_NS
            else (f"{text} s")
        )
    if last == "seq":
        return f"seq {value}"
    return str(value)


def price(ticks: int, market: Market | None) -> str:
    """Return a price with its asset, and in ticks."""
    if market is None:
        return f"{ticks} ticks"
    return f"{format_units(ticks, market.price_decimals)} {market.quote_asset} ({ticks} ticks)"


def quantity(lots: int, market: Market | None) -> str:
    """Return a quantity with its asset, and in lots."""
    if market is None:
        return f"{lots} lots"
    return f"{format_units(lots, market.qty_decimals)} {market.base_asset} ({lots} lots)"


def plain_price(ticks: int, market: Market | None) -> str:
    """Return a price as a bare number, for texts that name the market."""
    return str(ticks) if market is None else format_units(ticks, market.price_decimals)


def plain_quantity(lots: int, market: Market | None) -> str:
    """Return a quantity as a bare number, for texts that name the market."""
    return str(lots) if market is None else format_units(lots, market.qty_decimals)


def shortened(text: str) -> str:
    """Cut a text in its middle where it is too long."""
    half = LENGTH_MAX // 2 - 3
    return text if len(text) <= LENGTH_MAX else f"{text[:half]} ... {text[-half:]}"


def spaced(name: str) -> str:
    """Return the name of a field or a class as words."""
    text = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return text.replace("_", " ").strip()


def singular(name: str) -> str:
    """Return the name of one item of a field that holds many."""
    words = spaced(name)
    for ending, instead in (("ies", "y"), ("boxes", "box"), ("s", "")):
        if words.endswith(ending):
            return words[: -len(ending)] + instead
    return words
