"""Every strategy has a page with a chart and an example, and all three are true."""

from __future__ import annotations

import pytest
from msgspec.structs import fields, replace

from adapters.cli.config import to_quoted
from adapters.cli.simulate import Simulation, simulate
from engine import testing as kit
from engine.events import Decided, Filled, OrderOpened
from engine.strategy import load_strategy, strategy_class
from engine.testing import situations
from engine.types import Product
from replay.verify import verify
from tests.cli.kit import SPOT
from tests.integration.world import quiet_flow, records_of
from tests.source_tree import ROOT
from tests.strategies.charts import chart
from tests.strategies.pages import NAMES, configuration, example, page
from tests.strategies.test_laws import KEPT

LINES_MAX = 150
PERPETUAL = replace(
    SPOT, name="BTC_PERP", product=Product.PERPETUAL, price_decimals=1, qty_decimals=3, qty_min=1
)


def test_every_strategy_has_a_page_and_an_entry_in_the_list() -> None:
    """Of the project: an author's own is held to the laws by its own test, and may have none."""
    assert sorted({name.partition(",")[0] for name in KEPT}) == sorted(NAMES)
    listed = page("README").read_text("utf-8")
    assert [name for name in NAMES if f"[{name}]({name}.md)" not in listed] == []


def test_every_file_of_a_strategy_is_short() -> None:
    long = [
        path.name
        for path in (ROOT / "strategies").glob("*.py")
        if len(path.read_text("utf-8").splitlines()) > LINES_MAX
    ]
    assert long == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_parameter_and_shows_the_chart(name: str) -> None:
    text = page(name).read_text("utf-8")
    rows = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(field.name for field in fields(strategy_class(name)))
    assert f"]({name}.svg)" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_figure_of_its_reasoning(name: str) -> None:
    text = page(name).read_text("utf-8")
    found: dict[str, None] = {}
    for case, (strategy, _) in KEPT.items():
        if case.partition(",")[0] == name:
            for situation in situations(kit.SPOT):
                seen = situation.view(strategy)
                seen = replace(seen, beside=replace(seen, memory=None))
                found |= dict.fromkeys(f.name for f in strategy.reason(seen).figures)
    assert found
    # Lines of a grid are as many as it has.
    names = [figure for figure in found if not figure.startswith("turned_")]
    assert [figure for figure in names if f"`{figure}`" not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_what_the_strategy_quotes(name: str) -> None:
    kept = page(name).with_suffix(".svg").read_text("utf-8")
    assert kept == chart(name), "`make charts` draws it anew"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_one_that_run_takes(name: str) -> None:
    """As far as a file can be refused: parsed, in the market's precision, quoting."""
    config = configuration(name)
    quoted = [
        to_quoted(config, market) for market in (SPOT, PERPETUAL) if market.name in config.market
    ]
    assert len(quoted) == len(config.market)
    assert load_strategy(quoted[0].strategy, quoted[0].parameters) == example(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_quotes_and_is_proved_by_replay(name: str) -> None:
    run: Simulation = simulate(configuration(name), quiet_flow(3), seed=3, seconds=3)
    assert run.outcome.ended.clean
    records = records_of(run.fs)
    told = [type(record.event) for record in records]
    assert told.count(OrderOpened) >= 2, "both sides rested"
    assert told.count(Filled) >= 1, "somebody traded with it"
    assert told.count(Decided) >= 10
    proof, _ = verify(iter(records))
    assert proof.divergences == 0
    assert proof.decisions >= 10
