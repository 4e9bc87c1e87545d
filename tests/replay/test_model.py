"""The fill model on whole runs: near the truth on the unchanged run, the same each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.cli.config import default_config
from adapters.cli.main import main
from adapters.cli.simulate import Simulation
from engine.events import Record
from engine.inventory import pnl
from engine.top import mid2
from replay.changes import Changes, parse_changes
from replay.model.estimate import Estimate, estimate
from tests.integration.world import copied, records_of, run_quiet
from tests.soak.direct import Direct

pytestmark = pytest.mark.slow

NAME = "BTC_USDT"


@pytest.fixture(scope="module")
def run() -> Simulation:
    """Two minutes on a quiet market; its files are never changed."""
    return run_quiet(120, seed=7)


def modelled(run: Simulation, *texts: str, queue: str = "risk_averse", seed: int = 1) -> Estimate:
    records = records_of(run.fs)

    def read() -> Iterator[Record]:
        return iter(records)

    return estimate(read, parse_changes(texts), queue, seed)


def test_the_unchanged_run_is_predicted_nearly(run: Simulation) -> None:
    found = modelled(run)
    error = found.error()
    assert len(found.survey.fills) >= error.recorded >= 20
    assert error.matched >= 0.9 * error.recorded
    assert error.invented <= 0.1 * error.predicted
    assert error.time_quantile_ns(0.5) is not None
    assert abs(error.time_quantile_ns(0.5) or 0) < 50_000_000
    assert found.changed is found.unchanged


def test_the_model_is_an_engine_like_any_other(run: Simulation) -> None:
    found = modelled(run)
    state = found.unchanged.state
    state.check()
    assert not state.anomalies
    # Both runs end as the recorded one did: nothing rests, and every report agreed.
    assert not any(market.live or market.breaks for market in state.markets.values())
    for name, market in state.markets.items():
        fills = [fill for fill in found.unchanged.fills if fill.market == name]
        bought = [fill.qty for fill in fills if fill.side.sign > 0]
        assert (market.inventory.fills, market.inventory.bought_qty) == (len(fills), sum(bought))
        outcome = found.outcome(state, found.unchanged.fills, name)
        mark = mid2(found.survey.state.markets[name])
        assert outcome.pnl == pnl(market.inventory, market.quoted.market, mark)
    # What was recorded is summed up from the recording.
    recorded = found.outcome(found.survey.state, found.survey.fills, NAME)
    assert recorded.fills == found.survey.state.markets[NAME].inventory.fills


def test_lost_connections_and_latencies_are_lived_through() -> None:
    records: list[Record] = []
    world = Direct(
        default_config(),
        flow="synthetic",
        speed="1",
        seed=3,
        observer=lambda _, record: records.append(record),
    )
    world.run(20)
    world.cut()
    world.run(20)
    assert world.stop()
    found = estimate(lambda: iter(records), Changes(), "power:2", 1)
    state = found.unchanged.state
    state.check()
    assert not any(market.feed.gaps or market.breaks for market in state.markets.values())
    # Requests were given 0.5 to 8 ms each way.
    there = found.survey.latencies.there
    assert 3_500_000 < (there.quantile(0.5) or 0) < 5_000_000
    error = found.error()
    assert error.recorded > 100
    assert error.matched >= 0.75 * error.recorded
    assert 0.75 <= (error.qty_ratio or 0.0) <= 1.33


def test_equal_seeds_give_equal_runs_and_others_differ(run: Simulation) -> None:
    first, again, other = modelled(run), modelled(run), modelled(run, seed=2)
    assert first.unchanged.fills == again.unchanged.fills
    assert first.unchanged.state == again.unchanged.state
    # Latencies of a quiet simulated market change few fills, but every time.
    assert first.unchanged.state != other.unchanged.state


def test_a_wider_spread_is_filled_less(run: Simulation) -> None:
    found = modelled(run, "half_spread_bps=8")
    assert len(found.changed.fills) < len(found.unchanged.fills)
    assert found.unchanged.fills == modelled(run).unchanged.fills


def test_a_change_that_does_not_fit_is_refused(run: Simulation, tmp_path: Path) -> None:
    journal = str(copied(run.fs, tmp_path / "journal"))
    assert main(["replay", journal, "--fills", "model", "--set", "nothing=1"]) == 2
    assert main(["replay", journal, "--fills", "model", "--queue", "nobody"]) == 2
    assert main(["replay", journal, "--queue", "log"]) == 2
    assert main(["replay", str(tmp_path / "none"), "--fills", "model"]) == 2


def test_the_command_marks_every_estimate(
    run: Simulation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(copied(run.fs, tmp_path / "journal"))
    arguments = ["replay", journal, "--fills", "model", "--queue", "power:3", "--seed", "4"]
    assert main([*arguments, "--set", "half_spread_bps=8", "--list"]) == 0
    out = capsys.readouterr().out
    found = modelled(run, "half_spread_bps=8", queue="power:3", seed=4)
    lines = out.splitlines()
    assert lines[1].startswith("ESTIMATE, not what happened: fills by queue model power:3, seed 4")
    fills = [line for line in lines if line.startswith("ESTIMATE 2")]
    assert len(fills) == len(found.changed.fills)
    error = found.error(NAME)
    counts = f"  {error.recorded} fills recorded, {error.predicted} predicted: {error.matched}"
    assert any(line.startswith(counts) for line in lines)
    assert any("ESTIMATE, half_spread_bps=8" in line for line in lines)


def test_the_command_prints_one_object(
    run: Simulation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(copied(run.fs, tmp_path / "journal"))
    assert main(["replay", journal, "--fills", "model", "--json", "--list"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = modelled(run)
    assert (told["estimate"], told["queue"], told["seed"]) == (True, "risk_averse", 1)
    market = told["markets"][NAME]
    error = found.error(NAME)
    assert market["error"]["matched"] == error.matched
    assert market["error"]["pnl"] == f"{found.pnl_error(NAME):f}"
    assert market["estimate"] == market["estimate_unchanged"]
    assert market["recorded"]["fills"] == found.survey.state.markets[NAME].inventory.fills
    assert len(told["fills"]) == len(found.unchanged.fills)
    assert told["latency_ns"]["there"]["measured"] > 0


def test_no_change_is_no_second_run(run: Simulation) -> None:
    records = records_of(run.fs)
    found = estimate(lambda: iter(records), Changes(), "log2", 1)
    assert found.changed is found.unchanged
