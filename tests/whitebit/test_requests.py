"""Each intent becomes the documented request, in bytes that replay can compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.whitebit import lanes, requests
from adapters.whitebit.requests import Request, encode, encode_token
from adapters.whitebit.signing import ALLOWED_PATHS
from engine import backoff, intents
from engine.backoff import group_of
from engine.errors import LocalProtocolError
from engine.money import format_units
from engine.types import Market, PositionSide, Side, Stp
from tests.whitebit.venue import BTC_PERP, BTC_USDT, steady

NONCE = 1_700_000_000_001


def order(
    number: int,
    side: Side = Side.BUY,
    *,
    rpi: bool = False,
    post_only: bool = True,
    price: int = 6_000_010,
    qty: int = 10_000,
    client_order_id: str = "",
) -> intents.NewOrder:
    return intents.NewOrder(
        client_order_id or f"q1-{number}", side, price, qty, Stp.CANCEL_NEW, rpi, post_only, number
    )


def place(market: str, *orders: intents.NewOrder) -> intents.PlaceOrders:
    return intents.PlaceOrders(market, orders)


ITEM_1 = (
    '"market":"BTC_USDT","side":"buy","amount":"0.01","price":"60000.1",'
    '"clientOrderId":"q1-1","postOnly":true,"stp":"cn"'
)
ITEM_2 = (
    '"market":"BTC_USDT","side":"sell","amount":"0.01","price":"60000.1",'
    '"clientOrderId":"q1-2","rpi":true,"stp":"cn"'
)
PERP_1 = '"market":"BTC_PERP","side":"buy","amount":"10","price":"600001","clientOrderId":"q1-1"'

CASES: list[tuple[str, intents.Intent, Market | None, str, str]] = [
    ("one spot order", place("BTC_USDT", order(1)), BTC_USDT, "order/new", ITEM_1),
    (
        "a spot bulk",
        place("BTC_USDT", order(1), order(2, Side.SELL, rpi=True)),
        BTC_USDT,
        "order/bulk",
        f'"orders":[{{{ITEM_1}}},{{{ITEM_2}}}]',
    ),
    (
        "one perpetual order that may take",
        place("BTC_PERP", order(1, post_only=False)),
        BTC_PERP,
        "order/collateral/limit",
        PERP_1 + ',"stp":"cn"',
    ),
    (
        "one spot order that takes",
        place("BTC_USDT", replace(order(1, post_only=False), ioc=True)),
        BTC_USDT,
        "order/new",
        ITEM_1.replace(',"postOnly":true', "") + ',"ioc":true',
    ),
    (
        "one perpetual order that takes to reduce",
        place("BTC_PERP", replace(order(1, post_only=False), ioc=True, reduce_only=True)),
        BTC_PERP,
        "order/collateral/limit",
        PERP_1 + ',"stp":"cn","ioc":true,"reduceOnly":true',
    ),
    (
        "one order of hedge mode that reduces the short",
        place("BTC_PERP", replace(order(1, post_only=False), position_side=PositionSide.SHORT)),
        BTC_PERP,
        "order/collateral/limit",
        PERP_1 + ',"stp":"cn","positionSide":"SHORT"',
    ),
    (
        "a bulk of hedge mode, for either position",
        place(
            "BTC_PERP",
            replace(order(1), position_side=PositionSide.LONG),
            replace(order(1), position_side=PositionSide.SHORT),
        ),
        BTC_PERP,
        "order/collateral/bulk",
        f'"orders":[{{{PERP_1},"postOnly":true,"positionSide":"LONG"}},'
        f'{{{PERP_1},"postOnly":true,"positionSide":"SHORT"}}]',
    ),
    (
        "one perpetual order that rests to reduce",
        place("BTC_PERP", replace(order(1), reduce_only=True)),
        BTC_PERP,
        "order/collateral/limit",
        PERP_1 + ',"postOnly":true,"stp":"cn","reduceOnly":true',
    ),
    (
        "a perpetual bulk has no stp",
        place("BTC_PERP", order(1), order(1, rpi=True, post_only=False)),
        BTC_PERP,
        "order/collateral/bulk",
        f'"orders":[{{{PERP_1},"postOnly":true}},{{{PERP_1},"rpi":true}}]',
    ),
    (
        "a modify",
        intents.ModifyOrder("BTC_USDT", "q1-1", 6_000_000, 1, Stp.NO),
        BTC_USDT,
        "order/modify",
        '"market":"BTC_USDT","clientOrderId":"q1-1","amount":"0.000001","price":"60000","stp":"no"',
    ),
    (
        "a cancel",
        intents.CancelOrder("BTC_USDT", "q1-1"),
        BTC_USDT,
        "order/cancel",
        '"market":"BTC_USDT","clientOrderId":"q1-1"',
    ),
    (
        "cancel all",
        intents.CancelAll("BTC_PERP"),
        BTC_PERP,
        "order/cancel/all",
        '"market":"BTC_PERP"',
    ),
    (
        "arm on spot, the timeout is a string",
        intents.ArmKillSwitch("BTC_USDT", 15),
        BTC_USDT,
        "order/kill-switch",
        '"market":"BTC_USDT","timeout":"15","types":["spot"]',
    ),
    (
        "arm on a perpetual",
        intents.ArmKillSwitch("BTC_PERP", 600),
        BTC_PERP,
        "order/kill-switch",
        '"market":"BTC_PERP","timeout":"600","types":["futures"]',
    ),
    (
        "disarm",
        intents.DisarmKillSwitch("BTC_PERP"),
        BTC_PERP,
        "order/kill-switch",
        '"market":"BTC_PERP","timeout":null',
    ),
    (
        "open orders",
        intents.QueryOpenOrders("BTC_USDT", 100),
        BTC_USDT,
        "orders",
        '"market":"BTC_USDT","limit":100,"offset":100',
    ),
    (
        "fills",
        intents.QueryFills("BTC_USDT", 0),
        BTC_USDT,
        "trade-account/executed-history",
        '"market":"BTC_USDT","limit":100,"offset":0',
    ),
    ("spot balances", intents.QuerySpotBalances(), None, "trade-account/balance", ""),
    (
        "margin balances",
        intents.QueryMarginBalances(),
        None,
        "collateral-account/balance-summary",
        "",
    ),
    (
        "positions of a market",
        intents.QueryPositions("BTC_PERP"),
        BTC_PERP,
        "collateral-account/positions/open",
        '"market":"BTC_PERP"',
    ),
    ("all positions", intents.QueryPositions(""), None, "collateral-account/positions/open", ""),
    (
        "funding",
        intents.QueryFunding("BTC_PERP", 100),
        BTC_PERP,
        "collateral-account/funding-history",
        '"market":"BTC_PERP","limit":100,"offset":100',
    ),
    ("fees", intents.QueryFees("BTC_USDT"), BTC_USDT, "market/fee", ""),
    (
        "kill-switch status",
        intents.QueryKillSwitch("BTC_USDT"),
        BTC_USDT,
        "order/kill-switch/status",
        '"market":"BTC_USDT"',
    ),
]


def test_what_is_urgent_to_the_engine_has_connections_of_its_own() -> None:
    for _, intent, _, path, _ in CASES:
        urgent = group_of(intent) in backoff.URGENT
        assert (f"/api/v4/{path}" in lanes.URGENT) is urgent, path


@pytest.mark.parametrize(
    ("intent", "market", "path", "members"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_private_request(
    intent: intents.Intent, market: Market | None, path: str, members: str
) -> None:
    path = f"/api/v4/{path}"
    start = f"{{{members}," if members else "{"
    body = f'{start}"request":"{path}","nonce":{NONCE},"nonceWindow":true}}'
    assert encode(intent, market, NONCE) == Request("POST", path, body.encode())
    assert path in ALLOWED_PATHS


@pytest.mark.parametrize(
    ("intent", "path"),
    [
        (intents.QueryTime(), "/api/v4/public/time"),
        (intents.QueryMarkets(), "/api/v4/public/markets"),
    ],
)
def test_public_request_has_no_body(intent: intents.Intent, path: str) -> None:
    assert encode(intent, None, NONCE) == Request("GET", path, b"")


def test_token_request_is_the_worked_vector() -> None:
    assert encode_token(1700000000002).body == (
        b'{"request":"/api/v4/profile/websocket_token","nonce":1700000000002,"nonceWindow":true}'
    )


REFUSED: list[tuple[str, intents.Intent, Market | None, str]] = [
    ("no order", place("BTC_USDT"), BTC_USDT, "1 to 20 orders"),
    ("21 orders", place("BTC_USDT", *[order(n) for n in range(21)]), BTC_USDT, "1 to 20 orders"),
    (
        "a taker in a collateral bulk",
        place("BTC_PERP", order(1), order(2, post_only=False)),
        BTC_PERP,
        "collateral bulk",
    ),
    ("no price", place("BTC_USDT", order(1, price=0)), BTC_USDT, "price and qty"),
    ("negative qty", place("BTC_USDT", order(1, qty=-5)), BTC_USDT, "price and qty"),
    (
        "an id that would end its string",
        place("BTC_USDT", order(1, client_order_id='a","postOnly":false,"x":"')),
        BTC_USDT,
        "client order id",
    ),
    (
        "an id of letters beyond ASCII",
        intents.CancelOrder("BTC_USDT", "квота"),
        BTC_USDT,
        "client order id",
    ),
    ("no id", intents.CancelOrder("BTC_USDT", ""), BTC_USDT, "client order id"),
    ("a market that would end its string", intents.CancelAll('B"'), None, "market name"),
    ("the market of another intent", place("BTC_USDT", order(1)), BTC_PERP, "market 'BTC_USDT'"),
    ("no market", intents.ModifyOrder("BTC_USDT", "a", 1, 1, Stp.NO), None, "market 'BTC_USDT'"),
    (
        "modify to nothing",
        intents.ModifyOrder("BTC_USDT", "a", 1, 0, Stp.NO),
        BTC_USDT,
        "price and qty",
    ),
    ("a timer too short", intents.ArmKillSwitch("BTC_USDT", 4), BTC_USDT, "5 to 600"),
    ("a timer too long", intents.ArmKillSwitch("BTC_USDT", 601), BTC_USDT, "5 to 600"),
    ("a stream intent", intents.OpenStream("private"), None, "REST intent"),
    ("a ping", intents.Ping("private"), None, "REST intent"),
]


@pytest.mark.parametrize(
    ("intent", "market", "message"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_intent_against_the_rules(
    intent: intents.Intent, market: Market | None, message: str
) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        encode(intent, market, NONCE)


@steady
@given(st.integers(1, 1 << 62), st.integers(0, 18))
def test_fast_formatting_equals_the_exact_one(units: int, decimals: int) -> None:
    assert requests._decimal(units, decimals) == format_units(units, decimals)
