"""The staged stop: what each stage leaves of the quotes, who lifts it, and that it replays."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.stages import (
    FLATTEN_LEVEL,
    Hold,
    SideOff,
    Stage,
    StageChange,
    highest,
    is_off,
    staged,
    with_hold,
)
from engine.state import held
from engine.step import decide
from engine.types import BUY, SELL, Level, Side, Stp, TwoSidedQuote
from tests.engine.builders import FEES, MARKET, NAME, Run, fixed, limits, quoted, quoting


def hold(stage: Stage, rule: str = "loss", off: SideOff = SideOff.NONE, **more: bool) -> Hold:
    return Hold(rule, stage, "found 2, limit 1", side_off=off, **more)


def level(price: int, qty: int = 10) -> Level:
    return Level(price, qty, Stp.CANCEL_NEW)


def hold_back(run: Run, *holds: Hold) -> None:
    """Journal a decision that sets holds, as the engine's own limits do."""
    changes = tuple(StageChange(NAME, one) for one in holds)
    run.push(e.Decided((), (), changes))
    run.wait(0.1)


def test_one_hold_a_rule_and_the_highest_counts() -> None:
    stop, widen = hold(Stage.STOP), hold(Stage.WIDEN, "fees")
    both = with_hold(with_hold((), stop), widen)
    assert both == (widen, stop)
    assert highest(both) is Stage.STOP
    assert highest(()) is Stage.QUOTE
    raised = with_hold(both, hold(Stage.OFF))
    assert [h.stage for h in raised] == [Stage.WIDEN, Stage.OFF]
    assert with_hold(raised, hold(Stage.QUOTE)) == (widen,)
    assert with_hold((), hold(Stage.QUOTE)) == ()


def test_what_a_journal_holds_of_stages_keeps_its_meaning() -> None:
    assert [(stage.name, int(stage)) for stage in Stage] == [
        ("QUOTE", 0),
        ("WIDEN", 1),
        ("ONE_SIDE", 2),
        ("STOP", 3),
        ("CANCEL", 4),
        ("FLATTEN", 5),
        ("OFF", 6),
    ]
    assert [off.value for off in SideOff] == ["none", "buy", "sell", "adding"]
    assert Hold("a", Stage.STOP, "b") == Hold("a", Stage.STOP, "b", 0, True, SideOff.NONE, 0, 0)
    assert FLATTEN_LEVEL == 99


OFF_CASES: tuple[tuple[SideOff, int, Side, bool], ...] = (
    (SideOff.NONE, 5, BUY, False),
    (SideOff.BUY, -5, BUY, True),
    (SideOff.BUY, 5, SELL, False),
    (SideOff.SELL, 5, SELL, True),
    (SideOff.SELL, 5, BUY, False),
    (SideOff.ADDING, 1, BUY, True),
    (SideOff.ADDING, 1, SELL, False),
    (SideOff.ADDING, -1, BUY, False),
    (SideOff.ADDING, -1, SELL, True),
    (SideOff.ADDING, 0, BUY, True),
    (SideOff.ADDING, 0, SELL, True),
)


@pytest.mark.parametrize(("off", "position", "side", "expected"), OFF_CASES)
def test_which_side_is_off(off: SideOff, position: int, side: Side, expected: bool) -> None:
    assert is_off((hold(Stage.ONE_SIDE, off=off),), side, position) is expected
    assert is_off((), side, position) is False


QUOTE = TwoSidedQuote((level(1000), level(990)), (level(1010), level(1020)))


def test_widening_moves_each_price_away_and_rounds_away() -> None:
    held_quote = staged(QUOTE, (hold(Stage.WIDEN),), 0, 10, (), ())
    assert [level.price for level in held_quote.bids] == [999, 989]
    assert [level.price for level in held_quote.asks] == [1012, 1022]
    high = TwoSidedQuote((level(200_000_000),), ())
    assert staged(high, (hold(Stage.WIDEN),), 0, 10, (), ()).bids[0].price == 199_800_000
    low = TwoSidedQuote((level(1),), ())
    assert staged(low, (hold(Stage.WIDEN),), 0, 10, (), ()).bids[0].price == 1


def test_one_side_keeps_the_other_as_it_is() -> None:
    bids_off = (hold(Stage.ONE_SIDE, off=SideOff.BUY),)
    assert staged(QUOTE, bids_off, 0, 10, (), ()) == TwoSidedQuote((), QUOTE.asks)
    adding = (hold(Stage.ONE_SIDE, off=SideOff.ADDING),)
    assert staged(QUOTE, adding, -3, 10, (), ()) == TwoSidedQuote(QUOTE.bids, ())


@pytest.mark.parametrize("stage", [Stage.CANCEL, Stage.FLATTEN, Stage.OFF])
def test_from_cancel_on_nothing_is_wanted(stage: Stage) -> None:
    assert staged(QUOTE, (hold(stage),), 0, 10, (), ()) == TwoSidedQuote()


def test_stop_lets_rest_what_rests_and_places_nothing() -> None:
    run, (ask, bid) = quoting(((990, 10),), ((1010, 10),))
    hold_back(run, hold(Stage.STOP))
    assert run.market.stage is Stage.STOP
    assert run.decide() == []
    # Nearer to the market, larger, or one level more: nothing of that is done.
    run.push(e.ParametersChanged(NAME, fixed(((995, 20), (985, 5)), ((1005, 20), (1015, 5)))))
    run.wait(0.1)
    assert run.decide() == []
    # Away from the market or smaller is.
    run.push(e.ParametersChanged(NAME, fixed(((980, 10),), ((1010, 4),))))
    assert run.decide() == [
        i.ModifyOrder(NAME, ask.client_order_id, 1010, 4, Stp.CANCEL_NEW),
        i.ModifyOrder(NAME, bid.client_order_id, 980, 10, Stp.CANCEL_NEW),
    ]
    run.push(e.ParametersChanged(NAME, fixed()))
    assert len(run.decide()) == 2


def test_only_at_stop_what_rests_bounds_what_is_wanted() -> None:
    run, (ask, bid) = quoting(((985, 4),), ((1015, 4),))
    want = TwoSidedQuote((level(990),), (level(1010),))
    stop, widen = (hold(Stage.STOP),), (hold(Stage.WIDEN),)
    assert staged(want, stop, 0, 10, (bid,), (ask,)) == TwoSidedQuote(
        (level(985, 4),), (level(1015, 4),)
    )
    assert staged(want, widen, 0, 10, (bid,), (ask,)).bids == (level(989),)
    ended = replace(bid, leaves_qty=0)
    assert staged(want, stop, 0, 10, (ended,), ()).bids == (level(985),), "a modify is under way"
    assert run.market.stage is Stage.QUOTE


def test_one_side_off_cancels_that_side() -> None:
    run, (_, bid) = quoting()
    hold_back(run, hold(Stage.ONE_SIDE, off=SideOff.BUY))
    assert run.decide() == [i.CancelOrder(NAME, bid.client_order_id)]


def test_cancel_cancels_and_quotes_come_back_when_it_is_lifted() -> None:
    run, (ask, bid) = quoting()
    hold_back(run, hold(Stage.CANCEL))
    sent = run.act()
    assert {intent.client_order_id for _, intent in sent if isinstance(intent, i.CancelOrder)} == {
        ask.client_order_id,
        bid.client_order_id,
    }
    hold_back(run, hold(Stage.QUOTE))
    assert run.market.stage is Stage.QUOTE
    assert run.market.holds == ()


@pytest.mark.parametrize("qty_decimals", [3, 4], ids=["as before", "in other units"])
def test_a_restart_keeps_what_only_a_human_lifts(qty_decimals: int) -> None:
    run, _ = quoting()
    passing = hold(Stage.WIDEN, "fees", human=False)
    hold_back(run, hold(Stage.CANCEL), passing)
    assert run.market.holds == (passing, hold(Stage.CANCEL))
    market = replace(MARKET, qty_decimals=qty_decimals)
    again = Run(quoted(market, limit=limits()), state=run.state, run_id="r2")
    assert again.market.holds == (hold(Stage.CANCEL),)
    assert again.market.stage is Stage.CANCEL
    assert again.market.fees_base == FEES


def test_a_stage_that_is_not_that_of_the_holds_is_found() -> None:
    run, _ = quoting()
    good = held(run.market, hold(Stage.WIDEN))
    good.check()
    for broken in (
        replace(good, stage=Stage.QUOTE),
        replace(good, holds=good.holds * 2),
        replace(good, holds=(hold(Stage.QUOTE),), stage=Stage.QUOTE),
    ):
        with pytest.raises(AssertionError):
            broken.check()


def test_the_engine_decides_nothing_of_stages_while_all_is_well() -> None:
    run, _ = quoting()
    run.wait(0.1)
    assert decide(run.state).stages == ()
