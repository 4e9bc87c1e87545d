"""The parts of a state or an event by name: find one, show it, compare two.

A path names fields, keys and numbers, with dots between them: `markets.BTC_USDT.feed.book`. Orders,
holds and the like stand in tuples and are compared by their own name; a book is compared by price.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from engine.book import Book
from engine.errors import ConfigError
from engine.state import MarketState

ABSENT = "-"
"""Stands for what is not there on one side of a comparison."""

_NAMES = ("client_order_id", "rule", "deal_id", "order_id", "name", "asset", "trade_id")
"""Fields that name an element of a tuple, best first."""
_SAME_AGAIN = {MarketState: frozenset({"bids", "asks"})}
"""Fields that hold what another one holds too: `orders`, which is compared by id."""


class Change(msgspec.Struct, frozen=True):
    """One field that differs."""

    path: str
    old: Any
    new: Any
    """Builtins, as `named` gives them; `ABSENT` where it is not there."""


def find(value: Any, path: str) -> Any:
    """Return the part of a value that a path names; the whole for an empty path.

    Raises:
        ConfigError: there is no such part; the message says what there is.
    """
    done = ""
    for name in [part for part in path.split(".") if part]:
        parts = dict(_parts(value))
        if name not in parts:
            there = ", ".join(list(parts)[:40]) or "nothing"
            raise ConfigError(f"path {path}: expected one of {there} in {done or 'the whole'}")
        value = parts[name]
        done = f"{done}.{name}" if done else name
    return value


def named(value: Any) -> Any:
    """Return a value as JSON can show it: fields by name, money as exact text, bytes as text."""
    if isinstance(value, msgspec.Struct):
        fields = {name: named(getattr(value, name)) for name in value.__struct_fields__}
        tag = value.__struct_config__.tag
        return fields if tag is None else {"type": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): named(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [named(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return value.decode() if value.isascii() and value[:1] in b"{[" else value.hex()
    if isinstance(value, enum.IntEnum):
        return value.name
    return value.value if isinstance(value, enum.Enum) else value


def changes(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Yield each field that differs between two values, in their order."""
    # What was not touched is the same object, which makes a comparison of two neighbours cheap.
    if old is new or (type(old) is type(new) and old == new):
        return
    before, after = _compared(old), _compared(new)
    if before is None or after is None or type(old) is not type(new):
        yield Change(path, named(old), named(new))
        return
    skipped = _SAME_AGAIN.get(type(old), frozenset())
    for name in [*before, *(name for name in after if name not in before)]:
        if name in skipped:
            continue
        here = f"{path}.{name}" if path else name
        if name not in before:
            yield Change(here, ABSENT, named(after[name]))
        elif name not in after:
            yield Change(here, named(before[name]), ABSENT)
        else:
            yield from changes(before[name], after[name], here)


def _compared(value: Any) -> dict[str, Any] | None:
    # The parts that are compared one by one; None for what is compared as a whole.
    if isinstance(value, Book):
        return _levels(value)
    if isinstance(value, tuple):
        # Numbers in a row mean nothing one by one.
        structs = all(isinstance(item, msgspec.Struct) for item in value)
        return dict(_parts(value)) if structs and value else None
    if isinstance(value, msgspec.Struct | dict):
        return dict(_parts(value))
    return None


def _levels(book: Book) -> dict[str, Any]:
    return {
        "bids": dict(zip(book.bid_prices, book.bid_qtys, strict=True)),
        "asks": dict(zip(book.ask_prices, book.ask_qtys, strict=True)),
        "update_id": book.update_id,
        "venue_us": book.venue_us,
    }


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield name, getattr(value, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key), item
    elif isinstance(value, tuple):
        names = [_name_of(item) for item in value]
        by_name = "" not in names and len(set(names)) == len(names)
        for number, item in enumerate(value):
            yield names[number] if by_name else str(number), item


def _name_of(item: Any) -> str:
    if isinstance(item, msgspec.Struct):
        for name in _NAMES:
            if found := getattr(item, name, ""):
                return str(found)
    return ""
