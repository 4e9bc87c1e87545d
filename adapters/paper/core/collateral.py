"""What an account may do to its collateral account besides orders (contract 6.5, 6.6, 10.9)."""

from __future__ import annotations

from adapters.paper.core import checks, rejects
from adapters.paper.core.closing import closing_order
from adapters.paper.core.ledger import Account, Seat
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import (
    CollateralSummary,
    ExchangeConfig,
    Order,
    Reject,
)
from adapters.paper.core.views import AccountViews


class CollateralActions(AccountViews):
    """The collateral account's half of the exchange."""

    config: ExchangeConfig
    matcher: Matcher

    def advance(self, now_us: int) -> None:
        """Let time pass; see `Exchange`."""
        raise NotImplementedError

    def set_leverage(self, account: str, leverage: int, now_us: int) -> Reject | None:
        """Change the account-wide leverage; refused is 30, 17 (margin), 111 or 113 (6.6).

        Allowed with open positions, whose margin it changes, unless `refuse_leverage_change`.
        """
        self.advance(now_us)
        held = self.accounts[account]
        seats = [seat for seat in held.seats.values() if seat.market.has_positions]
        engaged = [seat for seat in seats if _is_engaged(seat)]
        if engaged and self.config.refuse_leverage_change and leverage != held.leverage:
            return rejects.MODE_LOCKED
        highest = max((seat.market.leverage_max for seat in seats), default=0)
        lowest = min((seat.market.leverage_max for seat in engaged), default=highest)
        if leverage > lowest:
            return rejects.LEVERAGE_INVALID
        for seat in engaged:
            limit = seat.market.bracket(min(leverage, seat.market.leverage_max))
            if limit and any(position.worst_notional() > limit for position in seat.positions):
                return rejects.POSITION_TOO_BIG
        before, held.leverage = held.leverage, leverage
        if leverage < before and not self._margin_is_covered(held):
            held.leverage = before
            return rejects.LEVERAGE_FUNDS
        held.dirty_collateral = True
        return None

    def _margin_is_covered(self, held: Account) -> bool:
        balances = self.collateral(held.spec.name).values()
        return all(
            b.balance + b.unrealized_pnl - b.unrealized_funding >= b.margin for b in balances
        )

    def set_index(self, market: str, price: str | None, now_us: int) -> Reject | None:
        """Fix a perpetual's index price, None to take it from the spot market again.

        No request of an account: for administrators and tests.
        """
        self.advance(now_us)
        held = self.markets.get(market)
        if held is None or held.mark is None:
            return rejects.UNKNOWN_MARKET
        ticks = None if price is None else checks.check_price(held, price)
        if isinstance(ticks, Reject):
            return ticks
        held.mark.set_ticks = ticks
        return None

    def hedge_mode(self, account: str) -> bool:
        """Say whether the account holds LONG and SHORT positions side by side (6.6)."""
        return self.accounts[account].hedge_mode

    def set_hedge_mode(self, account: str, wanted: bool, now_us: int) -> Reject | None:
        """Switch between one-way and hedge mode; 113 with positions or collateral orders."""
        self.advance(now_us)
        held = self.accounts[account]
        if wanted is held.hedge_mode:
            return None
        for seat in held.seats.values():
            if seat.market.spec.is_perpetual and _is_engaged(seat):
                return rejects.MODE_LOCKED
        held.hedge_mode = wanted
        return None

    def close_position(
        self, account: str, market: str, position_id: int, now_us: int
    ) -> Order | Reject:
        """Close a position with a market order (6.5, 10.3); 104 unknown, 12 without a book."""
        self.advance(now_us)
        seat = self.accounts[account].seats.get(market)
        if seat is None:
            return rejects.UNKNOWN_MARKET
        for position in seat.positions:
            if position.lots and position.position_id == position_id:
                order = closing_order(self.matcher, seat, position, abs(position.lots))
                if not seat.market.opposite(order.side)[0].keys:
                    return rejects.no_book()
                order.reduce_only = True
                self.matcher.submit_market(seat, order)
                self.matcher.finish(seat.market)
                return order.copy()
        return rejects.NO_POSITION

    def collateral_summary(self, account: str) -> CollateralSummary:
        """Return the totals of the collateral account (6.6), each asset counted at 1 [C]."""
        balances = self.collateral(account).values()
        pnl = sum(balance.unrealized_pnl for balance in balances)
        funding = sum(balance.unrealized_funding for balance in balances)
        equity = sum(balance.balance for balance in balances) + pnl - funding
        margin = sum(balance.margin for balance in balances)
        return CollateralSummary(
            equity=equity,
            margin=margin,
            free_margin=max(equity - margin, 0),
            unrealized_pnl=pnl,
            unrealized_funding=funding,
            leverage=self.leverage(account),
        )


def _is_engaged(seat: Seat) -> bool:
    """Say whether a position or a collateral order is open."""
    if any(order.collateral for order in seat.orders.values()):
        return True
    return any(position.lots for position in seat.positions)
