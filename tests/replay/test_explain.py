"""The story of a fill, worked out by hand to the last digit where the journal is hand-made."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.config import default_config
from adapters.cli.explain_json import to_object
from adapters.cli.explain_svg import picture
from adapters.cli.explain_text import page
from adapters.cli.pictures import ASCII, UNICODE
from adapters.cli.simulate import JOURNAL, simulate
from adapters.paper.config import VenueConfig
from adapters.paper.flow.source import SYNTHETIC, flow_maker
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.errors import ConfigError
from engine.intents import ModifyOrder
from engine.types import Level, Side, Stp
from replay.explain import Race, Story, explain, find_fill, story_of
from replay.machine import Journal
from replay.tracer import trails
from replay.verdicts import Kind, Verdict
from replay.watching import Looks, Move, Place
from tests.engine.builders import MS, NAME, T0, accepted, fill, quoted, snapshot, venue_order
from tests.replay import story as stories
from tests.replay import test_fills_command, test_trails
from tests.replay.recorded import opened

PARAMETERS = (
    '{"ladder":[{"qty":"0.010","stp":"cn"},{"qty":"0.020","stp":"cn","offset_bps":5.0}],'
    '"half_spread_bps":10.0,"skew_bps":5.0}'
)
TOLERANCE = 10


def told(one: stories.Story, deal_id: int) -> Story:
    """Write a journal, and tell a fill of it."""
    fs = SimFs()
    one.write(fs)
    return explain(Journal(stories.JOURNAL, fs=fs), deal_id)


def text(story: Story) -> str:
    return "\n".join(page(story, ASCII))


def skewed() -> stories.Story:
    """A ladder of two levels around 10,000.00: 10 bps, and 5 more, with a tolerance of 10 ticks.

    The bids are 9,990.00 and 9,985.00, the asks 10,010.00 and 10,015.00, one millisecond apart:
    decision 28, request 29, answer 30 (3 ms later).
    """
    limited = quoted(parameters=PARAMETERS, strategy="inventory_skew", price_tolerance=TOLERANCE)
    one = stories.Story(limited)
    one.settle()
    book(one, 999_900, 1_000_100)
    for seq, intent in one.act():
        placed: Any = intent
        one.push(e.OrdersPlaced(NAME, accepted(placed.orders)), seq, after_ns=3 * MS)
    return one


def book(one: stories.Story, bid: int, ask: int, after_ns: int = MS) -> int:
    """A book of one level a side, 50 lots each."""
    at_ns = one.now_ns + after_ns
    return one.push(snapshot((bid, 50), (ask, 50), one.state.seq, at_ns=at_ns), after_ns=after_ns)


def filled(one: stories.Story, venue_ns: int, *, order_id: int = 1, qty: int = 4) -> int:
    """The best bid is filled, told now, matched at `venue_ns`."""
    bid = one.market.bids[0].client_order_id
    deal = fill(7, qty=qty, price=999_000, order_id=order_id, client_order_id=bid, fee="0.01")
    return one.push(e.Filled(replace(deal, venue_us=venue_ns // 1000)))


# --- why there ----------------------------------------------------------------------------------


def test_the_moments_stand_side_by_side() -> None:
    one = skewed()
    filled(one, one.now_ns)
    story = told(one, 7)
    decision, send, acknowledged, last = story.scenes
    names = ("decision", "send", "acknowledgement", "fill")
    assert tuple(scene.name for scene in story.scenes) == names
    first = decision.moment.seq
    assert [scene.moment.seq - first for scene in story.scenes] == [0, 1, 2, 3]
    start = decision.moment.at_ns
    assert [scene.moment.at_ns - start for scene in story.scenes] == [0, MS, 4 * MS, 5 * MS]
    for scene in story.scenes:
        figures = {figure.name: figure.value for figure in scene.reasoning.figures}
        assert figures["micro_price"] == figures["reservation_price"] == 1_000_000
        assert figures["half_spread"] == 1_000
        assert scene.want == Level(999_000, 10, Stp.CANCEL_NEW)
        assert (scene.gate, scene.holds, scene.level, scene.reach) == ("", (), 0, 10)
        assert (scene.position, scene.inventory_max) == (0, 100)
    # Thirty lots of bids are live from the request on.
    assert [scene.room for scene in story.scenes] == [100, 100, 70, 70]
    assert decision.order is None
    assert send.order is None
    assert acknowledged.order is not None
    assert decision.verdict == Verdict(Kind.NEW, 999_000)
    assert acknowledged.verdict == Verdict(Kind.IN_FLIGHT, 999_000, 0, 10)
    assert last.verdict == Verdict(Kind.KEPT, 999_000, 0, 10)


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
    lines = [" ".join(line.split()) for line in text(told(one, 7)).splitlines()]
    assert "half_spread_bps 10 10.0001 or more 9989.99" in lines
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


# --- the hand-made journal of the fills --------------------------------------------------------


def test_the_hand_made_fill_is_told_to_the_last_digit() -> None:
    story = told(test_fills_command.story(), 7)
    lines = text(story).splitlines()
    assert lines[:4] == [
        "BTC_USDT: bought 0.004 BTC at 9.90 as maker, deal 7, seq 33, 08:00:00.100000 UTC",
        "Why there: at seq 29 fixed wanted 9.90 x 0.01 on level 0, with the mid at 10; the order"
        " was placed.",
        "Why then: it had rested for 67.000 ms.",
        "What it cost: edge 0.0004 USDT against the mid, fee 0.0000396; 5s later it was worth"
        " -0.0000396 USDT after the fee.",
    ]
    start = lines.index("What it cost")
    assert lines[start:] == [
        "What it cost",
        "  notional 0.0396 USDT",
        "  fee 0.000004 BTC, which is 0.0000396 USDT",
        "  inventory 0 before, 0.003 after",
        "               mid      gained, USDT  bps     after the fee, USDT",
        "  at the fill  10       0.0004        101.01  0.0003604",
        "  0.1s later   10       0.0004        101.01  0.0003604",
        "  1s later     10       0.0004        101.01  0.0003604",
        "  5s later     9.9      0             0.00    -0.0000396",
        "  30s later    not yet  -             -       -",
        "  60s later    not yet  -             -       -",
    ]
    for line in (
        "  market frame to decision    1.000 ms",
        "  decision to request         1.000 ms",
        "  request to acknowledgement  3.000 ms",
        "  acknowledgement to fill     67.000 ms",
        "  31   67.000 ms        0.05   0.05",
        "  32   66.000 ms        0.03   0.05",
        "  the strategy has no numeric parameter",
        "  bid of others      9.90 x 0.05      9.90 x 0.05      9.90 x 0.04          9.90 x 0.04",
    ):
        assert line in lines
    assert [one.record.seq for one in story.chain] == [28, 29, 30, 31, 33]
    assert [one.record.seq for one in story.touching] == [29, 30, 31, 33]
    # 10.00 until the book of seq 36, and 9.90 from there on.
    assert [mid2 for _, mid2 in story.mids] == [2000, 1980]


def test_one_object_has_all_of_it() -> None:
    found = to_object(told(test_fills_command.story(), 7))
    found = msgspec.json.decode(msgspec.json.encode(found))
    assert found["fill"] == test_fills_command.BOUGHT
    assert [moment["name"] for moment in found["moments"]][-1] == "fill"
    assert found["moments"][0]["wanted"] == {"price": "9.9", "qty": "0.01"}
    assert found["queue"] == [
        {"seq": 31, "at_ns": T0 + 33 * MS, "ahead": "0.05", "total": "0.05"},
        {"seq": 32, "at_ns": T0 + 34 * MS, "ahead": "0.03", "total": "0.05"},
    ]
    assert found["race"]["late_ns"] is None
    assert found["parameters"] == {"price": "9.9", "best": "9.9", "is_met": True, "ways": []}


def test_a_modified_order_is_told_by_its_leg() -> None:
    one = test_trails.bought_story()
    bid, _ = stories.names(one)
    seq = one.ask(ModifyOrder(NAME, bid, 985, 10, Stp.CANCEL_NEW))[0]
    one.push(e.OrderModified(venue_order(bid, 11, price=985)), seq)
    one.push(e.Filled(fill(2, qty=3, price=985, order_id=11, client_order_id=bid)))
    one.push(e.Filled(fill(3, qty=1, price=990, order_id=1, client_order_id=bid)))
    new, old = told(one, 2), told(one, 3)
    assert new.trail.leg is not None
    assert new.trail.leg.number == 1
    assert "the order was moved there (its modify number 1)" in text(new)
    assert new.race.move is None
    # The old price's deal was told after the modify had been answered: it was on its way out.
    assert old.race.move is not None
    assert (old.race.move.price, old.race.move.answer) == (985, "OrderModified")


def test_a_fill_learned_from_history_says_so() -> None:
    one = stories.quoting_story()
    bid, _ = stories.names(one)
    late = replace(fill(7, qty=4, price=990, client_order_id=bid), venue_us=one.now_ns // 1000)
    one.push(e.StreamClosed("private", "lost", 0), after_ns=MS)
    one.history = (late,)
    one.wait(2.0)
    one.settle(30)
    story = told(one, 7)
    assert story.trail.told_by == "history"
    assert story.trail.is_late
    lines = text(story)
    assert "No push told of it: it was learned from the deals listed at seq" in lines
    assert "too late to know the market at its time" in lines
    assert "learned late" in lines
    assert story.race.left is None


def test_unknown_deals_name_the_nearest() -> None:
    one = test_fills_command.story()
    one.push(e.Filled(fill(90, qty=1, price=990, client_order_id="by hand")))
    fs = SimFs()
    one.write(fs)
    journal = Journal(stories.JOURNAL, fs=fs)
    with pytest.raises(ConfigError, match="deal 9: found none; the nearest are 7, 8"):
        explain(journal, 9)
    with pytest.raises(ConfigError, match=r"a deal of the account \(seq 42\) that it did not make"):
        explain(journal, 90)
    with pytest.raises(ConfigError, match="deal 7: "):
        find_fill(journal, 7, "BTC_PERP")


# --- pictures ----------------------------------------------------------------------------------


def test_pictures_are_plain_or_of_signs() -> None:
    story = told(test_fills_command.story(), 7)
    plain, signs = "\n".join(page(story, ASCII)), "\n".join(page(story, UNICODE))
    assert plain.isascii()
    assert "◆" in signs
    assert "▆" in signs
    drawn = picture(story)
    assert drawn.startswith("<svg ")
    assert drawn.rstrip().endswith("</svg>")
    assert "deal 7" in drawn


# --- a whole run -------------------------------------------------------------------------------


def busy() -> Journal:
    """Some seconds of both markets, with many orders moved at each."""
    flow = flow_maker(VenueConfig(), SYNTHETIC, seed=3, speed="1", fs=SimFs())
    return Journal(JOURNAL, fs=simulate(default_config(), flow, seed=3, seconds=6.0).fs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sentence", "made", "least"), [("two quiet runs", opened, 3), ("a busy run", busy, 15)]
)
def test_every_fill_of_a_run_has_its_story(
    sentence: str, made: Callable[[], Journal], least: int
) -> None:
    journal = made()
    found = list(trails(journal.records(), journal.start))
    assert len(found) >= least, sentence
    for trail in found:
        story = story_of(journal, trail)
        assert story.trail == trail
        lines = text(story)
        assert f"deal {trail.fill.deal_id}," in lines
        assert picture(story).count("<svg ") == 1
        assert msgspec.json.encode(to_object(story))
        leg = trail.leg
        assert leg is not None
        assert story.priced is not None
        # What was wanted at the decision is what was asked for.
        decision = story.scenes[0]
        assert decision.want is not None
        assert decision.want.price == leg.price
        assert (decision.order is None) == (leg.number == 0)
        assert isinstance(story.race, Race)
        seqs = [one.record.seq for one in story.chain]
        assert seqs == sorted(set(seqs))
        assert trail.seq in seqs
        for way in story.priced.ways:
            if way.from_value is not None:
                side = leg.side.sign
                assert not way.price or side * (way.price - trail.fill.price) < 0
        assert trail.edge is None or isinstance(trail.edge, Decimal)
