"""Requests drawn from the official OpenAPI: documented statuses and shapes, no lost cent."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper.core.model import Order
from adapters.paper.http import Request
from adapters.paper.rest.routes import PRIVATE, PUBLIC, PUBLIC_MARKET, respond
from adapters.paper.venue import Venue
from tests.paper.conformance_kit import (
    OPENAPI,
    check_answer,
    config,
    needs_the_schemas,
)
from tests.paper.exchange_kit import order, totals
from tests.paper.server.test_garbage import signed
from tests.paper.server.test_schemas import SPEC, document
from tests.paper.venue_client import START_NS, CountingIds

pytestmark = needs_the_schemas
# What makes a drawn request meet the state that earlier ones left: names and ids in use.
KNOWN: dict[str, list[Any]] = {
    "market": [*["BTC_USDT"] * 4, *["BTC_PERP"] * 4, "ETH_BTC", "SHIB_PERP", "NO_PE", "x"],
    "ticker": ["BTC", "USDT", "SHIB", "NO"],
    "side": ["buy", "sell"],
    "price": ["39000", "40000", "40001.5", "41000", "40500", "0.03"],
    "activation_price": ["39500", "40500"],
    "activationPrice": ["39500", "40500"],
    "stopLoss": ["39000", "42000"],
    "takeProfit": ["39000", "42000"],
    "amount": ["0.01", "0.02", "0.5", "500"],
    "clientOrderId": list("abcdefg"),
    "timeout": ["5", "60", "600", None],
    "positionSide": ["LONG", "SHORT", "BOTH"],
}
MARKETS = ("BTC_USDT", "BTC_PERP")
ORDER_IDS = st.integers(1_212_901_344_783, 1_212_901_344_803)
POSITION_IDS = st.integers(5_000_000_001, 5_000_000_005)
WRONG: list[Any] = [None, True, 0, -1, 10**20, 1.5, "", "x", "0", "-1", "1e9", [], {}, [{}], [[]]]
wrong = st.sampled_from(WRONG)


def values(name: str, schema: dict[str, Any], whole: Any) -> st.SearchStrategy[Any]:
    """Values for one member: mostly what its schema and its name mean, sometimes anything."""
    # The ends of a range are drawn far more often than its middle.
    sane = _sane(name, schema, whole)
    return st.integers(0, 29).flatmap(lambda n: wrong if n == 17 else sane)


def _sane(name: str, schema: dict[str, Any], whole: Any) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rsplit("/")[-1]]
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            return st.one_of(*(_sane(name, each, whole) for each in schema[choices]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if name in KNOWN:
        return st.sampled_from(KNOWN[name])
    if name in ("orderId", "id", "otoId"):
        return ORDER_IDS
    if name == "positionId":
        return POSITION_IDS
    kind = schema.get("type")
    if kind == "boolean":
        # Flags exclude each other, so most are false.
        return st.sampled_from([False, False, False, True])
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", START_NS // 500_000_000)
        return st.integers(low, high) | st.sampled_from([low, high, schema.get("example", low)])
    if kind == "array":
        return st.lists(values(name, schema.get("items", {}), whole), max_size=4)
    if kind == "object" or "properties" in schema:
        return bodies(schema, whole)
    return st.sampled_from([str(schema.get("example", "x")), "40500", "0.5"])


def bodies(schema: dict[str, Any], whole: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a schema with most of its required members and few of the others."""
    members = {
        name: values(name, member, whole)
        for name, member in schema.get("properties", {}).items()
        if name not in ("request", "nonce", "nonceWindow")
    }
    required = [name for name in schema.get("required", []) if name in members]
    if "side" in members and "price" in members and "price" not in required:
        required.append("price")  # Only a bboRole may stand for it.
    if "clientOrderId" in members and "market" in required:
        required.append("clientOrderId")  # What later requests can name.
    others = [name for name in members if name not in required]
    few = st.lists(st.sampled_from(others), max_size=2, unique=True) if others else st.just([])
    dropped = st.integers(0, 25).map(lambda n: required[n - 11 : n - 10] if n > 10 else [])

    def some(chosen: tuple[list[str], list[str]]) -> st.SearchStrategy[dict[str, Any]]:
        optional, left_out = chosen
        names = [name for name in (*required, *optional) if name not in left_out]
        return st.fixed_dictionaries({name: members[name] for name in names})

    return st.tuples(few, dropped).flatmap(some)


def _private(path: str, found: dict[str, Any], whole: Any) -> st.SearchStrategy[Any]:
    content = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rsplit("/")[-1]]
    drawn = bodies(schema, whole).map(lambda body: _of_product(path, body))
    return st.tuples(st.just("POST"), st.just(path), drawn)


def _of_product(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Let most orders name a market that their endpoint trades; collateral has both."""
    orders = body.get("orders")
    items = [body, *(orders if isinstance(orders, list) else [])]
    for item in items:
        spot = "collateral" not in path and isinstance(item, dict) and "side" in item
        if spot and item.get("market") == "BTC_PERP":
            item["market"] = "BTC_USDT"
    return body


def _public(path: str, found: dict[str, Any], whole: Any) -> st.SearchStrategy[Any]:
    properties = {p["name"]: p["schema"] for p in found.get("parameters", [])}
    required = ["market"] if "{market}" in path else []
    schema = {"properties": properties, "required": required}
    return st.tuples(st.just("GET"), st.just(path), bodies(schema, whole))


def served(path: str) -> bool:
    """Whether a documented endpoint is one of this venue's."""
    prefix = path.removesuffix("{market}")
    return path in PRIVATE or path in PUBLIC or (prefix != path and prefix in PUBLIC_MARKET)


def requests() -> dict[str, st.SearchStrategy[Any]]:
    """One strategy for each documented endpoint that is served."""
    found = {}
    for name in OPENAPI if SPEC.exists() else ():
        whole = document(name)
        for path, methods in whole["paths"].items():
            if served(path) and "post" in methods:
                found[path] = _private(path, methods["post"], whole)
            elif served(path):
                found[path] = _public(path, methods["get"], whole)
    return found


class Steps:
    """A clock that goes on by a few seconds with each request, past limits and timers."""

    now = START_NS

    def now_ns(self) -> int:
        return self.now


def send(
    venue: Venue, number: int, method: str, path: str, body: dict[str, Any]
) -> tuple[int, Any]:
    if method == "POST":
        request = signed(venue, path, {**body, "nonce": number})
    else:
        market = str(body.pop("market", "BTC_USDT"))
        shown = {name: value for name, value in body.items() if value is not None}
        request = Request("GET", path.replace("{market}", market), urlencode(shown), {}, b"")
    answer = respond(venue, "fuzz", request)
    return answer.status, json.loads(answer.body) if answer.body else None


def quotes(venue: Venue) -> None:
    """A trade and a book on both markets; orders and a position to ask for."""
    begin = [("bob", "sell", 40500), ("bob", "buy", 40500), ("bob", "buy", 40000)]
    begin += [("bob", "sell", 41000), ("alice", "buy", 41000)]
    for market in MARKETS:
        for account, side, price in begin:
            request = order(side, "1", str(price), market=market)
            assert isinstance(venue.exchange.place(account, request, venue.now_us()), Order)
        for client_id in "ab":
            request = order("buy", "0.1", "39000", market=market, client_order_id=client_id)
            assert isinstance(venue.exchange.place("alice", request, venue.now_us()), Order)


def _as_documented(answer: Any) -> Any:
    """The schemas of answers know one end without a fill, the contract (8, G-36) more."""
    if isinstance(answer, list):
        return [_as_documented(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    told = {name: _as_documented(value) for name, value in answer.items()}
    if told.get("status") in ("CANCELED_STP", "CANCELED_TAKER_BAND"):
        told["status"] = "CANCELED"
    return told


REQUESTS = requests()


def test_an_order_that_stp_cancels_is_answered_as_the_contract_says() -> None:
    clock = Steps()
    venue = Venue(config(), clock=clock, ids=CountingIds())
    quotes(venue)
    clock.now += 7_000_000_000
    path = "/api/v4/order/collateral/market"
    body = {"market": "BTC_USDT", "side": "sell", "amount": "500", "stp": "cb"}
    status, answer = send(venue, 0, "POST", path, body)
    assert (status, answer["status"]) == (200, "CANCELED_STP")
    check_answer(path, "POST", status, _as_documented(answer))


def test_every_private_endpoint_is_drawn() -> None:
    assert set(REQUESTS) >= set(PRIVATE)


@settings(max_examples=60)
@given(
    st.lists(st.one_of(*REQUESTS.values()) if REQUESTS else st.nothing(), min_size=8, max_size=25)
)
def test_documented_requests_get_documented_answers(
    drawn: list[tuple[str, str, dict[str, Any]]],
) -> None:
    clock = Steps()
    venue = Venue(config(), clock=clock, ids=CountingIds())
    before = totals(venue.exchange)
    quotes(venue)
    for number, (method, path, body) in enumerate(drawn):
        clock.now += 7_000_000_000
        venue.step()
        status, answer = send(venue, number, method, path, dict(body))
        assert status in (200, 400, 422), (status, path, body)
        check_answer(path, method, status, _as_documented(answer))
        venue.exchange.check()
    assert totals(venue.exchange) == before
