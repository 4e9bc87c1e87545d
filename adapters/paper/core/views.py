"""What an account can ask for, as copies that later actions do not change (5.6-5.9, 6.5, 6.6)."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.paper.core import borrows
from adapters.paper.core.ledger import Account, Seat
from adapters.paper.core.margin import Position
from adapters.paper.core.market import Market
from adapters.paper.core.model import (
    AdlQuantile,
    Balance,
    Borrow,
    ClosedPosition,
    CollateralBalance,
    Deal,
    FundingEvent,
    FundingPayment,
    KillSwitch,
    Order,
    PerpetualView,
    PositionChange,
    PositionView,
    Status,
)
from adapters.paper.core.perpetuals import Perpetuals
from adapters.paper.core.position_views import collateral_balance, position_view


class AccountViews:
    """The reading half of the exchange."""

    accounts: dict[str, Account]
    markets: dict[str, Market]
    perpetuals: Perpetuals

    def open_orders(self, account: str, market: str | None = None) -> list[Order]:
        """Return copies of the open orders, newest first (5.7)."""
        orders = [
            order.copy()
            for name, seat in self.accounts[account].seats.items()
            if market in (None, name)
            for order in seat.orders.values()
        ]
        orders.sort(key=lambda order: order.order_id, reverse=True)
        return orders

    def finished_orders(self, account: str) -> Iterable[Order]:
        """Return finished orders, newest first, at most `finished_max` (5.8).

        The history of an institutional account keeps no cancelled ones.
        """
        held = self.accounts[account]
        if held.spec.institutional:
            return filter(lambda o: o.status is Status.FILLED, reversed(held.finished))
        return reversed(held.finished)

    def deals(self, account: str) -> Iterable[Deal]:
        """Return the account's deals, newest first, at most `deals_max` (5.8)."""
        return reversed(self.accounts[account].deals)

    def kill_switches(self, account: str, market: str | None = None) -> list[KillSwitch]:
        """Return the running timers (5.6), by market name."""
        timers = self.accounts[account].timers
        return [timers[name] for name in sorted(timers) if market in (None, name)]

    def spot_balances(self, account: str) -> dict[str, Balance]:
        """Return the spot balance of every asset of the exchange, in units (5.9)."""
        spot = self.accounts[account].spot
        return {asset: Balance(funds.available, funds.freeze) for asset, funds in spot.items()}

    def collateral(self, account: str) -> dict[str, CollateralBalance]:
        """Return the collateral of every asset that positions settle in (6.6)."""
        held = self.accounts[account]
        return {asset: collateral_balance(held, asset) for asset in held.collateral}

    def collateral_in(self, account: str, asset: str) -> CollateralBalance | None:
        """Return the collateral in one asset, nothing in one that no position settles in.

        None for an asset that the exchange does not know.
        """
        held = self.accounts[account]
        return borrows.balance(held, asset) if asset in held.spot else None

    def collateral_balances(self, account: str) -> list[CollateralBalance]:
        """Return every asset that can be collateral or be borrowed (6.6)."""
        held = self.accounts[account]
        return [borrows.balance(held, asset) for asset in borrows.assets(held)]

    def borrows(self, account: str) -> list[Borrow]:
        """Return what is borrowed, one record for each asset (`borrowsMargin`, 11.5)."""
        return borrows.borrows(self.accounts[account])

    def positions(self, account: str, market: str | None = None) -> list[PositionView]:
        """Return the open positions (6.5)."""
        held = self.accounts[account]
        balances = self.collateral(account)
        return [
            position_view(seat, position, balances[seat.market.spec.quote_asset].available)
            for name, seat in held.seats.items()
            if market in (None, name)
            for position in seat.positions
            if position.lots
        ]

    def position_changes(self, account: str) -> Iterable[PositionChange]:
        """Return what orders did to positions, newest first (6.5)."""
        return reversed(self.accounts[account].positions.changes)

    def closed_positions(self, account: str) -> Iterable[ClosedPosition]:
        """Return positions that were closed, last closed first (6.5)."""
        return reversed(self.accounts[account].positions.closed)

    def adl_quantiles(self, account: str) -> list[AdlQuantile]:
        """Return the deleveraging quantiles of the markets with a position (6.5).

        The rank among all positions of the side by P&L x leverage / cost; the only one is 0 [C].
        """
        found = []
        for name, seat in self.accounts[account].seats.items():
            if not seat.market.spec.is_perpetual:
                continue
            long = short = None
            for position in seat.positions:
                if position.lots > 0:
                    long = self._adl_quantile(name, seat, position)
                elif position.lots < 0:
                    short = self._adl_quantile(name, seat, position)
            if (long, short) != (None, None):
                found.append(AdlQuantile(name, long, short))
        return found

    def _adl_quantile(self, market: str, seat: Seat, position: Position) -> int:
        own = _adl_score(seat, position)
        scores = [
            _adl_score(other, each)
            for other in [account.seats[market] for account in self.accounts.values()]
            for each in other.positions
            if each.lots * position.lots > 0
        ]
        return 5 * sum(score < own for score in scores) // len(scores)

    def funding_payments(self, account: str, market: str | None = None) -> list[FundingPayment]:
        """Return funding paid and received, newest first, at most `funding_max` (6.5)."""
        payments = self.accounts[account].funding
        return [p for p in reversed(payments) if market in (None, p.event.market)]

    def funding_events(self, market: str) -> list[FundingEvent]:
        """Return the settled rates of a perpetual, newest first (4); KeyError for a spot market."""
        return list(reversed(self.perpetuals.funding[market].history))

    def perpetual(self, market: str) -> PerpetualView:
        """Return mark, index and predicted funding; KeyError for a spot market."""
        funding, mark = self.perpetuals.funding[market], self.markets[market].mark
        held = [p.lots for a in self.accounts.values() for p in a.seats[market].positions]
        assert mark is not None
        return PerpetualView(
            market=market,
            mark_ticks=mark.ticks(),
            index_ticks=mark.index_ticks(),
            rate=funding.rate(),
            next_funding_us=funding.next_us,
            open_interest_lots=sum(max(lots, 0) for lots in held),
        )

    def leverage(self, account: str) -> int:
        """Return the account-wide leverage (6.6)."""
        return self.accounts[account].leverage

    def fee_rates(self, account: str, market: str) -> tuple[int, int, int]:
        """Return (maker, taker, RPI maker) rates in 10^-8, as they will be charged (7)."""
        seat = self.accounts[account].seats[market]
        return seat.maker_rate, seat.taker_rate, seat.rpi_maker_rate

    def take_dirty_spot(self) -> dict[str, dict[str, None]]:
        """Return and forget {account: {asset: None}} whose spot balance changed, in order."""
        dirty: dict[str, dict[str, None]] = {}
        for name, account in self.accounts.items():
            if account.dirty_spot:
                dirty[name] = account.dirty_spot
                account.dirty_spot = {}
        return dirty

    def take_dirty_collateral(self) -> dict[str, None]:
        """Return and forget the accounts whose collateral, margin or position changed."""
        dirty: dict[str, None] = {}
        for name, account in self.accounts.items():
            if account.dirty_collateral and not account.background:
                dirty[name] = None
            account.dirty_collateral = False
        return dirty


def _adl_score(seat: Seat, held: Position) -> int:
    """P&L x leverage / cost in 10^-8, cut to whole steps."""
    return held.unrealized_pnl() * seat.leverage * 10**8 // abs(held.cost)
