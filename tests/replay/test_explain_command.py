"""`quotefold explain` as it is typed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from adapters.cli import explain as command
from adapters.cli.main import main
from adapters.ports import SystemFs
from tests.replay.story import Story
from tests.replay.test_fills_command import BOUGHT, story


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(story(), tmp_path / "journal")


def written(told: Story, path: Path) -> Path:
    told.write(SystemFs(), path)  # type: ignore[arg-type]
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["explain", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out or captured.err


def test_the_page_is_plain_where_nobody_looks(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(capsys, journal, 7)
    assert text.startswith("BTC_USDT: bought 0.004 BTC at 9.90 as maker, deal 7, seq 33, 08:00:00")
    assert text.isascii()
    titles = [line for line in text.splitlines() if line and not line.startswith(" ")][4:]
    assert titles == [
        "The four moments",
        "What the planner made of it",
        "From the market to the fill",
        "The queue before us",
        "Everything that touched the order",
        "What the market did",
        "What would have kept us out",
        "What it cost",
    ]


def test_one_object_and_nothing_else(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, journal, 7, "--json"))
    assert found["journal"] == str(journal)
    assert found["fill"] == BOUGHT
    assert found["events"][-1]["kind"] == "Filled"


def test_a_drawing_is_written_once(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fill.svg"
    run(capsys, journal, 7, "--svg", path)
    drawn = path.read_text("utf-8")
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert "expected no file, found one" in run(capsys, journal, 7, "--svg", path, code=2)
    nowhere = path / "below"
    assert "cannot be written" in run(capsys, journal, 7, "--svg", nowhere, code=2)
    assert path.read_text("utf-8") == drawn


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("9",), "deal 9: found none; the nearest are 7, 8 (quotefold fills lists all)"),
        (("7", "--market", "BTC_PERP"), "deal 7: "),
        (("seven",), "'seven' is not a valid integer"),
    ],
)
def test_what_cannot_be_explained_says_so(
    journal: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in run(capsys, journal, *arguments, code=2)


def test_no_journal_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "found none" in run(capsys, tmp_path / "none", 7, code=2)


@pytest.mark.parametrize(
    ("sentence", "terminal", "no_color", "encoding", "fancy"),
    [
        ("a terminal that shows signs", True, "", "utf-8", True),
        ("a pipe or a file", False, "", "utf-8", False),
        ("somebody asked for plain", True, "1", "utf-8", False),
        ("a terminal of another time", True, "", "latin-1", False),
    ],
)
def test_signs_are_for_terminals_that_show_them(
    monkeypatch: pytest.MonkeyPatch,
    sentence: str,
    terminal: bool,
    no_color: str,
    encoding: str,
    fancy: bool,
) -> None:
    class Out(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out: Any = Out()
    monkeypatch.setattr(Out, "encoding", encoding, raising=False)
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    assert (command._signs().fill == "◆") is fancy, sentence
