"""The schema may only grow: what would make old journals unreadable is refused with the reason."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.codec import decode_record, encode_record
from replay.fields import named
from tests.golden import schema
from tests.golden.samples import samples
from tests.golden.schema import COMMAND, Manifest, breaks, load, load_samples, main, manifest, text


def test_no_change_of_the_code_breaks_old_journals() -> None:
    assert list(breaks(load(), manifest())) == []


def test_the_manifest_is_that_of_the_code() -> None:
    assert text(load()) == text(manifest()), f"the schema has grown: run {COMMAND}, and commit it"


@pytest.mark.parametrize("name", load_samples())
def test_a_record_means_what_it_meant(name: str) -> None:
    """Bytes of every kind of record; what was appended since is not among the meaning."""
    data, meaning = load_samples()[name]
    record = decode_record(bytes.fromhex(data))
    assert_holds(named(record), meaning, name)


def assert_holds(found: Any, meaning: Any, place: str) -> None:
    if isinstance(meaning, dict):
        assert isinstance(found, dict)
        for key, value in meaning.items():
            assert key in found, f"{place}.{key} is gone"
            assert_holds(found[key], value, f"{place}.{key}")
    elif isinstance(meaning, list):
        assert len(found) == len(meaning), place
        for number, (one, other) in enumerate(zip(found, meaning, strict=True)):
            assert_holds(one, other, f"{place}[{number}]")
    else:
        assert found == meaning, place


def test_there_is_a_sample_of_every_kind() -> None:
    missing = [name for name in samples() if name not in load_samples()]
    assert missing == [], f"run {COMMAND}"


def test_samples_are_records_of_today() -> None:
    for record in samples().values():
        assert decode_record(encode_record(record)) == record


# --- what is a break, on a schema of two events ---------------------------------------------------


class Colour(enum.IntEnum):
    RED = 1
    BLUE = 2


class Inner(msgspec.Struct, frozen=True, array_like=True):
    a: int
    b: str = ""


class One(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    qty: int
    inner: tuple[Inner, ...]
    colour: Colour
    fee: Decimal = Decimal(0)


class Two(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    pass


class Old(msgspec.Struct, frozen=True, array_like=True):
    seq: int
    event: One | Two


def old() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(manifest(Old)))
    return found


def found(after: dict[str, Any], renamed: dict[str, str] | None = None) -> list[str]:
    now = msgspec.convert(after, Manifest)
    return list(breaks(msgspec.convert(old(), Manifest), now, renamed))


def field(after: dict[str, Any], struct: str, number: int) -> list[Any]:
    one: list[Any] = after["structs"][struct]["fields"][number]
    return one


def remove_tag(after: dict[str, Any]) -> None:
    del after["unions"]["Old.event"]["t"]


def reuse_tag(after: dict[str, Any]) -> None:
    after["unions"]["Old.event"]["t"] = "Three"
    after["structs"]["Three"] = after["structs"].pop("Two")


def remove_field(after: dict[str, Any]) -> None:
    after["structs"]["One"]["fields"].pop()


def reorder(after: dict[str, Any]) -> None:
    fields = after["structs"]["One"]["fields"]
    fields[0], fields[2] = fields[2], fields[0]


def rename_field(after: dict[str, Any]) -> None:
    field(after, "One", 0)[0] = "size"


def retype(after: dict[str, Any]) -> None:
    field(after, "One", 0)[1] = "decimal"


def retype_inside(after: dict[str, Any]) -> None:
    field(after, "Inner", 0)[1] = "str"


def append_without_default(after: dict[str, Any]) -> None:
    after["structs"]["One"]["fields"].append(["more", "int", None])


def drop_default(after: dict[str, Any]) -> None:
    field(after, "Inner", 1)[2] = None


def change_default(after: dict[str, Any]) -> None:
    field(after, "One", 3)[2] = "Decimal('1')"


def remove_member(after: dict[str, Any]) -> None:
    del after["enums"]["Colour"]["BLUE"]


def renumber_member(after: dict[str, Any]) -> None:
    after["enums"]["Colour"]["BLUE"] = 3


def swap_members(after: dict[str, Any]) -> None:
    after["enums"]["Colour"] = {"RED": 2, "BLUE": 1}


def remove_inner(after: dict[str, Any]) -> None:
    after["structs"]["Other"] = after["structs"].pop("Inner")
    field(after, "One", 1)[1] = "tuple[Other, ...]"


BREAKS = {
    remove_tag: "Old.event: tag 't' (Two) is gone",
    reuse_tag: "Old.event: tag 't' was Two and is Three: a tag is never used again",
    remove_field: "One.fee is gone",
    reorder: "One: place 0 was qty and is colour",
    rename_field: "One: place 0 was qty and is size",
    retype: "One.qty was int and is decimal",
    retype_inside: "Inner.a was int and is str",
    append_without_default: "One.more is appended without a default",
    drop_default: "Inner.b had the default '' and has none",
    change_default: "One.fee had the default Decimal('0') and has Decimal('1')",
    remove_member: "Colour.BLUE = 2 is gone",
    renumber_member: "Colour.BLUE = 2 is gone",
    swap_members: "Colour.RED = 1 is now that of BLUE",
    remove_inner: "Inner is gone; if only its name changed",
}


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.__name__)
def test_a_change_that_breaks_old_journals_is_named(change: Any) -> None:
    after = old()
    change(after)
    broken = found(after)
    assert any(BREAKS[change] in line for line in broken), broken


def append(after: dict[str, Any]) -> None:
    after["structs"]["One"]["fields"].append(["more", "int", "0"])


def add_tag(after: dict[str, Any]) -> None:
    after["unions"]["Old.event"]["n"] = "New"
    after["structs"]["New"] = {"tag": "n", "fields": [["x", "int", None]]}


def add_member(after: dict[str, Any]) -> None:
    after["enums"]["Colour"]["GREEN"] = 3


def give_default(after: dict[str, Any]) -> None:
    field(after, "Inner", 0)[2] = "0"


@pytest.mark.parametrize(
    "change", [append, add_tag, add_member, give_default], ids=lambda change: change.__name__
)
def test_a_change_that_only_grows_passes(change: Any) -> None:
    after = old()
    change(after)
    assert found(after) == []
    assert text(msgspec.convert(after, Manifest)) != text(manifest(Old))


def test_a_class_may_change_its_name_when_told_so() -> None:
    after = old()
    remove_inner(after)
    assert found(after, {"Inner": "Other"}) == []
    after = old()
    reuse_tag(after)
    assert found(after, {"Two": "Three"}) == []


def test_the_command_writes_growth_and_refuses_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "schema.json"
    monkeypatch.setattr(schema, "MANIFEST", path)
    monkeypatch.setattr(schema, "SAMPLES", tmp_path / "samples.json")
    assert main([]) == 0
    assert path.read_text("utf-8") == text(manifest())
    kept = json.loads(path.read_text("utf-8"))
    kept["structs"]["Filled"]["fields"].pop()
    path.write_text(json.dumps(kept), "utf-8")
    assert main([]) == 1, "what the code has more than the manifest has no default"
    assert "Filled.fill is appended without a default" in capsys.readouterr().err
    del kept["unions"]["Record.event"]["fi"]
    del kept["structs"]["Filled"]
    path.write_text(json.dumps(kept), "utf-8")
    assert main([]) == 0
    assert path.read_text("utf-8") == text(manifest())
    samples_before = (tmp_path / "samples.json").read_text("utf-8")
    assert main(["--renamed", "A=B"]) == 0
    assert (tmp_path / "samples.json").read_text("utf-8") == samples_before
