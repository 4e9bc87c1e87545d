"""What the engine believes against what the venue has: orders, positions and balances, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapters.paper.core.model import Side as VenueSide
from engine.inventory import base_total, quote_total
from engine.orders import Pending, Status
from engine.state import MarketState
from engine.types import Product, Side
from tests.integration.kit import ACCOUNT
from tests.integration.truth import held_of, positions_at
from tests.integration.world import account_at
from tests.scenarios.world import World

Row = tuple[str, int, str, int, int]
"""Client order id, order id, side, price in ticks and leaves in lots."""


def differences(world: World) -> list[str]:
    """Return what differs now, in words; empty when the engine knows the whole truth.

    What is in flight differs for a moment, so this is to be asked until it is empty.
    """
    state, venue, found = world.state, world.venue, []
    account = account_at(venue)
    for name, market in state.markets.items():
        if busy := [order.client_order_id for order in market.live if not _is_idle(order)]:
            found.append(f"{name}: {busy} in flight")
        elif (known := _believed(market)) != (true := _true(world, name)):
            found.append(f"{name}: orders {known}, at the venue {true}")
        foreign = sorted(order.order_id for order in market.foreign_orders)
        if foreign != (true_foreign := _true_foreign(world, name)):
            found.append(f"{name}: foreign orders {foreign}, at the venue {true_foreign}")
        found += [f"{name}: {what}" for what in _totals(market, account)]
    found += _balances(world, account)
    return found


def _is_idle(order: Any) -> bool:
    return order.status is Status.OPEN and order.pending is Pending.NONE


def _believed(market: MarketState) -> list[Row]:
    return sorted(
        (
            o.client_order_id,
            o.order_id,
            "buy" if o.side is Side.BUY else "sell",
            o.price,
            o.leaves_qty,
        )
        for o in market.live
    )


def _true(world: World, name: str) -> list[Row]:
    return sorted(
        (
            order.client_order_id,
            order.order_id,
            "buy" if order.side is VenueSide.BUY else "sell",
            order.ticks,
            order.leaves_lots,
        )
        for order in world.watch.own_orders(name)
    )


def _true_foreign(world: World, name: str) -> list[int]:
    own = {order.order_id for order in world.watch.own_orders(name)}
    orders = world.venue.exchange.open_orders(ACCOUNT)
    return sorted(o.order_id for o in orders if o.market == name and o.order_id not in own)


def _totals(market: MarketState, account: dict[str, Any]) -> list[str]:
    # What the counted deals add up to.
    spec, found = market.quoted.market, []
    if spec.product is Product.SPOT:
        for asset, total in (
            (spec.base_asset, base_total(market.inventory, spec)),
            (spec.quote_asset, quote_total(market.inventory, spec)),
        ):
            held = account["spot"][asset]
            true = Decimal(held["available"]) + Decimal(held["freeze"])
            if total != true:
                found.append(f"{asset} {total} by the deals, at the venue {true}")
    else:
        held, there = held_of(market), positions_at(account, spec.name)
        if held != there:
            found.append(f"position {held} by the deals, at the venue {there}")
    return found


def _balances(world: World, account: dict[str, Any]) -> list[str]:
    # What the venue reported last.
    state, found = world.state, []
    spot = {
        asset: (Decimal(held["available"]), Decimal(held["freeze"]))
        for asset, held in account["spot"].items()
    }
    reported = {asset: (held.available, held.frozen) for asset, held in state.spot.items()}
    products = {market.quoted.market.product for market in state.markets.values()}
    if Product.SPOT in products and reported != spot:
        found.append(f"spot balances {reported}, at the venue {spot}")
    margin = {asset: Decimal(held["balance"]) for asset, held in account["collateral"].items()}
    if (known := {asset: held.balance for asset, held in state.margin.items()}) != margin:
        found.append(f"collateral {known}, at the venue {margin}")
    return found
