"""Say what is wrong in a configuration file: where, expected, found, what to do, on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from engine.errors import ConfigError

T = TypeVar("T")

_AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_QUOTED = re.compile(r"`(\w+)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_FOUND_MAX = 60

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
}
"""What TOML calls the types that msgspec names."""


def refused(source: str, key: str, problem: str, hint: str = "") -> ConfigError:
    """Build the error of one key.

    Args:
        source: The file.
        key: Path of the key from the top, such as `market.BTC_USDT.position_max`.
        problem: Expected and found.
        hint: What to do; may be empty.
    """
    where = f"{source}: {key}" if key else source
    return ConfigError(f"{where}: {problem}" + (f"; {hint}" if hint else ""))


def convert(raw: Any, kind: type[T], source: str, key: str) -> T:
    """Read a decoded TOML value as `kind`.

    Raises:
        ConfigError: with the full path of the key that does not fit.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), raw, kind, source, key) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that `name` was meant to be, or list them all."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(names)}" if names else ""


def shown(value: Any) -> str:
    """Write a value as TOML would, clipped."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _FOUND_MAX else text[:_FOUND_MAX] + "..."


def _explained(message: str, raw: Any, kind: type, source: str, key: str) -> ConfigError:
    match = _AT.fullmatch(message)
    assert match is not None, "the pattern takes any text"
    what, path = match["what"], match["path"] or ""
    place = (key + path).lstrip(".")
    value, expected = _walk(raw, inspect.type_info(kind), path)
    if what.startswith("Object contains unknown field"):
        field = _QUOTED.findall(what)[0]
        return refused(source, _join(place, field), "unknown key", nearest(field, _keys(expected)))
    if what.startswith("Object missing required field"):
        field = _QUOTED.findall(what)[0]
        return refused(source, _join(place, field), "expected a value, found none")
    if what.startswith("Invalid enum value"):
        choices = [shown(choice) for choice in _choices(expected)]
        return refused(source, place, f"expected one of {', '.join(choices)}, found {shown(value)}")
    if not what.startswith("Expected "):
        return refused(source, place, what)
    wanted = what.removeprefix("Expected ").partition(", got ")[0].replace(" | null", "")
    wanted = _QUOTED.sub(lambda m: _NAMES.get(m[1], m[1]), wanted)
    hint = ""
    if "`str`" in what and isinstance(value, int | float) and not isinstance(value, bool):
        hint = f'write it in quotes: "{value}"'
    return refused(source, place, f"expected {wanted}, found {shown(value)}", hint)


def _join(key: str, field: str) -> str:
    return f"{key}.{field}" if key else field


def _walk(raw: Any, kind: inspect.Type, path: str) -> tuple[Any, inspect.Type]:
    # The value that the path leads to, and the type expected there.
    for field, index in _STEP.findall(path):
        if field:
            raw = raw[field]
            kind = next(f.type for f in _struct(kind).fields if f.encode_name == field)
        else:
            raw = raw[int(index)]
            assert isinstance(kind, inspect.ListType | inspect.VarTupleType)
            kind = kind.item_type
    return raw, kind


def _struct(kind: inspect.Type) -> inspect.StructType:
    assert isinstance(kind, inspect.StructType), "a named field outside a table"
    return kind


def _keys(kind: inspect.Type) -> list[str]:
    return [field.encode_name for field in _struct(kind).fields]


def _choices(kind: inspect.Type) -> list[Any]:
    if isinstance(kind, inspect.UnionType):
        # A choice that may be left out.
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    if isinstance(kind, inspect.EnumType):
        return [member.value for member in kind.cls]
    assert isinstance(kind, inspect.LiteralType), "an enum error of something else"
    return list(kind.values)
