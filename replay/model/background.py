"""Others' orders in the exchange core, which leave a level as a queue model says."""

from __future__ import annotations

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import Order, Side
from replay.queue_models import QueueModel


class ModelBackground(Background):
    """Everybody but us on one market.

    What trades is matched by the exchange. What a level loses besides left it from before or from
    behind the first of our orders there; which of the two, the model says.
    """

    def __init__(self, exchange: Exchange, market: str, account: str, model: QueueModel) -> None:
        """Take the seats.

        Args:
            exchange: With flow accounts and ours.
            market: Its name.
            account: Ours.
            model: Of the queue, at the market's precision.
        """
        super().__init__(exchange, market)
        self._account = account
        self._model = model

    def shown(self, side: Side) -> list[int]:
        """Return the prices at which others rest."""
        return list(self._resting[side])

    def _shrink(self, orders: list[Order], lots: int) -> None:
        split = self._before_us(orders)
        if split is None:
            super()._shrink(orders, lots)
            return
        first, last = orders[:split], orders[split:]
        ahead = sum([order.leaves_lots for order in first])
        behind = sum([order.leaves_lots for order in last])
        level, model = ahead + behind, self._model
        place = model.resized(model.joined(ahead), level, level - lots)
        gone = max(lots - behind, min(lots, ahead - model.ahead(place)))
        super()._shrink(first, gone)
        super()._shrink(last, lots - gone)
        orders[:] = first + last

    def _before_us(self, orders: list[Order]) -> int | None:
        # How many of others' orders at their price come before the first of ours there.
        # Nobody else rests beside them and us: participants are one account.
        queue = self.market.own_side(orders[0]).levels[orders[0].ticks].orders
        for before, order in enumerate(queue.values()):
            if order.account == self._account:
                return before
        return None
