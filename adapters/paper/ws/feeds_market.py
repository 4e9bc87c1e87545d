"""Public channels that tick by the clock: lastprice, candles, market, marketToday, premiumIndex.

Each frame is encoded once for all sessions that get it (contract 11.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from adapters.paper.core.exchange import Exchange
from adapters.paper.data import objects as public_objects
from adapters.paper.data.klines import DAY_S, Candle
from adapters.paper.data.statistics import Statistics
from adapters.paper.ws.session import CandleSubscription, Session, push_frame

LAST_PRICE_US = 1_000_000
CANDLES_US = 500_000
STATISTICS_US = 1_000_000
PREMIUM_US = 500_000
# A venue that stalled for longer does not tell of every candle that it missed.
CANDLES_PUSHED_MAX = 100
# Start and lots of the candle that was told last.
Told = tuple[int, int]


class MarketFeed:
    """What subscribers of market data are told at each tick of a channel."""

    def __init__(self, exchange: Exchange, statistics: Statistics) -> None:
        self._exchange = exchange
        self._statistics = statistics

    def push_last_prices(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push the last price where it is another than the one told before."""
        frames: dict[str, bytes] = {}
        for session in sessions:
            for name, told in session.last_price.items():
                market = self._exchange.markets[name]
                last = market.last_ticks
                if last is None or last == told:
                    continue
                session.last_price[name] = last
                if name not in frames:
                    params = [name, market.spec.price_text(last)]
                    frames[name] = push_frame("lastprice_update", params)
                session.outbox.push(frames[name])

    def push_candles(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push the running candle where it changed, and before it what ended meanwhile [C]."""
        made: dict[tuple[str, int, Told | None], tuple[bytes, Told] | None] = {}
        for session in sessions:
            subscription = session.candles
            if subscription is None:
                continue
            key = (subscription.market, subscription.interval_s, subscription.told)
            if key not in made:
                made[key] = self._candles_frame(subscription, now_us)
            push = made[key]
            if push is not None:
                framed, subscription.told = push
                session.outbox.push(framed)

    def _candles_frame(
        self, subscription: CandleSubscription, now_us: int
    ) -> tuple[bytes, Told] | None:
        changed = self._changed_candles(subscription, now_us)
        if not changed:
            return None
        spec = self._exchange.markets[subscription.market].spec
        shown = [public_objects.named_candle(candle, spec) for candle in changed]
        return push_frame("candles_update", shown), (changed[-1].start_s, changed[-1].lots)

    def _changed_candles(self, subscription: CandleSubscription, now_us: int) -> list[Candle]:
        now_s = self._statistics.now_s(subscription.market, now_us)
        told = subscription.told
        candles = self._statistics.klines[subscription.market].candles(
            now_s if told is None else told[0],
            now_s,
            subscription.interval_s,
            CANDLES_PUSHED_MAX,
            newest=True,
        )
        if candles and told == (candles[0].start_s, candles[0].lots):
            del candles[0]
        return candles

    def push_statistics(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push the last 24 hours of each subscribed market."""
        self._push_each(sessions, "market", lambda name: self.period(name, DAY_S, now_us))

    def push_today(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push each subscribed market's statistics since 00:00 UTC."""
        self._push_each(sessions, "marketToday", lambda name: self.today(name, now_us))

    def _push_each(
        self, sessions: Iterable[Session], channel: str, show: Callable[[str], dict[str, Any]]
    ) -> None:
        frames: dict[str, bytes] = {}
        for session in sessions:
            for name in session.sets.get(channel, ()):
                if name not in frames:
                    frames[name] = push_frame(f"{channel}_update", [name, show(name)])
                session.outbox.push(frames[name])

    def period(self, name: str, period_s: int, now_us: int) -> dict[str, Any]:
        """The statistics of the last `period_s` seconds of a market."""
        market = self._exchange.markets[name]
        shown = self._statistics.period(market, period_s, now_us)
        return public_objects.statistics(market, shown, period_s)

    def today(self, name: str, now_us: int) -> dict[str, Any]:
        """The statistics of a market since 00:00 UTC."""
        market = self._exchange.markets[name]
        return public_objects.today(market, self._statistics.today(market, now_us))

    def push_premiums(self, sessions: Iterable[Session], now_us: int) -> None:
        """Push mark, index and funding: all markets in one message, or one message for each."""
        whole: bytes | None = None
        frames: dict[str, bytes] = {}
        for session in sessions:
            names = session.sets.get("premiumIndex")
            if names is None:
                continue
            if not names:
                whole = whole or self._premium_frame(self._all_premiums(now_us))
                session.outbox.push(whole)
            for name in names:
                if name not in frames:
                    frames[name] = self._premium_frame(self._premium(name, now_us))
                session.outbox.push(frames[name])

    def _all_premiums(self, now_us: int) -> list[Any]:
        markets = self._exchange.markets.values()
        return [self._premium(m.spec.name, now_us) for m in markets if m.spec.is_perpetual]

    def _premium(self, name: str, now_us: int) -> list[Any]:
        spec = self._exchange.markets[name].spec
        return public_objects.premium(self._exchange.perpetual(name), spec, now_us)

    def _premium_frame(self, params: list[Any]) -> bytes:
        return push_frame("premiumIndex_update", params)
