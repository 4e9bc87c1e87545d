"""Situations that a strategy is judged in: what happened, and what it then sees.

They are the same for everybody and every run, so that a broken law is broken again tomorrow. Their
numbers come from a small generator of our own, since the core draws none.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from engine.events import (
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Filled,
    PublicTrade,
    PublicTrades,
)
from engine.money import parse, to_units
from engine.strategy import MarketEvent, Strategy, View
from engine.testing.values import NS_PER_S, T0, fees
from engine.types import Market, Product, Role, Side, VenueFill

History = tuple[tuple[int, MarketEvent], ...]
"""What happened, with the time of each in nanoseconds, ascending."""

MID = "60000"
"""Where an ordinary market trades, quote asset, where nothing else is said."""
WORTH = 60_000
"""Of the inventory limit in an ordinary situation, quote asset."""
FUNDING_RATE = Decimal("0.0001")
"""Of every perpetual here; in a mirror, who is short pays it."""


class Situation(Struct, frozen=True):
    """A view, but for the memory, which is each strategy's own fold of the history."""

    name: str
    seen: View
    history: History = ()
    ordinary: bool = True
    """Prices are far from zero, so that one tick is small and no minimum bites."""

    def view(self, strategy: Strategy) -> View:
        """Return what the strategy sees, by its own methods: another market if it names one."""
        return replace(self.seen, memory=self.memory(strategy), beside=self._beside(strategy))

    def _beside(self, strategy: Strategy) -> View | None:
        name, beside = strategy.beside(), self.seen.beside
        if not name or beside is None:
            return None
        return replace(beside, market=replace(beside.market, name=name))

    def memory(self, strategy: Strategy) -> Any:
        """Return the strategy's memory after the history."""
        memory = strategy.initial_memory()
        for at_ns, event in self.history:
            memory = strategy.fold(memory, event, at_ns)
        return memory


class Draw:
    """Whole numbers that look random: a linear congruential generator (Knuth's MMIX)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return low + (self._state >> 33) % (high - low + 1)


def situations(market: Market, mid: str = MID) -> tuple[Situation, ...]:
    """Return every situation of a market: ordinary ones first, then its edges.

    Args:
        market: Whose precision and minimums they have.
        mid: Where it trades, quote asset; a thousand ticks at least.
    """
    around = to_units(parse(mid), market.price_decimals)
    if around < 1_000:
        raise ValueError(f"mid: expected at least 1000 ticks of {market.name}, found {mid!r}")
    return (*_ordinary(market, around), *_edges(market, around))


def _limit(market: Market, mid: int) -> int:
    # Lots that are worth the inventory limit; a hundredth of them is one at least.
    return max(100, WORTH * int(10 ** (market.price_decimals + market.qty_decimals)) // mid)


def _ordinary(market: Market, mid: int) -> Iterator[Situation]:
    one = _limit(market, mid)
    for number, (name, history) in enumerate(histories(market, mid).items()):
        draw = Draw(number + 1)
        bid = mid - draw.between(0, mid // 10_000)
        for spread in (1, 2, draw.between(3, 50), max(51, mid // 2_000)):
            ask = bid + spread
            inventory = draw.between(-100, 100) * one // 100
            seen = View(
                market,
                history[-1][0] if history else T0,
                bid,
                draw.between(1, 500) * one // 100,
                ask,
                draw.between(1, 500) * one // 100,
                inventory,
                one,
            )
            seen = beside_another(seen, draw.between(-50, 50) * one // 100, draw.between(-5, 5))
            yield Situation(f"{name}, spread of {spread} ticks", seen, history)


def _edges(market: Market, mid: int) -> Iterator[Situation]:
    one = _limit(market, mid)
    alone = View(market, T0, mid, one, mid + 1, one, 0, one)
    flat = beside_another(alone, 0, 0)
    least = market.qty_min
    changes: dict[str, dict[str, Any]] = {
        "at its limit, long": {"inventory": one},
        "at its limit, short": {"inventory": -one},
        "beyond its limit, long": {"inventory": 3 * one},
        "beyond its limit, short": {"inventory": -3 * one},
        "room for less than the smallest order": {"inventory": one - max(1, least - 1)},
        "a limit of one lot": {"inventory_max": 1},
        "a huge limit": {"inventory_max": 10**15},
        "as much bid as asked, two ticks apart": {"ask_price": mid + 2},
        "one lot at the best bid": {"bid_qty": 1},
        "one lot at the best ask": {"ask_qty": 1, "bid_qty": 10**12},
        "a rebate": {"fees": fees("-0.0001", market)},
        "a high fee": {"fees": fees("0.01", market)},
    }
    for name, change in changes.items():
        yield Situation(name, replace(flat, **change))
    yield Situation("no other market to be seen", alone)
    prices = {"the lowest price": 1, "a price of a few ticks": 7, "a price of a thousand": 1_000}
    for name, bid in prices.items():
        seen = replace(flat, bid_price=bid, ask_price=bid + 1)
        yield Situation(name, seen, ordinary=False)
        yield Situation(f"{name}, wide", replace(seen, ask_price=3 * bid + 1), ordinary=False)


def beside_another(seen: View, inventory: int, ticks: int) -> View:
    """Return a view beside which a spot market sees its perpetual, and a perpetual its spot.

    Args:
        seen: The view.
        inventory: What is held on the other market, lots, signed.
        ticks: How far the other's prices are above, where that leaves them above zero.
    """
    market, is_spot = seen.market, seen.market.product is not Product.PERPETUAL
    product, up = Product.PERPETUAL if is_spot else Product.SPOT, max(ticks, 1 - seen.bid_price)
    other = replace(
        seen,
        market=replace(market, name=f"{market.name}, the other", product=product),
        bid_price=seen.bid_price + up,
        ask_price=seen.ask_price + up,
        inventory=inventory,
        funding_rate=FUNDING_RATE if is_spot else Decimal(0),
    )
    return replace(seen, beside=other, funding_rate=Decimal(0) if is_spot else FUNDING_RATE)


# --- histories --------------------------------------------------------------------------------


def histories(market: Market, mid: int) -> dict[str, History]:
    """Return what may have happened before, by name; `mid` in ticks."""
    later_ns = T0 + 3_600 * NS_PER_S
    return {
        "nothing happened yet": (),
        "a calm minute": walk(market, mid, seed=1, count=60, step_bps=1),
        "a wild minute": walk(market, mid, seed=2, count=60, step_bps=40),
        "a quarter of an hour": walk(market, mid, seed=3, count=150, step_bps=5, every_ms=6_000),
        "a storm of events": walk(market, mid, seed=4, count=120, step_bps=2, every_ms=3),
        "a hole of an hour": (
            *walk(market, mid, seed=5, count=20, step_bps=3),
            *walk(market, mid, seed=6, count=20, step_bps=3, start_ns=later_ns),
        ),
    }


def walk(
    market: Market,
    around: int,
    *,
    seed: int,
    count: int,
    step_bps: int,
    every_ms: int = 1_000,
    start_ns: int = T0,
) -> History:
    """Return events of a market that wanders around its middle, of every kind that is folded.

    Args:
        market: Whose events they are.
        around: The middle, ticks.
        seed: Which of them.
        count: How many.
        step_bps: How far the mid goes at most between two, basis points.
        every_ms: Time between two, on average.
        start_ns: Time of the first.
    """
    draw, one = Draw(seed), _limit(market, around)
    mid, at_ns = around, start_ns
    found: list[tuple[int, MarketEvent]] = []
    for number in range(1, count + 1):
        step = mid * step_bps // 10_000
        # Held within a hundredth of the middle: the mirror of a return is not quite its opposite.
        low, high = around * 99 // 100, around * 101 // 100
        mid = max(low, min(high, mid + draw.between(-step, step)))
        found.append((at_ns, _event(market, one, draw, number, mid, at_ns)))
        at_ns += draw.between(0, 2 * every_ms) * 1_000_000
    return tuple(found)


def _event(market: Market, one: int, draw: Draw, number: int, mid: int, at_ns: int) -> MarketEvent:
    half, venue_us = draw.between(1, 30), at_ns // 1000
    size, other = (draw.between(1, 300) * one // 100 for _ in range(2))
    bid, ask = mid - half, mid + half
    match draw.between(0, 9):
        case 0:
            levels = (bid, size, bid - 1, other, bid - 5, size)
            asks = (ask, other, ask + 2, size)
            return BookSnapshot(market.name, number, venue_us, levels, asks)
        case 1:
            return BookDelta(market.name, number, number - 1, venue_us, (bid, 0), (ask, size))
        case 2:
            # One side, or the other, has gone.
            if draw.between(0, 1):
                return BestBidOffer(market.name, number, venue_us, 0, 0, ask, other)
            return BestBidOffer(market.name, number, venue_us, bid, size, 0, 0)
        case 3 | 4:
            count = draw.between(1, 3)
            trades = tuple(
                _trade(draw, 10 * number + each, bid, ask, size, venue_us)
                for each in reversed(range(count))
            )
            return PublicTrades(market.name, trades)
        case 5:
            side = Side.BUY if draw.between(0, 1) else Side.SELL
            level = bid if side is Side.BUY else ask
            qty = max(market.qty_min, size // 50)
            zero = market.maker_fee_rate * 0
            return Filled(
                VenueFill(
                    market.name, number, number, "", side, Role.MAKER, level, qty, zero,
                    market.quote_asset, venue_us,
                )
            )  # fmt: skip
        case _:
            return BestBidOffer(market.name, number, venue_us, bid, size, ask, other)


def _trade(draw: Draw, trade_id: int, bid: int, ask: int, qty: int, at_us: int) -> PublicTrade:
    side = Side.BUY if draw.between(0, 1) else Side.SELL
    price = ask + draw.between(0, 5) if side is Side.BUY else bid - draw.between(0, 5)
    return PublicTrade(trade_id, price, qty, side, draw.between(0, 4) == 0, at_us)


# --- mirrors ----------------------------------------------------------------------------------


def mirrored(situation: Situation) -> Situation:
    """Return a situation with bids and asks, buys and sells, long and short exchanged.

    Prices are mirrored at the middle of the view, so that its own stay what they are.
    """
    seen = situation.seen
    middle2 = seen.bid_price + seen.ask_price
    view = _mirrored_view(seen, middle2)
    history = tuple((at_ns, _mirrored(event, middle2)) for at_ns, event in situation.history)
    return replace(situation, name=f"the mirror of {situation.name}", seen=view, history=history)


def _mirrored_view(seen: View, middle2: int) -> View:
    return replace(
        seen,
        bid_price=middle2 - seen.ask_price,
        bid_qty=seen.ask_qty,
        ask_price=middle2 - seen.bid_price,
        ask_qty=seen.bid_qty,
        inventory=-seen.inventory,
        funding_rate=-seen.funding_rate,
        beside=None if seen.beside is None else _mirrored_view(seen.beside, middle2),
    )


def _mirrored(event: MarketEvent, middle2: int) -> MarketEvent:
    def other(side: Side) -> Side:
        return Side.SELL if side is Side.BUY else Side.BUY

    def flipped(price: int) -> int:
        return middle2 - price if price else 0

    def flat(levels: tuple[int, ...]) -> tuple[int, ...]:
        pairs = zip(levels[::2], levels[1::2], strict=True)
        return tuple(number for price, qty in pairs for number in (flipped(price), qty))

    match event:
        case BestBidOffer():
            return replace(
                event,
                bid_price=flipped(event.ask_price),
                bid_qty=event.ask_qty,
                ask_price=flipped(event.bid_price),
                ask_qty=event.bid_qty,
            )
        case PublicTrades():
            return replace(
                event,
                trades=tuple(
                    replace(each, price=flipped(each.price), side=other(each.side))
                    for each in event.trades
                ),
            )
        case Filled(deal):
            turned = replace(deal, side=other(deal.side), price=flipped(deal.price))
            return Filled(turned)
        case _:
            return replace(event, bids=flat(event.asks), asks=flat(event.bids))
