"""The story of one fill as a page of text: words, tables and two small pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.cli.explain_kept_out import kept_out
from adapters.cli.explain_money import money, short_story
from adapters.cli.explain_words import (
    figure_of,
    level_of,
    looks_of,
    mid_of,
    order_of,
    price_of,
    qty_of,
    request_of,
    side_of,
    span_of,
    table,
    ticks_of,
    verdict_of,
    want_of,
)
from adapters.cli.pictures import Chart, Signs, draw, sparkline
from adapters.cli.state_text import limit_words
from adapters.cli.words import clock_time, sentence
from engine.types import BUY, Market, Role
from replay.backtest.made import MODE
from replay.explain import Story
from replay.scenes import Scene
from replay.watching import BEFORE_NS, Told

EVENTS_MAX = 40
"""Events of an order that are listed; of more, the first and the last."""
_POINTS_MAX = 12
_WIDTH = 60


def page(story: Story, signs: Signs) -> Iterator[str]:
    """Yield the lines of the page.

    Args:
        story: What is told.
        signs: What pictures are drawn with.
    """
    yield from short_story(story)
    for title, lines in (
        ("The four moments", _moments(story)),
        ("What the planner made of it", _planner(story)),
        ("From the market to the fill", _chain(story)),
        ("The queue before us", _queue(story, signs)),
        ("Everything that touched the order", _events(story)),
        ("What the market did", _market(story, signs)),
        ("What would have kept us out", kept_out(story)),
        ("What it cost", money(story)),
    ):
        yield ""
        yield title
        yield from [f"  {line}" if line else "" for line in lines]


# --- the moments --------------------------------------------------------------------------------


def _moments(story: Story) -> Iterator[str]:
    scenes, spec = story.scenes, story.trail.spec
    if not scenes:
        yield "the journal does not hold the order: neither its decision nor its request"
        return
    first_ns = scenes[0].moment.at_ns
    rows = [["", *[scene.name for scene in scenes]]]
    rows.append(["seq", *[str(scene.moment.seq) for scene in scenes]])
    rows.append(["time", *[clock_time(scene.moment.at_ns) for scene in scenes]])
    rows.append(["after", *[span_of(scene.moment.at_ns - first_ns) for scene in scenes]])
    rows += _book_rows(story, spec)
    names = dict.fromkeys(f.name for scene in scenes for f in scene.reasoning.figures)
    for name in names:
        rows.append([name, *[_figure(scene, spec, name) for scene in scenes]])
    rows.append(["wanted", *[want_of(spec, scene.want) for scene in scenes]])
    rows.append(["rested", *[order_of(spec, scene.order) for scene in scenes]])
    rows.append(["in flight", *[request_of(spec, scene.order) for scene in scenes]])
    rows.append(["tolerance", *[ticks_of(scene.reach) for scene in scenes]])
    rows.append(["planner", *[_planned(scene) for scene in scenes]])
    rows.append(["gate", *[scene.gate or "open" for scene in scenes]])
    rows.append(["holds", *[_holds(scene) for scene in scenes]])
    yield from table(rows)
    yield ""
    yield from _in_force(scenes, spec)


def _book_rows(story: Story, spec: Market) -> Iterator[list[str]]:
    scenes, fill = story.scenes, story.trail.fill
    tops = [scene.moment.top for scene in scenes]
    yield ["bid of others", *[level_of(spec, bid, qty) for bid, qty, _, _ in tops]]
    yield ["ask of others", *[level_of(spec, ask, qty) for _, _, ask, qty in tops]]
    yield ["mid", *[mid_of(spec, scene.moment.mid2) for scene in scenes]]
    edges = [(fill.side.sign * (scene.moment.mid2 - 2 * fill.price), scene) for scene in scenes]
    yield [
        "edge at our price",
        *[f"{e * 5_000 / fill.price:.2f} bps" if s.moment.mid2 else "none" for e, s in edges],
    ]
    yield ["inventory", *[qty_of(spec, scene.position) for scene in scenes]]
    yield ["inventory limit", *[qty_of(spec, scene.inventory_max) for scene in scenes]]
    side = side_of(fill.side)
    yield [f"room to {side}", *[qty_of(spec, scene.room) for scene in scenes]]


def _figure(scene: Scene, spec: Market, name: str) -> str:
    for figure in scene.reasoning.figures:
        if figure.name == name:
            return figure_of(spec, figure)
    return "-"


def _planned(scene: Scene) -> str:
    # The request says what was decided a moment before; nobody decides anew.
    return "as decided" if scene.name == "send" else verdict_of(scene.verdict)


def _holds(scene: Scene) -> str:
    return ", ".join(f"{hold.rule} {hold.stage.name}" for hold in scene.holds) or "none"


def _in_force(scenes: Sequence[Scene], spec: Market) -> Iterator[str]:
    yield from _figure_words(scenes)
    told: dict[str, list[str]] = {}
    for scene in scenes:
        for words in scene.reasoning.words:
            told.setdefault(words, []).append(scene.name)
    for words, names in told.items():
        yield f"at {', '.join(names)}: {words}"
    holds = [hold for scene in scenes for hold in scene.holds]
    yield from dict.fromkeys(f"held back by {hold.rule}: {hold.reason}" for hold in holds)
    settings = [(f"{s.strategy} {s.parameters}", s.limits, s.name) for s in scenes]
    for index, (strategy, limits, name) in enumerate(settings):
        if not index or settings[index - 1][0] != strategy:
            yield f"parameters at {name}: {strategy}"
        if not index or settings[index - 1][1] != limits:
            yield f"limits at {name}: {limit_words(limits, spec)}"


def _figure_words(scenes: Sequence[Scene]) -> Iterator[str]:
    # Each once, and again where another moment has it in other words.
    last: dict[str, str] = {}
    for scene in scenes:
        for figure in scene.reasoning.figures:
            if last.get(figure.name) != figure.words:
                at = f" at {scene.name}" if figure.name in last else ""
                yield f"{figure.name}{at}: {figure.words}"
                last[figure.name] = figure.words


def _planner(story: Story) -> Iterator[str]:
    spec = story.trail.spec
    decided = [scene for scene in story.scenes if scene.name == "decision"]
    if not decided:
        yield "the journal does not hold the decision"
        return
    (scene,) = decided
    stood = "nothing stood there"
    if scene.order is not None:
        stood = f"the order stood at {order_of(spec, scene.order)}"
    yield (
        f"seq {scene.moment.seq} wanted {want_of(spec, scene.want)} on level {scene.level};"
        f" {stood}: {verdict_of(scene.verdict)}"
    )
    if scene.order is not None and scene.order.level != scene.level:
        yield f"it stood on level {scene.order.level}: the ladder moved by a step, and it went over"
    shown = story.looks if len(story.looks) <= _POINTS_MAX else story.looks[-_POINTS_MAX:]
    if len(shown) < len(story.looks):
        yield f"... {len(story.looks) - len(shown)} changes of mind before these"
    for looks in shown:
        yield looks_of(looks)
    if not story.looks:
        yield "no decision came between the request and the fill"


# --- the way -----------------------------------------------------------------------------------


def _line(told: Told) -> str:
    record = told.record
    cause = f" (from {record.cause_seq})" if record.cause_seq else ""
    words = sentence(record, told.before)
    return f"{record.seq} {clock_time(record.recv_ns)} {words}{cause}"


def _chain(story: Story) -> Iterator[str]:
    yield from map(_line, story.chain)
    yield ""
    trail = story.trail
    legs = [
        ("market frame to decision", trail.frame_to_decision_ns),
        ("decision to request", trail.decision_to_sent_ns),
        ("request to acknowledgement", trail.sent_to_acknowledged_ns),
        ("acknowledgement to fill" if _shown(story) else "request to fill", trail.age_ns),
    ]
    if story.race.clock_error_ns is not None:
        legs.append(("match to its news", trail.filled.at_ns - story.race.happened_ns))
    known = [[name, span_of(ns)] for name, ns in legs if ns is not None]
    yield from table(known or [["the journal does not hold the way to the venue"]])


def _shown(story: Story) -> bool:
    leg = story.trail.leg
    return leg is not None and leg.acknowledged is not None


def _queue(story: Story, signs: Signs) -> Iterator[str]:
    spec, points = story.trail.spec, story.queue
    if not points:
        leg = story.trail.leg
        why = "it was never seen to rest within the depth window"
        if leg is not None and leg.rpi:
            why = "an RPI order is not in the book"
        elif leg is None or leg.sent is None:
            why = "the journal does not hold how it came to rest"
        yield f"no estimate: {why}"
        return
    ahead = [(at_ns, max(point.ahead, 0)) for at_ns, point in points]
    until_ns = story.trail.filled.at_ns
    line = sparkline(ahead, points[0][0], until_ns, _WIDTH, signs)
    most = max(value for _, value in ahead)
    yield f"{line}  lots of others before us, at the most {qty_of(spec, most)}"
    shown = points if len(points) <= _POINTS_MAX else points[:4] + points[-(_POINTS_MAX - 4) :]
    rows = [["seq", "before the fill", "ahead", "at the price"]]
    for at_ns, point in shown:
        rows.append(
            [
                str(point.seq),
                span_of(until_ns - at_ns),
                qty_of(spec, point.ahead) if point.ahead >= 0 else "-",
                qty_of(spec, point.total) if point.total >= 0 else "-",
            ]
        )
    if len(shown) < len(points):
        rows.insert(5, ["...", f"{len(points) - len(shown)} more", "", ""])
    yield from table(rows)


def _events(story: Story) -> Iterator[str]:
    lines = [_line(told) for told in story.touching]
    if len(lines) > EVENTS_MAX:
        head = EVENTS_MAX // 2
        lines[head : len(lines) - head] = [f"... {len(lines) - 2 * head} more (--json has all)"]
    yield from lines


# --- the market --------------------------------------------------------------------------------


def _market(story: Story, signs: Signs) -> Iterator[str]:
    trail, spec = story.trail, story.trail.spec
    filled_ns = trail.filled.at_ns
    yield from _met(story)
    counted = 0
    for words, low_ns, high_ns in (
        ("in the second after", 0, 1),
        ("in the five seconds after", 0, 5),
        ("in the minute after", 0, 60),
    ):
        window = [t for _, at, t in story.trades if low_ns < at - filled_ns <= high_ns * 10**9]
        if len(window) > counted:
            counted = len(window)
            if story.ended_ns is not None and story.ended_ns - filled_ns < high_ns * 10**9:
                words = f"until the run ended, {span_of(story.ended_ns - filled_ns)} after"
            bought = sum(t.qty for t in window if t.side is BUY)
            sold = sum(t.qty for t in window if t.side is not BUY)
            low, high = min(t.price for t in window), max(t.price for t in window)
            yield (
                f"{words}: {len(window)} trades, takers bought {qty_of(spec, bought)} and sold"
                f" {qty_of(spec, sold)}, from {price_of(spec, low)} to {price_of(spec, high)}"
            )
    if not story.mids:
        return
    yield ""
    yield from draw(chart_of(story), lambda price2: mid_of(spec, price2), signs)
    from_ns, until_ns = _times(story)
    yield (
        f"{signs.price} mid, {signs.ours} our price, {signs.fill} the fill; from"
        f" {span_of(from_ns - filled_ns)} to +{span_of(until_ns - filled_ns)}"
    )


def _times(story: Story) -> tuple[int, int]:
    filled_ns = story.trail.filled.at_ns
    first = max(filled_ns - BEFORE_NS, story.mids[0][0])
    known = [markout.at_ns for markout in story.trail.markouts if markout.at_ns]
    last = max([story.mids[-1][0], *known])
    return min(first, filled_ns), max(min(last, story.until_ns), filled_ns + 1)


def chart_of(story: Story) -> Chart:
    """Return the chart of the mid around the fill; prices are doubled."""
    from_ns, until_ns = _times(story)
    trail = story.trail
    return Chart(story.mids, 2 * trail.fill.price, from_ns, until_ns, trail.filled.at_ns)


def _met(story: Story) -> Iterator[str]:
    spec, fill, filled_ns = story.trail.spec, story.trail.fill, story.trail.filled.at_ns
    if fill.role is not Role.MAKER:
        yield "we were the taker: what rested at the venue met us"
        return
    if story.met is None and story.mode == MODE:
        yield (
            "the recorded book came to our price, and is taken to have met us: no recorded trade"
            " reached it at that moment"
        )
        return
    if story.met is None:
        yield "no public trade can be told to be ours by price, side and the venue's time"
        return
    seq, at_ns, trade = story.met
    if trade.price != fill.price:
        yield (
            f"a taker's {side_of(trade.side)} of {qty_of(spec, trade.qty)} was recorded at"
            f" {price_of(spec, trade.price)}, beyond our price, and met us on its way: public trade"
            f" {trade.trade_id} (seq {seq})"
        )
        return
    told = "before" if at_ns <= filled_ns else "after"
    yield (
        f"a taker's {side_of(trade.side)} of {qty_of(spec, trade.qty)} at"
        f" {price_of(spec, trade.price)} met us: public trade {trade.trade_id}, told of"
        f" {span_of(abs(at_ns - filled_ns))} {told} our fill (seq {seq})"
    )
