"""The trail of a fill, worked out by hand to the last digit for journals with a known story."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.intents import PlaceOrders
from engine.state import State
from engine.types import Role, Side, Stp, VenueFill
from replay.read import fold
from replay.tracer import trails
from replay.trails import Cause, FillTrail, Leg, Markout, Moment, ParameterSet, QueuePoint
from tests.engine.builders import (
    MARKET,
    MS,
    NAME,
    T0,
    S,
    accepted,
    fill,
    fixed,
    new_order,
    quoted,
    venue_order,
)
from tests.replay.story import Story, names, quoting_story

FILLED_NS = T0 + 1_000 * MS


def bbo(story: Story, at_ns: int, bid: int, ask: int) -> int:
    """The ticker, newer than any depth so far."""
    return story.at(at_ns, e.BestBidOffer(NAME, 1_000, at_ns // 1000, bid, 7, ask, 7))


def bought_story() -> Story:
    """The bid waits behind 50, of which 40 go, and 4 of its 10 lots fill a second after start.

    Seqs: snapshot 27, old trades 28, decision 29, request 30, answer 31, trade 32, deltas 33 and
    34, fill 35.
    """
    story = quoting_story()
    bid, _ = names(story)
    story.trade(2, 990, 20, Side.SELL)
    story.delta(2, bids=(990, 35))
    # By now the book has us in it: of 25 lots 15 are others'.
    story.delta(3, bids=(990, 25), after_ns=500 * MS)
    deal = fill(1, qty=4, price=990, client_order_id=bid, fee="0.000004", fee_asset="BTC")
    story.at(FILLED_NS, e.Filled(deal))
    return story


TOP = (990, 50, 1010, 50)
PARAMETERS = fixed(((990, 10),), ((1010, 10),))
DIGEST = "14dfddb2d083"
"""`sha256sum` of `fixed`, a new line and the parameters begins so."""
LEG = Leg(
    client_order_id="r1-29-0-0",
    number=0,
    side=Side.BUY,
    price=990,
    qty=10,
    level=0,
    stp=Stp.CANCEL_NEW,
    rpi=False,
    post_only=True,
    run_id="r1",
    parameters=ParameterSet(1, DIGEST, NAME, "fixed", PARAMETERS, 29),
    # The first trades have the market priced again, though as history they count for nothing.
    frame=Cause(28, T0 + 28 * MS, "PublicTrades", (T0 + 28 * MS) // 1000),
    trigger=Cause(28, T0 + 28 * MS, "PublicTrades", (T0 + 28 * MS) // 1000),
    decided=Moment(29, T0 + 29 * MS, 2000, TOP),
    sent=Moment(30, T0 + 30 * MS, 2000, TOP),
    # Its own 10 lots are taken from the level from the moment the request is out.
    acknowledged=Moment(31, T0 + 33 * MS, 2000, (990, 40, 1010, 40)),
    acknowledged_by="answer",
)


def markouts(*found: Markout) -> tuple[Markout, ...]:
    missing = (100 * MS, S, 5 * S, 30 * S, 60 * S)
    rest = tuple(Markout(horizon_ns, missing="not yet") for horizon_ns in missing)
    return (*found, *rest[len(found) :])


def test_a_fill_is_told_from_its_frame_to_its_markouts() -> None:
    story = bought_story()
    bbo(story, FILLED_NS + 60 * MS, 985, 1010)  # 36: mid 9.975
    story.at(FILLED_NS + 100 * MS, e.TimerFired())  # 37: 0.1 s
    bbo(story, FILLED_NS + 1 * S, 980, 990)  # 38: 1 s, mid 9.85
    story.at(FILLED_NS + 3 * S, e.BookDelta(NAME, 9, 8, 0, (), ()))  # 39: a gap
    story.at(FILLED_NS + 5 * S + 1, e.TimerFired())  # 40: 5 s, without a book
    story.snapshot(1005, 1010, after_ns=24 * S, update_id=2_000)  # 41: mid 10.075
    story.at(FILLED_NS + 31 * S, e.TimerFired())  # 42: the first record after 30 s
    found, tracer = story.trails()
    expected = FillTrail(
        fill=fill(
            1, qty=4, price=990, client_order_id="r1-29-0-0", fee="0.000004", fee_asset="BTC"
        ),
        spec=MARKET,
        leg=LEG,
        level=0,
        filled=Moment(35, FILLED_NS, 2000, (990, 15, 1010, 40)),
        told_by="push",
        is_late=False,
        spread2=(2000 - 1980) * 4,
        position_before=0,
        position_after=3,  # 4 lots less 0.000004 BTC
        queue=(
            QueuePoint(31, 50, 50),
            QueuePoint(32, 30, 50),
            QueuePoint(33, 30, 35),
            QueuePoint(34, 15, 25),
        ),
        markouts=markouts(
            Markout(100 * MS, 37, FILLED_NS + 100 * MS, 1995),
            Markout(1 * S, 38, FILLED_NS + 1 * S, 1970),
            Markout(5 * S, 40, FILLED_NS + 5 * S + 1, 0, "not trusted"),
            Markout(30 * S, 42, FILLED_NS + 31 * S, 2015),
        ),
    )
    assert found == [expected]
    trail = found[0]
    assert (trail.frame_to_decision_ns, trail.decision_to_sent_ns) == (1 * MS, 1 * MS)
    assert trail.sent_to_acknowledged_ns == 3 * MS
    assert trail.age_ns == 967 * MS
    assert trail.queue_ahead == 15
    assert trail.notional == Decimal("0.0396")  # 9.90 x 0.004
    assert trail.edge == Decimal("0.0004")  # 0.10 x 0.004
    assert trail.edge_bps == pytest.approx(101.010101, abs=1e-6)  # 0.10 / 9.90
    assert trail.fee_value == Decimal("0.0000396")
    assert [trail.markout(index) for index in range(5)] == [
        Decimal("0.0003"),  # 0.075 x 0.004
        Decimal("-0.0002"),  # -0.05 x 0.004
        None,
        Decimal("0.0007"),  # 0.175 x 0.004
        None,
    ]
    assert trail.markout_bps(1) == pytest.approx(-50.505051, abs=1e-6)
    assert tracer.parameters == [LEG.parameters]
    assert tracer.foreign == {}


def test_a_fill_shows_nobody_ahead_for_the_next() -> None:
    story = bought_story()
    bid, _ = names(story)
    story.push(e.Filled(fill(2, qty=6, price=990, client_order_id=bid)))
    first, second = story.trails()[0]
    assert first.queue_ahead == 15
    assert second.queue == (*first.queue, QueuePoint(35, 0, 25))
    assert second.leg == first.leg


@pytest.mark.parametrize(
    ("sentence", "price", "taker", "rpi"),
    [
        ("a buyer took from the other side", 990, Side.BUY, False),
        ("a trade at another price", 989, Side.SELL, False),
        ("a hidden order met retail flow", 990, Side.SELL, True),
    ],
)
def test_trades_that_bring_nobody_forward(
    sentence: str, price: int, taker: Side, rpi: bool
) -> None:
    story = quoting_story()
    bid, _ = names(story)
    story.trade(2, price, 20, taker, rpi=rpi)
    story.push(e.Filled(fill(1, price=990, client_order_id=bid)))
    assert story.trails()[0][0].queue == (QueuePoint(31, 50, 50),), sentence


def test_a_trade_told_twice_counts_once() -> None:
    story = quoting_story()
    bid, _ = names(story)
    for _ in range(2):
        story.trade(2, 990, 20, Side.SELL)
    story.push(e.Filled(fill(1, price=990, client_order_id=bid)))
    assert story.trails()[0][0].queue == (QueuePoint(31, 50, 50), QueuePoint(32, 30, 50))


def test_a_modify_begins_a_new_leg_and_the_old_id_keeps_its_own() -> None:
    story = bought_story()
    bid, _ = names(story)
    seq = story.ask(i.ModifyOrder(NAME, bid, 985, 10, Stp.CANCEL_NEW))[0]
    story.push(e.OrderOpened(venue_order(bid, 11, price=985)))
    story.push(e.OrderModified(venue_order(bid, 11, price=985)), seq)
    story.push(e.Filled(fill(2, qty=3, price=985, order_id=11, client_order_id=bid)))
    story.push(e.Filled(fill(3, qty=1, price=990, order_id=1, client_order_id=bid)))
    before, new, old = (trail for trail in story.trails()[0])
    assert before.leg == old.leg == LEG
    leg = new.leg
    assert leg is not None
    assert (leg.number, leg.price, leg.acknowledged_by) == (1, 985, "push")
    assert leg.decided is not None
    assert leg.sent is not None
    assert leg.acknowledged is not None
    assert (leg.decided.seq, leg.sent.seq, leg.acknowledged.seq) == (36, 37, 38)
    # Nobody was at 9.85, between the two levels of the window.
    assert new.queue == (QueuePoint(38, 0, 0),)


def test_parameters_are_those_of_the_decision_not_of_the_fill() -> None:
    story = quoting_story()
    bid, ask = names(story)
    changed = fixed(((980, 10),), ((1010, 10),))
    story.push(e.ParametersChanged(NAME, changed))
    story.push(e.Filled(fill(1, price=990, client_order_id=bid)))
    seq = story.ask(i.ModifyOrder(NAME, ask, 1015, 10, Stp.CANCEL_NEW))[0]
    story.push(e.OrderModified(venue_order(ask, 12, price=1015, side=Side.SELL)), seq)
    sold = fill(2, price=1015, side=Side.SELL, order_id=12, client_order_id=ask)
    story.push(e.Filled(sold))
    found, tracer = story.trails()
    sets = [trail.leg.parameters for trail in found if trail.leg is not None]
    assert [one.parameters for one in sets if one is not None] == [PARAMETERS, changed]
    assert sets == tracer.parameters
    assert [one.index for one in tracer.parameters] == [1, 2]


def test_what_had_the_engine_decide_is_not_always_the_market() -> None:
    story = bought_story()
    _, ask = names(story)
    seq = story.ask(i.ModifyOrder(NAME, ask, 1015, 10, Stp.CANCEL_NEW))[0]
    story.push(e.OrderModified(venue_order(ask, 12, price=1015, side=Side.SELL)), seq)
    story.push(e.Filled(fill(2, price=1015, side=Side.SELL, order_id=12, client_order_id=ask)))
    trail = story.trails()[0][1]
    leg = trail.leg
    assert leg is not None
    assert leg.frame == Cause(34, FILLED_NS - 465 * MS, "BookDelta", (FILLED_NS - 465 * MS) // 1000)
    assert leg.trigger == Cause(35, FILLED_NS, "Filled")
    assert trail.frame_to_decision_ns == 466 * MS


def test_a_deal_before_any_answer_was_never_shown() -> None:
    story = Story(quoted())
    story.settle()
    story.snapshot(990, 1010)
    seq = story.ask(PlaceOrders(NAME, (new_order("r1-a", price=995),)))[0]
    taken = fill(1, price=995, client_order_id="r1-a", role=Role.TAKER)
    story.push(e.Filled(taken), after_ns=4 * MS)
    done = accepted((new_order("r1-a", price=995),))[0].order
    assert done is not None
    over = replace(done, leaves_qty=0, filled_qty=10, status="filled", status_text="FILLED")
    story.push(e.OrdersPlaced(NAME, (e.PlaceResult(over, None),)), seq)
    (trail,) = story.trails()[0]
    assert trail.leg is not None
    assert trail.leg.acknowledged is None
    assert trail.sent_to_acknowledged_ns is None
    assert trail.age_ns == 4 * MS
    assert trail.queue == ()


def test_an_order_outside_the_window_has_an_estimate_once_it_comes_in() -> None:
    story = Story(quoted(), settings=replace(State().settings, depth_limit=1))
    story.settle()
    story.snapshot(990, 1010)
    new = new_order("r1-a", price=980)
    seq = story.ask(PlaceOrders(NAME, (new,)))[0]
    story.push(e.OrdersPlaced(NAME, accepted((new,))), seq)
    story.snapshot(980, 1010, after_ns=500 * MS)
    story.push(e.Filled(fill(1, price=980, client_order_id="r1-a")))
    (trail,) = story.trails()[0]
    assert trail.leg is not None
    assert trail.leg.acknowledged is not None
    assert trail.queue == (QueuePoint(trail.leg.acknowledged.seq + 1, 40, 50),)


def test_hidden_orders_have_no_queue() -> None:
    story = Story(quoted())
    story.settle()
    story.snapshot(990, 1010)
    new = new_order("r1-a", price=990, rpi=True)
    seq = story.ask(PlaceOrders(NAME, (new,)))[0]
    story.push(e.OrdersPlaced(NAME, accepted((new,))), seq)
    story.push(e.Filled(fill(1, price=990, client_order_id="r1-a")))
    (trail,) = story.trails()[0]
    assert trail.leg is not None
    assert trail.leg.rpi
    assert trail.leg.acknowledged is not None
    assert trail.queue == ()
    assert trail.queue_ahead is None


def test_each_deal_counts_once_and_foreign_ones_are_counted_apart() -> None:
    story = bought_story()
    bid, _ = names(story)
    again = fill(1, qty=4, price=990, client_order_id=bid, fee="0.000004", fee_asset="BTC")
    story.push(e.Filled(again))
    story.push(e.Filled(fill(2, qty=7, price=1005, side=Side.SELL, client_order_id="by hand")))
    found, tracer = story.trails()
    assert [trail.fill.deal_id for trail in found] == [1]
    assert tracer.own[NAME].fills == 1
    assert tracer.foreign[NAME].fills == tracer.strangers[NAME] == 1
    assert tracer.foreign[NAME].spread2 == -(2000 - 2010) * 7


def reconciled(story: Story, *history: VenueFill) -> None:
    """The stream is lost; on its return the venue lists what we missed."""
    story.push(e.StreamClosed("private", "lost", 0))
    story.wait(10)
    story.history = history
    story.listed = tuple(
        venue_order(o.client_order_id, o.order_id, side=o.side, price=o.price, leaves=o.leaves_qty)
        for o in story.market.live
    )
    story.settle()


def test_a_deal_that_only_history_tells_of_is_late() -> None:
    story = quoting_story()
    bid, _ = names(story)
    missed = replace(fill(1, qty=4, price=990, client_order_id=bid), venue_us=T0 // 1000 + 50_000)
    reconciled(story, missed)
    (trail,) = story.trails()[0]
    assert (trail.told_by, trail.is_late) == ("history", True)
    assert trail.leg == LEG
    assert trail.spread2 == 80
    assert {markout.missing for markout in trail.markouts} == {"learned late"}


def test_history_that_comes_at_once_is_not_late() -> None:
    story = quoting_story()
    bid, _ = names(story)
    at_us = (story.now_ns + 10 * S) // 1000
    missed = replace(fill(1, qty=4, price=990, client_order_id=bid), venue_us=at_us)
    reconciled(story, missed)
    (trail,) = story.trails()[0]
    assert (trail.told_by, trail.is_late) == ("history", False)


def test_an_order_filled_after_a_restart_keeps_its_leg() -> None:
    story = bought_story()
    bid, _ = names(story)
    started = story.records[0].event
    assert isinstance(started, e.RunStarted)
    story.push(replace(started, run_id="r2"), after_ns=3 * S)
    story.push(e.Filled(fill(2, qty=6, price=990, client_order_id=bid)))
    first, second = story.trails()[0]
    assert first.leg == second.leg == LEG
    # The first record at or after one second is the restart, whose book is not known yet.
    missing = [markout.missing for markout in first.markouts]
    assert missing[:3] == ["not trusted", "not trusted", "not yet"]


def test_a_clock_that_was_set_back_between_runs_ends_every_wait() -> None:
    story = bought_story()
    started = story.records[0].event
    story.push(started, after_ns=-10 * S)
    (trail,) = story.trails()[0]
    assert {markout.missing for markout in trail.markouts} == {"not trusted"}


def test_a_market_that_is_quoted_no_more_has_no_markouts() -> None:
    story = bought_story()
    started = story.records[0].event
    assert isinstance(started, e.RunStarted)
    story.push(replace(started, quoted=()), after_ns=100 * S)
    (trail,) = story.trails()[0]
    assert {markout.missing for markout in trail.markouts} == {"not quoted"}


def test_what_the_journal_does_not_hold_is_not_made_up() -> None:
    """A journal whose oldest records are gone begins with the state before the rest."""
    story = bought_story()
    state = fold(iter(story.records[:33]))
    (trail,) = trails(iter(story.records[33:]), state)
    leg = trail.leg
    assert leg is not None
    assert (leg.number, leg.client_order_id, leg.run_id) == (-1, "r1-29-0-0", "r1")
    assert (leg.decided, leg.sent, leg.parameters, leg.acknowledged) == (None, None, None, None)
    assert trail.age_ns is None
    assert trail.queue == ()
    assert trail.spread2 == 80


def test_a_level_follows_the_ladder() -> None:
    story = Story(quoted())
    story.settle()
    story.snapshot(990, 1010)
    orders = (new_order("r1-a", price=990), new_order("r1-b", price=985, level=1))
    seq = story.ask(PlaceOrders(NAME, orders))[0]
    story.push(e.OrdersPlaced(NAME, accepted(orders)), seq)
    story.ask(i.ModifyOrder(NAME, "r1-a", 980, 10, Stp.CANCEL_NEW, ("r1-b", "r1-a")))
    story.push(e.Filled(fill(1, price=985, order_id=2, client_order_id="r1-b")))
    (trail,) = story.trails()[0]
    assert trail.leg is not None
    assert (trail.leg.level, trail.level) == (1, 0)


def test_trails_are_values() -> None:
    (trail,) = bought_story().trails()[0]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trail), type=FillTrail) == trail
