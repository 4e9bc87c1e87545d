"""Frames that open and keep a stream, and the tracking of their confirmations."""

from __future__ import annotations

import json

import pytest

from adapters.whitebit.frames import (
    AUTHORIZE_ID,
    StreamSession,
    authorize_frame,
    encode_frame,
    method_of,
    subscriptions,
)
from engine.errors import LocalProtocolError
from engine.events import PongReceived, StreamAuthorised, StreamSubscribed
from engine.intents import Ping, Resubscribe
from engine.types import Settings
from tests.whitebit.venue import BTC_PERP, BTC_USDT, MARKETS

SETTINGS = Settings(depth_limit=50)
QUOTED = {"BTC_USDT": BTC_USDT, "BTC_PERP": BTC_PERP, "ETH_USDT": MARKETS["ETH_USDT"]}


def test_public_stream_subscribes_its_market() -> None:
    frames = subscriptions("BTC_PERP", QUOTED, SETTINGS)
    assert frames == (
        b'{"id":2,"method":"depth_subscribe","params":["BTC_PERP",50,"0",true]}',
        b'{"id":4,"method":"bookTicker_subscribe","params":["BTC_PERP"]}',
        b'{"id":5,"method":"trades_subscribe","params":["BTC_PERP"]}',
        b'{"id":12,"method":"premiumIndex_subscribe","params":["BTC_PERP"]}',
    )


def test_a_spot_stream_has_no_mark_price() -> None:
    methods = [json.loads(frame)["method"] for frame in subscriptions("BTC_USDT", QUOTED, SETTINGS)]
    assert methods == ["depth_subscribe", "bookTicker_subscribe", "trades_subscribe"]


def test_the_mark_price_is_not_waited_for() -> None:
    session = StreamSession("BTC_PERP", subscriptions("BTC_PERP", QUOTED, SETTINGS))
    methods = ("trades_subscribe", "premiumIndex_subscribe", "bookTicker_subscribe")
    for method in methods:
        assert not session.confirm(StreamSubscribed("BTC_PERP", method))
    assert session.confirm(StreamSubscribed("BTC_PERP", "depth_subscribe"))
    assert not session.confirm(StreamSubscribed("BTC_PERP", "premiumIndex_subscribe"))


def test_private_stream_subscribes_the_complete_lists() -> None:
    frames = subscriptions("private", QUOTED, SETTINGS)
    assert [(f["method"], f["params"]) for f in map(json.loads, frames)] == [
        ("ordersPending_subscribe", ["BTC_USDT", "BTC_PERP", "ETH_USDT"]),
        ("deals_subscribe", [["BTC_USDT", "BTC_PERP", "ETH_USDT"]]),
        ("balanceSpot_subscribe", ["BTC", "USDT", "ETH"]),
        ("balanceMargin_subscribe", ["USDT"]),
        ("positionsMargin_subscribe", []),
    ]


def test_private_stream_asks_for_no_channel_of_a_product_that_is_not_quoted() -> None:
    spot = subscriptions("private", {"BTC_USDT": BTC_USDT}, SETTINGS)
    assert [json.loads(f)["method"] for f in spot][2:] == ["balanceSpot_subscribe"]
    perpetual = subscriptions("private", {"BTC_PERP": BTC_PERP}, SETTINGS)
    assert [json.loads(f)["method"] for f in perpetual][2:] == [
        "balanceMargin_subscribe",
        "positionsMargin_subscribe",
    ]


def test_stream_of_an_unknown_market_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError, match="DOGE_USDT"):
        subscriptions("DOGE_USDT", QUOTED, SETTINGS)


def test_authorize_frame_escapes_its_token() -> None:
    assert json.loads(authorize_frame('to"ken')) == {
        "id": AUTHORIZE_ID,
        "method": "authorize",
        "params": ['to"ken', "public"],
    }


def test_later_frames_carry_ids_of_their_own() -> None:
    assert encode_frame(Ping("private"), 3, SETTINGS) == (b'{"id":59,"method":"ping","params":[]}',)
    assert encode_frame(Resubscribe("BTC_PERP"), 4, SETTINGS) == (
        b'{"id":67,"method":"depth_unsubscribe","params":["BTC_PERP"]}',
        b'{"id":66,"method":"depth_subscribe","params":["BTC_PERP",50,"0",true]}',
    )


def test_ids_name_their_methods() -> None:
    frames = (
        *subscriptions("private", QUOTED, SETTINGS),
        *subscriptions("BTC_USDT", QUOTED, SETTINGS),
        *subscriptions("BTC_PERP", QUOTED, SETTINGS),
        *encode_frame(Resubscribe("BTC_USDT"), 7, SETTINGS),
        *encode_frame(Ping("BTC_USDT"), 8, SETTINGS),
        authorize_frame("t"),
    )
    for frame in map(json.loads, frames):
        assert method_of(frame["id"]) == frame["method"]
    assert method_of(0) == method_of(16) == method_of(15) == ""


def test_session_is_ready_at_the_last_confirmation() -> None:
    session = StreamSession("BTC_USDT", subscriptions("BTC_USDT", QUOTED, SETTINGS))
    assert not session.confirm(StreamSubscribed("BTC_USDT", "trades_subscribe"))
    assert not session.confirm(StreamSubscribed("BTC_USDT", "depth_subscribe"))
    assert not session.confirm(StreamSubscribed("BTC_USDT", "depth_subscribe"))
    assert not session.confirm(StreamSubscribed("BTC_PERP", "bookTicker_subscribe"))
    assert not session.confirm(PongReceived("BTC_USDT"))
    assert session.confirm(StreamSubscribed("BTC_USDT", "bookTicker_subscribe"))
    assert not session.confirm(StreamSubscribed("BTC_USDT", "depth_subscribe"))


def test_private_session_waits_for_authorize_too() -> None:
    frames = subscriptions("private", {"BTC_USDT": BTC_USDT}, SETTINGS)
    session = StreamSession("private", frames)
    for frame in frames:
        assert not session.confirm(StreamSubscribed("private", json.loads(frame)["method"]))
    assert session.confirm(StreamAuthorised("private"))
