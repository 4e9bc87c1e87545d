"""2xx answers: each is the event of its intent, and numbers fit their market or are refused."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.whitebit.responses import REST, normalise_response
from engine import events, intents
from engine.types import (
    FundingPayment,
    KillSwitchTimer,
    MarginBalance,
    Market,
    OrderStatus,
    Position,
    Product,
    SpotBalance,
)
from tests.whitebit.answers import (
    BULK,
    CANCEL,
    DEAL,
    FEES,
    FILL,
    MARKET,
    MODIFY,
    ORDER,
    PLACE,
    POST_ONLY,
    POST_ONLY_ERROR,
    SPOT,
    VENUE_ORDER,
    answer,
    filled_answer,
    opened,
)
from tests.whitebit.venue import BTC_PERP, MARKETS

# As documented (contract 10.11).
FUNDING = {
    "market": "BTC_PERP",
    "fundingTime": "1734451200",
    "fundingRate": "0.00017674",
    "fundingAmount": "-0.171053531892",
    "positionAmount": "0.019",
    "settlementPrice": "50938.2",
    "rateCalculatedTime": "1734364800",
}
PAID = FundingPayment(
    1734451200,
    Decimal("-0.171053531892"),
    Decimal("0.00017674"),
    Decimal("0.019"),
    Decimal("50938.2"),
)

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
        "funding of one market, newest first, in seconds as documented and in milliseconds",
        intents.QueryFunding("BTC_PERP", 0),
        {
            "records": [
                {**FUNDING, "market": "ETH_PERP"},
                FUNDING,
                {**FUNDING, "fundingTime": "1734422400000", "fundingAmount": "0.50"},
            ],
            "limit": 100,
            "offset": 0,
        },
        events.FundingListed(
            "BTC_PERP", 0, (PAID, replace(PAID, time_s=1734422400, amount=Decimal("0.5"))), True
        ),
    ),
    (
        "a full page of funding, of which there may be another",
        intents.QueryFunding("BTC_PERP", 100),
        {"records": [FUNDING] * 100, "limit": 100, "offset": 100},
        events.FundingListed("BTC_PERP", 100, (PAID,) * 100, False),
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
                    collateral=True,
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


@pytest.mark.parametrize(
    ("intent", "body"),
    [
        (intents.QueryTime(), {"time": 1790112989000}),
        (
            intents.ArmKillSwitch(SPOT, 15),
            {"market": SPOT, "startTime": 1790112989, "cancellationTime": 1790113004000},
        ),
        (
            intents.QueryKillSwitch(""),
            [{"market": SPOT, "startTime": 1790112989000, "cancellationTime": 1790113004000}],
        ),
        (
            intents.QueryFunding("BTC_PERP", 0),
            {
                "records": [{**FUNDING, "fundingTime": "1790112989000000"}],
                "limit": 100,
                "offset": 0,
            },
        ),
    ],
    ids=["the time", "a timer that is armed", "a timer that is listed", "a payment"],
)
def test_a_time_that_is_not_in_seconds_proves_nothing(intent: intents.Intent, body: object) -> None:
    assert isinstance(answer(intent, 200, body), events.OutcomeUnknown)


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
