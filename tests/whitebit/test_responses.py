"""REST answers: evidence is an event, anything less is an unknown outcome (contract section 9)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.whitebit.responses import REST, normalise_response
from engine import events, intents
from engine.types import (
    KillSwitchTimer,
    MarginBalance,
    Market,
    OrderStatus,
    Position,
    Product,
    Refusal,
    Role,
    Side,
    SpotBalance,
    Stp,
    VenueFill,
    VenueOrder,
)
from tests.whitebit.venue import BTC_PERP, MARKETS, steady

SPOT = "BTC_USDT"


def new(client_order_id: str) -> intents.NewOrder:
    return intents.NewOrder(client_order_id, Side.BUY, 4_000_000, 10_000, Stp.NO, False, True, 0)


PLACE = intents.PlaceOrders(SPOT, (new("q1"),))
BULK = intents.PlaceOrders(SPOT, (new("q1"), new("q2"), new("q3")))
MODIFY = intents.ModifyOrder(SPOT, "q1", 1, 1, Stp.NO)
CANCEL = intents.CancelOrder(SPOT, "q1")

# The documented order object (5.0), of an order that rests.
ORDER: dict[str, Any] = {
    "orderId": 4180284841,
    "clientOrderId": "q1",
    "market": "BTC_USDT",
    "side": "buy",
    "type": "limit",
    "timestamp": 1595792396.165973,
    "dealMoney": "0",
    "dealStock": "0",
    "amount": "0.010",
    "left": "0.01",
    "dealFee": "0",
    "feeAsset": "USDT",
    "price": "40000",
    "postOnly": True,
    "ioc": False,
    "status": "OPEN",
    "stp": "cn",
}
VENUE_ORDER = VenueOrder(
    market=SPOT,
    order_id=4180284841,
    client_order_id="q1",
    side=Side.BUY,
    price=4_000_000,
    qty=10_000,
    leaves_qty=10_000,
    filled_qty=0,
    status=OrderStatus.OPEN,
    status_text="OPEN",
    post_only=True,
    rpi=False,
    stp="cn",
    modified_us=0,
)
POST_ONLY_ERROR = {
    "code": 13,
    "message": "Inner validation failed",
    "errors": {"postOnly": ["This order couldn't be executed as a maker order and was canceled."]},
}
POST_ONLY = Refusal(
    200, 13, "postOnly", "This order couldn't be executed as a maker order and was canceled."
)
DEAL = {
    "id": 1343815269,
    "clientOrderId": "q1",
    "time": 1641051917.532965,
    "side": "sell",
    "role": 2,
    "amount": "9.986",
    "price": "0.99",
    "deal": "9.981007",
    "fee": "-0.009981007",
    "orderId": 58166729555,
    "feeAsset": "USDT",
}
FILL = VenueFill(
    SPOT,
    1343815269,
    58166729555,
    "q1",
    Side.SELL,
    Role.TAKER,
    99,
    9_986_000,
    Decimal("-0.009981007"),
    "USDT",
    1641051917_532965,
)
FEES = {
    "error": None,
    "taker": "0.1",
    "maker": "0.1",
    "futures_taker": "0.035",
    "futures_maker": "-0.01",
    "rpi_maker_fee_premium": None,
    "futures_rpi_maker_fee_premium": "0.01",
    "custom_fee": {"ETH_PERP": {"taker": "0.055", "maker": "0.02"}},
}
MARKET = {
    "name": "BTC_USDT",
    "stock": "BTC",
    "money": "USDT",
    "stockPrec": "6",
    "moneyPrec": "2",
    "feePrec": "4",
    "makerFee": "0.1",
    "takerFee": "0.1",
    "minAmount": "0.0000101",
    "minTotal": "5.050000001",
    "maxTotal": "10000000.123456789",
    "tradesEnabled": True,
    "isCollateral": True,
    "type": "spot",
    "isTradFiFutures": False,
    "delistedAt": None,
}


def answer(intent: intents.Intent, status: int, body: object) -> events.AnyEvent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    market = MARKETS.get(getattr(intent, "market", ""))
    return normalise_response(intent, market, status, raw, MARKETS)


def opened(**changes: Any) -> VenueOrder:
    return msgspec.structs.replace(VENUE_ORDER, **changes)


def filled_answer(client_order_id: str) -> dict[str, Any]:
    return {**ORDER, "clientOrderId": client_order_id, "left": "0", "dealStock": "0.01"}


READ: list[tuple[str, intents.Intent, object, events.AnyEvent]] = [
    (
        "a place that rests",
        PLACE,
        ORDER,
        events.OrdersPlaced(SPOT, (events.PlaceResult(VENUE_ORDER, None),)),
    ),
    (
        "a place documented as FILLED with something left rests",
        PLACE,
        {**ORDER, "status": "FILLED"},
        events.OrdersPlaced(SPOT, (events.PlaceResult(opened(status_text="FILLED"), None),)),
    ),
    (
        "a place of an old server without a status",
        PLACE,
        {key: value for key, value in ORDER.items() if key not in ("status", "stp")},
        events.OrdersPlaced(SPOT, (events.PlaceResult(opened(status_text="", stp=""), None),)),
    ),
    (
        "a bulk with a success, a refusal and a fill",
        BULK,
        [
            {"result": ORDER, "error": None},
            {"result": None, "error": POST_ONLY_ERROR},
            {"result": {**filled_answer("q3"), "status": "FILLED"}, "error": None},
        ],
        events.OrdersPlaced(
            SPOT,
            (
                events.PlaceResult(VENUE_ORDER, None),
                events.PlaceResult(None, POST_ONLY),
                events.PlaceResult(
                    opened(
                        client_order_id="q3",
                        leaves_qty=0,
                        filled_qty=10_000,
                        status=OrderStatus.FILLED,
                        status_text="FILLED",
                    ),
                    None,
                ),
            ),
        ),
    ),
    (
        "a bulk that ends early",
        BULK,
        [{"result": None, "error": POST_ONLY_ERROR}],
        events.OrdersPlaced(SPOT, (events.PlaceResult(None, POST_ONLY),)),
    ),
    (
        "a bulk item that the service failed on, which proves nothing of it and those after",
        BULK,
        [
            {"result": ORDER, "error": None},
            {"result": None, "error": {"code": 500, "message": "Service temporary unavailable"}},
            {"result": None, "error": POST_ONLY_ERROR},
        ],
        events.OrdersPlaced(SPOT, (events.PlaceResult(VENUE_ORDER, None),)),
    ),
    ("a modify", MODIFY, ORDER, events.OrderModified(VENUE_ORDER)),
    (
        "a cancel",
        CANCEL,
        {**ORDER, "status": "CANCELED"},
        events.OrderCancelled(opened(status=OrderStatus.CANCELLED, status_text="CANCELED")),
    ),
    ("cancel all", intents.CancelAll(SPOT), [], events.OrdersAllCancelled(SPOT)),
    (
        "kill-switch armed",
        intents.ArmKillSwitch(SPOT, 15),
        {"market": SPOT, "startTime": 1662478154, "cancellationTime": 1662478169, "types": None},
        events.KillSwitchArmed(KillSwitchTimer(SPOT, 1662478154, 1662478169)),
    ),
    (
        "kill-switch disarmed",
        intents.DisarmKillSwitch(SPOT),
        [],
        events.KillSwitchDisarmed(SPOT),
    ),
    (
        "kill-switch status",
        intents.QueryKillSwitch(SPOT),
        [{"market": SPOT, "startTime": 5, "cancellationTime": 10, "types": ["spot"]}],
        events.KillSwitchesListed((KillSwitchTimer(SPOT, 5, 10),)),
    ),
    (
        "open orders, fewer than a page",
        intents.QueryOpenOrders(SPOT, 100),
        [ORDER, {**ORDER, "type": "stop market", "price": "0", "amount": "7.77", "left": "7.77"}],
        events.OpenOrdersListed(
            SPOT,
            100,
            (VENUE_ORDER, opened(price=0, qty=0, leaves_qty=0)),
            True,
        ),
    ),
    (
        "a full page of open orders",
        intents.QueryOpenOrders(SPOT, 0),
        [ORDER] * 100,
        events.OpenOrdersListed(SPOT, 0, (VENUE_ORDER,) * 100, False),
    ),
    (
        "fills as a list",
        intents.QueryFills(SPOT, 0),
        [DEAL],
        events.FillsListed(SPOT, 0, (FILL,), True),
    ),
    (
        "fills by market",
        intents.QueryFills(SPOT, 0),
        {SPOT: [DEAL], "ETH_BTC": [DEAL] * 99},
        events.FillsListed(SPOT, 0, (FILL,), False),
    ),
    ("no fills", intents.QueryFills(SPOT, 0), {}, events.FillsListed(SPOT, 0, (), True)),
    (
        "spot balances",
        intents.QuerySpotBalances(),
        {"USDT": {"available": "1000.50", "freeze": "100.00"}},
        events.SpotBalancesListed((SpotBalance("USDT", Decimal("1000.5"), Decimal(100)),)),
    ),
    (
        "margin balances, strings or numbers",
        intents.QueryMarginBalances(),
        b'[{"asset":"USDT","balance":1000.10000000000000001,"borrow":"0",'
        b'"availableWithoutBorrow":"1","availableWithBorrow":2}]',
        events.MarginBalancesListed(
            (
                MarginBalance(
                    "USDT",
                    Decimal("1000.10000000000000001"),
                    Decimal(0),
                    Decimal(1),
                    Decimal(2),
                ),
            )
        ),
    ),
    (
        "positions, without foreign and closed ones",
        intents.QueryPositions(""),
        [
            {
                "positionId": 1,
                "market": "BTC_PERP",
                "amount": "-0.002",
                "basePrice": "43131.7",
                "pnl": "5",
                "unrealizedPnl": "-0.10",
            },
            {"positionId": 2, "market": "BTC_PERP", "amount": "0", "basePrice": "", "pnl": None},
            {"positionId": 3, "market": "BTC_USDT", "amount": "0.1", "basePrice": "1"},
            {"positionId": 4, "market": "XRP_PERP", "amount": "0.123456789", "basePrice": "1"},
        ],
        events.PositionsListed(
            "", (Position("BTC_PERP", 1, -2, Decimal("43131.7"), Decimal("-0.1")),)
        ),
    ),
    (
        "fees of a spot market",
        intents.QueryFees(SPOT),
        FEES,
        events.FeesListed(SPOT, Decimal("0.001"), Decimal("0.001"), Decimal(0)),
    ),
    (
        "fees of a perpetual, with a rebate",
        intents.QueryFees("BTC_PERP"),
        FEES,
        events.FeesListed("BTC_PERP", Decimal("-0.0001"), Decimal("0.00035"), Decimal("0.0001")),
    ),
    (
        "fees of a market with its own",
        intents.QueryFees("ETH_PERP"),
        FEES,
        events.FeesListed("ETH_PERP", Decimal("0.0002"), Decimal("0.00055"), Decimal("0.0001")),
    ),
    (
        "fees when nothing is custom and the map is written as a list",
        intents.QueryFees(SPOT),
        {**FEES, "custom_fee": []},
        events.FeesListed(SPOT, Decimal("0.001"), Decimal("0.001"), Decimal(0)),
    ),
    (
        "server time",
        intents.QueryTime(),
        {"time": 1790112989},
        events.ServerTimeReported(1790112989),
    ),
    (
        "markets, limits rounded to the safe side",
        intents.QueryMarkets(),
        [MARKET, {**MARKET, "name": "X", "moneyPrec": "19"}, {}],
        events.MarketsListed(
            (
                Market(
                    name=SPOT,
                    base_asset="BTC",
                    quote_asset="USDT",
                    product=Product.SPOT,
                    price_decimals=2,
                    qty_decimals=6,
                    qty_min=11,
                    notional_min=505_000_001,
                    notional_max=1_000_000_012_345_678,
                    maker_fee_rate=Decimal("0.001"),
                    taker_fee_rate=Decimal("0.001"),
                ),
            )
        ),
    ),
]


@pytest.mark.parametrize(
    ("intent", "body", "event"), [case[1:] for case in READ], ids=[case[0] for case in READ]
)
def test_answer_becomes_its_event(
    intent: intents.Intent, body: object, event: events.AnyEvent
) -> None:
    assert answer(intent, 200, body) == event


EVIDENCE: list[tuple[str, int, object, events.AnyEvent]] = [
    (
        "a validation error",
        422,
        {"code": 32, "message": "Validation failed", "errors": {"amount": ["Min step", "x"]}},
        events.RequestRefused(Refusal(422, 32, "amount", "Min step")),
    ),
    (
        "an order that is gone",
        400,
        {"code": 2, "message": "Inner", "errors": {"orderId": ["Unexecuted order was not found."]}},
        events.RequestRefused(Refusal(400, 2, "orderId", "Unexecuted order was not found.")),
    ),
    (
        "a bad signature",
        401,
        {"code": 10, "message": "Unauthorized request."},
        events.RequestRefused(Refusal(401, 10, "", "Unauthorized request.")),
    ),
    (
        "an empty list of errors",
        451,
        {"errors": [], "message": "Not available in your country.", "success": False},
        events.RequestRefused(Refusal(451, 0, "", "Not available in your country.")),
    ),
    (
        "an envelope of 2022",
        422,
        {"response": None, "status": 422, "errors": {"orderId": ["not found"]}, "warning": "x"},
        events.RequestRefused(Refusal(422, 0, "orderId", "not found")),
    ),
    (
        "a flat public error",
        422,
        {"market": ["Market is not available."]},
        events.RequestRefused(Refusal(422, 0, "market", "Market is not available.")),
    ),
    (
        "a nonce refusal, 429 with JSON",
        429,
        {"code": 0, "errors": {}, "message": "Too many requests."},
        events.RequestRefused(Refusal(429, 0, "", "Too many requests.")),
    ),
    ("a rate limit, 429 without", 429, b"<html>429</html>", events.RequestThrottled()),
    ("a rate limit with an empty body", 429, b"", events.RequestThrottled()),
    ("an unknown route", 404, b"", events.RequestRefused(Refusal(404, 0, "", "no such route"))),
]


@pytest.mark.parametrize(
    ("status", "body", "event"),
    [case[1:] for case in EVIDENCE],
    ids=[case[0] for case in EVIDENCE],
)
def test_refusal_with_evidence(status: int, body: object, event: events.AnyEvent) -> None:
    assert answer(PLACE, status, body) == event


UNKNOWN: list[tuple[str, intents.Intent, int, object]] = [
    ("a gateway's page", PLACE, 503, b"<html>Service Unavailable</html>"),
    ("a server error in JSON", PLACE, 500, {"error": ["Internal server error."]}),
    ("a server error in the shape of a refusal", PLACE, 500, POST_ONLY_ERROR),
    ("a firewall's page", PLACE, 403, b"<html>denied</html>"),
    ("a refusal that is no object", PLACE, 422, [1]),
    ("a redirect", PLACE, 302, b""),
    ("an empty success", PLACE, 200, b""),
    ("a success that is a page", PLACE, 200, b"<html>"),
    ("an error envelope under 200", PLACE, 200, POST_ONLY_ERROR),
    ("the order of another request", PLACE, 200, {**ORDER, "clientOrderId": "q9"}),
    ("an order of another market", PLACE, 200, {**ORDER, "market": "ETH_BTC"}),
    ("a bulk with more results than orders", BULK, 200, [{"result": None, "error": {}}] * 4),
    ("a bulk item with neither", BULK, 200, [{"result": None, "error": None}]),
    ("a bulk item with both", BULK, 200, [{"result": ORDER, "error": POST_ONLY_ERROR}]),
    (
        "a bulk in another order",
        BULK,
        200,
        [{"result": {**ORDER, "clientOrderId": "q2"}, "error": None}],
    ),
    ("an array for cancel all", intents.CancelAll(SPOT), 200, {}),
    (
        "the timer of another market",
        intents.ArmKillSwitch(SPOT, 5),
        200,
        {"market": "ETH_BTC", "startTime": 1, "cancellationTime": 6},
    ),
    ("a stream intent", intents.Ping("private"), 200, []),
]


@pytest.mark.parametrize(
    ("intent", "status", "body"), [case[1:] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN]
)
def test_answer_that_proves_nothing(intent: intents.Intent, status: int, body: object) -> None:
    event = answer(intent, status, body)
    assert isinstance(event, events.OutcomeUnknown)
    assert str(status) in event.reason


MISFITS: list[tuple[str, intents.Intent, object, str, str]] = [
    ("a price off the tick", PLACE, {**ORDER, "price": "40000.001"}, SPOT, "2 decimals"),
    ("a size off the lot", CANCEL, {**ORDER, "left": "0.0100001"}, SPOT, "6 decimals"),
    ("an unknown side", MODIFY, {**ORDER, "side": "hold"}, SPOT, "side"),
    ("an unknown type", PLACE, {**ORDER, "type": "iceberg"}, SPOT, "iceberg"),
    (
        "an unknown status in a list",
        intents.QueryOpenOrders(SPOT, 0),
        [{**ORDER, "status": "PAUSED"}],
        SPOT,
        "PAUSED",
    ),
    (
        "a fill off the lot",
        intents.QueryFills(SPOT, 0),
        [{**DEAL, "amount": "1e-9"}],
        SPOT,
        "plain",
    ),
    ("a fill of unknown role", intents.QueryFills(SPOT, 0), [{**DEAL, "role": 3}], SPOT, "role"),
    (
        "a position off the lot",
        intents.QueryPositions("BTC_PERP"),
        [{"positionId": 1, "market": "BTC_PERP", "amount": "0.0001"}],
        "BTC_PERP",
        "3 decimals",
    ),
]


@pytest.mark.parametrize(
    ("intent", "body", "market", "reason"),
    [case[1:] for case in MISFITS],
    ids=[case[0] for case in MISFITS],
)
def test_number_or_word_that_does_not_fit(
    intent: intents.Intent, body: object, market: str, reason: str
) -> None:
    event = answer(intent, 200, body)
    assert isinstance(event, events.FrameRefused)
    assert (event.stream, event.market) == (REST, market)
    assert reason in event.reason


def test_only_the_markets_asked_for_must_fit() -> None:
    body = json.dumps([MARKET, {**MARKET, "name": "X", "type": "bond"}]).encode()
    listed = normalise_response(intents.QueryMarkets(), None, 200, body, MARKETS, {SPOT})
    assert isinstance(listed, events.MarketsListed)
    assert [market.name for market in listed.markets] == [SPOT]
    refused = normalise_response(intents.QueryMarkets(), None, 200, body, MARKETS, {SPOT, "X"})
    assert isinstance(refused, events.FrameRefused)
    assert refused.market == "X"
    assert "bond" in refused.reason


def test_market_of_tiny_ticks_has_no_limit_that_overflows() -> None:
    item = {**MARKET, "stockPrec": "2", "moneyPrec": "9", "maxTotal": "10000000000"}
    event = answer(intents.QueryMarkets(), 200, [item])
    assert isinstance(event, events.MarketsListed)
    (market,) = event.markets
    assert market.notional_max == (1 << 62) - 1


def test_query_of_a_market_that_is_not_known_here() -> None:
    event = normalise_response(PLACE, None, 200, json.dumps(ORDER).encode(), {"x": BTC_PERP})
    assert isinstance(event, events.OutcomeUnknown)


@pytest.mark.slow
@settings(steady, max_examples=200)
@given(
    st.sampled_from([case[1] for case in READ]),
    st.sampled_from([200, 200, 200, 400, 404, 422, 429, 500]),
    st.binary(max_size=30)
    | st.sampled_from([case[2] for case in READ] + [case[2] for case in EVIDENCE]).map(
        lambda body: body if isinstance(body, bytes) else json.dumps(body).encode()
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
def test_no_answer_raises_and_every_event_can_be_journaled(
    intent: intents.Intent, status: int, body: bytes, damage: list[tuple[int, int]]
) -> None:
    damaged = bytearray(body)
    for place, byte in damage:
        if damaged:
            damaged[place % len(damaged)] = byte
    event = answer(intent, status, bytes(damaged))
    encoded = msgspec.msgpack.encode(event)
    assert msgspec.msgpack.decode(encoded, type=events.AnyEvent) == event
