"""Every endpoint and channel works: each answer and push of a busy day has the documented shape."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.rest.routes import PRIVATE
from adapters.paper.ws.socket import METHODS
from tests.paper.conformance_kit import (
    check_answer,
    check_push,
    check_reply,
    config,
    needs_the_schemas,
    quote,
    ws_methods,
)
from tests.paper.server.test_schemas import SPEC
from tests.paper.venue_client import Bench, Client, Ws, bench
from tests.paper.ws.test_liquidation import CONFIG as POOR

pytestmark = needs_the_schemas
MARKET, PERP = "BTC_USDT", "BTC_PERP"
BUY = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "40000"}
LONG = {"market": PERP, "side": "buy", "amount": "0.01", "price": "40000"}
OCO = {"activation_price": "41000", "stop_limit_price": "41100"}
TRIGGERS = {"stopLoss": "38000", "takeProfit": "45000"}

# The 33 endpoints of contract 1.1, each with a request that is answered 200. Order matters: the
# first ones make the position, orders and deals that the later ones show.
COLOCATION: list[tuple[str, dict[str, Any]]] = [
    ("public/ping", {}),
    ("public/time", {}),
    ("profile/websocket_token", {}),
    ("market/fee", {}),
    ("collateral-account/leverage", {"leverage": 5}),
    ("order/new", {**BUY, "clientOrderId": "resting", "postOnly": True}),
    ("order/bulk", {"orders": [BUY, {**BUY, "price": "0"}]}),
    ("order/market", {**BUY, "amount": "500"}),
    ("order/stock_market", BUY),
    ("order/stop_limit", {**BUY, "activation_price": "41000", "price": "41100"}),
    ("order/stop_market", {**BUY, "activation_price": "41000", "amount": "500"}),
    ("order/modify", {"market": MARKET, "clientOrderId": "resting", "amount": "0.02"}),
    ("order/collateral/market", {**LONG, "clientOrderId": "long"}),
    ("order/collateral/limit", {**LONG, "clientOrderId": "quote"}),
    ("order/collateral/stop-limit", {**LONG, "activation_price": "41000", "price": "41100"}),
    ("order/collateral/trigger-market", {**LONG, "activation_price": "41000"}),
    ("order/collateral/oco", {**LONG, **OCO}),
    ("order/collateral/bulk", {"orders": [LONG, {**LONG, "side": "none"}]}),
    ("oco-orders", {"market": PERP}),
    ("orders", {}),
    ("order/kill-switch", {"market": MARKET, "timeout": "60"}),
    ("order/kill-switch/status", {"market": MARKET}),
    ("order/cancel", {"market": MARKET, "clientOrderId": "resting"}),
    ("trade-account/balance", {}),
    ("trade-account/executed-history", {}),
    ("trade-account/order", {"orderId": "{filled}"}),
    ("trade-account/order/history", {}),
    ("collateral-account/balance", {}),
    ("collateral-account/balance-summary", {}),
    ("collateral-account/summary", {}),
    ("collateral-account/positions/open", {}),
    ("collateral-account/positions/history", {}),
    ("collateral-account/funding-history", {}),
]
# Those of contract 1.2.
MORE: list[tuple[str, dict[str, Any]]] = [
    ("conditional-orders", {}),
    ("trade-account/order/history/query", {}),
    ("collateral-account/adl-quantile", {}),
    ("collateral-account/hedge-mode", {}),
    ("order/cancel/bulk", {"orders": [{"market": PERP, "clientOrderId": "quote"}]}),
    ("order/conditional-cancel", {"market": PERP, "id": "{oco}"}),
    ("order/collateral/oco", {**LONG, **OCO}),
    ("order/oco-cancel", {"market": PERP, "orderId": "{oco}"}),
    ("order/collateral/limit", {**LONG, "price": "39000", **TRIGGERS}),
    ("order/oto-cancel", {"market": PERP, "otoId": "{oto}"}),
    ("order/cancel/all", {}),
    ("collateral-account/position/close", {"market": PERP, "positionId": "{position}"}),
    ("collateral-account/positions/closed-pnl", {}),
    ("collateral-account/hedge-mode/update", {"hedgeMode": True}),
    *(
        (f"public/{name}", {})
        for name in (
            *("markets", "ticker", "fee", "futures", "assets", "platform/status"),
            *("collateral/markets", "orderbook/{market}", "orderbook/depth/{market}"),
            *("trades/{market}", "funding-history/{market}"),
        )
    ),
]


async def visit(run: Bench, path: str, body: dict[str, Any], known: dict[str, Any]) -> str | None:
    """Send one request; returns what is wrong, None for nothing."""
    filled = {name: known.get(value, value) for name, value in body.items() if _plain(value)}
    body = {**body, **filled}
    if path.startswith("public/"):
        market = PERP if "funding" in path else MARKET
        status, answer = await run.alice.get(path.removeprefix("public/").format(market=market))
    else:
        status, answer = await run.alice.post(path, **body)
    if status != 200:
        return f"{path}: {status} {answer}"
    check_answer(f"/api/v4/{path}", "get" if path.startswith("public/") else "post", status, answer)
    if path == "order/stock_market":
        known["{filled}"] = answer["orderId"]
    elif path == "order/collateral/oco":
        known["{oco}"] = answer["id"]
    elif path == "order/collateral/limit" and answer["oto"]:
        known["{oto}"] = answer["oto"]["otoId"]
    elif path == "collateral-account/positions/open":
        known["{position}"] = answer[0]["positionId"]
    return None


def _plain(value: Any) -> bool:
    return isinstance(value, str)


async def test_every_endpoint_works(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery, config())
    await quote(run)
    known: dict[str, Any] = {}
    wrong = [await visit(run, path, body, known) for path, body in (*COLOCATION, *MORE)]
    assert [problem for problem in wrong if problem] == []
    run.handle.exchange.check()


def test_the_endpoints_are_those_of_the_contract() -> None:
    assert {f"/api/v4/{path}" for path, _ in (*COLOCATION, *MORE)} >= set(PRIVATE)
    contract = (SPEC.parent / "CONTRACT.md").read_text()
    section = contract[contract.index("### 1.1 ") : contract.index("### 1.2 ")]
    listed = re.findall(r"^\| \d+ \| (?:POST|GET) `/api/v4/(.+?)` ", section, re.MULTILINE)
    assert len(listed) == 33
    assert sorted(path for path, _ in COLOCATION) == sorted(listed)


# Channel -> params of its request (None if there is none), subscribe and unsubscribe (11.3, 11.4).
CHANNELS: dict[str, tuple[list[Any] | None, list[Any]]] = {
    "depth": ([MARKET, 20, "0"], [MARKET, 20, "0", True]),
    "bookTicker": (None, [MARKET]),
    "lastprice": ([MARKET], [MARKET]),
    "trades": ([MARKET, 100, 0], [MARKET]),
    "candles": ([MARKET, 1_789_990_000, 1_790_000_000, 60], [MARKET, 60]),
    "market": ([MARKET, 86400], [MARKET]),
    "marketToday": ([MARKET], [MARKET]),
    "balanceSpot": ([], []),
    "balanceMargin": ([], []),
    "ordersPending": ([MARKET, 0, 100], [MARKET, PERP]),
    "ordersExecuted": ([{"market": MARKET, "order_types": [1]}, 0, 100], [[MARKET, PERP], 0]),
    "deals": ([MARKET, 0, 100], [[]]),
    "positionsMargin": (None, []),
    "positionsAccountMargin": (None, []),
    "borrowsMargin": (None, []),
    "borrowsAccountMargin": (None, []),
    "premiumIndex": (None, []),
    "ADLQuantile": (None, []),
}
# Channels that have nothing to say on a good day; they have their bad day below.
SILENT = {"positionsAccountMargin", "borrowsAccountMargin"}
MARGIN_CHANNELS = (
    *("positionsMargin", "positionsAccountMargin", "borrowsMargin", "borrowsAccountMargin"),
    "balanceMargin",
)
# Channels of later pages, which no official schema describes (11.3 [L]).
WITHOUT_SCHEMA = {"premiumIndex", "ADLQuantile"}


async def checked(ws: Ws, method: str, *params: Any) -> None:
    reply = await ws.ask(method, *params)
    assert reply["error"] is None, (method, reply)
    known = ws_methods().get(method)
    if known is not None:
        # The schemas of some methods have the id of their example for a constant.
        check_reply(method, reply)


async def a_busy_day(run: Bench) -> None:
    """Orders of all kinds of ends, on spot and perpetual, with time for every tick."""
    known: dict[str, Any] = {}
    for path, body in COLOCATION:
        if path.startswith("order/"):
            assert await visit(run, path, body, known) is None, path
            await trio.sleep(0.3)
    # The trigger of the stops, which rest, fill, and are cancelled in the end.
    for market, path in ((MARKET, "order/new"), (PERP, "order/collateral/limit")):
        await run.bob.ok(path, market=market, side="buy", amount="5.01", price="41000")
        await run.bob.ok(path, market=market, side="sell", amount="0.005", price="41000", ioc=True)
    await trio.sleep(3)
    await run.alice.ok("order/cancel/all")
    await trio.sleep(3)


async def test_every_channel_works(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery, config())
    await quote(run)
    ws = await run.alice.open_ws(authorize=True)
    for channel, (_, subscribe) in CHANNELS.items():
        await checked(ws, f"{channel}_subscribe", *subscribe)
    await a_busy_day(run)
    for channel, (request, _) in CHANNELS.items():
        if request is not None:
            query = "query" if channel == "marketToday" else "request"
            await checked(ws, f"{channel}_{query}", *request)
    pushed = set()
    for message in ws.pushes:
        channel = message["method"].removesuffix("_update")
        pushed.add(channel)
        if channel not in WITHOUT_SCHEMA:
            check_push(message)
    assert set(CHANNELS) - pushed == SILENT
    for channel in CHANNELS:
        await checked(ws, f"{channel}_unsubscribe")
    ws.pushes.clear()
    await run.alice.ok("order/new", **{**BUY, "price": "42000"})
    await trio.sleep(15)
    await ws.call("ping")
    assert ws.pushes == []


@pytest.mark.parametrize("market", [PERP, MARKET])
async def test_pushes_of_a_liquidation(
    nursery: trio.Nursery, autojump_clock: MockClock, market: str
) -> None:
    run = await bench(nursery, POOR)
    ws = await run.alice.open_ws(authorize=True)
    for channel in (*MARGIN_CHANNELS, "deals", "ordersExecuted"):
        await ws.call(f"{channel}_subscribe", *CHANNELS[channel][1])

    async def trade(price: str, amount: str, buyer: Client) -> None:
        body = {"market": market, "price": price, "amount": amount}
        await run.bob.ok("order/collateral/limit", side="sell", **body)
        await buyer.ok("order/collateral/limit", side="buy", **body)

    await trade("60000", "0.15", run.alice)
    bid = {"market": market, "side": "buy", "price": "54000", "amount": "10"}
    await run.bob.ok("order/collateral/limit", **bid)
    for price in ("55400", "55000"):
        run.handle.exchange.set_index(PERP, price, run.handle.venue.now_us())
        await trade(price, "0.001", run.bob)
        await trio.sleep(5)
    await ws.call("ping")
    for message in ws.pushes:
        check_push(message)
    events = [m["params"][0] for m in ws.pushes if m["method"] == "positionsAccountMargin_update"]
    assert events[:2] == [1, 2]
    lent = [m["params"][0] for m in ws.pushes if m["method"] == "borrowsAccountMargin_update"]
    assert lent == ([] if market == PERP else events)
    for path in ("positions/open", "positions/history", "summary", "balance", "balance-summary"):
        status, answer = await run.alice.post(f"collateral-account/{path}")
        check_answer(f"/api/v4/collateral-account/{path}", "post", status, answer)


def test_the_methods_are_those_of_the_contract() -> None:
    contract = (SPEC.parent / "CONTRACT.md").read_text()
    section = contract[contract.index("### 11.3 ") : contract.index("### 11.4 ")]
    listed = set(re.findall(r"`(\w+_(?:request|query|subscribe|unsubscribe))`", section))
    listed -= {"positions_subscribe", "marginPositionsEvents_subscribe", "kline_subscribe"}
    assert listed - set(METHODS) == set()
    # The second name is that of the pattern (G-32).
    assert set(METHODS) - listed == {"ping", "time", "authorize", "marketToday_request"}
    assert {method.split("_")[0] for method in listed} == set(CHANNELS)
