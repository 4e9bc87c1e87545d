"""The market around a fill as an SVG drawing: mid, our price, the moments of the order, the queue.

One file by itself: no script, no font, nothing that is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from adapters.cli.explain_money import short_story
from adapters.cli.explain_text import chart_of
from adapters.cli.explain_words import mid_of, qty_of, span_of
from adapters.cli.pictures import Chart
from replay.explain import Story

WIDTH, HEIGHT = 960, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 60, 350
_QUEUE_TOP, _QUEUE_BOTTOM = 410, 490

_STYLE = (
    "text{font:12px sans-serif;fill:#333}.mid{fill:none;stroke:#1f6feb;stroke-width:1.5}"
    ".ours{stroke:#b35900;stroke-dasharray:6 4}.at{stroke:#999;stroke-dasharray:2 3}"
    ".fill{fill:#c00}.queue{fill:#1f6feb33;stroke:#1f6feb}.frame{fill:none;stroke:#ccc}"
)


def picture(story: Story) -> str:
    """Return the drawing as text."""
    return "\n".join(_lines(story)) + "\n"


def _lines(story: Story) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}">'
    )
    yield f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
    yield _text(_LEFT, 24, next(short_story(story)))
    yield from _market(story)
    yield from _queue(story)
    yield "</svg>"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _market(story: Story) -> Iterator[str]:
    if not story.mids:
        yield _text(_LEFT, _TOP, "no mid is known around the fill")
        return
    chart, spec = chart_of(story), story.trail.spec
    low, high = chart.bounds()
    yield (
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}"'
        f' height="{_BOTTOM - _TOP}"/>'
    )

    def y_of(value: int) -> float:
        return _BOTTOM - (value - low) * (_BOTTOM - _TOP) / max(high - low, 1)

    for value in dict.fromkeys((high, chart.line, low)):
        yield _text(_LEFT - 6, y_of(value) + 4, mid_of(spec, value), "end")
    ours = y_of(chart.line)
    yield (
        f'<line class="ours" x1="{_LEFT}" y1="{ours:.1f}" x2="{WIDTH - _RIGHT}" y2="{ours:.1f}"/>'
    )
    for scene in story.scenes[:-1]:
        if chart.from_ns <= scene.moment.at_ns <= chart.until_ns:
            yield _upright(chart, scene.moment.at_ns, scene.name)
    yield f'<path class="mid" d="{_steps(chart, y_of)}"/>'
    x = _x_of(chart, chart.moment_ns)
    yield f'<circle class="fill" cx="{x:.1f}" cy="{ours:.1f}" r="5"/>'
    for at_ns in (chart.from_ns, chart.moment_ns, chart.until_ns):
        words = "fill" if at_ns == chart.moment_ns else span_of(at_ns - chart.moment_ns)
        yield _text(_x_of(chart, at_ns), _BOTTOM + 18, words, "middle")
    yield _text(_LEFT, _TOP - 10, f"mid (line) and our price (dashes), {spec.quote_asset}")


def _upright(chart: Chart, at_ns: int, name: str) -> str:
    x = _x_of(chart, at_ns)
    return (
        f'<line class="at" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_BOTTOM}">'
        f"<title>{escape(name)}</title></line>"
    )


def _x_of(chart: Chart, at_ns: int) -> float:
    span_ns = max(chart.until_ns - chart.from_ns, 1)
    return _LEFT + (at_ns - chart.from_ns) * (WIDTH - _LEFT - _RIGHT) / span_ns


def _steps(chart: Chart, y_of: Callable[[int], float]) -> str:
    # The mid holds until it changes.
    shown = [(max(at, chart.from_ns), v) for at, v in chart.series if at <= chart.until_ns]
    parts: list[str] = []
    for at_ns, value in shown:
        x, y = _x_of(chart, at_ns), y_of(value)
        parts.append(f"H{x:.1f}V{y:.1f}" if parts else f"M{x:.1f} {y:.1f}")
    return "".join([*parts, f"H{_x_of(chart, chart.until_ns):.1f}"])


def _queue(story: Story) -> Iterator[str]:
    points = [(at_ns, point.ahead) for at_ns, point in story.queue if point.ahead >= 0]
    if not points:
        yield _text(_LEFT, _QUEUE_TOP - 10, "no estimate of the queue")
        return
    most = max(ahead for _, ahead in points)
    filled_ns, first_ns = story.trail.filled.at_ns, points[0][0]
    words = f"before us in the queue, at the most {qty_of(story.trail.spec, most)}"
    yield _text(_LEFT, _QUEUE_TOP - 10, words)
    span_ns = max(filled_ns - first_ns, 1)

    def x_of(at_ns: int) -> float:
        return _LEFT + (at_ns - first_ns) * (WIDTH - _LEFT - _RIGHT) / span_ns

    parts = [f"M{_LEFT} {_QUEUE_BOTTOM}"]
    for at_ns, ahead in points:
        y = _QUEUE_BOTTOM - ahead * (_QUEUE_BOTTOM - _QUEUE_TOP) / max(most, 1)
        parts.append(f"H{x_of(at_ns):.1f}V{y:.1f}")
    yield f'<path class="queue" d="{"".join(parts)}H{WIDTH - _RIGHT}V{_QUEUE_BOTTOM}Z"/>'
    yield _text(_LEFT, _QUEUE_BOTTOM + 18, f"{span_of(filled_ns - first_ns)} before the fill")
