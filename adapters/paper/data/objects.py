"""How public market data looks in REST answers and WebSocket messages (contract 4, 11.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.market import Market
from adapters.paper.core.model import (
    RATE_DECIMALS,
    UNIT_DECIMALS,
    MarketSpec,
    PerpetualView,
    decimal_text,
    scaled_text,
)
from adapters.paper.data.klines import Candle
from adapters.paper.data.statistics import change_hundredths
from adapters.paper.rest import objects as rest_objects
from adapters.paper.wire import seconds

# CoinMarketCap ids as the documentation's examples show them; others are unknown, which is 0.
ASSET_IDS = {"BTC": 1, "USDT": 825}
# The leverages that every market of the documentation lists; 0 is no limit there.
LEVERAGES = (1, 2, 3, 5, 10, 20, 50, 100)
US_PER_MS = 1000


def money_text(ticks_lots: int, spec: MarketSpec) -> str:
    """Write an executed total, given in ticks x lots, in the quote asset."""
    return scaled_text(ticks_lots, spec.money_prec + spec.stock_prec)


def change_text(candle: Candle) -> str:
    """Write the move of a period in percent."""
    return scaled_text(change_hundredths(candle), 2)


def best_texts(market: Market) -> tuple[str, str]:
    """Write the best visible (bid, ask), "0" for an empty side."""
    bid, _, ask, _ = market.best()
    return market.spec.price_text(bid), market.spec.price_text(ask)


def ticker(market: Market, day: Candle) -> dict[str, Any]:
    """One value of public/ticker (4), whose volumes have the usual names."""
    spec = market.spec
    return {
        "base_id": ASSET_IDS.get(spec.base_asset, 0),
        "quote_id": ASSET_IDS.get(spec.quote_asset, 0),
        "last_price": spec.price_text(market.last_ticks or 0),
        "quote_volume": money_text(day.money, spec),
        "base_volume": spec.qty_text(day.lots),
        "isFrozen": False,
        "change": change_text(day),
    }


def candle(shown: Candle, spec: MarketSpec) -> list[Any]:
    """The first seven members of a candle: open, close, high, low, in this order (11.5)."""
    return [
        shown.start_s,
        spec.price_text(shown.open_ticks),
        spec.price_text(shown.close_ticks),
        spec.price_text(shown.high_ticks),
        spec.price_text(shown.low_ticks),
        spec.qty_text(shown.lots),
        money_text(shown.money, spec),
    ]


def named_candle(shown: Candle, spec: MarketSpec) -> list[Any]:
    """One candle of the WebSocket, which ends with the market's name."""
    return [*candle(shown, spec), spec.name]


def today(market: Market, shown: Candle) -> dict[str, Any]:
    """The statistics of marketToday_update."""
    spec = market.spec
    return {
        "last": spec.price_text(market.last_ticks or 0),
        "open": spec.price_text(shown.open_ticks),
        "high": spec.price_text(shown.high_ticks),
        "low": spec.price_text(shown.low_ticks),
        "volume": spec.qty_text(shown.lots),
        "deal": money_text(shown.money, spec),
    }


def statistics(market: Market, shown: Candle, period_s: int) -> dict[str, Any]:
    """The statistics of market_update, which add period and closing price."""
    close = market.spec.price_text(shown.close_ticks)
    return {"period": period_s, **today(market, shown), "close": close}


def future(market: Market, day: Candle, view: PerpetualView) -> dict[str, Any]:
    """One record of public/futures (4.2)."""
    spec = market.spec
    bid, ask = best_texts(market)
    return {
        "ticker_id": spec.name,
        "stock_currency": spec.base_asset,
        "money_currency": spec.quote_asset,
        "last_price": spec.price_text(market.last_ticks or 0),
        "stock_volume": spec.qty_text(day.lots),
        "money_volume": money_text(day.money, spec),
        "bid": bid,
        "ask": ask,
        "high": spec.price_text(day.high_ticks),
        "low": spec.price_text(day.low_ticks),
        "product_type": "Perpetual",
        "open_interest": spec.qty_text(view.open_interest_lots),
        "index_price": spec.price_text(view.index_ticks or 0),
        "index_name": f"{spec.base_asset} future contract",
        "index_currency": spec.base_asset,
        "funding_rate": scaled_text(view.rate, RATE_DECIMALS),
        "funding_cap": decimal_text(Decimal(spec.funding_cap)),
        "funding_floor": decimal_text(Decimal(spec.funding_floor)),
        "next_funding_rate_timestamp": str(view.next_funding_us // US_PER_MS),
        "brackets": spec.brackets
        or {str(step): 0 for step in LEVERAGES if step <= spec.leverage_max},
        "max_leverage": spec.leverage_max,
        "funding_interval_minutes": spec.funding_interval_minutes,
    }


def _no_limits(leverage_max: int) -> dict[str, int]:
    return {str(step): 0 for step in LEVERAGES if step <= leverage_max}


def premium(view: PerpetualView, spec: MarketSpec, now_us: int) -> list[Any]:
    """One record of premiumIndex_update; the next funding is in milliseconds, as on the wire."""
    return [
        spec.name,
        spec.price_text(view.mark_ticks or 0),
        spec.price_text(view.index_ticks or 0),
        scaled_text(view.rate, RATE_DECIMALS),
        view.next_funding_us // US_PER_MS,
        seconds(now_us),
    ]


def asset(ticker: str, exchange: Exchange) -> dict[str, Any]:
    """One value of public/assets; nothing is deposited or withdrawn here [C].

    There are no networks, so no confirmations either.
    """
    spec = next(
        market.spec
        for market in exchange.markets.values()
        if ticker in (market.spec.base_asset, market.spec.quote_asset)
    )
    return {
        "name": ticker,
        "unified_cryptoasset_id": ASSET_IDS.get(ticker, 0),
        "can_withdraw": False,
        "can_deposit": False,
        "min_withdraw": "0",
        "max_withdraw": "0",
        "maker_fee": rest_objects.ratio_percent(spec.maker_rate),
        "taker_fee": rest_objects.ratio_percent(spec.taker_rate),
        "min_deposit": "0",
        "max_deposit": "0",
        "currency_precision": UNIT_DECIMALS,
        "is_memo": False,
        "memo": {"deposit": False, "withdraw": False},
        "networks": {},
        "limits": {"deposit": {}, "withdraw": {}},
    }


def transfer_fee(ticker: str) -> dict[str, Any]:
    """One value of public/fee, the fees of deposits and withdrawals."""
    free = {"max_amount": "0", "min_amount": "0", "fixed": None, "flex": None}
    return {
        "ticker": ticker,
        "name": ticker,
        "providers": [],
        "deposit": free,
        "withdraw": free,
        "is_depositable": False,
        "is_withdrawal": False,
        "is_api_withdrawal": False,
        "is_api_depositable": False,
    }
