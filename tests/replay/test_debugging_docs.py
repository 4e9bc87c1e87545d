"""The way through one bad fill that docs/debugging-a-fill.md shows is walked as it is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from adapters.cli.config import default_config
from adapters.cli.main import main
from adapters.cli.simulate import simulate
from adapters.paper.config import VenueConfig
from adapters.paper.flow.source import SYNTHETIC, flow_maker
from adapters.simulated_fs import SimFs
from tests.integration.world import copied
from tests.source_tree import ROOT
from tests.test_readme import RUN_TIME, parsed, program, run_program

PAGE = ROOT / "docs" / "debugging-a-fill.md"


def typed() -> list[str]:
    blocks = re.findall(
        r"^```console\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def commands() -> list[tuple[str, ...]]:
    found = [program(command) for command in typed()]
    return [tuple(words) for words in found if words is not None]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_parses(words: tuple[str, ...]) -> None:
    assert parsed(words).command.callback is not None


def test_every_page_that_is_named_exists() -> None:
    names = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8"))
    assert names
    assert [name for name in names if not (PAGE.parent / name).exists()] == []


@pytest.mark.slow
def test_the_commands_run_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one quotes for a moment; the others look at a run of which each moment is known."""
    first, *others = commands()
    given = [RUN_TIME if word == "30s" else word for word in first]
    given[given.index("--journal") + 1] = str(tmp_path / "run")
    done = run_program(given, timeout_s=60)
    assert done.returncode == 0, done.stdout + done.stderr

    journal = tmp_path / "first"
    flow = flow_maker(VenueConfig(), SYNTHETIC, seed=3, speed="1", fs=SimFs())
    copied(simulate(default_config(), flow, seed=3, seconds=4.0).fs, journal)
    assert main(["fills", str(journal), "--json"]) == 0
    fills = json.loads(capsys.readouterr().out)["fills"]
    worst = min(fills, key=lambda fill: fill["markout_bps_1s"] or 0.0)
    # Deals and records of the page's own run -> those of this one.
    known = {"6290000000391": worst["deal_id"], "4991": worst["decided_seq"] - 1}
    known |= {"5019": worst["seq"] - 1, "4980": worst["seq"] - 30, "5030": worst["seq"] + 10}
    for words in others:
        paths = [re.sub(r"^journals/", f"{tmp_path}/", word) for word in words]
        assert main([str(known.get(word, word)) for word in paths]) == 0, words
        assert capsys.readouterr().out, f"{words} printed nothing"
    assert (tmp_path / "fill.svg").read_text("utf-8").startswith("<svg ")
