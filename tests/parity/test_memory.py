"""What is remembered of a journal while it is followed does not grow with it."""

from __future__ import annotations

from engine import events as e
from replay.parity.causes import Cause
from replay.parity.follow import Follower
from replay.parity.restraints import SPANS_KEPT, Restraints
from replay.parity.stays import STAYS_KEPT, Stays
from tests.engine.builders import MS, NAME, S, venue_order
from tests.parity.pairs import BUY, quoting_story
from tests.replay.story import Story, names


def busy_story(moves: int) -> Story:
    """A bid that is moved over and over, and as often held back and let go."""
    story = quoting_story()
    bid, _ = names(story)
    for number in range(moves):
        order = venue_order(bid, 100 + number, price=900 + number % 50)
        story.push(e.OrderOpened(order), after_ns=30 * MS)
        command = "resume" if number % 2 else "pause"
        story.push(e.OperatorCommanded(command, NAME, ""))
        story.act()
    return story


def test_stays_that_are_long_over_are_forgotten_but_for_the_last() -> None:
    story = busy_story(STAYS_KEPT + 20)
    stays = followed_by(story)
    kept = list(stays._sides[NAME, BUY])
    assert len(kept) > STAYS_KEPT
    stays.forget(story.records[0].recv_ns)
    assert stays._sides[NAME, BUY] == kept
    stays.forget(story.now_ns - S)
    assert 30 <= len(stays._sides[NAME, BUY]) <= 40
    # One that rests is not over; without one the last to end says since when the side is empty.
    stays = followed_by(story)
    stays.forget(story.now_ns + 10 * S)
    (resting,) = stays._sides[NAME, BUY]
    assert resting.price == kept[-1].price
    stays = followed_by(story)
    stays._sides[NAME, BUY].pop()
    stays.forget(story.now_ns + 10 * S)
    assert [each.price for each in stays._sides[NAME, BUY]] == [kept[-2].price]


def followed_by(story: Story) -> Stays:
    stays, follower = Stays(), Follower()
    for record in story.records:
        before = follower.state
        follower.take([record])
        stays.observe(before, record, follower.state)
    return stays


def test_restraints_that_are_long_over_are_forgotten() -> None:
    story, restraints = busy_story(2 * SPANS_KEPT + 40), Restraints()
    follower = Follower()
    for record in story.records:
        if isinstance(record.event, e.Decided):
            restraints.decided(follower.state, record, record.event, {NAME})
        follower.take([record])
    assert len(restraints._spans[NAME, BUY]) > SPANS_KEPT
    restraints.forget(story.now_ns - S)
    assert 12 <= len(restraints._spans[NAME, BUY]) <= 20
    found = restraints.within(NAME, BUY, 0, story.now_ns)
    assert found is not None
    assert found.cause is Cause.OPERATOR
