"""One pass over a journal that writes the rows of every table but `events`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine import events as e
from engine.money import format_units
from engine.reduce import HANDLERS
from engine.state import MarketState, State
from engine.top import Top, mark2_of, merged_top
from replay.export.order_rows import Emit, Orders
from replay.export.tables import Row
from replay.fill_rows import fill_row, plain
from replay.money import PARTS, Sample, Sampler, mark_of
from replay.tracer import Tracer

FORGET_EVERY = 16
"""So many fingerprints, about 16,000 records, between two looks for orders that are over."""
MEMO_MAX = 20_000
"""Texts of prices and quantities that are remembered, for each market and kind."""

Follow = Callable[[State, e.Record, Any, State], None]
_MARKET_DATA = (e.BookDelta, e.BookSnapshot, e.BestBidOffer, e.PublicTrades, e.MarkPrice)


class Texts(dict[int, str]):
    """Units as decimal text; most come again and again."""

    def __init__(self, decimals: int) -> None:
        super().__init__()
        self._decimals = decimals

    def __missing__(self, units: int) -> str:
        if len(self) >= MEMO_MAX:
            self.clear()
        text = self[units] = format_units(units, self._decimals)
        return text


class Tops:
    """Best prices and quantities of the market, each time they change."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._last: dict[str, Top] = {}
        self._texts: dict[tuple[str, int, int], tuple[Texts, Texts]] = {}

    def follow(self, before: State, record: e.Record, event: Any, after: State) -> None:
        """Look at a market that a record changed."""
        name = event.market
        market = after.markets.get(name)
        if market is None:
            return
        top = merged_top(market.feed)
        if top == self._last.get(name, (0, 0, 0, 0)):
            return
        self._last[name] = top
        prices, qtys = self._texts_of(market)
        bid, bid_qty, ask, ask_qty = top
        self._emit(
            (
                record.seq,
                record.recv_ns,
                name,
                prices[bid] if bid else None,
                qtys[bid_qty] if bid else None,
                prices[ask] if ask else None,
                qtys[ask_qty] if ask else None,
                *(top if bid and ask else [units or None for units in top]),
            )
        )

    def _texts_of(self, market: MarketState) -> tuple[Texts, Texts]:
        spec = market.quoted.market
        key = (spec.name, spec.price_decimals, spec.qty_decimals)
        if key not in self._texts:
            self._texts[key] = (Texts(spec.price_decimals), Texts(spec.qty_decimals))
        return self._texts[key]


class Export:
    """Writes rows while a journal is folded; only what somebody takes is worked out."""

    def __init__(self, emits: Mapping[str, Emit]) -> None:
        """Take who gets the rows of each table, by its name."""
        self._emits = emits
        self._fingerprints = 0

    def fold(self, records: Iterable[e.Record], start: State) -> None:
        """Follow a journal to its end.

        Args:
            records: From its first record on, or from the one after `start`.
            start: The state before them.
        """
        emits, state = self._emits, start
        tracer = Tracer() if "fills" in emits else None
        sampler = Sampler(start) if "pnl" in emits else None
        orders = None
        if "quotes" in emits or "orders" in emits:
            orders = Orders(start, emits.get("quotes", _nobody), emits.get("orders", _nobody))
        follow = self._follow(orders, sampler)
        every = None if orders is None else orders.observe
        record = None
        for record in records:
            before, event = state, record.event
            kind = type(event)
            state = HANDLERS[kind](before, record, event)
            for each in follow.get(kind, ()):
                each(before, record, event, state)
            if every is not None and kind not in _MARKET_DATA:
                every(before, record, state)
            if tracer is not None:
                tracer.observe(before, record, state)
                while tracer.finished:
                    emits["fills"](tuple(fill_row(tracer.finished.popleft()).values()))
        if tracer is not None:
            tracer.end()
            for trail in tracer.finished:
                emits["fills"](tuple(fill_row(trail).values()))
        if sampler is not None and record is not None:
            for sample in sampler.look(record, state):
                emits["pnl"](pnl_row(sample))
        if orders is not None:
            orders.end()

    def _follow(
        self, orders: Orders | None, sampler: Sampler | None
    ) -> dict[type, tuple[Follow, ...]]:
        tables: list[dict[type, Follow]] = []
        if "tops" in self._emits:
            follow = Tops(self._emits["tops"]).follow
            tables.append(dict.fromkeys((e.BookDelta, e.BookSnapshot, e.BestBidOffer), follow))
        if orders is not None:

            def dealt(before: State, record: e.Record, event: Any, after: State) -> None:
                orders.dealt(before, event, after)

            def looked(before: State, record: e.Record, event: Any, after: State) -> None:
                self._fingerprint(orders, after)

            tables.append({e.Filled: dealt, e.FillsListed: dealt, e.Fingerprint: looked})
        if sampler is not None:
            emit = self._emits["pnl"]

            def sampled(before: State, record: e.Record, event: Any, after: State) -> None:
                for sample in sampler.observe(before, record, after):
                    emit(pnl_row(sample))

            kinds = (e.TimerFired, e.Filled, e.FillsListed, e.RunStarted)
            tables.append(dict.fromkeys(kinds, sampled))
        found: dict[type, tuple[Follow, ...]] = {}
        for table in tables:
            for kind, each in table.items():
                found[kind] = (*found.get(kind, ()), each)
        return found

    def _fingerprint(self, orders: Orders, state: State) -> None:
        self._fingerprints += 1
        if self._fingerprints % FORGET_EVERY == 0:
            orders.forget(state)


def _nobody(row: Row) -> None:
    pass


def pnl_row(sample: Sample) -> Row:
    """Return a row of `tables.PNL`."""
    market, parts, position = sample.market, sample.parts, sample.position
    spec = market.quoted.market
    return (
        sample.seq,
        sample.at_ns,
        spec.name,
        spec.quote_asset,
        plain(mark_of(market)),
        None if position is None else format_units(position, spec.qty_decimals),
        plain(parts.total),
        *[plain(getattr(parts, name)) for name in PARTS],
        market.inventory.fills,
        mark2_of(market) or None,
        position,
    )
