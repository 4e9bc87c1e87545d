"""The running venue: one port for REST and WebSocket, and the task that lets time pass."""

from __future__ import annotations

import trio

from adapters.paper.auth import ApiKey, plain_address
from adapters.paper.body_log import BodyHash
from adapters.paper.config import VenueConfig, with_flow_accounts
from adapters.paper.core.exchange import Exchange
from adapters.paper.faults.wire import answer_faulty, arm, may_open
from adapters.paper.flow.source import MakeFlow
from adapters.paper.http import Request, Response, serve_http
from adapters.paper.rest.routes import PRIVATE, PUBLIC, PUBLIC_MARKET, perform, respond
from adapters.paper.state import State
from adapters.paper.venue import Venue
from adapters.paper.ws.socket import serve_websocket
from adapters.ports import AppendFile, Clock, Ids, Net
from engine.errors import ConfigError

WS_PATH = "/ws"
# A socket without a peer name (in memory) still needs some address for the limits of section 13.
NO_ADDRESS = "local"


class VenueHandle:
    """What a started venue offers to the process it runs in."""

    def __init__(self, venue: Venue, port: int) -> None:
        self.venue = venue
        self.port = port

    @property
    def accounts(self) -> list[ApiKey]:
        """Every key and its account, those of the start first."""
        return self.venue.authenticator.keys

    @property
    def exchange(self) -> Exchange:
        return self.venue.exchange

    @property
    def body_hashes(self) -> list[BodyHash]:
        """Hashes of all private request bodies, in order of arrival."""
        return self.venue.bodies.hashes()

    def cut_sockets(self) -> int:
        """Drop every WebSocket at once without a close frame; returns how many."""
        sessions = list(self.venue.feeds.sessions)
        for session in sessions:
            session.outbox.close()
        return len(sessions)


async def serve_venue(
    config: VenueConfig,
    *,
    clock: Clock,
    ids: Ids,
    net: Net,
    host: str = "127.0.0.1",
    port: int = 0,
    make_flow: MakeFlow | None = None,
    body_file: AppendFile | None = None,
    state: State | None = None,
    task_status: trio.TaskStatus[VenueHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a venue until cancelled.

    Args:
        config: Markets, accounts and switches; checked by the caller.
        clock: The venue's time.
        ids: Where keys and tokens come from.
        net: Where to listen.
        host: Address to bind; anything but loopback exposes a venue without TLS.
        port: Port to bind, 0 for a free one.
        make_flow: Builds the background participants for (exchange, start in microseconds).
        body_file: Where to append the hashes of private request bodies.
        state: What keeps the venue over restarts; `clock` and `ids` must be its own.
        task_status: Reports the handle once the port is bound.

    Raises:
        ConfigError: if the flow, a market or the address cannot be used; nothing runs then.
    """
    _refuse_unknown_limits(config)
    venue = Venue(with_flow_accounts(config), clock=clock, ids=ids, body_file=body_file)
    if state is not None:
        state.resume(venue, perform)
    is_new = state is None or state.is_new
    if make_flow is not None:
        flow_start_us = venue.start_us if is_new else venue.now_us()
        venue.flow = make_flow(venue.exchange, flow_start_us)
    if config.faults is not None:
        arm(venue, config.faults)

    async def handle(stream: trio.abc.HalfCloseableStream) -> None:
        await _serve_connection(stream, venue)

    async with trio.open_nursery() as nursery:
        try:
            bound: int = await nursery.start(net.serve, handle, host, port)
        except OSError as error:
            what = f"cannot listen on {host}:{port}: {error.strerror or error}"
            raise ConfigError(f"{what}; choose another --port or --host") from error
        # The first orders of the flow are in the book before anyone can look.
        if is_new:
            venue.play_past()
        venue.step()
        task_status.started(VenueHandle(venue, bound))
        await _let_time_pass(venue)


def _refuse_unknown_limits(config: VenueConfig) -> None:
    known = (*PRIVATE, *PUBLIC, *PUBLIC_MARKET, WS_PATH)
    for endpoint in config.rest_limits:
        if endpoint not in known:
            what = f"rest_limits: no endpoint has the limit of {endpoint!r}"
            raise ConfigError(f"{what}; see docs/venue.md for the settings")


async def _let_time_pass(venue: Venue) -> None:
    while True:
        if venue.faults is not None:
            venue.faults.tick()
        await trio.sleep(venue.step())


async def _serve_connection(stream: trio.abc.HalfCloseableStream, venue: Venue) -> None:
    address = _address(stream)

    async def answer(request: Request) -> Response:
        if venue.faults is not None:
            return await answer_faulty(venue, venue.faults, address, request, stream)
        return respond(venue, address, request)

    def may_upgrade() -> bool:
        return venue.limiter.allow(address, WS_PATH, venue.clock.steady_ns())

    try:
        upgrade = await serve_http(stream, answer, upgrade_path=WS_PATH, may_upgrade=may_upgrade)
        if upgrade is None:
            return
        if venue.faults is None or await may_open(venue.faults, stream):
            await serve_websocket(stream, upgrade, venue)
    finally:
        await trio.aclose_forcefully(stream)


def _address(stream: trio.abc.HalfCloseableStream) -> str:
    if isinstance(stream, trio.SocketStream):
        try:
            return plain_address(str(stream.socket.getpeername()[0]))
        except OSError:
            return NO_ADDRESS  # The client was gone before it was served.
    return NO_ADDRESS
