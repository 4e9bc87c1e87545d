"""Every record as a row: where it stands, what it is, and the whole event as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, get_args

import msgspec

from engine.events import AnyEvent, Event, Record, RunStarted
from replay.export.tables import Row

_encode = msgspec.json.Encoder().encode


class _Kind:
    """How rows of one type of event are made."""

    __slots__ = ("market", "name", "tag", "venue_us")

    def __init__(self, event: type) -> None:
        fields: tuple[str, ...] = event.__struct_fields__  # type: ignore[attr-defined]
        self.name = event.__name__
        self.tag = event.__struct_config__.tag  # type: ignore[attr-defined]
        self.market: Callable[[Any], str | None] = _nothing
        self.venue_us: Callable[[Any], int | None] = _nothing
        for inner, time in (("order", "modified_us"), ("fill", "venue_us")):
            if inner in fields:
                self.market = attrgetter(f"{inner}.market")
                self.venue_us = attrgetter(f"{inner}.{time}")
        if "market" in fields:
            self.market = attrgetter("market")
        if "venue_us" in fields:
            self.venue_us = attrgetter("venue_us")
        elif "trades" in fields:
            self.venue_us = _newest_trade_us


def _nothing(event: Any) -> None:
    return None


def _newest_trade_us(event: Any) -> int | None:
    return event.trades[0].venue_us if event.trades else None


_KINDS: dict[type[Event], _Kind] = {event: _Kind(event) for event in get_args(AnyEvent)}


def event_rows(records: Iterable[Record], run_id: str = "") -> Iterator[Row]:
    """Yield a row of `tables.EVENTS` for each record.

    Args:
        records: In the order of the journal.
        run_id: Of the run that the first of them belongs to.
    """
    kinds, encode = _KINDS, _encode
    for record in records:
        event = record.event
        if isinstance(event, RunStarted):
            run_id = event.run_id
        kind = kinds[type(event)]
        yield (
            record.seq,
            record.recv_ns,
            record.cause_seq or None,
            run_id,
            kind.name,
            kind.tag,
            kind.market(event) or None,
            kind.venue_us(event) or None,
            encode(event).decode(),
        )
