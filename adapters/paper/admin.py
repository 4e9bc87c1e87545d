"""A debug port of the venue for another process on this machine; no part of WhiteBIT's API.

Loopback only, with a token of its own: `POST /cut`, `GET /hashes|orders|timers|accounts`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import trio

from adapters.paper import rest_objects, ws_objects
from adapters.paper.http import Request, Response, serve_http
from adapters.paper.server import VenueHandle
from adapters.paper.wire import encode
from adapters.ports import Net

ADMIN_HOST = "127.0.0.1"


def _cut(handle: VenueHandle) -> Any:
    return {"cut": handle.cut_sockets()}


def _hashes(handle: VenueHandle) -> Any:
    return handle.body_hashes


def _names(handle: VenueHandle) -> list[str]:
    return [a.name for a in handle.venue.config.exchange.accounts if not a.background]


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
    spot, collateral = exchange.spot_balances(name), exchange.collateral(name)
    return {
        "spot": {asset: ws_objects.spot_balance(balance) for asset, balance in spot.items()},
        "collateral": {
            asset: ws_objects.margin_balance(balance) for asset, balance in collateral.items()
        },
        "positions": [
            rest_objects.position(held, spec(held.market)) for held in exchange.positions(name)
        ],
    }


ROUTES: dict[tuple[str, str], Callable[[VenueHandle], Any]] = {
    ("POST", "/cut"): _cut,
    ("GET", "/hashes"): _hashes,
    ("GET", "/orders"): _orders,
    ("GET", "/timers"): _timers,
    ("GET", "/accounts"): _accounts,
}


def respond(handle: VenueHandle, token: str, request: Request) -> Response:
    """Answer one admin request."""
    given = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(f"Bearer {token}".encode(), given):
        return Response(401)
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Response(404)
    handle.venue.catch_up()
    handle.venue.publish()
    return Response(200, encode(route(handle)))


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
