"""Prove a journal: fold it again and compare what was recorded with what is recomputed.

Three levels (DESIGN "Replay and forensics"): every decision's intents, every request's bytes from
the recomputed intent with the recorded nonce, and every fingerprint of the whole state.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from adapters.whitebit.outbound import outbound
from engine.events import Decided, Fingerprint, Record, RequestSent, RunStarted
from engine.reduce import HANDLERS
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import Market
from replay.diff import first_difference


class Divergence(msgspec.Struct, frozen=True):
    """One place where recording and recomputation differ."""

    seq: int
    level: str
    """`state`, `intents`, `request` or `fold`."""
    difference: str
    """The first differing field, in words."""
    cause_seq: int


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
    """Of the state after the last fingerprint record, or after the last record without one."""
    versions: tuple[tuple[str, str], ...] = ()
    """Of the last run."""


def verify(
    records: Iterator[Record], *, start: State | None = None, compare: bool = True
) -> tuple[Proof, State]:
    """Fold records and compare; a divergence is counted and the recording followed on from it.

    Args:
        records: A journal from its first record on, or from the one after `start`.
        start: The state before them; the empty one by default.
        compare: False folds and counts only.
    """
    with _uncollected():
        return _verify(records, start or State(), compare=compare)


@contextmanager
def _uncollected() -> Iterator[None]:
    # Folding makes no reference cycles, so looking for them is a tenth of the time for nothing.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _verify(records: Iterator[Record], state: State, *, compare: bool) -> tuple[Proof, State]:
    proof = Proof()
    markets = {name: market.quoted.market for name, market in state.markets.items()}
    # Counted in plain names, since this loop runs a hundred thousand times a second.
    count = decisions = intents = 0
    for record in records:
        event: Any = record.event
        kind = type(event)
        if kind is Decided:
            decisions += 1
            intents += len(event.intents)
            if compare:
                recomputed = decide(state)
                if recomputed != event:
                    _diverged(proof, record, "intents", first_difference(event, recomputed))
        elif kind is RequestSent:
            proof.requests += 1
            if compare:
                _verify_request(proof, state, record, event, markets)
        elif kind is Fingerprint:
            proof.fingerprints += 1
            proof.fingerprint = fingerprint(state)
            if compare:
                _verify_fingerprint(proof, record, event)
        elif kind is RunStarted:
            markets = {quoted.market.name: quoted.market for quoted in event.quoted}
            proof.runs += 1
            proof.versions = event.versions
        count += 1
        try:
            assert record.seq == state.seq + 1, f"expected seq {state.seq + 1}"
            state = HANDLERS[kind](state, record, event)
        except (AssertionError, LookupError) as error:
            # The recording cannot be followed any further.
            _diverged(proof, record, "fold", f"{kind.__name__}: {type(error).__name__}: {error}")
            break
    if not proof.fingerprint:
        proof.fingerprint = fingerprint(state)
    proof.records, proof.decisions, proof.intents = count, decisions, intents
    proof.events = count - decisions - proof.requests - proof.fingerprints
    return proof, state


def _verify_request(
    proof: Proof, state: State, record: Record, event: RequestSent, markets: dict[str, Market]
) -> None:
    if not 0 <= event.index < len(state.decided):
        _diverged(proof, record, "request", f"index: {event.index} names no recorded intent")
        return
    intent = state.decided[event.index]
    request = outbound(intent, event.nonce, markets, state.settings)
    recomputed = RequestSent(event.index, event.nonce, request.method, request.path, request.body)
    if recomputed != event:
        _diverged(proof, record, "request", first_difference(event, recomputed))


def _verify_fingerprint(proof: Proof, record: Record, event: Fingerprint) -> None:
    if proof.fingerprint != event.digest:
        difference = (
            f"fingerprint: recorded {event.digest.hex()}, recomputed {proof.fingerprint.hex()}"
        )
        _diverged(proof, record, "state", difference)


def _diverged(proof: Proof, record: Record, level: str, difference: str) -> None:
    proof.divergences += 1
    if proof.first is None:
        proof.first = Divergence(record.seq, level, difference, record.cause_seq)
