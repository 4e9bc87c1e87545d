"""Decisions made again along recorded facts: what differs is counted and listed, by hand here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record, schema_hash
from engine.errors import ConfigError
from engine.intents import PlaceOrders
from engine.strategy import Strategy, View, register
from engine.types import Level, Side, Stp, TwoSidedQuote
from replay.changes import Changes, parse_changes
from replay.outcomes import Difference, Kind, Stand
from replay.whatif import EDGES_BPS, Differences, Part, what_if
from tests.engine.builders import MARKET, NAME, PERPETUAL, fill, fixed, quoted
from tests.replay.story import JOURNAL, Story, names, quoting_story, restarted


class OneBid(Strategy, frozen=True, forbid_unknown_fields=True):
    """A bid of one level; it knows the `stp` of `fixed`, and none of its prices."""

    price: int
    stp: Stp = Stp.NO

    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote((Level(self.price, 10, self.stp),))


class Brittle(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quotes nothing, and fails on one bid of the market."""

    bid: int

    def quote(self, view: View) -> TwoSidedQuote:
        if view.bid_price == self.bid:
            raise ZeroDivisionError("on this bid")
        return TwoSidedQuote()


register("one_bid", OneBid)
register("brittle", Brittle)


def story() -> Story:
    """Bid and ask are placed at seq 29, bid 4 lots filled at 32, and the engine decides at 33."""
    told = quoting_story()
    bid, _ = names(told)
    told.push(e.Filled(fill(1, qty=4, price=990, client_order_id=bid)))
    told.push(e.TimerFired())
    assert told.act() == []
    return told


def compared(told: Story, *texts: str, strategy: str = "") -> tuple[Differences, list[Difference]]:
    found: list[Difference] = []
    changes = parse_changes(texts, strategy)
    return what_if(iter(told.records), changes, tell=found.append), found


def test_the_same_code_and_parameters_decide_the_same() -> None:
    result, found = compared(story())
    assert (result.differing, result.first, found) == (0, None, [])
    assert result.recorded == result.recomputed
    assert result.decisions == len([1 for r in story().records if type(r.event) is e.Decided])


def test_another_price_moves_what_was_left_alone_too() -> None:
    told = story()
    bid, _ = names(told)
    result, found = compared(told, "bids=[[980,10]]")
    placed, decided = [r for r in told.records if type(r.event) is e.Decided][-2:]
    new = Difference(
        placed.seq,
        placed.recv_ns,
        Kind.PRICE,
        NAME,
        Side.BUY,
        recorded=Stand(990, 10),
        recomputed=Stand(980, 10),
        spec=MARKET,
    )
    moved = replace(
        new,
        seq=decided.seq,
        at_ns=decided.recv_ns,
        client_order_id=bid,
        recorded=Stand(990, 6),
    )
    assert found == [new, moved]
    assert (result.differing, result.found, result.first) == (2, 2, new)
    assert (result.recorded.place, result.recorded.modify) == (2, 0)
    assert (result.recomputed.place, result.recomputed.modify) == (2, 1)
    assert result.recomputed.requests == result.recorded.requests + 1
    bps = 10 * 10_000 / 990
    assert new.outward_bps == pytest.approx(bps)
    (part,) = result.parts.values()
    assert part == Part(NAME, Side.BUY, 2, {Kind.PRICE: 2}, new, new, {round(bps * 10): 2})
    assert part.quantile_bps(0.5) == 101.0
    assert part.classes() == [*[0] * len(EDGES_BPS), 2]


def test_the_sell_side_counts_outward_too() -> None:
    _, (new, moved) = compared(story(), "asks=[[1005,10]]")
    assert (new.side, new.recomputed) == (Side.SELL, Stand(1005, 10))
    assert new.outward_bps == pytest.approx(-5 * 10_000 / 1010)
    assert moved.outward_bps == new.outward_bps


def test_orders_that_stand_only_then_or_only_now() -> None:
    _, found = compared(story(), "asks=[]", "bids=[[990,10],[980,5]]")
    assert [(d.kind, d.side, d.level, d.recorded, d.recomputed) for d in found] == [
        (Kind.FEWER, Side.SELL, 0, Stand(1010, 10), None),
        (Kind.MORE, Side.BUY, 1, None, Stand(980, 5)),
        (Kind.FEWER, Side.SELL, 0, Stand(1010, 10), None),
        (Kind.MORE, Side.BUY, 1, None, Stand(980, 5)),
    ]


def test_size_and_settings_differ_at_the_same_price() -> None:
    told = story()
    _, found = compared(told, "bids=[[990,7]]", "stp=cb")
    kinds = [(d.kind, d.side, d.recorded, d.recomputed) for d in found]
    assert kinds[:2] == [
        (Kind.QTY, Side.BUY, Stand(990, 10), Stand(990, 7)),
        (Kind.SETTINGS, Side.SELL, Stand(1010, 10), Stand(1010, 10)),
    ]


def test_a_refusal_of_risk_is_a_difference_of_its_own() -> None:
    _, found = compared(story(), "limits.order_qty_max=0.009")
    assert {d.kind for d in found} >= {Kind.FEWER, Kind.REFUSALS}
    refused = next(d for d in found if d.kind is Kind.REFUSALS)
    assert (refused.market, refused.side) == (NAME, None)
    assert refused.words.startswith("refusals")


def test_the_same_orders_asked_for_otherwise_differ_too() -> None:
    told = story()
    at = next(n for n, r in enumerate(told.records) if r.seq == 29)
    recorded = told.records[at].event
    assert isinstance(recorded, e.Decided)
    (intent,) = recorded.intents
    assert isinstance(intent, PlaceOrders)
    parted = tuple([replace(intent, orders=(order,)) for order in intent.orders])
    told.records[at] = replace(told.records[at], event=replace(recorded, intents=parted))
    found: list[Difference] = []
    result = what_if(iter(told.records[: at + 1]), Changes(), tell=found.append)
    assert (result.differing, found[0].kind, found[0].market) == (1, Kind.REQUESTS, NAME)
    assert found[0].words.startswith("intent 1 of 2 (place 1 order on BTC_USDT)")


def test_a_change_outlives_what_the_run_changed_itself() -> None:
    told = story()
    told.push(e.ParametersChanged(NAME, fixed(((970, 10),), ((1010, 10),))))
    told.act()
    _, found = compared(told, "bids=[[980,10]]")
    assert (found[-1].recorded, found[-1].recomputed) == (Stand(970, 10), Stand(980, 10))
    told.push(e.OperatorCommanded("set", NAME, '{"bids":"[[960,10]]"}'))
    told.act()
    _, found = compared(told, "bids=[[980,10]]")
    # A modify to 970 is in flight, so nothing more is decided of that order.
    assert len(found) == 3


def test_another_strategy_takes_over_what_it_knows() -> None:
    told = story()
    told.push(e.ParametersChanged(NAME, fixed(((970, 10),), ((1010, 10),))))
    told.act()
    result, found = compared(told, "price=975", strategy="one_bid")
    assert not result.stopped_seq
    first = found[0]
    assert (first.kind, first.recorded, first.recomputed) == (
        Kind.PRICE,
        Stand(990, 10),
        Stand(975, 10),
    )
    # The change of parameters was of the other strategy: nothing gives this one reason to move.
    assert (found[-1].recorded, found[-1].recomputed) == (Stand(970, 10), Stand(990, 6))


def test_one_market_can_be_meant() -> None:
    told = Story(quoted(), quoted(PERPETUAL))
    only = parse_changes(["BTC_PERP.price_tolerance=0.05", "price_tolerance=0.02"])
    markets = only.applied(told.state).markets
    tolerances = {name: market.quoted.price_tolerance for name, market in markets.items()}
    assert tolerances == {NAME: 2, "BTC_PERP": 5}


def test_a_market_of_another_run_can_be_meant() -> None:
    told = story()
    named = parse_changes(["BTC_PERP.price_tolerance=0.05"], markets=("BTC_PERP",))
    assert what_if(iter(told.records), named).differing == 0
    restarted(told, "r2", quoted(PERPETUAL))
    assert what_if(iter(told.records), named).stopped == ""


def test_a_strategy_that_fails_ends_it_with_its_place() -> None:
    result, _ = compared(story(), "bid=990", strategy="brittle")
    assert (result.stopped_seq, result.stopped) == (29, "Decided: ZeroDivisionError: on this bid")


@pytest.mark.parametrize(
    ("texts", "strategy", "words"),
    [
        (["half"], "", "--set: expected KEY=VALUE"),
        (["=1"], "", "--set: expected KEY=VALUE"),
        (["a=1", "a=2"], "", "each key once"),
        (["half=1"], "", "found no such key"),
        (["price_tolerance=x"], "", "price_tolerance: expected"),
        (["strategy=one_bid"], "", "not safe to change"),
        ([], "one_bid", "give what it needs by --set"),
        ([], "nobody", "expected one of"),
    ],
)
def test_what_does_not_fit_is_refused(texts: list[str], strategy: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compared(story(), *texts, strategy=strategy)


def test_a_record_that_cannot_be_folded_ends_it_with_its_place() -> None:
    told = story()
    told.records[-1] = replace(told.records[-1], seq=99)
    result, _ = compared(told)
    assert result.stopped_seq == 99
    assert result.stopped.startswith("Decided: AssertionError: expected seq")


def test_no_change_changes_nothing() -> None:
    state = story().state
    assert Changes().is_none
    assert Changes().applied(state) is state


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    fs, path = SimFs(), tmp_path / "journal"
    story().write(fs)
    path.mkdir()
    for name in fs.list_dir(JOURNAL):
        (path / name).write_bytes(fs.read(JOURNAL / name))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["replay", *arguments])
    return code, capsys.readouterr().out


def test_the_command_lists_and_sums_up(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(journal), "--set", "bids=[[980,10]]", "--list")
    assert code == 0
    lines = out.splitlines()
    placed = "BTC_USDT buy level 0: 0.01 at 9.9 -> 0.01 at 9.8 (+101.01 bps outward)"
    moved = "BTC_USDT buy level 0: 0.006 at 9.9 -> 0.01 at 9.8 (+101.01 bps outward)"
    assert lines[0].startswith("seq 29 2027-01-15T08:00:00.")
    assert (lines[0].partition("Z ")[2], lines[1].partition("Z ")[2]) == (placed, moved)
    assert "are still those recorded" in out
    assert f"first: {lines[0]}" in lines
    assert "BTC_USDT buy: 2 decisions differ: other price 2" in lines
    assert "           >50 2" in lines


def test_the_command_prints_one_object(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(journal), "--set", "bids=[[980,10]]", "--list", "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert found["changes"] == {"strategy": None, "set": {"bids": "[[980,10]]"}}
    assert (found["differing"], found["differences"], len(found["list"])) == (2, 2, 2)
    assert found["first"] == found["list"][0]
    assert found["first"]["recomputed"] == {"price": "9.8", "qty": "0.01"}
    (part,) = found["parts"]
    assert (part["market"], part["side"], part["decisions"]) == (NAME, "buy", 2)
    assert part["price_bps"]["p50"] == 101.0
    code, out = run(capsys, str(journal), "--what-if", "--json")
    assert (code, json.loads(out)["first"]) == (0, None)


def test_the_command_knows_the_markets_of_every_run(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = story()
    restarted(told, "r2", quoted(PERPETUAL))
    writer, _ = JournalWriter.open(SystemFs(), journal, schema_hash(), bytes(32))
    with writer:
        writer.append(told.state.seq, encode_record(told.records[-1]))
    code, out = run(capsys, str(journal), "--set", "BTC_PERP.price_tolerance=0.05")
    assert (code, "no decision differs" in out) == (0, True)
    assert run(capsys, str(journal), "--set", "BTC_PERB.price_tolerance=0.05")[0] == 2


def test_a_seed_is_taken_as_it_is(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(journal), "--fills", "model", "--seed", "0")
    assert (code, "seed 0;" in out) == (0, True)
    assert run(capsys, str(journal), "--seed", "0")[0] == 2


def test_the_command_refuses_what_does_not_fit(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, str(journal), "--set", "bids=nothing")[0] == 2
    assert run(capsys, str(journal.parent / "none"), "--what-if")[0] == 2
    assert run(capsys, str(journal), "--what-if", "--verify")[0] == 2
