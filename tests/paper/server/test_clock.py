"""The venue's clock is stepped by an admin command (docs/venue.md, "Admin port")."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from tests.paper.venue_client import START_NS, bench

START_S = START_NS // 1_000_000_000
OUTSIDE = "Your nonce is more than 5 seconds lesser than the current nonce"


async def test_every_answer_has_the_stepped_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    for step_ms, offset_s in ((4_000, 4), (-6_000, -2)):
        answer = run.admin("POST", "/clock", step_ms=step_ms)
        now_ms = (START_S + offset_s) * 1000
        assert answer == (200, {"now_ms": now_ms, "offset_ms": offset_s * 1000})
        assert run.admin("GET", "/clock") == answer
        assert (await run.alice.get("time"))[1] == {"time": START_S + offset_s}
        assert await ws.call("time") == START_S + offset_s


@pytest.mark.parametrize("step_ms", [5_100, -5_100])
async def test_a_client_without_the_time_is_outside_the_window(
    nursery: trio.Nursery, autojump_clock: MockClock, step_ms: int
) -> None:
    run = await bench(nursery)
    await run.alice.ok("orders")
    run.admin("POST", "/clock", step_ms=step_ms)
    status, answer = await run.alice.post("orders")
    assert (status, answer["message"]) == (401, OUTSIDE)
    run.admin("POST", "/clock", step_ms=-step_ms)
    await run.alice.ok("orders")


async def test_a_step_forward_fires_the_timers_it_passes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000")
    await run.alice.ok("order/kill-switch", market="BTC_USDT", timeout="600")
    run.admin("POST", "/clock", step_ms=599_000)
    assert len(run.admin("GET", "/orders")[1]["demo-1"]) == 1
    run.admin("POST", "/clock", step_ms=1_000)
    assert run.admin("GET", "/orders")[1]["demo-1"] == []


async def test_a_step_back_stops_no_feed_and_orders_stay_in_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("depth_subscribe", "BTC_USDT", 20, "0", True)
    await ws.push("depth_update")
    first = await run.bob.limit("buy", "60000")
    run.admin("POST", "/clock", step_ms=-4_000)
    second = await run.bob.limit("buy", "60001")
    assert second["timestamp"] >= first["timestamp"]
    started = trio.current_time()
    update = await ws.push("depth_update")
    assert trio.current_time() - started <= 0.2
    assert [price for price, _ in update[1]["bids"]] == ["60001", "60000"]


async def test_limits_are_measured_in_steady_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    config = VenueConfig(rest_limits={"/api/v4/public/ping": 1})
    run = await bench(nursery, config)
    token = (await run.alice.ok("profile/websocket_token"))["websocket_token"]
    assert (await run.alice.get("ping"))[0] == 200
    for step_ms in (3_600_000, -7_200_000):
        run.admin("POST", "/clock", step_ms=step_ms)
        assert (await run.alice.get("ping"))[0] == 429
    ws = await run.alice.open_ws()
    assert await ws.call("authorize", token, "public") == {"status": "success"}
    await trio.sleep(10)
    assert (await run.alice.get("ping"))[0] == 200


async def test_a_clock_is_not_moved_out_of_reason(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    status, answer = run.admin("POST", "/clock", step_ms=86_400_001)
    assert status == 400
    assert "at most 86400000 ms" in answer["error"]
    status, answer = run.admin("POST", "/clock", step_s=1)
    assert status == 400
    assert run.admin("GET", "/clock")[1]["offset_ms"] == 0
