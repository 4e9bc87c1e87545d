"""Say in words where two values differ."""

from __future__ import annotations

from typing import Any

import msgspec


def first_difference(recorded: Any, recomputed: Any, path: str = "") -> str:
    """Name the first field in which two values differ; empty when they are equal.

    Structs are walked by field, sequences by index, mappings by key, in order.
    """
    if recorded == recomputed and type(recorded) is type(recomputed):
        return ""
    if isinstance(recorded, msgspec.Struct) and type(recorded) is type(recomputed):
        for name in recorded.__struct_fields__:
            found = first_difference(
                getattr(recorded, name), getattr(recomputed, name), f"{path}.{name}"
            )
            if found:
                return found
    if isinstance(recorded, tuple) and isinstance(recomputed, tuple):
        return _sequence_difference(recorded, recomputed, path)
    return f"{path.lstrip('.')}: recorded {_short(recorded)}, recomputed {_short(recomputed)}"


def _sequence_difference(recorded: tuple[Any, ...], recomputed: tuple[Any, ...], path: str) -> str:
    for index, (left, right) in enumerate(zip(recorded, recomputed, strict=False)):
        found = first_difference(left, right, f"{path}[{index}]")
        if found:
            return found
    return (
        f"{path.lstrip('.')}: recorded {len(recorded)} items, recomputed {len(recomputed)}: "
        f"{_short(recorded[len(recomputed) :] or recomputed[len(recorded) :])}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
