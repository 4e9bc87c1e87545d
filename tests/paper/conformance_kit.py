"""What the official schemas say: the shape of every answer and push, and what is missing."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import AccountSpec, ExchangeConfig, MarketSpec
from adapters.paper.core.specs import BTC_PERP, BTC_USDT
from tests.paper.server.test_schemas import SPEC, check, document
from tests.paper.venue_client import Bench

EXAMPLES = SPEC.parent / "examples"
needs_the_schemas = [
    pytest.mark.skipif(not SPEC.exists(), reason="the official schemas are not present"),
    pytest.mark.slow,
]
OPENAPI = (
    "openapi/private/http-trade-v4.yaml",
    "openapi/private/main_api_v4.websocket_token.yaml",
    "openapi/public/http-v4.yaml",
)


@cache
def operation(path: str, method: str) -> tuple[str, Any]:
    """The document and the description of one endpoint."""
    for name in OPENAPI:
        found = document(name)["paths"].get(path, {}).get(method.lower())
        if found is not None:
            return name, found
    raise AssertionError(f"{method} {path} is not documented")


def check_answer(path: str, method: str, status: int, answer: Any) -> None:
    """Assert that this status and shape are documented for the endpoint."""
    name, found = operation(path, method)
    documented = found["responses"].get(str(status))
    # An unknown market is 31 and some refusals 400 by the table of section 9 on every endpoint.
    if documented is None and status in (400, 422) and method == "POST":
        documented = found["responses"].get("422")
    assert documented is not None, f"{path}: {status} is not documented: {answer}"
    if "$ref" in documented:
        documented = document(name)["components"]["responses"][documented["$ref"].split("/")[-1]]
    content = documented.get("content")
    if content is not None:
        check(name, content["application/json"]["schema"], plain(answer))


def plain(value: Any) -> Any:
    """Decimals as numbers again, since the validator knows only those."""
    return json.loads(json.dumps(value, default=float))


@cache
def ws_methods() -> dict[str, tuple[str, str, str | None]]:
    """Method -> (document, schema of its message, schema of the answer if it has one)."""
    found = {}
    for file in sorted(SPEC.glob("asyncapi/*/*.yaml")):
        name = str(file.relative_to(SPEC))
        messages = document(name)["components"]["messages"]
        for title, message in messages.items():
            examples = message.get("examples") or [{"payload": {}}]
            method = examples[0]["payload"].get("method")
            if method is not None:
                answer = messages.get(title.removesuffix("Request") + "Response")
                found[method] = (name, _schema(message), answer and _schema(answer))
    return found


def _schema(message: dict[str, Any]) -> str:
    return str(message["payload"]["$ref"])


def check_push(message: dict[str, Any]) -> None:
    """Assert that a push has the documented shape."""
    name, schema, _ = ws_methods()[message["method"]]
    check(name, {"$ref": schema}, plain(message))


def check_reply(method: str, reply: dict[str, Any]) -> None:
    """Assert that the answer to a request, subscribe or unsubscribe has the documented shape."""
    name, _, answer = ws_methods().get(method, ("", "", None))
    if answer is not None:
        check(name, {"$ref": answer}, plain(reply))
    else:
        assert reply["result"] == {"status": "success"}


def _spot(base: str, quote: str, money_prec: int, stock_prec: int) -> MarketSpec:
    return MarketSpec(
        name=f"{base}_{quote}",
        base_asset=base,
        quote_asset=quote,
        money_prec=money_prec,
        stock_prec=stock_prec,
        qty_min="0.01",
        total_min="0.0001",
    )


def config() -> VenueConfig:
    """A venue with the markets of the documented examples and two rich accounts."""
    markets = (
        BTC_USDT,
        _spot("ETH", "BTC", 6, 4),
        _spot("ETH", "USDT", 2, 4),
        _spot("SOL", "USDT", 2, 4),
        _spot("XRP", "USDT", 4, 2),
        _spot("BTC", "USD", 2, 6),
        BTC_PERP,
        MarketSpec(
            name="SHIB_PERP",
            base_asset="SHIB",
            quote_asset="USDT",
            money_prec=8,
            stock_prec=0,
            qty_min="1",
            total_min="5",
            is_perpetual=True,
        ),
    )
    funds = dict.fromkeys(("BTC", "ETH", "USDT", "USD", "SOL", "XRP"), "1000000")
    accounts = tuple(
        AccountSpec(name=name, spot=funds, collateral={"USDT": "1000000"}, retail_allowed=True)
        for name in ("alice", "bob")
    )
    return VenueConfig(exchange=ExchangeConfig(markets=markets, accounts=accounts))


async def quote(run: Bench) -> None:
    """Give the examples' markets a last price near 40,500 and a book around it, all bob's."""
    for market, path in (("BTC_USDT", "order/new"), ("BTC_PERP", "order/collateral/limit")):
        for side in ("sell", "buy"):
            body = {"market": market, "amount": "0.01", "price": "40500", "side": side}
            await run.bob.ok(path, **body)
        await run.bob.ok(path, market=market, side="buy", amount="5", price="40400")
        await run.bob.ok(path, market=market, side="sell", amount="5", price="40600")
