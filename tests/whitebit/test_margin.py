"""A spot pair through its collateral endpoints, byte by byte (contract section 6, G-21, G-22)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.whitebit.frames import subscriptions
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.requests import encode
from adapters.whitebit.responses import normalise_response
from engine import events, intents
from engine.types import Position, PositionSide, Product, Settings, Side, Stp
from tests.whitebit.venue import MARKETS

NAME = "BTC_USDT"
SPOT = MARKETS[NAME]
MARGIN = replace(SPOT, product=Product.MARGIN)
D = Decimal


def order(client_order_id: str, *, post_only: bool = True) -> intents.NewOrder:
    return intents.NewOrder(
        client_order_id, Side.BUY, 6_000_010, 10_000, Stp.CANCEL_NEW, False, post_only, 0
    )


ITEM = '"market":"BTC_USDT","side":"buy","amount":"0.01","price":"60000.1","clientOrderId":'
REQUESTS: list[tuple[intents.Intent, str, str]] = [
    (
        intents.PlaceOrders(NAME, (order("a"),)),
        "order/collateral/limit",
        f'{ITEM}"a","postOnly":true,"stp":"cn"',
    ),
    (
        intents.PlaceOrders(NAME, (order("a"), order("b"))),
        "order/collateral/bulk",
        f'"orders":[{{{ITEM}"a","postOnly":true}},{{{ITEM}"b","postOnly":true}}]',
    ),
    (
        intents.ArmKillSwitch(NAME, 15),
        "order/kill-switch",
        '"market":"BTC_USDT","timeout":"15","types":["margin"]',
    ),
]


@pytest.mark.parametrize(("intent", "path", "members"), REQUESTS)
def test_request(intent: intents.Intent, path: str, members: str) -> None:
    request = encode(intent, MARGIN, 7)
    path = f"/api/v4/{path}"
    assert request.path == path
    body = f'{{{members},"request":"{path}","nonce":7,"nonceWindow":true}}'
    assert request.body.decode() == body


def test_streams_of_the_collateral_account() -> None:
    frames = subscriptions("private", {NAME: MARGIN}, Settings())
    found = {frame["method"]: frame["params"] for frame in map(json.loads, frames)}
    assert found == {
        "ordersPending_subscribe": [NAME],
        "deals_subscribe": [[NAME]],
        "balanceMargin_subscribe": ["USDT"],
        "positionsMargin_subscribe": [],
    }


STREAM: dict[str, Any] = {
    "id": 5,
    "market": NAME,
    "ctime": 1.0,
    "mtime": 1.0,
    "amount": "-0.5",
    "amount_in_money": "30000",
    "base_price": "60000",
    "pnl": "3",
    "liq_price": "0",
    "liq_stage": None,
    "unrealized_funding": "0.25",
    "funding": "1.5",
    "margin": "1",
    "free_margin": "1",
    "realized_pnl": "0",
    "position_side": "BOTH",
}
REST: dict[str, Any] = {
    "positionId": 5,
    "market": NAME,
    "openDate": 1.0,
    "modifyDate": 1.0,
    "amount": "-0.5",
    "basePrice": "60000",
    "pnl": "9",
    "unrealizedPnl": "3",
    "liquidationPrice": None,
    "liquidationState": None,
    "pnlPercent": "0",
    "margin": "1",
    "freeMargin": "1",
    "funding": "1.5",
    "unrealizedFunding": "0.25",
    "positionSide": "BOTH",
    "tpsl": None,
}
HELD = Position(NAME, 5, -500_000, D(60000), D(3), D("1.75"))


def pushed(product: Product, **change: Any) -> events.AnyEvent:
    record = {**STREAM, **change}
    params = {"total": 1, "records": [record]}
    frame = {"id": None, "method": "positionsMargin_update", "params": params}
    markets = {NAME: replace(SPOT, product=product)}
    return Normaliser(markets).frame("private", json.dumps(frame).encode())


def listed(product: Product, body: object) -> events.AnyEvent:
    markets = {NAME: replace(SPOT, product=product)}
    intent, data = intents.QueryPositions(NAME), json.dumps(body).encode()
    return normalise_response(intent, markets[NAME], 200, data, markets, set())


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (Product.MARGIN, (HELD,)),
        # What a perpetual's fields may say is settled to the balance.
        (Product.PERPETUAL, (replace(HELD, interest=D(0)),)),
        (Product.SPOT, ()),
    ],
)
def test_positions(product: Product, expected: tuple[Position, ...]) -> None:
    assert pushed(product) == events.PositionsReported(expected)
    assert listed(product, [REST]) == events.PositionsListed(NAME, expected)


def test_positions_of_a_server_that_says_nothing_of_a_cost() -> None:
    event = pushed(Product.MARGIN, funding=None, unrealized_funding=None)
    assert event == events.PositionsReported((replace(HELD, interest=D(0)),))


FEES: dict[str, Any] = {
    "error": None,
    "taker": "0.1",
    "maker": "-0.01",
    "futures_taker": "0.055",
    "futures_maker": "0.02",
    "rpi_maker_fee_premium": "0.003",
    "futures_rpi_maker_fee_premium": None,
    "custom_fee": {},
}


@pytest.mark.parametrize(
    ("product", "rates"),
    [
        (Product.SPOT, ("-0.0001", "0.001", "0.00003")),
        (Product.MARGIN, ("-0.0001", "0.001", "0.00003")),
        (Product.PERPETUAL, ("0.0002", "0.00055", "0")),
    ],
)
def test_a_pair_pays_the_fees_of_spot(product: Product, rates: tuple[str, str, str]) -> None:
    market = replace(SPOT, product=product)
    data = json.dumps(FEES).encode()
    found = normalise_response(intents.QueryFees(NAME), market, 200, data, {}, set())
    assert found == events.FeesListed(NAME, *map(D, rates))


@pytest.mark.parametrize(
    ("product", "leaves"), [(Product.SPOT, 0), (Product.MARGIN, 0), (Product.PERPETUAL, 10_000)]
)
def test_a_strangers_market_buy_on_spot_is_sized_in_money(product: Product, leaves: int) -> None:
    order = {
        "id": 9, "market": NAME, "type": 2, "side": 2, "amount": "0.01", "left": "0.01",
        "deal_stock": "0", "client_order_id": "", "status": "OPEN",
    }  # fmt: skip
    frame = {"id": None, "method": "ordersPending_update", "params": [1, order]}
    markets = {NAME: replace(SPOT, product=product)}
    event = Normaliser(markets).frame("private", json.dumps(frame).encode())
    assert isinstance(event, events.OrderOpened)
    assert event.order.leaves_qty == leaves


def test_two_positions_of_one_market_are_told_apart() -> None:
    long, short = (
        {**REST, "amount": "0.2", "positionSide": "LONG"},
        {**REST, "positionId": 6, "positionSide": "SHORT"},
    )
    answered = listed(Product.PERPETUAL, [long, short])
    assert isinstance(answered, events.PositionsListed)
    of_each = [(PositionSide.LONG, 200_000), (PositionSide.SHORT, HELD.qty)]
    assert [(each.side, each.qty) for each in answered.positions] == of_each
    records = [
        {**STREAM, "amount": "0.2", "position_side": "LONG"},
        {**STREAM, "id": 6, "position_side": "SHORT"},
    ]
    frame = {"method": "positionsMargin_update", "params": {"total": 2, "records": records}}
    markets = {NAME: replace(SPOT, product=Product.PERPETUAL)}
    pushed = Normaliser(markets).frame("private", json.dumps(frame).encode())
    assert isinstance(pushed, events.PositionsReported)
    assert [(each.side, each.qty) for each in pushed.positions] == of_each
    closed = {**long, "amount": "0"}
    answered = listed(Product.PERPETUAL, [closed, short])
    assert isinstance(answered, events.PositionsListed)
    assert [each.side for each in answered.positions] == [PositionSide.SHORT]


def test_a_position_of_neither_side_is_refused() -> None:
    answered = listed(Product.PERPETUAL, [{**REST, "positionSide": "NET"}])
    assert isinstance(answered, events.FrameRefused)
    assert answered.reason == "expected LONG, SHORT or BOTH, found 'NET'"
