"""A backtest is a run: its journal proves, its totals are its fold, its bytes repeat."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.backtest_plan import make_plan, parse_latency
from adapters.cli.backtest_text import summary_of
from adapters.cli.config import EngineConfig, MarketConfig
from adapters.cli.main import main
from adapters.ports import SystemFs
from engine.errors import ConfigError
from engine.events import (
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Decided,
    Filled,
    KillSwitchArmed,
    MarkPrice,
    OrderClosed,
    OrderModified,
    OrderOpened,
    OrderUpdated,
    PublicTrades,
    RunEnded,
    RunStarted,
    TimerFired,
)
from replay.backtest.made import LABEL, MODE
from replay.backtest.played import Played
from replay.backtest.run import Plan, play, run_backtest, start_of
from replay.backtest.world import TICK_NS, TURN_NS
from replay.read import fold, read_records
from replay.verify import verify
from tests.backtest.recordings import MS, made_up, plan_of, recorded, spot_config, write

pytestmark = pytest.mark.slow
FS = SystemFs()


@dataclass
class Done:
    """One backtest."""

    plan: Plan
    played: Played
    journal: Path

    def bytes(self) -> dict[str, bytes]:
        return segments(self.journal)


def segments(journal: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(journal.glob("*.qfj"))}


@pytest.fixture(scope="module")
def spot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "spot.zst", recorded())


@pytest.fixture(scope="module")
def done(spot: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    journal, plan = tmp_path_factory.mktemp("journal") / "j", plan_of(spot)
    return Done(plan, run_backtest(FS, plan, journal), journal)


def test_its_journal_proves(done: Done) -> None:
    proof, state = verify(read_records(FS, done.journal))
    assert proof.divergences == 0
    assert proof.fingerprints > 1
    assert proof.requests == done.played.requests > 10
    assert (proof.events, proof.decisions) == (done.played.events, done.played.decisions)
    assert state == done.played.state


def test_it_is_marked_and_ends_as_a_run(done: Done) -> None:
    records = list(read_records(FS, done.journal))
    first, last = records[0].event, records[-2].event
    assert isinstance(first, RunStarted)
    assert first.mode == MODE
    told = json.loads(first.config)["backtest"]
    assert (told["label"], told["queue"], told["seed"]) == (LABEL, "risk_averse", 1)
    assert [each["file"] for each in told["data"]["BTC_USDT"]] == ["spot.zst"]
    assert last == RunEnded(clean=True, reason="stopped")
    times = [record.recv_ns for record in records]
    assert times == sorted(times)
    ticks = [r.recv_ns for r in records if isinstance(r.event, TimerFired)]
    assert {b - a for a, b in pairwise(ticks)} == {TICK_NS}
    assert any(isinstance(record.event, KillSwitchArmed) for record in records)
    # The first decision, which opens the streams, waits for no timer.
    assert isinstance(records[1].event, Decided)
    assert records[1].recv_ns - records[0].recv_ns == TURN_NS


def test_its_report_is_the_fold_of_its_journal(done: Done) -> None:
    state = fold(read_records(FS, done.journal))
    fills = [r.event.fill for r in read_records(FS, done.journal) if isinstance(r.event, Filled)]
    summary = summary_of(done.played, done.plan, done.journal)
    market = summary["markets"]["BTC_USDT"]
    assert summary["fills"] == market["fills"] == len(fills) > 0
    assert summary["label"] == LABEL
    assert state == done.played.state
    bought = sum(fill.qty for fill in fills if fill.side.sign > 0)
    sold = sum(fill.qty for fill in fills if fill.side.sign < 0)
    assert (Decimal(market["bought"]), Decimal(market["sold"])) == (
        Decimal(bought).scaleb(-6),
        Decimal(sold).scaleb(-6),
    )
    parts = [Decimal(market[f"pnl_{part}"]) for part in ("spread", "inventory", "fees")]
    assert sum(parts) == Decimal(market["pnl"])


def test_nothing_is_told_sooner_than_it_can_be_known(done: Done) -> None:
    kinds = set()
    for record in read_records(FS, done.journal):
        event: Any = record.event
        if isinstance(event, PublicTrades):
            venue_us = max(trade.venue_us for trade in event.trades)
        elif isinstance(event, Filled):
            venue_us = event.fill.venue_us
        elif isinstance(event, OrderOpened | OrderUpdated | OrderClosed | OrderModified):
            venue_us = event.order.modified_us
        elif isinstance(event, BookSnapshot | BookDelta | BestBidOffer):
            venue_us = event.venue_us
        else:
            continue
        kinds.add(type(event))
        assert record.recv_ns - venue_us * 1000 >= 5 * MS, event
    assert len(kinds) >= 7


def test_equal_plans_give_equal_bytes(done: Done, spot: Path, tmp_path: Path) -> None:
    again = run_backtest(FS, done.plan, tmp_path / "again")
    assert again == done.played
    assert segments(tmp_path / "again") == done.bytes()
    # Where the file lies is not in the journal.
    moved = Path(shutil.copy(spot, tmp_path / "spot.zst"))
    run_backtest(FS, plan_of(moved), tmp_path / "moved")
    assert segments(tmp_path / "moved") == done.bytes()
    assert play(FS, done.plan) == done.played


def test_what_another_program_made_is_no_result_of_this_one(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = start_of(done.plan)
    monkeypatch.setattr("replay.backtest.run.program", lambda: b"another program")
    after = start_of(done.plan)
    assert (before.run_id, before.code) == (after.run_id, after.code)
    assert before != after
    with pytest.raises(ConfigError, match="this very program"):
        run_backtest(FS, done.plan, done.journal)
    assert segments(done.journal) == done.bytes()


def test_another_seed_latency_or_queue_is_another_run(done: Done, spot: Path) -> None:
    others = [replace(done.plan, seed=2), plan_of(spot, latency_ms=80)]
    others.append(plan_of(spot, queue="power:2"))
    ids = {done.played.state.run_id, *(play(FS, other).state.run_id for other in others)}
    assert len(ids) == 4


def test_one_that_was_killed_is_begun_anew_with_the_same_bytes(done: Done, tmp_path: Path) -> None:
    (name, whole), *rest = done.bytes().items()
    assert not rest
    for cut in (0, 100, len(whole) // 2, len(whole) - 1):
        journal = tmp_path / f"cut-{cut}"
        journal.mkdir()
        (journal / name).write_bytes(whole[:cut])
        assert run_backtest(FS, done.plan, journal) == done.played
        assert segments(journal) == {name: whole}


def test_one_that_is_there_is_not_played_again(done: Done) -> None:
    before = done.bytes()
    again = run_backtest(FS, done.plan, done.journal)
    assert (again.moves, again.state, again.fingerprint) == (
        0,
        done.played.state,
        done.played.fingerprint,
    )
    assert (again.events, again.decisions, again.requests) == (
        done.played.events,
        done.played.decisions,
        done.played.requests,
    )
    assert done.bytes() == before


def test_what_is_another_journal_is_left_alone(done: Done, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name another directory"):
        run_backtest(FS, replace(done.plan, seed=9), done.journal)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="name another directory"):
        run_backtest(FS, done.plan, tmp_path)
    assert (tmp_path / "letter.txt").exists()


def test_a_slower_engine_is_filled_otherwise(spot: Path) -> None:
    fast, slow = play(FS, plan_of(spot, latency_ms=1)), play(FS, plan_of(spot, latency_ms=300))
    assert fast.state.markets["BTC_USDT"].inventory != slow.state.markets["BTC_USDT"].inventory


def test_a_journal_is_played_again(done: Done, tmp_path: Path) -> None:
    config, text = spot_config(), str(done.journal)
    plan = make_plan(FS, config, [text], parse_latency("constant:5ms"), "risk_averse", 1)
    played = run_backtest(FS, plan, tmp_path / "again")
    proof, _ = verify(read_records(FS, tmp_path / "again"))
    assert (proof.divergences, played.ended.clean) == (0, True)
    theirs = done.played.state.markets["BTC_USDT"].inventory.fills
    ours = played.state.markets["BTC_USDT"].inventory.fills
    assert 0.5 * theirs <= ours <= 2 * theirs


@pytest.mark.parametrize("kind", ["measured", "sampled"])
def test_latencies_come_from_a_journal(done: Done, spot: Path, tmp_path: Path, kind: str) -> None:
    latency = parse_latency(f"{kind}:{done.journal}")
    plan = make_plan(FS, spot_config(), [str(spot)], latency, "risk_averse", 1)
    played = run_backtest(FS, plan, tmp_path / "j")
    sent = {r.seq: r.recv_ns for r in read_records(FS, tmp_path / "j")}
    legs = {
        r.recv_ns - sent[r.cause_seq]
        for r in read_records(FS, tmp_path / "j")
        if isinstance(r.event, OrderModified)
    }
    assert played.ended.clean
    assert all(9 * MS <= leg <= 12 * MS for leg in legs)


def timed(spot: Path, journal: Path) -> Plan:
    latency = parse_latency(f"measured:{journal}")
    return make_plan(FS, spot_config(), [str(spot)], latency, "risk_averse", 1)


def test_the_journal_that_latencies_come_from_is_known_by_its_bytes(
    done: Done, spot: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere" / done.journal.name
    shutil.copytree(done.journal, copy)
    plan = timed(spot, copy)
    assert start_of(plan) == start_of(timed(spot, done.journal))
    assert Path(plan.latency.journal) == copy
    run_backtest(FS, plan_of(spot, latency_ms=80), tmp_path / "slow" / "j")
    assert start_of(plan) != start_of(timed(spot, tmp_path / "slow" / "j"))
    # Of another one meanwhile, results would not be told apart.
    shutil.rmtree(copy)
    shutil.copytree(tmp_path / "slow" / "j", copy)
    with pytest.raises(ConfigError, match="expected the bytes of the plan"):
        play(FS, plan)


def test_a_perpetual_has_a_mark_and_is_quoted_beside_its_spot(tmp_path: Path) -> None:
    spot = write(tmp_path / "spot.zst", made_up(1))
    rows = made_up(2, decimals=1)
    for row in rows:
        # A tenth of the price has a tenth of the ticks.
        row["t"] += 3 * MS
    perp = write(tmp_path / "perp.zst", rows)
    plan = plan_of(spot, perp)
    assert [quoted.market.name for quoted in plan.quoted] == ["BTC_USDT", "BTC_PERP"]
    played = run_backtest(FS, plan, tmp_path / "j")
    assert played.ended.clean
    assert set(played.state.markets) == {"BTC_USDT", "BTC_PERP"}
    marks = [r.event for r in read_records(FS, tmp_path / "j") if isinstance(r.event, MarkPrice)]
    assert len(marks) > 3
    assert verify(read_records(FS, tmp_path / "j"))[0].divergences == 0


def test_a_stretch_of_time_begins_flat_in_the_middle(spot: Path) -> None:
    plan = plan_of(spot)
    whole = play(FS, plan)
    middle = (whole.started_ns + whole.ended_ns) // 2
    late = play(FS, replace(plan, begin_ns=middle))
    assert late.started_ns == middle
    assert late.ended.clean
    early = play(FS, replace(plan, end_ns=middle))
    assert early.ended_ns < middle + 1_000 * MS


# --- the command --------------------------------------------------------------------------------


def test_the_command_tells_json(
    spot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["backtest", "--data", str(spot), "--journal", str(tmp_path / "j"), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["backtest"], told["label"], told["mode"]) == (True, LABEL, MODE)
    assert told["moves"] > 1_000
    assert told["latency"] == "constant 5 ms"
    assert main(["replay", str(tmp_path / "j"), "--verify", "--json"]) == 0
    proved = json.loads(capsys.readouterr().out)
    assert (proved["divergences"], proved["fingerprint"]) == (0, told["fingerprint"])
    assert main(["fills", str(tmp_path / "j"), "--json"]) == 0
    assert main(arguments[:-1]) == 0
    assert "was not played again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "none.zst"], "expected a recording"),
        (["--data", "ETH_USDT={spot}"], "does not exist"),
        (["--data", "{spot}", "--latency", "fast"], "constant:TIME"),
        (["--data", "{spot}", "--latency", "constant:0ms"], "duration above zero"),
        (["--data", "{spot}", "--latency", "measured:none"], "--latency none: expected a journal"),
        (["--data", "{spot}", "--queue", "polite"], "queue model"),
        (["--data", "{spot},{spot}"], "found a comma"),
        (["--data", "{spot}", "--data", "{empty}"], "a directory|a recording"),
    ],
)
def test_the_command_refuses(
    spot: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    filled = [each.format(spot=spot, empty=tmp_path) for each in arguments]
    assert main(["backtest", *filled, "--journal", str(tmp_path / "j"), "--json"]) == 2
    assert re.search(words, json.loads(capsys.readouterr().out)["error"])
    assert not list((tmp_path / "j").glob("*"))


def test_data_of_a_market_that_is_not_quoted_is_refused(spot: Path) -> None:
    config = spot_config()
    only = replace(config, market={"BTC_PERP": config.market["BTC_PERP"]})
    with pytest.raises(ConfigError, match="of BTC_USDT, which the configuration does not quote"):
        plan_of(spot, config=only)


def test_hedge_mode_is_refused(spot: Path, tmp_path: Path) -> None:
    perp = write(tmp_path / "perp.zst", made_up(2, decimals=1))
    config = spot_config()
    market: dict[str, MarketConfig] = {"BTC_PERP": config.market["BTC_PERP"]}
    hedged = replace(config, market=market, engine=EngineConfig(hedge_mode=True))
    with pytest.raises(ConfigError, match="hedge_mode"):
        run_backtest(FS, plan_of(perp, config=hedged), tmp_path / "j")
