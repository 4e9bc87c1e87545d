"""The engine of a backtest: folds, decides and journals as the sequencer of a live run does.

It differs in what no network is there for: nothing is normalised or signed, and records are written
in blocks, since no request waits for them to be durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from adapters.whitebit.outbound import STREAM_INTENTS, outbound
from adapters.whitebit.signing import NonceSource
from engine import events as e
from engine.codec import encode_record
from engine.events import Record
from engine.intents import Intent
from engine.reduce import HANDLERS
from engine.reduce_requests import decided
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import Market

FINGERPRINT_EVERY = 1000
"""Records between two fingerprints, as in a run."""


class Journal(Protocol):
    """Where the records go, encoded; `JournalWriter` is one."""

    def append_all(self, first_seq: int, payloads: Sequence[bytes]) -> None:
        """Take records that follow each other."""
        ...

    def flush(self) -> None:
        """Write what was taken."""
        ...

    def catch_up(self) -> None:
        """Do what may wait."""
        ...

    def sync(self) -> None:
        """Make durable what was taken."""
        ...


Request = tuple[int, Intent, str, bool]
"""What leaves: seq of its RequestSent, which its answer names as its cause; the intent; its path;
whether it goes over a stream."""


class Engine:
    """State and journal of one backtest.

    Attributes:
        state: After the last record.
        records: Folded, and not handed to the journal yet.
        decisions: So far.
        requests: So far.
    """

    def __init__(
        self, journal: Journal | None, markets: dict[str, Market], now_ns: Callable[[], int]
    ) -> None:
        """Begin without a record.

        Args:
            journal: Takes every record from the first on; None where nobody reads them.
            markets: Of the run.
            now_ns: The time, for nonces.
        """
        self.state = State()
        self.records: list[Record] = []
        self.decisions = self.requests = 0
        self._journal = journal
        self._markets = markets
        self._nonces = NonceSource(now_ns)
        self._frames_sent = self._fingerprints = 0
        self._next_fingerprint = FINGERPRINT_EVERY

    @property
    def events(self) -> int:
        """Records that are no decision, request or fingerprint."""
        return self.state.seq - self.decisions - self.requests - self._fingerprints

    def take(self, event: e.AnyEvent, recv_ns: int, cause_seq: int = 0) -> None:
        """Journal an event, then fold it."""
        state = self.state
        record = Record(state.seq + 1, recv_ns, cause_seq, event)
        self.records.append(record)
        self.state = HANDLERS[type(event)](state, record, event)

    def decide(self, now_ns: int) -> list[Request]:
        """Decide once, and return what leaves."""
        state = self.state
        decision = decide(state)
        record = Record(state.seq + 1, now_ns, state.seq, decision)
        self.records.append(record)
        self.state = decided(state, record, decision)
        self.decisions += 1
        requests = self._send(decision, now_ns) if decision.intents else []
        if self.state.seq >= self._next_fingerprint:
            self.fingerprint()
            self._write()
        return requests

    def fingerprint(self) -> bytes:
        """Journal the fingerprint of the state, and return it."""
        digest = fingerprint(self.state)
        self.take(e.Fingerprint(digest), self.state.now_ns, self.state.seq)
        self._fingerprints += 1
        self._next_fingerprint = self.state.seq + FINGERPRINT_EVERY
        return digest

    def sync(self) -> None:
        """Make everything durable."""
        self._write()
        if self._journal is not None:
            self._journal.sync()

    def _write(self) -> None:
        records, self.records = self.records, []
        if self._journal is None:
            return
        first_seq = self.state.seq + 1 - len(records)
        self._journal.append_all(first_seq, list(map(encode_record, records)))
        self._journal.flush()
        self._journal.catch_up()

    def _send(self, decision: e.Decided, now_ns: int) -> list[Request]:
        decided_seq, settings = self.state.seq, self.state.settings
        requests: list[Request] = []
        for index, intent in enumerate(decision.intents):
            is_stream = type(intent) in STREAM_INTENTS
            if is_stream:
                self._frames_sent += 1
                nonce = self._frames_sent
            else:
                self._nonces.offset_ms = self.state.clock_offset_ns // 1_000_000
                nonce = self._nonces.draw()
            request = outbound(intent, nonce, self._markets, settings)
            sent = e.RequestSent(index, nonce, request.method, request.path, request.body)
            self.take(sent, now_ns, decided_seq)
            requests.append((self.state.seq, intent, request.path, is_stream))
        self.requests += len(requests)
        return requests
