"""The schema of records as a manifest, and what of a change would break old journals.

    python -m tests.golden.schema                      # write it anew; refused where it would break
    python -m tests.golden.schema --renamed Old=New    # a class has got another name, nothing else

The rule is in docs/journal.md, "Schema".
"""

from __future__ import annotations

import enum
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from engine.codec import encode_record
from engine.events import Record
from replay.fields import named
from tests.golden.samples import samples

MANIFEST = Path(__file__).with_name("schema.json")
SAMPLES = Path(__file__).with_name("samples.json")
COMMAND = "python -m tests.golden.schema"

Field = tuple[str, str, str | None]
"""Name, type, and default; None where it has to be there."""


class Kind(msgspec.Struct, frozen=True):
    """A struct: its tag if it has one, and its fields in the order in which they are written."""

    tag: str | None
    fields: tuple[Field, ...]


class Manifest(msgspec.Struct, frozen=True):
    """Everything that the bytes of a record depend on."""

    unions: dict[str, dict[str, str]]
    """Place of a tagged union -> tag -> struct."""
    structs: dict[str, Kind]
    enums: dict[str, dict[str, Any]]
    """Enum -> member -> value."""


def manifest(root: type = Record) -> Manifest:
    """Return the manifest of a type, and of all that it is made of."""
    found = Manifest({}, {}, {})
    kind = inspect.type_info(root)
    assert isinstance(kind, inspect.StructType)
    _add_struct(found, kind)
    return found


def load() -> Manifest:
    """Return the manifest that is kept."""
    return msgspec.json.decode(MANIFEST.read_bytes(), type=Manifest)


def _add_struct(found: Manifest, kind: inspect.StructType) -> str:
    name = kind.cls.__name__
    tag = None if kind.tag is None else str(kind.tag)
    if name not in found.structs:
        found.structs[name] = Kind(tag, ())  # before its fields, which may name it again
        assert kind.array_like, f"{name}: expected array_like, as every struct of a record is"
        fields = tuple(_field(found, name, field) for field in kind.fields)
        found.structs[name] = Kind(tag, fields)
    return name


def _field(found: Manifest, name: str, field: inspect.Field) -> Field:
    return field.name, _text(found, field.type, f"{name}.{field.name}"), _default(field)


def _default(field: inspect.Field) -> str | None:
    if field.required:
        return None
    if field.default_factory is not msgspec.NODEFAULT:
        return repr(field.default_factory())
    return repr(field.default)


def _text(found: Manifest, kind: inspect.Type, place: str) -> str:
    if isinstance(kind, inspect.StructType):
        return _add_struct(found, kind)
    if isinstance(kind, inspect.EnumType):
        members: type[enum.Enum] = kind.cls
        found.enums[members.__name__] = {one.name: one.value for one in members}
        return members.__name__
    if isinstance(kind, inspect.VarTupleType):
        return f"tuple[{_text(found, kind.item_type, place)}, ...]"
    if isinstance(kind, inspect.TupleType):
        return f"tuple[{', '.join(_text(found, item, place) for item in kind.item_types)}]"
    if isinstance(kind, inspect.DictType):
        key, value = (_text(found, t, place) for t in (kind.key_type, kind.value_type))
        return f"dict[{key}, {value}]"
    if isinstance(kind, inspect.UnionType):
        structs = [one for one in kind.types if isinstance(one, inspect.StructType)]
        if len(structs) == len(kind.types):
            found.unions[place] = {str(one.tag): _add_struct(found, one) for one in structs}
            return f"one of the union {place}"
        return " | ".join(sorted(_text(found, one, place) for one in kind.types))
    return type(kind).__name__.removesuffix("Type").lower()


def breaks(old: Manifest, new: Manifest, renamed: dict[str, str] | None = None) -> Iterator[str]:
    """Yield, in words, what journals written by the old schema could not be read by any more.

    Args:
        old: The manifest that is kept.
        new: Of the code as it is.
        renamed: Old -> new name of classes that only changed their names.
    """
    names = renamed or {}
    for place, tags in old.unions.items():
        now = new.unions.get(place, {})
        for tag, name in tags.items():
            if tag not in now:
                yield f"{place}: tag {tag!r} ({name}) is gone: old journals hold it, so keep it"
            elif now[tag] != names.get(name, name):
                yield (
                    f"{place}: tag {tag!r} was {name} and is {now[tag]}: a tag is never used"
                    f" again; if only the name changed: {COMMAND} --renamed {name}={now[tag]}"
                )
    for name, kind in old.structs.items():
        after = new.structs.get(names.get(name, name))
        if after is not None:
            yield from _struct_breaks(names.get(name, name), kind, after, names)
        elif kind.tag is None:
            yield f"{name} is gone; if only its name changed: {COMMAND} --renamed {name}=..."
    for name, members in old.enums.items():
        now = new.enums.get(names.get(name, name), {})
        by_value = {value: member for member, value in now.items()}
        for member, value in members.items():
            if value not in by_value:
                yield f"{name}.{member} = {value!r} is gone: old journals hold that value"
            elif by_value[value] != member and member in now:
                yield f"{name}.{member} = {value!r} is now that of {by_value[value]}"


def _struct_breaks(name: str, old: Kind, new: Kind, names: dict[str, str]) -> Iterator[str]:
    for number, (field, kind, default) in enumerate(old.fields):
        if number >= len(new.fields):
            yield f"{name}.{field} is gone: old journals have it at place {number}"
            continue
        now_field, now_kind, now_default = new.fields[number]
        if now_field != field:
            yield (
                f"{name}: place {number} was {field} and is {now_field}: fields are stored by"
                " place, so they are never reordered, renamed or removed; append instead"
            )
        elif _renamed(kind, names) != now_kind:
            yield (
                f"{name}.{field} was {kind} and is {now_kind}: a changed meaning gets a new tag,"
                " or a new field at the end"
            )
        elif default is not None and now_default != default:
            yield (
                f"{name}.{field} had the default {default} and has {now_default or 'none'}: old"
                " journals without it would come to mean something else"
            )
    for field, _, default in new.fields[len(old.fields) :]:
        if default is None:
            yield f"{name}.{field} is appended without a default, which old journals need"


def _renamed(kind: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        kind = re.sub(rf"\b{old}\b", new, kind)
    return kind


def text(found: Manifest) -> str:
    """Write a manifest, one field a line, so that a change of it can be read."""
    plain = msgspec.to_builtins(found)
    structs = [
        f'  "{name}": {{"tag": {json.dumps(kind["tag"])}, "fields": [\n'
        + ",\n".join(f"   {json.dumps(field)}" for field in kind["fields"])
        + "\n  ]}"
        for name, kind in plain["structs"].items()
    ]
    parts = [f' "{part}": {json.dumps(plain[part], indent=1)}' for part in ("unions", "enums")]
    joined = ",\n".join(structs)
    return f'{{\n{parts[0]},\n "structs": {{\n{joined}\n }},\n{parts[1]}\n}}\n'


def keep_samples() -> None:
    """Keep a record of each kind of event and intent that has none; those there are stay."""
    kept = load_samples() if SAMPLES.exists() else {}
    for name, record in samples().items():
        kept.setdefault(name, [encode_record(record).hex(), named(record)])
    lines = [f" {json.dumps(name)}: {json.dumps(sample)}" for name, sample in kept.items()]
    SAMPLES.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def load_samples() -> dict[str, list[Any]]:
    """Return what is kept: by name the bytes of a record, as hexadecimals, and what they mean."""
    found: dict[str, list[Any]] = json.loads(SAMPLES.read_text("utf-8"))
    return found


def main(arguments: list[str]) -> int:
    """Write the manifest anew; returns the exit code."""
    given = [one for one in arguments if one != "--renamed"]
    renamed = dict(one.partition("=")[::2] for one in given)
    now = manifest()
    if MANIFEST.exists():
        broken = list(breaks(load(), now, renamed))
        for line in broken:
            sys.stderr.write(f"refused: {line}\n")
        if broken:
            return 1
    MANIFEST.write_text(text(now), "utf-8")
    keep_samples()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
