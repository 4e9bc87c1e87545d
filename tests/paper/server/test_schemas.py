"""Everything the venue says validates against the official schemas, with no invented field."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trio
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from ruamel.yaml import YAML
from trio.testing import MockClock

from tests.paper.venue_client import Bench, Ws, bench

SPEC = Path(__file__).parents[3].parent / "shared" / "whitebit" / "spec"
pytestmark = [
    pytest.mark.skipif(not SPEC.exists(), reason="the official schemas are not present"),
    # Reading the largest of the files takes most of a second.
    pytest.mark.slow,
]
MARKET = "BTC_USDT"
ORDER = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "60000"}
PERP = {**ORDER, "market": "BTC_PERP"}


@cache
def document(name: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    loaded = yaml.load(SPEC / name)
    found = _strict(_merged(loaded, loaded))
    schemas = found["components"].get("schemas", {})
    if "ActiveOrderStatus" in schemas:
        # A resting order is OPEN, as the guides and the other surfaces show it (G-7).
        schemas["ActiveOrderStatus"]["enum"].append("OPEN")
    if "DepthUpdateData" in schemas:
        # The live wire leaves an unchanged side out (11.5).
        schemas["DepthUpdateData"]["required"] = ["timestamp", "event_time", "update_id"]
    for schema in schemas.values():
        if "deal_stock" in schema.get("properties", {}):
            # What later pages show of stop orders (11.5).
            schema["properties"] |= {
                "activation_price": {"type": "string"},
                "activation_condition": {"enum": ["gte", "lte"]},
                "activated": {"enum": [0, 1]},
            }
    return found


def _merged(node: Any, whole: Any) -> Any:
    """Put the parts of each `allOf` together, so that a member of one is known to the others."""
    if isinstance(node, list):
        return [_merged(each, whole) for each in node]
    if not isinstance(node, dict):
        return node
    merged = {name: _merged(each, whole) for name, each in node.items() if name != "allOf"}
    for part in node.get("allOf", []):
        if "$ref" in part:
            part = whole["components"]["schemas"][part["$ref"].rsplit("/")[-1]]
        for name, value in _merged(part, whole).items():
            if name == "properties":
                merged["properties"] = {**merged.get("properties", {}), **value}
            elif name == "required":
                merged["required"] = [*merged.get("required", []), *value]
            else:
                merged.setdefault(name, value)
    return merged


def _strict(node: Any) -> Any:
    """Translate OpenAPI's `nullable`, and allow no member that a schema does not name."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    strict = {name: _strict(each) for name, each in node.items()}
    if isinstance(strict.get("properties"), dict) and strict.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    if strict.pop("nullable", False) is True:
        return {"anyOf": [strict, {"type": "null"}]}
    return strict


def check(name: str, schema: Any, value: Any) -> None:
    whole = {"allOf": [schema], "components": document(name)["components"]}
    problems = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in Draft7Validator(whole).iter_errors(value)
    ]
    assert problems == [], json.dumps(value)


def rest_schema(name: str, path: str, method: str = "post") -> Any:
    answer = document(name)["paths"][path][method]["responses"]["200"]
    if "$ref" in answer:
        answer = document(name)["components"]["responses"][answer["$ref"].rsplit("/")[-1]]
    return answer["content"]["application/json"]["schema"]


class Checked:
    """A client whose every answer is checked."""

    def __init__(self, run: Bench, ws: Ws) -> None:
        self._run = run
        self._ws = ws

    async def post(self, path: str, **body: Any) -> Any:
        status, answer = await self._run.alice.post(path, **body)
        assert status == 200, answer
        answer = _floats(answer)
        spec = "main_api_v4.websocket_token" if "token" in path else "http-trade-v4"
        name = f"openapi/private/{spec}.yaml"
        check(name, rest_schema(name, f"/api/v4/{path}"), answer)
        return answer

    async def get(self, path: str, template: str) -> None:
        status, answer = await self._run.alice.get(path)
        assert status == 200
        name = "openapi/public/http-v4.yaml"
        check(name, rest_schema(name, f"/api/v4/public/{template}", "get"), _floats(answer))

    async def ask(self, channel: str, schema: str, method: str, *params: Any) -> None:
        answer = _floats(await self._ws.ask(method, *params))
        check(channel, {"$ref": f"#/components/schemas/{schema}"}, answer)

    async def push(self, channel: str, schema: str, method: str) -> None:
        params = _floats(await self._ws.push(method))
        message = {"id": None, "method": method, "params": params}
        check(channel, {"$ref": f"#/components/schemas/{schema}"}, message)


def _floats(value: Any) -> Any:
    return json.loads(json.dumps(value, default=float))


async def checked(nursery: trio.Nursery) -> tuple[Bench, Checked]:
    run = await bench(nursery)
    return run, Checked(run, await run.alice.open_ws(authorize=True))


async def test_private_rest(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run, client = await checked(nursery)
    await client.post("profile/websocket_token")
    await client.post("market/fee")
    order = await client.post("order/new", **ORDER, clientOrderId="a")
    await client.post("order/bulk", orders=[ORDER, {**ORDER, "side": "hold"}])
    await client.post("orders", market=MARKET)
    order = await client.post("order/modify", market=MARKET, clientOrderId="a", amount="0.02")
    await run.bob.limit("sell", "60000", "0.005")
    await client.post("trade-account/executed-history", market=MARKET)
    await client.post("trade-account/executed-history")
    await client.post("trade-account/balance")
    await client.post("order/cancel", market=MARKET, orderId=order["orderId"])
    stop = {"market": MARKET, "side": "buy", "activation_price": "61000"}
    await client.post("order/stop_limit", **stop, amount="0.01", price="62000")
    await client.post("order/stop_market", **stop, amount="100", clientOrderId="s")
    await client.post("orders", market=MARKET)
    stops = [{"market": MARKET, "clientOrderId": "s"}, {"market": MARKET, "orderId": 1}]
    await client.post("order/cancel/bulk", orders=stops)
    await run.bob.limit("sell", "60000", "0.02")
    await client.post("order/market", market=MARKET, side="buy", amount="60")
    await client.post("order/stock_market", market=MARKET, side="buy", amount="0.01")
    await client.post("order/kill-switch", market=MARKET, timeout="60", types=["spot"])
    await client.post("order/kill-switch/status")
    await client.post("order/kill-switch", market=MARKET, timeout=None)
    await client.post("order/cancel/all")


async def test_collateral_rest(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run, client = await checked(nursery)
    await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell"})
    await client.post("order/collateral/limit", **PERP)
    await client.post("order/collateral/bulk", orders=[PERP, {**PERP, "price": "x"}])
    await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell", "price": "61000"})
    await client.post("order/collateral/market", market="BTC_PERP", side="buy", amount="0.01")
    stop = {"market": "BTC_PERP", "side": "sell", "amount": "0.01", "activation_price": "59000"}
    await client.post("order/collateral/stop-limit", **stop, price="58000")
    await client.post("order/collateral/trigger-market", **stop)
    await conditional_rest(run, client)
    await client.post("collateral-account/balance")
    await client.post("collateral-account/balance-summary")
    await client.post("collateral-account/summary")
    await client.post("collateral-account/positions/open")
    await client.post("collateral-account/leverage", leverage=20)
    await client.post("collateral-account/hedge-mode")
    await client.post("collateral-account/funding-history")
    await client.post("collateral-account/adl-quantile")
    await run.bob.ok("order/collateral/limit", **PERP)
    await run.alice.ok("order/collateral/limit", **{**PERP, "side": "sell"})
    await client.post("collateral-account/positions/history")
    await client.post("collateral-account/positions/closed-pnl")
    await client.post("orders")


async def conditional_rest(run: Bench, client: Checked) -> None:
    await client.post("order/cancel/all", market="BTC_PERP")
    pair = {
        "market": "BTC_PERP", "side": "buy", "amount": "0.01", "price": "50000",
        "activation_price": "62000", "stop_limit_price": "62100",
    }  # fmt: skip
    first = await client.post("order/collateral/oco", **pair, clientOrderId="pair")
    second = await client.post("order/collateral/oco", **pair)
    oto = {"stopLoss": "40000", "takeProfit": "70000"}
    resting = {**PERP, "price": "50000"}
    third = await client.post("order/collateral/limit", **resting, **oto)
    fourth = await client.post("order/collateral/limit", **resting, **oto)
    await client.post("oco-orders")
    await client.post("conditional-orders", market="BTC_PERP")
    await client.post("orders", market="BTC_PERP")
    await client.post("order/oco-cancel", market="BTC_PERP", orderId=first["id"])
    await client.post("order/conditional-cancel", market="BTC_PERP", id=second["id"])
    await client.post("order/oto-cancel", market="BTC_PERP", otoId=third["oto"]["otoId"])
    await run.bob.ok("order/collateral/limit", **{**resting, "side": "sell"})
    assert fourth["oto"]["takeProfit"] == "70000"
    [position] = await client.post("collateral-account/positions/open", market="BTC_PERP")
    assert set(position["tpsl"]) == {"takeProfitId", "takeProfit", "stopLossId", "stopLoss"}


async def test_public_rest(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run, client = await checked(nursery)
    await run.alice.limit("sell", "60000", "0.02")
    await run.bob.limit("buy", "60000")
    for path in (
        "ping",
        "time",
        "platform/status",
        "markets",
        "ticker",
        "fee",
        "assets",
        "collateral/markets",
        "futures",
    ):
        await client.get(path, path)
    for path in ("orderbook", "orderbook/depth", "trades"):
        await client.get(f"{path}/{MARKET}", f"{path}/{{market}}")
    await client.get("funding-history/BTC_PERP", "funding-history/{market}")


async def test_public_channels(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run, client = await checked(nursery)
    await run.alice.limit("sell", "60000", "0.02")
    subscribes: list[tuple[str, str, str, list[Any]]] = [
        ("depth", "Depth", "depth", [MARKET, 20, "0", True]),
        ("book_ticker", "BookTicker", "bookTicker", [MARKET]),
        ("trades", "Trades", "trades", [MARKET]),
        ("lastprice", "Lastprice", "lastprice", [MARKET]),
        ("kline", "Candles", "candles", [MARKET, 900]),
        ("market", "Market", "market", [MARKET, "BTC_PERP"]),
        ("market_today", "MarketToday", "marketToday", [MARKET]),
    ]
    for file, _, channel, params in subscribes:
        name = f"asyncapi/public/{file}.yaml"
        await client.ask(name, "SubscriptionResponse", f"{channel}_subscribe", *params)
    await run.bob.limit("buy", "60000")
    for file, schema, channel, _ in [*subscribes, subscribes[0], subscribes[1], subscribes[2]]:
        name = f"asyncapi/public/{file}.yaml"
        await client.push(name, f"{schema}Update", f"{channel}_update")
    requests: list[tuple[str, str, str, list[Any]]] = [
        ("depth", "DepthResponse", "depth_request", [MARKET, 20, "0"]),
        ("trades", "TradesResponse", "trades_request", [MARKET, 100, 0]),
        ("lastprice", "LastpriceResponse", "lastprice_request", [MARKET]),
        ("kline", "CandlesResponse", "candles_request", [MARKET, 0, 1 << 40, 60]),
        ("market", "MarketResponse", "market_request", [MARKET, 86400]),
        ("market_today", "MarketTodayResponse", "marketToday_query", [MARKET]),
    ]
    for file, schema, method, params in requests:
        await client.ask(f"asyncapi/public/{file}.yaml", schema, method, *params)


async def test_private_channels(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run, client = await checked(nursery)
    subscribes: list[tuple[str, str, str, list[Any]]] = [
        ("deals", "Deals", "deals", [[]]),
        ("orders_pending", "OrdersPending", "ordersPending", [MARKET, "BTC_PERP"]),
        ("orders_executed", "OrdersExecuted", "ordersExecuted", [[MARKET, "BTC_PERP"], 0]),
        ("balance_spot", "BalanceSpot", "balanceSpot", []),
        ("balance_margin", "BalanceMargin", "balanceMargin", []),
        ("positions", "Positions", "positionsMargin", []),
    ]
    for file, _, channel, params in subscribes:
        name = f"asyncapi/private/{file}.yaml"
        await client.ask(name, "SubscriptionResponse", f"{channel}_subscribe", *params)
    await run.alice.limit("sell", "60000", "0.02")
    await run.bob.limit("buy", "60000", "0.02")
    await run.alice.ok("order/collateral/limit", **PERP)
    await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell"})
    for file, schema, channel, _ in [*subscribes, *subscribes[:3]]:
        name = f"asyncapi/private/{file}.yaml"
        await client.push(name, f"{schema}Update", f"{channel}_update")
    requests: list[tuple[str, str, str, list[Any]]] = [
        ("deals", "DealsResponse", "deals_request", [MARKET, 0, 100]),
        ("orders_pending", "OrdersPendingResponse", "ordersPending_request", [MARKET, 0, 100]),
        ("orders_executed", "OrdersExecutedResponse", "ordersExecuted_request",
         [{"market": MARKET, "order_types": [1]}, 0, 100]),
        ("balance_spot", "BalanceSpotResponse", "balanceSpot_request", ["USDT"]),
        ("balance_margin", "BalanceMarginResponse", "balanceMargin_request", []),
    ]  # fmt: skip
    for file, schema, method, params in requests:
        await client.ask(f"asyncapi/private/{file}.yaml", schema, method, *params)
