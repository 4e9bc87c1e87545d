"""Our way against the plain way, measured in one run on one machine: ratios travel, µs do not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import trio

from adapters.ports import SystemNet
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.urls import parse_url
from benchmarks.feeding import make_signer
from benchmarks.figures import Row, Section, percentile, timed_ns
from benchmarks.session import Session
from engine.events import BestBidOffer, RunStarted

_PATH = "/api/v4/order/modify"
_HOST = "127.0.0.1"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


def measure_ratios(session: Session, repeats: int, posts: int) -> Section:
    """Compare signing, parsing and posting with what one would write first."""
    rows = [*_signing(repeats), *_parsing(session, repeats)]
    rows += trio.run(_posting, posts)
    return Section(
        key="ratios",
        title="ours against the plain way",
        rows=rows,
        notes=[
            "ratio: the plain way's time over ours, best pass of each; above 1 ours is faster.",
            f"bookTicker frames: {session.label}. POST: round trip of a 150-byte body on loopback"
            " to a server that answers at once, p50.",
        ],
    )


def _rows(name: str, ours_us: float, plain: str, plain_us: float) -> list[Row]:
    return [
        Row(f"{name}: ours", "µs", {"best": ours_us, "ratio": plain_us / ours_us}),
        Row(f"{name}: {plain}", "µs", {"best": plain_us}),
    ]


def _best_us(work: Callable[[], object], calls: int, repeats: int) -> float:
    return min(timed_ns(work, repeats)) / calls / 1000


def _signing(repeats: int) -> list[Row]:
    body = b'{"market":"BTC_USDT","clientOrderId":"x","amount":"0.005","price":"62000.01"}'
    ours, calls = make_signer().headers, 200

    def plain() -> list[tuple[bytes, bytes]]:
        payload = base64.b64encode(body)
        signature = hmac.new(b"not-a-real-secret", payload, hashlib.sha512).hexdigest()
        return [
            (b"Content-Type", b"application/json"),
            (b"X-TXC-APIKEY", b"benchmark"),
            (b"X-TXC-PAYLOAD", payload),
            (b"X-TXC-SIGNATURE", signature.encode()),
        ]

    assert ours(_PATH, body) == plain(), "both ways sign alike"
    ours_us = _best_us(lambda: [ours(_PATH, body) for _ in range(calls)], calls, repeats)
    plain_us = _best_us(lambda: [plain() for _ in range(calls)], calls, repeats)
    return _rows("sign a request", ours_us, "hmac", plain_us)


def _parsing(session: Session, repeats: int) -> list[Row]:
    started = session.records[0].event
    assert isinstance(started, RunStarted), "a session begins with its start"
    markets = {quoted.market.name: quoted.market for quoted in started.quoted}
    tickers = [r.seq for r in session.records if isinstance(r.event, BestBidOffer)][:500]
    frames = [session.raw[seq].data for seq in tickers]
    normaliser = Normaliser(markets)

    def plain(data: bytes) -> tuple[str, int, float, Decimal, Decimal, Decimal, Decimal]:
        _, time, market, update_id, bid, bid_qty, ask, ask_qty = json.loads(data)["params"][0]
        return (
            market,
            update_id,
            time,
            Decimal(bid),
            Decimal(bid_qty),
            Decimal(ask),
            Decimal(ask_qty),
        )

    frame = normaliser.frame
    ours_us = _best_us(lambda: [frame("s", data) for data in frames], len(frames), repeats)
    plain_us = _best_us(lambda: [plain(data) for data in frames], len(frames), repeats)
    return _rows("read a bookTicker frame", ours_us, "json + Decimal", plain_us)


# --- POST on loopback ---------------------------------------------------------------------------


async def _posting(posts: int) -> list[Row]:
    net, body = SystemNet(), b"x" * 150
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(net.serve, _answer, _HOST, 0)
        url = f"http://{_HOST}:{port}/"
        async with Lanes(net, parse_url(url)) as lanes:
            ours = await _round_trips(partial(lanes.post, "/", [], body), posts)
        async with make_http_client(net, limits=httpx.Limits(max_connections=1)) as client:
            plain = await _round_trips(partial(client.post, url, content=body), posts)
        nursery.cancel_scope.cancel()
    return _rows("POST round trip", ours, "httpx", plain)


async def _round_trips(post: Callable[[], Any], posts: int) -> float:
    times = []
    for _ in range(posts):
        start = trio.current_time()
        await post()
        times.append(round((trio.current_time() - start) * 1e9))
    return percentile(sorted(times), 50.0) / 1000


async def _answer(stream: trio.abc.HalfCloseableStream) -> None:
    # Just enough of a server for the two clients above: every body is 150 bytes of "x".
    pending = b""
    async with stream:
        while data := await stream.receive_some(65_536):
            pending += data
            _, end, rest = pending.partition(b"\r\n\r\n")
            if end and len(rest) >= 150:
                pending = b""
                await stream.send_all(_ANSWER)
