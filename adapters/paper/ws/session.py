"""One WebSocket connection as the feeds see it: its account, its subscriptions, its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.paper.data.depth import Window
from adapters.paper.http import ReplayStream
from adapters.paper.limits import SlidingWindow
from adapters.paper.wire import encode
from adapters.paper.ws.outbox import Outbox, frame

Names = tuple[str, ...]


def push_frame(method: str, params: Any) -> bytes:
    """One push, ready to send to any number of sessions (11.1)."""
    return frame(encode({"method": method, "params": params, "id": None}))


class DepthSubscription:
    """One market's depth for one connection, and what it was told last: its chain."""

    def __init__(self, market: str, limit: int, step: int) -> None:
        """`step` is ticks per level, 1 for no aggregation."""
        self.market = market
        self.limit = limit
        self.step = step
        self.window = Window((), ())
        self.update_id = 0
        self.sent_us = 0


class CandleSubscription:
    """One market's candles for one connection."""

    def __init__(self, market: str, interval_s: int) -> None:
        self.market = market
        self.interval_s = interval_s
        # Start and lots of the candle told last, None before the first.
        self.told: tuple[int, int] | None = None


class Session:
    """State of one connection; a set of names that is None means all, absent nothing."""

    def __init__(self, requests_per_minute: int) -> None:
        self.outbox = Outbox()
        # What carries the frames, for faults.
        self.socket: ReplayStream | None = None
        self.requests = SlidingWindow(requests_per_minute, 60)
        self.account: str | None = None
        self.depth: dict[str, DepthSubscription] = {}
        self.book_ticker: dict[str, None] = {}
        # Market -> the price last pushed, None before the first.
        self.last_price: dict[str, int | None] = {}
        self.candles: CandleSubscription | None = None
        # Channel -> subscribed markets or assets; the empty tuple stands for all of them.
        self.sets: dict[str, Names] = {}
        # Type numbers wanted of ordersExecuted, empty for all.
        self.executed_types: tuple[int, ...] = ()
        # Snapshot channels that must be pushed even when there is nothing to show: after a
        # subscribe, and once after the last record is gone (G-50).
        self.owed: set[str] = set()
        # Market, long and short as last pushed, None before the first.
        self.quantiles: list[tuple[str, int | None, int | None]] | None = None

    def wants(self, channel: str, name: str) -> bool:
        """Whether a channel's set holds a market or asset."""
        names = self.sets.get(channel)
        return names is not None and (not names or name in names)

    def chosen(self, channel: str, names: Sequence[str]) -> list[str]:
        """Those of `names` that a channel's set holds."""
        return [name for name in names if self.wants(channel, name)]
