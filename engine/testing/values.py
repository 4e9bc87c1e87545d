"""Markets, books, fills and views from text, as a person writes them.

Prices and sizes are decimal strings in the assets of the market; what does not fit its precision is
refused. A level is `QTY@PRICE`, or `PRICE` alone where the size does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.events import (
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    FeesListed,
    Filled,
    PublicTrade,
    PublicTrades,
)
from engine.money import parse, to_units
from engine.strategy import MarketEvent, Strategy, View
from engine.types import Level, Market, Product, Role, Side, Stp, TwoSidedQuote, VenueFill

NS_PER_S = 1_000_000_000
T0 = 1_800_000_000 * NS_PER_S
"""When every test begins, nanoseconds."""

SPOT = Market(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    product=Product.SPOT,
    price_decimals=2,
    qty_decimals=6,
    qty_min=10,
    notional_min=505_000_000,
    notional_max=0,
    maker_fee_rate=Decimal("0.001"),
    taker_fee_rate=Decimal("0.001"),
)
"""BTC_USDT as the paper venue trades it: ticks of 0.01, lots of 0.000001, orders from 5.05 USDT."""
PERPETUAL = replace(
    SPOT,
    name="BTC_PERP",
    product=Product.PERPETUAL,
    price_decimals=1,
    qty_decimals=3,
    qty_min=1,
    notional_min=50_500,
    maker_fee_rate=Decimal("0.0001"),
    taker_fee_rate=Decimal("0.00055"),
)
"""BTC_PERP as the paper venue trades it: ticks of 0.1, lots of 0.001."""

Timed = tuple[float, MarketEvent]
"""Seconds since `T0`, and what happened then."""


# --- numbers ----------------------------------------------------------------------------------


def price(text: str, market: Market = SPOT) -> int:
    """Return a price in ticks: `price("60000.10")` is 6,000,010."""
    return _units(text, market.price_decimals, market.quote_asset)


def inventory(text: str, market: Market = SPOT) -> int:
    """Return a signed base quantity in lots: `inventory("-0.5 BTC")`, the asset may be left out."""
    return _units(text, market.qty_decimals, market.base_asset)


def qty(text: str, market: Market = SPOT) -> int:
    """Return a size in lots, above zero."""
    lots = inventory(text, market)
    if lots <= 0:
        raise ValueError(f"expected a size above zero, found {text!r}")
    return lots


def _units(text: str, decimals: int, asset: str) -> int:
    number = text.strip().removesuffix(asset).strip()
    try:
        return to_units(parse(number), decimals)
    except ValueError as error:
        expected = f"expected {asset} with at most {decimals} decimals"
        raise ValueError(f"{expected}, found {text!r}") from error


def _level(text: str, market: Market) -> tuple[int, int]:
    # Price and quantity of `QTY@PRICE`; a size that is not given is 1 of the base asset.
    size, at, level = text.rpartition("@")
    return price(level, market), qty(size, market) if at else 10**market.qty_decimals


def _sides(text: str, market: Market) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    # Of `BIDS/ASKS`, each best first and separated by commas; a side may be empty.
    bids, slash, asks = text.partition("/")
    if not slash:
        raise ValueError(f"expected BIDS/ASKS, such as 60000.00/60000.10, found {text!r}")
    both = [
        [_level(level, market) for level in side.split(",") if level.strip()]
        for side in (bids, asks)
    ]
    return both[0], both[1]


def _flat(levels: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(number for level in levels for number in level)


# --- events -----------------------------------------------------------------------------------


def book(text: str, market: Market = SPOT, update_id: int = 1) -> BookSnapshot:
    """Return a depth snapshot: `book("2@60000.00, 5@59999.99 / 60000.10")`, best first."""
    bids, asks = _sides(text, market)
    return BookSnapshot(market.name, update_id, T0 // 1000, _flat(bids), _flat(asks))


def best(text: str, market: Market = SPOT, update_id: int = 1) -> BestBidOffer:
    """Return the ticker: `best("2@60000.00/60000.10")`; a side left empty is an empty side."""
    bids, asks = _sides(text, market)
    if len(bids) > 1 or len(asks) > 1:
        raise ValueError(f"expected at most one level a side, found {text!r}")
    bid, ask = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
    return BestBidOffer(market.name, update_id, T0 // 1000, *bid, *ask)


def trade(
    text: str, market: Market = SPOT, *, trade_id: int = 1, rpi: bool = False
) -> PublicTrades:
    """Return a public trade by the side that took: `trade("sell 0.01@60000.00")`."""
    side, level, size = _order(text, market)
    one = PublicTrade(trade_id, level, size, side, rpi, T0 // 1000)
    return PublicTrades(market.name, (one,))


def fill(
    text: str,
    market: Market = SPOT,
    *,
    fee: str = "0",
    fee_asset: str = "",
    role: Role = Role.MAKER,
    deal_id: int = 1,
) -> Filled:
    """Return a fill of an own order: `fill("buy 0.01@60000.00", fee="0.6")`.

    Args:
        text: Side, size and price.
        market: Where it happened.
        fee: Amount paid, negative for a rebate.
        fee_asset: What it was paid in; the quote asset when empty.
        role: Whether the order rested or took.
        deal_id: The venue's number of it.
    """
    side, level, size = _order(text, market)
    asset = fee_asset or market.quote_asset
    deal = VenueFill(
        market.name, deal_id, deal_id, "", side, role, level, size, parse(fee), asset, T0 // 1000
    )
    return Filled(deal)


def _order(text: str, market: Market) -> tuple[Side, int, int]:
    word, _, level = text.strip().partition(" ")
    sides = {"buy": Side.BUY, "sell": Side.SELL}
    if word not in sides or "@" not in level:
        raise ValueError(f"expected such as 'buy 0.01@60000.00', found {text!r}")
    return sides[word], *_level(level, market)


# --- memories and views -----------------------------------------------------------------------


def remembered(
    strategy: Strategy, *events: MarketEvent | Timed, every_s: float = 1.0, memory: Any = None
) -> Any:
    """Return a strategy's memory after events, the first of them at `T0`.

    Args:
        strategy: Whose memory it is.
        events: In their order, each `every_s` after the one before; one that stands in a pair with
            a number comes so many seconds after `T0` instead.
        every_s: Seconds from one event to the next.
        memory: What to begin with; the strategy's initial memory when None.
    """
    after = strategy.initial_memory() if memory is None else memory
    for at_ns, event in timed(events, every_s):
        after = strategy.fold(after, event, at_ns)
    return after


def timed(
    events: Iterable[MarketEvent | Timed], every_s: float = 1.0
) -> list[tuple[int, MarketEvent]]:
    """Return events with the time of each, nanoseconds; as `remembered` takes them."""
    found: list[tuple[int, MarketEvent]] = []
    at_s = 0.0
    for each in events:
        if isinstance(each, BookSnapshot | BookDelta | BestBidOffer | PublicTrades | Filled):
            event = each
        else:
            at_s, event = each
        found.append((T0 + round(at_s * NS_PER_S), event))
        at_s += every_s
    return found


def view(
    bid: str = "60000.00",
    ask: str = "60000.10",
    inventory: str = "0",
    *,
    bid_qty: str = "1",
    ask_qty: str = "1",
    inventory_max: str = "1",
    memory: Any = None,
    maker_fee: str | None = None,
    rpi_premium: str = "0",
    funding_rate: str = "0",
    beside: View | None = None,
    at_s: float = 0.0,
    market: Market = SPOT,
) -> View:
    """Return what a strategy sees.

    Args:
        bid: Best price that others bid, quote asset.
        ask: Best price that others ask, above `bid`.
        inventory: What is held against the target, base asset; negative is short.
        bid_qty: What others bid there, base asset.
        ask_qty: What others ask there, base asset.
        inventory_max: Limit of the inventory either way, base asset.
        memory: The strategy's: see `remembered`. None for a strategy that keeps none.
        maker_fee: Fee rate of the account, a ratio; None until the venue has told it.
        rpi_premium: What an RPI fill pays on top of it, a ratio.
        funding_rate: Of a perpetual's next settlement, a ratio; positive where who is long pays.
        beside: Of the other market that the strategy names; None while that must not be quoted.
        at_s: Time, seconds after `T0`.
        market: The market quoted.
    """
    held = _units(inventory, market.qty_decimals, market.base_asset)
    seen = View(
        market,
        T0 + round(at_s * NS_PER_S),
        price(bid, market),
        qty(bid_qty, market),
        price(ask, market),
        qty(ask_qty, market),
        held,
        qty(inventory_max, market),
        memory,
        None if maker_fee is None else fees(maker_fee, market, rpi_premium),
        parse(funding_rate),
        beside,
    )
    if maker_fee is None and rpi_premium != "0":
        raise ValueError(
            f"rpi_premium: expected a maker_fee beside it, found {rpi_premium!r} alone"
        )
    if not 0 < seen.bid_price < seen.ask_price:
        raise ValueError(f"expected 0 < bid < ask, found {bid} and {ask}")
    return seen


def fees(maker: str, market: Market = SPOT, rpi_premium: str = "0") -> FeesListed:
    """Return what the venue charges the account, as ratios; a taker pays what the market says."""
    return FeesListed(market.name, parse(maker), market.taker_fee_rate, parse(rpi_premium))


def levels(text: str, market: Market = SPOT, stp: Stp = Stp.CANCEL_NEW) -> tuple[Level, ...]:
    """Return one side of a quote: `levels("0.01@59990.00, 0.02@59980.00 rpi")`, best first."""
    found = []
    for part in text.split(","):
        if words := part.split():
            rpi = words[-1] == "rpi"
            level, size = _level("".join(words[:-1] if rpi else words), market)
            found.append(Level(level, size, stp, rpi))
    return tuple(found)


def quote(
    bids: str = "", asks: str = "", market: Market = SPOT, stp: Stp = Stp.CANCEL_NEW
) -> TwoSidedQuote:
    """Return a quote from text: see `levels`."""
    return TwoSidedQuote(levels(bids, market, stp), levels(asks, market, stp))
