"""Clearing an account's markets against a scripted venue: what fails, what comes late."""

from __future__ import annotations

import json
from collections.abc import Callable

import h11
import pytest
import trio
from trio.testing import MockClock

from adapters.runtime.panic import ANSWER_S, Cleared, Clearing
from adapters.simulated import SimClock, SimNet
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.signing import Secret, Signer
from adapters.whitebit.urls import parse_url
from tests.whitebit.test_rest import HOST, Server

S = 1_000_000_000
NAME = "BTC_USDT"
ALL, ONE, LIST = "/api/v4/order/cancel/all", "/api/v4/order/cancel", "/api/v4/orders"
TIME = "/api/v4/public/time"
PATIENCE_NS = 12 * S

Reply = tuple[int, bytes] | None
AUTH = (401, b'{"code":10,"message":"Unauthorized request."}')
USED = (429, b'{"code":0,"message":"Too many requests.","errors":{}}')
OLD = (
    401,
    b'{"code":0,"message":"Your nonce is more than 5 seconds lesser than the current nonce",'
    b'"errors":{}}',
)


class Venue:
    """Open orders by id, and what happens to requests before they count.

    Attributes:
        orders: Ids open now.
        replies: By path, taken from the front; a `...` lets the request through.
        asked: Paths in order of arrival, with the venue's second.
    """

    def __init__(self, *orders: int, server_ahead_s: int = 0) -> None:
        self.orders = list(orders)
        self.replies: dict[str, list[Reply | type(...)]] = {}  # type: ignore[valid-type]
        self.late: list[tuple[float, int]] = []
        self.asked: list[tuple[str, float]] = []
        self.ahead_s = server_ahead_s
        self.has_cancel_all = True

    def answer(self, head: h11.Request, body: bytes) -> Reply:
        path, now_s = bytes(head.target).decode(), trio.current_time()
        self.asked.append((path, now_s))
        self.orders += [order for at_s, order in self.late if at_s <= now_s]
        self.late = [each for each in self.late if each[0] > now_s]
        planned = self.replies.get(path, [])
        reply = planned.pop(0) if planned else ...
        if reply is not ...:
            return reply
        if path == TIME:
            return 200, b'{"time":%d}' % (SimClock().now_ns() // S + self.ahead_s)
        sent = json.loads(body)
        venue_ms = SimClock().now_ns() // 1_000_000 + self.ahead_s * 1000
        if abs(sent["nonce"] - venue_ms) > 5000:
            return OLD
        assert sent["market"] == NAME
        if path == ALL:
            if not self.has_cancel_all:
                return 404, b""
            self.orders.clear()
        elif path == ONE:
            self.orders.remove(sent["orderId"])
        return 200, json.dumps([{"orderId": order} for order in self.orders]).encode()

    def count(self, path: str) -> int:
        return sum(each == path for each, _ in self.asked)


async def clear(
    answer: Callable[[h11.Request, bytes], Reply], told: list[tuple[str, int]] | None = None
) -> Cleared:
    net, server = SimNet(seed=1), Server(answer)
    async with trio.open_nursery() as nursery:
        await nursery.start(net.serve, server.handle, HOST, 80)

        def tell(market: str, open_orders: int, elapsed_ns: int) -> None:
            if told is not None:
                told.append((market, open_orders))

        async with Lanes(net, parse_url(f"http://{HOST}")) as lanes:
            signer = Signer(Secret("key"), Secret("secret"))
            clearing = Clearing(lanes, signer, SimClock(), PATIENCE_NS, tell)
            (found,) = await clearing.clear((NAME,))
        nursery.cancel_scope.cancel()
    return found


async def test_a_market_is_cancelled_once_and_watched_through_the_nonce_window(
    autojump_clock: MockClock,
) -> None:
    venue, told = Venue(1, 2, 3), list[tuple[str, int]]()
    found = await clear(venue.answer, told)
    assert (found.clear, found.cancels, found.late, found.error) == (True, 1, 0, "")
    assert found.clear_ns < S // 10
    assert told == [(NAME, 0)]
    assert venue.asked[0][0] == ALL
    assert venue.count(ALL) == 1
    # Nonce window and margin are 6 s together; looked at four times a second.
    assert 6 < venue.asked[-1][1] < 6.5
    assert venue.count(LIST) > 20


async def test_an_order_that_the_cancel_overtook_is_cancelled_too(
    autojump_clock: MockClock,
) -> None:
    venue, told = Venue(1), list[tuple[str, int]]()
    venue.late = [(3.0, 2), (4.5, 3)]
    found = await clear(venue.answer, told)
    assert (found.clear, found.cancels, found.late) == (True, 3, 2)
    assert venue.orders == []
    assert told == [(NAME, 0), (NAME, 1), (NAME, 0), (NAME, 1), (NAME, 0)]


FAILURES: list[tuple[str, dict[str, list[Reply]], str]] = [
    ("the cancel is busy twice", {ALL: [(503, b""), (500, b"<html>")]}, f"{ALL}: HTTP 500"),
    ("the connection breaks", {ALL: [None], LIST: [None]}, "no answer: RemoteProtocolError"),
    ("the gateway throttles", {ALL: [(429, b"slow down")]}, f"{ALL}: HTTP 429"),
    ("the listing is no list", {LIST: [(200, b'{"a":1}')]}, "open orders: an answer that is"),
    ("the listing is cut off", {LIST: [(200, b'[{"orderId":1')]}, "open orders: an answer that is"),
    ("the venue is busy with itself", {ALL: [(422, b'{"code":15,"errors":{"error":["x"]}}')]},
     f"{ALL}: HTTP 422 x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "replies", "error"), FAILURES, ids=[case[0] for case in FAILURES])
async def test_what_fails_for_a_moment_is_asked_again(
    name: str, replies: dict[str, list[Reply]], error: str, autojump_clock: MockClock
) -> None:
    venue = Venue(1, 2)
    venue.replies = {path: list(planned) for path, planned in replies.items()}
    found = await clear(venue.answer)
    assert (found.clear, found.open_orders) == (True, 0)
    assert found.error.startswith(error)
    assert venue.orders == []


async def test_a_nonce_that_the_engine_used_is_drawn_anew_at_once(
    autojump_clock: MockClock,
) -> None:
    venue = Venue(1)
    venue.replies = {ALL: [USED]}
    found = await clear(venue.answer)
    assert (found.clear, found.error) == (True, "")
    assert found.clear_ns < S // 10
    assert venue.count(TIME) == 0


@pytest.mark.parametrize("ahead_s", [-3600, 7])
async def test_a_clock_that_is_off_is_corrected_by_the_venues(
    ahead_s: int, autojump_clock: MockClock
) -> None:
    venue = Venue(1, server_ahead_s=ahead_s)
    found = await clear(venue.answer)
    assert venue.orders == []
    assert venue.count(TIME) == 1
    assert 0 < found.clear_ns < S // 10
    assert found.clear


async def test_without_a_time_it_is_tried_until_patience_ends(autojump_clock: MockClock) -> None:
    venue = Venue(1, server_ahead_s=60)
    venue.replies = {TIME: [(200, b"[]")] * 1000}
    found = await clear(venue.answer)
    assert (found.clear, found.clear_ns, found.error) == (
        False,
        0,
        f"{TIME}: HTTP 200 without a time",
    )


async def test_a_key_that_is_refused_is_not_tried_again(autojump_clock: MockClock) -> None:
    venue = Venue(1)
    venue.replies = {ALL: [AUTH]}
    found = await clear(venue.answer)
    assert not found.clear
    assert found.error == f"{ALL}: HTTP 401 Unauthorized request."
    assert len(venue.asked) == 1


async def test_nonces_that_are_always_refused_end_with_patience(
    autojump_clock: MockClock,
) -> None:
    venue = Venue(1)
    venue.replies = {ALL: [USED] * 1000, LIST: [USED] * 1000}
    found = await clear(venue.answer)
    assert (found.clear, found.error) == (False, f"{LIST}: HTTP 429 Too many requests.")


async def test_a_venue_without_cancel_all_gets_each_order_cancelled(
    autojump_clock: MockClock,
) -> None:
    venue = Venue(1, 2, 3)
    venue.has_cancel_all = False
    found = await clear(venue.answer)
    assert (found.clear, found.cancels, venue.orders) == (True, 3, [])


async def test_an_order_that_cannot_be_cancelled_keeps_no_other_from_it(
    autojump_clock: MockClock,
) -> None:
    venue = Venue(1, 2, 3)
    venue.has_cancel_all = False

    def answer(head: h11.Request, body: bytes) -> Reply:
        if head.target == ONE.encode() and b'"orderId":1,' in body:
            return 422, b'{"code":155,"errors":{"orderId":["a leg"]}}'
        return venue.answer(head, body)

    found = await clear(answer)
    assert venue.orders == [1]
    assert (found.clear, found.cancels, found.open_orders) == (False, 2, 1)
    assert found.error in (f"{ONE}: HTTP 422 a leg", f"{ALL}: HTTP 404")


async def test_an_order_that_nothing_cancels_is_reported(autojump_clock: MockClock) -> None:
    def answer(head: h11.Request, body: bytes) -> Reply:
        return 200, b'[{"orderId":7}]'

    found = await clear(answer)
    assert (found.clear, found.open_orders, found.clear_ns, found.error) == (False, 1, 0, "")
    assert found.cancels > 10


async def test_an_answer_that_never_comes_is_given_up(autojump_clock: MockClock) -> None:
    net = SimNet(seed=1)

    async def silent(stream: trio.abc.HalfCloseableStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(net.serve, silent, HOST, 80)
        async with Lanes(net, parse_url(f"http://{HOST}")) as lanes:
            signer = Signer(Secret("key"), Secret("secret"))
            clearing = Clearing(lanes, signer, SimClock(), PATIENCE_NS, lambda *_: None)
            (found,) = await clearing.clear((NAME,))
        nursery.cancel_scope.cancel()
    assert (found.clear, found.error) == (False, f"no answer within {ANSWER_S:g} s")
    assert trio.current_time() < PATIENCE_NS / S + 2 * ANSWER_S + 1
