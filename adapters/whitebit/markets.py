"""Read a market of `public/markets` (contract 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from adapters.whitebit.units import UNITS_MAX, UNIX_S_MAX, amount, clip, ratio
from adapters.whitebit.wire import MarketItem
from engine import money
from engine.types import Market, Product

_PRODUCTS: Mapping[str, Product] = {
    "spot": Product.SPOT,
    "futures": Product.PERPETUAL,
    "tradfiFutures": Product.PERPETUAL,
}
_DECIMALS_MAX = 18
_WHOLE_MAX = 40
"""Digits before the point of a limit, which may mean that there is none."""


def read_market(item: MarketItem) -> Market:
    """Return the market in ticks and lots, limits rounded to the safe side.

    Raises:
        ValueError: if its numbers or its type cannot be represented.
    """
    product = _PRODUCTS.get(item.type)
    if product is None:
        raise ValueError(f"expected a market type, found {clip(item.type, 48)!r}")
    price_decimals, qty_decimals = _decimals(item.moneyPrec), _decimals(item.stockPrec)
    notional_decimals = price_decimals + qty_decimals
    notional_max = _units(item.maxTotal, notional_decimals, ROUND_FLOOR)
    return Market(
        name=item.name,
        base_asset=item.stock,
        quote_asset=item.money,
        product=product,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        qty_min=_fitting(_units(item.minAmount, qty_decimals, ROUND_CEILING)),
        notional_min=_fitting(_units(item.minTotal, notional_decimals, ROUND_CEILING)),
        # A limit beyond what an order can be worth here is as good as the largest number.
        notional_max=min(notional_max, UNITS_MAX - 1),
        maker_fee_rate=ratio(item.makerFee),
        taker_fee_rate=ratio(item.takerFee),
        enabled=item.tradesEnabled,
        delist_s=_unix_s(item.delistedAt),
        collateral=item.isCollateral,
    )


def _decimals(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _DECIMALS_MAX):
        raise ValueError(f"expected 0 to {_DECIMALS_MAX} decimals, found {clip(text, 48)!r}")
    return int(text)


def _units(value: Decimal, decimals: int, rounding: str) -> int:
    scaled = amount(value, _WHOLE_MAX).scaleb(decimals, context=money.EXACT)
    if scaled < 0:
        raise ValueError(f"expected a limit of at least 0, found {value}")
    return int(scaled.to_integral_value(rounding, context=money.EXACT))


def _fitting(units: int) -> int:
    if units >= UNITS_MAX:
        raise ValueError(f"expected a limit below 2^62 units, found {units}")
    return units


def _unix_s(time_s: int | None) -> int:
    if time_s is None:
        return 0
    if not 0 <= time_s < UNIX_S_MAX:
        raise ValueError(f"expected a time in seconds, found {time_s}")
    return time_s
