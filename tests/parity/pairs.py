"""Two journals by hand: a run, and a backtest that did not do quite the same."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from engine import events as e
from engine.types import Side, VenueFill
from replay.parity.compare import MarketParity
from replay.parity.follow import Follower, questions_of
from replay.parity.looks import Look, Question
from replay.parity.run import compare_all
from tests.engine.builders import MS, NAME, T0, S, fill
from tests.replay.story import Story, names, quoting_story

BUY, SELL = Side.BUY, Side.SELL
FIRST_NS = T0 + 200 * MS
"""When the first fill of a story comes; its orders rest by then."""


def followed(story: Story, questions: Sequence[Question] = ()) -> Follower:
    follower = Follower(questions)
    follower.take(story.records)
    follower.end()
    return follower


def compared(one: Story, other: Story) -> MarketParity:
    """Compare two stories of the usual market as a run and its backtest."""
    live = followed(one)
    asked = sorted(live.fills, key=lambda each: each.at_ns)
    backtest = followed(other, questions_of(asked))

    def again(follower: Follower) -> None:
        follower.take(one.records)
        follower.end()

    (found,) = compare_all(live, backtest, asked, again)
    return found


def looked(story: Story, question: Question) -> Look | None:
    """Return what a story's engine did when a fill came elsewhere."""
    return followed(story, [question]).looks.get(0)


def deal(
    story: Story,
    deal_id: int,
    side: Side,
    qty: int,
    at_ns: int,
    *,
    price: int = 0,
    fee: str = "0",
    fee_asset: str = "USDT",
    is_told_by_venue: bool = False,
) -> VenueFill:
    """Fill the quote of a side, at its price unless told otherwise, and tell of it at a time."""
    bid, ask = names(story)
    is_bid = side is BUY
    found = fill(
        deal_id,
        qty=qty,
        price=price or (990 if is_bid else 1010),
        side=side,
        client_order_id=bid if is_bid else ask,
        order_id=1 if is_bid else 2,
        fee=fee,
        fee_asset=fee_asset,
    )
    if is_told_by_venue:
        found = replace(found, venue_us=at_ns // 1000)
    story.at(at_ns, e.Filled(found))
    return found


def ended(story: Story, bid: int = 985, ask: int = 995) -> Story:
    """Let four seconds pass, and a last book be told: the mark is 9.90 unless told otherwise."""
    for _ in range(40):
        story.push(e.TimerFired(), after_ns=100 * MS)
    story.snapshot(bid, ask, update_id=900)
    return story


def question(
    side: Side = BUY, price: int = 990, at_ns: int = FIRST_NS, *, level: int = 0, position: int = 0
) -> Question:
    return Question(NAME, side, price, level, at_ns, position)


__all__ = ["BUY", "FIRST_NS", "MS", "SELL", "S", "compared", "deal", "ended", "followed", "looked"]
__all__ += ["question", "quoting_story"]
