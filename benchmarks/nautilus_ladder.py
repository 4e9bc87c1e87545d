"""The ladder of the built-in configuration as a strategy of nautilus_trader, timed.

Runs in an environment of its own (`make nautilus`), so it imports nothing of ours:
`.venv/nautilus/bin/python -m benchmarks.nautilus_ladder FEED SETTINGS` reads a feed, says how many
messages it has and how long that took, and then plays it once for each line that it is sent,
answering with one line of JSON. A line names the directory for a record of the run, or is empty for
none. The settings are JSON as well: `settings_of` in `nautilus.py` writes them.

Quotes are those of `strategies/inventory_skew.py`, moved by the rules of `engine/planner.py`: what
is too near to the market moves at once, what is too far or too small at the timer. A level without
room for a whole order is left out.
"""

from __future__ import annotations

import gc
import json
import sys
from datetime import timedelta
from math import ceil, floor, sqrt
from time import perf_counter_ns
from typing import Any

import nautilus_trader
from nautilus_trader.model.enums import BookType, OrderSide
from nautilus_trader.trading.strategy import Strategy

from benchmarks.nautilus_data import INSTRUMENT, make_engine, price_of, qty_of, read_feed

BPS = 10_000.0
NS_PER_S = 1_000_000_000
NARROW = 0.1
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Working:
    """An order of ours, what is left of it, and where it was asked to be."""

    __slots__ = ("leaves", "order", "ticks")

    def __init__(self, order: Any, ticks: int, leaves: int) -> None:
        self.order = order
        self.ticks = ticks
        self.leaves = leaves


class Ladder(Strategy):  # type: ignore[misc]
    """Two levels a side around the micro-price."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self._rungs: list[tuple[float, int]] = settings["rungs"]
        self._half_spread_bps: float = settings["half_spread_bps"]
        self._volatility_multiple: float = settings["volatility_multiple"]
        self._half_life_s: float = settings["volatility_half_life_s"]
        self._skew_bps: float = settings["skew_bps"]
        self._position_max: int = settings["position_max"]
        self._tolerance: int = settings["price_tolerance"]
        self.requests = self.fills = self.quotes = 0
        self._working: dict[tuple[Any, int], Working] = {}
        self._places: dict[Any, tuple[Any, int]] = {}
        self._inventory = 0
        self._best: tuple[int, int] = (0, 0)
        self._sampled: tuple[int, int] = (0, 0)
        self._variance = 0.0

    def on_start(self) -> None:
        """Listen to what ours listens to."""
        self.subscribe_order_book_deltas(INSTRUMENT, BookType.L2_MBP)
        self.subscribe_trade_ticks(INSTRUMENT)
        self.clock.set_timer("look", timedelta(milliseconds=100), callback=self._look)
        self._book = self.cache.order_book(INSTRUMENT)

    def on_order_book_deltas(self, deltas: Any) -> None:
        """Price again where the best prices moved, or where sizes matter."""
        bid, ask = self._prices()
        before_bid, before_ask = self._best
        self._best = bid, ask
        now_ns = deltas.ts_init
        if now_ns - self._sampled[1] >= NS_PER_S:
            self._sample(bid + ask, now_ns)
        if (
            bid != before_bid
            or ask != before_ask
            or (ask - bid) * BPS > (NARROW * self._half_spread_bps * bid)
        ):
            self._quote(bid, ask, patient=True)

    def _look(self, event: Any) -> None:
        if self._best[0]:
            self._quote(*self._best, patient=False)

    def _prices(self) -> tuple[int, int]:
        bid, ask = self._book.best_bid_price(), self._book.best_ask_price()
        return round(bid.as_double() * 100), round(ask.as_double() * 100)

    def _sample(self, mid2: int, now_ns: int) -> None:
        before, sampled_ns = self._sampled
        self._sampled = mid2, now_ns
        if before:
            elapsed_s = (now_ns - sampled_ns) / NS_PER_S
            return_bps = (mid2 - before) / before * BPS
            weight = elapsed_s / (elapsed_s + self._half_life_s)
            self._variance += weight * (return_bps * return_bps / elapsed_s - self._variance)

    # --- quoting ------------------------------------------------------------------------------

    def _quote(self, bid: int, ask: int, *, patient: bool) -> None:
        self.quotes += 1
        bid_size = self._book.best_bid_size().as_double()
        ask_size = self._book.best_ask_size().as_double()
        micro = (bid * ask_size + ask * bid_size) / (bid_size + ask_size)
        held = max(-1.0, min(1.0, self._inventory / self._position_max))
        reservation = micro * (1.0 - self._skew_bps * held / BPS)
        outward, half_bps = micro / BPS, self._volatility_multiple * sqrt(self._variance)
        half = outward * max(self._half_spread_bps, half_bps)
        room, bound, best_bid = self._position_max - self._inventory, ask - 1, bid
        for level, (offset_bps, lots) in enumerate(self._rungs):
            ticks = min(floor(reservation - half - outward * offset_bps), bound)
            self._want(BUY, level, ticks, lots if lots <= room else 0, patient=patient)
            room, bound = room - lots, ticks - 1
            best_bid = max(best_bid, ticks)
        room, bound = self._position_max + self._inventory, best_bid + 1
        for level, (offset_bps, lots) in enumerate(self._rungs):
            ticks = max(ceil(reservation + half + outward * offset_bps), bound)
            self._want(SELL, level, ticks, lots if lots <= room else 0, patient=patient)
            room, bound = room - lots, ticks + 1

    def _want(self, side: Any, level: int, ticks: int, lots: int, *, patient: bool) -> None:
        held = self._working.get((side, level))
        if held is None:
            if lots:
                self._place(side, level, ticks, lots)
            return
        order = held.order
        if order.is_inflight:
            return
        if not lots:
            self.requests += 1
            self.cancel_order(order)
            return
        eager = held.ticks - ticks if side == BUY else ticks - held.ticks
        reach = self._tolerance * (level + 1)
        if eager <= reach and (patient or (eager >= -reach and lots <= 2 * held.leaves)):
            return
        held.ticks = ticks
        self.requests += 1
        qty = order.filled_qty.as_double() * 1_000_000 + lots
        self.modify_order(order, qty_of(round(qty)), price_of(ticks))

    def _place(self, side: Any, level: int, ticks: int, lots: int) -> None:
        qty, price = qty_of(lots), price_of(ticks)
        order = self.order_factory.limit(INSTRUMENT, side, qty, price, post_only=True)
        self._working[side, level] = Working(order, ticks, lots)
        self._places[order.client_order_id] = side, level
        self.requests += 1
        self.submit_order(order)

    # --- what became of it --------------------------------------------------------------------

    def on_order_filled(self, event: Any) -> None:
        self.fills += 1
        lots = round(event.last_qty.as_double() * 1_000_000)
        self._inventory += lots if event.order_side == BUY else -lots
        held = self._held(event)
        if held is not None:
            held.leaves -= lots
            if held.order.is_closed:
                self._forget(event)

    def on_order_updated(self, event: Any) -> None:
        held = self._held(event)
        if held is not None:
            held.leaves = round(held.order.leaves_qty.as_double() * 1_000_000)

    def on_order_modify_rejected(self, event: Any) -> None:
        held = self._held(event)
        if held is not None:
            held.ticks = round(held.order.price.as_double() * 100)

    def on_order_rejected(self, event: Any) -> None:
        self._forget(event)

    def on_order_canceled(self, event: Any) -> None:
        self._forget(event)

    def on_order_denied(self, event: Any) -> None:
        self._forget(event)

    def _held(self, event: Any) -> Working | None:
        place = self._places.get(event.client_order_id)
        return None if place is None else self._working[place]

    def _forget(self, event: Any) -> None:
        place = self._places.pop(event.client_order_id, None)
        if place is not None:
            del self._working[place]


def main() -> None:
    """Play the feed whenever told to."""
    start = perf_counter_ns()
    feed, settings = read_feed(sys.argv[1]), json.loads(sys.argv[2])
    read_ns = perf_counter_ns() - start
    _say({"version": nautilus_trader.__version__, "messages": len(feed), "read_ns": read_ns})
    for line in sys.stdin:
        strategy = Ladder(settings)
        engine = make_engine(feed, settings["latency_ns"], settings["fee_rate"], line.strip())
        engine.add_strategy(strategy)
        # Ours collects no garbage while it plays, either.
        gc.collect()
        gc.disable()
        start = perf_counter_ns()
        engine.run()
        taken_ns = perf_counter_ns() - start
        gc.enable()
        engine.dispose()
        did = {"quotes": strategy.quotes, "requests": strategy.requests, "fills": strategy.fills}
        _say({"ns": taken_ns, **did})


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
