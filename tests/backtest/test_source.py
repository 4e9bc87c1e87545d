"""Recordings and journals are their bytes, wherever they lie; raw captures are read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.backtest_plan import make_plan, parse_latency
from adapters.cli.main import main
from adapters.cli.simulate import JOURNAL
from adapters.ports import ReadFs
from adapters.ports_urls import is_url, name_of, without_secrets
from adapters.runtime.journal_read import RAW_DIR
from adapters.simulated_fs import SimFs
from adapters.whitebit.normalise import Normaliser
from engine import events as e
from engine.errors import ConfigError
from engine.types import Quoted
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move
from replay.backtest.run import Plan, play, run_backtest, start_of
from replay.backtest.source import find_journal, find_recording, is_journal, read_journal
from replay.backtest.tape import journal_moves
from replay.verify import verify
from tests.backtest.recordings import made_up, plan_of, spot_config, write
from tests.backtest.sweeps import FS
from tests.integration.world import copied, run_quiet
from tests.replay.recorded import SECONDS, on_disk, recorded

RAW = f"raw:{JOURNAL}"


def quoted() -> tuple[Quoted, ...]:
    first = recorded().records[0].event
    assert isinstance(first, e.RunStarted)
    return first.quoted


def moves(fs: ReadFs, text: str, market: int = 0) -> list[Move]:
    return list(journal_moves(fs, [find_journal(fs, text)], quoted(), market))


def plan_on(*texts: str) -> Plan:
    latency = parse_latency("constant:5ms")
    return make_plan(FS, spot_config(), texts, latency, "risk_averse", 1)


def without(fs: SimFs, directory: Path) -> SimFs:
    for name in fs.list_dir(directory):
        if ".qfj" in name:
            fs.remove(directory / name)
    return fs


@pytest.mark.parametrize(
    ("place", "name", "shown"),
    [
        ("data/a.zst", "a.zst", "data/a.zst"),
        ("s3://bucket/days/a.zst", "a.zst", "s3://bucket/days/a.zst"),
        ("https://me:word@host/a.zst?X-Signature=4f", "a.zst", "https://host/a.zst"),
        ("zip://a.zst::https://host/all.zip?key=4f", "a.zst", "zip://a.zst::https://host/all.zip"),
        ("simplecache::s3://bucket/j/", "j", "simplecache::s3://bucket/j/"),
    ],
)
def test_a_place_has_a_name_and_shows_no_keys(place: str, name: str, shown: str) -> None:
    assert (name_of(place), without_secrets(place)) == (name, shown)
    assert is_url(place) == ("://" in place)


def test_a_recording_that_changed_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", made_up(1, rows=50))
    plan = plan_of(path)
    write(path, made_up(2, rows=50))
    with pytest.raises(ConfigError, match=r"a\.zst: expected the bytes of the plan"):
        play(FS, plan)


@pytest.mark.slow
def test_a_journal_is_the_same_wherever_it_lies_and_another_once_it_changed(
    tmp_path: Path,
) -> None:
    here = plan_on(str(on_disk(tmp_path)))
    there = Path(shutil.copytree(on_disk(tmp_path), tmp_path / "elsewhere" / "first"))
    plan = plan_on(str(there))
    assert start_of(plan) == start_of(here)
    told = json.loads(start_of(plan).config)["backtest"]["journals"]
    assert [(each["journal"], each["raw"]) for each in told] == [("first", False)]
    last = max(there.glob("*.qfj"))
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(ConfigError, match="expected the bytes of the plan"):
        play(FS, plan)
    assert start_of(plan_on(str(there))) != start_of(plan)


# --- raw captures ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("market", [0, 1])
def test_moves_of_bytes_are_those_of_events(market: int) -> None:
    fs = recorded().copy()
    found = moves(fs, str(JOURNAL), market)
    assert {move[2] for move in found} == {DEPTH, TOUCH, TRADE}
    assert moves(fs, RAW, market) == found


@pytest.mark.slow
def test_bytes_are_read_as_they_are_read_now() -> None:
    """Frames that an older normaliser refused have been right all along, and so the other way."""

    def refuses(self: Normaliser, update: object) -> e.AnyEvent:
        raise ValueError("no such field")

    fs = recorded().copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Normaliser, "_book_ticker", refuses)
        kinds = {move[2] for move in moves(fs, RAW)}
        assert TOUCH in {move[2] for move in moves(fs, str(JOURNAL))}
    assert kinds == {DEPTH, TRADE}


@pytest.mark.slow
def test_bytes_alone_are_played_by_the_time_of_the_venue() -> None:
    """What is left of a journal without its events: the same market, told when latency says."""
    fs = run_quiet(SECONDS).fs
    whole = moves(fs, str(JOURNAL))
    source = find_journal(without(fs, JOURNAL), RAW)
    assert source.alone
    found = list(journal_moves(fs, [source], quoted(), 0))
    assert {move[3] for move in found} == {0}
    # All but the time that it took to us; and sizes, where only an answer told of our order there.
    assert [move[:3] for move in found] == [move[:3] for move in whole]
    for kind, fields in ((TOUCH, (5, 7)), (TRADE, (4, 5, 6, 7, 8))):
        chosen = [[move[n] for n in fields] for move in found if move[2] == kind]
        assert chosen == [[move[n] for n in fields] for move in whole if move[2] == kind]
        assert len(chosen) > 5


def test_without_bytes_there_is_nothing_to_read_again() -> None:
    fs = without(recorded().copy(), JOURNAL / RAW_DIR)
    for text in (RAW, "raw:/none"):
        with pytest.raises(ConfigError, match=r"expected bytes as received in raw/, found none"):
            find_journal(fs, text)
    assert is_journal(fs, RAW)
    assert not is_journal(fs, "/none")


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a recording or a journal, found: "):
        find_recording(FS, "/none/a.zst")


def test_another_capture_than_planned_is_refused() -> None:
    fs = recorded().copy()
    source = find_journal(fs, RAW)
    with pytest.raises(ConfigError, match="raw:/journal: expected the bytes of the plan"):
        list(read_journal(fs, replace(source, sha256="0" * 64), quoted()))


@pytest.fixture
def captures(tmp_path: Path) -> Sequence[Path]:
    whole = copied(recorded().fs, tmp_path / "whole")
    alone = tmp_path / "alone"
    shutil.copytree(whole / RAW_DIR, alone / RAW_DIR)
    return whole, alone


@pytest.mark.slow
def test_the_command_plays_raw_captures(
    captures: Sequence[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, alone = captures
    told = {}
    for name, data in (("events", whole), ("raw", f"raw:{whole}"), ("alone", f"raw:{alone}")):
        journal = tmp_path / f"of-{name}"
        command = ["backtest", "--data", str(data), "--journal", str(journal), "--json"]
        assert main(command) == 0
        told[name] = json.loads(capsys.readouterr().out)
        assert told[name]["journals"] == [str(data)]
        proof, _ = verify(read_journal(FS, find_journal(FS, str(journal)), ()))
        assert proof.divergences == 0
    assert told["raw"]["moves"] == told["events"]["moves"] > 50
    assert told["raw"]["markets"] == told["events"]["markets"]
    assert told["alone"]["markets"].keys() == told["events"]["markets"].keys()
    # They are not the same run: what each is made from stands in its first record.
    ids = {start_of(plan_on(f"raw:{whole}")).run_id, start_of(plan_on(str(whole))).run_id}
    assert len(ids) == 2


@pytest.mark.slow
def test_a_journal_made_from_bytes_repeats(captures: Sequence[Path], tmp_path: Path) -> None:
    plan = plan_on(f"raw:{captures[1]}")
    assert run_backtest(FS, plan, tmp_path / "a") == run_backtest(FS, plan, tmp_path / "b")
