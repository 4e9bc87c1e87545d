"""What stopped quoting, or is doubted, whatever record brought it."""

from __future__ import annotations

from engine import events as e
from engine import intents as i
from tests.engine.builders import NAME, UNAUTHORISED, S, quoted
from tests.replay.story import Story, names, quoting_story, restarted
from tests.replay.test_report_figures import reported


def listed(story: Story) -> list[tuple[str, str, str]]:
    """What stopped quoting, or is doubted: kind, market, reason."""
    kinds = ("halted", "doubt", "break")
    incidents = reported(story).figures()["incidents"]["listed"]
    return [(one.kind, one.where, one.text) for one in incidents if one.kind in kinds]


def test_a_market_that_any_record_halted_is_told_of_once() -> None:
    story = quoting_story()
    story.push(e.FrameRefused(NAME, NAME, "no such side"))
    story.wait(0.1)
    story.wait(0.1)
    assert listed(story) == [("halted", NAME, "a frame was refused: no such side")]


def test_a_key_that_was_refused_is_told_of_without_a_timer() -> None:
    story = quoting_story()
    seq = story.ask(i.CancelOrder(NAME, names(story)[0]))[0]
    story.push(e.RequestRefused(UNAUTHORISED), seq)
    reason = "the venue refused the key: 401 Unauthorized request."
    assert listed(story) == [("halted", "", reason)]


def test_what_a_restart_takes_along_is_not_told_again() -> None:
    story = quoting_story()
    story.push(e.FrameRefused(NAME, NAME, "no such side"))
    story.wait(0.1)
    restarted(story, "r2", quoted())
    story.push(e.LoopStalled(2 * S))
    story.wait(0.1)
    assert [kind for kind, _, _ in listed(story)] == ["halted", "doubt"]
