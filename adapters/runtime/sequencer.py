"""The sequencer: the one place where inputs get their order, and where decisions are made.

Append before apply: a fact reaches the reducer only after the journal took it; an intent leaves
only after its record is durable. All of it is synchronous; the tasks around it only move bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from adapters.ports import Clock
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_raw import RawWriter
from adapters.whitebit.frames import StreamSession, subscriptions
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.outbound import STREAM_INTENTS, outbound
from adapters.whitebit.requests import Request
from adapters.whitebit.responses import REST, normalise_response
from adapters.whitebit.signing import NonceSource
from engine.codec import encode_record
from engine.events import (
    AnyEvent,
    Decided,
    Fingerprint,
    OutcomeUnknown,
    Record,
    RequestSent,
    RunStarted,
    StreamReady,
)
from engine.intents import Intent, OpenStream
from engine.reduce import HANDLERS
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import Market

FINGERPRINT_EVERY = 1000
"""Records between two fingerprints, at most (DESIGN "Replay and forensics")."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request that is journaled, durable, and may leave now."""

    seq: int
    """Of its RequestSent: what its answer names as its cause."""
    intent: Intent
    request: Request


class Counts(msgspec.Struct, frozen=True):
    """What a run has done so far."""

    events: int = 0
    """Records other than decisions, requests and fingerprints."""
    decisions: int = 0
    intents: int = 0
    requests: int = 0


Observer = Callable[[State, Record], None]


class Sequencer:
    """State, journal and sequence of one run.

    Attributes:
        state: After the last record.
        vouched: The last state whose fingerprint this run journaled; None before the first.
    """

    def __init__(
        self,
        state: State,
        journal: JournalWriter,
        raw: RawWriter | None,
        clock: Clock,
        nonces: NonceSource,
        observer: Observer | None = None,
    ) -> None:
        """Continue from a state.

        Args:
            state: The fold of everything the journal holds already.
            journal: Where records go; its next seq follows the state's.
            raw: Where received bytes go, or None to keep none.
            clock: Stamps decisions.
            nonces: Of the key this run signs with.
            observer: Told of every record after it is folded; must not keep the loop.
        """
        self.state = state
        self.vouched: State | None = None
        self._before_seq = state.seq
        self._decisions = self._requests = self._fingerprints = 0
        self._journal = journal
        self._journal_append = journal.append
        self._raw = raw
        self._clock = clock
        self._nonces = nonces
        self._observer = observer
        self._markets: dict[str, Market] = {}
        self._normaliser = Normaliser({})
        self._sessions: dict[str, StreamSession] = {}
        self._frames_sent = 0
        self._next_fingerprint = state.seq + FINGERPRINT_EVERY

    @property
    def counts(self) -> Counts:
        """What this run has done so far."""
        own = self._decisions + self._requests + self._fingerprints
        events = self.state.seq - self._before_seq - own
        return Counts(events, self._decisions, self._requests, self._requests)

    def start(self, event: RunStarted) -> None:
        """Begin the run: its record is durable before anything else happens."""
        self._markets = {quoted.market.name: quoted.market for quoted in event.quoted}
        self._normaliser = Normaliser(self._markets)
        self.take(event)
        self._journal.sync()

    def take(self, event: AnyEvent, recv_ns: int = 0, cause_seq: int = 0) -> None:
        """Journal an event of our own, then fold it."""
        self._append(event, recv_ns or self._clock.now_ns(), cause_seq)

    def take_frame(self, stream: str, recv_ns: int, data: bytes) -> None:
        """Journal what a frame says, then fold it."""
        event = self._normaliser.frame(stream, data)
        if self._raw is not None:
            self._raw.append(self.state.seq + 1, stream, data)
        self._append(event, recv_ns, 0)
        # Nothing waits for a confirmation once every stream is ready.
        if self._sessions and (session := self._sessions.get(stream)) and session.confirm(event):
            del self._sessions[stream]
            self.take(StreamReady(stream), recv_ns)

    def take_answer(self, request_seq: int, recv_ns: int, status: int, body: bytes) -> None:
        """Journal what an answer says, then fold it."""
        intent = self.state.requests[request_seq].intent
        market = self._markets.get(getattr(intent, "market", ""))
        event = normalise_response(
            intent, market, status, body, self._markets, self._markets.keys()
        )
        if self._raw is not None:
            self._raw.append(self.state.seq + 1, f"{REST} {status}", body)
        self.take(event, recv_ns, request_seq)
        # Only answers tell the venue's time. What an earlier run measured was of another clock.
        if self.state.measured:
            self._nonces.offset_ms = self.state.clock_offset_ns // 1_000_000

    def take_failure(self, request_seq: int, recv_ns: int, reason: str) -> None:
        """Journal that a request ended without an answer, then fold that."""
        self.take(OutcomeUnknown(reason), recv_ns, request_seq)

    def decide(self) -> list[Outgoing]:
        """Decide once, and return what may leave: journaled, and durable before this returns."""
        state = self.state
        decision = decide(state)
        now_ns = self._clock.now_ns()
        self._append(decision, now_ns, state.seq)
        self._decisions += 1
        outgoing: list[Outgoing] = []
        if decision.intents:
            outgoing = self._send(decision, now_ns)
            self._journal.sync()
        if self.state.seq >= self._next_fingerprint:
            self.fingerprint()
        return outgoing

    def fingerprint(self) -> bytes:
        """Journal the fingerprint of the state, and return it."""
        digest = fingerprint(self.state)
        self.vouched = self.state
        self._append(Fingerprint(digest), self.state.now_ns, self.state.seq)
        self._fingerprints += 1
        self._next_fingerprint = self.state.seq + FINGERPRINT_EVERY
        return digest

    def sync(self) -> None:
        """Make everything taken so far durable."""
        self._journal.sync()
        self._journal.catch_up()
        if self._raw is not None:
            self._raw.flush()
            self._raw.catch_up()

    def _send(self, decision: Decided, now_ns: int) -> list[Outgoing]:
        decided_seq, settings = self.state.seq, self.state.settings
        outgoing: list[Outgoing] = []
        for index, intent in enumerate(decision.intents):
            if type(intent) in STREAM_INTENTS:
                self._frames_sent += 1
                nonce = self._frames_sent
                if isinstance(intent, OpenStream):
                    frames = subscriptions(intent.stream, self._markets, settings)
                    self._sessions[intent.stream] = StreamSession(intent.stream, frames)
            else:
                nonce = self._nonces.draw()
            request = outbound(intent, nonce, self._markets, settings)
            sent = RequestSent(index, nonce, request.method, request.path, request.body)
            self._append(sent, now_ns, decided_seq)
            outgoing.append(Outgoing(self.state.seq, intent, request))
        self._requests += len(outgoing)
        return outgoing

    def _append(self, event: AnyEvent, recv_ns: int, cause_seq: int) -> None:
        state = self.state
        seq = state.seq + 1
        record = Record(seq, recv_ns, cause_seq, event)
        append = self._journal_append  # called as a name: a method look-up here costs 40 ns more
        append(seq, encode_record(record))
        self.state = state = HANDLERS[type(event)](state, record, event)
        if self._observer is not None:
            self._observer(state, record)
