"""The figures of a run in the words of Prometheus, built when somebody asks for them.

Everything here is for a person's charts: exact amounts become floats, and no decision reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from adapters.runtime.metrics import LATENCY_BUCKETS_NS, NS_PER_S, Metrics
from engine.inventory import pnl
from engine.money import ZERO, from_units, subtract
from engine.state import LinkStatus, MarketState, State
from engine.top import mark2_of, mid2

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "quotefold_"

_Samples = Mapping[tuple[str, ...], float | Decimal]
_Values = dict[tuple[str, ...], float | Decimal]
_Family = GaugeMetricFamily | CounterMetricFamily


class RunCollector(Collector):
    """Turns `Metrics` into families of samples."""

    def __init__(
        self, metrics: Metrics, now_ns: Callable[[], int], journal_bytes: Callable[[], int]
    ) -> None:
        """Read from `metrics` at each scrape.

        Args:
            metrics: What the run counts.
            now_ns: The moment of a scrape, for ages and times left.
            journal_bytes: Size of the journal on the disk, its raw capture included.
        """
        self._metrics = metrics
        self._now_ns = now_ns
        self._journal_bytes = journal_bytes

    def text(self) -> bytes:
        """Return all of it, and what the operating system says of this process."""
        return generate_latest(self._registry)

    @property
    def _registry(self) -> CollectorRegistry:
        # Made for each scrape, since registering would ask for every sample once in advance.
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        return registry

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        state, now_ns = self._metrics.state, self._now_ns()
        yield from _run(state)
        yield from self._loop(state)
        yield from self._requests()
        yield from _streams(self._metrics, state)
        yield from _markets(state, now_ns)
        yield from self._gates()

    def _loop(self, state: State) -> Iterator[Metric]:
        metrics = self._metrics
        yield _gauge("journal_seq", "Last record of the journal.", state.seq)
        yield _gauge("journal_bytes", "Size of the journal on the disk.", self._journal_bytes())
        yield _counter("decisions", "Decisions made.", {(): metrics.decisions})
        yield _counter("intents", "Intents formed, by kind.", metrics.intents, "intent")
        yield _counter("stalls", "Times that the loop stood still.", {(): metrics.stalls})
        stalled_s = metrics.stalled_ns / NS_PER_S
        yield _counter("stalled_seconds", "For how long it stood still.", {(): stalled_s})
        yield _counter("anomalies", "Facts that fit nothing known.", {(): state.anomalies})

    def _requests(self) -> Iterator[Metric]:
        metrics = self._metrics
        labels = ("endpoint", "outcome")
        yield _counter("requests", "Requests by what became of them.", metrics.requests, *labels)
        yield _gauge("requests_in_flight", "Requests without an answer yet.", metrics.in_flight)
        what = "Orders and requests refused, by risk before they left or by the venue."
        yield _counter("refusals", what, metrics.refusals, "market", "by", "rule")
        family = HistogramMetricFamily(
            f"{_PREFIX}request_seconds", "From a request to its answer.", labels=["endpoint"]
        )
        for endpoint, latency in metrics.latencies.items():
            buckets, below = [], 0
            for bound_ns, count in zip(LATENCY_BUCKETS_NS, latency.buckets[:-1], strict=True):
                below += count
                buckets.append((str(bound_ns / NS_PER_S), below))
            buckets.append(("+Inf", below + latency.buckets[-1]))
            family.add_metric([endpoint], buckets, latency.total_ns / NS_PER_S)
        yield family

    def _gates(self) -> Iterator[Metric]:
        closed: _Values = {(name, gate): 1 for name, gate in self._metrics.gates.items() if gate}
        what = "1 for the gate that keeps a market from being quoted now."
        yield _gauges("gate_closed", what, closed, "market", "gate")
        what = "Times that a gate closed."
        yield _counter("gate_closings", what, self._metrics.closings, "market", "gate")


def _run(state: State) -> Iterator[Metric]:
    family = GaugeMetricFamily(f"{_PREFIX}run", "The run.", labels=["run_id", "mode"])
    if state.run_id:
        family.add_metric([state.run_id, state.mode], 1)
    yield family
    yield _gauge(
        "halted", "1 when a human must look before anything is quoted.", bool(state.halted)
    )
    yield _gauge("latched", "1 while the panic latch forbids placing.", bool(state.latched))
    yield _gauge("stopping", "1 while the run ends.", bool(state.stopping_ns))
    bounds: _Values = {
        ("low",): state.offset_low_ns / NS_PER_S,
        ("high",): state.offset_high_ns / NS_PER_S,
    }
    what = "Bounds of the venue's clock less ours."
    yield _gauges("clock_offset_seconds", what, bounds if state.measured else {}, "bound")


def _streams(metrics: Metrics, state: State) -> Iterator[Metric]:
    up: _Values = {(name,): link.status is LinkStatus.READY for name, link in state.links.items()}
    yield _gauges("stream_up", "1 while every channel of a stream is subscribed.", up, "stream")
    yield _counter("stream_ends", "Times that a stream ended.", metrics.streams, "stream")
    what = "Frames and answers that could not be read."
    yield _counter("frames_refused", what, metrics.frames_refused, "stream")


_PerMarket = Callable[[MarketState, int], int | float | Decimal]


def _age_s(market: MarketState, now_ns: int) -> float:
    fresh_ns = market.feed.fresh_ns
    return (now_ns - fresh_ns) / NS_PER_S if fresh_ns else float("inf")


def _left_s(market: MarketState, now_ns: int) -> float:
    return max(0, market.kill_switch.armed_until_ns - now_ns) / NS_PER_S


def _lots(market: MarketState, lots: int) -> Decimal:
    return from_units(lots, market.quoted.market.qty_decimals)


def _mid(market: MarketState) -> Decimal:
    return from_units(5 * mid2(market), market.quoted.market.price_decimals + 1)


_MARKET_GAUGES: dict[str, tuple[str, _PerMarket]] = {
    "feed_age_seconds": ("Since the last depth frame.", _age_s),
    "kill_switch_left_seconds": ("Until the venue cancels all, as armed.", _left_s),
    "mid": ("Middle of the merged top, quote asset.", lambda m, _: _mid(m)),
    "position": ("Against the target, base asset.", lambda m, _: _lots(m, m.position)),
    "position_max": (
        "Largest allowed either way, base asset.",
        lambda m, _: _lots(m, m.quoted.limits.position_max),
    ),
    "unknown_orders": (
        "Own orders whose fate a query must settle.",
        lambda m, _: sum(order.unknown for order in m.live),
    ),
    "foreign_orders": ("Open orders that are not ours.", lambda m, _: len(m.foreign_orders)),
    "stage": ("How far it is held back: 0 quotes freely, 6 is off.", lambda m, _: m.stage),
    "market_halted": ("1 when a human must look.", lambda m, _: bool(m.halted)),
}

_MARKET_COUNTERS: dict[str, tuple[str, _PerMarket]] = {
    "feed_gaps": ("Breaks of the chain of updates.", lambda m, _: m.feed.gaps),
    "inventory_breaks": ("Reports that no deal explains.", lambda m, _: m.breaks),
    "sampled_seconds": ("Since the first quote.", lambda m, _: m.uptime.total_ns / NS_PER_S),
}

_SIDES = ("buy", "sell")


def _markets(state: State, now_ns: int) -> Iterator[Metric]:
    markets = state.markets
    for name, (what, read) in _MARKET_GAUGES.items():
        values: _Values = {(each,): read(market, now_ns) for each, market in markets.items()}
        yield _gauges(name, what, values, "market")
    for name, (what, read) in _MARKET_COUNTERS.items():
        values = {(each,): read(market, now_ns) for each, market in markets.items()}
        yield _counter(name, what, values, "market")
    holds: _Values = {
        (each, hold.rule): hold.stage for each, market in markets.items() for hold in market.holds
    }
    yield _gauges("hold", "Stage at which a rule holds a market.", holds, "market", "rule")
    yield from _sides(state)
    yield from _money(state)


def _sides(state: State) -> Iterator[Metric]:
    quotes: _Values = {}
    quoted_s: _Values = {}
    traded: _Values = {}
    fills: _Values = {}
    for name, market in state.markets.items():
        inventory, uptime = market.inventory, market.uptime
        quotes |= {(name, "buy"): len(market.bids), (name, "sell"): len(market.asks)}
        for side, quoted_ns in zip(_SIDES, (uptime.bid_ns, uptime.ask_ns), strict=True):
            quoted_s[name, side] = quoted_ns / NS_PER_S
        for side, lots in zip(_SIDES, (inventory.bought_qty, inventory.sold_qty), strict=True):
            traded[name, side] = _lots(market, lots)
        fills |= {(name, "maker"): inventory.maker_fills, (name, "taker"): inventory.taker_fills}
    labels = ("market", "side")
    yield _gauges("quotes", "Own live orders.", quotes, *labels)
    yield _counter("quoted_seconds", "With a quote near the mid.", quoted_s, *labels)
    yield _counter("traded", "Base asset, since the journal began.", traded, *labels)
    yield _counter("fills", "Deals, since the journal began.", fills, "market", "role")


def _money(state: State) -> Iterator[Metric]:
    parts: _Values = {}
    unknown: _Values = {}
    untold: _Values = {}
    for name, market in state.markets.items():
        found = pnl(market.inventory, market.quoted.market, mark2_of(market))
        parts[name, "total"] = found.total
        parts[name, "spread"] = found.spread
        parts[name, "inventory"] = found.inventory
        parts[name, "fees"] = subtract(ZERO, found.fees)
        parts[name, "interest"] = subtract(ZERO, found.interest)
        parts[name, "funding"] = found.funding
        untold[name,] = int(found.unknown_funding_s > 0)
        unknown |= {(name, asset): fee for asset, fee in found.unknown_fees}
    what = "P&L in the quote asset since the journal began, at the mid: total and its parts."
    yield _gauges("pnl", what, parts, "market", "part")
    what = "Fees paid in further assets, which are not in the P&L."
    yield _gauges("unknown_fees", what, unknown, "market", "asset")
    what = "1 while a payment of funding is not told yet, and so not in the P&L."
    yield _gauges("unknown_funding", what, untold, "market")


def _gauge(name: str, what: str, value: float) -> Metric:
    return _gauges(name, what, {(): value})


def _gauges(name: str, what: str, samples: _Samples, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(_PREFIX + name, what, labels=labels), samples)


def _counter(name: str, what: str, samples: _Samples, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(_PREFIX + name, what, labels=labels), samples)


def _filled(family: _Family, samples: _Samples) -> Metric:
    for values, value in samples.items():
        family.add_metric(values, float(value))
    return family
