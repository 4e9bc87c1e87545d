"""Who owns what: spot funds, collateral, positions, margin and fees, exact in units of 10^-18.

Spot: an order freezes what it may spend, a buy its amount x price without a fee, since the fee
comes out of the stock received (10.10). Collateral: an order freezes nothing, it uses margin
(10.9, rule in `ExchangeConfig`). For each asset the sum over all accounts of spot funds plus spot
fees stays constant, and so does that of collateral minus position cost plus fees.
"""

from __future__ import annotations

from collections import deque

from adapters.paper.market import Market
from adapters.paper.model import (
    AccountSpec,
    Deal,
    ExchangeConfig,
    KillSwitch,
    Order,
    Role,
    Side,
    to_rate,
    to_units,
)
from engine.errors import ConfigError


class Funds:
    """Spot funds of one asset, in units."""

    __slots__ = ("available", "freeze")

    def __init__(self, available: int) -> None:
        self.available = available
        self.freeze = 0


class Seat:
    """One account on one market: open orders, fee rates and, on a perpetual, the position.

    `lots` and `cost` are signed, negative for a short. `open_buys` and `open_sells` are the
    notional of resting orders that are not reduce-only.
    """

    __slots__ = (
        "account",
        "client_ids",
        "cost",
        "lots",
        "maker_rate",
        "market",
        "modified_us",
        "open_buys",
        "open_sells",
        "opened_us",
        "orders",
        "position_id",
        "realized_pnl",
        "reduce_only_orders",
        "rpi_maker_rate",
        "taker_rate",
    )

    def __init__(self, account: Account, market: Market) -> None:
        spec, override = market.spec, account.spec.fees.get(market.spec.name)
        self.account = account
        self.market = market
        self.maker_rate = to_rate(override.maker if override else spec.maker_rate)
        self.taker_rate = to_rate(override.taker if override else spec.taker_rate)
        premium = (
            account.spec.futures_rpi_maker_premium
            if spec.is_perpetual
            else account.spec.rpi_maker_premium
        )
        self.rpi_maker_rate = self.maker_rate + to_rate(premium)
        self.orders: dict[int, Order] = {}
        self.client_ids: dict[str, Order] = {}
        self.reduce_only_orders = 0
        self.open_buys = self.open_sells = 0
        self.lots = self.cost = self.realized_pnl = 0
        self.position_id = self.opened_us = self.modified_us = 0

    def worst_notional(self, buys: int = 0, sells: int = 0) -> int:
        """Return the larger notional that open orders plus `buys` or `sells` can lead to."""
        bought = abs(self.cost + self.open_buys + buys)
        return max(bought, abs(self.cost - self.open_sells - sells))

    def margin(self, buys: int = 0, sells: int = 0) -> int:
        """Return the margin in units, rounded up, with `buys` and `sells` more notional open."""
        return -(-self.worst_notional(buys, sells) // self.account.leverage)

    def unrealized_pnl(self) -> int:
        """Return the P&L of the position at the last trade's price, in units."""
        last = self.market.last_ticks
        if not self.lots or last is None:
            return 0
        return self.lots * last * self.market.notional_unit - self.cost

    def reducible_lots(self, side: Side) -> int:
        """Return how much of the position an order of `side` can close."""
        held = self.lots if side is Side.SELL else -self.lots
        return max(held, 0)


class Account:
    """One account with all that is kept for it."""

    def __init__(self, spec: AccountSpec, config: ExchangeConfig) -> None:
        self.spec = spec
        self.background = spec.background
        self.leverage = spec.leverage
        self.spot: dict[str, Funds] = {}
        self.collateral: dict[str, int] = {}
        self._refuse_unknown_names(config)
        for market in config.markets:
            for asset in (market.base_asset, market.quote_asset):
                self.spot[asset] = Funds(to_units(spec.spot.get(asset, "0")))
            if market.is_perpetual:
                asset = market.quote_asset
                self.collateral[asset] = to_units(spec.collateral.get(asset, "0"))
        self.seats: dict[str, Seat] = {}
        self.timers: dict[str, KillSwitch] = {}
        self.deals: deque[Deal] = deque(maxlen=config.deals_max)
        self.finished: deque[Order] = deque(maxlen=config.finished_max)
        self.dirty_spot: dict[str, None] = {}
        self.dirty_collateral = False

    def _refuse_unknown_names(self, config: ExchangeConfig) -> None:
        spec = self.spec
        traded = {asset for m in config.markets for asset in (m.base_asset, m.quote_asset)}
        settled = {m.quote_asset for m in config.markets if m.is_perpetual}
        known = (
            ("spot", spec.spot, traded),
            ("collateral", spec.collateral, settled),
            ("fees", spec.fees, {m.name for m in config.markets}),
        )
        for field, given, expected in known:
            for name in given:
                if name not in expected:
                    raise ConfigError(
                        f"account {spec.name}: {field} expected one of "
                        f"{', '.join(sorted(expected)) or 'nothing'}, was {name}; remove it"
                    )

    def margin_seats(self, asset: str) -> list[Seat]:
        """Return the seats whose positions settle in `asset`."""
        return [
            seat
            for seat in self.seats.values()
            if seat.market.spec.is_perpetual and seat.market.spec.quote_asset == asset
        ]


class Ledger:
    """Moves funds between accounts and the fee pot; creates and destroys nothing."""

    def __init__(self, first_position_id: int) -> None:
        self.spot_fees: dict[str, int] = {}
        self.collateral_fees: dict[str, int] = {}
        self._next_position_id = first_position_id

    def can_afford(
        self, seat: Seat, side: Side, ticks: int, lots: int, freed: Order | None
    ) -> bool:
        """Say whether an order's funds are there, with those of `freed` given back first (10.5)."""
        if seat.account.background:
            return True
        market = seat.market
        freed_lots = freed.leaves_lots if freed is not None else 0
        freed_ticks = freed.ticks if freed is not None else 0
        more = (ticks * lots - freed_ticks * freed_lots) * market.notional_unit
        if market.spec.is_perpetual:
            return self._has_margin(seat, side, more)
        if side is Side.BUY:
            return seat.account.spot[market.spec.quote_asset].available >= more
        more = (lots - freed_lots) * market.lot_unit
        return seat.account.spot[market.spec.base_asset].available >= more

    def _has_margin(self, seat: Seat, side: Side, more: int) -> bool:
        buys, sells = (more, 0) if side is Side.BUY else (0, more)
        if seat.worst_notional(buys, sells) <= seat.worst_notional():
            return True
        asset = seat.market.spec.quote_asset
        seats = seat.account.margin_seats(asset)
        equity = seat.account.collateral[asset] + sum(s.unrealized_pnl() for s in seats)
        others = sum(s.margin() for s in seats if s is not seat)
        return equity >= others + seat.margin(buys, sells)

    def hold(self, seat: Seat, order: Order, lots: int) -> None:
        """Freeze funds for `lots` of a resting order; negative `lots` give them back."""
        account, market = seat.account, seat.market
        if account.background:
            return
        units = order.ticks * lots * market.notional_unit
        if market.spec.is_perpetual:
            account.dirty_collateral = True
            if order.reduce_only:
                return
            if order.side is Side.BUY:
                seat.open_buys += units
            else:
                seat.open_sells += units
            return
        asset = market.spec.quote_asset
        if order.side is Side.SELL:
            units = lots * market.lot_unit
            asset = market.spec.base_asset
        funds = account.spot[asset]
        funds.available -= units
        funds.freeze += units
        account.dirty_spot[asset] = None

    def settle(
        self, seat: Seat, order: Order, role: Role, ticks: int, lots: int, now_us: int
    ) -> tuple[int, str]:
        """Move the funds of one side of a fill and charge its fee; returns (fee, fee asset).

        Whatever a maker had frozen for these lots has been given back before.
        """
        if role is Role.TAKER:
            rate = seat.taker_rate
        else:
            rate = seat.rpi_maker_rate if order.rpi else seat.maker_rate
        if seat.market.spec.is_perpetual:
            return self._settle_position(seat, order.side, rate, ticks, lots, now_us)
        return self._settle_spot(seat, order.side, rate, ticks, lots)

    def _settle_spot(
        self, seat: Seat, side: Side, rate: int, ticks: int, lots: int
    ) -> tuple[int, str]:
        account, market, spec = seat.account, seat.market, seat.market.spec
        money = ticks * lots * market.notional_unit
        stock = lots * market.lot_unit
        base, quote = account.spot[spec.base_asset], account.spot[spec.quote_asset]
        if side is Side.BUY:
            fee, asset = lots * rate * market.lot_fee_unit, spec.base_asset
            base.available += stock - fee
            quote.available -= money
        else:
            fee, asset = ticks * lots * rate * market.notional_fee_unit, spec.quote_asset
            base.available -= stock
            quote.available += money - fee
        self.spot_fees[asset] = self.spot_fees.get(asset, 0) + fee
        if not account.background:
            account.dirty_spot[spec.base_asset] = account.dirty_spot[spec.quote_asset] = None
        return fee, asset

    def _settle_position(
        self, seat: Seat, side: Side, rate: int, ticks: int, lots: int, now_us: int
    ) -> tuple[int, str]:
        market, asset = seat.market, seat.market.spec.quote_asset
        price = ticks * market.notional_unit
        signed = lots if side is Side.BUY else -lots
        if seat.lots * signed >= 0:
            closing = 0
        else:
            closing = signed if lots <= abs(seat.lots) else -seat.lots
            self._close(seat, closing, price)
        opening = signed - closing
        if opening:
            if not seat.lots:
                self._open(seat, now_us)
            seat.lots += opening
            seat.cost += opening * price
        seat.modified_us = now_us
        fee = ticks * lots * rate * market.notional_fee_unit
        seat.account.collateral[asset] -= fee
        self.collateral_fees[asset] = self.collateral_fees.get(asset, 0) + fee
        seat.account.dirty_collateral = True
        return fee, asset

    def _open(self, seat: Seat, now_us: int) -> None:
        seat.position_id = self._next_position_id
        self._next_position_id += 1
        seat.opened_us = now_us
        seat.realized_pnl = 0

    def _close(self, seat: Seat, closing: int, price: int) -> None:
        # The last part takes all the cost that is left, so that nothing is ever lost in rounding.
        share, held = abs(closing), abs(seat.lots)
        released = abs(seat.cost) * share // held
        if seat.lots < 0:
            released = -released
        pnl = -closing * price - released
        seat.lots += closing
        seat.cost -= released
        seat.realized_pnl += pnl
        seat.account.collateral[seat.market.spec.quote_asset] += pnl
