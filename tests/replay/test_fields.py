"""Parts of a state by name: found, shown as JSON shows them, compared field by field."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from engine.errors import ConfigError
from engine.events import BookDelta
from engine.stages import Hold, Stage
from engine.state import State, held
from engine.types import Side
from replay.fields import ABSENT, Change, changes, find, named
from tests.cli.kit import order, quoting

STATE = quoting(order(Side.BUY, 6_179_900), order(Side.SELL, 6_180_200))


def with_market(state: State, **fields: object) -> State:
    market = replace(state.markets["BTC_USDT"], **fields)
    return replace(state, markets={"BTC_USDT": market})


def test_a_part_is_found_by_its_names() -> None:
    book = STATE.markets["BTC_USDT"].feed.book
    assert find(STATE, "markets.BTC_USDT.feed.book") is book
    assert find(STATE, "markets.BTC_USDT.feed.book.bid_prices.0") == 6_180_000
    assert find(STATE, "markets.BTC_USDT.orders.BUY-0.price") == 6_179_900
    assert find(STATE, "markets.BTC_USDT.asks.SELL-0.side") is Side.SELL
    assert find(STATE, "") is STATE


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("market", "expected one of seq, now_ns"),
        ("markets.BTC", "expected one of BTC_USDT in markets"),
        ("seq.high", "expected one of nothing in seq"),
        ("markets.BTC_USDT.orders.x", "expected one of SELL-0, BUY-0"),
    ],
)
def test_a_part_that_is_not_there_says_what_is(path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find(STATE, path)


def test_everything_can_be_shown_as_json_and_money_is_exact() -> None:
    shown = named(STATE)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
    market = shown["markets"]["BTC_USDT"]
    assert market["inventory"]["baseline"] == "10"
    assert market["quoted"]["market"]["maker_fee_rate"] == "0.001"
    assert market["orders"]["BUY-0"]["side"] == "BUY"
    assert named(Decimal("1E+3")) == "1000"
    assert named(b"{}") == "{}"
    assert named(bytes(2)) == "0000"
    assert named(BookDelta("M", 2, 1, 0, (5, 1), ()))["type"] == "BookDelta"


def test_equal_states_do_not_differ() -> None:
    again = quoting(order(Side.BUY, 6_179_900), order(Side.SELL, 6_180_200))
    assert list(changes(STATE, again)) == []


def test_each_field_that_differs_is_named_once() -> None:
    other = with_market(STATE, position=-5, halted="why")
    assert list(changes(STATE, replace(other, seq=9))) == [
        Change("seq", 1, 9),
        Change("markets.BTC_USDT.position", STATE.markets["BTC_USDT"].position, -5),
        Change("markets.BTC_USDT.halted", "", "why"),
    ]


def test_orders_are_compared_by_their_ids_and_not_by_their_places() -> None:
    other = quoting(
        order(Side.BUY, 6_179_800), order(Side.BUY, 6_179_000, level=1), order(Side.SELL, 6_180_200)
    )
    found = {change.path: change for change in changes(STATE, other)}
    assert found["markets.BTC_USDT.orders.BUY-0.price"].new == 6_179_800
    added = found["markets.BTC_USDT.orders.BUY-1"]
    assert added.old == ABSENT
    assert added.new["price"] == 6_179_000
    assert not any(".bids." in path or ".asks." in path for path in found)
    gone = {change.path: change for change in changes(other, STATE)}
    assert gone["markets.BTC_USDT.orders.BUY-1"].new == ABSENT


def test_books_are_compared_by_price() -> None:
    feed = STATE.markets["BTC_USDT"].feed
    book = replace(feed.book, bid_prices=(6_180_000, 6_179_000), bid_qtys=(7, 8))
    other = with_market(STATE, feed=replace(feed, book=book))
    assert list(changes(STATE, other)) == [
        Change("markets.BTC_USDT.feed.book.bids.6180000", 4_000, 7),
        Change("markets.BTC_USDT.feed.book.bids.6179000", ABSENT, 8),
    ]


def test_holds_are_compared_by_their_rule() -> None:
    market = STATE.markets["BTC_USDT"]
    for rule in ("operator", "loss"):
        market = held(market, Hold(rule, Stage.STOP, "why"))
    more = held(market, Hold("operator", Stage.CANCEL, "why"))
    old, new = (replace(STATE, markets={"BTC_USDT": each}) for each in (market, more))
    paths = [change.path for change in changes(old, new)]
    assert paths == ["markets.BTC_USDT.holds.operator.stage", "markets.BTC_USDT.stage"]
