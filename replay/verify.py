"""Prove a journal: fold it again and compare what was recorded with what is recomputed.

Three levels (DESIGN "Replay and forensics"): every decision's intents, every request's bytes from
the recomputed intent with the recorded nonce, and every fingerprint of the whole state. A
difference is counted, and the recording followed on from it: the first is sure to be a cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from adapters.whitebit.outbound import outbound
from engine.errors import QuotefoldError
from engine.events import Decided, Fingerprint, Record, RequestSent, RunStarted
from engine.reduce import HANDLERS
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import Market
from replay.diff import differences
from replay.record_words import markets_in, specs_of, state_words
from replay.uncollected import uncollected

REFUSALS = (AssertionError, LookupError, ArithmeticError, ValueError, QuotefoldError)
"""What code raises that meets a record it does not accept."""

SnapshotAt = Callable[[int], State | None]
"""Gives the state that the run itself kept after a record, if it kept one."""


class Divergence(msgspec.Struct, frozen=True):
    """One place where recording and recomputation differ."""

    seq: int
    level: str
    """`state`, `intents`, `request` or `fold`."""
    difference: str
    """The first differing field, in words."""
    cause_seq: int
    differences: tuple[str, ...] = ()
    """Every differing field, or the first ones of many, in words."""
    agreed_seq: int = 0
    """The last fingerprint before it that came out the same; 0 when there was none."""
    state: tuple[str, ...] = ()
    """The recomputed state of the markets it concerns, in words."""
    markets: dict[str, Market] = {}
    """As its run has them, by name."""


class StateDifference(msgspec.Struct, frozen=True):
    """How the recomputed state differs from the one that the run itself kept."""

    seq: int
    differences: tuple[str, ...]


class Proof(msgspec.Struct):
    """What a verification found."""

    events: int = 0
    """Records other than decisions, requests and fingerprints."""
    records: int = 0
    decisions: int = 0
    intents: int = 0
    requests: int = 0
    fingerprints: int = 0
    runs: int = 0
    divergences: int = 0
    first: Divergence | None = None
    fingerprint: bytes = b""
    """Of the state after the last record; before it where that is itself a fingerprint."""
    versions: tuple[tuple[str, str], ...] = ()
    """Of the last run."""
    agreed_seq: int = 0
    """The last fingerprint that came out the same; 0 when none did."""
    checked_seq: int = 0
    """The first fingerprint behind the first divergence; 0 when none followed."""
    checked_agreed: bool = False
    """Whether that one came out the same: then the states were equal at the divergence too."""
    kept: StateDifference | None = None
    """Against the first state that the run kept since fingerprints differ."""


def verify(
    records: Iterable[Record],
    *,
    start: State | None = None,
    compare: bool = True,
    snapshot_at: SnapshotAt | None = None,
) -> tuple[Proof, State]:
    """Fold records and compare; a divergence is counted and the recording followed on from it.

    Args:
        records: A journal from its first record on, or from the one after `start`.
        start: The state before them; the empty one by default.
        compare: False folds and counts only.
        snapshot_at: Finds states that the run kept, to say how the state differs where it does.
    """
    verifier = Verifier(start, compare=compare, snapshot_at=snapshot_at)
    verifier.take(records)
    return verifier.finish(), verifier.state


class Verifier:
    """A verification that takes its records bit by bit.

    Attributes:
        proof: What was found so far; complete after `finish`.
        state: After the last record.
        stopped: A record could not be folded, so that nothing behind it can be proved.
    """

    def __init__(
        self,
        start: State | None = None,
        *,
        compare: bool = True,
        snapshot_at: SnapshotAt | None = None,
        proof: Proof | None = None,
    ) -> None:
        """Begin, or go on from what was proved up to `start`; otherwise as `verify`."""
        self.state = start or State()
        self.proof = proof or Proof()
        self.stopped = False
        self._compare = compare
        self._snapshot_at = snapshot_at
        self._markets = specs_of(self.state)
        self._is_marked = bool(self.proof.fingerprint)

    def take(self, records: Iterable[Record]) -> None:
        """Go on with the next records; whatever reading them raises passes through."""
        if not self.stopped:
            with uncollected():
                self._take(records)

    def take_blocks(self, blocks: Iterable[Iterable[Record]]) -> None:
        """Go on with the next records, as `replay.read.read_blocks` gives them."""
        with uncollected():
            for block in blocks:
                self._take(block)
                if self.stopped:
                    break

    def finish(self) -> Proof:
        """Return the proof of what was taken."""
        if not self._is_marked:
            self.proof.fingerprint = fingerprint(self.state)
        return self.proof

    def _take(self, records: Iterable[Record]) -> None:
        proof, compare, state = self.proof, self._compare, self.state
        # Counted in plain names, since this loop runs a hundred thousand times a second.
        count = decisions = intents = requests = fingerprints = 0
        kind: type | None = None
        try:
            for record in records:
                event: Any = record.event
                kind = type(event)
                if record.seq != state.seq + 1:
                    self._stop(state, record, f"expected seq {state.seq + 1}, found {record.seq}")
                    break
                if kind is Decided:
                    decisions += 1
                    intents += len(event.intents)
                    if compare:
                        try:
                            recomputed = decide(state)
                        except REFUSALS as error:
                            self._diverged(state, record, "intents", [_raised("decide", error)])
                        else:
                            if recomputed != event:
                                self._decision_differs(state, record, event, recomputed)
                elif kind is RequestSent:
                    requests += 1
                    if compare:
                        self._verify_request(state, record, event)
                elif kind is Fingerprint:
                    fingerprints += 1
                    self._verify_fingerprint(state, record, event)
                elif kind is RunStarted:
                    self._markets = {quoted.market.name: quoted.market for quoted in event.quoted}
                    proof.runs += 1
                    proof.versions = event.versions
                count += 1
                try:
                    state = HANDLERS[kind](state, record, event)
                except REFUSALS as error:
                    self._stop(state, record, _raised(kind.__name__, error))
                    break
        finally:
            self.state = state
            if count:
                self._is_marked = kind is Fingerprint and not self.stopped
            proof.records += count
            proof.decisions += decisions
            proof.intents += intents
            proof.requests += requests
            proof.fingerprints += fingerprints
            proof.events += count - decisions - requests - fingerprints

    def _stop(self, state: State, record: Record, why: str) -> None:
        # The recording cannot be followed any further.
        self._diverged(state, record, "fold", [why])
        self.stopped = True

    def _decision_differs(
        self, state: State, record: Record, event: Decided, recomputed: Decided
    ) -> None:
        names = markets_in(event, recomputed)
        found = differences(event, recomputed, self._markets) if self.proof.first is None else []
        self._diverged(state, record, "intents", found, names)

    def _verify_request(self, state: State, record: Record, event: RequestSent) -> None:
        if not 0 <= event.index < len(state.decided):
            difference = f"index: {event.index} names no recorded intent"
            self._diverged(state, record, "request", [difference])
            return
        intent = state.decided[event.index]
        try:
            request = outbound(intent, event.nonce, self._markets, state.settings)
        except REFUSALS as error:
            self._diverged(state, record, "request", [_raised("encode", error)])
            return
        method, path, body = request.method, request.path, request.body
        if body != event.body or path != event.path or method != event.method:
            recomputed = RequestSent(event.index, event.nonce, method, path, body)
            self._diverged(state, record, "request", differences(event, recomputed, self._markets))

    def _verify_fingerprint(self, state: State, record: Record, event: Fingerprint) -> None:
        proof = self.proof
        proof.fingerprint = digest = fingerprint(state)
        if not self._compare:
            return
        agreed = digest == event.digest
        if proof.first is not None and not proof.checked_seq:
            proof.checked_seq, proof.checked_agreed = record.seq, agreed
        if agreed:
            proof.agreed_seq = record.seq
            return
        if proof.kept is None and self._snapshot_at is not None:
            kept = self._snapshot_at(state.seq)
            if kept is not None and fingerprint(kept) == event.digest:
                found = differences(kept, state, self._markets)
                proof.kept = StateDifference(state.seq, tuple(found))
        difference = f"fingerprint: recorded {event.digest.hex()}, recomputed {digest.hex()}"
        self._diverged(state, record, "state", [difference], tuple(self._markets))

    def _diverged(
        self,
        state: State,
        record: Record,
        level: str,
        found: list[str],
        names: tuple[str, ...] = (),
    ) -> None:
        proof = self.proof
        proof.divergences += 1
        if proof.first is None:
            # Equal in all fields and yet not equal: of different types.
            found = found or ["values of different types"]
            lines = state_words(state, names or tuple(self._markets))
            proof.first = Divergence(
                record.seq,
                level,
                found[0],
                record.cause_seq,
                tuple(found),
                proof.agreed_seq,
                lines,
                self._markets,
            )


def _raised(what: str, error: Exception) -> str:
    return f"{what}: {type(error).__name__}: {error}"
