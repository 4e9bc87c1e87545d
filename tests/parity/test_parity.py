"""Whole runs against their backtests: simulated ones, and backtests against themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.parity_text import notes_of, print_parity
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.errors import ConfigError
from engine.types import Settings
from replay.backtest.made import LatencySpec
from replay.backtest.run import run_backtest
from replay.parity.causes import Cause
from replay.parity.follow import Follower
from replay.parity.run import Parity, Wanted, parity
from replay.read import read_records
from replay.verify import verify
from tests.backtest.recordings import MINUTE, over_midnight, plan_of, recorded, write
from tests.engine.builders import MS, PERPETUAL, quoted
from tests.integration.world import copied
from tests.parity.pairs import followed, quoting_story
from tests.replay.journals import FAULTY, SYNTHETIC, journal
from tests.replay.recorded import recorded as two_runs

needs_recording = pytest.mark.skipif(not MINUTE.exists(), reason="no recorded minute")
MEASURED = Wanted(LatencySpec(journal=str(JOURNAL)))


@cache
def simulated(name: str) -> Parity:
    """Forty seconds on a quiet synthetic market, of a calm venue or of one that fails."""
    return parity(journal(name).fs, JOURNAL, MEASURED)


@pytest.mark.slow
@pytest.mark.parametrize("name", [SYNTHETIC, FAULTY])
def test_a_run_is_nearly_its_backtest_and_the_rest_is_explained(name: str) -> None:
    found = simulated(name)
    assert [market.spec.name for market in found.markets] == ["BTC_USDT", "BTC_PERP"]
    assert found.runs == 1
    for market in found.markets:
        pairs = market.matched + sum(
            1 for each in market.differences if each.kind in ("taker", "later")
        )
        assert market.live.fills > 10
        assert pairs >= 0.8 * max(market.live.fills, market.backtest.fills)
        assert Cause.UNKNOWN not in market.causes
        # A fill is of some 300 USDT.
        assert abs(market.pnl) < Decimal("0.5")
    assert found.played.started_ns == found.began_ns


@pytest.mark.slow
def test_the_calm_run_is_its_backtest_to_the_tick() -> None:
    for market in simulated(SYNTHETIC).markets:
        assert (market.live.bought, market.live.sold) == (
            market.backtest.bought,
            market.backtest.sold,
        )
        assert abs(market.pnl) < Decimal("0.01")


@pytest.mark.slow
@needs_recording
def test_a_backtest_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    spot, first = write(tmp_path / "spot.zst", recorded(6_000)), tmp_path / "first"
    run_backtest(SystemFs(), plan_of(spot), first)
    measured = Wanted(LatencySpec(journal=str(first)))
    (found,) = parity(SystemFs(), first, measured).markets
    assert found.live.fills == found.matched > 10
    assert (found.differences, found.pnl) == ((), Decimal(0))
    assert found.live.position == found.backtest.position


@pytest.mark.slow
@needs_recording
def test_what_a_slower_engine_would_have_missed_is_told_by_cause(tmp_path: Path) -> None:
    spot, first = write(tmp_path / "spot.zst", recorded()), tmp_path / "first"
    run_backtest(SystemFs(), plan_of(spot, latency_ms=1), first)
    slow = Wanted(LatencySpec(250 * MS))
    (found,) = parity(SystemFs(), first, slow).markets
    assert found.differences
    assert found.pnl


@pytest.mark.slow
def test_a_market_without_a_common_fill_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    found = simulated(SYNTHETIC)
    markets = [replace(market, matched=0, shifts_ns=()) for market in found.markets]
    print_parity(JOURNAL, replace(found, markets=tuple(markets)), None, limit=1)
    assert "  0 fills are the same, a second apart at most\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_funding_that_nobody_told_is_noted(tmp_path: Path) -> None:
    perp, first = write(tmp_path / "perp.zst", over_midnight()), tmp_path / "first"
    held = run_backtest(SystemFs(), plan_of(perp), first).state.markets["BTC_PERP"]
    assert held.inventory.funding.unknown
    found = parity(SystemFs(), first, Wanted(LatencySpec(5 * MS)))
    assert found.untold == ("BTC_PERP",)
    told = "BTC_PERP: the last funding is not in the P&L: the venue had not told it yet"
    assert told in notes_of(found, None)


@pytest.mark.slow
def test_the_backtest_is_the_same_whether_its_journal_is_kept_or_not() -> None:
    fs, out = journal(SYNTHETIC).fs, Path("/kept")
    kept = parity(fs, JOURNAL, MEASURED, out)
    assert kept.markets == simulated(SYNTHETIC).markets
    proof, state = verify(read_records(fs, out))
    assert (proof.divergences, state) == (0, kept.played.state)
    again = parity(fs, JOURNAL, MEASURED, out)
    assert (again.played.moves, again.markets) == (0, kept.markets)


# --- what is followed ---------------------------------------------------------------------------


def begun(*markets: Any, at_ns: int) -> e.Record:
    started = e.RunStarted("r2", "paper", (), "{}", Settings(), markets)
    return e.Record(1, at_ns, 0, started)


def test_a_later_run_must_quote_the_same_markets_later() -> None:
    story = quoting_story()
    follower = followed(story)
    again = Follower()
    again.take(story.records)
    again.take([begun(quoted(parameters='{"rpi": true}'), at_ns=story.now_ns + MS)])
    assert (follower.runs, again.runs, follower.changed, again.changed) == (1, 2, 0, 1)
    with pytest.raises(ConfigError, match="quotes BTC_USDT like the first, found one of BTC_PERP"):
        again.take([begun(quoted(PERPETUAL), at_ns=story.now_ns + 2 * MS)])
    with pytest.raises(ConfigError, match="clock that was set back"):
        again.take([begun(quoted(), at_ns=story.now_ns - MS)])


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="clock that was set back"):
        parity(two_runs().fs, JOURNAL, MEASURED)
    fs = SimFs()
    story = quoting_story()
    story.write(fs, JOURNAL)
    with pytest.raises(ConfigError, match="no request could be timed"):
        parity(fs, JOURNAL, MEASURED)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(journal(FAULTY).fs, tmp_path_factory.mktemp("journal") / "j")


@pytest.mark.slow
def test_the_command_says_all_of_it_as_json(
    captured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", str(captured), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["mode"], told["notes"]) == (1, "paper", [])
    assert told["backtest"]["latency"] == f"measured from {captured}"
    for market in told["markets"].values():
        live, backtest = market["live"], market["backtest"]
        difference = Decimal(backtest["pnl"]) - Decimal(live["pnl"])
        assert Decimal(market["difference"]) == difference
        causes = market["causes"]
        money = [Decimal(cause["money"]) for cause in causes.values()]
        carried = Decimal(market["funding"]) + Decimal(market["interest"])
        assert sum(money) + carried == difference
        listed = market["differences"]
        assert sum(Decimal(each["money"]) for each in listed) == sum(money)
        assert all(each["words"] for each in listed)
        only = sum(cause["backtest_only"] - cause["live_only"] for cause in causes.values())
        assert backtest["fills"] - live["fills"] == only
        parts = [value for key, value in live.items() if key.startswith("pnl_")]
        assert sum(map(Decimal, parts)) == Decimal(live["pnl"])


@pytest.mark.slow
def test_the_command_says_it_in_lines(
    captured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    arguments = ["parity", str(captured), "--queue", "power:2", "--latency", "constant:5ms"]
    assert main([*arguments, "-o", str(kept)]) == 0
    shown = capsys.readouterr().out
    assert "latency constant 5 ms, queue power:2, seed 1" in shown
    assert "difference of the P&L" in shown
    assert f"note: the backtest's journal is {kept}" in shown
    assert max(map(len, shown.splitlines())) < 200
    assert main(["replay", str(kept), "--verify"]) == 0
    capsys.readouterr()
    assert main(["parity", str(captured), "--latency", "sampled:" + str(captured), "--all"]) == 0
    assert "not shown" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{none}"], "expected a journal"),
        (["{none}", "--queue", "polite"], "queue model"),
        (["{none}", "--latency", "fast"], "constant:TIME"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    given = [each.format(none=tmp_path) for each in arguments]
    assert main(["parity", *given, "--json"]) == 2
    assert words in json.loads(capsys.readouterr().out)["error"]
