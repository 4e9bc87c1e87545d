"""Private REST handlers of what is over: deals, finished and delisted orders (contract 5.8)."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from adapters.paper.core.model import US_PER_S, Deal, Order, Status
from adapters.paper.rest import fields
from adapters.paper.rest import objects as rest_objects
from adapters.paper.rest.fields import Body
from adapters.paper.rest.refusals import MARKET, VALIDATION, refuse
from adapters.paper.venue import Venue

DATE_MAX_S = 1 << 40
DAY_S = 86_400
MONTH_S = 30 * DAY_S
WINDOW_MAX_S = 31 * DAY_S
KEPT_MONTHS = 6
LIMIT_MAX = 500
QUERY_END_MAX = 10_000
_MARKET_NAME = re.compile(r"[A-Z0-9]+_[A-Z0-9]+", re.ASCII)


def executed_history(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/executed-history: a list with `market`, else a map by market.

    With `clientOrderId` the dates do not matter, as in order/history [C].
    """
    market = _market(venue, body)
    client_id = fields.client_order_id(body)
    limit, offset = fields.paging(body, 50, LIMIT_MAX)
    start_s, end_s = _dates(body)
    floor_s = _floor_s(venue.now_us())
    if client_id:
        if not _client_id_known(venue, account, client_id, market):
            raise _not_found()
        start_s, end_s = floor_s, DATE_MAX_S
    since_us = max(floor_s, floor_s if start_s is None else start_s) * US_PER_S
    until_us = (DATE_MAX_S if end_s is None else end_s + 1) * US_PER_S

    def wanted(fill: Deal) -> bool:
        return (
            market in (None, fill.market)
            and since_us <= fill.time_us < until_us
            and (not client_id or fill.client_order_id == client_id)
        )

    matching = filter(wanted, venue.exchange.deals(account))
    page = list(islice(matching, offset, offset + limit))
    if market is not None:
        return [rest_objects.deal(fill, venue.spec(market)) for fill in page]
    by_market: dict[str, list[Any]] = {}
    for fill in page:
        shown = rest_objects.deal(fill, venue.spec(fill.market))
        by_market.setdefault(fill.market, []).append(shown)
    return by_market


def order_deals(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/order: the deals of one order; an unknown one has none."""
    fields.require(body, "orderId")
    order_id = fields.optional_order_id(body)
    # The page names no greatest limit; this is that of the other histories [C].
    limit, offset = fields.paging(body, 50, LIMIT_MAX)
    since_us = _floor_s(venue.now_us()) * US_PER_S
    matching = (
        fill
        for fill in venue.exchange.deals(account)
        if fill.order_id == order_id and fill.time_us >= since_us
    )
    records = [
        rest_objects.order_deal(fill, venue.spec(fill.market))
        for fill in islice(matching, offset, offset + limit)
    ]
    return {"records": records, "offset": offset, "limit": limit}


def order_history(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/order/history: finished orders by market, latest to finish first."""
    market = _market(venue, body)
    order_id, client_id = fields.optional_order_id(body), fields.client_order_id(body)
    limit, offset = fields.paging(body, 50, LIMIT_MAX)
    chosen = _status(body)
    start_s, end_s = _dates(body)
    now_us = venue.now_us()
    if order_id is not None:
        wanted = _by_id(order_id, now_us)
    elif client_id:
        wanted = _by_client_id(client_id, now_us)
    else:
        wanted = _by_date(chosen, *_window(start_s, end_s, now_us))
    matching = [
        order
        for order in venue.exchange.finished_orders(account)
        if market in (None, order.market) and wanted(order)
    ]
    if client_id and order_id is None and not matching:
        raise _not_found()
    by_market: dict[str, list[Any]] = {}
    for order in matching[offset : offset + limit]:
        shown = rest_objects.finished(order, venue.spec(order.market))
        by_market.setdefault(order.market, []).append(shown)
    return by_market


def delisting_history(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/order/history/query: always empty, the venue delists nothing [C]."""
    _market(venue, body)
    status = body.get("status")
    if status is not None and status not in ("filled", "delisting"):
        raise refuse(VALIDATION, {"status": ["The selected status is invalid."]})
    limit, offset = fields.paging(body, LIMIT_MAX, LIMIT_MAX)
    if offset + limit > QUERY_END_MAX:
        text = f"The sum of offset and limit may not be greater than {QUERY_END_MAX}."
        raise refuse(VALIDATION, {"offset": [text]})
    start_s, end_s = _dates(body)
    now_s = venue.now_us() // US_PER_S
    _check_window(now_s - MONTH_S if start_s is None else start_s, end_s, now_s)
    return []


def _not_found() -> Exception:
    return refuse(VALIDATION, {"orderHistory": ["OrderHistory was not found."]})


def _market(venue: Venue, body: Body) -> str | None:
    name = fields.optional_market(body)
    if name is None:
        return None
    if not _MARKET_NAME.fullmatch(name):
        raise refuse(MARKET, {"market": ["Market field format is invalid."]})
    if name not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    return name


def _dates(body: Body) -> tuple[int | None, int | None]:
    start_s = fields.integer(body, "startDate", 0, DATE_MAX_S)
    return start_s, fields.integer(body, "endDate", 0, DATE_MAX_S)


def _floor_s(now_us: int) -> int:
    """Midnight UTC of the day six months ago, the earliest that histories reach."""
    today = datetime.fromtimestamp(now_us // US_PER_S, UTC)
    months = today.year * 12 + today.month - 1 - KEPT_MONTHS
    year, month = divmod(months, 12)
    day = min(today.day, monthrange(year, month + 1)[1])
    return int(datetime(year, month + 1, day, tzinfo=UTC).timestamp())


def _window(start_s: int | None, end_s: int | None, now_us: int) -> tuple[int, int]:
    """First and last second of a list of finished orders; refused outside the limits."""
    now_s, floor_s = now_us // US_PER_S, _floor_s(now_us)
    first_s = now_s - MONTH_S if start_s is None else start_s
    if first_s < floor_s:
        text = f"The startDate must be at least {floor_s}."
        raise refuse(VALIDATION, {"startDate": [text]})
    return first_s, _check_window(first_s, end_s, now_s)


def _check_window(first_s: int, end_s: int | None, now_s: int) -> int:
    """Return the last second, cut to now; the texts are not documented [C]."""
    last_s = now_s if end_s is None else min(end_s, now_s)
    if first_s > last_s:
        text = "The startDate must not be later than endDate."
        raise refuse(VALIDATION, {"startDate": [text]})
    if last_s - first_s > WINDOW_MAX_S:
        text = "The range between startDate and endDate may not be greater than 31 days."
        raise refuse(VALIDATION, {"startDate": [text]})
    return last_s


def _status(body: Body) -> str:
    value = body.get("status")
    if value is None:
        return "ALL"
    if value not in ("ALL", "FILLED", "CANCELED", "PARTIALLY_FILLED"):
        raise refuse(VALIDATION, {"status": ["The selected status is invalid."]})
    return str(value)


def _by_id(order_id: int, now_us: int) -> Callable[[Order], bool]:
    since_us = _floor_s(now_us) * US_PER_S
    return lambda order: order.order_id == order_id and order.ftime_us >= since_us


def _by_client_id(client_id: str, now_us: int) -> Callable[[Order], bool]:
    # An id may have been used again after its order ended: all of them are shown [C].
    since_us = _floor_s(now_us) * US_PER_S
    return lambda order: order.client_order_id == client_id and order.ftime_us >= since_us


def _by_date(chosen: str, first_s: int, last_s: int) -> Callable[[Order], bool]:
    """Orders that finished within the window and whose outcome is the chosen one.

    CANCELED means every kind of cancel, PARTIALLY_FILLED a cancel after some fills [C, G-37].
    """

    def wanted(order: Order) -> bool:
        if not first_s <= order.ftime_us // US_PER_S <= last_s:
            return False
        if chosen == "PARTIALLY_FILLED":
            return order.status is not Status.FILLED and order.deal_lots > 0
        return chosen == "ALL" or (order.status is Status.FILLED) is (chosen == "FILLED")

    return wanted


def _client_id_known(venue: Venue, account: str, client_id: str, market: str | None) -> bool:
    exchange = venue.exchange
    known: Iterable[Order | Deal]
    for known in (
        exchange.open_orders(account, market),
        exchange.finished_orders(account),
        exchange.deals(account),
    ):
        if any(k.client_order_id == client_id and market in (None, k.market) for k in known):
            return True
    return False
