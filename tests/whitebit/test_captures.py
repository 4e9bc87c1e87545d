"""Every third-party capture and documented example: the event we expect, or a refusal.

The tables name the frames of channels that this client reads; every other is refused. They lie
outside this repository, so these tests are skipped where they are absent.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.responses import normalise_response
from engine import events, intents
from engine.types import Side, Stp
from tests.whitebit.venue import MARKETS, captures, examples, needs_shared

NORMALISER = Normaliser(MARKETS)

BY_METHOD: dict[str, tuple[type[events.Event], ...]] = {
    "depth_update": (events.BookSnapshot, events.BookDelta),
    "bookTicker_update": (events.BestBidOffer,),
    "trades_update": (events.PublicTrades,),
    "ordersPending_update": (events.OrderOpened, events.OrderUpdated, events.OrderClosed),
    "deals_update": (events.Filled,),
    "balanceSpot_update": (events.SpotBalancesChanged,),
    "balanceMargin_update": (events.MarginBalancesChanged,),
    "positionsMargin_update": (events.PositionsReported,),
}
REFUSED = {
    "spotprobe__depth_delta_BTC_USDT_no_update_id": "no delta can chain without ids",
}


def expected(frame: Any) -> tuple[type[events.Event], ...]:
    """Types of event that a frame from the server may become."""
    if not isinstance(frame, dict):
        return (events.FrameRefused,)
    if "method" in frame:
        return BY_METHOD.get(frame["method"], (events.FrameRefused,))
    if frame.get("result") == "pong":
        return (events.PongReceived,)
    if frame.get("result") == {"status": "success"}:
        # By the id alone, which here is not one of ours.
        return (events.StreamAuthorised, events.StreamSubscribed, events.FrameRefused)
    return (events.FrameRefused,)


CAPTURED = [
    (name, capture["raw"])
    for name, capture in captures()
    if capture["kind"] == "ws" and capture["direction"] == "server->client"
]
DOCUMENTED = [
    (f"{name}-{message['message']}-{number}", json.dumps(example["value"]))
    for name, channel in examples("ws")
    for message in channel["messages"]
    if message["direction"] == "server->client"
    for number, example in enumerate(message["examples"])
]


@needs_shared
@pytest.mark.parametrize(
    ("name", "raw"), CAPTURED + DOCUMENTED, ids=[name for name, _ in CAPTURED + DOCUMENTED]
)
def test_frame_from_the_server(name: str, raw: str) -> None:
    event = NORMALISER.frame("stream", raw.encode())
    types = (events.FrameRefused,) if name in REFUSED else expected(json.loads(raw))
    assert isinstance(event, types), event
    if isinstance(event, events.FrameRefused):
        assert event.reason


def place(market: str, *client_order_ids: str) -> intents.PlaceOrders:
    return intents.PlaceOrders(
        market,
        tuple(
            intents.NewOrder(client_order_id, Side.BUY, 1, 1, Stp.NO, False, True, level)
            for level, client_order_id in enumerate(client_order_ids)
        ),
    )


Row = tuple[intents.Intent, int, type[events.Event]]

REST_CAPTURES: dict[str, Row] = {
    "bot__collateral_limit_order_executed": (place("BTC_PERP", ""), 200, events.OrdersPlaced),
    "bot__order_error_not_enough_balance": (place("BTC_PERP", ""), 422, events.RequestRefused),
    "bot__positions_open": (intents.QueryPositions(""), 200, events.PositionsListed),
    "bot__positions_open_short": (intents.QueryPositions(""), 200, events.PositionsListed),
    "ccxt_rest__cancel_all_orders_after_1": (
        intents.ArmKillSwitch("BTC_USDT", 5),
        200,
        events.KillSwitchArmed,
    ),
    "ccxt_rest__cancel_order_1": (
        intents.CancelOrder("BTC_USDT", "customId11"),
        200,
        events.OrderCancelled,
    ),
    "ccxt_rest__fetch_balance_1": (intents.QuerySpotBalances(), 200, events.OutcomeUnknown),
    "ccxt_rest__fetch_balance_2": (intents.QuerySpotBalances(), 200, events.SpotBalancesListed),
    "ccxt_rest__fetch_funding_history_1": (
        intents.QueryFunding("BTC_PERP", 0),
        200,
        events.FundingListed,
    ),
    "ccxt_rest__fetch_markets_1": (intents.QueryMarkets(), 200, events.MarketsListed),
    "ccxt_rest__fetch_my_trades_1": (
        intents.QueryFills("USDC_USDT", 0),
        200,
        events.FillsListed,
    ),
    "ccxt_rest__fetch_my_trades_2": (
        intents.QueryFills("USDC_USDT", 0),
        200,
        events.FillsListed,
    ),
    "ccxt_rest__fetch_open_orders_1": (
        intents.QueryOpenOrders("BTC_USDT", 0),
        200,
        events.OpenOrdersListed,
    ),
    "ccxt_rest__fetch_positions_1": (intents.QueryPositions(""), 200, events.PositionsListed),
    "ccxt_static__fetchPosition": (intents.QueryPositions(""), 200, events.PositionsListed),
    "ccxt_rest__fetch_time_1": (intents.QueryTime(), 200, events.ServerTimeReported),
    "ccxt_rest__handle_errors_1": (intents.QueryFills("BTC_USDT", 0), 422, events.RequestRefused),
    "ccxt_rest__handle_errors_2": (place("BTC_USDT", ""), 401, events.RequestRefused),
    "ccxt_rest__handle_errors_3": (place("BTC_USDT", ""), 422, events.RequestRefused),
    "ccxt_rest__handle_errors_4": (place("BTC_USDT", ""), 422, events.RequestRefused),
    "hbot__order_fills_error": (intents.QueryFills("BTC_USDT", 0), 422, events.RequestRefused),
    "jkorf__Endpoints_V4_Account_GetAccountFundingHistory": (
        intents.QueryFunding("BTC_PERP", 0),
        200,
        events.FundingListed,
    ),
    "jkorf__Endpoints_V4_Account_GetCollateralBalanceSummary": (
        intents.QueryMarginBalances(),
        200,
        events.MarginBalancesListed,
    ),
    "jkorf__Endpoints_V4_CollateralTrading_GetOpenPositions": (
        intents.QueryPositions(""),
        200,
        events.PositionsListed,
    ),
    "jkorf__Endpoints_V4_ExchangeData_GetAssets": (
        intents.QueryMarkets(),
        200,
        events.MarketsListed,
    ),
    # Deals of 2020 named no order.
    "jkorf__Endpoints_V4_Trading_GetUserTrades": (
        intents.QueryFills("BTC_USDT", 0),
        200,
        events.OutcomeUnknown,
    ),
    "nemanull__rest_collateral_markets_451": (
        intents.QueryMarkets(),
        451,
        events.RequestRefused,
    ),
    "nemanull__rest_orderbook_unknown_market": (
        intents.QueryMarkets(),
        422,
        events.RequestRefused,
    ),
    "nemanull__rest_time": (intents.QueryTime(), 200, events.ServerTimeReported),
    "roq__market_info_ack__simple": (intents.QueryMarkets(), 200, events.MarketsListed),
}
REST_EXAMPLES: dict[str, tuple[intents.Intent, type[events.Event]]] = {
    "post_order_new": (place("BTC_USDT", "order1987111"), events.OrdersPlaced),
    "post_order_collateral_limit": (place("BTC_USDT", "order1987111"), events.OrdersPlaced),
    "post_order_bulk": (place("BTC_USDT", "order1987111", "b"), events.OrdersPlaced),
    "post_order_collateral_bulk": (place("BTC_USDT", "", "", ""), events.OrdersPlaced),
    "post_order_modify": (
        intents.ModifyOrder("BTC_USDT", "order1987111", 1, 1, Stp.NO),
        events.OrderModified,
    ),
    "post_order_cancel": (
        intents.CancelOrder("BTC_USDT", "order1987111"),
        events.OrderCancelled,
    ),
    "post_order_cancel_all": (intents.CancelAll("BTC_USDT"), events.OrdersAllCancelled),
    "post_order_kill-switch_status": (
        intents.QueryKillSwitch("BTC_USDT"),
        events.KillSwitchesListed,
    ),
    "post_orders": (intents.QueryOpenOrders("BTC_USDT", 0), events.OpenOrdersListed),
    "post_trade-account_balance": (intents.QuerySpotBalances(), events.SpotBalancesListed),
    "post_collateral-account_balance-summary": (
        intents.QueryMarginBalances(),
        events.MarginBalancesListed,
    ),
    "post_collateral-account_positions_open": (
        intents.QueryPositions(""),
        events.PositionsListed,
    ),
    "post_collateral-account_funding-history": (
        intents.QueryFunding("BTC_PERP", 0),
        events.FundingListed,
    ),
    "post_market_fee": (intents.QueryFees("BTC_USDT"), events.FeesListed),
    "get_public_time": (intents.QueryTime(), events.ServerTimeReported),
    "get_public_markets": (intents.QueryMarkets(), events.MarketsListed),
}


def answer(intent: intents.Intent, status: int, raw: str) -> events.AnyEvent:
    market = MARKETS.get(getattr(intent, "market", ""))
    return normalise_response(intent, market, status, raw.encode(), MARKETS)


@needs_shared
@pytest.mark.parametrize("name", REST_CAPTURES)
def test_captured_rest_reply(name: str) -> None:
    intent, status, type_ = REST_CAPTURES[name]
    event = answer(intent, status, dict(captures())[name]["raw"])
    assert isinstance(event, type_), event


@needs_shared
@pytest.mark.parametrize("name", REST_EXAMPLES)
def test_documented_rest_reply(name: str) -> None:
    intent, type_ = REST_EXAMPLES[name]
    for response in dict(examples("rest"))[name]["responses"]:
        status = int(response["status"]) if response["status"] != "default" else 500
        body = "" if response["value"] is None else json.dumps(response["value"])
        event = answer(intent, status, body)
        if status == 200:
            assert isinstance(event, type_), event
        elif status >= 500:
            assert isinstance(event, events.OutcomeUnknown)
        else:
            assert isinstance(event, events.RequestRefused)


@needs_shared
def test_documented_kill_switch_replies() -> None:
    set_reply, delete_reply = [
        json.dumps(response["value"])
        for response in dict(examples("rest"))["post_order_kill-switch"]["responses"]
        if response["status"] == "200"
    ]
    armed = answer(intents.ArmKillSwitch("BTC_USDT", 5), 200, set_reply)
    assert isinstance(armed, events.KillSwitchArmed)
    disarmed = answer(intents.DisarmKillSwitch("BTC_USDT"), 200, delete_reply)
    assert disarmed == events.KillSwitchDisarmed("BTC_USDT")


@needs_shared
@pytest.mark.slow
def test_reply_to_another_request_proves_nothing_and_never_raises() -> None:
    asked: list[intents.Intent] = [
        place("BTC_USDT", "q1"),
        place("BTC_USDT", "q1", "q2"),
        intents.CancelOrder("BTC_USDT", "q1"),
        intents.ModifyOrder("BTC_USDT", "q1", 1, 1, Stp.NO),
        intents.ArmKillSwitch("BTC_USDT", 5),
    ]
    for name, capture in captures():
        if capture["kind"] == "rest" and name not in REST_CAPTURES:
            for intent in asked:
                event = answer(intent, 200, capture["raw"])
                empty_bulk = event == events.OrdersPlaced("BTC_USDT", ())
                assert isinstance(event, events.OutcomeUnknown) or empty_bulk, (name, event)
