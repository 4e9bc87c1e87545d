"""Private REST handlers of the collateral account and its positions (contract 6.5, 6.6)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core import rejects
from adapters.paper.core.model import (
    RATE_DECIMALS,
    US_PER_S,
    CollateralSummary,
    FundingEvent,
    FundingPayment,
    MarketSpec,
    Reject,
    scaled_text,
    units_text,
)
from adapters.paper.rest import fields
from adapters.paper.rest.fields import Body
from adapters.paper.rest.refusals import VALIDATION, ApiError, refuse
from adapters.paper.venue import Venue

LEVERAGES = (1, 2, 3, 5, 10, 20, 50, 100)
FRACTION_DECIMALS = 8


def _accept(result: object) -> None:
    if isinstance(result, Reject):
        raise ApiError(result)


def leverage(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/leverage."""
    fields.require(body, "leverage")
    wanted = body["leverage"]
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise refuse(VALIDATION, {"leverage": ["Leverage field should be an integer."]})
    if wanted not in LEVERAGES:
        raise ApiError(rejects.LEVERAGE_INVALID)
    _accept(venue.exchange.set_leverage(account, wanted, venue.now_us()))
    return {"leverage": wanted}


def hedge_mode(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/hedge-mode."""
    return {"hedgeMode": venue.exchange.hedge_mode(account)}


def update_hedge_mode(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/hedge-mode/update; the answer's body is our choice [C]."""
    fields.require(body, "hedgeMode")
    wanted = fields.flag(body, "hedgeMode")
    _accept(venue.exchange.set_hedge_mode(account, wanted, venue.now_us()))
    return {"hedgeMode": wanted}


def summary(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/summary, where `pnl` is unrealized (G-18)."""
    totals = venue.exchange.collateral_summary(account)
    return {
        "equity": units_text(totals.equity),
        "margin": units_text(totals.margin),
        "freeMargin": units_text(totals.free_margin),
        "unrealizedFunding": units_text(totals.unrealized_funding),
        "pnl": units_text(totals.unrealized_pnl),
        "leverage": totals.leverage,
        "marginFraction": _fraction(totals),
    }


def _fraction(totals: CollateralSummary) -> str:
    """Margin over equity, cut to eight decimals; "0" without equity [C]."""
    if totals.equity <= 0:
        return "0"
    return scaled_text(totals.margin * 10**FRACTION_DECIMALS // totals.equity, FRACTION_DECIMALS)


def funding_history(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/funding-history, newest first."""
    limit, offset = fields.paging(body, 100, 100)
    market = known_market(venue, body)
    found = venue.exchange.funding_payments(account, market)[offset : offset + limit]
    records = [_payment(paid, venue.spec(paid.event.market)) for paid in found]
    return {"records": records, "limit": limit, "offset": offset}


def known_market(venue: Venue, body: Body) -> str | None:
    """The market of a filter, None without one; refuses an unknown one."""
    market = fields.optional_market(body)
    if market is not None and market not in venue.exchange.markets:
        raise ApiError(rejects.UNKNOWN_MARKET)
    return market


def _payment(paid: FundingPayment, spec: MarketSpec) -> dict[str, str]:
    shown = funding_event(paid.event, spec)
    shown["fundingAmount"] = units_text(paid.amount)
    shown["positionAmount"] = spec.qty_text(paid.lots)
    return shown


def funding_event(event: FundingEvent, spec: MarketSpec) -> dict[str, str]:
    """One record of public/funding-history (4), whose times are texts of seconds."""
    return {
        "market": event.market,
        "fundingTime": str(event.time_us // US_PER_S),
        "fundingRate": scaled_text(event.rate, RATE_DECIMALS),
        "settlementPrice": spec.price_text(event.settlement_ticks),
        "rateCalculatedTime": str(event.calculated_us // US_PER_S),
    }


def close(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/position/close; the id says which one, so the side is only read."""
    fields.require(body, "positionId", "market")
    number = body["positionId"]
    if isinstance(number, bool) or not isinstance(number, int):
        raise refuse(VALIDATION, {"positionId": ["PositionId field should be an integer."]})
    fields.position_side(body)
    market = fields.market(body)
    _accept(venue.exchange.close_position(account, market, number, venue.now_us()))
    return []
