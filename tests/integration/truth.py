"""What the venue says that we have, against what a journal says, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.ports import SystemFs
from engine.inventory import base_total, quote_total
from engine.money import from_units
from engine.state import MarketState, State
from engine.types import Product
from replay.read import fold, read_records
from tests.integration.kit import Venue

Positions = tuple[tuple[str, Decimal], ...]
"""Side and signed quantity of each that is not flat, LONG before SHORT."""


def folded(journal: Path) -> State:
    """Return the state after the last record of a journal."""
    return fold(read_records(SystemFs(), journal))


def assert_agrees_with_venue(journal: Path, venue: Venue) -> State:
    """Compare a journal's last state with the account; returns the state."""
    state = folded(journal)
    assert_agrees(state, venue.account())
    return state


def assert_agrees(state: State, account: dict[str, Any]) -> None:
    """Totals from counted deals, and every reported balance, equal the venue's own.

    Args:
        state: With nothing in flight, of a run on the demo account from its beginning.
        account: As the admin port shows it.
    """
    assert_totals_agree(state, account)
    spot = {
        asset: (Decimal(held["available"]), Decimal(held["freeze"]))
        for asset, held in account["spot"].items()
    }
    assert {a: (b.available, b.frozen) for a, b in state.spot.items()} == spot
    collateral = {asset: Decimal(held["balance"]) for asset, held in account["collateral"].items()}
    assert {asset: held.balance for asset, held in state.margin.items()} == collateral


def assert_totals_agree(state: State, account: dict[str, Any]) -> None:
    """What the counted deals add up to equals what the venue has."""
    spot = {
        asset: Decimal(held["available"]) + Decimal(held["freeze"])
        for asset, held in account["spot"].items()
    }
    for name, market in state.markets.items():
        assert market.live == ()
        spec = market.quoted.market
        if spec.product is Product.SPOT:
            assert base_total(market.inventory, spec) == spot[spec.base_asset]
            assert quote_total(market.inventory, spec) == spot[spec.quote_asset]
        else:
            assert held_of(market) == positions_at(account, name)


def held_of(market: MarketState) -> Positions:
    """What the counted deals make of a market's position, or of both in hedge mode."""
    inventory, spec = market.inventory, market.quoted.market
    if not market.quoted.hedged:
        return (("BOTH", total),) if (total := base_total(inventory, spec)) else ()
    legs = (("LONG", inventory.legs.long), ("SHORT", -inventory.legs.short))
    return tuple((side, from_units(lots, spec.qty_decimals)) for side, lots in legs if lots)


def positions_at(account: dict[str, Any], market: str) -> Positions:
    """What the venue has of a market, by the name of the side."""
    held = [each for each in account["positions"] if each["market"] == market]
    return tuple(sorted((each["positionSide"], Decimal(each["amount"])) for each in held))
