"""The work of `quotefold replay`: prove journals, in as many processes as there are cores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from adapters.cli.own_code import core_hash, made_now
from adapters.cli.places import check_journal
from adapters.ports import Fs
from adapters.runtime.journal_start import start_state
from adapters.runtime.snapshots import Recovery, from_snapshot, kept_state
from engine.errors import ConfigError, JournalError
from engine.snapshot import decode_state
from engine.state import State
from replay.manifest import RunManifest, manifest_lines, read_manifests
from replay.parallel import Proving, Stretch, processes, stretches_of
from replay.progress import blocks_with_progress
from replay.read import read_blocks
from replay.verify import Proof, Verifier


class Proven(msgspec.Struct):
    """One journal, and what was found."""

    journal: Path
    manifests: tuple[RunManifest, ...] = ()
    expectations: tuple[str, ...] = ()
    """What differences are to be expected of each run, in words."""
    from_seq: int = 1
    """The first record that was looked at."""
    notes: tuple[str, ...] = ()
    """Why snapshots were passed over."""
    proof: Proof = msgspec.field(default_factory=Proof)
    state: State = State()
    """After the last record."""
    error: str = ""
    """Why the journal could not be read."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be done."""

    at_most: int | None = 0
    """The last record whose snapshot may begin the proof; 0: none, None: any."""
    until: int | None = None
    jobs: int = 1
    verify: bool = True
    quiet: bool = True
    """No progress is shown."""


def begin(fs: Fs, journal: Path, at_most: int | None = 0) -> tuple[Proven, State]:
    """Look at what a journal was made with, and find the state to begin with.

    Raises:
        ConfigError: there is no journal.
        JournalError: it is damaged, or cannot be folded from anywhere.
    """
    check_journal(fs, journal)
    manifests = tuple(read_manifests(fs, journal))
    found = Recovery(State())
    if at_most == 0:
        found = Recovery(start_state(fs, journal))
    else:
        found = from_snapshot(fs, journal, core_hash(fs), at_most)
    lines = manifest_lines(list(manifests), made_now(fs))
    run_id, first = found.state.run_id, found.state.seq + 1
    if run_id and run_id not in [run.run_id for run in manifests]:
        lines.insert(0, f"run {run_id} from before seq {first}: what it was made with is gone")
    one = Proven(journal, manifests, tuple(lines), first, found.notes)
    return one, found.state


def check_until(until: int | None, start: State) -> None:
    """Refuse an end that lies before the first record, which would prove nothing.

    Raises:
        ConfigError: it does.
    """
    if until is not None and until <= start.seq:
        raise ConfigError(f"--until: expected a seq from {start.seq + 1} on, found {until}")


def prove_journals(
    fs: Fs, journals: tuple[Path, ...], asked: Asked, tell: Callable[[Proven], None]
) -> list[Proven]:
    """Prove journals; of several, one that cannot be read does not keep the others from it.

    Args:
        fs: Where they are.
        journals: Their directories.
        asked: How.
        tell: Called for each before it is proved.

    Raises:
        ConfigError, JournalError: a single journal cannot be read, or ends before it begins.
    """
    alone = len(journals) == 1
    found: list[Proven] = []
    plans: list[list[Stretch]] = []
    for journal in journals:
        try:
            one, start = begin(fs, journal, asked.at_most)
            check_until(asked.until, start)
            plan = stretches_of(fs, journal, start, asked.until)
        except (JournalError, ConfigError) as error:
            if alone:
                raise
            one, plan = Proven(journal, error=str(error)), []
        tell(one)
        found.append(one)
        plans.append(plan)
    count = sum(map(len, plans))
    if not asked.verify or asked.jobs == 1 or count <= 1:
        for one, plan in zip(found, plans, strict=True):
            if plan:
                _settle(one, partial(_in_one_go, fs, one.journal, plan[0], asked), alone)
        return found
    with processes(min(asked.jobs, count)) as executor:
        under_way = [Proving(fs, plan, executor) for plan in plans]
        for one, plan, proving in zip(found, plans, under_way, strict=True):
            if plan:
                _settle(one, proving.result, alone)
    return found


def _settle(one: Proven, prove: Callable[[], tuple[Proof, State]], alone: bool) -> None:
    try:
        one.proof, one.state = prove()
    except JournalError as error:
        if alone:
            raise
        one.error = str(error)


def _in_one_go(fs: Fs, journal: Path, first: Stretch, asked: Asked) -> tuple[Proof, State]:
    start = decode_state(first.start)
    snapshot_at = partial(kept_state, fs, journal)
    verifier = Verifier(start, compare=asked.verify, snapshot_at=snapshot_at)
    blocks = read_blocks(fs, journal, asked.until, start.seq + 1)
    verifier.take_blocks(blocks_with_progress(blocks, enabled=not asked.quiet))
    return verifier.finish(), verifier.state
