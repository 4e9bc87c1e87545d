"""Runs that differ in markets and units, or are there in part: figures are still what they say,
and what is not known is not zero."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.ports import SystemFs
from adapters.simulated_fs import SimFs
from engine import events as e
from engine import intents as i
from engine.money import format_units
from engine.types import Side, Stp
from replay.cause import Records, chain
from replay.cut import cut
from replay.export.fold import pnl_row
from replay.export.tables import PNL
from replay.fill_rows import fill_row
from replay.machine import Journal
from replay.money import Sampler
from replay.read import fold
from replay.report.cards import inventory_card
from replay.report.charts import Charts
from replay.report.fold import Window
from replay.report.page import page
from replay.tracer import trails
from tests.engine.builders import MARKET, NAME, PERPETUAL, fill, new_order, quoted
from tests.replay.explained import text, told
from tests.replay.journals import SYNTHETIC, journal, write
from tests.replay.story import JOURNAL, Story, names, quoting_story, restarted
from tests.replay.test_fills_command import on_disk
from tests.replay.test_report_figures import reported, traded_story
from tests.replay.test_trails import bought_story

FINER = replace(MARKET, price_decimals=3)


def finer(story: Story) -> None:
    """A run begins, with a decimal more in each price; its book says 9.92 to 10.12."""
    restarted(story, "r2", quoted(FINER))
    story.push(e.StreamReady(NAME))
    story.snapshot(9920, 10120)


def test_a_mid_in_other_units_is_no_markout() -> None:
    story = bought_story()
    finer(story)
    story.wait(1)
    (trail,) = story.trails()[0]
    assert [markout.missing for markout in trail.markouts][:3] == ["other units"] * 2 + ["not yet"]
    assert trail.markout(0) is None


def test_an_order_filled_in_other_units_than_it_was_placed_in_has_no_beginning() -> None:
    story = bought_story()
    bid, _ = names(story)
    finer(story)
    story.settle()
    story.push(e.Filled(fill(2, qty=6, price=9900, client_order_id=bid)))
    own = story.trails()[0][1]
    assert own.leg is not None
    assert (own.leg.number, own.leg.price, own.leg.decided) == (-1, 9900, None)


def test_a_market_whose_units_changed_ends_what_is_shown() -> None:
    one = bought_story()
    before = told(one, 1)
    finer(one)
    story = told(one, 1)
    assert story.mids == before.mids
    assert "99.2" not in text(story)


def test_quantities_are_those_of_a_market_that_later_runs_leave_out() -> None:
    story = traded_story()
    restarted(story, "r2", quoted(PERPETUAL))
    row = reported(story).figures()["orders"][NAME]
    assert (row["placed_qty"], row["filled_qty"]) == ("0.02", "0.014")


def test_quantities_add_up_over_runs_of_another_precision() -> None:
    story = traded_story()
    restarted(story, "r2", quoted(replace(MARKET, qty_decimals=4)))
    story.ask(i.PlaceOrders(NAME, (new_order("r2-1-0-0", qty=15),)))
    row = reported(story).figures()["orders"][NAME]
    assert (row["places"], row["fills"], row["filled_quotes"]) == (3, 2, 2)
    assert (row["placed_qty"], row["filled_qty"]) == ("0.0215", "0.014")


def test_deals_that_are_not_ours_count_where_they_lie() -> None:
    story = quoting_story()
    story.push(e.Filled(fill(1, qty=1, price=990, client_order_id="by hand")))
    at = story.state.seq
    story.push(e.Filled(fill(2, qty=1, price=990, client_order_id="by hand")))
    story.push(e.Filled(fill(3, qty=1, price=990, client_order_id="by hand")))
    for window, count in ((Window(), 3), (Window(until_seq=at), 1), (Window(since_seq=at + 1), 2)):
        assert reported(story, window).figures()["foreign_fills"] == {NAME: count}
    restarted(story, "r2", quoted(FINER))
    assert reported(story).figures()["foreign_fills"] == {NAME: 3}


def test_an_order_of_the_run_that_a_journal_begins_in_is_ours() -> None:
    """Though neither its beginning nor that of its run is left, and the engine forgot it."""
    story = bought_story()
    state = fold(iter(story.records))
    at = len(story.records)
    story.push(e.Filled(fill(2, qty=1, price=990, client_order_id="r1-9-0-0")))
    (trail,) = trails(iter(story.records[at:]), state)
    assert (trail.fill.deal_id, trail.leg) == (2, None)
    # Neither is its place in the ladder known, which is not the best.
    assert fill_row(trail)["level"] is None
    report = reported(story)
    assert {row["level"] for row in report.figures()["markouts"]} == {0, None}
    assert b'"level not known"' in page(report, "journal", "1")


def test_an_order_that_another_run_left_without_a_level_has_none() -> None:
    story = quoting_story()
    bid, _ = names(story)
    story.ask(i.ModifyOrder(NAME, bid, 985, 10, Stp.CANCEL_NEW))
    restarted(story, "r2", quoted())
    at = len(story.records)
    state = story.state
    story.settle()
    story.push(e.Filled(fill(2, qty=1, price=990, client_order_id=bid)))
    (trail,) = trails(iter(story.records[at:]), state)
    assert trail.leg is not None
    assert (trail.leg.number, trail.level) == (-1, None)


def test_a_price_is_looked_for_in_the_units_of_each_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = bought_story()
    finer(story)
    story.trade(3, 9900, 1, Side.SELL)
    # As many ticks as 9.9 were.
    story.trade(4, 990, 1, Side.SELL)
    given = [
        "search",
        str(on_disk(story, tmp_path)),
        "--market",
        NAME,
        "--kind",
        "PublicTrades",
        "--json",
    ]

    def found(price: str) -> list[int]:
        main([*given, "--price", price])
        return [one["seq"] for one in json.loads(capsys.readouterr().out)["records"]]

    last = story.state.seq
    assert found("9.9") == [32, last - 1]
    assert found("0.990") == [last]
    assert main([*given, "--price", "0.9901"]) == 2
    assert "has more than 3 decimals" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.slow
def test_what_led_to_a_divergence_is_told_in_the_units_of_its_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = list(journal(SYNTHETIC).records)
    started, last = records[0].event, records[-1]
    assert isinstance(started, e.RunStarted)
    at, intent = next(
        (at, record.event.intents[0])
        for at, record in enumerate(records)
        if isinstance(record.event, e.Decided)
        and record.event.intents
        and isinstance(record.event.intents[0], i.ModifyOrder)
    )
    edited = replace(intent, price=intent.price + 1)
    records[at] = replace(records[at], event=replace(records[at].event, intents=(edited,)))
    (one, *rest) = started.quoted
    one = replace(one, market=replace(one.market, price_decimals=one.market.price_decimals + 1))
    again = replace(started, quoted=(one, *rest))
    records.append(e.Record(last.seq + 1, last.recv_ns, 0, again))
    write(SystemFs(), tmp_path / "journal", records)
    assert main(["replay", str(tmp_path / "journal"), "--verify", "--json"]) == 1
    first = json.loads(capsys.readouterr().out)["first"]
    assert (first["seq"], intent.market) == (at + 1, one.market.name)
    assert f" at {format_units(edited.price, 2)}" in first["chain"][0]


def test_what_was_waited_for_is_told_where_the_beginning_is_gone() -> None:
    story = bought_story()
    story.push(e.TimerFired())
    story.push(e.TimerFired())
    seq = story.push(e.Decided((), ()))
    fs = SimFs()
    story.write(fs)
    part = JOURNAL.with_name("part")
    cut(Journal(JOURNAL, fs=fs), fs, part, 20, seq)
    (whole,), (rest,) = [chain(Records(fs, path), seq, {}) for path in (JOURNAL, part)]
    assert whole == rest == f"seq {seq} decision: nothing to do (on what came since seq 31)"


def test_what_is_held_is_not_known_before_the_venue_has_told() -> None:
    story = Story(quoted(PERPETUAL))
    story.wait(1)
    story.wait(1)
    report = reported(story)
    assert report.figures()["pnl"]["markets"]["BTC_PERP"]["position"] is None
    assert inventory_card(report, report.figures(), Charts()).count("<td class=n>–</td>") == 2
    assert not report.money.charts()
    (sample, *_) = Sampler(story.state).look(story.records[-1], story.state)
    row = dict(zip(PNL.names, pnl_row(sample), strict=True))
    assert (row["position"], row["position_lots"], row["total"]) == (None, None, "0")
    assert (row["mark"], row["mark_half_ticks"]) == (None, None)
