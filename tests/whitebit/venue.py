"""Markets and third-party material that the tests of this folder share."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from engine.types import Market, Product

SHARED = Path(__file__).resolve().parents[3] / "shared" / "whitebit"

steady = settings(deadline=None)
"""For property tests: a shared machine makes any deadline a flaky one."""

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the venue's captures and examples are not part of this repository"
)


def market(name: str, price_decimals: int, qty_decimals: int) -> Market:
    """Build a market with limits that no test here meets."""
    base, quote = name.split("_")
    perpetual = quote == "PERP"
    return Market(
        name=name,
        base_asset=base,
        quote_asset="USDT" if perpetual else quote,
        product=Product.PERPETUAL if perpetual else Product.SPOT,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        qty_min=1,
        notional_min=1,
        notional_max=0,
        maker_fee_rate=Decimal("0.001"),
        taker_fee_rate=Decimal("0.001"),
    )


MARKETS = {
    each.name: each
    for each in (
        market("BTC_USDT", 2, 6),
        market("BTC_PERP", 1, 3),
        market("ETH_PERP", 2, 2),
        market("ETH_USDT", 6, 3),
        market("ETH_BTC", 6, 4),
        market("LTC_USDT", 2, 5),
        market("SHIB_PERP", 9, 0),
        market("USDC_USDT", 4, 3),
        market("DOGE_USDT", 6, 2),
        market("SON_USD", 2, 3),
    )
}
BTC_USDT = MARKETS["BTC_USDT"]
BTC_PERP = MARKETS["BTC_PERP"]


def captures() -> list[tuple[str, dict[str, Any]]]:
    """Third-party captures by file name; empty where they are absent."""
    paths = sorted((SHARED / "frames").glob("*.json"))
    return [(p.stem, json.loads(p.read_text())) for p in paths if p.stem != "index"]


def examples(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Documented examples of `rest` or `ws` by file name; empty where they are absent."""
    paths = sorted((SHARED / "examples" / kind).glob("*/*.json"))
    return [(p.stem, json.loads(p.read_text())) for p in paths]
