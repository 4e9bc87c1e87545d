"""What a fill was worth, to the last digit, and its story in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from adapters.cli.explain_words import (
    figure_of,
    mid_of,
    price_of,
    qty_of,
    span_of,
    table,
    ticks_of,
    want_of,
)
from adapters.cli.words import clock_time
from engine.money import subtract
from engine.types import BUY, Role
from replay.backtest.made import MODE, backtest_on
from replay.explain import Story
from replay.fill_rows import HORIZON_NAMES
from replay.trails import NOT_YET, FillTrail
from replay.verdicts import Kind, eagerness

_WORTH = (2, 1, 0)
"""Horizons that are told in a sentence, by index: five seconds, else what is known."""


def short_story(story: Story) -> Iterator[str]:
    """Yield what happened, in a few sentences."""
    trail, spec = story.trail, story.trail.spec
    fill = trail.fill
    verb = "bought" if fill.side is BUY else "sold"
    role = "maker" if fill.role is Role.MAKER else "TAKER"
    yield (
        f"{fill.market}: {verb} {qty_of(spec, fill.qty)} {spec.base_asset} at"
        f" {price_of(spec, fill.price)} as {role}, deal {fill.deal_id}, seq {trail.seq},"
        f" {clock_time(trail.filled.at_ns)} UTC"
    )
    if story.mode == MODE:
        yield f"This is a {backtest_on(story.made)}: the fill is an estimate."
    if trail.told_by == "history":
        late = ", too late to know the market at its time" if trail.is_late else ""
        yield f"No push told of it: it was learned from the deals listed at seq {trail.seq}{late}."
    yield from _why(story)
    yield from _how_long(story)
    yield from _what(story)


def _why(story: Story) -> Iterator[str]:
    spec, leg = story.trail.spec, story.trail.leg
    scene = next((one for one in story.scenes if one.name == "decision"), None)
    if leg is None or scene is None:
        yield "Why we were there the journal does not hold: the order is older than it."
        return
    placed = "placed" if leg.number == 0 else f"moved there (its modify number {leg.number})"
    mid = f", with the mid at {mid_of(spec, scene.moment.mid2)}"
    yield (
        f"Why there: at seq {scene.moment.seq} {scene.strategy} wanted"
        f" {want_of(spec, scene.want)} on level {scene.level}{mid}; the order was {placed}."
    )
    priced = [f for f in scene.reasoning.figures if f.unit == "ticks"]
    told = ", ".join(f"{figure.name} {figure_of(spec, figure)}" for figure in priced)
    if priced:
        told += f" ({priced[-1].words})"
    why = "; ".join([*[told] * bool(told), *scene.reasoning.words])
    if why:
        yield f"Its reasoning: {why}."


def _how_long(story: Story) -> Iterator[str]:
    trail = story.trail
    kept = sum(looks.count for looks in story.looks if looks.kind is Kind.KEPT)
    every = sum(looks.count for looks in story.looks)
    leg = trail.leg
    looked = f"; {kept} of {every} decisions in between kept it" if every else ""
    if leg is not None:
        rested = "it was filled before anything showed it resting"
        if trail.fill.role is not Role.MAKER:
            rested = "it took, as it came to the venue"
        elif leg.acknowledged is not None and trail.age_ns is not None:
            rested = f"it had rested for {span_of(trail.age_ns)}"
        elif leg.sent is None:
            rested = "since when it rested the journal does not hold"
        yield f"Why then: {rested}{looked}."
    last = story.scenes[-1] if story.scenes else None
    if last is not None and last.want is not None:
        off = eagerness(trail.fill.side, trail.fill.price, last.want.price)
        way = "further away" if off > 0 else "nearer"
        if off:
            yield (
                f"At the fill the same strategy wanted {want_of(trail.spec, last.want)},"
                f" {ticks_of(abs(off))} {way}."
            )


def _what(story: Story) -> Iterator[str]:
    trail, asset = story.trail, story.trail.spec.quote_asset
    if trail.is_late or trail.edge is None:
        return
    words = f"What it cost: edge {trail.edge:f} {asset} against the mid"
    if trail.fee_value is not None:
        words += f", fee {trail.fee_value:f}"
    for index in _WORTH:
        net = _net(trail, trail.markout(index))
        if net is not None:
            words += f"; {HORIZON_NAMES[index]} later it was worth {net:f} {asset} after the fee"
            break
    yield f"{words}."


def _net(trail: FillTrail, gained: Decimal | None) -> Decimal | None:
    fee = trail.fee_value
    return None if gained is None or fee is None else subtract(gained, fee)


def money(story: Story) -> Iterator[str]:
    """Yield edge, fee, inventory and markouts, exactly."""
    trail, spec = story.trail, story.trail.spec
    fill, asset = trail.fill, spec.quote_asset
    yield f"notional {trail.notional:f} {asset}"
    yield f"fee {fill.fee:f} {fill.fee_asset}" + (
        f", which is {trail.fee_value:f} {asset}"
        if trail.fee_value is not None and fill.fee_asset != asset
        else ""
    )
    before, after = qty_of(spec, trail.position_before), qty_of(spec, trail.position_after)
    yield f"inventory {before} before, {after} after"
    rows = [["", "mid", f"gained, {asset}", "bps", f"after the fee, {asset}"]]
    if trail.edge is not None and not trail.is_late:
        net = _net(trail, trail.edge)
        rows.append(
            [
                "at the fill",
                mid_of(spec, trail.filled.mid2),
                f"{trail.edge:f}",
                f"{trail.edge_bps:.2f}",
                "-" if net is None else f"{net:f}",
            ]
        )
    for index, (name, markout) in enumerate(zip(HORIZON_NAMES, trail.markouts, strict=True)):
        gained, bps = trail.markout(index), trail.markout_bps(index)
        if gained is None or bps is None:
            is_late = markout.missing == NOT_YET and story.ended_ns is not None
            missing = "the run had ended" if is_late else markout.missing
            rows.append([f"{name} later", missing, "-", "-", "-"])
            continue
        net = _net(trail, gained)
        rows.append(
            [
                f"{name} later",
                mid_of(spec, markout.mid2),
                f"{gained:f}",
                f"{bps:.2f}",
                "-" if net is None else f"{net:f}",
            ]
        )
    yield from table(rows)
