"""The strategies' pages in docs/strategies, and the example configuration that each holds."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

from adapters.cli.config import Config, parse_config
from engine.strategy import Strategy, strategy_class
from tests.source_tree import ROOT

NAMES = (
    *("symmetric", "inventory_skew", "avellaneda_stoikov", "glft"),
    *("micro_price", "grid", "rpi_overlay", "hedged"),
)
"""Every strategy of the project."""


def page(name: str) -> Path:
    return ROOT / "docs" / "strategies" / f"{name}.md"


@cache
def configuration(name: str) -> Config:
    """Return the example of a page, as `run` reads it."""
    text = page(name).read_text("utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return parse_config(block.encode(), page(name).name)


def example(name: str) -> Strategy:
    """Return the strategy of a page's example."""
    market, *_ = configuration(name).market.values()
    assert market.strategy == name
    return msgspec.convert(market.parameters, strategy_class(name))


def limit_of(strategy: Strategy) -> int:
    """Return the inventory limit of the example that a strategy stands in, units of 1e-6 BTC."""
    name = next(name for name in NAMES if type(strategy) is strategy_class(name))
    market, *_ = configuration(name).market.values()
    return int(Decimal(market.position_max) * 10**6)
