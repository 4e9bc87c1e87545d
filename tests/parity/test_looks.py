"""What the other engine did when a fill came: each cause, from a journal that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine import events as e
from engine import intents as i
from engine.money import ZERO
from engine.state import PRIVATE
from engine.types import OrderStatus, Refusal
from replay.parity.causes import Cause, Restraint
from replay.parity.fills import Fill
from replay.parity.judge import cause_of
from replay.parity.looks import Look, Question
from tests.engine.builders import MS, NAME, S, accepted, fixed, quoted, snapshot, venue_order
from tests.parity.pairs import BUY, FIRST_NS, SELL, deal, looked, question, quoting_story
from tests.replay.story import Story, names

QUOTES = fixed(((990, 10),), ((1010, 10),))


def asked(each: Question) -> Fill:
    """The fill of the other journal that a question is about."""
    return Fill(
        market=each.market,
        side=each.side,
        price=each.price,
        qty=4,
        at_ns=each.at_ns,
        seq=9,
        deal_id=9,
        order_id=9,
        quote_fee=ZERO,
        base_fee=ZERO,
        level=each.level,
        position=each.position,
    )


def cause(story: Story, each: Question) -> Cause:
    """Why a story has no such fill, once four more seconds of it have passed."""
    until(story, max(story.now_ns, each.at_ns) + 4 * S)
    return cause_of(asked(each), looked(story, each), is_live=False)


def until(story: Story, at_ns: int) -> None:
    while story.now_ns < at_ns:
        story.push(e.TimerFired(), after_ns=100 * MS)


def answered(story: Story, asked_for: list[tuple[int, i.Intent]]) -> None:
    """Let the venue do what was asked for."""
    for seq, intent in asked_for:
        match intent:
            case i.CancelOrder():
                order = story.market.orders[intent.client_order_id]
                told = venue_order(
                    order.client_order_id, order.order_id, side=order.side, price=order.price,
                    status=OrderStatus.CANCELLED,
                )  # fmt: skip
                story.push(e.OrderCancelled(told), seq)
            case i.ModifyOrder():
                order = story.market.orders[intent.client_order_id]
                moved = venue_order(
                    order.client_order_id, order.order_id + 100, side=order.side,
                    price=intent.price, qty=intent.qty,
                )  # fmt: skip
                story.push(e.OrderModified(moved), seq)
            case i.PlaceOrders():
                story.push(e.OrdersPlaced(NAME, accepted(intent.orders, 50)), seq)
            case _:
                pass


def moved_to(story: Story, bid: int) -> None:
    """Have the bid elsewhere from now on."""
    parameters = fixed(((bid, 10),), ((1010, 10),))
    story.push(e.ParametersChanged(NAME, parameters))
    answered(story, story.act())


# --- where it stood -----------------------------------------------------------------------------


def test_at_the_price_it_was_behind_others() -> None:
    assert cause(quoting_story(), question()) is Cause.QUEUE


@pytest.mark.parametrize(("price", "side"), [(985, BUY), (1020, SELL)])
def test_at_another_price_it_stood_there(price: int, side: Any) -> None:
    story, each = quoting_story(), question(side, price)
    assert cause(story, each) is Cause.PRICE
    look = looked(story, each)
    assert look is not None
    assert (look.standing, look.rests) == (990 if side is BUY else 1010, False)


def test_a_quote_that_came_or_left_a_moment_from_the_fill_missed_it_by_time() -> None:
    story = quoting_story()
    until(story, FIRST_NS + 2 * S)
    moved_to(story, 980)
    moved_ns = story.now_ns
    left = question(price=990, at_ns=moved_ns + 50 * MS)
    # Another configuration is what explains it first of all.
    assert cause(story, left) is Cause.OPERATOR
    look = looked(story, left)
    assert look is not None
    assert (look.apart_ns, look.was_filled) == (-50 * MS, False)
    came = question(price=980, at_ns=moved_ns - 300 * MS)
    look = looked(story, came)
    assert look is not None
    assert (look.apart_ns, look.is_coming, look.is_changed) == (300 * MS, False, False)
    assert cause_of(asked(came), look, is_live=False) is Cause.TIMING
    on_its_way = looked(story, question(price=980, at_ns=moved_ns - MS // 2))
    assert on_its_way is not None
    assert on_its_way.is_coming
    too_early = question(price=980, at_ns=moved_ns - 1_200 * MS)
    assert cause_of(asked(too_early), looked(story, too_early), is_live=False) is not Cause.TIMING


def test_a_quote_that_was_filled_a_moment_before_missed_it_by_time() -> None:
    story = quoting_story()
    deal(story, 7, BUY, 10, FIRST_NS)
    each = question(at_ns=FIRST_NS + 200 * MS)
    assert cause(story, each) is Cause.TIMING
    look = looked(story, each)
    assert look is not None
    assert (look.apart_ns, look.was_filled, look.position) == (-200 * MS, True, 10)


def test_the_venues_time_says_when_a_quote_stood() -> None:
    story = quoting_story()
    bid, _ = names(story)
    until(story, FIRST_NS)
    order = venue_order(bid, 1, price=990)
    # The answer had no time; the push says that it has rested for a tenth of a second less.
    rested_ns = FIRST_NS - 400 * MS
    story.push(e.OrderOpened(msgspec.structs.replace(order, modified_us=rested_ns // 1000)))
    gone = msgspec.structs.replace(order, status=OrderStatus.CANCELLED)
    at_ns = story.now_ns + S
    told = msgspec.structs.replace(gone, modified_us=(at_ns - 300 * MS) // 1000)
    story.at(at_ns, e.OrderClosed(told))
    assert cause(story, question(at_ns=at_ns - 310 * MS)) is Cause.QUEUE
    assert cause(story, question(at_ns=at_ns - 290 * MS)) is Cause.TIMING


def test_with_the_others_inventory_it_would_have_wanted_that_price() -> None:
    story = skewed_story()
    deal_ns = story.now_ns + 100 * MS
    deal(story, 7, BUY, 10, deal_ns, price=story.market.bids[0].price)
    answered(story, story.act())
    flat, long = 9_990, story.market.bids[0].price
    assert long < flat
    at_ns = story.now_ns + 1_500 * MS
    until(story, at_ns + S)
    assert cause(story, question(price=flat, at_ns=at_ns)) is Cause.INVENTORY
    assert cause(story, question(price=flat, at_ns=at_ns, position=10)) is Cause.PRICE
    # Ten times as far away the inventory is the least of it.
    assert cause(story, question(price=flat - 200, at_ns=at_ns)) is Cause.PRICE


def skewed_story() -> Story:
    """One that quotes 10 bps around 100.00, and lower the more it holds."""
    parameters = {
        "ladder": [{"qty": "0.01", "stp": "cn"}],
        "half_spread_bps": 10.0,
        "skew_bps": 50.0,
    }
    text = msgspec.json.encode(parameters).decode()
    story = Story(quoted(strategy="inventory_skew", parameters=text))
    story.settle()
    story.push(snapshot((9_900, 50), (10_100, 50), at_ns=story.now_ns))
    answered(story, story.act())
    return story


# --- what held it back --------------------------------------------------------------------------


def lost_stream(story: Story) -> None:
    story.push(e.StreamClosed(PRIVATE, "reset", 0))


def cancel_command(story: Story) -> None:
    story.push(e.OperatorCommanded("cancel", NAME, ""))


def only_asks(story: Story) -> None:
    story.push(e.OperatorCommanded("side", NAME, "sell"))


def latch(story: Story) -> None:
    story.push(e.PlacingForbidden("panic"))


def stop(story: Story) -> None:
    story.push(e.StopRequested("the time is over"))
    for order in story.market.live:
        told = venue_order(
            order.client_order_id, order.order_id, side=order.side, price=order.price,
            status=OrderStatus.CANCELLED,
        )  # fmt: skip
        story.push(e.OrderClosed(told))


def refused_frame(story: Story) -> None:
    story.push(e.FrameRefused(NAME, NAME, "no JSON"))


@pytest.mark.parametrize(
    ("happens", "expected", "words"),
    [
        (lost_stream, Cause.LINK, "private stream was lost"),
        (cancel_command, Cause.OPERATOR, "operator: cancel, by command"),
        (only_asks, Cause.OPERATOR, "only the sell side"),
        (latch, Cause.OPERATOR, "panic"),
        (stop, Cause.SPAN, "stopping"),
        (refused_frame, Cause.RISK, "a frame was refused"),
    ],
)
def test_what_was_pulled_says_why(
    happens: Callable[[Story], None], expected: Cause, words: str
) -> None:
    story = quoting_story()
    until(story, FIRST_NS)
    happens(story)
    answered(story, story.act())
    each = question(at_ns=story.now_ns + 100 * MS)
    assert all(order.side is not BUY for order in story.market.live)
    answered(story, story.act())
    assert cause(story, each) is expected
    look = looked(story, each)
    assert look is not None
    assert look.restraint is not None
    assert words in look.restraint.words


def test_before_the_first_quote_it_was_not_there_yet() -> None:
    story = Story(quoted(parameters=QUOTES))
    story.settle()
    story.act()
    assert cause(story, question()) is Cause.SPAN
    assert looked(story, question(at_ns=1)) is None
    after = question(at_ns=story.now_ns + S)
    assert looked(story, after) is None
    assert cause_of(asked(after), None, is_live=False) is Cause.SPAN


def test_what_the_venue_refused_was_not_there() -> None:
    story = Story(quoted(parameters=QUOTES))
    story.settle()
    story.push(snapshot(at_ns=story.now_ns))
    refusal = Refusal(422, 13, "postOnly", "would take")
    for seq, intent in story.act():
        assert isinstance(intent, i.PlaceOrders)
        ask = accepted(intent.orders)[1]
        story.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, refusal), ask)), seq)
    each = question(at_ns=story.now_ns + 100 * MS)
    assert cause(story, each) is Cause.RISK
    look = looked(story, each)
    assert look is not None
    assert look.restraint == Restraint(Cause.RISK, "refused by the venue: would take")
    # The other side was let rest.
    assert cause(story, question(SELL, 1010, at_ns=story.now_ns - 3 * S)) is Cause.QUEUE


def test_a_market_that_is_widened_stands_elsewhere_for_that() -> None:
    story = quoting_story()
    until(story, FIRST_NS)
    story.push(e.OperatorCommanded("widen", NAME, ""))
    answered(story, story.act())
    each = question(at_ns=story.now_ns + 1_500 * MS)
    assert cause(story, each) is Cause.OPERATOR


# --- precedence ---------------------------------------------------------------------------------

HELD = Restraint(Cause.RISK, "loss")
PULLED = Restraint(Cause.LINK, "stale")
BASE = {"standing": 985, "want": 985, "want_so": 985}


@pytest.mark.parametrize(
    ("fill", "look", "is_live", "expected"),
    [
        ({"is_own": False, "is_recorded": False}, None, True, Cause.FOREIGN),
        ({"is_recorded": False}, None, True, Cause.UNRECORDED),
        ({"is_recorded": False}, {"rests": True}, False, Cause.QUEUE),
        ({}, None, True, Cause.SPAN),
        ({}, {"rests": True, "bent": HELD, "is_changed": True}, True, Cause.QUEUE),
        ({}, {"restraint": PULLED, "is_changed": True, "standing": 0}, True, Cause.LINK),
        ({"is_changed": True}, {"bent": HELD}, True, Cause.OPERATOR),
        ({"bent": HELD}, {"is_coming": True}, True, Cause.RISK),
        ({}, {"bent": HELD, "position": 5, "want_so": 990}, True, Cause.RISK),
        ({}, {"position": 5, "want_so": 990, "is_coming": True}, True, Cause.INVENTORY),
        ({}, {"position": 5, "want_so": 987}, True, Cause.PRICE),
        ({}, {"position": 5, "want_so": 988}, True, Cause.INVENTORY),
        ({}, {"position": 5, "want_so": 993}, True, Cause.PRICE),
        ({}, {"position": 0, "want_so": 990}, True, Cause.PRICE),
        ({}, {"position": 5, "want": 0, "want_so": 990, "standing": 0}, True, Cause.INVENTORY),
        ({}, {"position": 5, "want": 0, "want_so": 990}, True, Cause.PRICE),
        ({}, {"is_coming": True}, True, Cause.TIMING),
        ({}, {"apart_ns": 5}, True, Cause.TIMING),
        ({}, {"empty_ns": 5, "standing": 0}, True, Cause.TIMING),
        ({}, {}, True, Cause.PRICE),
        ({}, {"standing": 0}, True, Cause.UNKNOWN),
        ({}, {"position": 5, "standing": 0, "want": 990, "want_so": 990}, True, Cause.UNKNOWN),
    ],
)
def test_the_first_cause_that_holds_counts(
    fill: dict[str, Any], look: dict[str, Any] | None, is_live: bool, expected: Cause
) -> None:
    made = msgspec.structs.replace(asked(question()), **fill)
    seen = None if look is None else Look(**{**BASE, **look})
    assert cause_of(made, seen, is_live=is_live) is expected
