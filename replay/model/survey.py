"""What a journal tells before it is modelled: its markets, funds, latencies, fills and result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import msgspec

from engine import events as e
from engine.errors import ConfigError
from engine.reduce import HANDLERS
from engine.state import State
from engine.top import mid2
from engine.types import Market, Side, VenueFill, VenueOrder
from replay.deals import counted_deals

SAMPLES_MAX = 20_000
"""Latencies kept of each kind; of more, an even sample."""
LATENCY_MOST_NS = 5_000_000_000
"""A longer one is a lost answer, not a latency."""


class ModelFill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One fill, recorded or predicted."""

    market: str
    side: Side
    price: int
    qty: int
    at_ns: int
    """When it happened at the venue, by our clock."""


class Sample:
    """An even sample of durations of whatever number."""

    def __init__(self, name: str) -> None:
        self.values: list[int] = []
        self._random = Random(name)
        self._count = 0

    def add(self, value: int) -> None:
        """Take a duration in nanoseconds; one that cannot be is left out."""
        if not 0 <= value <= LATENCY_MOST_NS:
            return
        self._count += 1
        if len(self.values) < SAMPLES_MAX:
            self.values.append(value)
        elif (index := self._random.randrange(self._count)) < SAMPLES_MAX:
            self.values[index] = value

    def draw(self, rng: Random, default_ns: int) -> int:
        """Draw one; the default where none was measured."""
        return rng.choice(self.values) if self.values else default_ns

    def quantile(self, share: float) -> int | None:
        """Return the smallest value that at least a share are not above; None without any."""
        ranked = sorted(self.values)
        return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else None


class Latencies:
    """Legs of one journal, as it measured them, in nanoseconds."""

    def __init__(self) -> None:
        self.there = Sample("there")
        """A request on its way: sent to changed at the venue."""
        self.back = Sample("back")
        """Its answer: changed at the venue to taken in."""
        self.push = Sample("push")
        """A push of the private stream: happened to taken in."""


class Survey(msgspec.Struct):
    """What was found."""

    markets: dict[str, Market] = {}
    """By name, of every run."""
    spot: dict[str, Decimal] = {}
    """First balance that was told of each asset, frozen part included."""
    collateral: dict[str, Decimal] = {}
    positions: dict[str, int] = {}
    """First position that was told of each market, lots."""
    baselines: dict[str, Decimal] = {}
    """Inventory from which the first run counted: base asset on spot, else a signed position."""
    mids2: dict[str, int] = {}
    """First mid of each market, half ticks."""
    fees: dict[str, e.FeesListed] = {}
    """First that was told of each market."""
    latencies: Latencies = msgspec.field(default_factory=Latencies)
    fills: list[ModelFill] = []
    state: State = State()
    """After the last record."""
    records: int = 0


class _Asked:
    """Pairs what an answer tells with what a push tells of the same order: answers have no time of
    the venue, pushes know no request."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._sent: dict[int, int] = {}
        self._answered: dict[int, tuple[int, int]] = {}
        self._began: dict[int, int] = {}

    def sent(self, record: e.Record) -> None:
        """A request goes out."""
        _remember(self._sent, record.seq, record.recv_ns)

    def answered(self, record: e.Record, orders: list[VenueOrder]) -> None:
        """A request that began orders is answered; the first of them stands for all."""
        sent_ns = self._sent.get(record.cause_seq)
        if sent_ns is None or not orders:
            return
        order_id, times = orders[0].order_id, (sent_ns, record.recv_ns)
        if order_id in self._began:
            self._measure(times, self._began[order_id])
        else:
            _remember(self._answered, order_id, times)

    def began(self, order: VenueOrder, venue_ns: int) -> None:
        """A push says when an order began to rest."""
        times = self._answered.pop(order.order_id, None)
        if times is not None:
            self._measure(times, venue_ns)
        else:
            _remember(self._began, order.order_id, venue_ns)

    def _measure(self, times: tuple[int, int], venue_ns: int) -> None:
        sent_ns, told_ns = times
        # Clocks that are not quite one may put it outside: then it is left out.
        if sent_ns <= venue_ns <= told_ns:
            self._latencies.there.add(venue_ns - sent_ns)
            self._latencies.back.add(told_ns - venue_ns)


PAIRED_MAX = 10_000
"""Requests and orders that wait for their other half."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(held: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    held[key] = value
    if len(held) > PAIRED_MAX:
        del held[next(iter(held))]


def survey(records: Iterable[e.Record]) -> Survey:
    """Fold a journal once.

    Raises:
        ConfigError: it does not begin with a run, its runs differ in what a market's units are, a
            later one leaves a market out, or the account is in hedge mode.
    """
    found = Survey()
    asked = _Asked(found.latencies)
    for before, record, after in each(records):
        if not before.seq and not isinstance(record.event, e.RunStarted):
            raise ConfigError(
                "expected a journal from the start of its first run on, found one whose oldest"
                " records are gone: fills cannot be modelled from the middle of a run"
            )
        _take(found, asked, before, record, after)
        if len(found.baselines) + len(found.mids2) < 2 * len(found.markets):
            _begin(found, after)
        found.state = after
        found.records += 1
    return found


def _take(found: Survey, asked: _Asked, before: State, record: e.Record, after: State) -> None:
    event: Any = record.event
    match event:
        case e.RequestSent():
            asked.sent(record)
        case e.OrdersPlaced():
            asked.answered(record, [r.order for r in event.results if r.order is not None])
        case e.OrderModified():
            asked.answered(record, [event.order])
        case e.OrderOpened():
            asked.began(event.order, event.order.modified_us * 1000 - before.clock_offset_ns)
        case e.Filled() | e.FillsListed():
            _fills(found, before, record, event, after)
        case e.RunStarted():
            _run(found, event)
        case e.SpotBalancesListed():
            for spot in event.balances:
                found.spot.setdefault(spot.asset, spot.available + spot.frozen)
        case e.MarginBalancesListed():
            for margin in event.balances:
                found.collateral.setdefault(margin.asset, margin.balance)
        case e.PositionsListed():
            for position in event.positions:
                found.positions.setdefault(position.market, position.qty)
            for name in (event.market,) if event.market else tuple(found.markets):
                found.positions.setdefault(name, 0)
        case e.FeesListed():
            found.fees.setdefault(event.market, event)


def _begin(found: Survey, state: State) -> None:
    for name, market in state.markets.items():
        baseline, twice = market.inventory.baseline, mid2(market)
        if baseline is not None:
            found.baselines.setdefault(name, baseline)
        if twice:
            found.mids2.setdefault(name, twice)


def _run(found: Survey, event: e.RunStarted) -> None:
    names = [quoted.market.name for quoted in event.quoted]
    for name in found.markets:
        if name not in names:
            raise ConfigError(
                f"{name}: expected every run to quote it, found {event.run_id}, which does not:"
                " cut the journal there"
            )
    for quoted in event.quoted:
        if quoted.hedged:
            raise ConfigError(
                f"{quoted.market.name}: expected a one-way account, found one in hedge mode, which"
                " the model does not have"
            )
        _market(found, quoted.market)


def _market(found: Survey, market: Market) -> None:
    before = found.markets.setdefault(market.name, market)
    units = (market.price_decimals, market.qty_decimals, market.product)
    if (before.price_decimals, before.qty_decimals, before.product) != units:
        raise ConfigError(
            f"{market.name}: expected the same precision in every run, found another: cut the"
            " journal there"
        )


def _fills(
    found: Survey, before: State, record: e.Record, event: e.Filled | e.FillsListed, after: State
) -> None:
    for counted in counted_deals(before, event, after):
        at_ns = venue_ns(counted.fill, record, before)
        if isinstance(event, e.Filled) and counted.fill.venue_us:
            found.latencies.push.add(record.recv_ns - at_ns)
        found.fills.append(model_fill(counted.fill, at_ns))


def venue_ns(fill: VenueFill, record: e.Record, state: State) -> int:
    """Return when a deal happened by our clock; when it was told if it does not say."""
    return fill.venue_us * 1000 - state.clock_offset_ns if fill.venue_us else record.recv_ns


def model_fill(fill: VenueFill, at_ns: int) -> ModelFill:
    return ModelFill(fill.market, fill.side, fill.price, fill.qty, at_ns)


def each(records: Iterable[e.Record]) -> Iterator[tuple[State, e.Record, State]]:
    """Fold a journal, and yield each record with the state before and after it."""
    state = State()
    for record in records:
        before = state
        state = HANDLERS[type(record.event)](before, record, record.event)
        yield before, record, state
