"""Pairs of quotes that stand where they were put, and what became of them in a backtest of ours.

Others play the same pairs on the same feed (`fill_vectors.py`), so an order is told here by what
reaches the venue: when, and when its cancel does.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from adapters.cli.config import MarketConfig, default_config
from adapters.ports import SystemFs
from engine.events import (
    BestBidOffer,
    Decided,
    Filled,
    OrdersPlaced,
    Record,
    RequestRefused,
    RequestSent,
)
from engine.intents import CancelOrder, PlaceOrders
from engine.strategy import MarketEvent, Strategy, View, register
from engine.types import BUY, Level, Side, Stp, TwoSidedQuote
from replay.backtest.run import run_backtest
from replay.read import read_records
from tests.backtest.recordings import MS, plan_of

MARKET = "BTC_USDT"
LATENCY_MS = 5
SECOND_NS = 1_000_000_000
EVERY_S = 3
SHOWN_S = 2
BEHIND = (0, 20, 1, 100, 0)
"""Ticks behind the best prices of a pair's two quotes, in turn."""
LOTS = (1_000, 20_000, 50_000, 5_000)
"""Of each quote of a pair, in turn: up to 0.05 BTC."""


class Pair(msgspec.Struct, frozen=True, gc=False):
    """Memory: the quotes of one turn, where they were put and what is left of them."""

    turn: int = 0
    bid: int = 0
    ask: int = 0
    bid_lots: int = 0
    ask_lots: int = 0


class FixedQuotes(Strategy, frozen=True, forbid_unknown_fields=True):
    """Put a bid and an ask beside the market every few seconds, and leave them there."""

    def initial_memory(self) -> Pair:
        return Pair()

    def fold(self, memory: Pair, event: MarketEvent, now_ns: int) -> Pair:
        """Choose the prices at the first news of a turn; what has filled is not put again."""
        turn = now_ns // (EVERY_S * SECOND_NS)
        if type(event) is BestBidOffer and turn != memory.turn:
            behind, lots = BEHIND[turn % len(BEHIND)], LOTS[turn % len(LOTS)]
            return Pair(turn, event.bid_price - behind, event.ask_price + behind, lots, lots)
        if type(event) is Filled and event.fill.price in (memory.bid, memory.ask):
            if event.fill.side is BUY:
                return replace(memory, bid_lots=memory.bid_lots - event.fill.qty)
            return replace(memory, ask_lots=memory.ask_lots - event.fill.qty)
        return memory

    def quote(self, view: View) -> TwoSidedQuote:
        """Return what is left of the pair while it is shown."""
        turn, since_ns = divmod(view.now_ns, EVERY_S * SECOND_NS)
        pair: Pair = view.memory
        if turn != pair.turn or since_ns >= SHOWN_S * SECOND_NS:
            return TwoSidedQuote()
        return TwoSidedQuote(_level(pair.bid, pair.bid_lots), _level(pair.ask, pair.ask_lots))


def _level(price: int, lots: int) -> tuple[Level, ...]:
    return (Level(price, lots, Stp.CANCEL_NEW, False),) if lots > 0 else ()


register("fixed_quotes", FixedQuotes)


class FixedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it reached the venue."""

    id: int
    buys: bool
    ticks: int
    lots: int
    arrives_ns: int
    leaves_ns: int
    """When its cancel arrives, or would where it was filled before."""


class Fate(msgspec.Struct, frozen=True):
    """What became of one order."""

    refused: bool
    """It would have taken."""
    fills: list[tuple[int, int]]
    """When, in ns, and how many lots."""


def play_ours(recording: Path, directory: Path) -> tuple[list[FixedOrder], dict[int, Fate]]:
    """Backtest the pairs on a recording; returns the orders, and what became of each by its id."""
    market = MarketConfig(
        strategy="fixed_quotes",
        position_max="100",
        order_notional_max="5000",
        inventory_target="10",
        limits=default_config().market[MARKET].limits,
    )
    config = replace(default_config(), market={MARKET: market})
    fs, plan = SystemFs(), plan_of(recording, config=config, latency_ms=LATENCY_MS)
    run_backtest(fs, plan, directory)
    return _orders(list(read_records(fs, directory)))


def _orders(records: list[Record]) -> tuple[list[FixedOrder], dict[int, Fate]]:
    by_seq = {record.seq: record for record in records}
    arrivals: dict[str, int] = {}
    leaves: dict[str, int] = {}
    refusals: set[str] = set()
    fills: dict[str, list[tuple[int, int]]] = {}
    placed: list[tuple[str, Side, int, int]] = []
    for record in records:
        event = record.event
        if isinstance(event, RequestSent):
            intent = _intent(by_seq, record)
            there_ns = record.recv_ns + LATENCY_MS * MS
            if isinstance(intent, PlaceOrders):
                for new in intent.orders:
                    placed.append((new.client_order_id, new.side, new.price, new.qty))
                    arrivals[new.client_order_id] = there_ns
            elif isinstance(intent, CancelOrder):
                leaves.setdefault(intent.client_order_id, there_ns)
        elif isinstance(event, OrdersPlaced | RequestRefused):
            intent = _intent(by_seq, by_seq[record.cause_seq])
            if isinstance(event, RequestRefused):
                refusals |= {new.client_order_id for new in getattr(intent, "orders", ())}
                continue
            assert isinstance(intent, PlaceOrders)
            for new, result in zip(intent.orders, event.results, strict=True):
                if result.refusal is not None:
                    refusals.add(new.client_order_id)
        elif isinstance(event, Filled):
            fill = event.fill
            fills.setdefault(fill.client_order_id, []).append((fill.venue_us * 1000, fill.qty))
    orders = [
        FixedOrder(
            id=number,
            buys=side is BUY,
            ticks=ticks,
            lots=lots,
            arrives_ns=arrivals[client_order_id],
            leaves_ns=_leaves_ns(arrivals[client_order_id], leaves.get(client_order_id, 0)),
        )
        for number, (client_order_id, side, ticks, lots) in enumerate(placed, start=1)
    ]
    fates = {
        number: Fate(client_order_id in refusals, fills.get(client_order_id, []))
        for number, (client_order_id, *_) in enumerate(placed, start=1)
    }
    return orders, fates


def _leaves_ns(arrives_ns: int, cancelled_ns: int) -> int:
    # One that has filled is cancelled early or never, by us: others let it stand to the end.
    turn_ns = EVERY_S * SECOND_NS
    end_ns = arrives_ns // turn_ns * turn_ns + SHOWN_S * SECOND_NS + LATENCY_MS * MS
    return max(end_ns, cancelled_ns)


def _intent(by_seq: dict[int, Record], request: Record) -> object:
    event, decision = request.event, by_seq[request.cause_seq].event
    assert isinstance(event, RequestSent)
    assert isinstance(decision, Decided)
    return decision.intents[event.index]
