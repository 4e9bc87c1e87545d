"""Socket in -> socket out: the live engine against the paper venue, over TCP on loopback.

The venue is a child process with the synthetic flow, the engine runs here on the real network,
clock and disk. A wrapper around the Net port notes when a WebSocket read returned and when a
request's head was handed to the kernel; the journal says which frame caused which request.
"""

from __future__ import annotations

import base64
import tempfile
from bisect import bisect_right
from functools import partial
from pathlib import Path

import msgspec
import trio

from adapters.cli.child import VenueAddress, paper_venue
from adapters.cli.config import config_json, to_quoted, to_settings
from adapters.ports import Handler, SystemClock, SystemFs, SystemIds, SystemNet
from adapters.runtime.live import LiveLoop
from adapters.runtime.run import RunPlan, run_engine
from benchmarks.feeding import MARKET_DATA, ORDER_INTENTS
from benchmarks.figures import Section, spread_us
from benchmarks.session import one_market
from engine.events import Decided, Record, RequestSent
from engine.state import State

_ORDER_POST = b"POST /api/v4/order/"
_PAYLOAD = b"X-TXC-PAYLOAD: "


class _Nonce(msgspec.Struct):
    nonce: int


class _Cause(msgspec.Struct, frozen=True):
    """When the frame that a request answers to was stamped, and when it was decided on."""

    recv_ns: int
    decided_ns: int


class MeasuringNet(SystemNet):
    """The real network, noting times on the clock that the engine uses.

    Attributes:
        reads_ns: When each read of a WebSocket connection returned, ascending.
        posts: When each order request's head was about to be sent, and the head.
    """

    def __init__(self, clock: SystemClock) -> None:
        self.clock = clock
        self.reads_ns: list[int] = []
        self.posts: list[tuple[int, bytes]] = []

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        return _MeasuredStream(self, await super().connect(host, port, tls=tls))

    async def serve(
        self,
        handler: Handler,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        raise NotImplementedError("the engine serves nothing")


class _MeasuredStream(trio.abc.Stream):
    def __init__(self, net: MeasuringNet, stream: trio.abc.Stream) -> None:
        self._net = net
        self._stream = stream
        self._is_websocket = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        head = bytes(data)
        if head.startswith(_ORDER_POST):
            self._net.posts.append((self._net.clock.now_ns(), head))
        elif head.startswith(b"GET ") and b"pgrade: websocket" in head:
            self._is_websocket = True
        await self._stream.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self._stream.receive_some(max_bytes)
        if self._is_websocket:
            self._net.reads_ns.append(self._net.clock.now_ns())
        return bytes(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def is_readable(self) -> bool:
        """Tell the pool whether an idle connection was closed by its server."""
        assert isinstance(self._stream, trio.SocketStream), "loopback has no TLS"
        return bool(self._stream.socket.is_readable())


class _Causes:
    """Watches the records: which frame made which request, by nonce."""

    def __init__(self) -> None:
        self.by_nonce: dict[int, _Cause] = {}
        self._last = Record(0, 0, 0, Decided((), ()))
        self._cause: Record | None = None

    def observe(self, state: State, record: Record) -> None:
        """Take in a record, as an observer of the run."""
        event = record.event
        if isinstance(event, Decided):
            self._cause = self._last if isinstance(self._last.event, MARKET_DATA) else None
        elif isinstance(event, RequestSent):
            intent = state.decided[event.index]
            if self._cause is not None and isinstance(intent, ORDER_INTENTS):
                cause = _Cause(self._cause.recv_ns, record.recv_ns)
                self.by_nonce[event.nonce] = cause
        else:
            self._last = record


def measure_sockets(seconds: float) -> Section:
    """Quote for `seconds` of real time against a venue of our own.

    Raises:
        RemoteProtocolError: the venue did not start.
    """
    clock = SystemClock()
    net, causes = MeasuringNet(clock), _Causes()
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        trio.run(_quote, Path(directory) / "journal", net, causes, clock, seconds)
    whole, read, decide, send = [], [], [], []
    for sent_ns, head in net.posts:
        cause = causes.by_nonce.get(_nonce_of(head))
        position = 0 if cause is None else bisect_right(net.reads_ns, cause.recv_ns)
        if cause is not None and position:
            read_ns = net.reads_ns[position - 1]
            whole.append(sent_ns - read_ns)
            read.append(cause.recv_ns - read_ns)
            decide.append(cause.decided_ns - cause.recv_ns)
            send.append(sent_ns - cause.decided_ns)
    return Section(
        key="sockets",
        title="socket in -> socket out, loopback",
        rows=[
            spread_us("WebSocket read -> request head sent", whole),
            spread_us("  read -> frame stamped", read),
            spread_us("  stamped -> decided", decide),
            spread_us("  decided -> head sent", send),
        ],
        notes=[
            f"Synthetic flow, one market, {seconds:g} s; {len(net.reads_ns)} reads; requests that a"
            " market-data frame caused; fdatasync and raw capture included, no TLS. The venue is a"
            " process of its own on the same cores.",
            "Approximate: the read is the latest one, on either WebSocket, before the last frame"
            " of the decision was stamped.",
        ],
    )


def _nonce_of(head: bytes) -> int:
    payload = head.partition(_PAYLOAD)[2].partition(b"\r\n")[0]
    return msgspec.json.decode(base64.b64decode(payload), type=_Nonce).nonce


async def _quote(
    journal: Path, net: MeasuringNet, causes: _Causes, clock: SystemClock, seconds: float
) -> None:
    async with paper_venue(None, None) as address, trio.open_nursery() as nursery:
        start = partial(
            run_engine,
            _plan(address, journal),
            clock=clock,
            ids=SystemIds(),
            net=net,
            fs=SystemFs(),
            observer=causes.observe,
        )

        async def engine(task_status: trio.TaskStatus[LiveLoop]) -> None:
            await start(task_status=task_status)

        loop: LiveLoop = await nursery.start(engine)
        await trio.sleep(seconds)
        loop.stop("the time is over")


def _plan(address: VenueAddress, journal: Path) -> RunPlan:
    config = one_market()
    return RunPlan(
        mode="paper",
        market_names=tuple(config.market),
        quote=partial(to_quoted, config),
        settings=to_settings(config),
        config=config_json(config),
        rest_url=address.rest_url,
        ws_url=address.ws_url,
        key=address.key,
        secret=address.secret,
        journal=journal,
    )
