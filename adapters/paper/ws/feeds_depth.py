"""The depth channel: every 100 ms what changed in each subscribed window (contract 11.5).

`past_update_id` chains per subscription. Subscriptions that were last told the same update id of
the same window share their next difference, so it is computed and encoded once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.market import Levels
from adapters.paper.data.depth import Window, aggregate, changes
from adapters.paper.wire import seconds
from adapters.paper.ws.objects import levels
from adapters.paper.ws.session import DepthSubscription, Session, push_frame

TICK_US = 100_000
KEEPALIVE_US = 10_000_000
# Levels of the book that are merged into an aggregated window at most.
SCAN_MAX = 100_000

_View = tuple[str, int, int]


class DepthFeed:
    """Windows of all markets, each computed once for a state of its book."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        # (market, limit, step) -> (update id, window at that update); bounded by the market
        # list and the few limits and intervals that a client may name.
        self._windows: dict[_View, tuple[int, Window]] = {}

    def snapshot(self, subscription: DepthSubscription, now_us: int) -> bytes:
        """Full frame of the book as it is; the subscription's chain starts over from it."""
        self._restart(subscription, now_us)
        return self._frame(subscription, subscription.window, None, now_us)

    def _restart(self, subscription: DepthSubscription, now_us: int) -> None:
        subscription.window = self._window(subscription)
        subscription.update_id = self._exchange.markets[subscription.market].update_id
        subscription.sent_us = now_us

    def tick(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push the differences and keepalives that are due."""
        deltas: dict[tuple[_View, int], bytes | None] = {}
        keepalives: dict[_View, bytes] = {}
        for session in sessions:
            for subscription in session.depth.values():
                delta = self._delta(subscription, deltas, now_us)
                if delta is not None:
                    session.outbox.push(delta)
                elif now_us - subscription.sent_us >= KEEPALIVE_US:
                    session.outbox.push(self._keepalive(subscription, keepalives, now_us))

    def _delta(
        self,
        subscription: DepthSubscription,
        made: dict[tuple[_View, int], bytes | None],
        now_us: int,
    ) -> bytes | None:
        """Difference since the last message, None when the window looks the same."""
        update_id = self._exchange.markets[subscription.market].update_id
        if update_id == subscription.update_id:
            return None
        window = self._window(subscription)
        key = (_view(subscription), subscription.update_id)
        if key not in made:
            unchanged = window == subscription.window
            made[key] = (
                None
                if unchanged
                else self._frame(subscription, window, subscription.update_id, now_us)
            )
        delta = made[key]
        if delta is not None:
            subscription.window = window
            subscription.update_id = update_id
            subscription.sent_us = now_us
        return delta

    def _keepalive(
        self, subscription: DepthSubscription, made: dict[_View, bytes], now_us: int
    ) -> bytes:
        self._restart(subscription, now_us)
        view = _view(subscription)
        if view not in made:
            made[view] = self._frame(subscription, subscription.window, None, now_us)
        return made[view]

    def _window(self, subscription: DepthSubscription) -> Window:
        market = self._exchange.markets[subscription.market]
        view = _view(subscription)
        cached = self._windows.get(view)
        if cached is not None and cached[0] == market.update_id:
            return cached[1]
        window = self.window(*view)
        self._windows[view] = (market.update_id, window)
        return window

    def window(self, name: str, limit: int, step: int) -> Window:
        """The best `limit` levels of a market, merged into steps of `step` ticks."""
        market = self._exchange.markets[name]
        if step == 1:
            bids, asks = market.depth(limit)
            return Window(asks, bids)
        bids, asks = market.depth(SCAN_MAX)
        return Window(aggregate(asks, step, limit, up=True), aggregate(bids, step, limit, up=False))

    def _frame(
        self, subscription: DepthSubscription, window: Window, past: int | None, now_us: int
    ) -> bytes:
        """Encode a full window (`past` None) or its difference to the subscription's last."""
        market = self._exchange.markets[subscription.market]
        asks, bids = window.asks, window.bids
        data: dict[str, Any] = {
            "timestamp": seconds(market.changed_us),
            "update_id": market.update_id,
        }
        if past is not None:
            data["past_update_id"] = past
            asks = changes(subscription.window.asks, asks, descending=False)
            bids = changes(subscription.window.bids, bids, descending=True)
        sides: tuple[tuple[str, Levels], ...] = (("asks", asks), ("bids", bids))
        for name, side in sides:
            # A side with no change is left out of a difference; a snapshot has both.
            if side or past is None:
                data[name] = levels(side, market.spec)
        data["event_time"] = seconds(now_us)
        return push_frame("depth_update", [past is None, data, subscription.market])


def _view(subscription: DepthSubscription) -> _View:
    return subscription.market, subscription.limit, subscription.step
