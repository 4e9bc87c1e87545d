"""What the market did after each fill: markouts at fixed horizons.

The mid of a horizon is that of the first record taken in at or after it, with the feed as it is
after that record. A feed that the engine would not have quoted by tells no mid.
"""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from engine.events import Record
from engine.state import LinkStatus, State
from engine.top import mid2
from engine.types import Market
from replay.deals import same_units
from replay.trails import HORIZONS_NS, FillTrail, Markout

NEVER_NS = 1 << 62


class _Open:
    """A fill that still waits for some of its horizons."""

    __slots__ = ("markouts", "trail")

    def __init__(self, trail: FillTrail) -> None:
        self.trail = trail
        self.markouts: list[Markout] = []

    @property
    def is_whole(self) -> bool:
        return len(self.markouts) == len(HORIZONS_NS)


class Aftermath:
    """Fills of the last minute, oldest first.

    Attributes:
        due_ns: When the next horizon is reached; far away while none is waited for.
    """

    def __init__(self, finished: deque[FillTrail]) -> None:
        """Hand what is whole over to `finished`, in the order in which the fills were added."""
        self.due_ns = NEVER_NS
        self._finished = finished
        self._open: deque[_Open] = deque()
        # The horizons are the same for each fill, so each is reached in the order of the fills.
        self._waiting: tuple[deque[_Open], ...] = tuple(deque() for _ in HORIZONS_NS)

    def add(self, trail: FillTrail) -> None:
        """Wait for the horizons of one fill more."""
        one = _Open(trail)
        self._open.append(one)
        if trail.is_late:
            # The market at its time is no longer known.
            one.markouts = [Markout(horizon, missing="learned late") for horizon in HORIZONS_NS]
        else:
            for waiting in self._waiting:
                waiting.append(one)
        self._release()

    def settle(self, record: Record, state: State) -> None:
        """Note the mid for every horizon that a record reaches.

        Args:
            record: At or after `due_ns`.
            state: After it.
        """
        for horizon_ns, waiting in zip(HORIZONS_NS, self._waiting, strict=True):
            while waiting and waiting[0].trail.filled.at_ns + horizon_ns <= record.recv_ns:
                one = waiting.popleft()
                one.markouts.append(_markout(horizon_ns, record, state, one.trail.spec))
        self._release()

    def end(self, missing: str) -> None:
        """Nothing more will be known; say why."""
        for horizon_ns, waiting in zip(HORIZONS_NS, self._waiting, strict=True):
            for one in waiting:
                one.markouts.append(Markout(horizon_ns, missing=missing))
            waiting.clear()
        self._release()

    def _release(self) -> None:
        while self._open and self._open[0].is_whole:
            one = self._open.popleft()
            self._finished.append(replace(one.trail, markouts=tuple(one.markouts)))
        self.due_ns = NEVER_NS
        for horizon_ns, waiting in zip(HORIZONS_NS, self._waiting, strict=True):
            if waiting:
                due_ns = waiting[0].trail.filled.at_ns + horizon_ns
                self.due_ns = min(self.due_ns, due_ns)


def _markout(horizon_ns: int, record: Record, state: State, spec: Market) -> Markout:
    market = state.markets.get(spec.name)
    if market is None:
        return Markout(horizon_ns, record.seq, record.recv_ns, 0, "not quoted")
    if not same_units(market.quoted.market, spec):
        return Markout(horizon_ns, record.seq, record.recv_ns, 0, "other units")
    feed, link = market.feed, state.links.get(spec.name)
    mid = mid2(market)
    is_trusted = (
        mid > 0
        and feed.book_ok
        and not feed.doubt
        and state.now_ns - feed.fresh_ns <= state.settings.feed_max_age_ns
        and link is not None
        and link.status is LinkStatus.READY
    )
    if not is_trusted:
        return Markout(horizon_ns, record.seq, record.recv_ns, 0, "not trusted")
    return Markout(horizon_ns, record.seq, record.recv_ns, mid)
