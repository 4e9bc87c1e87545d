"""Prove journals in several processes, each a stretch that begins with a state the run kept.

A run keeps its state once a segment, so a journal can be cut at these places. Each stretch begins
by comparing that state with the fingerprint which the journal recorded for it, and ends with a
state whose fingerprint has to be that of the next stretch's beginning. So the proof is the same as
in one go: what a seam does not hold for is proved again from the state before it.

The processes are forks of this one: they run the code that this process has, as changed as it is.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from adapters.ports import Fs
from adapters.runtime.journal_read import read_headers
from adapters.runtime.journal_start import start_state
from adapters.runtime.snapshots import kept_state, list_snapshots
from engine.snapshot import decode_state, encode_state
from engine.state import State, fingerprint
from replay.read import read_blocks
from replay.verify import Proof, Verifier

_PR_SET_PDEATHSIG = 1
"""Of Linux: the kernel sends a signal when the parent is gone."""


class Stretch(msgspec.Struct, frozen=True):
    """Records of one journal that one process proves."""

    journal: Path
    start_seq: int
    """The record whose state it begins with, as the run kept it; 0: the journal's own beginning."""
    until_seq: int | None
    """Its last record; None: all there are."""
    start: bytes = b""
    """The state to begin with, encoded, where the caller knows it."""


class Proved(msgspec.Struct, frozen=True):
    """What one process found of a stretch."""

    proof: Proof
    end_seq: int
    start_digest: bytes
    end_digest: bytes
    end: bytes
    """The state at the end, encoded."""
    stopped: bool
    """A record could not be folded."""


class Proving:
    """A journal whose proof is under way; `result` waits for it."""

    def __init__(self, fs: Fs, stretches: Sequence[Stretch], jobs: Executor | None) -> None:
        self._fs = fs
        self._stretches = stretches
        work = [partial(prove_stretch, fs, stretch) for stretch in stretches]
        self._futures: list[Future[Proved | None]] = (
            [jobs.submit(do) for do in work] if jobs else []
        )

    def result(self) -> tuple[Proof, State]:
        """Return the proof of the whole journal.

        Raises:
            JournalError: as `read_records`.
        """
        whole: Proved | None = None
        for place, stretch in enumerate(self._stretches):
            part = self._futures[place].result() if self._futures else None
            if whole is None:
                whole = part or prove_stretch(self._fs, stretch)
            elif whole.stopped:
                break
            elif part is not None and part.start_digest == whole.end_digest:
                whole = joined(whole, part)
            else:
                whole = self._again(whole, stretch)
        assert whole is not None, "a journal without a stretch"
        for future in self._futures:
            future.cancel()
        return whole.proof, decode_state(whole.end)

    def _again(self, whole: Proved, stretch: Stretch) -> Proved:
        # The kept state is not what came out here, so what was proved from it does not count.
        verifier = Verifier(
            decode_state(whole.end),
            snapshot_at=partial(kept_state, self._fs, stretch.journal),
            proof=whole.proof,
        )
        verifier.take_blocks(
            read_blocks(self._fs, stretch.journal, stretch.until_seq, whole.end_seq + 1)
        )
        return _proved(verifier, whole.start_digest)


def stretches_of(fs: Fs, journal: Path, start: State, until_seq: int | None) -> list[Stretch]:
    """Cut a journal at the kept states nearest to where its segments begin.

    Nothing but speed depends on which these are.

    Args:
        fs: Where the journal is.
        journal: Its directory.
        start: The state that its proof begins with.
        until_seq: Its last record to be proved; None for all.
    """
    limit = until_seq if until_seq is not None else 1 << 63
    seqs = [seq for seq in list_snapshots(fs, journal) if start.seq < seq < limit]
    heads = [header.first_seq for header in read_headers(fs, journal)]
    nearest = {min(seqs, key=lambda seq: abs(seq + 1 - head)) for head in heads[1:] if seqs}
    cuts = [start.seq, *sorted(nearest)]
    begin = encode_state(start)
    ends = [*cuts[1:], until_seq]
    return [
        Stretch(journal, first, end, begin if first == start.seq else b"")
        for first, end in zip(cuts, ends, strict=True)
    ]


@contextmanager
def processes(jobs: int) -> Iterator[Executor | None]:
    """Give so many processes to prove in; None where this one has to do."""
    if jobs <= 1:
        yield None
        return
    context = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
    )
    try:
        yield executor
    except BaseException:
        # Nobody wants what they are at, and it may take minutes.
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def end_with(parent: int) -> None:
    """Let this process, a worker, end when its parent does, however that ends.

    Ctrl-C reaches every process of a terminal; what to do about it is the parent's to say.

    Args:
        parent: Process id of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def cores() -> int:
    """Return how many processes this machine runs at once for us."""
    return len(os.sched_getaffinity(0))


def prove_stretch(fs: Fs, stretch: Stretch) -> Proved | None:
    """Prove the records of a stretch; None when there is no kept state that fits the journal.

    Raises:
        JournalError: as `read_records`.
    """
    start = _start(fs, stretch)
    if start is None:
        return None
    verifier = Verifier(start, snapshot_at=partial(kept_state, fs, stretch.journal))
    digest = fingerprint(start)
    verifier.take_blocks(read_blocks(fs, stretch.journal, stretch.until_seq, start.seq + 1))
    return _proved(verifier, digest)


def _start(fs: Fs, stretch: Stretch) -> State | None:
    if stretch.start:
        return decode_state(stretch.start)
    if not stretch.start_seq:
        return start_state(fs, stretch.journal)
    return kept_state(fs, stretch.journal, stretch.start_seq)


def _proved(verifier: Verifier, start_digest: bytes) -> Proved:
    proof, state = verifier.finish(), verifier.state
    return Proved(
        proof, state.seq, start_digest, fingerprint(state), encode_state(state), verifier.stopped
    )


def joined(first: Proved, second: Proved) -> Proved:
    """Put together what was found of two stretches that follow each other without a break."""
    a, b = first.proof, second.proof
    counted = ("events", "records", "decisions", "intents", "requests", "fingerprints", "runs")
    sums = {name: getattr(a, name) + getattr(b, name) for name in (*counted, "divergences")}
    proof = replace(b, **sums)
    if a.first is not None:
        # What follows the first divergence may tell of the states at it: the run recorded the
        # fingerprint of the state at the seam.
        at_seam = b.first is None or b.first.seq > first.end_seq + 1
        proof = replace(
            proof,
            first=a.first,
            checked_seq=a.checked_seq or first.end_seq + 1,
            checked_agreed=a.checked_agreed if a.checked_seq else at_seam,
            kept=a.kept or b.kept,
        )
    proof = replace(
        proof, versions=b.versions or a.versions, agreed_seq=b.agreed_seq or a.agreed_seq
    )
    return replace(second, proof=proof, start_digest=first.start_digest)
