"""Faults of REST responses, markets, tokens and the clock, as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.venue_client import HOST, START_NS, Bench, bench

NEW = "/api/v4/order/new"
ORDER = {"market": "BTC_USDT", "side": "buy", "price": "60000", "amount": "0.01"}
PERP = {**ORDER, "market": "BTC_PERP"}


def fault(run: Bench, **rule: Any) -> None:
    status, answer = run.admin("POST", "/faults", **rule)
    assert status == 200, answer


def log(run: Bench) -> list[tuple[str, str]]:
    return [(done["kind"], done["place"]) for done in run.admin("GET", "/faults")[1]["log"]]


def open_orders(run: Bench) -> int:
    return len(run.admin("GET", "/orders")[1]["demo-1"])


ANSWERS = [
    (429, b"<html><body><h1>429 Too Many Requests"),
    (502, b"<html><body><h1>502 Bad Gateway"),
    (503, b"<html><body><h1>503 Service Temporarily Unavailable"),
    (504, b"<html><body><h1>504 Gateway Time-out"),
]


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize(("status", "text"), ANSWERS, ids=[str(case[0]) for case in ANSWERS])
async def test_a_gateway_answers_before_or_after_the_exchange_accepted(
    nursery: trio.Nursery, autojump_clock: MockClock, status: int, text: bytes, accepted: bool
) -> None:
    run = await bench(nursery)
    fault(run, kind="answer", path=NEW, status=status, accepted=accepted, times=1)
    found, body = await run.alice.post("order/new", **ORDER)
    assert (found, body[: len(text)]) == (status, text)
    assert open_orders(run) == accepted
    await run.alice.ok("order/new", **ORDER)
    assert log(run) == [("answer", f"POST {NEW} BTC_USDT")]


async def test_an_internal_error_is_json(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    fault(run, kind="answer", path="/api/v4/public/*", status=500)
    assert await run.alice.get("time") == (500, {"error": ["Internal server error."]})
    await run.alice.ok("orders")


@pytest.mark.parametrize(("accepted", "resting_s"), [(False, 7), (True, 0)])
async def test_a_delay_is_before_or_after_the_exchange(
    nursery: trio.Nursery, autojump_clock: MockClock, accepted: bool, resting_s: int
) -> None:
    run = await bench(nursery)
    fault(run, kind="delay", path="/api/v4/order/cancel/all", seconds=7, accepted=accepted)
    await run.alice.limit("buy", "60000")
    ended: list[float] = []

    async def cancel() -> None:
        answer = await run.alice.post("order/cancel/all")
        # A request that took 7 s to arrive is out of its nonce window.
        assert answer[0] == (200 if accepted else 401)
        ended.append(trio.current_time())

    started = trio.current_time()
    nursery.start_soon(cancel)
    await trio.sleep(1)
    assert open_orders(run) == (not accepted)
    await trio.sleep(10)
    assert ended == [started + 7]


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_dropped_response_never_comes_and_the_client_may_leave(
    nursery: trio.Nursery, autojump_clock: MockClock, accepted: bool
) -> None:
    run = await bench(nursery)
    fault(run, kind="drop", path=NEW, market="BTC_USDT", nth=2, accepted=accepted)
    await run.alice.ok("order/new", **ORDER)
    await run.alice.ok("order/collateral/limit", **PERP)
    with trio.move_on_after(60) as patience:
        await run.alice.post("order/new", **ORDER)
    assert patience.cancelled_caught
    assert open_orders(run) == 2 + accepted
    await run.alice.ok("order/new", **ORDER)


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_closed_connection_gives_no_answer(
    nursery: trio.Nursery, autojump_clock: MockClock, accepted: bool
) -> None:
    run = await bench(nursery)
    fault(run, kind="close", path=NEW, accepted=accepted)
    raw = await exchange_bytes(run, *run.alice.sign(NEW, ORDER))
    assert raw == b""
    assert open_orders(run) == accepted


async def test_a_duplicated_response_comes_twice(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    fault(run, kind="duplicate", path=NEW)
    raw = await exchange_bytes(run, *run.alice.sign(NEW, ORDER))
    half = raw[: len(raw) // 2]
    assert raw == half + half
    assert half.startswith(b"HTTP/1.1 200 ")
    assert open_orders(run) == 1


async def exchange_bytes(run: Bench, headers: dict[str, str], body: bytes) -> bytes:
    """Send one signed request and return all bytes up to the end of the connection."""
    lines = [f"{name}: {value}" for name, value in {"host": HOST, **headers}.items()]
    head = "\r\n".join([f"POST {NEW} HTTP/1.1", *lines, f"content-length: {len(body)}"])
    received = b""
    async with await run.net.connect(HOST, run.handle.port, tls=False) as stream:
        await stream.send_all(head.encode() + b"\r\n\r\n" + body)
        with trio.move_on_after(1):
            while part := await stream.receive_some():
                received += part
    return received


UNAVAILABLE = {"market": ["Market is not available."]}


async def test_a_rejected_market_is_unknown_to_every_private_request(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    order = await run.alice.ok("order/new", **ORDER)
    fault(run, kind="reject_market", market="BTC_USDT", from_s=1, until_s=2)
    await run.alice.ok("order/new", **ORDER)
    await trio.sleep(1)
    one = {"market": "BTC_USDT", "orderId": order["orderId"]}
    for name, body in (("order/new", ORDER), ("order/modify", {**one, "price": "59000"})):
        status, answer = await run.alice.post(name, **body)
        assert (status, answer["code"], answer["errors"]) == (422, 31, UNAVAILABLE)
    assert (await run.alice.post("order/cancel", **one))[1]["code"] == 31
    await run.alice.ok("order/collateral/limit", **PERP)
    await trio.sleep(1)
    await run.alice.ok("order/cancel", **one)
    assert [kind for kind, _ in log(run)] == ["reject_market"] * 3


async def test_cancel_only_refuses_what_opens_or_changes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    order = await run.alice.ok("order/new", **ORDER)
    fault(run, kind="cancel_only", market="BTC_USDT")
    bulk = await run.alice.ok("order/bulk", orders=[ORDER, {**ORDER, "market": "NOPE"}])
    assert [item["error"]["code"] for item in bulk] == [31, 31]
    one = {"market": "BTC_USDT", "orderId": order["orderId"]}
    assert (await run.alice.post("order/modify", **one, price="59000"))[1]["code"] == 31
    closing = {"market": "BTC_USDT", "positionId": 1}
    await run.alice.post("collateral-account/position/close", **closing)
    place = "/api/v4/collateral-account/position/close BTC_USDT"
    assert log(run)[-1] == ("cancel_only", place)
    await run.alice.ok("order/kill-switch", market="BTC_USDT", timeout="60")
    assert len(await run.alice.ok("orders", market="BTC_USDT")) == 1
    await run.alice.ok("order/cancel", **one)
    run.admin("DELETE", "/faults")
    await run.alice.ok("order/new", **ORDER)


async def test_expired_tokens_authorize_nobody_any_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    token = (await run.alice.ok("profile/websocket_token"))["websocket_token"]
    fault(run, kind="expire_tokens", from_s=5)
    await trio.sleep(5.2)
    other = await run.alice.open_ws()
    assert (await other.ask("authorize", token, "public"))["error"]["code"] == 1
    await ws.call("balanceSpot_request")
    await run.alice.open_ws(authorize=True)
    assert log(run) == [("expire_tokens", "time")]


@pytest.mark.parametrize("seconds", [20, -20])
async def test_the_clock_jumps_at_its_time(
    nursery: trio.Nursery, autojump_clock: MockClock, seconds: float
) -> None:
    run = await bench(nursery)
    fault(run, kind="jump_clock", from_s=3, seconds=seconds)
    await trio.sleep(2.5)
    assert (await run.alice.get("time"))[1]["time"] == START_NS // 10**9 + 2
    await run.alice.ok("orders")
    await trio.sleep(1)
    assert (await run.alice.get("time"))[1]["time"] == START_NS // 10**9 + 3 + seconds
    assert (await run.alice.post("orders"))[0] == 401
