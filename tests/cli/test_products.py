"""As what a market is quoted: spot, margin or perpetual."""

from __future__ import annotations

import msgspec
import pytest

from adapters.cli.config import to_quoted
from engine.errors import ConfigError
from engine.types import Market, Product
from tests.cli.test_config import GOOD, PERP, SPOT, config_of

MARGIN = GOOD.replace('inventory_target = "1.5"', 'product = "margin"')


def test_a_spot_pair_may_be_quoted_on_margin() -> None:
    listed = msgspec.structs.replace(SPOT, collateral=True)
    quoted = to_quoted(config_of(MARGIN), listed)
    assert quoted.market == msgspec.structs.replace(listed, product=Product.MARGIN)
    assert quoted.inventory_target == 0


@pytest.mark.parametrize(
    ("product", "market", "problem"),
    [
        ("margin", SPOT, "expected spot, which is what the venue trades there, found margin"),
        ("margin", PERP, "expected perpetual, which is what the venue trades there, found margin"),
        ("spot", PERP, "expected perpetual, which is what the venue trades there, found spot"),
        (
            "perpetual",
            msgspec.structs.replace(SPOT, collateral=True),
            "expected spot or margin, which is what the venue trades there, found perpetual",
        ),
    ],
)
def test_a_product_that_the_market_does_not_have(
    product: str, market: Market, problem: str
) -> None:
    market = msgspec.structs.replace(market, name="BTC_USDT")
    config = config_of(MARGIN.replace("margin", product))
    with pytest.raises(ConfigError) as caught:
        to_quoted(config, market)
    assert str(caught.value) == f"my.toml: market.BTC_USDT.product: {problem}"
