"""What the report says of quoting: uptime, orders, requests and how long their answers took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from engine import events as e
from engine.intents import CancelAll, CancelOrder, ModifyOrder, PlaceOrders
from engine.money import ZERO, add, from_units
from engine.refusals import classify
from engine.state import MarketState, State, Uptime
from replay.fill_rows import plain
from replay.histogram import Histogram
from replay.thinning import Shares

UPTIME_POINTS = 4_000

_OUTCOMES: dict[type, str] = {
    e.RequestRefused: "refused",
    e.RequestThrottled: "throttled",
    e.OutcomeUnknown: "unknown",
    e.FrameRefused: "malformed",
    e.RequestWithheld: "withheld",
}
OUTCOMES = ("ok", *_OUTCOMES.values(), "none")
"""What becomes of a request; `none` where the journal has no answer."""
STREAM = "sent"
"""Of what goes out on a stream: it has no answer of its own."""


class Orders(msgspec.Struct):
    """What was sent for one market."""

    places: int = 0
    """Orders, not requests."""
    modifies: int = 0
    cancels: int = 0
    cancel_alls: int = 0
    placed_qty: Decimal = ZERO
    """Base asset of places and modifies: what was offered."""

    def offer(self, market: MarketState, lots: int) -> None:
        """Count what a place or a modify offers."""
        qty = from_units(lots, market.quoted.market.qty_decimals)
        self.placed_qty = add(self.placed_qty, qty)

    @property
    def messages(self) -> int:
        """Orders placed, changed and cancelled."""
        return self.places + self.modifies + self.cancels + self.cancel_alls


class Quoting:
    """Uptime and requests while a journal is folded."""

    def __init__(self, start: State) -> None:
        """Begin to count at a state."""
        self.orders: dict[str, Orders] = {}
        self.requests: Counter[tuple[str, str]] = Counter()
        self.latencies: dict[str, Histogram] = {}
        self.late: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        """By market and what the venue's refusal means."""
        self.refused_last: dict[tuple[str, str], str] = {}
        self._sent: Counter[str] = Counter()
        self._bps: dict[str, int] = {}
        self._uptime = {name: market.uptime for name, market in start.markets.items()}
        self._sums: dict[str, tuple[int, int, int]] = {}
        self._shares: dict[str, Shares] = {}
        self.handlers: dict[type, Callable[[State, e.Record, Any, State], None]] = {
            e.TimerFired: self._timer,
            e.RequestSent: self._request,
            e.OrdersPlaced: self._placed,
        }

    # --- uptime -------------------------------------------------------------------------------

    def _timer(self, before: State, record: e.Record, event: e.TimerFired, after: State) -> None:
        for name, market in after.markets.items():
            now, was = market.uptime, self._uptime.get(name)
            if now is was:
                continue
            self._uptime[name] = now
            if was is None or was.since_ns != now.since_ns:
                was = Uptime()
            whole = now.total_ns - was.total_ns
            bid, ask = now.bid_ns - was.bid_ns, now.ask_ns - was.ask_ns
            if not whole:
                continue
            if name not in self._shares:
                self._shares[name] = Shares()
            self._bps[name] = market.quoted.uptime_bps
            total, bids, asks = self._sums.get(name, (0, 0, 0))
            self._sums[name] = (total + whole, bids + bid, asks + ask)
            self._shares[name].add(record.recv_ns, whole, (bid, ask))

    def uptime(self) -> dict[str, Any]:
        """Return the share of the time since the first quote of each run that a side was quoted."""
        return {
            name: {
                "within_bps": self._bps[name],
                "bid": round(bids / total, 6),
                "ask": round(asks / total, 6),
                "bid_ns": bids,
                "ask_ns": asks,
                "total_ns": total,
            }
            for name, (total, bids, asks) in self._sums.items()
        }

    def charts(self) -> dict[str, list[tuple[int, tuple[float, ...]] | None]]:
        """Return bid and ask uptime of each market over time."""
        most = UPTIME_POINTS // max(1, len(self._shares))
        return {name: shares.rows(most) for name, shares in self._shares.items()}

    # --- requests -----------------------------------------------------------------------------

    def _request(self, before: State, record: e.Record, event: e.RequestSent, after: State) -> None:
        if not 0 <= event.index < len(before.decided):
            return
        intent = before.decided[event.index]
        kind = type(intent).__name__
        if event.method not in ("GET", "POST"):
            self.requests[kind, STREAM] += 1
            return
        self._sent[kind] += 1
        name = getattr(intent, "market", "")
        if isinstance(intent, PlaceOrders):
            orders = self._orders(name)
            orders.places += len(intent.orders)
            orders.offer(before.markets[name], sum(new.qty for new in intent.orders))
        elif isinstance(intent, ModifyOrder):
            orders = self._orders(name)
            orders.modifies += 1
            orders.offer(before.markets[name], intent.qty)
        elif isinstance(intent, CancelOrder):
            self._orders(name).cancels += 1
        elif isinstance(intent, CancelAll):
            self._orders(name).cancel_alls += 1

    def _orders(self, name: str) -> Orders:
        if name not in self.orders:
            self.orders[name] = Orders()
        return self.orders[name]

    def answered(self, before: State, record: e.Record, event: e.AnyEvent) -> None:
        """Count what an answer says; anything else is left alone."""
        request = before.requests.get(record.cause_seq)
        if request is None:
            return
        kind, outcome = type(request.intent).__name__, _OUTCOMES.get(type(event), "ok")
        self.requests[kind, outcome] += 1
        if request.expired:
            self.late[kind] += 1
        if outcome not in ("unknown", "withheld"):
            if kind not in self.latencies:
                self.latencies[kind] = Histogram()
            self.latencies[kind].add(record.recv_ns - request.sent_ns)
        if isinstance(event, e.RequestRefused):
            self._refusal(getattr(request.intent, "market", ""), event.refusal)

    def _placed(self, before: State, record: e.Record, event: e.OrdersPlaced, after: State) -> None:
        for result in event.results:
            if result.refusal is not None:
                self._refusal(event.market, result.refusal)

    def _refusal(self, market: str, refusal: Any) -> None:
        key = (market, classify(refusal).value)
        self.refused[key] += 1
        self.refused_last[key] = refusal.text

    def request_rows(self) -> list[dict[str, Any]]:
        """Return, by kind of request, how many had which outcome, and how long answers took."""
        rows = []
        for kind in sorted({*self._sent, *(kind for kind, _ in self.requests)}):
            counts = {outcome: self.requests[kind, outcome] for outcome in OUTCOMES}
            counts["none"] = max(0, self._sent[kind] - sum(counts.values()))
            found: dict[str, Any] = {"kind": kind, "sent": self._sent[kind], **counts}
            if self.requests[kind, STREAM]:
                found["sent"] += self.requests[kind, STREAM]
            took = self.latencies.get(kind, Histogram())
            rows.append({**found, "late": self.late[kind], **spread(took)})
        return rows


def spread(took: Histogram) -> dict[str, Any]:
    """Return count, percentiles and longest of a histogram, nanoseconds."""
    return {
        "count": took.count,
        "p50_ns": took.percentile(50),
        "p90_ns": took.percentile(90),
        "p99_ns": took.percentile(99),
        "max_ns": took.longest_ns if took.count else None,
    }


def order_rows(
    orders: dict[str, Orders], fills: dict[str, tuple[int, int, Decimal]]
) -> dict[str, Any]:
    """Return what was sent for each market, against what was filled.

    Args:
        orders: What was sent, by market.
        fills: (deals, quotes that had one, quantity) by market.
    """
    rows = {}
    for name in dict.fromkeys((*orders, *fills)):
        sent = orders.get(name, Orders())
        deals, quotes, qty = fills.get(name, (0, 0, ZERO))
        shown = sent.places + sent.modifies
        rows[name] = {
            "places": sent.places,
            "modifies": sent.modifies,
            "cancels": sent.cancels,
            "cancel_alls": sent.cancel_alls,
            "fills": deals,
            "filled_quotes": quotes,
            "fill_ratio": round(quotes / shown, 6) if shown else None,
            "placed_qty": plain(sent.placed_qty),
            "filled_qty": plain(qty),
            "order_to_trade": round(sent.messages / deals, 4) if deals else None,
        }
    return rows
