"""One record of each kind of event, and one decision for each kind of intent, with odd values."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

from msgspec import inspect

from engine.events import AnyEvent, Decided, Record
from engine.intents import Intent


def samples() -> dict[str, Record]:
    """Return the records, by the name of the event or the intent."""
    numbers = count(3)
    events = {kind.__name__: _made(inspect.type_info(kind), numbers) for kind in _types(AnyEvent)}
    for kind in _types(Intent):
        events[kind.__name__] = Decided((_made(inspect.type_info(kind), numbers),), ())
    return {
        name: Record(seq, 10**18 + seq, seq - 1, event)
        for seq, (name, event) in enumerate(events.items(), 2)
    }


def _types(union: Any) -> Iterator[type]:
    yield from union.__args__


def _made(kind: inspect.Type, numbers: Iterator[int]) -> Any:
    # A value of a type in which no two numbers or texts are the same.
    if isinstance(kind, inspect.StructType):
        return kind.cls(*[_made(field.type, numbers) for field in kind.fields])
    if isinstance(kind, inspect.VarTupleType):
        return (_made(kind.item_type, numbers), _made(kind.item_type, numbers))
    if isinstance(kind, inspect.TupleType):
        return tuple(_made(item, numbers) for item in kind.item_types)
    if isinstance(kind, inspect.UnionType):
        return _made(kind.types[0], numbers)
    if isinstance(kind, inspect.EnumType):
        members: list[enum.Enum] = list(kind.cls)
        return members[next(numbers) % len(members)]
    return _plain(kind, next(numbers))


def _plain(kind: inspect.Type, number: int) -> Any:
    if isinstance(kind, inspect.BoolType):
        return number % 2 == 0
    if isinstance(kind, inspect.IntType):
        return number * 1_000_003
    if isinstance(kind, inspect.StrType):
        return f"text {number}"
    if isinstance(kind, inspect.BytesType):
        return b"bytes %d" % number
    assert isinstance(kind, inspect.DecimalType), f"no sample for {kind}"
    return Decimal(f"{number}.0{number}")
