"""What would have kept us out of a fill: speed and parameters, to the last digit of their grid."""

from __future__ import annotations

from math import floor
from typing import Annotated

import pytest
from msgspec import Meta
from msgspec.structs import replace

from adapters.cli.explain_words import way_of
from engine import events as e
from engine.intents import ModifyOrder
from engine.step import view_in
from engine.strategy import Strategy, View
from engine.types import Level, Side, Stp, TwoSidedQuote
from replay.kept_out import Parameter, changed, kept_out, numeric_parameters
from replay.verdicts import Kind
from replay.watching import Looks, Move, Place
from tests.engine.builders import MARKET as SPEC
from tests.engine.builders import MS, NAME, Fixed, fill, venue_order
from tests.replay import story as stories
from tests.replay.explained import book, filled, skewed, text, told

# --- which parameter ---------------------------------------------------------------------------


def test_each_parameter_says_from_where_on_it_keeps_us_out() -> None:
    """A basis point of 10,000.00 is 100 ticks; a bid is rounded down, so a hundredth is enough.

    The maker fee of 10 bps covers the half-spread at 1.0001 of it. Flat, calm and behind the best
    bid, nothing else moves it: not skew, not volatility, not the second level.
    """
    one = skewed()
    filled(one, one.now_ns)
    priced = told(one, 7).priced
    assert priced is not None
    assert (priced.best, priced.is_met) == (999_000, True)
    assert [(way.parameter.name, way.from_value, way.price) for way in priced.ways] == [
        ("ladder.0.offset_bps", 0.0001, 998_999),
        ("ladder.1.offset_bps", None, 0),
        ("half_spread_bps", 10.0001, 998_999),
        ("volatility_multiple", None, 0),
        ("skew_bps", None, 0),
        ("volatility_half_life_s", None, 0),
        ("fee_multiple", 1.0001, 998_999),
    ]
    assert [way.parameter.name for way in priced.ways if way.is_remembered] == [
        "volatility_half_life_s"
    ]
    lines = [" ".join(line.split()) for line in text(told(one, 7)).splitlines()]
    assert "half_spread_bps 10 10.0001 or more 9989.99" in lines
    assert "volatility_half_life_s 30 acts through the memory: not tried -" in lines
    again = "the memory is made anew by a replay: quotefold replay JOURNAL --set"
    assert lines.count(f"{again} volatility_half_life_s=VALUE") == 1
    assert "skew_bps 5 no value in range 0..10000 -" in lines


def test_takers_that_went_on_are_told_and_kept_out_too() -> None:
    """The sale that met us at 9,990.00 ended at 9,988.00: 12 bps are 200 ticks more, and rounded.

    Another one at 9,980.00, 20 ms later by the venue's clock, was not of that moment.
    """
    one = skewed()
    one.push(e.PublicTrades(NAME, (e.PublicTrade(1, 1, 1, Side.SELL, False, 0),)))
    filled(one, one.now_ns)
    venue_us = one.records[-1].event.fill.venue_us  # type: ignore[union-attr]
    trades = tuple(
        e.PublicTrade(number, price, 4, Side.SELL, False, venue_us + after_us)
        for number, price, after_us in ((4, 998_000, 20_000), (3, 998_800, 0), (2, 999_000, 0))
    )
    seq = one.push(e.PublicTrades(NAME, trades))
    story = told(one, 7)
    assert story.met == (seq, one.now_ns, trades[-1])
    assert story.swept is not None
    assert (story.swept.price, story.swept.is_met) == (998_800, True)
    ways = {way.parameter.name: way for way in story.swept.ways}
    assert (ways["half_spread_bps"].from_value, ways["half_spread_bps"].price) == (12.0001, 998_799)
    lines = text(story)
    assert "a taker's sell of 0.004 at 9990.00 met us: public trade 2" in lines
    assert "at that moment takers went on to 9988.00" in lines


def test_with_inventory_a_skew_keeps_us_out() -> None:
    """Long by 20 of 100, a basis point of skew is 20 ticks: at 5 the bid is 9,989.00.

    A trade at 9,989.00 meets it; at 5.0001 it is 0.002 ticks lower, which is rounded down.
    """
    one = skewed()
    bid = one.market.bids[0].client_order_id
    one.push(e.Filled(fill(20, qty=20, order_id=9, price=1_000_000)))
    sent = [seq for seq, intent in one.act() if getattr(intent, "client_order_id", "") == bid]
    one.push(e.OrderModified(venue_order(bid, 11, price=998_900)), sent[0])
    one.push(e.Filled(fill(7, qty=1, price=998_900, order_id=11, client_order_id=bid)))
    priced = told(one, 7).priced
    assert priced is not None
    ways = {way.parameter.name: way for way in priced.ways}
    assert (ways["skew_bps"].from_value, ways["skew_bps"].price) == (5.0001, 998_899)


class Switched(Strategy, frozen=True, forbid_unknown_fields=True):
    """One bid, at a distance that is measured, as 900 ticks, where it is stated as 0."""

    distance: Annotated[float, Meta(ge=0.0, le=10_000.0)] = 0.0
    """Ticks below the bid; 500 more up to 400, as if wary of what is stated to be near."""
    share: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.5
    tiny: Annotated[float, Meta(gt=0.0)] = 0.001

    def quote(self, view: View) -> TwoSidedQuote:
        away = self.distance or 900
        price = floor(view.bid_price - away - (500 if 0 < self.distance <= 400 else 0))
        if self.tiny >= 0.00105:
            price -= 1
        return TwoSidedQuote((Level(price, 10, Stp.CANCEL_NEW),), ())


def test_a_parameter_that_keeps_us_out_up_to_a_value_says_so() -> None:
    """The bid is 900 ticks below; at 400 stated it would be as far, above that nearer until 900."""
    one = skewed()
    view = view_in(one.state, one.market)
    assert view is not None
    market = replace(one.market, strategy=Switched(), holds=())
    price = view.bid_price - 900
    by_distance, further, *others = kept_out(market, view, Side.BUY, price)
    assert (further.parameter.name, others[0].parameter.name) == ("share", "tiny")
    # From 0 up, the first that is out is where the doubling steps find it: beyond 900.
    assert (by_distance.from_value, by_distance.until_value) == (900.0001, None)
    nearer = replace(market, strategy=Switched(distance=600.0))
    down = [
        way
        for way in kept_out(nearer, view, Side.BUY, view.bid_price - 600)
        if way.parameter.name == "distance"
    ]
    assert [(way.from_value, way.until_value, way.is_higher) for way in down] == [
        (600.0001, None, True),
        (400.0, 100.0001, False),
    ]
    assert way_of(SPEC, down[1])[1:3] == ("600", "400 to 100.0001")
    assert way_of(SPEC, replace(down[1], until_value=400.0))[2] == "400"
    assert way_of(SPEC, replace(down[1], until_value=None))[2] == "400 or less"
    assert way_of(SPEC, replace(down[1], from_value=0.0, until_value=None))[2] == "0"


def test_what_is_small_is_tried_in_small_steps() -> None:
    """A thousandth is tried in millionths, and is told with every digit of it."""
    one = skewed()
    view = view_in(one.state, one.market)
    assert view is not None
    market = replace(one.market, strategy=Switched(), holds=())
    found = kept_out(market, view, Side.BUY, view.bid_price - 900)
    tiny = next(way for way in found if way.parameter.name == "tiny")
    assert tiny.from_value == 0.00105
    assert way_of(SPEC, tiny)[1:3] == ("0.001", "0.00105 or more")


# --- how fast -----------------------------------------------------------------------------------


def in_flight(one: stories.Story) -> tuple[int, int]:
    """The market falls by 1.00 and the bids are to follow: seq of the request, when it left."""
    book(one, 999_800, 1_000_000)
    bid = one.market.bids[0].client_order_id
    for seq, intent in one.act():
        if isinstance(intent, ModifyOrder) and intent.client_order_id == bid:
            # The reservation price is 9,999.00, and its half-spread 9.999.
            assert intent.price == 998_900
            return seq, next(r.recv_ns for r in one.records if r.seq == seq)
    raise AssertionError("nothing was moved")


@pytest.mark.parametrize(
    ("sentence", "after_ns", "words"),
    [
        (
            "matched before the modify left",
            -2 * MS,
            "a modify to 9989.00 left 2.000 ms after the venue had matched",
        ),
        (
            "matched while the modify was on its way",
            3 * MS,
            "a modify to 9989.00 left 3.000 ms before the venue matched",
        ),
    ],
)
def test_a_move_in_flight_is_timed_against_the_match(
    sentence: str, after_ns: int, words: str
) -> None:
    one = skewed()
    seq, sent_ns = in_flight(one)
    offset_ns = one.state.clock_offset_ns
    filled(one, sent_ns + after_ns + offset_ns)
    answer_seq = one.push(e.OrderModified(venue_order("?", 1)), seq)
    story = told(one, 7)
    assert story.race.move is not None, sentence
    assert story.race.move == Move(seq, sent_ns, 998_900, answer_seq, one.now_ns, "OrderModified")
    assert story.race.late_ns == -after_ns
    assert story.scenes[-1].verdict.kind is Kind.IN_FLIGHT
    assert words in text(story)


def test_what_was_tolerated_is_told() -> None:
    """The market falls by 0.06: the bid is 6 ticks nearer than wanted, of 10 that are tolerated."""
    one = skewed()
    book(one, 999_894, 1_000_094, after_ns=20 * MS)
    assert one.act() == []
    decided = one.state.seq
    decided_ns = one.now_ns
    filled(one, one.now_ns)
    story = told(one, 7)
    assert story.looks == (
        Looks(Kind.KEPT, False, 1, decided, decided_ns, decided, decided_ns, 6, 6),
    )
    race = story.race
    assert (race.move, race.due) == (None, None)
    assert (race.nearer, race.nearer_most) == (Place(decided, decided_ns), 6)
    lines = text(story)
    assert f"1 decision (seq {decided}) kept it: 6 ticks nearer" in lines
    assert f"since seq {decided}, 1.000 ms before, every decision wanted it further away" in lines
    assert "At the fill the same strategy wanted 9989.94 x 0.01, 6 ticks further away." in lines


@pytest.mark.parametrize(
    ("sentence", "after_ns", "words"),
    [
        ("the news came in time", 4 * MS, "4.000 ms before the venue matched, and was not"),
        (
            "it came too late",
            -2 * MS,
            "2.000 ms after the venue had matched: too late at any speed",
        ),
        ("it was the match", 0, "as the venue matched, by its clock: too late at any speed"),
    ],
)
def test_a_move_that_was_due_and_not_decided_yet(sentence: str, after_ns: int, words: str) -> None:
    one = skewed()
    seq = book(one, 999_800, 1_000_000)
    at_ns = one.now_ns
    # The book is stamped by the venue, so no clock of ours is in the comparison.
    filled(one, at_ns + after_ns)
    story = told(one, 7)
    assert story.race.move is None
    assert story.race.due_after_us == -after_ns // 1000
    assert story.race.due == Place(seq, at_ns), sentence
    assert f"what made a move away due (seq {seq}) was sent {words}" in text(story)


def test_when_the_quote_would_have_left_by_itself() -> None:
    """As if the fill had not come: the inventory that it left does not count."""
    one = skewed()
    filled(one, one.now_ns, qty=10)
    filled_ns = one.now_ns
    one.act()
    book(one, 999_800, 1_000_000, after_ns=250 * MS)
    one.act()
    left = told(one, 7).race.left
    decisions = [
        record
        for record in one.records
        if isinstance(record.event, e.Decided) and record.recv_ns > filled_ns + 250 * MS
    ]
    assert left == Place(decisions[0].seq, decisions[0].recv_ns)


class Inner(Strategy, frozen=True, forbid_unknown_fields=True):
    """Part of the one below."""

    depth: Annotated[int, Meta(ge=1, le=9)] = 3


class Odd(Strategy, frozen=True, forbid_unknown_fields=True):
    """Parameters of every kind."""

    parts: tuple[Inner, ...] = (Inner(), Inner(4))
    pairs: tuple[tuple[int, int], ...] = ((1, 2),)
    free: float = 0.25
    word: str = "x"
    switch: bool = True

    def __post_init__(self) -> None:
        if self.free > 1:
            raise ValueError("free: expected 1 at the most")


def test_numbers_are_found_with_their_ranges() -> None:
    """A number without bounds is tried up to ten times its value, or ten times one."""
    assert list(numeric_parameters(Odd())) == [
        Parameter(("parts", 0, "depth"), 3, 1, 9, 1),
        Parameter(("parts", 1, "depth"), 4, 1, 9, 1),
        Parameter(("free",), 0.25, -100_000, 100_000, 10_000),
    ]
    # What is excluded is not tried.
    assert list(numeric_parameters(Switched())) == [
        Parameter(("distance",), 0.0, 0, 100_000_000, 10_000),
        Parameter(("share",), 0.5, 1, 9_999, 10_000),
        Parameter(("tiny",), 0.001, 1, 10_000_000, 1_000_000),
    ]
    assert list(numeric_parameters(Fixed())) == []


def test_a_strategy_is_changed_in_one_place_or_refuses() -> None:
    assert changed(Odd(), ("parts", 1, "depth"), 7) == Odd(parts=(Inner(), Inner(7)))
    assert changed(Odd(), ("parts", 1, "depth"), 10) is None
    assert changed(Odd(), ("free",), 1.5) is None
