"""How the venue decides where the documents disagree: the table of docs/venue.md, and its tests."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.specs import AccountSpec, ExchangeConfig
from adapters.paper.rest.routes import PRIVATE
from adapters.paper.ws.socket import METHODS
from tests.paper.conformance_kit import config
from tests.paper.venue_client import bench

ROOT = Path(__file__).parents[3]
MARKET, PERPETUAL = "BTC_USDT", "BTC_PERP"
BUY = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "60000"}
PERP = {**BUY, "market": PERPETUAL}
SETTINGS = {
    name
    for struct in (VenueConfig, ExchangeConfig, AccountSpec)
    for name in struct.__struct_fields__
}


def test_all_57_are_decided_and_held_by_a_setting_or_a_test() -> None:
    rows = re.findall(
        r"^\| G-(\d+) \| (.+) \| (.+) \|$", (ROOT / "docs" / "venue.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, _, _ in rows] == list(range(1, 58))
    sources = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^(?:async )?def (test_\w+)\(", sources, re.MULTILINE))
    for number, _, held in rows:
        named = re.findall(r"`(\w+)`", held)
        assert named or held == "not modelled", f"G-{number}"
        assert set(named) <= tests | SETTINGS, f"G-{number}: {held}"


def test_every_endpoint_and_channel_is_documented() -> None:
    text = (ROOT / "docs" / "venue.md").read_text()
    served = text[text.index("## What it serves") : text.index("## Choices where")]
    paths = [path.removeprefix("/api/v4/") for path in PRIVATE]
    assert [path for path in paths if f"`{path}`" not in served] == []
    channels = {method.split("_")[0] for method in METHODS}
    assert {channel for channel in channels if channel not in served} == set()


async def test_a_bulk_request_may_mix_markets(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, config())
    items = [BUY, {**BUY, "market": "ETH_BTC", "price": "0.03"}]
    answer = await run.alice.ok("order/bulk", orders=items)
    assert [item["result"]["market"] for item in answer] == [MARKET, "ETH_BTC"]


async def test_client_ids(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    for good in ("a.B_9-x", "x" * 64, "", ""):
        assert (await run.alice.ok("order/new", **BUY, clientOrderId=good))["clientOrderId"] == good
    for bad in ("a b", "x" * 65, "é", "a!"):
        _, answer = await run.alice.post("order/new", **BUY, clientOrderId=bad)
        assert answer["code"] == 36, bad


async def test_self_trade_prevention_in_a_collateral_bulk(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    items = [PERP, {**PERP, "side": "sell", "stp": "cn"}]
    answer = await run.alice.ok("order/collateral/bulk", orders=items)
    assert [item["result"]["status"] for item in answer] == ["OPEN", "CANCELED_STP"]
    assert answer[1]["result"]["stp"] == "cn"


async def test_pnl_means_three_things(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    for price, amount in (("60000", "0.02"), ("61000", "0.01")):
        side = "buy" if price == "60000" else "sell"
        other = "sell" if side == "buy" else "buy"
        body = {"market": PERPETUAL, "price": price, "amount": amount}
        await run.bob.ok("order/collateral/limit", side=other, **body)
        await run.alice.ok("order/collateral/limit", side=side, **body)
    [rest] = await run.alice.ok("collateral-account/positions/open")
    assert (rest["pnl"], rest["unrealizedPnl"]) == ("10", "10")
    await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell", "price": "62000"})
    await run.alice.ok("order/collateral/limit", **{**PERP, "price": "62000"})
    [rest] = await run.alice.ok("collateral-account/positions/open")
    summary = await run.alice.ok("collateral-account/summary")
    await ws.call("positionsMargin_subscribe")
    [pushed] = (await ws.push("positionsMargin_update"))["records"]
    assert (rest["pnl"], pushed["realized_pnl"]) == ("10", "10")
    assert Decimal(rest["unrealizedPnl"]) > 10
    assert rest["unrealizedPnl"] == pushed["pnl"] == summary["pnl"]


async def test_ioc_on_collateral(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    order = await run.alice.ok("order/collateral/limit", **PERP, ioc=True)
    assert (order["ioc"], order["status"]) == (True, "CANCELED")
    [item] = await run.alice.ok("order/collateral/bulk", orders=[{**PERP, "ioc": True}])
    assert item["result"]["status"] == "CANCELED"
    both = {**PERP, "ioc": True, "rpi": True}
    _, refused = await run.alice.post("order/collateral/limit", **both)
    [item] = await run.alice.ok("order/collateral/bulk", orders=[both])
    assert refused["code"] == item["error"]["code"] == 40


async def test_one_balance_is_a_map_of_one(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    answer = await run.alice.ok("trade-account/balance", ticker="BTC")
    assert answer == {"BTC": {"available": "10", "freeze": "0"}}


async def test_funds_have_three_codes(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    await run.bob.limit("sell", "70000", "1")
    await run.bob.limit("sell", "71000", "1")
    await run.alice.limit("buy", "70000", "0.1", clientOrderId="a")
    await run.alice.limit("buy", "60000", "0.1", clientOrderId="b")
    large = {"market": MARKET, "side": "buy", "amount": "9000000"}
    cases: dict[int, list[tuple[str, dict[str, Any]]]] = {
        10: [
            ("order/new", {**BUY, "amount": "9000"}),
            ("order/modify", {"market": MARKET, "clientOrderId": "b", "amount": "9000"}),
            ("order/collateral/limit", {**PERP, "amount": "9000"}),
        ],
        32: [
            ("order/market", large),
            ("order/stop_market", {**large, "activation_price": "71000"}),
            ("order/stop_limit", {**BUY, "amount": "9000", "activation_price": "71000"}),
        ],
    }
    for code, requests in cases.items():
        for path, body in requests:
            status, answer = await run.alice.post(path, **body)
            assert (status, answer["code"]) == (422, code), (path, answer)
            assert answer["errors"] == {"amount": ["Not enough balance."]}, path


async def test_methods_that_do_not_exist(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    for method in (
        *("server.time", "server.ping", "order_limit_place", "order_modify", "order_cancel"),
        *("positions_subscribe", "marginPositionsEvents_subscribe", "kline_subscribe"),
        *("borrows_subscribe", "bookTicker_request", "positionsMargin_request", "Ping", ""),
    ):
        error = {"code": 4, "message": "method not found"}
        assert (await ws.ask(method))["error"] == error, method


async def test_both_names_of_the_query_of_today(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    query, request = [await ws.call(f"marketToday_{n}", MARKET) for n in ("query", "request")]
    assert query == request


async def test_post_only_has_two_codes(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    await run.bob.limit("sell", "60000")
    await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell"})
    codes = [
        (await run.alice.post(path, **body, postOnly=True))[1]["code"]
        for path, body in (("order/new", BUY), ("order/collateral/limit", PERP))
    ]
    assert codes == [13, 14]


async def test_no_market_named_is_all_markets(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersPending_subscribe")
    await run.alice.ok("order/new", **BUY)
    await run.alice.ok("order/collateral/limit", **PERP)
    pushed = [(await ws.push("ordersPending_update"))[1]["market"] for _ in range(2)]
    assert pushed == [MARKET, PERPETUAL]


NOT_THERE = {"market": "NO_PE", "orderId": 1}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("order/cancel", {"market": MARKET, "orderId": 1}, 400, 2, "orderId"),
        ("order/cancel", {**NOT_THERE}, 422, 31, "market"),
        ("order/cancel", {**NOT_THERE, "clientOrderId": "a"}, 422, 30, "orderId"),
        ("order/modify", {"market": MARKET, "orderId": 1, "price": "1"}, 400, 2, "orderId"),
        ("order/modify", {**NOT_THERE, "price": "1"}, 422, 31, "market"),
        ("order/new", {**BUY, "amount": "9000"}, 422, 10, "amount"),
    ],
)
async def test_refused_by(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    path: str,
    body: dict[str, Any],
    status: int,
    code: int,
    field: str,
) -> None:
    run = await bench(nursery)
    answered, answer = await run.alice.post(path, **body)
    assert (answered, answer["code"], list(answer["errors"])) == (status, code, [field])


async def test_bulk_cancel_takes_every_product(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.ok("order/new", **BUY, clientOrderId="a")
    await run.alice.ok("order/collateral/limit", **PERP, clientOrderId="b")
    wanted = [
        {"market": MARKET, "clientOrderId": "a"},
        {"market": PERPETUAL, "clientOrderId": "b"},
    ]
    answer = await run.alice.ok("order/cancel/bulk", orders=wanted)
    assert [item["error"] for item in answer] == [None, None]
    assert await run.alice.ok("orders") == []


async def test_cancel_all_without_a_type_is_every_product(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.ok("order/new", **BUY)
    await run.alice.ok("order/collateral/limit", **PERP)
    assert await run.alice.ok("order/cancel/all") == []
    assert await run.alice.ok("orders") == []
