"""The feed of `plain_feed.py` for nautilus_trader: its data objects, its market and its engine.

Runs in an environment of its own (`make nautilus`), so it imports nothing of ours.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FillModel, LatencyModel
from nautilus_trader.config import LoggingConfig, StreamingConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity

VENUE = Venue("BACKTEST")
INSTRUMENT = InstrumentId(Symbol("BTCUSDT"), VENUE)


def price_of(ticks: int) -> Any:
    """Return ticks of 0.01 as its price."""
    return Price(ticks / 100, 2)


def qty_of(lots: int) -> Any:
    """Return lots of 0.000001 as its quantity."""
    return Quantity(lots / 1_000_000, 6)


def read_feed(path: str) -> list[Any]:
    """Return a feed as updates of the book and trades, in order.

    A message that changed nothing of the book is none.
    """
    found = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            at_ns, kind, *told = json.loads(line)
            if kind == "trade":
                trade_id, buys, ticks, lots = told
                taker = AggressorSide.BUYER if buys else AggressorSide.SELLER
                trade = (price_of(ticks), qty_of(lots), taker, TradeId(str(trade_id)))
                found.append(TradeTick(INSTRUMENT, *trade, at_ns, at_ns))
            elif told[0]:
                deltas = [_delta(sign, ticks, lots, at_ns) for sign, ticks, lots in told[0]]
                found.append(OrderBookDeltas(INSTRUMENT, deltas))
    return found


def _delta(sign: int, ticks: int, lots: int, at_ns: int) -> Any:
    side = OrderSide.BUY if sign > 0 else OrderSide.SELL
    action = BookAction.UPDATE if lots else BookAction.DELETE
    order = BookOrder(side, price_of(ticks), qty_of(lots), ticks)
    return OrderBookDelta(INSTRUMENT, action, order, 0, 0, at_ns, at_ns)


def make_engine(feed: list[Any], latency_ns: int, fee_rate: str, record: str) -> Any:
    """Return an engine with the feed, ready for a strategy.

    Its exchange has the whole book, also takes trades as executions, and holds requests back for
    the latency. It logs nothing and works out no statistics.

    Args:
        feed: What it plays.
        latency_ns: Of each request.
        fee_rate: Of makers and takers.
        record: Directory to which it streams all data and events; empty for none.
    """
    streaming = StreamingConfig(catalog_path=record) if record else None
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(
        BacktestEngineConfig(logging=quiet, run_analysis=False, streaming=streaming)
    )
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.CASH,
        [Money(1_000_000, USDT), Money(10, BTC)],
        book_type=BookType.L2_MBP,
        trade_execution=True,
        fill_model=FillModel(),
        latency_model=LatencyModel(latency_ns),
    )
    engine.add_instrument(
        CurrencyPair(
            INSTRUMENT,
            INSTRUMENT.symbol,
            BTC,
            USDT,
            2,
            6,
            price_of(1),
            qty_of(1),
            0,
            0,
            maker_fee=Decimal(fee_rate),
            taker_fee=Decimal(fee_rate),
        )
    )
    engine.add_data(feed, sort=False)
    return engine
