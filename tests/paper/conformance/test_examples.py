"""Every documented example of a request is sent; its answer has the documented shape."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.paper.conformance_kit import (
    EXAMPLES,
    check_answer,
    check_reply,
    config,
    needs_the_schemas,
    quote,
)
from tests.paper.venue_client import Bench, bench

pytestmark = needs_the_schemas


class Example(msgspec.Struct, frozen=True):
    """One documented request: `name` says which of its endpoint's examples it is."""

    method: str
    path: str
    name: str
    body: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.path.removeprefix('/api/v4/')} {self.name}"


class Refused(msgspec.Struct, frozen=True):
    """An example that a venue must refuse, with the status and code that it must answer."""

    status: int
    code: int
    reason: str


FOREIGN = "names a position of the documentation's own account"
BOTH_IDS = "assembled from all fields, so it has both ids where exactly one is allowed (5.5)"
UNKNOWN_ID = "asks for a client id that this account never used (5.8)"
SPOT_SIDE = "assembled from all fields, so it names a position side of a spot market (5.5)"
TOO_SMALL = "spends 0.01 USDT, since a stop-market buy's amount is money (5.3)"
SWAPPED = "has stop loss and take profit on the wrong sides of its entry (G-26)"
GROUP = "names an order of the documentation's own account"

# The one list of examples that are not answered with 200. Nothing else may be refused, and what
# is listed must be refused in just this way.
EXCEPTIONS = {
    "collateral-account/position/close example": Refused(422, 104, FOREIGN),
    "collateral-account/position/close all-fields": Refused(422, 104, FOREIGN),
    "order/cancel from-schema": Refused(422, 30, BOTH_IDS),
    "order/cancel/all all-fields": Refused(422, 30, SPOT_SIDE),
    "order/modify from-schema": Refused(422, 30, BOTH_IDS),
    "order/collateral/limit example": Refused(422, 105, SWAPPED),
    "order/collateral/limit all-fields": Refused(422, 105, SWAPPED),
    "order/collateral/market all-fields": Refused(422, 105, SWAPPED),
    "order/collateral/trigger-market all-fields": Refused(422, 105, SWAPPED),
    "order/conditional-cancel example": Refused(400, 2, GROUP),
    "order/conditional-cancel all-fields": Refused(400, 2, GROUP),
    "order/oco-cancel example": Refused(400, 2, GROUP),
    "order/oco-cancel all-fields": Refused(422, 30, BOTH_IDS),
    "order/oto-cancel example": Refused(400, 2, GROUP),
    "order/oto-cancel all-fields": Refused(400, 2, GROUP),
    "order/stop_market from-schema": Refused(422, 32, TOO_SMALL),
    "trade-account/executed-history from-schema": Refused(422, 30, UNKNOWN_ID),
}

WS_EXCEPTIONS = {
    "candles_subscribe []": "a sketch of the overview: market and interval are left out (11.4)"
}


def rest_examples() -> list[Example]:
    """All of them, from the endpoints' files and from the prose pages."""
    found = []
    for file in sorted(EXAMPLES.glob("rest/*/*.json")):
        endpoint = json.loads(file.read_bytes())
        method, path = endpoint["method"], endpoint["path"]
        for request in endpoint["requests"]:
            found.append(Example(method, path, request["name"], _unsigned(request["value"])))
        if not endpoint["requests"]:
            shown = {p["name"]: p["schema"].get("example") for p in endpoint["parameters"]}
            found.append(Example(method, path, "parameters", shown))
    for file in sorted(EXAMPLES.glob("pages/*.json")):
        for block in json.loads(file.read_bytes())["values"]:
            value = block["value"]
            if isinstance(value, dict) and "request" in value and "nonce" in value:
                path, page = value["request"], file.stem.split("__")[1]
                found.append(Example("POST", path, page, _unsigned(value)))
    return found


def _unsigned(value: dict[str, Any]) -> dict[str, Any]:
    signing = ("request", "nonce", "nonceWindow")
    return {name: field for name, field in value.items() if name not in signing}


async def send(run: Bench, example: Example) -> tuple[int, Any]:
    if example.method == "POST":
        return await run.alice.post(example.path.removeprefix("/api/v4/"), **example.body)
    target, query = example.path, {}
    for name, value in example.body.items():
        if f"{{{name}}}" in target:
            target = target.replace(f"{{{name}}}", str(value))
        elif value is not None:
            query[name] = value
    return await run.alice.http("GET", f"{target}?{urlencode(query)}", {}, b"")


REST = rest_examples() if EXAMPLES.exists() else []


@pytest.mark.parametrize("example", REST, ids=lambda example: example.label)
async def test_a_documented_request(
    nursery: trio.Nursery, autojump_clock: MockClock, example: Example
) -> None:
    run = await bench(nursery, config())
    await quote(run)
    status, answer = await send(run, example)
    assert status != 404, f"{example.path} is not served"
    check_answer(example.path, example.method, status, answer)
    refused = EXCEPTIONS.get(example.label)
    if refused is None:
        assert status == 200, answer
    else:
        assert (status, answer.get("code")) == (refused.status, refused.code), answer
    run.handle.exchange.check()


ON_A_PERPETUAL = [
    example
    for example in REST
    if example.path.startswith("/api/v4/order/collateral/")
    and example.body.get("market") == "BTC_USDT"
]


@pytest.mark.parametrize("example", ON_A_PERPETUAL, ids=lambda example: example.label)
async def test_a_margin_example_on_a_perpetual(
    nursery: trio.Nursery, autojump_clock: MockClock, example: Example
) -> None:
    run = await bench(nursery, config())
    await quote(run)
    moved = {**example.body, "market": "BTC_PERP"}
    status, answer = await send(run, Example(example.method, example.path, example.name, moved))
    check_answer(example.path, example.method, status, answer)
    stop, profit = (Decimal(moved.get(name, 0)) for name in ("stopLoss", "takeProfit"))
    if stop > profit:
        # Swapped, as G-26 says of these examples.
        assert (status, answer["code"]) in ((422, 105), (422, 106))
    else:
        assert status == 200, answer


def test_every_exception_is_of_an_example() -> None:
    assert set(EXCEPTIONS) <= {example.label for example in REST}
    sent = {f"{message['method']} {json.dumps(message['params'])}" for message in ws_examples()}
    assert set(WS_EXCEPTIONS) <= sent


def ws_examples() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in sorted(EXAMPLES.glob("ws/*/*.json")):
        for message in json.loads(file.read_bytes())["messages"]:
            if message["direction"].startswith("client"):
                found += [example["value"] for example in message["examples"]]
    for file in sorted(EXAMPLES.glob("pages/*.json")):
        for block in json.loads(file.read_bytes())["values"]:
            values = block["value"] if isinstance(block["value"], list) else [block["value"]]
            found += [
                v for v in values if isinstance(v, dict) and "method" in v and v["id"] is not None
            ]
    return found


async def test_documented_messages(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery, config())
    await quote(run)
    ws = await run.alice.open_ws(authorize=True)
    for message in ws_examples():
        method, params = message["method"], message["params"]
        if method == "authorize":
            token = (await run.alice.ok("profile/websocket_token"))["websocket_token"]
            params = [token, "public"]
        await ws.connection.send_message(json.dumps({**message, "params": params}))
        while (reply := await ws.receive())["id"] != message["id"]:
            pass
        if f"{method} {json.dumps(params)}" in WS_EXCEPTIONS:
            assert reply["error"] == {"code": 1, "message": "invalid argument"}
            continue
        assert reply["error"] is None, message
        check_reply(method, reply)
