"""Rebuild events from the bytes as received, and compare them with what was recorded.

What differs is a change of the normaliser: a fix, or a mistake. A new journal can be written with
the rebuilt events in their places. Nothing moves in it, so seqs, causes and client order ids stay.
What was really sent stays too: a decision that would now ask for something else is kept and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from adapters.ports import Fs, ReadFs
from adapters.runtime.journal_base import Base, read_base
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import SEGMENT_BYTES, Header, Kind
from adapters.runtime.journal_raw import RawReader, RawRecord
from adapters.runtime.journal_read import RAW_DIR, list_segments, read_headers
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.responses import REST, normalise_response
from engine.codec import encode_record
from engine.errors import ConfigError, JournalError
from engine.events import AnyEvent, Decided, Fingerprint, Record, RequestSent, RunStarted
from engine.intents import Intent
from engine.reduce import reduce
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import Market
from replay.fields import Change, changes, named
from replay.machine import Journal
from replay.read import read_records


class Difference(msgspec.Struct, frozen=True):
    """One event that comes out otherwise."""

    seq: int
    stream: str
    """That the bytes came on; `rest` and the status for an answer."""
    data: bytes
    recorded: AnyEvent
    rebuilt: AnyEvent

    @property
    def changes(self) -> tuple[Change, ...]:
        """Field by field; the whole where it is an event of another kind."""
        if type(self.recorded) is not type(self.rebuilt):
            return (Change("", named(self.recorded), named(self.rebuilt)),)
        return tuple(changes(self.recorded, self.rebuilt))


class Rebuilt(msgspec.Struct):
    """What came of it."""

    compared: int = 0
    """Events that have their bytes."""
    differences: int = 0
    decisions: int = 0
    """Decisions that would now ask for something else than what was sent; they were kept."""
    first_decision: int = 0
    last_seq: int = 0


OnDifference = Callable[[Difference], None]


def renormalize(journal: Journal, fs: Fs, on_difference: OnDifference) -> Rebuilt:
    """Compare every event that has its bytes with what they give now.

    Args:
        journal: With raw bytes beside it.
        fs: Where it is.
        on_difference: Told of each event that differs, in order.

    Raises:
        ConfigError: there are no raw bytes.
        JournalError: journal or raw bytes are damaged, after what was found before.
    """
    found = Rebuilt()
    for record in _rebuilt(journal, fs, found, on_difference):
        found.last_seq = record.seq
    return found


def rebuild(
    journal: Journal, fs: Fs, target: Path, words: str, on_difference: OnDifference
) -> Rebuilt:
    """Write a journal with the rebuilt events in the places of the recorded ones.

    Fingerprints are worked out anew, and so is all of a decision but what it asks for. Each run's
    first record says that the journal was rebuilt.

    Args:
        journal: With raw bytes beside it; only read.
        fs: Where it is, and where the new one goes.
        target: Its directory; must be empty, or not there.
        words: What to say of how it was rebuilt.
        on_difference: As for `renormalize`.

    Raises:
        ConfigError: there are no raw bytes.
        JournalError: as `renormalize`; or something is in the way; or the rebuilt events cannot
            be folded.
        OSError: the disk refused.
    """
    found = Rebuilt()
    base = read_base(fs, journal.path)
    if not base.is_whole:
        base = replace(base, why=f"{base.why}; {words}")
    copy = JournalCopy(fs, target, Kind.EVENTS, base)
    records = _recomputed(journal, _rebuilt(journal, fs, found, on_difference), found, words)
    for header, payloads in _by_segment(list(read_headers(fs, journal.path)), records):
        copy.add(header, payloads)
    found.last_seq = copy.next_seq - 1
    _copy_raw(fs, journal.path, target)
    return found


def _rebuilt(
    journal: Journal, fs: Fs, found: Rebuilt, on_difference: OnDifference
) -> Iterator[Record]:
    # Every record, with the event that its bytes give where it has any.
    if not list_segments(fs, journal.path / RAW_DIR):
        raise ConfigError(
            f"{journal.path}: expected the bytes as received in {RAW_DIR}/, found none: the run"
            " did not keep them ([journal] raw = false), or they were not copied along"
        )
    reading = _Reading(journal.start)
    # What is before the state to start from cannot be told: not what its answers are to.
    first = journal.start.seq + 1
    yield from journal.records(until_seq=first - 1)
    for record, raw in _paired(journal.records(first), RawReader(fs, journal.path).records(first)):
        if raw is not None:
            found.compared += 1
            event = reading.event(record, raw)
            if event != record.event or type(event) is not type(record.event):
                found.differences += 1
                on_difference(Difference(record.seq, raw.stream, raw.data, record.event, event))
                record = replace(record, event=event)
        reading.take(record)
        yield record


def read_rebuilt(fs: ReadFs, directory: Path) -> Iterator[Record]:
    """Yield the records of a journal, each event that has its bytes made from them anew.

    Raises:
        JournalError: journal or raw bytes are damaged, or there are none.
    """
    reading = _Reading(State())
    raws = RawReader(fs, directory).records()
    for record, raw in _paired(read_records(fs, directory), raws):
        if raw is not None:
            record = replace(record, event=reading.event(record, raw))
        reading.take(record)
        yield record


def _paired(
    records: Iterator[Record], raws: Iterator[RawRecord]
) -> Iterator[tuple[Record, RawRecord | None]]:
    # Each record with the bytes that it was made from, None where there are none.
    raw = next(raws, None)
    for record in records:
        while raw is not None and raw.seq < record.seq:
            raw = next(raws, None)
        yield record, raw if raw is not None and raw.seq == record.seq else None


class _Reading:
    """What the bytes of a run are read by: its markets, and what was asked."""

    def __init__(self, start: State) -> None:
        self._markets: dict[str, Market] = {}
        self._normaliser = Normaliser({})
        self._intents: tuple[Intent, ...] = ()
        self._asked: dict[int, Intent] = {}
        if start.seq:
            # The run began before the records that are left.
            self._run({name: market.quoted.market for name, market in start.markets.items()})
            self._intents = start.decided
            self._asked = {seq: request.intent for seq, request in start.requests.items()}

    def _run(self, markets: dict[str, Market]) -> None:
        self._markets = markets
        self._normaliser = Normaliser(markets)

    def take(self, record: Record) -> None:
        event = record.event
        if isinstance(event, Decided):
            self._intents = event.intents
        elif isinstance(event, RequestSent):
            self._asked[record.seq] = self._intents[event.index]
        elif isinstance(event, RunStarted):
            self._run({quoted.market.name: quoted.market for quoted in event.quoted})
            self._asked.clear()

    def event(self, record: Record, raw: RawRecord) -> AnyEvent:
        status = raw.stream.removeprefix(f"{REST} ")
        if status == raw.stream:
            return self._normaliser.frame(raw.stream, raw.data)
        intent = self._asked.pop(record.cause_seq, None)
        if intent is None:
            raise JournalError(
                f"seq {record.seq}: expected an answer to a request, found one to seq"
                f" {record.cause_seq}, which is none"
            )
        market = self._markets.get(getattr(intent, "market", ""))
        return normalise_response(
            intent, market, int(status), raw.data, self._markets, self._markets.keys()
        )


def _recomputed(
    journal: Journal, records: Iterator[Record], found: Rebuilt, words: str
) -> Iterator[Record]:
    # The same records with all that follows from rebuilt events.
    state: State = journal.start
    for record in records:
        event = record.event
        if record.seq <= state.seq:
            yield record
            continue
        if isinstance(event, Decided):
            record = replace(record, event=_decision(state, record.seq, event, found))
        elif isinstance(event, Fingerprint):
            record = replace(record, event=Fingerprint(fingerprint(state)))
        elif isinstance(event, RunStarted):
            record = replace(record, event=replace(event, rebuilt=words))
        try:
            state = reduce(state, record)
        except (AssertionError, LookupError) as error:
            raise JournalError(
                f"seq {record.seq}: the rebuilt events cannot be folded up to here: {error}"
            ) from error
        yield record


def _decision(state: State, seq: int, recorded: Decided, found: Rebuilt) -> Decided:
    decision = decide(state)
    if decision.intents == recorded.intents:
        return decision
    # What was sent was sent: its answers are in the journal.
    found.decisions += 1
    found.first_decision = found.first_decision or seq
    return recorded


def _by_segment(
    headers: list[Header], records: Iterator[Record]
) -> Iterator[tuple[Header, list[tuple[int, bytes]]]]:
    payloads: list[tuple[int, bytes]] = []
    number = 0
    for record in records:
        while number + 1 < len(headers) and record.seq >= headers[number + 1].first_seq:
            yield headers[number], payloads
            payloads, number = [], number + 1
        payloads.append((record.seq, encode_record(record)))
    yield headers[number], payloads


def _copy_raw(fs: Fs, source: Path, target: Path) -> None:
    header = replace(next(read_headers(fs, source / RAW_DIR, Kind.RAW)), rolled=False)
    copy = JournalCopy(fs, target / RAW_DIR, Kind.RAW, Base(first_seq=header.first_seq))
    records: list[tuple[int, bytes]] = []
    size = 0
    for raw in RawReader(fs, source).records():
        if size > SEGMENT_BYTES:
            copy.add(header, records)
            header, records, size = replace(header, rolled=True), [], 0
        records.append((raw.seq, raw.payload))
        size += len(raw.data)
    copy.add(header, records)
