"""Find records: of an order, at a price, of a kind, with a text, or where an invariant breaks.

Most records are passed over by their bytes alone: what is looked for has to stand in them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import msgspec

from engine.codec import decode_record
from engine.errors import ConfigError
from engine.events import AnyEvent, Record, RequestSent
from engine.intents import Intent
from engine.reduce import reduce
from engine.state import State
from engine.types import VenueFill, VenueOrder
from replay.machine import Journal

_PRICES = ("price", "bid_price", "ask_price", "wanted_price")
_FLAT_SIDES = ("bids", "asks")
_encode = msgspec.msgpack.Encoder().encode


class Wanted(msgspec.Struct, frozen=True):
    """What a record has to have, all of it; what is empty or None is not asked for."""

    order: str = ""
    """Client order id or the venue's. All ids that the order is found to have count from then on,
    and so do the answers to its requests."""
    price: int | None = None
    """Ticks."""
    market: str = ""
    kinds: frozenset[str] = frozenset()
    """Names or tags of events, or names of intents that a decision holds."""
    text: str = ""
    """Part of any text in it, of a request's body too."""


class Breach(msgspec.Struct, frozen=True):
    """The first record after which an invariant of the state does not hold."""

    seq: int
    record: Record
    invariant: str
    """The assertion, in its own words, and where it stands."""


def known_kinds() -> dict[str, str]:
    """Return name of each event and intent -> its tag."""
    kinds = {}
    for union in (AnyEvent, Intent):
        for kind in union.__args__:
            kinds[kind.__name__] = str(kind.__struct_config__.tag)
    return kinds


def check_kinds(kinds: tuple[str, ...]) -> frozenset[str]:
    """Return the names of kinds given by name or, for events, by tag.

    Raises:
        ConfigError: there is no such kind.
    """
    events = {str(kind.__struct_config__.tag): kind.__name__ for kind in AnyEvent.__args__}
    known, found = known_kinds(), set()
    for kind in kinds:
        name = events.get(kind, kind)
        if name not in known:
            raise ConfigError(
                f"--kind: expected an event such as Filled or fi, or an intent such as"
                f" CancelOrder, found {kind!r}; all are in engine/events.py and engine/intents.py"
            )
        found.add(name)
    return frozenset(found)


def search(journal: Journal, wanted: Wanted, from_seq: int, until_seq: int) -> Iterator[Record]:
    """Yield the records that have all that is wanted, in order.

    Raises:
        JournalError: the journal is damaged there, after what was found before.
    """
    order = _OrderTrail(wanted.order) if wanted.order else None
    needles = [wanted.text.encode()] if wanted.text else []
    if wanted.price is not None:
        needles.append(_encode(wanted.price))
    tags = [_encode(known_kinds()[kind]) for kind in sorted(wanted.kinds)]
    for _, payload in journal.payloads(from_seq, until_seq):
        if not all(needle in payload for needle in needles):
            continue
        if tags and not any(tag in payload for tag in tags):
            continue
        if order is not None and not order.may_be(payload):
            continue
        record = decode_record(payload)
        if order is not None and not order.takes(record):
            continue
        if _fits(record, wanted):
            yield record


def _fits(record: Record, wanted: Wanted) -> bool:
    event = record.event
    if wanted.kinds and wanted.kinds.isdisjoint(_kinds(event)):
        return False
    if wanted.text and not any(wanted.text in text for text in _texts(event)):
        return False
    if wanted.price is not None:
        return _has_price(event, wanted.market, wanted.price)
    return not wanted.market or wanted.market in _texts(event)


def _kinds(event: Any) -> set[str]:
    intents = getattr(event, "intents", ())
    return {type(event).__name__, *(type(intent).__name__ for intent in intents)}


def _walk(value: Any) -> Iterator[Any]:
    # Every part of a value, itself included.
    yield value
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _walk(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(item)


def _texts(event: Any) -> Iterator[str]:
    for part in _walk(event):
        if isinstance(part, str):
            yield part
        elif isinstance(part, bytes):
            yield part.decode("utf-8", "replace")


def _has_price(value: Any, market: str, price: int, within: str = "") -> bool:
    # True where a price of the market stands in it; the market may be named further out.
    if isinstance(value, tuple):
        return any(_has_price(item, market, price, within) for item in value)
    if not isinstance(value, msgspec.Struct):
        return False
    within = getattr(value, "market", within)
    if within == market:
        if any(getattr(value, name, None) == price for name in _PRICES):
            return True
        if any(price in getattr(value, name, ())[::2] for name in _FLAT_SIDES):
            return True
    fields = value.__struct_fields__
    return any(_has_price(getattr(value, name), market, price, within) for name in fields)


class _OrderTrail:
    """The ids of one order as they come up, and its requests, whose answers may not name it."""

    def __init__(self, given: str) -> None:
        self._clients: set[str] = set()
        self._orders: set[int] = set()
        self._requests: set[int] = set()
        self._needles: list[bytes] = []
        if given.isascii() and given.isdigit():
            self._add_order(int(given))
        self._add_client(given)

    def _add_client(self, client_order_id: str) -> None:
        if client_order_id and client_order_id not in self._clients:
            self._clients.add(client_order_id)
            self._needles.append(client_order_id.encode())

    def _add_order(self, order_id: int) -> None:
        if order_id and order_id not in self._orders:
            self._orders.add(order_id)
            self._needles += [_encode(order_id), str(order_id).encode()]

    def may_be(self, payload: bytes) -> bool:
        return (
            any(needle in payload for needle in self._needles)
            or _cause(payload).cause_seq in self._requests
        )

    def takes(self, record: Record) -> bool:
        """Say whether a record tells of the order, and learn from it."""
        found = record.cause_seq in self._requests
        for part in _walk(record.event):
            if isinstance(part, VenueOrder | VenueFill):
                if part.client_order_id in self._clients or part.order_id in self._orders:
                    self._add_client(part.client_order_id)
                    self._add_order(part.order_id)
                    found = True
            elif isinstance(part, str):
                found = found or part in self._clients
        if isinstance(record.event, RequestSent) and self._names(record.event.body):
            self._requests.add(record.seq)
            found = True
        return found

    def _names(self, body: bytes) -> bool:
        ids = [client.encode() for client in self._clients]
        ids += [str(order_id).encode() for order_id in self._orders]
        return any(one in body for one in ids)


class _Cause(msgspec.Struct, array_like=True, gc=False):
    # How a record begins.
    seq: int
    recv_ns: int
    cause_seq: int


_cause = msgspec.msgpack.Decoder(_Cause).decode


def first_breach(journal: Journal, from_seq: int, until_seq: int) -> Breach | None:
    """Fold, check every invariant after each record, and name the first one that does not hold.

    A record that cannot be folded at all is one too. What was broken before `from_seq` is found
    at that record.

    Raises:
        JournalError: the journal is damaged before anything is found.
    """
    state: State = journal.at(from_seq - 1) if from_seq > journal.start.seq + 1 else journal.start
    for record in journal.records(state.seq + 1, until_seq):
        try:
            state = reduce(state, record)
            state.check()
        except (AssertionError, LookupError) as error:
            return Breach(record.seq, record, _invariant(error))
    return None


def _invariant(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = "/".join(last.filename.split("/")[-2:])
    words = str(error) or " ".join((last.line or "").split())
    return f"{words} ({where}:{last.lineno}, in {last.name})"
