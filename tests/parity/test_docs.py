"""What docs/parity.md shows is typed as it is shown, and what it lists is all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.cli.main import main
from adapters.cli.parity_words import CAUSES
from replay.model.errors import WINDOW_NS
from replay.parity.causes import Cause
from replay.parity.fills import SAME_US
from replay.parity.looks import NEAR_NS
from replay.parity.matching import LATER_NS
from tests.integration.world import copied
from tests.replay.journals import SYNTHETIC, journal
from tests.source_tree import ROOT
from tests.test_readme import parsed, program

PAGE = ROOT / "docs" / "parity.md"
TEXT = PAGE.read_text("utf-8")
S = 1_000_000_000


def commands() -> list[tuple[str, ...]]:
    blocks = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    typed = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [tuple(words) for words in map(program, typed) if words is not None]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_parses(words: tuple[str, ...]) -> None:
    assert parsed(words).command.callback is not None


@pytest.mark.slow
def test_the_commands_run_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(journal(SYNTHETIC).fs, tmp_path / "first")
    assert len(commands()) >= 5
    for words in commands():
        given = [re.sub(r"^journals/", f"{tmp_path}/", word) for word in words]
        assert main(given) == 0, words
        assert capsys.readouterr().out, f"{words} printed nothing"


def test_every_page_that_is_named_exists() -> None:
    names = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert names
    assert [name for name in names if not (PAGE.parent / name).exists()] == []


def test_the_table_has_every_cause_in_the_order_in_which_they_are_looked_for() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert rows == [cause.value for cause in Cause]
    assert list(CAUSES) == list(Cause)


def test_the_figures_in_the_text_are_the_codes() -> None:
    assert (WINDOW_NS, LATER_NS, NEAR_NS, SAME_US) == (S, 30 * S, S, 10_000)
    for words in ("at most a second apart", "at most 30 s apart", "each at most 10 ms after"):
        assert words in TEXT
