"""ccxt's WebSocket part against a venue.

`.venv/thirdparty/bin/python -m tests.thirdparty.ccxt_pro`. Books stay floats, because ccxt applies
differences to them as floats; everything else is read as Decimals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro

from tests.thirdparty.kit import FEE_RATE, Checks, Venue, exact, venue

D = Decimal
SYMBOL = "BTC/USDT"
PUSH_TIMEOUT_S = 10


class Watcher(ccxt.pro.whitebit):  # type: ignore[misc]
    """ccxt as it is, and how many of its requests were confirmed so far."""

    def __init__(self, venue: Venue, account: str, **config: Any) -> None:
        key, secret = venue.keys[account]
        super().__init__({"apiKey": key, "secret": secret, **config})
        for version, paths in self.urls["api"].items():
            if version == "ws":
                continue
            for access in paths:
                suffix = f"/api/{version}/public" if access == "public" else f"/api/{version}"
                paths[access] = venue.rest + suffix
        self.urls["api"]["ws"] = venue.ws
        self.confirmed = 0

    def handle_message(self, client: Any, message: Any) -> None:
        super().handle_message(client, message)
        if message.get("id") is not None and message.get("result") == {"status": "success"}:
            self.confirmed += 1

    async def watching(self, watch: Awaitable[Any], name: str) -> asyncio.Future[Any]:
        """Start to watch; return once the venue confirmed and ccxt waits for `name`'s push.

        What is pushed while nobody waits is not handed out, so an action must come after this.
        """
        wanted = self.confirmed + 1
        task = asyncio.ensure_future(watch)
        async with asyncio.timeout(PUSH_TIMEOUT_S):
            futures = self.client(self.urls["api"]["ws"]).futures
            while self.confirmed < wanted or name not in futures:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
        return task


async def pushed(watch: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    """Watch until a push says what it should."""
    async with asyncio.timeout(PUSH_TIMEOUT_S):
        while True:
            seen = await watch()
            if good(seen):
                return seen


async def book(check: Checks, maker: Any, seer: Watcher) -> None:
    """A snapshot, then differences: new levels, a smaller one, one that is gone."""
    empty = await seer.watch_order_book(SYMBOL)
    check.number("empty book", [empty["bids"], empty["asks"]], [[], []])
    bid = await maker.create_order(SYMBOL, "limit", "buy", 0.5, 60_000.01)
    await maker.create_order(SYMBOL, "limit", "buy", 0.125, 59_999.99)
    ask = await maker.create_order(SYMBOL, "limit", "sell", 0.25, 61_000.5)

    async def becomes(bids: list[list[str]], asks: list[list[str]]) -> None:
        wanted = exact([bids, asks])
        await pushed(
            lambda: seer.watch_order_book(SYMBOL),
            lambda seen: exact([list(seen["bids"]), list(seen["asks"])]) == wanted,
        )
        rest = await maker.fetch_order_book(SYMBOL)
        check.number("book over REST", [rest["bids"], rest["asks"]], wanted)

    await becomes([["60000.01", "0.5"], ["59999.99", "0.125"]], [["61000.5", "0.25"]])
    await maker.edit_order(ask["id"], SYMBOL, "limit", "sell", 0.2, 61_000.5)
    await maker.cancel_order(bid["id"], SYMBOL)
    await becomes([["59999.99", "0.125"]], [["61000.5", "0.2"]])


async def fills(check: Checks, running: Venue, maker: Watcher, taker: Any, seer: Watcher) -> None:
    """A taker hits the ask: public trade, own trade and order are pushed."""
    check.equal("no trades yet", list(await seer.watch_trades(SYMBOL)), [])
    trades = asyncio.ensure_future(seer.watch_trades(SYMBOL))
    orders = await maker.watching(maker.watch_orders(SYMBOL), f"orders:{SYMBOL}")
    mine = await maker.watching(maker.watch_my_trades(SYMBOL), f"myTrades:{SYMBOL}")
    await taker.create_order(SYMBOL, "limit", "buy", 0.05, 61_000.5)
    cost = D("0.05") * D("61000.5")

    (trade,) = await trades
    check.fields("trade", trade, price=D("61000.5"), amount=D("0.05"), side="buy", cost=cost)
    (deal,) = await mine
    check.fields("own trade", deal, price=D("61000.5"), amount=D("0.05"), cost=cost)
    check.number("own fee", deal["fee"]["cost"], cost * FEE_RATE)
    (order,) = await orders
    (known,) = [one for one in running.orders("demo-1").values() if one["side"] == "sell"]
    check.fields("order", order, id=str(known["orderId"]), side="sell", status="open", type="limit")
    for name, theirs in (("price", "price"), ("amount", "amount"), ("remaining", "left")):
        check.number(f"order {name}", order[name], known[theirs])
    check.fields("order", order, filled=D("0.05"), cost=cost)
    check.equal("own trade's order", deal["order"], order["id"])


async def statistics(check: Checks, running: Venue) -> None:
    """Ticker and candle of the one fill so far."""
    watcher = Watcher(running, "demo-2", number=Decimal)
    cost = D("0.05") * D("61000.5")
    try:
        await watcher.load_markets()
        ticker = await watcher.watch_ticker(SYMBOL)
        same = dict.fromkeys(("open", "high", "low", "last"), D("61000.5"))
        check.fields("ticker", ticker, baseVolume=D("0.05"), quoteVolume=cost, **same)
        # At midnight a new candle starts, flat at the same price.
        candle = (await watcher.watch_ohlcv(SYMBOL, "1d"))[-1]
        check.number("candle", candle[1:5], ["61000.5"] * 4)
        check.equal("day", candle[0] % 86_400_000, 0)
    finally:
        await watcher.close()


async def orders(check: Checks, maker: Watcher) -> None:
    """The life of one order: new, cancelled."""
    placed: dict[str, Any] = {}
    for status in ("open", "canceled"):
        update = asyncio.ensure_future(maker.watch_orders(SYMBOL))
        if status == "open":
            params = {"clientOrderId": "w-1"}
            placed = await maker.create_order(SYMBOL, "limit", "buy", 0.3, 59_000, params)
        else:
            await maker.cancel_order(placed["id"], SYMBOL)
        (order,) = await update
        check.fields("order", order, id=placed["id"], clientOrderId="w-1", status=status)
        check.fields("order", order, price=D(59_000), remaining=D("0.3"), filled=D(0))


async def balances(check: Checks, running: Venue, taker: Watcher) -> None:
    """A fill changes both assets: the pushes end with what the venue has."""
    task = await taker.watching(taker.watch_balance(), "wallet:spot")
    await taker.create_order(SYMBOL, "limit", "buy", 0.01, 61_000.5)
    await taker.create_order(SYMBOL, "limit", "buy", 0.01, 58_000)
    known = {
        asset: {"free": funds["available"], "used": funds["freeze"]}
        for asset, funds in running.spot("demo-2").items()
    }
    seen: dict[str, Any] = {}
    async with asyncio.timeout(PUSH_TIMEOUT_S):
        while seen != known:
            balance = await task
            seen = {
                asset: {name: balance[asset][name] for name in ("free", "used")}
                for asset in known
                if asset in balance
            }
            task = asyncio.ensure_future(taker.watch_balance())
    task.cancel()
    check.equal("balances", seen, known)


async def scenario(check: Checks, running: Venue) -> None:
    """Run every step on one venue."""
    decimals = {"number": Decimal}
    seer, prints = Watcher(running, "demo-2"), Watcher(running, "demo-2", **decimals)
    maker, taker = Watcher(running, "demo-1", **decimals), Watcher(running, "demo-2", **decimals)
    everyone = (seer, prints, maker, taker)
    try:
        for one in everyone:
            await one.load_markets()
        await maker.authenticate()
        await book(check, maker, seer)
        await fills(check, running, maker, taker, prints)
        await statistics(check, running)
        await orders(check, maker)
        await balances(check, running, taker)
    finally:
        for one in everyone:
            await one.close()


def main() -> None:
    """Start a venue and run the scenario."""
    check = Checks("ccxt.pro")
    with venue() as running:
        asyncio.run(scenario(check, running))
    check.report()


if __name__ == "__main__":
    main()
