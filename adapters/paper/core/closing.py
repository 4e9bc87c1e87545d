"""Market orders that close positions: on request (6.5) and in liquidation (10.12)."""

from __future__ import annotations

from adapters.paper.core.ledger import Seat
from adapters.paper.core.margin import Position
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import Order, OrderType, Side

# Liquidation knows no taker band: it closes at whatever price the book has [C].
_ANY_PRICE = {Side.BUY: 1 << 62, Side.SELL: 1}


def closing_order(matcher: Matcher, seat: Seat, position: Position, lots: int) -> Order:
    """Describe a market order that takes `lots` off a position."""
    return Order(
        order_id=matcher.next_order_id(),
        account=seat.account.spec.name,
        market=seat.market.spec.name,
        side=Side.SELL if position.lots > 0 else Side.BUY,
        type=OrderType.MARGIN_MARKET,
        ticks=0,
        lots=lots,
        leaves_lots=lots,
        ctime_us=matcher.now_us,
        mtime_us=matcher.now_us,
        ioc=True,
        collateral=True,
        position_side=position.side,
    )


def submit(matcher: Matcher, seat: Seat, order: Order) -> None:
    """Match a liquidation order against the whole book as one action."""
    matcher.submit(seat, order, _ANY_PRICE[order.side])
    matcher.finish(seat.market)
