"""The depth channel: snapshot, chained differences, keepalive, windows and intervals (11.5)."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import trio
import trio.testing

from adapters.paper.data.depth import aggregate, changes
from tests.paper.venue_client import Client, Ws, bench

MARKET = "BTC_USDT"


class Mirror:
    """A subscriber's book, built from what it is sent and nothing else."""

    def __init__(self) -> None:
        self.update_id = -1
        self.asks: dict[Decimal, Decimal] = {}
        self.bids: dict[Decimal, Decimal] = {}
        self.snapshots = 0
        self.deltas = 0

    def apply(self, params: Any) -> None:
        full, data, market = params
        assert market == MARKET
        if full:
            assert "past_update_id" not in data
            assert data["update_id"] >= self.update_id
            self.asks, self.bids = {}, {}
            self.snapshots += 1
        else:
            assert data["past_update_id"] == self.update_id
            assert data.get("asks") or data.get("bids")
            self.deltas += 1
        self.update_id = data["update_id"]
        for name, side in (("asks", self.asks), ("bids", self.bids)):
            prices = [Decimal(price) for price, _ in data.get(name, [])]
            assert prices == sorted(prices, reverse=name == "bids")
            for price, amount in data.get(name, []):
                if Decimal(amount):
                    side[Decimal(price)] = Decimal(amount)
                else:
                    del side[Decimal(price)]

    def levels(self) -> dict[str, list[tuple[Decimal, Decimal]]]:
        return {
            "asks": sorted(self.asks.items()),
            "bids": sorted(self.bids.items(), reverse=True),
        }


async def subscribed(client: Client, limit: int, interval: str = "0") -> tuple[Ws, Mirror]:
    ws, mirror = await client.open_ws(), Mirror()
    await ws.call("depth_subscribe", MARKET, limit, interval, True)
    mirror.apply(await ws.push("depth_update"))
    return ws, mirror


async def shown(client: Client, limit: int) -> dict[str, list[tuple[Decimal, Decimal]]]:
    _, book = await client.get(f"orderbook/{MARKET}?limit={limit}")
    return {
        side: [(Decimal(price), Decimal(amount)) for price, amount in book[side]]
        for side in ("asks", "bids")
    }


async def trade_at_random(client: Client, random: Random, orders: int) -> None:
    for _ in range(orders):
        side = random.choice(("buy", "sell"))
        price = 60_000 + random.randint(-8, 8)
        await client.limit(
            side, str(price), f"0.0{random.randint(1, 9)}", ioc=random.random() < 0.2
        )
        if random.random() < 0.3:
            for order in (await client.ok("orders", market=MARKET))[:1]:
                await client.ok("order/cancel", market=MARKET, orderId=order["orderId"])


async def test_a_rebuilt_book_equals_the_rest_orderbook(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    random = Random(1)
    watchers = [await subscribed(run.alice, limit) for limit in (1, 5, 100)]
    for _ in range(6):
        await trade_at_random(run.alice, random, 5)
        await trio.sleep(0.15)
        for (ws, mirror), limit in zip(watchers, (1, 5, 100), strict=True):
            await ws.call("ping")
            while ws.pushes:
                mirror.apply(await ws.push("depth_update"))
            assert mirror.levels() == await shown(run.alice, limit)
    assert watchers[2][1].deltas == 6
    assert all(mirror.snapshots == 1 for _, mirror in watchers)


async def test_equal_subscribers_get_the_same_bytes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000")
    early, _ = await subscribed(run.alice, 20)
    await run.alice.limit("buy", "60001")
    late, _ = await subscribed(run.bob, 20)
    late_snapshot = await run.bob.limit("sell", "60005")
    assert late_snapshot["status"] == "OPEN"
    first = [(await ws.push("depth_update"))[1] for ws in (early, late)]
    assert len(first[0]["bids"]) == 1
    assert "bids" not in first[1]
    assert first[0]["update_id"] == first[1]["update_id"]
    await run.bob.limit("sell", "60006")
    second = [await ws.push("depth_update") for ws in (early, late)]
    assert second[0] == second[1]


async def test_a_quiet_book_is_shown_again_every_ten_seconds(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000")
    ws, mirror = await subscribed(run.alice, 20)
    started = trio.current_time()
    keepalive = await ws.push("depth_update")
    assert keepalive[0] is True
    assert 10 <= round(trio.current_time() - started, 6) < 10.2
    mirror.apply(keepalive)
    await run.alice.limit("buy", "60001")
    mirror.apply(await ws.push("depth_update"))
    assert mirror.deltas == 1


async def test_multi_adds_and_its_absence_replaces(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    ws, _ = await subscribed(run.alice, 20)
    await ws.call("depth_subscribe", "BTC_PERP", 20, "0", True)
    assert (await ws.push("depth_update"))[2] == "BTC_PERP"
    await ws.call("depth_subscribe", "BTC_PERP", 5, "0", False)
    assert (await ws.push("depth_update"))[2] == "BTC_PERP"
    await run.alice.limit("buy", "60000")
    await trio.sleep(0.3)
    await ws.call("ping")
    assert ws.pushes == []
    await ws.call("depth_unsubscribe", "BTC_PERP")
    await trio.sleep(11)
    await ws.call("ping")
    assert ws.pushes == []


async def test_hidden_orders_are_in_no_public_book(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("depth_subscribe", MARKET, 5, "0", True)
    await ws.call("bookTicker_subscribe", MARKET)
    order = await run.alice.limit("buy", "60000", rpi=True)
    assert order["rpi"] is True
    assert (await shown(run.alice, 5))["bids"] == []
    await trio.sleep(0.3)
    await ws.call("ping")
    assert [message["method"] for message in ws.pushes] == ["depth_update", "bookTicker_update"]


async def test_book_ticker_tells_every_change_of_the_best(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("bookTicker_subscribe", MARKET)
    assert (await ws.push("bookTicker_update"))[0][4:] == ["0", "0", "0", "0"]
    await run.alice.limit("buy", "60000", "0.01")
    await run.alice.limit("buy", "59999", "0.01")
    await run.alice.limit("sell", "60001", "0.02")
    first, second = await ws.push("bookTicker_update"), await ws.push("bookTicker_update")
    assert first[0][4:] == ["60000", "0.01", "0", "0"]
    assert second[0][4:] == ["60000", "0.01", "60001", "0.02"]
    assert second[0][3] > first[0][3]


def test_aggregation_rounds_bids_down_and_asks_up() -> None:
    levels = ((100, 1), (109, 2), (110, 3), (111, 4))
    assert aggregate(levels, 10, 100, up=True) == ((100, 1), (110, 5), (120, 4))
    assert aggregate(tuple(reversed(levels)), 10, 1, up=False) == ((110, 7),)


def test_changes_name_levels_that_enter_change_and_leave() -> None:
    old, new = ((3, 1), (2, 1), (1, 1)), ((4, 9), (3, 2), (2, 1))
    assert changes(old, new, descending=True) == ((4, 9), (3, 2), (1, 0))
    assert changes(old, old, descending=True) == ()
