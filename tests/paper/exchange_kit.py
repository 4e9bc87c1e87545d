"""Short words for exchange tests: two funded accounts, one spot market and one perpetual."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    FLOW_ACCOUNTS,
    AccountSpec,
    Deal,
    ExchangeConfig,
    Executed,
    NewOrder,
    Notice,
    Order,
    Pending,
    Reject,
    Role,
    Side,
    to_units,
)

NOW_US = 1_700_000_000_000_000
SPOT, PERP = "BTC_USDT", "BTC_PERP"
FUNDS = {"BTC": "10", "USDT": "1000000"}
ALICE = AccountSpec(
    name="alice", spot=FUNDS, collateral={"USDT": "100000"}, retail_allowed=True, leverage=10
)
BOB = AccountSpec(
    name="bob", spot=FUNDS, collateral={"USDT": "100000"}, retail_allowed=True, leverage=10
)
CONFIG = ExchangeConfig(accounts=(ALICE, BOB, *FLOW_ACCOUNTS))


def exchange(config: ExchangeConfig = CONFIG) -> Exchange:
    return Exchange(config, NOW_US)


def with_alice(**changes: object) -> ExchangeConfig:
    """Build the usual configuration with another alice."""
    alice = msgspec.structs.replace(ALICE, **changes)
    return msgspec.structs.replace(CONFIG, accounts=(alice, BOB, *FLOW_ACCOUNTS))


def order(side: str, amount: str, price: str | None = None, **fields: object) -> NewOrder:
    """Describe an order in a few words; the market is spot unless `market` says otherwise."""
    market = fields.pop("market", SPOT)
    request = NewOrder(market=str(market), side=Side[side.upper()], amount=amount, price=price)
    fields.setdefault("collateral", market == PERP)
    return msgspec.structs.replace(request, **fields)


def margin(side: str, amount: str, price: str | None = None, **fields: object) -> NewOrder:
    """Describe a collateral order on the spot market."""
    return order(side, amount, price, collateral=True, **fields)


def placed(venue: Exchange, account: str, request: NewOrder) -> Order:
    """Place an order that must be accepted."""
    result = venue.place(account, request, NOW_US)
    assert isinstance(result, Order), result
    return result


def refused(venue: Exchange, account: str, request: NewOrder) -> Reject:
    """Place an order that must be refused, without a trace."""
    venue.drain()
    result = venue.place(account, request, NOW_US)
    assert isinstance(result, Reject), result
    assert venue.drain() == []
    venue.check()
    return result


def story(notices: list[Notice], account: str) -> list[str]:
    """Tell what an account was told: `D maker 0.5@100`, `P1 OPEN left 2`, `X FILLED`."""
    told = []
    for notice in notices:
        if isinstance(notice, Deal) and notice.account == account:
            role = "maker" if notice.role is Role.MAKER else "taker"
            told.append(f"D {role} {notice.lots}@{notice.ticks}")
        elif isinstance(notice, Pending) and notice.order.account == account:
            kept = notice.order
            told.append(f"P{notice.event.value} {kept.status} left {kept.leaves_lots}")
        elif isinstance(notice, Executed) and notice.order.account == account:
            told.append(f"X {notice.order.status}")
    return told


def totals(venue: Exchange) -> dict[str, int]:
    """Return what must never change: assets of all accounts and pools plus collected fees."""
    sums: dict[str, int] = {}
    for account in venue.accounts.values():
        for asset, funds in account.spot.items():
            key = f"spot {asset}"
            sums[key] = sums.get(key, 0) + funds.available + funds.freeze
        for asset, units in account.collateral.items():
            key = f"collateral {asset}"
            sums[key] = sums.get(key, 0) + units
            sums[key] -= sum(seat.cost for seat in account.margin_seats(asset))
    for market in venue.markets.values():
        if market.pool is not None:
            spec, pool = market.spec, market.pool
            sums[f"spot {spec.base_asset}"] += pool.stock
            sums[f"spot {spec.quote_asset}"] += pool.money
            sums[f"collateral {spec.quote_asset}"] -= pool.money
    for (wallet, asset), units in venue.ledger.deposits.items():
        sums[f"{wallet} {asset}"] -= units
    for asset, units in venue.ledger.spot_fees.items():
        sums[f"spot {asset}"] += units
    for asset, units in venue.ledger.insurance.items():
        sums[f"collateral {asset}"] += units
    for asset, units in venue.ledger.collateral_fees.items():
        sums[f"collateral {asset}"] += units
    return sums


def net_lots(venue: Exchange) -> int:
    """Return the sum of all positions on the perpetual, which is always zero."""
    return sum(account.seats[PERP].lots for account in venue.accounts.values())


def units(amount: str) -> int:
    return to_units(Decimal(amount))
