"""Random requests through HTTP and WebSocket: answers, pushes and books as the reference says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper.core.model import Side, Stp
from tests.paper.reference_book import ReferenceBook, RefOrder
from tests.paper.venue_client import Bench, Client, Ws, bench
from tests.paper.ws.test_depth import Mirror

MARKET = "BTC_USDT"
LOT = Decimal("0.01")
TICK = Decimal("0.5")
ROOT = Decimal(60000)
FLAGS = ("", "", "", "postOnly", "ioc", "rpi")

users = st.sampled_from(["alice", "bob"])
sides = st.sampled_from(list(Side))
ticks = st.integers(-4, 4)
lots = st.integers(1, 4)
stps = st.sampled_from(list(Stp))
# Spot orders and orders on margin share the book of the pair.
paths = st.sampled_from(["order/new", "order/collateral/limit"])
flags = st.sampled_from(FLAGS)
place = st.tuples(st.just("place"), users, sides, ticks, lots, flags, stps, paths)
change = st.tuples(st.just("modify"), users, st.integers(0, 9), ticks, lots, stps)
cancel = st.tuples(st.just("cancel"), users, st.integers(0, 9))
cancel_all = st.tuples(st.just("cancel_all"), users)
commands = st.lists(
    st.one_of(place, place, place, change, cancel, cancel_all), min_size=5, max_size=25
)


class Surface:
    """The venue through the eyes of two clients, and the book it should be."""

    def __init__(self, run: Bench) -> None:
        self.book = ReferenceBook()
        self.clients: dict[str, Client] = {"alice": run.alice, "bob": run.bob}
        self.streams: dict[str, Ws] = {}

    async def watch(self) -> None:
        for name, client in self.clients.items():
            ws = await client.open_ws(authorize=True)
            await ws.call("deals_subscribe", [MARKET])
            await ws.call("ordersPending_subscribe", MARKET)
            self.streams[name] = ws

    async def play(self, kind: str, user: str, *rest: Any) -> None:
        await getattr(self, kind)(user, *rest)
        await self.compare_orders()
        await self.compare_levels()

    async def place(
        self, user: str, side: Side, tick: int, qty: int, flag: str, stp: Stp, path: str
    ) -> None:
        body = {"side": side.name.lower(), "price": price(tick), "amount": amount(qty)}
        flags = {flag: True} if flag else {}
        order = RefOrder(0, user, side, tick, qty, rpi=flag == "rpi", ioc=flag == "ioc", stp=stp)
        passive = flag in ("postOnly", "rpi") and self.crosses(order)
        status, answer = await self.clients[user].post(
            path, market=MARKET, stp=stp.value, **body, **flags
        )
        if passive:
            assert (status, answer["code"]) == (422, 13 if path == "order/new" else 14)
            return
        assert status == 200, answer
        self.settle(order, answer)

    async def modify(self, user: str, index: int, tick: int, qty: int, stp: Stp) -> None:
        mine = self.resting(user)
        if not mine:
            return
        old = mine[index % len(mine)]
        new = RefOrder(0, user, old.side, tick, qty, rpi=old.rpi, stp=stp)
        open_before = await self.orders(user)
        passive = any(
            (order["postOnly"] or order["rpi"])
            for order in open_before
            if order["orderId"] == old.order_id
        )
        passive = passive and self.crosses(new)
        body = {"orderId": old.order_id, "price": price(tick), "amount": amount(qty)}
        status, answer = await self.clients[user].post(
            "order/modify", market=MARKET, stp=stp.value, **body
        )
        if passive:
            # By the product of the order (G-34).
            assert (status, answer["code"] in (13, 14)) == (422, True)
            return
        assert status == 200, answer
        self.book.cancel(old.order_id)
        self.settle(new, answer)

    async def cancel(self, user: str, index: int) -> None:
        mine = self.resting(user)
        if mine:
            order = mine[index % len(mine)]
            body = {"market": MARKET, "orderId": order.order_id}
            answer = await self.clients[user].ok("order/cancel", **body)
            assert answer["orderId"] == order.order_id
            self.book.cancel(order.order_id)

    async def cancel_all(self, user: str) -> None:
        await self.clients[user].ok("order/cancel/all", market=MARKET)
        self.book.orders = [order for order in self.book.orders if order.account != user]

    def settle(self, order: RefOrder, answer: dict[str, Any]) -> None:
        """Let the reference do what the venue did, and compare the answer."""
        order.order_id, qty = answer["orderId"], order.leaves
        self.book.submit(order)
        assert Decimal(answer["left"]) == order.leaves * LOT
        assert Decimal(answer["dealStock"]) == (qty - order.leaves) * LOT

    def crosses(self, order: RefOrder) -> bool:
        return any(not maker.rpi for maker in self.book.matchable(order))

    def resting(self, user: str) -> list[RefOrder]:
        return [order for order in self.book.orders if order.account == user]

    async def orders(self, user: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.clients[user].ok(
            "orders", market=MARKET, limit=100
        )
        return found

    async def compare_orders(self) -> None:
        for user in self.clients:
            found = {o["orderId"]: Decimal(o["left"]) for o in await self.orders(user)}
            assert found == {o.order_id: o.leaves * LOT for o in self.resting(user)}

    async def compare_levels(self) -> None:
        status, found = await self.clients["alice"].get(f"orderbook/{MARKET}?limit=100")
        assert status == 200
        expected = self.levels()
        for name in ("asks", "bids"):
            assert [(Decimal(p), Decimal(q)) for p, q in found[name]] == expected[name]

    def levels(self) -> dict[str, list[tuple[Decimal, Decimal]]]:
        """Everybody's visible orders by price, best first."""
        levels: dict[str, list[tuple[Decimal, Decimal]]] = {}
        for name, side in (("asks", Side.SELL), ("bids", Side.BUY)):
            sums: dict[int, int] = {}
            for order in self.book.queue(side):
                if not order.rpi:
                    sums[order.ticks] = sums.get(order.ticks, 0) + order.leaves
            levels[name] = [(ROOT + t * TICK, q * LOT) for t, q in sums.items()]
        return levels

    async def compare_pushes(self) -> None:
        """Every fill was pushed to both sides once; what rests was announced as it is."""
        for ws in self.streams.values():
            await ws.call("ping")
        owners = {order_id: user for user in self.clients for order_id in self.seen(user)}
        for user, ws in self.streams.items():
            deals = [p["params"] for p in ws.pushes if p["method"] == "deals_update"]
            found = sorted((d[3], Decimal(d[4]), Decimal(d[5])) for d in deals)
            expected = []
            for maker, taker, tick, qty in self.book.trades:
                for order_id in (maker, taker):
                    if owners[order_id] == user:
                        expected.append((order_id, ROOT + tick * TICK, qty * LOT))
            assert found == sorted(expected)
            last: dict[int, tuple[int, Decimal]] = {}
            for push in ws.pushes:
                if push["method"] == "ordersPending_update":
                    event, order = push["params"]
                    last[order["id"]] = (event, Decimal(order["left"]))
            resting = {number: left for number, (event, left) in last.items() if event != 3}
            assert resting == {o.order_id: o.leaves * LOT for o in self.resting(user)}

    def seen(self, user: str) -> set[int]:
        pushes = self.streams[user].pushes
        return {
            push["params"][1]["id"] for push in pushes if push["method"] == "ordersPending_update"
        }


def price(tick: int) -> str:
    return str(ROOT + tick * TICK)


def amount(qty: int) -> str:
    return str(qty * LOT)


async def _play(played: list[tuple[Any, ...]]) -> None:
    async with trio.open_nursery() as nursery:
        surface = Surface(await bench(nursery))
        await surface.watch()
        depth, mirror = await surface.clients["alice"].open_ws(), Mirror()
        await depth.call("depth_subscribe", MARKET, 100, "0", True)
        for kind, user, *rest in played:
            await surface.play(kind, user, *rest)
        await trio.sleep(0.5)
        await surface.compare_pushes()
        await depth.call("ping")
        for push in depth.pushes:
            mirror.apply(push["params"])
        assert mirror.levels() == surface.levels()
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(commands)
def test_random_requests_give_what_the_reference_says(played: list[tuple[Any, ...]]) -> None:
    trio.run(_play, played, clock=trio.testing.MockClock(autojump_threshold=0))
