"""What a run was made with is held against what replays it, before anything is proved."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from adapters.cli.own_code import made_now
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_compact import compact_journal
from adapters.simulated_fs import SimFs
from engine.codec import encode_record
from engine.events import Record, RunStarted, TailCut
from engine.types import Settings
from replay.manifest import Made, Pairs, RunManifest, expected, manifest_lines, read_manifests
from tests.engine.builders import T0, quoted

VERSIONS: Pairs = (("quotefold", "0.1.0"), ("python", "3.11.2"), ("msgspec", "0.22.0"))
CODE: Pairs = (("engine", "e1"), ("strategies", "s1"), ("requests", "r1"))
NOW = Made(VERSIONS, CODE, bytes(32))
RUN = RunManifest("ab12cd", 1, NOW, "00", True)


def run(**made: object) -> RunManifest:
    return replace(RUN, made=replace(NOW, **made))


def with_version(name: str, version: str) -> RunManifest:
    return run(versions=tuple((k, version if k == name else v) for k, v in VERSIONS))


CASES: list[tuple[str, RunManifest, str]] = [
    ("nothing has changed", RUN, "no difference is expected"),
    (
        "the strategies have changed",
        run(code=(CODE[0], ("strategies", "s0"), CODE[2])),
        "expect differences: strategy code changed: decisions may differ",
    ),
    (
        "the engine and the encoder have changed",
        run(code=(("engine", "e0"), CODE[1], ("requests", "r0"))),
        "expect differences: engine code changed: states and decisions may differ;"
        " the encoder of requests changed: request bytes may differ",
    ),
    (
        "msgspec is another",
        with_version("msgspec", "0.21.0"),
        "expect differences: msgspec 0.21.0 -> 0.22.0: fingerprints may differ, which are hashes"
        " of the bytes that it writes",
    ),
    (
        "Python is another",
        with_version("python", "3.12.1"),
        "expect differences: Python 3.12.1 -> 3.11.2: decisions may differ, where floats are added"
        " or printed otherwise",
    ),
    (
        "another version of the project with the same code",
        with_version("quotefold", "0.0.9"),
        "no difference is expected (note: quotefold 0.0.9 -> 0.1.0)",
    ),
    (
        "a package is gone",
        run(versions=(*VERSIONS, ("wsproto", "1.2"))),
        "no difference is expected (note: wsproto 1.2 -> not installed)",
    ),
    (
        "a run from before its code was recorded",
        run(code=()),
        "what to expect is not known: its code was not recorded",
    ),
    (
        "events had fewer fields",
        run(schema_hash=b"x" * 32),
        "no difference is expected (note: the schema of events was another; fields are only ever"
        " appended)",
    ),
    (
        "the configuration is not that of the segment",
        replace(RUN, config_agrees=False),
        "no difference is expected (note: its configuration is not the one that its segment was"
        " begun with)",
    ),
]


@pytest.mark.parametrize(("found", "text"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_what_is_to_be_expected_is_said(found: RunManifest, text: str) -> None:
    assert manifest_lines([found], NOW) == [f"run ab12cd from seq 1: {text}"]
    assert bool(expected(found, NOW)) == text.startswith("expect differences")


def test_runs_alike_share_a_line_and_another_configuration_begins_one() -> None:
    runs = [
        RUN,
        replace(RUN, run_id="b", seq=10),
        replace(RUN, run_id="c", seq=20, config_hash="01"),
        replace(run(code=(("engine", "e0"), *CODE[1:])), run_id="d", seq=30, config_hash="01"),
    ]
    assert [line.split(":")[0] for line in manifest_lines(runs, NOW)] == [
        "run ab12cd from seq 1",
        "run c from seq 20",
        "run d from seq 30",
    ]
    assert "another configuration than the run before" in manifest_lines(runs, NOW)[1]
    unknown = replace(run(code=()), run_id="e")
    assert len(manifest_lines([unknown, RUN], NOW)) == 2


def write_runs(fs: SimFs) -> None:
    """Three runs: one of two segments, one after a torn tail, one with another configuration."""
    seq = 0
    for number, config in enumerate(("{}", "{}", '{"a":1}')):
        digest = hashlib.sha256(b"{}").digest()
        writer, _ = JournalWriter.open(fs, JOURNAL, bytes(32), digest, segment_bytes=2_000)
        events: list[object] = [TailCut("00000001.qfj", 5, 7)] if number == 1 else []
        started = RunStarted(
            f"r{number}", "paper", VERSIONS, config, Settings(), (quoted(),), code=CODE
        )
        events += [started, *[TailCut("x", n, 1) for n in range(60)]]
        with writer:
            for event in events:
                seq += 1
                writer.append(seq, encode_record(Record(seq, T0, 0, event)))  # type: ignore[arg-type]
                writer.flush()


def test_the_manifests_are_read_from_the_heads_of_segments_plain_and_compressed() -> None:
    fs = SimFs()
    write_runs(fs)
    found = list(read_manifests(fs, JOURNAL))
    assert [(each.run_id, each.seq) for each in found] == [("r0", 1), ("r1", 63), ("r2", 124)]
    assert [each.config_agrees for each in found] == [True, True, False]
    assert all(each.made == NOW for each in found)
    compact_journal(fs, JOURNAL)
    assert list(read_manifests(fs, JOURNAL)) == found


def test_the_program_knows_its_own_parts() -> None:
    made = made_now(SystemFs())
    assert [name for name, _ in made.code] == ["engine", "strategies", "requests"]
    assert len({value for _, value in made.code}) == 3
    assert made == made_now(SystemFs())
    assert dict(made.versions)["msgspec"]
