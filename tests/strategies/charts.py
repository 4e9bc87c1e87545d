"""Draw how each strategy's quotes move with its parameters: `make charts` writes docs/strategies.

Every point is a `quote(view)` of the strategy itself, at the parameters of its page's example but
for the one on the axis. A test holds the files against what this draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec.structs import replace

from engine import events as e
from engine.strategy import Strategy, View
from engine.types import BUY, SELL, Market, Product, Side, TwoSidedQuote
from strategies.arrivals import Flow
from strategies.grid import Grid
from strategies.volatility import Volatility
from tests.engine.builders import MARKET, NAME, T0, S, fill
from tests.strategies.pages import NAMES, example, limit_of, page

MID, SPREAD = 6_000_000, 1_200
"""60,000.00 with a spread of 2 basis points."""
SPOT: Market = replace(MARKET, qty_decimals=6, qty_min=10, notional_min=1, product=Product.SPOT)
POINTS = 25
WIDTH, HEIGHT, LEFT, TOP, GAP, COLUMNS = 190.0, 120.0, 40.0, 26.0, 62.0, 3
BLUE, ORANGE, GREY = "#3b82c4", "#d9772b", "#888"

Point = tuple[Strategy, View]


class Panel(NamedTuple):
    """One small chart: what is on its axis, from where to where, and the point for a value."""

    title: str
    unit: str
    first: float
    final: float
    at: Callable[[Strategy, View, float], Point] | None = None
    """None sets the parameter of the title."""
    whole: bool = False


def _view(strategy: Strategy, share: float = 0.0) -> View:
    # A market that moves by 1 basis point a second, seen at half of a five-minute session.
    volatility = Volatility(2 * MID, T0, 1.0)
    memory: Any = volatility
    if isinstance(strategy.initial_memory(), Flow):
        memory = Flow(volatility, 0.0, 0.0, 0.0)
    if isinstance(strategy, Grid):
        memory = _laid(strategy)
    bid, ask = MID - SPREAD // 2, MID + SPREAD // 2
    now_ns = T0 - T0 % (300 * S) + 150 * S
    limit = limit_of(strategy)
    view = View(SPOT, now_ns, bid, 50, ask, 50, int(share * limit), limit, memory)
    return replace(view, beside=replace(view, inventory=0)) if strategy.beside() else view


def _laid(strategy: Grid) -> Any:
    seen = e.BestBidOffer(NAME, 1, 0, MID - 1, 1, MID + 1, 1)
    return strategy.fold(strategy.initial_memory(), seen, T0)


def _held(strategy: Strategy, view: View, share: float) -> Point:
    return strategy, replace(view, inventory=int(share * view.inventory_max))


def _leaning(strategy: Strategy, view: View, lean: float) -> Point:
    return strategy, replace(view, bid_qty=int(1_000 * (1 + lean)), ask_qty=int(1_000 * (1 - lean)))


def _moving(strategy: Strategy, view: View, deviation: float) -> Point:
    memory: Any = Volatility(2 * MID, T0, deviation * deviation)
    if isinstance(view.memory, Flow):
        memory = Flow(memory, 0.0, 0.0, 0.0)
    return strategy, replace(view, memory=memory)


def _later(strategy: Strategy, view: View, elapsed_s: float) -> Point:
    start_ns = view.now_ns - view.now_ns % (300 * S)
    return strategy, replace(view, now_ns=start_ns + int(elapsed_s * S))


def _trading(strategy: Strategy, view: View, arrivals: float) -> Point:
    # Five minutes of market orders that reach 2 basis points on average.
    count = arrivals * 2 * 300
    return strategy, replace(view, memory=Flow(view.memory.volatility, count, 2 * count, 300.0))


def _paying(strategy: Strategy, view: View, rate_bps: float) -> Point:
    changed = replace(strategy, funding_multiple=1.0)
    rate = Decimal(repr(rate_bps)) / 10_000
    return changed, replace(view, beside=replace(view, inventory=0, funding_rate=rate))


def _apart(strategy: Strategy, view: View, basis_bps: float) -> Point:
    shift = int(MID * basis_bps / 10_000)
    bid, ask = view.bid_price + shift, view.ask_price + shift
    changed = replace(strategy, basis_weight=0.5)
    return changed, replace(view, beside=replace(view, inventory=0, bid_price=bid, ask_price=ask))


def _hedging(strategy: Strategy, view: View, share: float) -> Point:
    held = int(share * view.inventory_max)
    return strategy, replace(view, beside=replace(view, inventory=held))


SWING: tuple[tuple[Side, int], ...] = (
    *((BUY, -1), (BUY, -2), (SELL, -1), (BUY, -2), (SELL, -1), (SELL, 0)),
    *((SELL, 1), (SELL, 2), (BUY, 1), (SELL, 2), (BUY, 1), (BUY, 0)),
)
"""Fills of a market that goes down, up and back, by level from the centre."""


def _swung(strategy: Strategy, view: View, fills: float) -> Point:
    memory = view.memory
    for side, level in SWING[: int(fills)]:
        price = memory.centre + level * memory.interval
        deal = fill(1, side=side, price=price, qty=5_000)
        memory = strategy.fold(memory, e.Filled(deal), T0)
    return strategy, replace(view, memory=memory, bid_price=1, ask_price=2 * MID)


INVENTORY = Panel("inventory", "of its limit", -1, 1, _held)
HALF = Panel("half_spread_bps", "bps", 0, 5)
SKEW = Panel("skew_bps", "bps", 0, 10)
VOLATILITY = Panel("volatility", "bps in a second", 0, 4, _moving)
PANELS: dict[str, tuple[Panel, ...]] = {
    "symmetric": (HALF, INVENTORY),
    "inventory_skew": (HALF, SKEW, INVENTORY, VOLATILITY, Panel("volatility_multiple", "", 0, 4),
        Panel("fee_multiple", "", 0, 1)),
    "avellaneda_stoikov": (Panel("gamma", "per bps", 0.001, 0.05), Panel("k", "per bps", 0.2, 4),
        Panel("sigma_bps", "bps in a second", 0.1, 3), INVENTORY,
        Panel("time in the session", "s", 0, 299.9, _later)),
    "glft": (Panel("gamma", "per bps", 0.001, 0.05), Panel("k", "per bps", 0.2, 4),
        Panel("arrivals_per_s", "", 0.05, 2), INVENTORY, VOLATILITY,
        Panel("arrivals in trades", "per s", 0, 4, _trading)),
    "micro_price": (HALF, Panel("imbalance", "bid less offered", -0.999, 0.999, _leaning), SKEW,
        INVENTORY),
    "grid": (Panel("interval_bps", "bps", 1, 20, whole=True),
        Panel("levels", "", 1, 10, whole=True),
        Panel("fills of a swing", "", 0, 12, _swung, whole=True)),
    "hedged": (HALF, Panel("skew_bps", "bps", 0, 20), INVENTORY,
        Panel("inventory of the other", "of this limit", -1, 1, _hedging),
        Panel("next funding, at 1", "bps", -3, 3, _paying),
        Panel("basis, at a weight of 0.5", "bps", -5, 5, _apart)),
    "rpi_overlay": (HALF, Panel("rpi_half_spread_bps", "bps", 0, 3), SKEW, INVENTORY),
}  # fmt: skip
"""By strategy; where inventory moves it, dashes show the quotes with half the limit held."""


def _points(strategy: Strategy, panel: Panel, share: float) -> Iterator[tuple[float, Point]]:
    count = int(panel.final - panel.first) + 1 if panel.whole else POINTS
    for step in range(count):
        value = panel.first + (panel.final - panel.first) * step / (count - 1)
        if panel.at is not None:
            yield value, panel.at(strategy, _view(strategy, share), value)
            continue
        set_to: Any = round(value) if panel.whole else value
        changed = replace(strategy, **{panel.title: set_to})
        yield value, (changed, _view(changed, share))


def _bps(price: int) -> float:
    return (price - MID) / MID * 10_000


def _lines(
    strategy: Strategy, panel: Panel, share: float
) -> list[tuple[str, int, list[tuple[float, float]]]]:
    """Return colour, level and points (value, basis points from the mid) of each level's line."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for value, (changed, view) in _points(strategy, panel, share):
        quote: TwoSidedQuote = changed.quote(view)
        for colour, side in ((BLUE, quote.bids), (ORANGE, quote.asks)):
            for level, order in enumerate(side):
                found.setdefault((colour, level), []).append((value, _bps(order.price)))
    return [(colour, level, points) for (colour, level), points in found.items()]


def _panel(strategy: Strategy, panel: Panel, x: float, y: float) -> Iterator[str]:
    dotted = isinstance(strategy, Grid)
    solid = _lines(strategy, panel, 0.0)
    lines = [(1.0, *line) for line in solid]
    if panel is not INVENTORY and not dotted:
        dashed = _lines(strategy, panel, 0.5)
        lines += [(0.0, *line) for line in dashed if line[1] == 0 and line not in solid]
    most = max(abs(bps) for *_, points in lines for _, bps in points) * 1.08 or 1.0
    span = panel.final - panel.first

    def place(value: float, bps: float) -> tuple[float, float]:
        across = (value - panel.first) / span * WIDTH
        return x + across, y + HEIGHT / 2 * (1 - bps / most)

    middle = y + HEIGHT / 2
    yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" class="box"/>'
    yield f'<path d="M{x} {middle}h{WIDTH}" class="mid"/>'
    yield f'<text x="{x}" y="{y - 8}" class="name">{panel.title}</text>'
    top = most / 1.08
    for bps in (top, 0.0, -top):
        at = place(panel.first, bps)[1]
        yield f'<text x="{x - 5}" y="{at + 3:.1f}" class="y">{bps:+.3g}</text>'
    for anchor, value in (("start", panel.first), ("end", panel.final)):
        at = place(value, 0.0)[0]
        yield f'<text x="{at:.1f}" y="{y + HEIGHT + 13}" class="{anchor}">{value:.3g}</text>'
    if panel.unit:
        yield f'<text x="{x + WIDTH / 2}" y="{y + HEIGHT + 13}" class="unit">{panel.unit}</text>'
    for full, colour, level, points in lines:
        placed = [place(*point) for point in points]
        opacity = 1.0 if not level or dotted else 0.4
        if dotted:
            dots = "".join(f"M{px:.1f} {py:.1f}h0" for px, py in placed)
            yield f'<path d="{dots}" class="dots" stroke="{colour}"/>'
            continue
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in placed)
        dashes = "" if full else ' stroke-dasharray="2 3"'
        yield f'<path d="M{path}" stroke="{colour}" opacity="{opacity}"{dashes}/>'


STYLE = (
    f"text{{font:10px sans-serif;fill:{GREY}}}.name{{font:bold 11px monospace}}"
    f".y,.end{{text-anchor:end}}.unit{{text-anchor:middle}}path{{fill:none;stroke-width:1.5}}"
    f".box,.mid{{fill:none;stroke:{GREY};stroke-width:.5;opacity:.6}}"
    ".dots{stroke-width:3.5;stroke-linecap:round}"
)


def chart(name: str) -> str:
    """Return the chart of a strategy as SVG, the same text whenever it is drawn."""
    strategy, panels = example(name), PANELS[name]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // COLUMNS)
    width = columns * (WIDTH + GAP)
    height = rows * (HEIGHT + GAP)
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">']
    drawn += [f"<title>{name}: quotes by parameter</title>", f"<style>{STYLE}</style>"]
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        drawn += _panel(strategy, panel, LEFT + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP))
    return "\n".join([*drawn, "</svg>", ""])


def write() -> None:
    """Write every chart beside its page."""
    for name in NAMES:
        page(name).with_suffix(".svg").write_text(chart(name), "utf-8")


if __name__ == "__main__":
    write()
