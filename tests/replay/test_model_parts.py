"""Parts of the fill model by hand: who leaves a level, others without us, errors, latencies."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.paper.core.model import Order, Side
from engine import events as e
from engine.errors import ConfigError
from engine.types import OrderStatus, Quoted, VenueOrder
from engine.types import Side as EngineSide
from replay.changes import Changes
from replay.model.background import ModelBackground
from replay.model.errors import Error, compare
from replay.model.estimate import estimate
from replay.model.flow import AHEAD_NS, Depth, Told, Touch, Trades, flow
from replay.model.survey import ModelFill, Sample, survey
from replay.queue_models import queue_model
from tests.engine.builders import (
    MARKET,
    MS,
    NAME,
    PERPETUAL,
    S,
    fill,
    fixed,
    quoted,
    venue_order,
)
from tests.paper.exchange_kit import ALICE, NOW_US, SPOT, exchange, order, placed
from tests.replay.story import Story, names, quoting_story, restarted

TICKS = 10_000
"""100.00 in ticks of the venue's spot market; a lot there is 0.000001 BTC."""

# --- who leaves a level -----------------------------------------------------------------------


def level_of(background: ModelBackground) -> list[tuple[str, int]]:
    """The queue at 100.00, first in priority first."""
    orders = background.market.bids.levels[TICKS].orders.values()
    return [("us" if o.account == ALICE.name else "others", o.leaves_lots) for o in orders]


@pytest.mark.parametrize(
    ("model", "left", "expected"),
    [
        ("risk_averse", 70_000, (60_000, 10_000)),
        ("risk_averse", 50_000, (50_000, 0)),
        # 60 before and 40 behind us: p is 4/13, 16/100 and 64/100 of those that leave.
        ("power:2", 87_000, (51_000, 36_000)),
        ("power2:2", 75_000, (39_000, 36_000)),
        ("power3:2", 75_000, (51_000, 24_000)),
        # All of those behind us are gone before p of the rest is.
        ("power3:2", 25_000, (25_000, 0)),
        ("log", 0, (0, 0)),
    ],
)
def test_who_leaves_a_level_is_as_the_model_says(
    model: str, left: int, expected: tuple[int, int]
) -> None:
    venue = exchange()
    background = ModelBackground(venue, SPOT, ALICE.name, queue_model(model, 6))
    background.set_level(Side.BUY, TICKS, 60_000, NOW_US)
    placed(venue, ALICE.name, order("buy", "0.1", "100"))
    background.set_level(Side.BUY, TICKS, 100_000, NOW_US)
    assert level_of(background) == [("others", 60_000), ("us", 100_000), ("others", 40_000)]
    background.set_level(Side.BUY, TICKS, left, NOW_US)
    before, behind = expected
    queue = [("others", before), ("us", 100_000), ("others", behind)]
    assert level_of(background) == [each for each in queue if each[1]]
    venue.check()
    assert background.shown(Side.BUY) == ([TICKS] if left else [])


def test_a_trade_meets_those_before_us_first_and_then_us() -> None:
    venue = exchange()
    background = ModelBackground(venue, SPOT, ALICE.name, queue_model("power:2", 6))
    background.set_level(Side.BUY, TICKS, 60_000, NOW_US)
    ours = placed(venue, ALICE.name, order("buy", "0.1", "100"))
    background.replay_trade(Side.SELL, TICKS, 70_000, NOW_US)
    (held,) = venue.accounts[ALICE.name].seats[SPOT].orders.values()
    assert isinstance(held, Order)
    assert (held.order_id, held.leaves_lots) == (ours.order_id, 90_000)
    # The book tells of the trade afterwards: nobody has left.
    background.set_level(Side.BUY, TICKS, 0, NOW_US)
    assert level_of(background) == [("us", 90_000)]


def test_without_us_a_level_shrinks_as_ever() -> None:
    venue = exchange()
    background = ModelBackground(venue, SPOT, ALICE.name, queue_model("power:2", 6))
    background.set_level(Side.BUY, TICKS, 60_000, NOW_US)
    background.set_level(Side.BUY, TICKS, 20_000, NOW_US)
    assert level_of(background) == [("others", 20_000)]


# --- others without us ------------------------------------------------------------------------


def timed(story: Story, client_order_id: str, order_id: int, at_ns: int, leaves: int = 10) -> None:
    """Let the private stream tell, late, of a bid of ours as it was at a time."""
    shown = venue_order(client_order_id, order_id, price=990, leaves=leaves)
    event = e.OrderOpened if leaves == 10 else e.OrderUpdated
    told = event(_at(shown, at_ns))
    story.push(told, after_ns=300 * MS)


def _at(order: VenueOrder, at_ns: int) -> VenueOrder:
    return replace(order, modified_us=at_ns // 1000)


def acts_since(story: Story, seq: int) -> list[Depth | Touch | Trades]:
    at_ns = story.records[seq - 1].recv_ns
    acts = [act for act in flow(iter(story.records)) if act.at_ns > at_ns]
    return [act for act in acts if isinstance(act, Depth | Touch | Trades)]


def test_the_book_is_net_of_ours_from_the_moment_the_venue_says() -> None:
    story = quoting_story()
    bid, _ = names(story)
    start = story.records[-1]
    began_ns = story.now_ns + 150 * MS
    # The venue shows 60 lots 100 ms after it took ours in, and 50 before.
    story.push(e.TimerFired(), after_ns=100 * MS)
    story.delta(2, bids=(990, 53))
    early_ns = story.now_ns
    story.push(e.TimerFired(), after_ns=100 * MS)
    story.delta(3, bids=(990, 60))
    late_ns = story.now_ns
    timed(story, bid, 1, began_ns)
    depths = [act for act in acts_since(story, start.seq) if isinstance(act, Depth)]
    # The answer had no time of the venue, and told of the order before both.
    assert [(act.at_ns // MS, act.bids[990]) for act in depths] == [
        (early_ns // MS, 43),
        (late_ns // MS, 50),
    ]


def test_the_ticker_is_net_of_ours_and_an_end_ends_it() -> None:
    story = quoting_story()
    bid, _ = names(story)
    seq = story.records[-1].seq
    at_ns = story.now_ns + 100 * MS
    story.at(at_ns, e.BestBidOffer(NAME, 200, at_ns // 1000, 990, 60, 1010, 12))
    closed = _at(venue_order(bid, 1, price=990, status=OrderStatus.CANCELLED), at_ns + 50 * MS)
    story.push(e.OrderClosed(closed), after_ns=60 * MS)
    # A listing that was asked before comes after: what is over stays over.
    told = e.OrderOpened(_at(venue_order(bid, 1, price=990), at_ns + 55 * MS))
    story.push(told)
    story.at(at_ns + S, e.BestBidOffer(NAME, 201, (at_ns + S) // 1000, 990, 50, 1010, 12))
    touches = [act for act in acts_since(story, seq) if isinstance(act, Touch)]
    assert [(act.bid, act.ask) for act in touches] == [
        ((990, 50), (1010, 2)),
        ((990, 50), (1010, 2)),
    ]


def test_a_late_answer_to_a_modify_ends_no_later_one() -> None:
    story = quoting_story()
    bid, _ = names(story)
    seq = story.records[-1].seq
    asked = []
    for order_id, price in ((1, 990), (11, 989), (12, 988)):
        order = venue_order(bid, order_id, price=price)
        if order_id > 1:
            story.push(e.OrderOpened(_at(order, story.now_ns)))
        if price > 988:
            parameters = fixed(((price - 1, 10),), ((1010, 10),))
            story.push(e.ParametersChanged(NAME, parameters))
            asked += [sent for sent, _ in story.act()]
    # The pushes were faster than the answers, and those overtook each other; they have no times.
    for sent, order_id, price in zip(reversed(asked), (12, 11), (988, 989), strict=True):
        story.push(e.OrderModified(venue_order(bid, order_id, price=price)), sent)
    at_ns = story.now_ns + S
    story.at(at_ns, e.BestBidOffer(NAME, 200, at_ns // 1000, 988, 60, 1010, 12))
    (touch,) = [act for act in acts_since(story, seq) if isinstance(act, Touch)]
    assert touch.bid == (988, 50)


def test_acts_come_in_the_order_of_the_venue() -> None:
    story = quoting_story()
    seq = story.records[-1].seq
    story.push(e.TimerFired(), after_ns=100 * MS)
    story.trade(2, 990, 20, EngineSide.SELL)
    traded_ns = story.now_ns
    # A delta of before the trade that took a quarter of a second longer.
    venue_us = (traded_ns - 5 * MS) // 1000
    late = e.BookDelta(NAME, 2, 1, venue_us, (990, 45), ())
    story.push(late, after_ns=250 * MS)
    found = acts_since(story, seq)
    assert [type(act) for act in found] == [Depth, Trades]
    assert [(act.at_ns, act.told_ns) for act in found] == [
        (traded_ns - 5 * MS, traded_ns + 250 * MS),
        (traded_ns, traded_ns),
    ]
    # One that claims to be older than what is read ahead acts when it is told.
    ancient = e.BookDelta(NAME, 3, 2, (story.now_ns - 2 * AHEAD_NS) // 1000, (990, 44), ())
    story.push(ancient)
    assert acts_since(story, seq)[-1].at_ns == story.now_ns


def news_of(story: Story) -> tuple[list[list[int]], int]:
    """Ids of the trades that are flow, by frame, and the frames that are history."""
    acts = list(flow(iter(story.records)))
    told = [act.event for act in acts if isinstance(act, Told)]
    history = len([event for event in told if isinstance(event, e.PublicTrades)])
    trades = [act for act in acts if isinstance(act, Trades)]
    return [[t.trade_id for t in act.news] for act in trades], history


def test_repeated_trades_are_no_flow() -> None:
    story = quoting_story()
    story.trade(2, 990, 20, EngineSide.SELL)
    story.trade(2, 990, 20, EngineSide.SELL)
    assert news_of(story) == ([[1], [2], []], 0)


def test_what_traded_before_we_asked_is_no_flow() -> None:
    story = Story(quoted())
    story.settle()
    now_us, hour_us = story.now_ns // 1000, 3_600_000_000
    old = e.PublicTrade(6, 1000, 1, EngineSide.SELL, False, now_us - hour_us)
    story.push(e.PublicTrades(NAME, (old,)))
    story.trade(7, 1000, 1, EngineSide.SELL)
    assert news_of(story) == ([[7]], 1)
    # One that was made since comes with what was before.
    story = Story(quoted())
    story.settle()
    new = replace(old, trade_id=7, venue_us=story.now_ns // 1000)
    story.push(e.PublicTrades(NAME, (new, old)))
    assert news_of(story) == ([[7]], 0)


# --- survey -----------------------------------------------------------------------------------


def test_a_survey_pairs_requests_with_what_the_venue_said() -> None:
    story = quoting_story()
    bid, _ = names(story)
    sent = next(
        record.recv_ns
        for record in reversed(story.records)
        if isinstance(record.event, e.RequestSent)
    )
    answered = story.now_ns
    timed(story, bid, 1, sent + MS)
    told = fill(1, qty=4, price=990, client_order_id=bid)
    story.push(e.Filled(told))
    found = survey(iter(story.records))
    assert found.latencies.there.values == [MS]
    assert found.latencies.back.values == [answered - sent - MS]
    assert found.fills == [ModelFill(NAME, EngineSide.BUY, 990, 4, story.now_ns)]
    assert found.state == story.state
    assert list(found.markets) == [NAME]


def test_a_journal_from_the_middle_of_a_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="from the start of its first run"):
        survey(iter(quoting_story().records[1:]))


def another_run(*markets: Quoted) -> Story:
    story = quoting_story()
    restarted(story, "r2", *markets)
    return story


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (Story(replace(quoted(PERPETUAL), hedged=True)), "BTC_PERP: expected a one-way account"),
        (another_run(), "BTC_USDT: expected every run to quote it, found r2"),
        (
            another_run(quoted(replace(MARKET, qty_decimals=4))),
            "BTC_USDT: expected the same precision in every run",
        ),
    ],
)
def test_what_the_model_does_not_have_is_refused(story: Story, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        survey(iter(story.records))


def test_what_comes_after_a_pause_at_the_end_is_modelled() -> None:
    story = quoting_story()
    begun = estimate(lambda: iter(story.records[:1]), Changes(), "risk_averse", 1)
    assert begun.outcome(begun.unchanged.state, begun.unchanged.fills, NAME).fills == 0
    story.push(e.RunEnded(True, "done"), after_ns=3 * S)
    whole = estimate(lambda: iter(story.records), Changes(), "risk_averse", 1)
    assert whole.unchanged.state.now_ns >= story.now_ns


def test_a_sample_keeps_what_can_be() -> None:
    sample = Sample("x")
    for value in (5, 1, 4, -1, 10**12, 2, 3):
        sample.add(value)
    assert sample.values == [5, 1, 4, 2, 3]
    assert [sample.quantile(share) for share in (0.0, 0.2, 0.5, 0.95, 1.0)] == [1, 1, 3, 5, 5]
    assert Sample("y").quantile(0.5) is None


# --- errors -----------------------------------------------------------------------------------


def a_fill(at_ms: int, qty: int = 5, side: EngineSide = EngineSide.BUY) -> ModelFill:
    return ModelFill(NAME, side, 990, qty, at_ms * MS)


def test_fills_are_matched_by_side_and_time() -> None:
    recorded = [a_fill(1_000), a_fill(1_100), a_fill(5_000), a_fill(9_000, side=EngineSide.SELL)]
    predicted = [
        a_fill(1_040, qty=3),
        a_fill(1_050, qty=9),
        a_fill(6_001),
        a_fill(8_000, qty=5, side=EngineSide.SELL),
        a_fill(9_000),
    ]
    error = compare(recorded, predicted)
    # 1,000 takes 1,040, 1,100 takes 1,050; 5,000 has none within a second; sells match sells.
    assert error == Error(4, 5, 3, 20, 27, 3 + 5 + 5, (-1_000 * MS, -50 * MS, 40 * MS))
    assert (error.missed, error.invented, error.qty_ratio) == (1, 2, 27 / 20)
    assert [error.time_quantile_ns(share) for share in (0.05, 0.5, 0.95)] == list(error.times_ns)
    assert compare(recorded, predicted, "BTC_PERP") == Error()


def test_deals_of_one_moment_and_price_are_one_fill() -> None:
    recorded = [a_fill(1_000, qty=2), a_fill(1_000, qty=3), a_fill(1_001, qty=1)]
    error = compare(recorded, [a_fill(1_000, qty=5)])
    assert (error.recorded, error.matched, error.missed, error.matched_qty) == (2, 1, 1, 5)


def test_nothing_predicted_is_all_missed() -> None:
    error = compare([a_fill(1)], [])
    assert (error.missed, error.invented, error.qty_ratio) == (1, 0, 0.0)
    assert error.time_quantile_ns(0.5) is None
    assert compare([], [a_fill(1)]).qty_ratio is None
