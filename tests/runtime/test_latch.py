"""The panic latch, on a real disk and a simulated one."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from adapters.ports import Fs, SystemFs
from adapters.runtime.latch import Latch
from adapters.simulated import SimFs
from engine.errors import ConfigError


@pytest.fixture(params=["system", "simulated"])
def latch(request: pytest.FixtureRequest, tmp_path: Path) -> Latch:
    fs: Fs = SystemFs() if request.param == "system" else SimFs()
    return Latch(fs, tmp_path / "not" / "there" / "yet")


def test_a_latch_is_set_once_and_lifted_once(latch: Latch) -> None:
    latch.refuse()
    assert not latch.is_set()
    assert latch.set("at noon")
    assert latch.is_set()
    assert not latch.set("at one")
    assert latch.reason() == "panic latch: at noon"
    assert latch.lift()
    assert not latch.is_set()
    assert not latch.lift()


def test_nothing_begins_under_a_latch(latch: Latch) -> None:
    latch.set("at noon")
    with pytest.raises(ConfigError, match=r"at noon .*panic-latch.*quotefold panic --lift"):
        latch.refuse()


@pytest.mark.parametrize("data", [b"", b" \n\t", b"\xff\xfe" * 500, b"a\nb"])
def test_whatever_is_in_the_file_it_counts_and_has_a_reason_of_one_line(
    tmp_path: Path, data: bytes
) -> None:
    latch = Latch(SystemFs(), tmp_path)
    latch.path.write_bytes(data)
    assert latch.is_set()
    assert latch.reason().startswith("panic latch: ")
    assert latch.reason() != "panic latch: "
    assert len(latch.reason()) <= 220
    assert "\n" not in latch.reason()


def test_a_latch_that_is_gone_when_its_reason_is_asked_for_still_has_one(tmp_path: Path) -> None:
    assert Latch(SystemFs(), tmp_path).reason() == "panic latch: set by hand"


def latch_of(directory: Path, account: str | None) -> Latch:
    return Latch(SystemFs(), directory, account)


WHO = [
    ("an account's own", "main", "main", True),
    ("another account's", "hedge", "main", False),
    ("one whose name begins alike", "main-2", "main", False),
    ("everybody's", None, "main", True),
    ("everybody's, without a name", None, None, True),
    ("any account's, without a name", "main", None, True),
]


@pytest.mark.parametrize(
    ("set_by", "engine", "stops"), [case[1:] for case in WHO], ids=[case[0] for case in WHO]
)
def test_whom_a_latch_stops(
    tmp_path: Path, set_by: str | None, engine: str | None, stops: bool
) -> None:
    latch_of(tmp_path, set_by).set("at noon")
    found = latch_of(tmp_path, engine)
    assert found.is_set() is stops
    # With an order in the hand, an engine without a name looks at everybody's alone.
    assert found.forbids() is (stops and (engine is not None or set_by is None))
    if not stops:
        found.refuse()
        return
    how = "--lift --account main ACCOUNTS$" if set_by else "--lift$"
    with pytest.raises(ConfigError, match=rf"at noon \(.*panic-latch.*quotefold panic {how}"):
        found.refuse()
    assert found.where() == latch_of(tmp_path, set_by).path


def test_a_latch_is_lifted_by_the_words_that_have_set_it(tmp_path: Path) -> None:
    everybody, own = latch_of(tmp_path, None), latch_of(tmp_path, "main")
    everybody.set("all")
    own.set("one")
    assert own.reason() == "panic latch: all"
    assert everybody.lift()
    assert own.is_set()
    assert own.reason() == "panic latch: one"
    assert not everybody.lift()
    assert everybody.is_set(), "it heeds what is set for an account"
    assert own.lift()
    assert not everybody.is_set()


def test_other_files_of_the_directory_stop_nobody(tmp_path: Path) -> None:
    for name in ("control-7.sock", "panic-latched", "not-panic-latch"):
        (tmp_path / name).touch()
    assert not latch_of(tmp_path, None).is_set()


class Unlisted(SystemFs):
    """A disk that does not say what is in a directory."""

    def list_dir(self, path: Path) -> list[str]:
        raise OSError(errno.EIO, "Input/output error")


def test_who_cannot_look_for_a_latch_must_not_place(tmp_path: Path) -> None:
    latch = Latch(Unlisted(), tmp_path)
    assert latch.is_set()
    assert latch.reason() == "panic latch: it cannot be looked at: Input/output error"
    with pytest.raises(ConfigError, match=r"panic latch, found: .*output error"):
        latch.refuse()
    # An account's own two are known by name.
    assert not Latch(Unlisted(), tmp_path, "main").is_set()
