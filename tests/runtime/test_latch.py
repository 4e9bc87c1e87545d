"""The panic latch, on a real disk and a simulated one."""

from __future__ import annotations

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
