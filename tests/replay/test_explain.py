"""The story of a fill, worked out by hand to the last digit where the journal is hand-made."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

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
from engine.types import Level, Stp
from replay.cut import cut
from replay.explain import Race, explain, find_fill, story_of
from replay.machine import Journal
from replay.tracer import trails
from replay.verdicts import Kind, Verdict
from tests.engine.builders import MS, NAME, T0, S, fill, venue_order
from tests.replay import story as stories
from tests.replay import test_fills_command, test_trails
from tests.replay.explained import filled, skewed, text, told
from tests.replay.recorded import opened

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


def test_an_order_of_an_earlier_run_keeps_its_story() -> None:
    one = test_trails.bought_story()
    bid, _ = stories.names(one)
    started = one.records[0].event
    assert isinstance(started, e.RunStarted)
    one.push(replace(started, run_id="r2"), after_ns=3 * S)
    one.push(e.Filled(fill(2, qty=6, price=990, client_order_id=bid)))
    first, second = told(one, 1), told(one, 2)
    assert [scene.name for scene in second.scenes] == [scene.name for scene in first.scenes]
    assert second.scenes[:3] == first.scenes[:3]
    assert (second.scenes[2].gate, second.scenes[3].gate) == ("", "no book")
    assert "deal 2" in text(second)


def test_clocks_that_were_not_compared_tell_no_time_of_the_match() -> None:
    """As right after a restart, when an old order fills before the venue's time was asked for."""
    one = test_trails.bought_story()
    bid, _ = stories.names(one)
    stories.restarted(one, "r2", *[market.quoted for market in one.state.markets.values()])
    at_us = one.now_ns // 1000 - 400_000
    deal = replace(fill(2, qty=6, price=990, client_order_id=bid), venue_us=at_us)
    seq = one.push(e.Filled(deal))
    story = told(one, 2)
    assert (story.race.happened_ns, story.race.clock_error_ns) == (one.now_ns, None)
    assert seq == story.trail.seq
    assert "match to its news" not in text(story)


def test_a_clock_that_was_set_back_ends_what_is_shown() -> None:
    """Between two runs: a mid of the second one would stand before the fill, and is not shown."""
    one = test_trails.bought_story()
    started = one.records[0].event
    assert isinstance(started, e.RunStarted)
    before = told(one, 1)
    one.push(replace(started, run_id="r2"), after_ns=-500 * MS)
    one.push(e.StreamReady(NAME))
    one.snapshot(900, 910)
    story = told(one, 1)
    assert story.mids == before.mids
    assert "deal 1" in text(story)


def test_an_order_older_than_the_journal_has_what_there_is() -> None:
    """Of an order whose beginning was dropped only its state is known, of others nothing."""
    one = test_trails.bought_story()
    fs = SimFs()
    one.write(fs)
    whole = Journal(stories.JOURNAL, fs=fs)
    cut(whole, fs, stories.JOURNAL.with_name("part"), 32, 35)
    story = explain(Journal(stories.JOURNAL.with_name("part"), fs=fs), 1)
    assert [scene.name for scene in story.scenes] == ["fill"]
    assert (story.priced, story.swept) == (None, None)
    lines = text(story)
    assert "Why we were there the journal does not hold" in lines
    assert "Why then: since when it rested the journal does not hold" in lines
    assert "no estimate: the journal does not hold how it came to rest" in lines
    assert "before anything showed it resting" not in lines
    assert "the journal does not hold the decision" in lines
    assert "no parameter to try" in lines
    assert picture(story)
    assert to_object(story)["parameters"] is None


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
    with pytest.raises(ConfigError, match="deal 7: expected one on BTC_PERP, found it on BTC_USDT"):
        explain(journal, 7, "BTC_PERP")
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
