"""Verification of two segments on one core and on two, by the command's own code."""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from adapters.cli.proving import Asked, prove_journals
from adapters.cli.simulate import JOURNAL, simulate
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.snapshots import SnapshotKeeper
from benchmarks.figures import Row, Section, rate_row, timed_ns
from benchmarks.session import SEED, flow_of, one_market
from engine.codec import encode_record, schema_hash
from engine.events import Fingerprint
from replay.parallel import Stretch, prove_stretch
from replay.read import fold, read_records
from replay.verify import Proof


def measure_parallel(seconds: float, passes: int) -> Section:
    """Prove a journal of two equal segments, in one process and in two.

    Args:
        seconds: Virtual, of the run that it holds.
        passes: How often it is proved each way, in turns.

    Raises:
        RuntimeError: the journal does not prove, so that its times mean nothing.
    """
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        journal = Path(directory) / "journal"
        _write(journal, seconds)
        found: list[Proof] = []
        one_ns: list[int] = []
        two_ns: list[int] = []
        for _ in range(passes):
            one_ns += timed_ns(lambda: found.append(_in_one(journal)), 1)
            two_ns += timed_ns(lambda: found.append(_in_two(journal)), 1)
    if any(proof != found[0] or proof.divergences for proof in found):
        raise RuntimeError(f"parallel benchmark: the journal does not prove: {found[0].first}")
    records = found[0].records
    ratios = {
        "n": float(passes),
        "best": min(one_ns) / min(two_ns),
        "median": median(one_ns) / median(two_ns),
    }
    return Section(
        key="parallel",
        title="replay with verification, two segments",
        rows=[
            rate_row("on one core", records, one_ns),
            rate_row("on two cores", records, two_ns),
            Row("two cores against one", "times", ratios),
        ],
        notes=[
            f"A run of {seconds:g} s on the synthetic flow, one market, in two segments of files;"
            f" {passes} passes, one core and two in turns, each in processes of its own. Full"
            " segments of 64 MiB, several times as long, would notice their start less.",
            "Means something only where two cores are free: see the load above.",
        ],
    )


def _in_one(journal: Path) -> Proof:
    # In a process of its own, as the two have theirs and a command has its own: memory that a
    # process touches for the first time costs it a twentieth of the proof.
    stretch = Stretch(journal, 0, None)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as executor:
        proved = executor.submit(prove_stretch, SystemFs(), stretch).result()
    assert proved is not None
    return proved.proof


def _in_two(journal: Path) -> Proof:
    (one,) = prove_journals(SystemFs(), (journal,), Asked(jobs=2), lambda one: None)
    return one.proof


def _write(journal: Path, seconds: float) -> None:
    # One run, parted in its middle at a fingerprint, where its state is kept.
    simulated = simulate(one_market(), flow_of(None), seed=SEED, seconds=seconds).fs
    records = list(read_records(simulated, JOURNAL))
    vouching = [record.seq for record in records if isinstance(record.event, Fingerprint)]
    at = min(vouching, key=lambda seq: abs(2 * seq - len(records)))
    fs = SystemFs()
    for part in (records[:at], records[at:]):
        writer, _ = JournalWriter.open(fs, journal, schema_hash(), bytes(32))
        with writer:
            for record in part:
                writer.append(record.seq, encode_record(record))
    SnapshotKeeper(fs, journal, b"benchmark", 0).keep(fold(iter(records[: at - 1])))
