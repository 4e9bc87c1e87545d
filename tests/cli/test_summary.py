"""The summary of a run, for programs and for people."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal

import click
import pytest
from msgspec.structs import replace

from adapters.cli.main import cli
from adapters.cli.summary import next_commands, print_summary, summarize, summary_text
from adapters.runtime.run import RunOutcome
from adapters.runtime.sequencer import Counts
from adapters.runtime.snapshots import Recovery
from engine.events import RunEnded
from engine.funding import Funding
from engine.stages import Hold, Stage
from engine.state import State, held
from engine.types import Product
from tests.cli.kit import NOON, S, quoting

JOURNAL = "journals/my run"


def outcome(state: State, *, clean: bool = True, notes: tuple[str, ...] = ()) -> RunOutcome:
    reason = "stopped" if clean else "orders not proved gone: kill-switch left armed"
    return RunOutcome(
        ended=RunEnded(clean, reason),
        state=state,
        counts=Counts(events=5, decisions=4, intents=3, requests=2),
        fingerprint=bytes(range(16)),
        started_ns=NOON,
        ended_ns=NOON + 30_500 * S,
        recovery=Recovery(State(), 7, notes),
    )


def test_summary_holds_what_the_design_promises() -> None:
    summary = summarize(outcome(quoting()), JOURNAL)
    assert summary["markets"].pop("BTC_USDT") == {
        "bid_uptime": 1.0,
        "ask_uptime": 0.625,
        "position": "0.002995",
        "pnl": "-0.3611225",
        "pnl_spread": "0.0715",
        "pnl_inventory": "0",
        "pnl_fees": "-0.4326225",
        "pnl_interest": "0",
        "pnl_funding": "0",
        "unknown_funding_s": None,
        "unknown_fees": {},
        "product": "spot",
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "mark": "61800.5",
        "fills": 2,
        "maker_fills": 1,
        "bought": "0.005",
        "sold": "0.002",
        "live_orders": 0,
        "foreign_orders": 0,
        "gaps": 0,
        "breaks": 0,
        "halted": "",
        "stage": "QUOTE",
        "holds": [],
    }
    assert summary == {
        "journal": JOURNAL,
        "run_id": "ab12cd",
        "mode": "paper",
        "clean": True,
        "reason": "stopped",
        "duration_s": 30_500.0,
        "records": 1,
        "events": 5,
        "decisions": 4,
        "intents": 3,
        "requests": 2,
        "fills": 2,
        "anomalies": 0,
        "last_anomaly": "",
        "halted": "",
        "fingerprint": "000102030405060708090a0b0c0d0e0f",
        "snapshot_seq": 7,
        "notes": [],
        "markets": {},
    }


def test_parts_of_the_profit_add_up_to_the_last_digit() -> None:
    market = summarize(outcome(quoting()), JOURNAL)["markets"]["BTC_USDT"]
    parts = [Decimal(market[f"pnl_{part}"]) for part in ("spread", "inventory", "fees")]
    assert parts[0] + parts[1] + parts[2] == Decimal(market["pnl"])


def test_run_that_learnt_of_no_market_has_a_summary() -> None:
    summary = summarize(outcome(State()), JOURNAL)
    assert (summary["fills"], summary["markets"]) == (0, {})
    assert "ended clean: stopped" in summary_text(summary)


TEXT = """
Run ab12cd (paper), 8:28:20, ended clean: stopped

                          BTC_USDT
  bid uptime               100.0 %
  ask uptime                62.5 %
  fills                          2
    as maker                     1
  bought                 0.005 BTC
  sold                   0.002 BTC
  position            0.002995 BTC
  P&L              -0.3611225 USDT
    spread             0.0715 USDT
    inventory               0 USDT
    fees           -0.4326225 USDT
    marked at         61800.5 USDT

5 events, 4 decisions, 3 intents, 2 requests, 2 fills
state fingerprint 000102030405060708090a0b0c0d0e0f

Next:
  quotefold replay 'journals/my run' --verify   prove the run
  quotefold journal ls 'journals/my run'        what it holds
  quotefold fills 'journals/my run'             its fills
"""


def test_summary_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(summarize(outcome(quoting()), JOURNAL), as_json=False)
    assert capsys.readouterr().out == TEXT


def test_summary_in_words_says_what_went_wrong() -> None:
    state = quoting()
    market = replace(state.markets["BTC_USDT"], halted="a frame was refused")
    market = held(market, Hold("loss", Stage.CANCEL, "lost 5, limit 4"))
    state = replace(state, markets={"BTC_USDT": market}, anomalies=2, last_anomaly="seq 9: odd")
    text = summary_text(summarize(outcome(state, clean=False, notes=("it is old",)), JOURNAL))
    assert "\nnote: it is old\n" in text
    assert "NOT CLEAN: orders not proved gone: kill-switch left armed" in text
    assert "BTC_USDT HALTED: a frame was refused" in text
    assert "BTC_USDT stage CANCEL by loss, until a human re-enables it: lost 5, limit 4" in text
    assert "2 anomalies, the last: seq 9: odd" in text


def test_summary_as_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    summary = summarize(outcome(quoting()), JOURNAL)
    print_summary(summary, as_json=True)
    assert json.loads(capsys.readouterr().out) == summary


def test_commands_to_try_next_are_accepted_by_the_program() -> None:
    for line in next_commands(JOURNAL)[1:]:
        program, *words = shlex.split(line.strip().partition("   ")[0])
        command: click.Command = cli
        context = click.Context(command, info_name=program)
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None
            command = found
        given = command.make_context(command.name, words, parent=context).params
        values = [
            str(one)
            for value in given.values()
            for one in (value if isinstance(value, tuple) else (value,))
        ]
        assert JOURNAL in values


def test_what_the_pnl_lacks_and_what_borrowing_cost_is_said() -> None:
    state = quoting()
    market = state.markets["BTC_USDT"]
    quoted = replace(market.quoted, market=replace(market.quoted.market, product=Product.MARGIN))
    paid = (("WBT", Decimal("0.3")),)
    inventory = replace(market.inventory, interest=Decimal("1.25"), other_fees=paid)
    market = replace(market, quoted=quoted, inventory=inventory)
    summary = summarize(outcome(replace(state, markets={"BTC_USDT": market})), JOURNAL)
    shown = summary["markets"]["BTC_USDT"]
    assert (shown["pnl"], shown["pnl_interest"]) == ("-1.6111225", "-1.25")
    assert shown["unknown_fees"] == {"WBT": "0.3"}
    text = summary_text(summary)
    assert ["interest", "-1.25", "USDT"] in [line.split() for line in text.splitlines()]
    assert "BTC_USDT: fees of 0.3 WBT are not in the P&L" in text


def test_what_funding_paid_is_said_and_what_is_not_told_yet() -> None:
    state = quoting()
    market = state.markets["BTC_USDT"]
    spec = replace(market.quoted.market, product=Product.PERPETUAL)
    funding = Funding(received=Decimal("-1.25"), settled_s=7, unknown=True, foretold=Decimal(3))
    inventory = replace(market.inventory, funding=funding)
    market = replace(market, quoted=replace(market.quoted, market=spec), inventory=inventory)
    summary = summarize(outcome(replace(state, markets={"BTC_USDT": market})), JOURNAL)
    shown = summary["markets"]["BTC_USDT"]
    assert (shown["pnl"], shown["pnl_funding"]) == ("-1.6111225", "-1.25")
    assert shown["unknown_funding_s"] == 7
    text = summary_text(summary)
    assert ["funding", "-1.25", "USDT"] in [line.split() for line in text.splitlines()]
    assert "BTC_USDT: the last funding is not in the P&L" in text
