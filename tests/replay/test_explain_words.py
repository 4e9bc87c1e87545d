"""What a fill's page says of a strategy's reasoning, of who took, and of a run that is over."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.explain_words import exact_of, figure_of
from engine import events as e
from engine.step import view_in
from engine.strategy import Figure, Reasoning, View
from engine.types import Role, Side, TwoSidedQuote
from replay.scenes import OTHERWISE, UNSEEN, reasoning_of
from strategies.inventory_skew import InventorySkew
from tests.engine.builders import MARKET, MS, NAME
from tests.replay.explained import filled, skewed, text, told


class Shifty(InventorySkew, frozen=True, forbid_unknown_fields=True):
    """Says what its base does, and bids a tick less."""

    def quote(self, view: View) -> TwoSidedQuote:
        found = super().quote(view)
        bids = tuple(replace(level, price=level.price - 1) for level in found.bids)
        return TwoSidedQuote(bids, found.asks)


def test_a_quote_that_does_not_follow_from_its_reasoning_is_told() -> None:
    one = skewed()
    view = view_in(one.state, one.market)
    assert view is not None
    base = one.market.strategy
    assert reasoning_of(base, view) == base.reason(view)
    shifty = msgspec.convert(msgspec.to_builtins(base), Shifty)
    found = reasoning_of(shifty, view)
    assert found.figures == base.reason(view).figures
    assert found.words == (OTHERWISE,)


def test_where_nobody_else_quotes_there_is_nothing_to_reason_about() -> None:
    assert reasoning_of(skewed().market.strategy, None) == Reasoning(words=(UNSEEN,))


def test_words_stand_once_and_again_where_they_differ() -> None:
    """At the decision the floor decides; when the fill comes, the volatility does."""
    one = skewed()
    filled(one, one.now_ns)
    story = told(one, 7)
    last = story.scenes[-1]
    figures = tuple(
        replace(figure, words="the largest: by volatility_multiple")
        if figure.name == "half_spread"
        else figure
        for figure in last.reasoning.figures
    )
    wild = replace(last, reasoning=Reasoning(figures, ("bids are few",)))
    cut = replace(story.scenes[1], reasoning=replace(last.reasoning, words=("bids are few",)))
    lines = text(replace(story, scenes=(story.scenes[0], cut, *story.scenes[2:-1], wild)))
    assert lines.count("half_spread: the largest: by half_spread_bps") == 1
    assert lines.count("half_spread at fill: the largest: by volatility_multiple") == 1
    assert lines.count("micro_price: the mid, weighted towards the thinner side") == 1
    assert lines.count("at send, fill: bids are few") == 1


def test_what_decided_is_in_the_short_answer() -> None:
    one = skewed()
    filled(one, one.now_ns)
    story = told(one, 7)
    decision = story.scenes[0]
    cut = replace(decision, reasoning=replace(decision.reasoning, words=("bids stop short",)))
    lines = text(replace(story, scenes=(cut, *story.scenes[1:])))
    assert "half_spread 10.0000 (the largest: by half_spread_bps); bids stop short.\n" in lines
    silent = replace(decision, reasoning=Reasoning())
    assert "Its reasoning" not in text(replace(story, scenes=(silent, *story.scenes[1:])))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (999_000.5, "ticks", "9990.0050"), (-25.0, "ticks", "-0.2500"), (12, "lots", "0.012"),
        (4.25, "bps", "4.25 bps"), (1 / 3, "bps", "0.3333 bps"), (0.00012345, "per bps",
        "0.0001234 per bps"), (50, "orders", "50 orders"), (0.5, "ratio", "0.5"),
        (1e-15, "ratio", "0"), (-1e-15, "per s", "0 per s"), (0.0, "s", "0 s"),
    ],
)  # fmt: skip
def test_a_figure_is_written_in_its_unit(value: float, unit: str, shown: str) -> None:
    assert figure_of(MARKET, Figure("any", value, unit, "")) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "5"), (5.0, "5"), (0.00001, "0.00001"), (1e9, "1000000000"), (-0.5, "-0.5")],
)
def test_a_parameter_is_written_as_it_is_typed(value: float, shown: str) -> None:
    assert exact_of(value) == shown


def test_who_took_has_no_move_away_to_ask_for() -> None:
    one = skewed()
    filled(one, one.now_ns)
    found = told(one, 7)
    took = replace(found.trail.fill, role=Role.TAKER)
    lines = text(replace(found, trail=replace(found.trail, fill=took)))
    assert "Why then: it took, as it came to the venue" in lines
    assert "  we were the taker: what rested at the venue met us\n" in lines
    assert "  we took: no move away comes into question\n" in lines
    assert "no speed would have kept us out" not in lines


def test_a_run_that_is_over_waits_for_nothing() -> None:
    """Half a second after the fill; without its end a journal may go on."""
    one = skewed()
    filled(one, one.now_ns)
    one.push(e.PublicTrades(NAME, (e.PublicTrade(1, 1, 1, Side.SELL, False, 0),)))
    trade = e.PublicTrade(2, 999_900, 5, Side.SELL, False, 0)
    one.push(e.PublicTrades(NAME, (trade,)), after_ns=20 * MS)
    going_on = told(one, 7)
    one.push(e.RunEnded(clean=True, reason="stopped"), after_ns=479 * MS)
    over = told(one, 7)
    assert (going_on.ended_ns, over.ended_ns) == (None, one.now_ns)
    assert "  60s later    not yet" in text(going_on)
    assert "  60s later    the run had ended" in text(over)
    first, *others = over.trail.markouts
    unseen = (replace(first, mid2=0, missing="not trusted"), *others)
    blind = replace(over, trail=replace(over.trail, markouts=unseen))
    assert "  0.1s later   not trusted" in text(blind)
    assert "in the second after: 1 trades" in text(going_on)
    assert "until the run ended, 500.000 ms after: 1 trades" in text(over)
