"""Limits over all markets of the account: what they leave to one market, in its own lots.

Two kinds: the net position in a base asset over its spot and perpetual markets, and the gross
notional in a quote asset at the mids. Both count the worst case of whatever is in flight. What one
market's plan adds is counted before the next market of the same decision is planned.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine.errors import ConfigError
from engine.intents import Intent, ModifyOrder, PlaceOrders
from engine.state import MarketState, State
from engine.types import BUY, AccountLimit, Market, Quoted, Settings

# Integers of so many decimals hold lots of any market, and ticks x lots, exactly.
_QTY_DECIMALS = 18
_NOTIONAL_DECIMALS = 36


def check_assets(settings: Settings, quoted: Iterable[Quoted]) -> None:
    """Check that each limit is about a market of the run: one that is about none limits nothing.

    Raises:
        ConfigError: it is about an asset that no market has in that place.
    """
    markets = [each.market for each in quoted]
    for loss in settings.account_losses:
        quotes = {market.quote_asset for market in markets}
        if loss.asset not in quotes:
            raise ConfigError(
                f"limits.loss_day_max.{loss.asset}, or drawdown_max: expected the quote asset of a "
                f"market of this run ({', '.join(sorted(quotes))}), found none"
            )
    for limit in settings.account_limits:
        key, place = ("notional_max", "quote") if limit.gross else ("position_max", "base")
        known = {market.quote_asset if limit.gross else market.base_asset for market in markets}
        if limit.asset not in known:
            raise ConfigError(
                f"limits.{key}.{limit.asset}: expected the {place} asset of a market of this run "
                f"({', '.join(sorted(known))}), found none"
            )


def confined(state: State, market: MarketState) -> MarketState:
    """Return a market with what the account's limits leave to it at the worst of all others."""
    long_max, short_max = market.long_max, market.short_max
    for limit in state.settings.account_limits:
        long, short = _room(state, market, limit, at_worst=True)
        long_max, short_max = min(long_max, long), min(short_max, short)
    return replace(market, long_max=long_max, short_max=short_max)


def share(state: State, market: MarketState) -> int:
    """Return the inventory that a strategy may aim for either way, lots, at least 1.

    Of the account's limits it is what the positions of the others leave, without what is in
    flight, so that the quotes do not come and go with the orders of other markets.
    """
    most = min(market.long_max, market.short_max)
    for limit in state.settings.account_limits:
        long, short = _room(state, market, limit, at_worst=False)
        most = min(most, long, short)
    return max(most, 1)


def counted(state: State, market: MarketState, intents: list[Intent]) -> State:
    """Count what a market's plan may add, for the markets that are planned after it."""
    buys, sells = market.buy_worst, market.sell_worst
    for intent in intents:
        if isinstance(intent, PlaceOrders):
            buys += sum([order.qty for order in intent.orders if order.side is BUY])
            sells += sum([order.qty for order in intent.orders if order.side is not BUY])
        elif isinstance(intent, ModifyOrder):
            if market.orders[intent.client_order_id].side is BUY:
                buys += intent.qty
            else:
                sells += intent.qty
    planned = replace(market, buy_worst=buys, sell_worst=sells)
    return replace(state, markets={**state.markets, market.quoted.market.name: planned})


def _room(
    state: State, market: MarketState, limit: AccountLimit, *, at_worst: bool
) -> tuple[int, int]:
    # Most lots long and short that one limit leaves to a market.
    spec = market.quoted.market
    if limit.gross:
        if spec.quote_asset != limit.asset:
            return market.long_max, market.short_max
        left = _gross_left(state, spec, limit, at_worst=at_worst)
        lot = _notional(market, 1)
        lots = left // lot if left > 0 and lot else 0
        return lots, lots
    if spec.base_asset != limit.asset:
        return market.long_max, market.short_max
    longs, shorts = _net_others(state, spec, limit, at_worst=at_worst)
    most: int = limit.most * 10 ** (_QTY_DECIMALS - AccountLimit.DECIMALS)
    lot = _lots(spec, 1)
    return max(0, (most - longs) // lot), max(0, (most - shorts) // lot)


def _net_others(
    state: State, spec: Market, limit: AccountLimit, *, at_worst: bool
) -> tuple[int, int]:
    # How far long, and how far short, the other markets of a base asset may come to be together.
    longs = shorts = 0
    for name, other in state.markets.items():
        their = other.quoted.market
        if name != spec.name and their.base_asset == limit.asset:
            buys, sells = (other.buy_worst, other.sell_worst) if at_worst else (0, 0)
            longs += _lots(their, other.position + buys)
            shorts += _lots(their, sells - other.position)
    return longs, shorts


def _gross_left(state: State, spec: Market, limit: AccountLimit, *, at_worst: bool) -> int:
    left: int = 2 * limit.most * 10 ** (_NOTIONAL_DECIMALS - AccountLimit.DECIMALS)
    for name, other in state.markets.items():
        if name != spec.name and other.quoted.market.quote_asset == limit.asset:
            buys, sells = (other.buy_worst, other.sell_worst) if at_worst else (0, 0)
            lots = max(abs(other.position + buys), abs(other.position - sells))
            if lots and not other.watch.mid2:
                return 0  # what it holds was never valued
            left -= _notional(other, lots)
    return left


def _lots(spec: Market, lots: int) -> int:
    scale: int = 10 ** (_QTY_DECIMALS - spec.qty_decimals)
    return lots * scale


def _notional(market: MarketState, lots: int) -> int:
    # Twice the notional at the last mark.
    scale: int = 10 ** (_NOTIONAL_DECIMALS - market.quoted.market.notional_decimals)
    return lots * market.watch.mid2 * scale
