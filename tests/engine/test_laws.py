"""The laws of strategies: kept by one that is lawful, and each broken by whoever breaks it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from msgspec.structs import replace

from engine.strategy import View
from engine.testing import LAWS, PERPETUAL, SPOT, Law, check_laws, laws, run_shut, situations
from engine.testing.purity import ForbiddenCall
from engine.types import Market, TwoSidedQuote
from tests.engine.law_breakers import BREAKERS, Lawful, OnlyBids, Prints, ReadsAClock


@pytest.mark.parametrize("market", [SPOT, PERPETUAL], ids=["spot", "perpetual"])
@pytest.mark.parametrize("name", LAWS)
def test_a_lawful_strategy_keeps_every_law(name: str, market: Market) -> None:
    Law(name, Lawful(size=10 ** (market.qty_decimals - 2)), market)()


@pytest.mark.parametrize(
    ("name", "breaker", "told"), BREAKERS, ids=[type(each[1]).__name__ for each in BREAKERS]
)
def test_whoever_breaks_a_law_is_told(name: str, breaker: Any, told: str) -> None:
    with pytest.raises(AssertionError) as caught:
        Law(name, breaker, SPOT)()
    text = str(caught.value)
    assert f"breaks the law {name!r}: " in text
    assert told in text


def test_every_law_is_broken_by_somebody() -> None:
    assert {name for name, _, _ in BREAKERS} == set(LAWS)


def test_an_engine_that_does_not_pause_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No strategy can break this part of `pauses`: it is the engine's doing, so take its gates."""
    monkeypatch.setattr("engine.step.closed_gate", lambda state, market: "")
    with pytest.raises(AssertionError, match="it quotes although the book is stale"):
        Law("pauses", Lawful(), SPOT)()


def test_a_broken_law_shows_parameters_situation_and_prices() -> None:
    with pytest.raises(AssertionError) as caught:
        Law("mirrors", OnlyBids(distance_bps=7), SPOT)()
    text = str(caught.value)
    assert "OnlyBids(distance_bps=7, size=10000, lean_bps=5) breaks the law 'mirrors'" in text
    assert "in the situation 'nothing happened yet, spread of 1 ticks': BTC_USDT" in text
    assert "> bid 1  -                             0.01 @ 59" in text


def test_all_broken_laws_are_told_at_once() -> None:
    with pytest.raises(AssertionError) as caught:
        check_laws(Prints(lean_bps=-5))
    text = str(caught.value)
    assert "breaks the law 'pure'" in text
    assert "breaks the law 'skews'" in text


# --- exceptions -------------------------------------------------------------------------------


def test_an_exception_with_its_reason_lets_a_strategy_break_a_law() -> None:
    check_laws(OnlyBids(), except_for={"mirrors": "it only ever bids"})


def test_an_exception_that_is_not_needed_fails() -> None:
    with pytest.raises(AssertionError, match="keeps the law 'skews', from which it is excepted"):
        check_laws(Lawful(), except_for={"skews": "it was thought to"})


@pytest.mark.parametrize("excuse", [{"mirror": "a typing error"}, {"mirrors": " "}])
def test_an_exception_from_no_law_or_for_no_reason_is_refused(excuse: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected one of pure, answers"):
        laws(Lawful(), except_for=excuse)


def test_laws_name_themselves_in_a_test_report() -> None:
    assert [str(law) for law in laws(Lawful())] == list(LAWS)


# --- what purity sees -------------------------------------------------------------------------


def test_what_is_forbidden_is_stopped_before_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ForbiddenCall, match=r"test_laws\.py:\d+\. A strategy has only"):
        run_shut(lambda: print("seen"))
    assert capsys.readouterr().out == ""


def test_a_call_is_seen_however_it_was_imported() -> None:
    from time import monotonic_ns as renamed

    with pytest.raises(ForbiddenCall, match=r"time\.monotonic_ns\(\) is a clock"):
        run_shut(renamed)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: __import__("os").environ["HOME"],
        lambda: __import__("os").urandom(1),
        lambda: __import__("uuid").uuid4(),
        lambda: __import__("logging").getLogger().warning("x"),
        lambda: __import__("socket").socket(),
        lambda: __import__("pathlib").Path("x").exists(),
        lambda: __import__("threading").Thread(target=int).start(),
        lambda: id(object()),
    ],
    ids=["environment", "entropy", "uuid", "log", "socket", "path", "thread", "address"],
)
def test_the_world_is_shut(reach: Any) -> None:
    with pytest.raises(ForbiddenCall):
        run_shut(reach)


def test_what_a_function_returns_comes_back_and_the_doors_open_again() -> None:
    before = sys.getprofile()
    assert run_shut(lambda: max(3, 4)) == 4
    with pytest.raises(ForbiddenCall):
        run_shut(lambda: ReadsAClock().quote(situations(SPOT)[0].seen))
    assert sys.getprofile() is before


# --- situations -------------------------------------------------------------------------------


def test_situations_are_the_same_for_everybody() -> None:
    assert situations(SPOT) == situations(SPOT)
    names = [case.name for case in situations(SPOT)]
    assert len(names) == len(set(names)) > 30


WHOLE = replace(SPOT, price_decimals=8, qty_decimals=0)
"""Lots of a whole coin, of which a limit may be a few or very many."""


@pytest.mark.parametrize(
    ("market", "mid"),
    [(SPOT, "60000"), (PERPETUAL, "60000"), (WHOLE, "0.00001"), (WHOLE, "9000000")],
    ids=["spot", "perpetual", "tiny", "dear"],
)
def test_every_situation_is_one_the_engine_could_show(market: Market, mid: str) -> None:
    cases = situations(market, mid)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        seen = case.seen
        assert 0 < seen.bid_price < seen.ask_price
        assert seen.bid_qty > 0
        assert seen.ask_qty > 0
        assert seen.inventory_max > 0
        times = [at_ns for at_ns, _ in case.history]
        assert times == sorted(times)
        assert not times or times[-1] <= seen.now_ns


class AroundTheMicroPrice(Lawful, frozen=True, forbid_unknown_fields=True):
    """So far from it, in parts of it, that its mirror image is some ticks off on a wide book."""

    def quote(self, view: View) -> TwoSidedQuote:
        bid_qty, ask_qty = view.bid_qty, view.ask_qty
        micro = (view.bid_price * ask_qty + view.ask_price * bid_qty) // (bid_qty + ask_qty)
        bid, ask = micro - micro * 3 // 100, micro + micro * 3 // 100
        return TwoSidedQuote(self.side(view, bid, 1), self.side(view, ask, -1))


def test_what_is_relative_to_a_price_may_be_off_by_as_much_as_that_is() -> None:
    Law("mirrors", AroundTheMicroPrice(), SPOT)()


def test_a_middle_of_too_few_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mid: expected at least 1000 ticks of BTC_USDT, found"):
        situations(SPOT, "9.99")


def test_a_level_that_no_mirror_can_have_is_not_asked_for() -> None:
    """An ask at twice the price and more would be a bid for nothing."""
    Law("mirrors", Lawful(distance_bps=15_000, lean_bps=0), SPOT)()
