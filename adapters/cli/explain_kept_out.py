"""What would have kept us out of a fill, in words: speed, and each parameter by itself."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from adapters.cli.explain_words import price_of, span_of, table, ticks_of, way_of
from engine.types import Market, Role
from replay.backtest.made import MODE
from replay.explain import Priced, Race, Story


def kept_out(story: Story) -> Iterator[str]:
    """Yield how fast we would have had to be, and what each parameter would have had to be."""
    if story.trail.fill.role is not Role.MAKER:
        yield "we took: no move away comes into question"
    else:
        yield from _race(story.race, story)
    yield ""
    yield from _parameters(story.priced, story.trail.spec)
    if story.swept is not None:
        swept = price_of(story.trail.spec, story.swept.price)
        who = "takers, or the recorded book," if story.mode == MODE else "takers"
        yield ""
        yield f"at that moment {who} went on to {swept}"
        # What acts through the memory was told already.
        tried = tuple(way for way in story.swept.ways if not way.is_remembered)
        if tried or not story.swept.is_met:
            yield from _parameters(replace(story.swept, ways=tried), story.trail.spec)


def _parameters(priced: Priced | None, spec: Market) -> Iterator[str]:
    if priced is None:
        yield "no strategy's decision on this price is in the journal: no parameter to try"
        return
    price = price_of(spec, priced.price)
    if not priced.is_met:
        yield (
            f"the strategy itself wanted {price_of(spec, priced.best)}, which a trade at {price}"
            " does not reach: what came after it made the price"
        )
        return
    if not priced.ways:
        yield "the strategy has no numeric parameter"
        return
    yield f"out of reach of {price}, by the decision's own view, each parameter by itself:"
    rows = [("parameter", "in force", "needed", "best price then")]
    yield from table([*rows, *[way_of(spec, way) for way in priced.ways]])
    for way in [way for way in priced.ways if way.is_remembered][:1]:
        name = way.parameter.name
        yield f"the memory is made anew by a replay: quotefold replay JOURNAL --set {name}=VALUE"


def _race(race: Race, story: Story) -> Iterator[str]:
    # How fast a move away would have had to be.
    spec, filled_ns = story.trail.spec, story.trail.filled.at_ns
    error = _clock_error(race)
    move, late_ns = race.move, race.late_ns
    if move is not None and late_ns is not None:
        what = f"modify to {price_of(spec, move.price)}" if move.price else "cancel"
        if late_ns > 0:
            yield (
                f"a {what} left {span_of(late_ns)} after the venue had matched{error}: it came too"
                " late by that and its way (seq " + f"{move.seq})"
            )
        else:
            yield (
                f"a {what} left {span_of(-late_ns)} before the venue matched{error}: it would have"
                f" had to arrive within that (seq {move.seq})"
            )
        if move.answer_seq:
            yield (
                f"its answer came {span_of(move.answer_ns - move.sent_ns)} after it left:"
                f" {move.answer} (seq {move.answer_seq})"
            )
    elif race.due is not None:
        yield f"what made a move away due (seq {race.due.seq}) {_due(race, race.due.at_ns)}"
    else:
        yield "no move away was in flight or due: no speed would have kept us out"
    if race.nearer is not None:
        reach = max((scene.reach for scene in story.scenes), default=0)
        most = race.nearer_most
        yield (
            f"since seq {race.nearer.seq}, {span_of(filled_ns - race.nearer.at_ns)} before, every"
            f" decision wanted it further away, by up to {ticks_of(most)} (tolerance {reach})"
        )
    if race.left is not None:
        yield (
            f"had it not come, the quote would have left the price"
            f" {span_of(race.left.at_ns - filled_ns)} later (seq {race.left.seq})"
        )


def _clock_error(race: Race) -> str:
    if race.clock_error_ns is None:
        return " (by when it was told: the clocks were not compared)"
    if not race.clock_error_ns:
        return ""
    return f" (clocks agree within {span_of(race.clock_error_ns)})"


def _due(race: Race, at_ns: int) -> str:
    # By the venue's own clock where the record has its time: that needs no comparison of clocks.
    if race.due_after_us is not None:
        after_ns, verb, error = race.due_after_us * 1000, "was sent", ""
    else:
        after_ns, verb, error = at_ns - race.happened_ns, "came", _clock_error(race)
    if race.due_after_us == 0:
        return "was sent as the venue matched, by its clock: too late at any speed of ours"
    if after_ns > 0:
        when = f"{verb} {span_of(after_ns)} after the venue had matched{error}"
        return f"{when}: too late at any speed of ours"
    return (
        f"{verb} {span_of(-after_ns)} before the venue matched{error}, and was not decided on yet"
    )
