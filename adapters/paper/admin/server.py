"""A port of the venue for its operator and for tests; no part of WhiteBIT's API.

Loopback only, with a token of its own. Every command is a row of a table of routes; docs/venue.md
shows each.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import Any

import trio

from adapters.paper.admin import accounts as admin_accounts
from adapters.paper.admin import clock as admin_clock
from adapters.paper.admin import faults as admin_faults
from adapters.paper.admin.routes import CommandError, Route, show
from adapters.paper.http import Request, Response, serve_http
from adapters.paper.rest import objects as rest_objects
from adapters.paper.server import VenueHandle
from adapters.paper.venue import Venue
from adapters.paper.wire import encode
from adapters.paper.ws import objects as ws_objects
from adapters.ports import Net

ADMIN_HOST = "127.0.0.1"


def _cut(handle: VenueHandle) -> Any:
    return {"cut": handle.cut_sockets()}


def _hashes(handle: VenueHandle) -> Any:
    return handle.body_hashes


def _names(handle: VenueHandle) -> list[str]:
    return [name for name, held in handle.exchange.accounts.items() if not held.background]


def _orders(handle: VenueHandle) -> Any:
    exchange, spec = handle.exchange, handle.venue.spec
    return {
        name: [
            rest_objects.listed(order, spec(order.market)) for order in exchange.open_orders(name)
        ]
        for name in _names(handle)
    }


def _timers(handle: VenueHandle) -> Any:
    return {
        name: [rest_objects.kill_switch(timer) for timer in handle.exchange.kill_switches(name)]
        for name in _names(handle)
    }


def _accounts(handle: VenueHandle) -> Any:
    return {name: _account(handle, name) for name in _names(handle)}


def _account(handle: VenueHandle, name: str) -> dict[str, Any]:
    exchange, spec = handle.exchange, handle.venue.spec
    spot, collateral = exchange.spot_balances(name), exchange.collateral_balances(name)
    return {
        "spot": {asset: ws_objects.spot_balance(balance) for asset, balance in spot.items()},
        "collateral": {each.asset: ws_objects.margin_balance(each) for each in collateral},
        "positions": [
            rest_objects.position(held, spec(held.market)) for held in exchange.positions(name)
        ],
    }


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/cut"): show(_cut),
    ("GET", "/hashes"): show(_hashes),
    ("GET", "/orders"): show(_orders),
    ("GET", "/timers"): show(_timers),
    ("GET", "/accounts"): show(_accounts),
    **admin_accounts.ROUTES,
    **admin_clock.ROUTES,
    **admin_faults.ROUTES,
}


def respond(handle: VenueHandle, token: str, request: Request) -> Response:
    """Answer one admin request; 400 with `{"error": text}` for a command that cannot be done."""
    given = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(f"Bearer {token}".encode(), given):
        return Response(401)
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Response(404)
    venue = handle.venue
    venue.catch_up()
    venue.publish()
    if venue.state is None or (request.method, request.path) not in admin_accounts.CHANGES:
        return _perform(handle, route, request.body)
    again = partial(_perform, handle, route, request.body)
    return venue.state.ask(venue, "", request.path, request.body, again)


def perform(venue: Venue, path: str, body: bytes) -> Response:
    """Do a command that was done once, see `state.py`."""
    return _perform(VenueHandle(venue, 0), ROUTES["POST", path], body)


def _perform(handle: VenueHandle, route: Route, body: bytes) -> Response:
    try:
        answer = route(handle, body)
    except CommandError as error:
        return Response(400, encode({"error": str(error)}))
    handle.venue.publish()
    return Response(200, encode(answer))


async def serve_admin(
    handle: VenueHandle,
    token: str,
    net: Net,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the admin port until cancelled; reports the port."""

    async def answer(request: Request) -> Response:
        return respond(handle, token, request)

    async def connection(stream: trio.abc.HalfCloseableStream) -> None:
        try:
            await serve_http(stream, answer)
        finally:
            await trio.aclose_forcefully(stream)

    await net.serve(connection, ADMIN_HOST, 0, task_status=task_status)
