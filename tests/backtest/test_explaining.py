"""A fill of a backtest explained: the figures of every strategy, and what differs from a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.cli.explain_text import page
from adapters.cli.main import main
from adapters.cli.pictures import ASCII
from adapters.ports import SystemFs
from engine.events import RunStarted
from engine.types import BUY, Settings
from replay.backtest.made import LABEL, backtest_on, made_by
from replay.backtest.run import run_backtest
from replay.explain import Story, story_of
from replay.machine import Journal
from replay.scenes import OTHERWISE
from replay.tracer import Tracer, trails
from tests.backtest.recordings import MS, made_up, plan_of, write
from tests.source_tree import ROOT
from tests.strategies.pages import NAMES, configuration

pytestmark = pytest.mark.slow
MADE = "Binance data in WhiteBIT framing: latency constant 5 ms, queue risk_averse, seed 1"
ROWS = 600
NEAR = {"half_spread_bps": 0.01, "rpi_half_spread_bps": 0.0, "interval_bps": 0.05, "k": 1000.0}
"""Parameters of whoever quotes so close that a few seconds have fills."""


@dataclass
class Explained:
    """Every fill of one backtest."""

    journal: Path
    stories: list[Story]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("data")
    perpetual = made_up(2, ROWS, decimals=1)
    for row in perpetual:
        row["t"] += 3 * MS
    return {
        "BTC_USDT": write(directory / "spot.zst", made_up(1, ROWS)),
        "BTC_PERP": write(directory / "perp.zst", perpetual),
    }


def near(config: Config) -> Config:
    markets = {
        name: replace(
            market,
            parameters=market.parameters
            | {key: value for key, value in NEAR.items() if key in market.parameters},
        )
        for name, market in config.market.items()
    }
    return replace(config, market=markets)


@pytest.fixture(scope="module")
def explained(
    request: pytest.FixtureRequest,
    recordings: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Explained:
    config, path = near(configuration(request.param)), tmp_path_factory.mktemp("journal") / "j"
    plan = plan_of(*[recordings[market] for market in config.market], config=config)
    run_backtest(SystemFs(), plan, path)
    journal = Journal(path)
    found = list(trails(journal.records(journal.start.seq + 1), journal.start, Tracer()))
    return Explained(path, [story_of(journal, trail) for trail in found[:8]])


@pytest.mark.parametrize("explained", NAMES, indirect=True)
def test_the_page_has_the_figures_that_the_quote_follows_from(explained: Explained) -> None:
    assert len(explained.stories) >= 5
    for story in explained.stories:
        text = "\n".join(page(story, ASCII))
        assert OTHERWISE not in text
        moments = text.partition("The four moments\n")[2].partition("\n\n")[0]
        rows = {line.split()[0] for line in moments.splitlines()}
        for scene in story.scenes:
            assert scene.want is None or scene.reasoning.figures
            for figure in scene.reasoning.figures:
                assert figure.name in rows
                assert f": {figure.words}" in text
    told = next(line for line in text.splitlines() if line.startswith("Its reasoning: "))
    decision = explained.stories[-1].scenes[0].reasoning
    assert [f.name for f in decision.figures if f.unit == "ticks" and f.name not in told] == []


@pytest.mark.parametrize("explained", ["symmetric", "glft"], indirect=True)
def test_it_says_what_differs_from_a_run(explained: Explained) -> None:
    """One clock, an end that is known, takers that are told at their own price, and the book."""
    for story in explained.stories:
        fill, lines = story.trail.fill, list(page(story, ASCII))
        assert lines[1] == f"This is a BACKTEST on {MADE}: the fill is an estimate."
        assert story.race.clock_error_ns == 0
        assert story.race.happened_ns == fill.venue_us * 1000
        assert "clocks agree" not in "\n".join(lines)
        assert story.ended_ns is not None
        assert any(line.startswith("  60s later    the run had ended") for line in lines)
        if story.met is not None:
            trade = story.met[2]
            assert trade.venue_us == fill.venue_us
            assert trade.side is not fill.side
            assert fill.side.sign * (trade.price - fill.price) <= 0
        by_the_book = any(
            line.startswith("  the recorded book came to our price") for line in lines
        )
        assert by_the_book is (story.met is None)
        bid, _, ask, _ = story.trail.filled.top
        other = ask if fill.side is BUY else bid
        if other and fill.side.sign * (other - fill.price) < 0:
            # What kept us out has to be beyond where the book came to, too.
            assert story.swept is not None
            assert fill.side.sign * (story.swept.price - other) <= 0
    assert {story.met is None for story in explained.stories} == {True, False}


@pytest.mark.parametrize("explained", ["grid"], indirect=True)
def test_what_the_grid_remembers_is_not_tried(explained: Explained) -> None:
    for story in explained.stories:
        assert story.priced is not None
        ways = [(way.parameter.name, way.is_remembered) for way in story.priced.ways]
        assert ways == [("interval_bps", True), ("levels", True)]
        lines = [" ".join(line.split()) for line in page(story, ASCII)]
        assert lines.count("interval_bps 0.05 acts through the memory: not tried -") == 1
        again = "the memory is made anew by a replay: quotefold replay JOURNAL --set"
        assert f"{again} interval_bps=VALUE" in lines


def test_from_the_command_line(
    recordings: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is typed, on what `run` quotes without a file: play, list the fills, ask of one."""
    journal, data = str(tmp_path / "j"), str(recordings["BTC_USDT"])
    config = tmp_path / "my.toml"
    text = (ROOT / "docs/strategies/inventory_skew.md").read_text("utf-8")
    toml = text.partition("```toml\n")[2].partition("```")[0]
    config.write_text(toml.replace("half_spread_bps = 1.0", "half_spread_bps = 0.01"))
    assert main(["backtest", str(config), "--data", data, "--journal", journal]) == 0
    capsys.readouterr()
    assert main(["fills", journal]) == 0
    assert f"note: BACKTEST on {MADE}: every fill is an estimate" in capsys.readouterr().out
    assert main(["fills", journal, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["backtest"]["label"] == "Binance data in WhiteBIT framing"
    deal = listed["fills"][0]["deal_id"]
    assert main(["explain", journal, str(deal)]) == 0
    told = capsys.readouterr().out
    assert f"deal {deal}, " in told
    assert "  micro_price  " in told
    assert "half_spread: the largest: by " in told
    assert main(["explain", journal, str(deal), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mode"] == "backtest"
    assert found["backtest"] == listed["backtest"]
    assert [one["name"] for one in found["moments"][0]["reasoning"]["figures"]][:1] == [
        "micro_price"
    ]
    assert {way["remembered"] for way in found["parameters"]["ways"]} == {True, False}


@pytest.mark.parametrize(
    ("mode", "config"),
    [
        ("paper", '{"backtest":{"label":"x","latency":{},"queue":"y","seed":1}}'),
        ("backtest", '{"backtest":{"label":"x","latency":{},"queue":"y"}}'),
        ("backtest", "{}"),
    ],
)
def test_a_first_record_need_not_tell(mode: str, config: str) -> None:
    first = RunStarted("r", mode, (), config, Settings(), ())
    assert made_by(first) is None


def test_a_first_record_tells() -> None:
    told = '{"label":"x","latency":{"journal":"j","sampled":true},"queue":"y","seed":3,"other":0}'
    made = made_by(RunStarted("r", "backtest", (), f'{{"backtest":{told}}}', Settings(), ()))
    assert backtest_on(made) == "BACKTEST on x: latency sampled from j, queue y, seed 3"


def test_a_piece_of_a_backtest_says_that_it_is_one(
    recordings: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, piece = str(tmp_path / "j"), str(tmp_path / "piece")
    plan = plan_of(recordings["BTC_USDT"], config=near(configuration("symmetric")))
    run_backtest(SystemFs(), plan, tmp_path / "j")
    assert main(["journal", "cut", journal, piece, "--from", "200", "--to", "900"]) == 0
    capsys.readouterr()
    assert main(["fills", piece]) == 0
    assert "note: BACKTEST: every fill is an estimate" in capsys.readouterr().out
    assert main(["fills", piece, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["backtest"] is None
    assert main(["explain", piece, str(listed["fills"][-1]["deal_id"])]) == 0
    assert "This is a BACKTEST: the fill is an estimate." in capsys.readouterr().out
    for directory, words in ((journal, f"BACKTEST on {LABEL}"), (piece, "BACKTEST")):
        page = tmp_path / f"{Path(directory).name}.html"
        assert main(["report", directory, "-o", str(page)]) == 0
        assert capsys.readouterr().out.startswith(words)
        assert f"<div class=tag>{words}" in page.read_text("utf-8")
