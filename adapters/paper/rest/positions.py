"""Private REST handlers of what became of positions (contract 6.5)."""

from __future__ import annotations

from itertools import islice
from typing import Any

from adapters.paper.core.model import (
    US_PER_S,
    ClosedPosition,
    MarketSpec,
    PositionChange,
    PositionSide,
    decimal_text,
    units_text,
)
from adapters.paper.core.position_views import average_price
from adapters.paper.rest import fields
from adapters.paper.rest.collateral import known_market
from adapters.paper.rest.fields import Body
from adapters.paper.rest.refusals import VALIDATION, refuse
from adapters.paper.venue import Venue
from adapters.paper.wire import seconds

DATE_MAX_S = 1 << 40
REACH_MAX = 10_000


def _window_us(venue: Venue, body: Body) -> tuple[int, int]:
    """First and one past the last microsecond of startDate..endDate; refuses a wrong order."""
    start_s = fields.integer(body, "startDate", 0, DATE_MAX_S)
    end_s = fields.integer(body, "endDate", 0, DATE_MAX_S)
    now_s = venue.now_us() // US_PER_S
    errors = {}
    if end_s is not None and end_s > now_s + 1:
        errors["endDate"] = ["The endDate must not be in the future."]
    if start_s is not None and start_s > (DATE_MAX_S if end_s is None else end_s):
        errors["startDate"] = ["The startDate must be before or equal to endDate."]
    if errors:
        raise refuse(VALIDATION, errors)
    return (start_s or 0) * US_PER_S, (DATE_MAX_S if end_s is None else end_s + 1) * US_PER_S


def history(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/positions/history: one record per order and position [C]."""
    market = known_market(venue, body)
    position_id = fields.integer(body, "positionId", 0, DATE_MAX_S)
    limit, offset = fields.paging(body, 100, 100)
    since_us, until_us = _window_us(venue, body)
    matching = (
        change
        for change in venue.exchange.position_changes(account)
        if market in (None, change.market)
        and position_id in (None, change.position_id)
        and since_us <= change.modified_us < until_us
    )
    page = islice(matching, offset, offset + limit)
    return [_change(venue, change) for change in page]


def _average(venue: Venue, market: str, money: int, lots: int) -> str:
    if not lots:
        return ""
    return decimal_text(average_price(venue.exchange.markets[market], money, lots))


def _change(venue: Venue, change: PositionChange) -> dict[str, Any]:
    """One record; the liquidation price of that moment is not kept [C]."""
    spec, market = venue.spec(change.market), change.market
    return {
        "positionId": change.position_id,
        "market": market,
        "openDate": seconds(change.opened_us),
        "modifyDate": seconds(change.modified_us),
        "amount": spec.qty_text(change.lots),
        "basePrice": _average(venue, market, change.cost, change.lots),
        "realizedFunding": units_text(change.funding_paid),
        "liquidationPrice": None,
        "liquidationState": change.stage,
        "orderDetail": {
            "id": change.order_id,
            "tradeAmount": spec.qty_text(change.trade_lots),
            "price": _average(venue, market, change.trade_money, change.trade_lots),
            "tradeFee": units_text(change.fee),
            "fundingFee": units_text(change.funding_fee),
            "realizedPnl": units_text(change.realized_pnl),
        },
        "side": change.side,
        "isHedge": change.side is not PositionSide.BOTH,
    }


def closed_pnl(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/positions/closed-pnl, last closed first."""
    limit, offset = fields.paging(body, 50, 100)
    if limit + offset > REACH_MAX:
        text = f"The sum of offset and limit may not be greater than {REACH_MAX}."
        raise refuse(VALIDATION, {"offset": [text]})
    since_us, until_us = _window_us(venue, body)
    matching = (
        closed
        for closed in venue.exchange.closed_positions(account)
        if since_us <= closed.closed_us < until_us
    )
    page = islice(matching, offset, offset + limit)
    return [_closed(closed, venue.spec(closed.market), venue) for closed in page]


def _closed(closed: ClosedPosition, spec: MarketSpec, venue: Venue) -> dict[str, Any]:
    unit = venue.exchange.markets[closed.market].notional_unit
    return {
        "positionId": closed.position_id,
        "market": closed.market,
        "grossPnl": units_text(closed.gross_pnl),
        "netPnl": units_text(closed.gross_pnl - closed.funding_paid),
        "totalTradeFee": units_text(closed.fees),
        "totalFunding": units_text(closed.funding_paid),
        "avgEntryPrice": spec.price_text(closed.entry_money // (closed.entry_lots * unit)),
        "avgExitPrice": spec.price_text(closed.exit_money // (closed.exit_lots * unit)),
        "closedSize": spec.qty_text(closed.exit_lots),
        "amount": "0",
        "side": closed.side,
        "isHedge": closed.side is not PositionSide.BOTH,
        "openDate": closed.opened_us // US_PER_S,
        "closeDate": closed.closed_us // US_PER_S,
    }


def adl_quantile(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/adl-quantile."""
    return [
        {"market": each.market, "long": each.long, "short": each.short}
        for each in venue.exchange.adl_quantiles(account)
    ]
