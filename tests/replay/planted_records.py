"""Changes to plant in the records of a journal, each written anew with its right CRC."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
from msgspec.structs import replace

from engine import (
    events,
)
from engine.events import AnyEvent, Record, RunStarted
from engine.intents import PlaceOrders
from engine.types import Limits, Quoted
from tests.replay.journals import FAULTY, RECORDED, SYNTHETIC
from tests.replay.planted import Edit, Plant


def places(records: list[Record], kind: type[AnyEvent]) -> list[int]:
    return [at for at, record in enumerate(records) if isinstance(record.event, kind)]


def middle(records: list[Record], kind: type[AnyEvent]) -> int:
    found = places(records, kind)
    return found[len(found) // 2]


def changed(kind: type[AnyEvent], change: Callable[[Any], Any], which: int | None = None) -> Edit:
    """Change one event of a kind, the middle one by default; its CRC is made anew."""

    def edit(records: list[Record]) -> tuple[int, list[Record]]:
        at = middle(records, kind) if which is None else places(records, kind)[which]
        records[at] = replace(records[at], event=change(records[at].event))
        return records[at].seq, records

    return edit


def started(change: Callable[[Quoted], Quoted]) -> Edit:
    """Change what a run quotes by."""

    def every(event: RunStarted) -> RunStarted:
        return replace(event, quoted=tuple(change(quoted) for quoted in event.quoted))

    return changed(RunStarted, every, 0)


def limited(**fields: int) -> Edit:
    def change(quoted: Quoted) -> Quoted:
        limits: Limits = replace(quoted.limits, **fields)
        return replace(quoted, limits=limits)

    return started(change)


def parameter(name: str, value: object) -> Edit:
    def change(quoted: Quoted) -> Quoted:
        parameters = {**msgspec.json.decode(quoted.parameters), name: value}
        return replace(quoted, parameters=msgspec.json.encode(parameters).decode())

    return started(change)


def swapped(kind: type[AnyEvent]) -> Edit:
    """Let two events of a kind change places, each under the other's seq and time."""

    def edit(records: list[Record]) -> tuple[int, list[Record]]:
        found = places(records, kind)
        a, b = next((a, b) for a, b in pairwise(found) if acted_on(records, a, b))
        one, other = records[a], records[b]
        records[a] = replace(one, event=other.event)
        records[b] = replace(other, event=one.event)
        return one.seq, records

    return edit


def acted_on(records: list[Record], a: int, b: int) -> bool:
    """Say whether the engine acted on the first of two events of one market before the second."""
    one: Any = records[a].event
    other: Any = records[b].event
    after = records[a + 1].event
    acted = isinstance(after, events.Decided) and after.intents != ()
    return acted and one.market == other.market and one != other


def dropped(kind: type[AnyEvent]) -> Edit:
    """Leave a record out and close the gap, as whoever wants to hide it would."""

    def edit(records: list[Record]) -> tuple[int, list[Record]]:
        at = middle(records, kind)
        gone = records[at].seq
        return gone, records[:at] + [_moved(record, gone, -1) for record in records[at + 1 :]]

    return edit


def doubled(kind: type[AnyEvent]) -> Edit:
    """Let a record come twice, and move all that follow."""

    def edit(records: list[Record]) -> tuple[int, list[Record]]:
        at = middle(records, kind)
        seq = records[at].seq
        again = replace(records[at], seq=seq + 1)
        moved = [_moved(record, seq + 1, 1) for record in records[at + 1 :]]
        return seq + 1, [*records[: at + 1], again, *moved]

    return edit


def _moved(record: Record, seq: int, by: int) -> Record:
    cause = record.cause_seq
    return replace(record, seq=record.seq + by, cause_seq=cause + by if cause >= seq else cause)


def later(kind: type[AnyEvent], by_ns: int) -> Edit:
    def edit(records: list[Record]) -> tuple[int, list[Record]]:
        at = middle(records, kind)
        records[at] = replace(records[at], recv_ns=records[at].recv_ns + by_ns)
        return records[at].seq, records

    return edit


def placing(event: events.Decided) -> events.Decided:
    """One tick more on the first order that the decision places."""
    for index, intent in enumerate(event.intents):
        if isinstance(intent, PlaceOrders):
            first = replace(intent.orders[0], price=intent.orders[0].price + 1)
            orders = (first, *intent.orders[1:])
            intents = list(event.intents)
            intents[index] = replace(intent, orders=orders)
            return replace(event, intents=tuple(intents))
    raise AssertionError("the decision places nothing")


def first_placing(records: list[Record]) -> tuple[int, list[Record]]:
    for at in places(records, events.Decided):
        event = records[at].event
        assert isinstance(event, events.Decided)
        if any(isinstance(intent, PlaceOrders) for intent in event.intents):
            records[at] = replace(records[at], event=placing(event))
            return records[at].seq, records
    raise AssertionError("no decision places anything")


def other_nonce(records: list[Record]) -> tuple[int, list[Record]]:
    for at in reversed(places(records, events.RequestSent)):
        event = records[at].event
        assert isinstance(event, events.RequestSent)
        if event.method == "POST":
            records[at] = replace(records[at], event=replace(event, nonce=event.nonce + 1))
            return records[at].seq, records
    raise AssertionError("no request is signed")


def raised_bid(event: events.BestBidOffer) -> events.BestBidOffer:
    return replace(event, bid_price=event.bid_price - 500, ask_price=event.ask_price - 500)


def larger(event: events.Filled) -> events.Filled:
    return replace(event, fill=replace(event.fill, qty=event.fill.qty + 1))


def other_id(event: events.OrderOpened) -> events.OrderOpened:
    return replace(event, order=replace(event.order, order_id=event.order.order_id + 7))


RECORDS = [
    Plant(
        "a best bid and offer is edited",
        RECORDED,
        "intents|state",
        "order|fingerprint",
        edit=changed(events.BestBidOffer, raised_bid),
    ),
    Plant(
        "a deal is edited",
        SYNTHETIC,
        "intents|state",
        "query|order|price|fingerprint",
        edit=changed(events.Filled, larger),
    ),
    Plant(
        "an order's id is edited",
        FAULTY,
        "intents|state",
        "order|query|fingerprint",
        edit=changed(events.OrderOpened, other_id),
    ),
    Plant("a recorded decision is edited", RECORDED, "intents", "price", edit=first_placing),
    Plant(
        "a recorded nonce is edited",
        SYNTHETIC,
        "request",
        "nonce",
        edit=other_nonce,
    ),
    Plant(
        "a recorded request names another intent",
        SYNTHETIC,
        "request",
        "names no recorded intent",
        edit=changed(events.RequestSent, lambda e: replace(e, index=e.index + 30)),
    ),
    Plant(
        "a recorded body is edited",
        FAULTY,
        "request",
        "body",
        edit=changed(events.RequestSent, lambda e: replace(e, body=e.body.replace(b'":', b'" :'))),
    ),
    Plant(
        "a recorded fingerprint is edited",
        SYNTHETIC,
        "state",
        "recorded 0000",
        edit=changed(events.Fingerprint, lambda e: replace(e, digest=bytes(16))),
    ),
    Plant(
        "two best bids and offers are swapped",
        RECORDED,
        "intents|state",
        "order|fingerprint",
        edit=swapped(events.BestBidOffer),
    ),
    Plant(
        "two depth frames are swapped",
        FAULTY,
        "intents|state",
        "order|resubscribe|fingerprint",
        edit=swapped(events.BookDelta),
    ),
    Plant(
        "a deal is dropped",
        SYNTHETIC,
        "intents|state",
        "order|query|fingerprint",
        edit=dropped(events.Filled),
    ),
    Plant(
        "a timer is dropped",
        FAULTY,
        "intents|state",
        "order|query|ping|arm|fingerprint",
        edit=dropped(events.TimerFired),
    ),
    Plant(
        "a trade comes twice",
        RECORDED,
        "intents|state",
        "order|query|ping|arm|fingerprint",
        edit=doubled(events.PublicTrades),
    ),
    Plant(
        "a timer comes half a second later",
        SYNTHETIC,
        "intents|state",
        "ping|query|order|arm|fingerprint",
        edit=later(events.TimerFired, 500_000_000),
    ),
    Plant(
        "the half-spread parameter is changed",
        RECORDED,
        "intents",
        "price",
        edit=parameter("half_spread_bps", 3.0),
    ),
    Plant(
        "the skew parameter is changed",
        SYNTHETIC,
        "intents",
        "price",
        edit=parameter("skew_bps", 50.0),
    ),
    Plant(
        "a parameter gets a name that the strategy does not know",
        SYNTHETIC,
        "fold",
        "ConfigError",
        edit=parameter("half_spread", 1.0),
    ),
    Plant(
        "the limit on an order's notional is changed",
        RECORDED,
        "intents",
        "only recomputed: risk refusal order_notional",
        edit=limited(order_notional_max=1_000),
    ),
    Plant(
        "the limit on the position is changed",
        SYNTHETIC,
        "intents",
        "recomputed 0.0003 BTC (300 lots)",
        edit=limited(position_max=300),
    ),
    Plant(
        "the limit on open orders is changed",
        RECORDED,
        "intents",
        "refusal",
        edit=limited(open_orders_max=1),
    ),
    Plant(
        "the price tolerance is changed",
        RECORDED,
        "intents",
        "modify",
        edit=started(lambda quoted: replace(quoted, price_tolerance=0)),
    ),
]
