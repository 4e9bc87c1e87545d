"""What a human tells a running engine: each command an event, each change said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.operator import (
    ARGUMENT_MAX,
    COMMANDS,
    RULE,
    STAGES,
    commanded,
    differences,
    refusal,
)
from engine.stages import Hold, SideOff, Stage
from engine.state import held
from engine.types import SELL
from tests.engine.builders import (
    NAME,
    PERPETUAL,
    Run,
    fixed,
    quoted,
    quoting,
    snapshot,
    started,
)

OTHER = PERPETUAL.name
LOSS = Hold("loss", Stage.CANCEL, "lost 5, limit 4", 7)


def told(run: Run, command: str, argument: str = "", market: str = NAME) -> tuple[str, ...]:
    """Give a command that must be obeyed; returns what it changed."""
    event = e.OperatorCommanded(command, market, argument)
    assert refusal(run.state, event) == ""
    before = run.state
    run.push(event)
    return differences(before, run.state)


def kinds(run: Run) -> set[type]:
    return {type(intent) for intent in run.decide()}


# --- holding a market back --------------------------------------------------------------------


@pytest.mark.parametrize("command", STAGES)
def test_a_market_is_held_back_as_far_as_commanded_and_let_go(command: str) -> None:
    run, _ = quoting()
    stage = STAGES[command].name.lower()
    assert told(run, command) == (
        f"{NAME}: held back: not at all -> {stage} (operator: {command}, by command)",
    )
    assert run.market.stage is STAGES[command]
    assert run.market.holds == (Hold(RULE, STAGES[command], f"{command}, by command", run.now_ns),)
    assert run.state.attention_seq == run.state.seq
    assert told(run, "resume") == (
        f"{NAME}: held back: {stage} (operator: {command}, by command) -> not at all",
    )
    assert not run.market.holds


def test_the_stages_are_those_that_the_words_say() -> None:
    assert dict(STAGES) == {
        "widen": Stage.WIDEN,
        "pause": Stage.STOP,
        "cancel": Stage.CANCEL,
        "flatten": Stage.FLATTEN,
        "off": Stage.OFF,
    }
    assert (*STAGES, "side", "resume", "enable", "set", "note") == COMMANDS


def test_cancel_pulls_what_rests_and_resume_quotes_again() -> None:
    run, _ = quoting()
    told(run, "cancel")
    assert kinds(run) == {i.CancelOrder}
    told(run, "resume")
    assert kinds(run) == set()


def test_pause_lets_rest_what_rests_and_places_nothing() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    assert i.PlaceOrders in kinds(run)
    told(run, "pause")
    assert i.PlaceOrders not in kinds(run)
    resting, _ = quoting()
    told(resting, "pause")
    assert kinds(resting) == set()


@pytest.mark.parametrize(
    ("side", "off", "kept"), [("buy", SideOff.SELL, "bids"), ("sell", SideOff.BUY, "asks")]
)
def test_one_side_is_quoted_alone(side: str, off: SideOff, kept: str) -> None:
    run, (ask, bid) = quoting()
    told(run, "side", side)
    assert run.market.holds == (
        Hold(RULE, Stage.ONE_SIDE, f"only the {side} side is quoted, by command",
             run.now_ns, True, off),
    )  # fmt: skip
    gone = ask if off is SideOff.SELL else bid
    assert (gone.side is SELL) == (kept == "bids")
    assert run.decide() == [i.CancelOrder(NAME, gone.client_order_id)]


def test_a_command_replaces_the_one_before_and_none_of_a_limit() -> None:
    run, _ = quoting()
    run.state = replace(run.state, markets={NAME: held(run.market, LOSS)})
    told(run, "pause")
    told(run, "side", "buy")
    assert [hold.rule for hold in run.market.holds] == ["loss", RULE]
    assert run.market.stage is Stage.CANCEL
    changed = told(run, "resume")
    assert run.market.holds == (LOSS,)
    assert changed == (
        f"{NAME}: held back: cancel (loss: lost 5, limit 4), one_side (operator: only the buy "
        "side is quoted, by command) -> cancel (loss: lost 5, limit 4)",
    )


def test_the_same_command_twice_changes_nothing_the_second_time() -> None:
    run, _ = quoting()
    told(run, "pause")
    before = run.market.holds
    assert told(run, "pause") == ()
    assert run.market.holds == before
    assert told(run, "cancel") != ()


def test_enable_lifts_every_hold_and_looks_at_the_account_first() -> None:
    run, _ = quoting()
    run.state = replace(run.state, markets={NAME: replace(held(run.market, LOSS), halted="odd")})
    told(run, "pause")
    changed = told(run, "enable")
    assert run.market.holds == ()
    assert changed[1] == f"{NAME}: no longer halted: odd"
    assert closed_gate(run.state, run.market) == "reconciling: re-enabled by a human"
    run.settle()
    assert closed_gate(run.state, run.market) == ""


def test_a_hold_of_a_human_outlasts_a_restart() -> None:
    run, _ = quoting()
    told(run, "pause")
    again = Run(quoted(), state=run.state, run_id="r2")
    assert [hold.rule for hold in again.market.holds] == [RULE]
    assert again.market.stage is Stage.STOP


def test_a_command_without_a_market_is_for_all() -> None:
    run = started(quoted(), quoted(PERPETUAL))
    assert len(told(run, "cancel", market="")) == 2
    told(run, "resume", market=OTHER)
    assert run.state.markets[NAME].stage is Stage.CANCEL
    assert run.state.markets[OTHER].stage is Stage.QUOTE


def test_a_note_changes_nothing_but_is_there() -> None:
    run, _ = quoting()
    before = run.state
    assert told(run, "note", "lunch", market="") == ()
    assert run.state.markets == before.markets
    assert run.state.seq == before.seq + 1


# --- changing how it is quoted ----------------------------------------------------------------


def test_a_change_of_a_parameter_is_quoted_at_once() -> None:
    run, (ask, bid) = quoting()
    changed = told(run, "set", '{"bids":"[[985,10]]"}')
    assert changed == (f"{NAME}: parameters.bids.0.0: 990 -> 985",)
    assert run.decide() == [i.ModifyOrder(NAME, bid.client_order_id, 985, 10, bid.stp)]
    assert ask.client_order_id in run.market.orders


# --- refusals ---------------------------------------------------------------------------------

REFUSALS = [
    ("an unknown command", "explode", NAME, "", "expected one of widen, pause"),
    ("an unknown market", "pause", "DOGE_USDT", "", f"expected a market of this run ({NAME})"),
    ("an argument that is none", "pause", NAME, "now", "pause: expected no argument, found 'now'"),
    ("resume takes none", "resume", NAME, "x", "resume: expected no argument"),
    ("enable takes none", "enable", NAME, "x", "enable: expected no argument"),
    ("no side", "side", NAME, "", "side: expected buy or sell, found ''"),
    ("another side", "side", NAME, "both", "side: expected buy or sell, found 'both'"),
    ("no note", "note", "", " \n", "note: expected a text, found none"),
    ("a note without end", "note", "", "x" * (ARGUMENT_MAX + 1), "expected 8192 characters"),
    ("changes that are none", "set", NAME, "half", "expected an object of key and text"),
    ("a key that is none", "set", NAME, '{"x":"1"}', "x: expected one of position_max"),
]


@pytest.mark.parametrize(
    ("command", "market", "argument", "reason"),
    [case[1:] for case in REFUSALS],
    ids=[case[0] for case in REFUSALS],
)
def test_what_does_not_fit_is_refused_and_folded_as_nothing(
    command: str, market: str, argument: str, reason: str
) -> None:
    run, _ = quoting()
    event = e.OperatorCommanded(command, market, argument)
    assert reason in refusal(run.state, event)
    record = e.Record(run.state.seq + 1, run.now_ns + 1, 0, event)
    after = commanded(run.state, record, event)
    assert after == replace(run.state, seq=record.seq, now_ns=record.recv_ns)


def test_a_note_may_be_as_long_as_allowed() -> None:
    run, _ = quoting()
    assert refusal(run.state, e.OperatorCommanded("note", "", "x" * ARGUMENT_MAX)) == ""


def test_a_stopping_run_takes_notes_and_no_commands() -> None:
    run, _ = quoting()
    run.push(e.StopRequested("SIGTERM"))
    assert "stopping" in refusal(run.state, e.OperatorCommanded("resume", NAME, ""))
    assert refusal(run.state, e.OperatorCommanded("note", "", "why")) == ""


def test_one_market_that_cannot_follow_keeps_all_from_following() -> None:
    run = started(quoted(), quoted(PERPETUAL))
    run.push(snapshot(at_ns=run.now_ns))
    change = e.OperatorCommanded("set", "", '{"inventory_target":"1"}')
    assert "a perpetual has none" in refusal(run.state, change)
    before = run.state.markets
    run.push(change)
    assert run.state.markets == before
