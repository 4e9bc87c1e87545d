"""Who owns what: spot funds, collateral, positions, margin and fees, exact in units of 10^-18.

Spot: an order freezes what it may spend, a buy its amount x price without a fee, since the fee
comes out of the stock received (10.10). Collateral: an order freezes nothing, it uses margin
(10.9, rule in `ExchangeConfig`). For each asset two sums over all accounts stay constant: that of
spot funds, spot fees and the pools of margin pairs (`lending.py`), and that of collateral and its
fees less what positions cost and less the pools' money, which came from or went to spot funds.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from adapters.paper.core.margin import Position, initial_margin
from adapters.paper.core.market import Market
from adapters.paper.core.model import (
    AccountSpec,
    Deal,
    ExchangeConfig,
    FundingPayment,
    KillSwitch,
    MarketSpec,
    Order,
    PositionSide,
    Role,
    Side,
    to_rate,
    to_units,
)
from adapters.paper.core.position_log import PositionLog
from engine.errors import ConfigError


class Funds:
    """Spot funds of one asset, in units."""

    __slots__ = ("available", "freeze")

    def __init__(self, available: int) -> None:
        self.available = available
        self.freeze = 0


class Seat:
    """One account on one market: open orders, fee rates and positions, where there are any."""

    __slots__ = (
        "_hedged",
        "_one_way",
        "account",
        "client_ids",
        "held",
        "maker_rate",
        "market",
        "orders",
        "reduce_only_orders",
        "rpi_maker_rate",
        "taker_rate",
    )

    def __init__(self, account: Account, market: Market) -> None:
        self.account = account
        self.market = market
        self.set_rates()
        self.orders: dict[int, Order] = {}
        self.client_ids: dict[str, Order] = {}
        self.reduce_only_orders = 0
        self.held = {side: Position(market, side) for side in PositionSide}
        self._one_way = (self.held[PositionSide.BOTH],)
        # Margin pairs are always one-way (10.9).
        self._hedged = (
            (self.held[PositionSide.LONG], self.held[PositionSide.SHORT])
            if market.spec.is_perpetual
            else self._one_way
        )

    def set_rates(self) -> None:
        """Take the fee rates from what market and account say now."""
        spec, account = self.market.spec, self.account.spec
        override = account.fees.get(spec.name)
        self.maker_rate = _rate(spec.maker_rate, override.maker if override else None, spec)
        self.taker_rate = _rate(spec.taker_rate, override.taker if override else None, spec)
        premium = (
            account.futures_rpi_maker_premium if spec.is_perpetual else account.rpi_maker_premium
        )
        self.rpi_maker_rate = self.maker_rate + to_rate(premium)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Return the positions of the account's mode: BOTH, or LONG and SHORT.

        The mode changes only while none is open, so none is ever hidden.
        """
        return self._hedged if self.account.hedge_mode else self._one_way

    @property
    def lots(self) -> int:
        """Return the net position, signed."""
        return sum(position.lots for position in self.positions)

    @property
    def cost(self) -> int:
        """Return the net cost of the positions in units, signed."""
        return sum(position.cost for position in self.positions)

    @property
    def leverage(self) -> int:
        """Return the account's leverage, as far as the market allows it [C]."""
        return min(self.account.leverage, self.market.leverage_max)

    def margin(self) -> int:
        """Return the margin of positions and open orders in units, each rounded up."""
        leverage, margin = self.leverage, 0
        for position in self.positions:
            margin += initial_margin(position.worst_notional(), leverage)
        return margin

    def unrealized_pnl(self) -> int:
        """Return the P&L of the positions at the mark price, in units."""
        pnl = 0
        for position in self.positions:
            pnl += position.unrealized_pnl()
        return pnl

    @property
    def accrued(self) -> int:
        """Return the borrowing fee that a position on a margin pair still owes, in units."""
        return self.held[PositionSide.BOTH].accrued

    def floating(self) -> int:
        """Return what the positions add to the equity (10.12), in units."""
        return self.unrealized_pnl() - self.accrued

    def spare(self) -> int:
        """Return what the seat adds to the equity less its margin: `floating` - `margin`."""
        spare = 0
        for position in self.positions:
            if position.lots or position.open_buys or position.open_sells:
                spare += position.unrealized_pnl() - position.accrued
                spare -= initial_margin(position.worst_notional(), self.leverage)
        return spare

    def reducible_lots(self, side: Side, position_side: PositionSide = PositionSide.BOTH) -> int:
        """Return how much of a position an order of `side` can close."""
        return self.held[position_side].reducible_lots(side)


def _rate(usual: str, custom: str | None, spec: MarketSpec) -> int:
    """Return the rate that is charged: on futures the lower of custom and market fee (7)."""
    rate = to_rate(usual)
    if custom is None:
        return rate
    return min(rate, to_rate(custom)) if spec.is_perpetual else to_rate(custom)


class Account:
    """One account with all that is kept for it."""

    def __init__(self, spec: AccountSpec, config: ExchangeConfig) -> None:
        self.spec = spec
        self.background = spec.background
        self.leverage = spec.leverage
        self.hedge_mode = spec.hedge_mode
        self.spot: dict[str, Funds] = {}
        self.collateral: dict[str, int] = {}
        self._refuse_unknown_names(config)
        for market in config.markets:
            for asset in (market.base_asset, market.quote_asset):
                self.spot[asset] = Funds(to_units(spec.spot.get(asset, "0")))
            if market.is_perpetual or market.is_margin:
                asset = market.quote_asset
                self.collateral[asset] = to_units(spec.collateral.get(asset, "0"))
        self.seats: dict[str, Seat] = {}
        self._margin_seats: dict[str, list[Seat]] = {}
        self.timers: dict[str, KillSwitch] = {}
        self.deals: deque[Deal] = deque(maxlen=config.deals_max)
        self.positions = PositionLog(config.position_changes_max)
        self.funding: deque[FundingPayment] = deque(maxlen=config.funding_max)
        self.finished: deque[Order] = deque(maxlen=config.finished_max)
        self.dirty_spot: dict[str, None] = {}
        self.dirty_collateral = False

    def _refuse_unknown_names(self, config: ExchangeConfig) -> None:
        spec = self.spec
        traded = {asset for m in config.markets for asset in (m.base_asset, m.quote_asset)}
        settled = {m.quote_asset for m in config.markets if m.is_perpetual or m.is_margin}
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
        """Return the seats whose positions settle in `asset`; all seats are taken at the start."""
        found = self._margin_seats.get(asset)
        if found is None:
            found = self._margin_seats[asset] = [
                seat
                for seat in self.seats.values()
                if seat.market.has_positions and seat.market.spec.quote_asset == asset
            ]
        return found


class Ledger:
    """Moves funds between accounts and the fee pot; creates and destroys nothing."""

    def __init__(self, first_position_id: int) -> None:
        self.spot_fees: dict[str, int] = {}
        self.collateral_fees: dict[str, int] = {}
        # (wallet, asset) -> units that came from outside, less those that went there.
        self.deposits: dict[tuple[str, str], int] = {}
        self.insurance: dict[str, int] = {}
        self.position_ids = count(first_position_id)

    def cover(self, account: Account, asset: str) -> None:
        """Let the insurance fund pay what a collateral account owes (10.12)."""
        owed = -account.collateral[asset]
        self.insurance[asset] = self.insurance.get(asset, 0) - owed
        account.collateral[asset] = 0
        account.dirty_collateral = True

    def can_pay(self, seat: Seat, order: Order, money: int, lots: int, freed: Order | None) -> bool:
        """Say whether an order is covered when it trades `lots` for `money` units.

        What `freed` holds is given back first (10.5).
        """
        if seat.account.background:
            return True
        market = seat.market
        more = money - (held_money(market, freed) if freed is not None else 0)
        if order.collateral:
            return self._has_margin(seat, seat.held[order.position_side], order.side, more)
        if order.side is Side.BUY:
            return seat.account.spot[market.spec.quote_asset].available >= more
        freed_lots = freed.leaves_lots if freed is not None else 0
        more = (lots - freed_lots) * market.lot_unit
        return seat.account.spot[market.spec.base_asset].available >= more

    def _has_margin(self, seat: Seat, position: Position, side: Side, more: int) -> bool:
        buys, sells = (more, 0) if side is Side.BUY else (0, more)
        worst, before = position.worst_notional(buys, sells), position.worst_notional()
        if worst <= before:
            return True
        asset, leverage = seat.market.spec.quote_asset, seat.leverage
        spare = seat.account.collateral[asset]
        for other in seat.account.margin_seats(asset):
            spare += other.spare()
        return spare + initial_margin(before, leverage) >= initial_margin(worst, leverage)

    def hold_waiting(self, seat: Seat, order: Order, sign: int) -> None:
        """Freeze (`sign` 1) or give back (-1) what an un-triggered stop may spend (10.7).

        The stop leg of an OCO freezes nothing: only one leg executes, and the other one, which
        rests, has frozen the pair's funds [C].
        """
        if order.oco_id:
            return
        if order.budget and not seat.account.background:
            asset = seat.market.spec.quote_asset
            funds = seat.account.spot[asset]
            funds.available -= sign * order.budget
            funds.freeze += sign * order.budget
            seat.account.dirty_spot[asset] = None
        else:
            self.hold(seat, order, sign * order.leaves_lots)

    def hold(self, seat: Seat, order: Order, lots: int) -> None:
        """Freeze funds for `lots` of a resting order; negative `lots` give them back."""
        account, market = seat.account, seat.market
        if account.background:
            return
        units = order.ticks * lots * market.notional_unit
        if order.collateral:
            account.dirty_collateral = True
            if order.reduce_only:
                return
            position = seat.held[order.position_side]
            if order.side is Side.BUY:
                position.open_buys += units
            else:
                position.open_sells += units
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
        if order.collateral:
            return self._settle_position(seat, order, rate, ticks, lots, now_us)
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
        self, seat: Seat, order: Order, rate: int, ticks: int, lots: int, now_us: int
    ) -> tuple[int, str]:
        """Close what the order is against, then open with the rest (one-way orders may flip)."""
        asset, position = seat.market.spec.quote_asset, seat.held[order.position_side]
        closing = min(lots, position.reducible_lots(order.side))
        fee_per_lot = ticks * rate * seat.market.notional_fee_unit
        pool, owed = seat.market.pool, 0
        if pool is not None:
            # What has accrued is paid with every change (G-22).
            owed = position.pay_accrued()
            pool.trade(seat.market, order.side, ticks, lots)
        if closing:
            self._exit(seat, position, order, ticks, closing, closing * fee_per_lot, now_us)
        if lots > closing:
            opening = lots - closing
            self._enter(seat, position, order, ticks, opening, opening * fee_per_lot, now_us)
        fee = lots * fee_per_lot
        seat.account.collateral[asset] -= fee + owed
        self.collateral_fees[asset] = self.collateral_fees.get(asset, 0) + fee + owed
        seat.account.dirty_collateral = True
        return fee, asset

    def _exit(
        self,
        seat: Seat,
        position: Position,
        order: Order,
        ticks: int,
        lots: int,
        fee: int,
        now_us: int,
    ) -> None:
        price = ticks * seat.market.notional_unit
        position.modified_us = now_us
        pnl = position.exit(lots if order.side is Side.BUY else -lots, price, fee)
        seat.account.collateral[seat.market.spec.quote_asset] += pnl
        if not seat.account.background:
            seat.account.positions.add(position, order, lots, lots * price, fee, pnl)

    def _enter(
        self,
        seat: Seat,
        position: Position,
        order: Order,
        ticks: int,
        lots: int,
        fee: int,
        now_us: int,
    ) -> None:
        if not position.lots:
            position.open(next(self.position_ids), now_us)
        price = ticks * seat.market.notional_unit
        position.modified_us = now_us
        position.enter(lots if order.side is Side.BUY else -lots, price, fee)
        if not seat.account.background:
            seat.account.positions.add(position, order, lots, lots * price, fee, 0)


def held_money(market: Market, order: Order) -> int:
    """Return the money, in units, for which an open order froze funds or uses margin."""
    return order.budget or order.ticks * order.leaves_lots * market.notional_unit
