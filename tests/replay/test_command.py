"""`quotefold replay`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.own_code import core_hash
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from adapters.runtime.snapshots import (
    decode_snapshot,
    encode_snapshot,
    list_snapshots,
    snapshot_name,
)
from engine import kill_switch
from engine.events import Fingerprint
from engine.state import fingerprint
from tests.integration.world import copied
from tests.replay.journals import SYNTHETIC, journal, write
from tests.replay.planted_records import RECORDS

pytestmark = pytest.mark.slow

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal whose snapshot this program made, as far as it can tell."""
    path = copied(journal(SYNTHETIC).fs, tmp_path_factory.mktemp("good"))
    (seq,) = list_snapshots(SystemFs(), path)
    file = path / snapshot_name(seq)
    kept = decode_snapshot(file.read_bytes())
    file.write_bytes(encode_snapshot(replace(kept, code_hash=core_hash(SystemFs()))))
    return path


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plant = next(plant for plant in RECORDS if plant.what == "a deal is edited")
    assert plant.edit is not None
    path = tmp_path_factory.mktemp("edited") / "journal"
    write(SystemFs(), path, plant.edit(list(journal(SYNTHETIC).records))[1])
    return path


def count() -> int:
    return len(journal(SYNTHETIC).records)


def answer(shown: Shown) -> Any:
    return json.loads(shown.readouterr().out)


def test_a_proof_says_first_what_is_to_be_expected(good: Path, capsys: Shown) -> None:
    assert main(["replay", str(good), "--verify"]) == 0
    first, counts, state, proved = capsys.readouterr().out.splitlines()
    assert first.endswith("from seq 1: no difference is expected")
    assert counts.startswith(f"{good}: {count():,} records, 1 runs")
    assert state.startswith(f"state at seq {count()}: fingerprint ")
    assert proved.startswith("proved: 3 states, ")


def test_the_fingerprint_that_is_printed_is_that_of_the_state(good: Path, capsys: Shown) -> None:
    """Of the state before a recorded one, as at the end of a run, else of the one at hand."""
    made = journal(SYNTHETIC)
    recorded = next(r for r in made.records if isinstance(r.event, Fingerprint))
    for until, seq in ((recorded.seq, recorded.seq - 1), (recorded.seq + 5, recorded.seq + 5)):
        assert main(["replay", str(good), "--until", str(until), "--json"]) == 0
        assert answer(capsys)["fingerprint"] == fingerprint(made.states[seq]).hex()


@pytest.mark.parametrize("where", [(), ("--what-if",), ("--fills", "model")])
def test_an_end_before_the_beginning_proves_nothing(
    where: tuple[str, ...], good: Path, capsys: Shown
) -> None:
    for until in ("0", "-5"):
        assert main(["replay", str(good), "--until", until, *where]) == 2
        assert "Invalid value for '--until'" in capsys.readouterr().err


def test_an_end_before_the_snapshot_is_refused(good: Path, capsys: Shown) -> None:
    (seq,) = list_snapshots(SystemFs(), good)
    given = ["replay", str(good), "--verify", "--from", "snapshot", "--until", str(seq)]
    assert main(given) == 2
    error = f"--until: expected a seq from {seq + 1} on, found {seq}"
    assert error in capsys.readouterr().err


def test_a_divergence_is_told_with_its_cause_and_both_sides(good: Path, capsys: Shown) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kill_switch, "refresh_ns", lambda settings: 2_000_000_000)
        assert main(["replay", str(good), "--verify"]) == 1
        text = capsys.readouterr().out
        assert main(["replay", str(good), "--verify", "--json"]) == 1
        first = answer(capsys)["first"]
    assert f"DIVERGED at seq {first['seq']} (intents, caused by seq {first['seq'] - 1}): " in text
    assert first["difference"].startswith("intents: only recorded: arm kill switch on BTC_USDT")
    assert "the fingerprints of the beginning and of seq" in text
    for line in (*first["chain"], *first["state"], *first["sides"]):
        assert f"  {line}\n" in text
    assert first["chain"][0].startswith(f"seq {first['seq']} decision: arm kill switch")
    assert first["chain"][-1].split(" ", 2)[2].startswith("timer fired")
    assert any(line.startswith("BTC_USDT: bid 6") for line in first["state"])


def test_the_state_that_the_run_kept_is_held_against_the_recomputed_one(
    good: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    import strategies.inventory_skew as skew

    monkeypatch.setattr(skew, "NS_PER_S", 400_000_000)
    assert main(["replay", str(good), "--verify"]) == 1
    text = capsys.readouterr().out
    (seq,) = list_snapshots(SystemFs(), good)
    assert f"against the state that the run kept at seq {seq}:" in text
    assert "markets, BTC_USDT, memory, variance: recorded " in text


def test_a_proof_begins_at_a_snapshot(good: Path, capsys: Shown) -> None:
    (seq,) = list_snapshots(SystemFs(), good)
    for where in ("snapshot", str(seq), str(seq + 1)):
        assert main(["replay", str(good), "--verify", "--json", "--from", where]) == 0
        proof = answer(capsys)
        assert (proof["from_seq"], proof["records"]) == (seq + 1, count() - seq)
    assert main(["replay", str(good), "--verify", "--json", "--from", str(seq - 1)]) == 0
    assert answer(capsys)["from_seq"] == 1
    assert main(["replay", str(good), "--verify", "--from", "snapshot"]) == 0
    text = capsys.readouterr().out
    assert f"begins with the state after seq {seq}, which the journal records" in text


def test_a_snapshot_of_other_code_is_passed_over_with_a_note(tmp_path: Path, capsys: Shown) -> None:
    path = copied(journal(SYNTHETIC).fs, tmp_path / "journal")
    assert main(["replay", str(path), "--verify", "--from", "snapshot"]) == 0
    text = capsys.readouterr().out
    assert "is not used: other code made it" in text
    assert f"{count():,} records" in text


def test_several_journals_have_a_line_each(
    good: Path, edited: Path, tmp_path: Path, capsys: Shown
) -> None:
    nowhere = tmp_path / "nowhere"
    assert main(["replay", "--verify", str(good), str(good)]) == 0
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == ["proved"] * 2
    assert main(["replay", "--verify", str(good), str(nowhere)]) == 2
    assert f"{nowhere}: could not be read: " in capsys.readouterr().out
    paths = [str(good), str(edited), str(nowhere)]
    assert main(["replay", "--verify", *paths]) == 1
    one, two, three = capsys.readouterr().out.splitlines()
    assert one.startswith(f"{good}: proved: ")
    assert two.startswith(f"{edited}: DIVERGED at seq ")
    assert three.startswith(f"{nowhere}: could not be read")
    assert main(["replay", "--verify", "--json", *paths]) == 1
    found = answer(capsys)
    assert [each["journal"] for each in found["journals"]] == paths
    assert [each.get("divergences", -1) for each in found["journals"]][::2] == [0, -1]
    assert found["divergences"] == found["journals"][1]["divergences"] > 0


def test_a_damaged_journal_is_not_one_that_diverged(
    good: Path, tmp_path: Path, capsys: Shown
) -> None:
    path = tmp_path / "journal"
    shutil.copytree(good, path)
    data = bytearray((path / "00000001.qfj").read_bytes())
    data[len(data) // 2] ^= 1
    (path / "00000001.qfj").write_bytes(data)
    for more in ((), ("--follow",)):
        assert main(["replay", "--verify", "--json", str(path), *more]) == 2
        assert "expected frame crc" in answer(capsys)["error"]


@pytest.mark.parametrize("more", [("--verify",), ("--follow",), ("--what-if",)])
def test_a_segment_that_cannot_be_read_is_named(
    good: Path, tmp_path: Path, more: tuple[str, ...], capsys: Shown
) -> None:
    path = Path(shutil.copytree(good, tmp_path / "journal"))
    (path / "00000002.qfj").mkdir()
    assert main(["replay", str(path), "--json", *more]) == 2
    assert f"{path}/00000002.qfj: cannot read: " in answer(capsys)["error"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--from", "yesterday"), "--from: expected a seq or `snapshot`"),
        (("--from", "0"), "--from: expected a seq or `snapshot`"),
        (("--follow", "--until", "5"), "--follow: expected one journal, and no --until"),
        (("--follow", str(JOURNAL)), "--follow: expected one journal, and no --until"),
    ],
)
def test_what_makes_no_sense_is_refused(
    good: Path, given: tuple[str, ...], why: str, capsys: Shown
) -> None:
    assert main(["replay", "--verify", str(good), *given]) == 2
    assert why in capsys.readouterr().err
