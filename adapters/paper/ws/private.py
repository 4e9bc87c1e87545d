"""Private WebSocket methods: authorize, balances, orders, deals, positions (11.2-11.5)."""

from __future__ import annotations

from itertools import islice
from typing import Any

from adapters.paper.core.model import Order
from adapters.paper.venue import Venue
from adapters.paper.ws import objects as ws_objects
from adapters.paper.ws.methods import (
    CONFIRMED,
    REQUIRE_AUTHENTICATION,
    Answer,
    Method,
    WsError,
    expect,
    invalid,
    market,
    markets,
    page,
)
from adapters.paper.ws.session import Names, Session

# ordersExecuted_subscribe's filter: 0 everything, 1 limit orders, 2 market orders (11.4); a stop
# counts as what it becomes [C]. The numbers are the wire's order types (11.5).
_FILTERS: dict[int, tuple[int, ...]] = {
    0: (),
    1: (1, 3, 7, 9),
    2: (2, 4, 8, 10, 14, 202),
}
# Channels of whole lists and of margin events; those that begin with a snapshot.
_WHOLE = ("positionsMargin", "positionsAccountMargin", "borrowsMargin", "borrowsAccountMargin")
_SNAPSHOTS = ("positionsMargin", "borrowsMargin")


def authorize(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """Bind the connection to the token's account, once; a second account is refused [C]."""
    if len(params) != 2 or not isinstance(params[0], str):
        raise invalid()
    account = venue.tokens.redeem(params[0], venue.clock.steady_ns())
    if account is None or session.account not in (None, account):
        raise invalid()
    session.account = account
    return CONFIRMED


def _account(session: Session) -> str:
    if session.account is None:
        raise WsError(REQUIRE_AUTHENTICATION)
    return session.account


def _assets(params: list[Any], known: list[str]) -> list[str]:
    """Named assets, all when none is named; an unknown one is refused."""
    if any(not isinstance(asset, str) or asset not in known for asset in params):
        raise invalid()
    return list(dict.fromkeys(params)) or known


def spot_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    balances = venue.exchange.spot_balances(_account(session))
    wanted = _assets(params, list(balances))
    return Answer({asset: ws_objects.spot_balance(balances[asset]) for asset in wanted})


def spot_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    _assets(params, list(venue.exchange.spot_balances(_account(session))))
    session.sets["balanceSpot"] = tuple(dict.fromkeys(params))
    return CONFIRMED


def margin_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    account = _account(session)
    wanted = _margin_assets(venue, account, params)
    held = (
        [venue.exchange.collateral_in(account, asset) for asset in wanted]
        if wanted
        else venue.exchange.collateral_balances(account)
    )
    return Answer({each.asset: ws_objects.margin_balance(each) for each in held if each})


def _margin_assets(venue: Venue, account: str, params: list[Any]) -> Names:
    """Assets by name, each once; one that no position settles in has a balance of 0."""
    _assets(params, list(venue.exchange.spot_balances(account)))
    return tuple(dict.fromkeys(params))


def margin_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    session.sets["balanceMargin"] = _margin_assets(venue, _account(session), params)
    return CONFIRMED


def pending_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    account = _account(session)
    expect(params, 3)
    name = market(venue, params[0])
    offset, limit = page(params[1], params[2])
    found = venue.exchange.open_orders(account, name)
    spec = venue.spec(name)
    records = [ws_objects.pending_order(order, spec) for order in found[offset : offset + limit]]
    return Answer({"limit": limit, "offset": offset, "total": len(found), "records": records})


def pending_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    _account(session)
    session.sets["ordersPending"] = markets(venue, params)
    return CONFIRMED


def executed_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    account = _account(session)
    expect(params, 3)
    if not isinstance(params[0], dict):
        raise invalid()
    name, types = params[0].get("market"), params[0].get("order_types", [])
    name = None if name is None else market(venue, name)
    if not isinstance(types, list):
        raise invalid()
    offset, limit = page(params[1], params[2])
    matching = (
        order
        for order in venue.exchange.finished_orders(account)
        if (name is None or order.market == name) and (not types or int(order.type) in types)
    )
    found = islice(matching, offset, offset + limit)
    records = [_executed(venue, order) for order in found]
    return Answer({"limit": limit, "offset": offset, "records": records})


def _executed(venue: Venue, order: Order) -> dict[str, Any]:
    return ws_objects.executed_order(order, venue.spec(order.market))


def executed_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """`[[market, ...], filter]`; a missing filter is 0 [C]."""
    _account(session)
    expect(params, 1, 2)
    chosen = params[1] if len(params) == 2 else 0
    if not isinstance(chosen, int) or isinstance(chosen, bool) or chosen not in _FILTERS:
        raise invalid()
    session.sets["ordersExecuted"] = markets(venue, params[0])
    session.executed_types = _FILTERS[chosen]
    return CONFIRMED


def deals_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    account = _account(session)
    expect(params, 3)
    name = market(venue, params[0])
    offset, limit = page(params[1], params[2])
    matching = (fill for fill in venue.exchange.deals(account) if fill.market == name)
    found = islice(matching, offset, offset + limit)
    spec = venue.spec(name)
    records = [ws_objects.deal_record(fill, spec) for fill in found]
    return Answer({"limit": limit, "offset": offset, "records": records})


def deals_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """`[[market, ...]]`, nested; `[[]]` is all."""
    _account(session)
    expect(params, 1)
    session.sets["deals"] = markets(venue, params[0])
    return CONFIRMED


def _subscribe(channel: str) -> Method:
    """A channel without names to choose from; the first snapshot comes with its next tick."""

    def method(venue: Venue, session: Session, params: list[Any]) -> Answer:
        _account(session)
        session.sets[channel] = ()
        if channel in _SNAPSHOTS:
            session.owed.add(channel)
        return CONFIRMED

    return method


def adl_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """`[]` is all perpetuals; other markets are refused."""
    _account(session)
    names = markets(venue, params)
    if not all(venue.spec(name).is_perpetual for name in names):
        raise invalid()
    session.sets["ADLQuantile"] = names
    session.quantiles = None
    return CONFIRMED


def _unsubscribe(channel: str) -> Method:
    def method(venue: Venue, session: Session, params: list[Any]) -> Answer:
        _account(session)
        session.sets.pop(channel, None)
        session.owed.discard(channel)
        return CONFIRMED

    return method


METHODS: dict[str, Method] = {
    "authorize": authorize,
    "balanceSpot_request": spot_request,
    "balanceSpot_subscribe": spot_subscribe,
    "balanceSpot_unsubscribe": _unsubscribe("balanceSpot"),
    "balanceMargin_request": margin_request,
    "balanceMargin_subscribe": margin_subscribe,
    "balanceMargin_unsubscribe": _unsubscribe("balanceMargin"),
    "ordersPending_request": pending_request,
    "ordersPending_subscribe": pending_subscribe,
    "ordersPending_unsubscribe": _unsubscribe("ordersPending"),
    "ordersExecuted_request": executed_request,
    "ordersExecuted_subscribe": executed_subscribe,
    "ordersExecuted_unsubscribe": _unsubscribe("ordersExecuted"),
    "deals_request": deals_request,
    "deals_subscribe": deals_subscribe,
    "deals_unsubscribe": _unsubscribe("deals"),
    "ADLQuantile_subscribe": adl_subscribe,
    "ADLQuantile_unsubscribe": _unsubscribe("ADLQuantile"),
    **{f"{channel}_subscribe": _subscribe(channel) for channel in _WHOLE},
    **{f"{channel}_unsubscribe": _unsubscribe(channel) for channel in _WHOLE},
}
