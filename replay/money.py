"""P&L of each market while a journal is folded: exact, split into its parts, sampled over time.

What is counted is the fold of the inventory (`engine.inventory`), so the parts always come to cash,
inventory, fees, interest and funding. A market that counts anew, since a run no longer quotes it or
quotes it in other units, keeps what it had come to.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from engine.events import Filled, FillsListed, Record, RunStarted, TimerFired
from engine.inventory import Inventory, pnl
from engine.money import ZERO, add, from_units, subtract
from engine.state import MarketState, State
from engine.top import mark2_of
from engine.types import Market
from replay.deals import same_units

NS_PER_S = 1_000_000_000
SAMPLE_EVERY_NS = NS_PER_S
"""Between two samples, at the least; a deal is a sample of its own."""


class Parts(msgspec.Struct, frozen=True, gc=False):
    """What P&L consists of, quote asset, each with the sign that it has in the total."""

    spread: Decimal = ZERO
    """Earned against the mid at each fill."""
    inventory: Decimal = ZERO
    """What the mid's moves did to what was held."""
    fees: Decimal = ZERO
    """Below zero when paid, above for rebates; fees in the base asset are at the mark."""
    funding: Decimal = ZERO
    """Received less paid."""
    interest: Decimal = ZERO
    """Of borrowing; below zero when paid."""

    @property
    def total(self) -> Decimal:
        rest = add(add(self.fees, self.funding), self.interest)
        return add(add(self.spread, self.inventory), rest)

    def plus(self, other: Parts) -> Parts:
        """Return the sum, part by part."""
        return Parts(*[add(one, two) for one, two in zip(_each(self), _each(other), strict=True)])

    def minus(self, other: Parts) -> Parts:
        """Return the difference, part by part."""
        pairs = zip(_each(self), _each(other), strict=True)
        return Parts(*[subtract(one, two) for one, two in pairs])


PARTS: tuple[str, ...] = Parts.__struct_fields__


def _each(parts: Parts) -> tuple[Decimal, ...]:
    return (parts.spread, parts.inventory, parts.fees, parts.funding, parts.interest)


def parts_of(inventory: Inventory, market: Market, mark2: int) -> Parts:
    """Split the P&L of the deals that an inventory counts.

    Args:
        inventory: The fold.
        market: Its market.
        mark2: Twice the mark, ticks.
    """
    found = pnl(inventory, market, mark2)
    parts = Parts(
        spread=found.spread,
        inventory=found.inventory,
        fees=subtract(ZERO, found.fees),
        funding=found.funding,
        interest=subtract(ZERO, found.interest),
    )
    assert parts.total == found.total, "the parts of the P&L are not the whole"
    return parts


def mark_of(market: MarketState) -> Decimal | None:
    """Return the mark, quote asset; None before the first."""
    mark2 = mark2_of(market)
    return from_units(5 * mark2, market.quoted.market.price_decimals + 1) if mark2 else None


class Purse:
    """P&L of one market since some moment, through every run."""

    __slots__ = ("_base", "_kept", "_last", "market")

    def __init__(self, market: MarketState | None) -> None:
        """Begin to count at a state; None for a market that is not there yet."""
        self.market = market
        self._base = Parts() if market is None else _now(market)
        self._kept = Parts()
        self._last: tuple[Inventory, int, Parts] | None = None

    @property
    def parts(self) -> Parts:
        market = self.market
        if market is None:
            return self._kept
        inventory, mark2, last = market.inventory, mark2_of(market), self._last
        if last is None or last[0] is not inventory or last[1] != mark2:
            parts = self._kept.plus(_now(market).minus(self._base))
            last = self._last = (inventory, mark2, parts)
        return last[2]

    def restarted(self, after: MarketState | None) -> None:
        """A run begins; None where it does not quote the market."""
        before = self.market
        if (
            before is None
            or after is None
            or not same_units(before.quoted.market, after.quoted.market)
        ):
            self._kept = self.parts
            self._base, self._last = Parts(), None
        self.market = after


def _now(market: MarketState) -> Parts:
    return parts_of(market.inventory, market.quoted.market, mark2_of(market))


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One market at one moment."""

    seq: int
    at_ns: int
    market: MarketState
    parts: Parts

    @property
    def position(self) -> int | None:
        """Inventory against its target, lots; None before the venue has told what is held."""
        return None if self.market.inventory.baseline is None else self.market.position


class Sampler:
    """Looks at every market once a second, and at the market of a deal at once.

    Attributes:
        purses: By market, in the order of their first appearance.
    """

    def __init__(self, start: State) -> None:
        """Begin to count at a state."""
        self.purses = {name: Purse(market) for name, market in start.markets.items()}
        self._due_ns = 0

    def observe(self, before: State, record: Record, after: State) -> Iterator[Sample]:
        """Follow a timer, a deal or a start of a run; yields what is to be kept of it."""
        event = record.event
        if isinstance(event, TimerFired):
            if record.recv_ns >= self._due_ns:
                self._due_ns = record.recv_ns + SAMPLE_EVERY_NS
                yield from self.look(record, after)
        elif isinstance(event, RunStarted):
            for name in {**before.markets, **after.markets}:
                purse = self._purse(name)
                purse.market = before.markets.get(name, purse.market)
                purse.restarted(after.markets.get(name))
            self._due_ns = 0
        elif isinstance(event, Filled | FillsListed):
            name = event.fill.market if isinstance(event, Filled) else event.market
            one, other = before.markets.get(name), after.markets.get(name)
            if one is not None and other is not None and one.inventory is not other.inventory:
                yield self._sample(name, record, other)

    def look(self, record: Record, state: State) -> Iterator[Sample]:
        """Yield every market as it is."""
        for name, market in state.markets.items():
            yield self._sample(name, record, market)

    def _sample(self, name: str, record: Record, market: MarketState) -> Sample:
        purse = self._purse(name)
        purse.market = market
        return Sample(record.seq, record.recv_ns, market, purse.parts)

    def _purse(self, name: str) -> Purse:
        if name not in self.purses:
            self.purses[name] = Purse(None)
        return self.purses[name]
