"""Every registered strategy keeps every law, by the kit's situations and by drawn ones."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import strategies as _strategies  # noqa: F401 - registers them
from engine.strategy import Strategy, View, load_strategy, registered_names, strategy_class
from engine.testing import PERPETUAL, SPOT, Law, Situation, check_laws, laws
from engine.testing.situations import History
from engine.types import Market, Stp
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.grid import Grid
from strategies.hedged import Hedged
from strategies.inventory_skew import InventorySkew
from strategies.ladder import Rung
from strategies.micro_price import MicroPrice
from strategies.rpi_overlay import RpiOverlay
from strategies.symmetric import Symmetric
from tests.strategies.drawn import histories, seen_by, views

LADDER = (
    Rung("0.01", Stp.CANCEL_NEW),
    Rung("0.05", Stp.CANCEL_NEW, offset_bps=3.0),
    Rung("0.02", Stp.CANCEL_NEW, offset_bps=5.0, rpi=True),
)
FIXED = {"mirrors": "its levels are multiples of the interval, wherever the market is"}
KEPT: dict[str, tuple[Strategy, dict[str, str]]] = {
    "inventory_skew": (InventorySkew(LADDER, 5.0), {}),
    "inventory_skew, no spread": (InventorySkew(LADDER, 0.0), {}),
    "inventory_skew, all skew": (InventorySkew(LADDER, 1.0, 0.0, 50.0), {}),
    "inventory_skew, wild": (InventorySkew(LADDER, 3.0, 3.0, fee_multiple=1.0), {}),
    "symmetric": (Symmetric(LADDER, 5.0), {}),
    "symmetric, no spread": (Symmetric(LADDER, 0.0), {}),
    "avellaneda_stoikov": (AvellanedaStoikov(LADDER, 0.01, 0.5), {}),
    "avellaneda_stoikov, a session": (AvellanedaStoikov(LADDER, 0.01, 0.5, 300.0, 1.0), {}),
    "avellaneda_stoikov, measuring": (AvellanedaStoikov(LADDER, 0.0001, 0.5, 300.0), {}),
    "glft": (Glft(LADDER, 0.01), {}),
    "glft, all trades": (Glft(LADDER, 0.01, prior_s=1.0), {}),
    "micro_price": (MicroPrice(LADDER, 5.0), {}),
    "micro_price, all imbalance": (MicroPrice(LADDER, 1.0, 10.0, 0.5, 50.0), {}),
    "grid": (Grid("0.05", Stp.CANCEL_NEW, 5.0), FIXED),
    "rpi_overlay": (RpiOverlay(LADDER, 5.0, "0.01", Stp.CANCEL_NEW, 2.0), {}),
    "rpi_overlay, for its fees": (
        RpiOverlay(LADDER, 30.0, "0.01", Stp.CANCEL_NEW, 0.0, 1.0, 50.0),
        {},
    ),
    "hedged": (Hedged(LADDER, "ETH_PERP", 5.0), {}),
    "hedged, by funding and basis": (Hedged(LADDER, "ETH_PERP", 5.0, 20.0, 3.0, 0.5), {}),
}
"""Parameters to judge -> the strategy with them, and the laws it breaks on purpose, with why.

A strategy's name stands first, up to a comma. A strategy whose own test runs the laws may be left
out here.
"""
MARKETS = {"spot": SPOT, "perpetual": PERPETUAL}
TINY = replace(
    SPOT,
    name="TINY_USDT",
    base_asset="TINY",
    price_decimals=8,
    qty_decimals=0,
    qty_min=1_000,
    notional_min=505_000_000,
)
"""A market of 0.000012 USDT, which is 1,200 ticks, with whole lots."""
ANY = ("answers", "rests", "fits", "reasons")
"""Laws of a single quote, which drawn views can judge too."""


def every_law() -> list[Any]:
    return [
        pytest.param(law, id=f"{name}-{where}-{law}")
        for name, (strategy, excuses) in KEPT.items()
        for where, market in MARKETS.items()
        for law in laws(strategy, market, except_for=excuses)
    ]


def test_every_strategy_of_the_package_is_judged() -> None:
    judged = {name.partition(",")[0] for name in KEPT}
    for name in registered_names():
        if strategy_class(name).__module__.startswith("strategies.") and name not in judged:
            own = Path(__file__).with_name(f"test_{name}.py")
            tested = own.exists() and re.search(r"\b(check_)?laws\(", own.read_text("utf-8"))
            assert tested, f"{name}: no test holds it to the laws; add it to KEPT"


def in_tiny_lots(strategy: Strategy) -> Strategy:
    """Return a strategy with sizes worth as much where one lot is worth 0.000012."""
    fields = msgspec.structs.asdict(strategy)
    for name in ("qty", "rpi_qty"):
        if name in fields:
            fields[name] = lots_worth(fields[name])
    if "ladder" in fields:
        rungs = [replace(rung, qty=lots_worth(rung.qty)) for rung in fields["ladder"]]
        fields["ladder"] = tuple(rungs)
    return type(strategy)(**fields)


def lots_worth(size: str) -> str:
    return str(int(Decimal(size) * 5_000_000_000))


@pytest.mark.parametrize("name", KEPT)
def test_it_keeps_them_where_a_tick_is_eight_basis_points(name: str) -> None:
    strategy, excuses = KEPT[name]
    check_laws(in_tiny_lots(strategy), TINY, except_for=excuses, mid="0.000012")


@pytest.mark.parametrize("law", every_law())
def test_it_keeps_the_law(law: Law) -> None:
    law()


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
@settings(max_examples=30)
@given(data=st.data())
def test_drawn_views_and_histories_find_nothing(name: str, data: st.DataObject) -> None:
    strategy, excuses = KEPT[name]
    market: Market = data.draw(st.sampled_from([SPOT, PERPETUAL]))
    view: View = data.draw(views(market))
    history: History = data.draw(histories(market, max_size=8))
    seen = seen_by(strategy, view, history)
    case = Situation("drawn", seen, history)
    for law in ANY:
        if law not in excuses:
            Law(law, strategy, market).judge((case,))


@pytest.mark.parametrize("name", KEPT)
def test_a_journal_gives_it_back(name: str) -> None:
    strategy, _ = KEPT[name]
    parameters = msgspec.json.encode(strategy).decode()
    assert load_strategy(name.partition(",")[0], parameters) == strategy
