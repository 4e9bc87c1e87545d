"""What would have been decided: other parameters or code along the facts of a recorded run.

Theory of operation. The recorded records are folded as they are, decisions included, into a state
that is changed; at each recorded decision the engine decides again in that state. So each decision
is asked the question "what would you have done here?", with the orders, fills and answers that the
recorded run had. After the first difference the own orders in the state are still those recorded:
the differences that follow are what the change wants of *them*, not what would have become of its
own. `replay/model/` estimates that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from engine.events import Decided, Record
from engine.intents import CancelOrder, ModifyOrder, PlaceOrders
from engine.state import State
from engine.step import decide
from engine.types import Side
from replay.changes import Changes
from replay.outcomes import Difference, Kind, differences

BINS_PER_BPS = 10
"""Price differences are counted in tenths of a basis point, whatever the journal's length."""
BPS_MOST = 1_000
"""Larger ones count as this much."""
EDGES_BPS = (-50.0, -20.0, -10.0, -5.0, -2.0, -1.0, 0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Between the classes of the distribution that is shown."""


class Part(msgspec.Struct):
    """What differs on one side of one market, or in what is of no side."""

    market: str
    side: Side | None
    decisions: int = 0
    """Decisions with at least one difference here."""
    kinds: dict[Kind, int] = msgspec.field(default_factory=dict)
    """Differences by kind."""
    first: Difference | None = None
    largest: Difference | None = None
    """Of the largest price difference."""
    bins: dict[int, int] = msgspec.field(default_factory=dict)
    """Price differences, outward, by tenths of a basis point."""

    def add(self, found: Difference) -> None:
        """Count one difference."""
        self.kinds[found.kind] = self.kinds.get(found.kind, 0) + 1
        if self.first is None:
            self.first = found
        bps = found.outward_bps
        if bps is None or found.kind is not Kind.PRICE:
            return
        index = round(max(-BPS_MOST, min(BPS_MOST, bps)) * BINS_PER_BPS)
        self.bins[index] = self.bins.get(index, 0) + 1
        largest = None if self.largest is None else self.largest.outward_bps
        if largest is None or abs(bps) > abs(largest):
            self.largest = found

    def quantile_bps(self, share: float) -> float | None:
        """Return a quantile of the price differences to a tenth of a basis point."""
        return quantile(self.bins, share)

    def classes(self) -> list[int]:
        """Count the price differences between `EDGES_BPS`, one class more than there are edges;
        a difference on an edge counts to the side of zero, where no price differs less."""
        counts = [0] * (len(EDGES_BPS) + 1)
        for index, count in self.bins.items():
            bps = index / BINS_PER_BPS
            place = len([edge for edge in EDGES_BPS if (edge < bps if bps > 0 else edge <= bps)])
            counts[place] += count
        return counts


class Asked(msgspec.Struct):
    """Requests of all decisions, by what they are."""

    place: int = 0
    """Orders placed; a bulk counts each."""
    modify: int = 0
    cancel: int = 0
    other: int = 0
    requests: int = 0
    """All of them; a bulk counts once."""

    def add(self, decision: Decided) -> None:
        """Count the requests of one decision."""
        for intent in decision.intents:
            self.requests += 1
            if isinstance(intent, PlaceOrders):
                self.place += len(intent.orders)
            elif isinstance(intent, ModifyOrder):
                self.modify += 1
            elif isinstance(intent, CancelOrder):
                self.cancel += 1
            else:
                self.other += 1


class Differences(msgspec.Struct):
    """How decisions came out; its size does not depend on the journal's."""

    records: int = 0
    decisions: int = 0
    differing: int = 0
    found: int = 0
    """Differences in all of them."""
    first: Difference | None = None
    recorded: Asked = msgspec.field(default_factory=Asked)
    recomputed: Asked = msgspec.field(default_factory=Asked)
    parts: dict[tuple[str, int], Part] = msgspec.field(default_factory=dict)
    """By market and side, 0 for no side."""
    stopped_seq: int = 0
    """Record that could not be folded by the code as it is now; 0 if all could."""
    stopped: str = ""
    """Why."""

    def part(self, market: str, side: Side | None) -> Part:
        return self.parts.setdefault((market, side or 0), Part(market, side))


def what_if(
    records: Iterable[Record],
    changes: Changes,
    *,
    start: State | None = None,
    tell: Callable[[Difference], None] | None = None,
) -> Differences:
    """Decide again along recorded facts, and count what comes out otherwise.

    Args:
        records: A journal from its first record on, or from the one after `start`.
        changes: Of parameters and strategy; none, to try changed code.
        start: The state before them; the empty one by default.
        tell: Told of each difference, in the order of the journal.

    Raises:
        ConfigError: the changes do not fit a market of the journal.
    """
    result = Differences()
    state = changes.applied(start or State())
    for record in records:
        event: Any = record.event
        try:
            if type(event) is Decided:
                _compare(result, state, record, event, tell)
            assert record.seq == state.seq + 1, f"expected seq {state.seq + 1}"
            state = changes.fold(state, record)
        except (AssertionError, LookupError, ArithmeticError, ValueError) as error:
            result.stopped_seq = record.seq
            result.stopped = f"{type(event).__name__}: {type(error).__name__}: {error}"
            break
        result.records += 1
    return result


def _compare(
    result: Differences,
    state: State,
    record: Record,
    recorded: Decided,
    tell: Callable[[Difference], None] | None,
) -> None:
    recomputed = decide(state)
    result.decisions += 1
    result.recorded.add(recorded)
    result.recomputed.add(recomputed)
    touched: dict[tuple[str, int], Part] = {}
    for found in differences(state, record.seq, record.recv_ns, recorded, recomputed):
        part = result.part(found.market, found.side)
        part.add(found)
        touched[found.market, found.side or 0] = part
        result.found += 1
        if result.first is None:
            result.first = found
        if tell is not None:
            tell(found)
    for part in touched.values():
        part.decisions += 1
    result.differing += bool(touched)


def quantile(bins: dict[int, int], share: float) -> float | None:
    """Return the smallest value that at least a share of all are not above; None for none."""
    total = sum(bins.values())
    if not total:
        return None
    reached = 0
    for index in sorted(bins):
        reached += bins[index]
        if reached >= share * total:
            break
    return index / BINS_PER_BPS
