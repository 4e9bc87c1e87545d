"""What accounts may do with conditional orders (contract 6.3, 6.4)."""

from __future__ import annotations

from adapters.paper.core import rejects
from adapters.paper.core.account_actions import AccountActions
from adapters.paper.core.conditionals import Pair
from adapters.paper.core.ledger import Seat
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import NewOco, Order, Reject
from adapters.paper.core.placing import Placer


class ConditionalActions(AccountActions):
    """The part of the exchange for OCO pairs and OTO orders."""

    matcher: Matcher
    placer: Placer

    def place_oco(self, account: str, request: NewOco, now_us: int) -> Pair | Reject:
        """Place a take-profit limit and a stop-limit of which only one executes (6.3, 10.7)."""
        self.advance(now_us)
        seat = self.accounts[account].seats.get(request.market)
        return rejects.UNKNOWN_MARKET if seat is None else self.placer.place_oco(seat, request)

    def oco_pairs(self, account: str, market: str | None = None) -> list[Pair]:
        """Return the live OCO pairs, newest first [C], as copies (6.4)."""
        return [
            Pair(pair.oco_id, pair.stop_loss.copy(), pair.take_profit.copy())
            for pair in reversed(self.matcher.conditionals.pairs.values())
            if pair.stop_loss.account == account and market in (None, pair.stop_loss.market)
        ]

    def oto_orders(self, account: str, market: str | None = None) -> list[Order]:
        """Return the open orders with a stop loss or take profit, newest first [C] (6.4)."""
        return [order for order in self.open_orders(account, market) if order.oto is not None]

    def cancel_oco(
        self, account: str, market: str, oco_id: int | None, client_id: str | None, now_us: int
    ) -> Pair | Reject:
        """Cancel both legs of a pair, named by one of the ids (6.4)."""
        self.advance(now_us)
        seat = self.accounts[account].seats.get(market)
        if seat is None:
            return rejects.UNKNOWN_MARKET
        for pair in self.matcher.conditionals.pairs.values():
            leg = pair.stop_loss
            if (leg.account, leg.market) == (account, market) and (
                pair.oco_id == oco_id or leg.client_order_id == (client_id or None)
            ):
                self._cancel_conditional(seat, leg)
                return Pair(pair.oco_id, leg.copy(), pair.take_profit.copy())
        return rejects.NOT_FOUND

    def cancel_oto(self, account: str, market: str, oto_id: int, now_us: int) -> Order | Reject:
        """Cancel an open order with its stop loss and take profit (6.4)."""
        self.advance(now_us)
        seat = self.accounts[account].seats.get(market)
        if seat is None:
            return rejects.UNKNOWN_MARKET
        for order in seat.orders.values():
            if order.oto is not None and order.oto.oto_id == oto_id:
                self._cancel_conditional(seat, order)
                return order.copy()
        return rejects.OTO_NOT_FOUND

    def cancel_conditional(
        self, account: str, market: str, group_id: int, now_us: int
    ) -> Reject | None:
        """Cancel an OCO or OTO by its id (6.4, G-42)."""
        result: Pair | Order | Reject = self.cancel_oco(account, market, group_id, None, now_us)
        if result is rejects.NOT_FOUND:
            result = self.cancel_oto(account, market, group_id, now_us)
        if result is rejects.OTO_NOT_FOUND:
            return rejects.CONDITIONAL_NOT_FOUND
        return result if isinstance(result, Reject) else None

    def _cancel_conditional(self, seat: Seat, order: Order) -> None:
        self.matcher.cancel(seat, order)
        self.matcher.finish(seat.market)
