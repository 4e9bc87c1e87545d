"""Say in words where two values differ: by name, with units, and both values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from engine.intents import IntentBase
from engine.types import Market
from replay.units import shortened, shown, singular, spaced

MOST = 20
"""Differences named of one pair of values: enough to see what they have in common."""
_MISSING = object()
_LEVELS = ("prices", "qtys")
_ID_FIELDS = ("client_order_id", "deal_id", "asset", "rule", "name", "order_id", "trade_id")

Markets = Mapping[str, Market]


def differences(
    recorded: Any, recomputed: Any, markets: Markets | None = None, most: int = MOST
) -> list[str]:
    """Name the fields in which two values differ, in order, at most so many; empty for equals.

    Structs are walked by field, sequences by place, mappings by key.

    Args:
        recorded: What a journal holds.
        recomputed: What came out now.
        markets: By name, so that ticks and lots are shown as what they are worth.
        most: How many to name.
    """
    return list(islice(_walk(recorded, recomputed, "", "", None, markets or {}), most))


def first_difference(recorded: Any, recomputed: Any, markets: Markets | None = None) -> str:
    """Name the first field in which two values differ; empty when they are equal."""
    return next(iter(differences(recorded, recomputed, markets, 1)), "")


def _walk(
    left: Any, right: Any, path: str, name: str, market: Market | None, markets: Markets
) -> Iterator[str]:
    # `name` is that of the field which holds the values, and `market` whose units they have.
    if left == right and type(left) is type(right):
        return
    if isinstance(left, msgspec.Struct) and type(left) is type(right):
        market = _market_of(left, markets) or market
        for field in left.__struct_fields__:
            values = getattr(left, field), getattr(right, field)
            yield from _walk(*values, _join(path, spaced(field)), field, market, markets)
    elif isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*left, *right)):
            place = _join(path, str(key))
            inner = markets.get(key, market) if isinstance(key, str) else market
            values = left.get(key, _MISSING), right.get(key, _MISSING)
            yield from _walk(*values, place, name, inner, markets)
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        yield from _sequences(left, right, path, name, market, markets)
    elif name == "body" and isinstance(left, bytes) and isinstance(right, bytes):
        yield from body_differences(left, right)
    elif right is _MISSING:
        yield f"{path}: recorded {_either(name, left, market)}, not there recomputed"
    elif left is _MISSING:
        yield f"{path}: not there recorded, recomputed {_either(name, right, market)}"
    else:
        both = _either(name, left, market), _either(name, right, market)
        yield f"{path}: recorded {both[0]}, recomputed {both[1]}"


def _either(name: str, value: Any, market: Market | None) -> str:
    if isinstance(value, msgspec.Struct):
        return shortened(called(value))
    return shown(name, value, market)


def _sequences(
    left: Any, right: Any, path: str, name: str, market: Market | None, markets: Markets
) -> Iterator[str]:
    count = max(len(left), len(right))
    for index in range(min(len(left), len(right))):
        a, b = left[index], right[index]
        if a == b and type(a) is type(b):
            continue
        if type(a) is not type(b) or _identity(a) != _identity(b):
            # What comes behind has moved, so that comparing it by place would say nothing.
            where = _place(path, name, index, count, None)
            yield f"{where}: recorded {_item(name, a, market)}, recomputed {_item(name, b, market)}"
            break
        yield from _walk(a, b, _place(path, name, index, count, a), name, market, markets)
    if len(left) != len(right):
        longer, word = (left, "recorded") if len(left) > len(right) else (right, "recomputed")
        extra = _item(name, longer[min(len(left), len(right))], market)
        yield f"{path}: only {word}: {extra} ({len(left)} recorded, {len(right)} recomputed)"


def _place(path: str, name: str, index: int, count: int, item: Any) -> str:
    if name.endswith(_LEVELS):
        return _join(path, f"level {index}")
    text = f"{singular(name)} {index + 1} of {count}"
    if isinstance(item, msgspec.Struct) and (known := called(item)):
        text += f" ({known})"
    # "intents, intent 1 of 2" says one thing twice.
    return _join(path.rpartition(", ")[0] if path.endswith(spaced(name)) else path, text)


def _join(path: str, more: str) -> str:
    return f"{path}, {more}" if path else more


def _item(name: str, value: Any, market: Market | None) -> str:
    if isinstance(value, msgspec.Struct):
        return shortened(called(value))
    return shown(name, value, market)


def _identity(value: Any) -> Any:
    # What makes an item the same one in both sequences; None where only its place does.
    if not isinstance(value, msgspec.Struct):
        return None
    for field in _ID_FIELDS:
        if field in value.__struct_fields__:
            return getattr(value, field)
    return None


def called(value: msgspec.Struct) -> str:
    """Return in a few words which intent, order, level or other value it is."""
    kind = spaced(type(value).__name__)
    fields = value.__struct_fields__
    parts = [kind]
    if "client_order_id" in fields:
        parts.append(str(getattr(value, "client_order_id", "")))
    elif (identity := _identity(value)) is not None:
        parts.append(str(identity))
    if "side" in fields:
        parts.append(shown("side", getattr(value, "side", None)))
    if "level" in fields:
        parts.append(f"level {getattr(value, 'level', '')}")
    if reason := getattr(value, "reason", ""):
        parts[-1] += f": {reason}"
    if isinstance(value, IntentBase):
        target = getattr(value, "market", "") or getattr(value, "stream", "")
        if target:
            parts.append(f"on {target}")
        if (orders := getattr(value, "orders", None)) is not None:
            parts[0] = f"place {len(orders)} order{'s' * (len(orders) != 1)}"
    elif len(parts) == 1:
        return shortened(repr(value))
    return " ".join(parts)


def _market_of(value: msgspec.Struct, markets: Markets) -> Market | None:
    if isinstance(value, Market):
        return value
    name = getattr(value, "market", None)
    return markets.get(name) if isinstance(name, str) else None


# --- request bodies -------------------------------------------------------------------------------


def body_differences(recorded: bytes, recomputed: bytes) -> Iterator[str]:
    """Say in which members two JSON bodies differ, or in what order they have them."""
    try:
        left, right = msgspec.json.decode(recorded), msgspec.json.decode(recomputed)
    except msgspec.DecodeError:
        left = right = None  # frames of a stream come as lines, an empty body as nothing
    found = False
    if isinstance(left, dict) and isinstance(right, dict):
        for difference in _members(left, right, "body"):
            found = True
            yield difference
    if not found:
        at = next(
            (
                n
                for n, pair in enumerate(zip(recorded, recomputed, strict=False))
                if len({*pair}) > 1
            ),
            min(len(recorded), len(recomputed)),
        )
        yield (
            f"body: from byte {at} on recorded {_text(recorded[at:])},"
            f" recomputed {_text(recomputed[at:])}"
        )


def _members(left: Any, right: Any, path: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*left, *right)):
            a, b = left.get(key, _MISSING), right.get(key, _MISSING)
            if a is _MISSING or b is _MISSING:
                here = "not there" if a is _MISSING else _json(a)
                there = "not there" if b is _MISSING else _json(b)
                yield f"{path}, {key}: recorded {here}, recomputed {there}"
            else:
                yield from _members(a, b, f"{path}, {key}")
        if left.keys() == right.keys() and [*left] != [*right]:
            yield (
                f"{path}, order of members: recorded {', '.join(left)};"
                f" recomputed {', '.join(right)}"
            )
    elif isinstance(left, list) and isinstance(right, list):
        for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
            yield from _members(a, b, f"{path} {number}")
        if len(left) != len(right):
            yield f"{path}: recorded {len(left)}, recomputed {len(right)}"
    elif left != right or type(left) is not type(right):
        yield f"{path}: recorded {_json(left)}, recomputed {_json(right)}"


def _json(value: Any) -> str:
    return shortened(msgspec.json.encode(value).decode())


def _text(data: bytes) -> str:
    return shortened(data.decode("utf-8", "replace")) if data else "nothing"
