"""What a journal proves: damage is named, secrets are absent, changed code diverges by name."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

import strategies.inventory_skew as skew
from adapters.cli.simulate import JOURNAL, Simulation
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from engine.events import AnyEvent, Decided, Fingerprint, Record, RequestSent
from replay.verify import Proof, verify
from tests.integration.kit import quotefold
from tests.integration.world import copied, files_of, records_of, run_quiet
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow

PLACES = 300
SEED = 20_260_101


@pytest.fixture(scope="module")
def run() -> Simulation:
    """A minute on a quiet market; its files are never changed."""
    return run_quiet(60, seed=5)


# --- damage -----------------------------------------------------------------------------------


def test_a_flipped_byte_anywhere_is_found_and_its_place_named(run: Simulation) -> None:
    files, rng = files_of(run.fs), random.Random(SEED)
    assert verify_journal(run.fs, JOURNAL).all_problems == ()
    paths = [path for path in files if path.suffix == ".qfj"]
    assert len(paths) == 2, "one segment of events and one of raw bytes"
    for _ in range(PLACES):
        path = rng.choice(paths)
        data = files[path]
        offset, mask = rng.randrange(len(data)), 1 << rng.randrange(8)
        run.fs.overwrite(path, flipped(data, offset, mask))
        problems = verify_journal(run.fs, JOURNAL).all_problems
        run.fs.overwrite(path, data)
        assert [problem.file for problem in problems] == [str(path)], (path, offset, mask)
        (problem,) = problems
        assert problem.offset <= offset < len(data), (path, offset, mask, problem)


def flipped(data: bytes, offset: int, mask: int) -> bytes:
    return data[:offset] + bytes((data[offset] ^ mask,)) + data[offset + 1 :]


@pytest.mark.parametrize("part", ["00000001.qfj", "raw/00000001.qfj"])
def test_the_command_names_the_damaged_place(run: Simulation, tmp_path: Path, part: str) -> None:
    journal = copied(run.fs, tmp_path / "journal")
    assert quotefold("journal", "verify", str(journal))[0] == 0
    path = journal / part
    data = path.read_bytes()
    path.write_bytes(flipped(data, len(data) // 2, 1))
    code, out, _ = quotefold("journal", "verify", str(journal))
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("DAMAGED")]
    assert str(path) in line
    assert "offset" in line
    code, out, _ = quotefold("replay", str(journal), "--verify", "--json")
    if part.startswith("raw"):
        # Replay folds events; the raw bytes are for proving the normaliser.
        assert code == 0
    else:
        assert (code, json.loads(out)["kind"]) == (2, "ConfigError")
        assert str(path) in json.loads(out)["error"]


# --- secrets ----------------------------------------------------------------------------------


def secrets_of(run: Simulation) -> dict[str, bytes]:
    account = run.venue.accounts[0]
    tokens = [*run.venue.venue.tokens._issued]
    assert tokens
    return {
        "API key": account.key.encode(),
        "secret": account.secret.encode(),
        **{f"token {number}": token.encode() for number, token in enumerate(tokens)},
    }


def test_no_secret_is_in_any_file(run: Simulation) -> None:
    for path, data in files_of(run.fs).items():
        for name, secret in secrets_of(run).items():
            assert secret not in data, (path, name)
        for header in (b"X-TXC-APIKEY", b"X-TXC-SIGNATURE", b"X-TXC-PAYLOAD", b"websocket_token"):
            assert header.lower() not in data.lower(), (path, header)


def test_the_search_for_secrets_would_find_one(run: Simulation) -> None:
    (path, data), *_ = files_of(run.fs).items()
    secret = secrets_of(run)["secret"]
    assert secret in data[:1_000] + secret + data[1_000:], path


# --- divergence -------------------------------------------------------------------------------


def proof_of(fs: SimFs, records: list[Record] | None = None) -> Proof:
    proof, _ = verify(iter(records_of(fs) if records is None else records))
    return proof


def test_a_changed_constant_of_the_strategy_is_named(
    run: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert proof_of(run.fs).divergences == 0
    monkeypatch.setattr(skew, "BPS", 20_000.0)
    proof = proof_of(run.fs)
    assert proof.divergences > 0
    assert proof.first is not None
    assert proof.first.level == "intents"
    (record,) = [r for r in records_of(run.fs) if r.seq == proof.first.seq]
    assert isinstance(record.event, Decided)
    assert record.cause_seq == proof.first.cause_seq
    assert "price" in proof.first.difference
    assert "recorded" in proof.first.difference
    # Everything before the first divergence came out the same.
    before = [r for r in records_of(run.fs) if r.seq < proof.first.seq]
    assert proof_of(run.fs, before).divergences == 0


PATCHED = """
import sys
import strategies.inventory_skew as skew
from adapters.cli.main import main
skew.BPS *= 2
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_names_the_first_divergence_and_exits_with_1(
    run: Simulation, tmp_path: Path
) -> None:
    journal = str(copied(run.fs, tmp_path / "journal"))
    command = [sys.executable, "-c", PATCHED, "replay", journal, "--verify"]
    text = ""
    for extra in ([], ["--json"]):
        done = subprocess.run(
            [*command, *extra], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (1, "")
        if extra:
            found = json.loads(done.stdout)
            assert found["divergences"] > 0
            assert f"DIVERGED at seq {found['first']['seq']} (intents" in text
            assert found["first"]["difference"] in text
        text = done.stdout


def changed(records: list[Record], kind: type[AnyEvent], **fields: object) -> tuple[int, Proof]:
    """Change the middle one of the events of a kind; returns its seq and what replay finds."""
    places = [n for n, record in enumerate(records) if isinstance(record.event, kind)]
    place = places[len(places) // 2]
    event = replace(records[place].event, **fields)
    records[place] = replace(records[place], event=event)
    proof, _ = verify(iter(records))
    return records[place].seq, proof


def test_a_request_that_the_code_would_write_otherwise_is_named(run: Simulation) -> None:
    seq, proof = changed(records_of(run.fs), RequestSent, body=b"{}")
    assert proof.first is not None
    assert (proof.divergences, proof.first.level, proof.first.seq) == (1, "request", seq)
    assert proof.first.difference.startswith("body, ")
    assert "recorded not there, recomputed " in proof.first.difference


def test_a_state_that_comes_out_otherwise_is_named(run: Simulation) -> None:
    seq, proof = changed(records_of(run.fs), Fingerprint, digest=bytes(16))
    assert proof.first is not None
    assert (proof.divergences, proof.first.level, proof.first.seq) == (1, "state", seq)
    assert f"recorded {'00' * 16}" in proof.first.difference


def test_a_missing_record_is_named(run: Simulation) -> None:
    records = records_of(run.fs)
    gone = records.pop(len(records) // 2)
    proof, _ = verify(iter(records))
    assert proof.first is not None
    assert (proof.first.level, proof.first.seq) == ("fold", gone.seq + 1)
    assert f"expected seq {gone.seq}" in proof.first.difference
