"""Exported tables, row by row by hand; Parquet and CSV agree; the documented SQL runs."""

from __future__ import annotations

import csv
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli import export_parquet
from adapters.cli.journal_export import TABLES, export
from adapters.cli.main import main
from adapters.ports import SystemFs
from adapters.simulated_fs import SimFs
from engine import events as e
from engine import intents as i
from engine.errors import ConfigError
from engine.state import State
from engine.types import OrderStatus, Stp
from replay.export import tables as specs
from replay.export.event_rows import event_rows
from replay.export.fold import Export
from replay.export.tables import check_decimals
from replay.fill_rows import fill_row
from replay.trails import FillTrail
from tests.engine.builders import MS, NAME, T0, fill, venue_order
from tests.replay.story import JOURNAL, Story, names, quoting_story
from tests.replay.test_report_figures import traded_story
from tests.source_tree import ROOT

DOCS = ROOT / "docs" / "export.md"


def duckdb() -> Any:
    """The library; where it is absent a test is skipped, but never where CI runs."""
    if os.environ.get("CI"):
        import duckdb as found

        return found
    return pytest.importorskip("duckdb", reason="duckdb is not installed: make analysis")


def rows(story: Story, name: str) -> list[dict[str, Any]]:
    """Rows of one table, by column."""
    found: list[specs.Row] = []
    if name == "events":
        found += event_rows(story.records)
    else:
        Export({name: found.append}).fold(iter(story.records), State())
    return [dict(zip(specs.TABLES[name].names, row, strict=True)) for row in found]


# --- by hand ----------------------------------------------------------------------------------


def modified_story() -> Story:
    """The bid is filled by 4 of 10, moves from 9.90 to 9.85, and is cancelled; the ask rests.

    Seqs: answer to both 31, deal 32, decision and request 33 and 34, answer 35, then 36 to 38.
    """
    story = quoting_story()
    bid, _ = names(story)
    story.push(e.Filled(fill(7, qty=4, price=990, client_order_id=bid)))
    seq = story.ask(i.ModifyOrder(NAME, bid, 985, 6, Stp.CANCEL_NEW))[0]
    story.push(e.OrderModified(venue_order(bid, 11, price=985, qty=6)), seq)
    seq = story.ask(i.CancelOrder(NAME, bid))[0]
    over = venue_order(bid, 11, price=985, qty=6, status=OrderStatus.CANCELLED)
    story.push(e.OrderCancelled(over), seq)
    return story


def test_quotes_are_each_change_of_what_rests() -> None:
    story = modified_story()
    bid, ask = "r1-29-0-0", "r1-29-0-1"
    found = [
        (
            row["seq"],
            row["change"],
            row["client_order_id"],
            row["order_id"],
            row["side"],
            row["price"],
            row["qty"],
            row["price_ticks"],
            row["qty_lots"],
        )
        for row in rows(story, "quotes")
    ]
    assert found == [
        (31, "shown", ask, 2, "sell", "10.1", "0.01", 1010, 10),
        (31, "shown", bid, 1, "buy", "9.9", "0.01", 990, 10),
        (32, "changed", bid, 1, "buy", "9.9", "0.006", 990, 6),
        (35, "changed", bid, 11, "buy", "9.85", "0.006", 985, 6),
        (38, "gone", bid, 11, "buy", "9.85", "0", 985, 0),
    ]


def test_orders_are_their_lives() -> None:
    resting, closed = rows(modified_story(), "orders")
    assert closed == {
        "client_order_id": "r1-29-0-0",
        "market": NAME,
        "run_id": "r1",
        "side": "buy",
        "level": 0,
        "rpi": False,
        "post_only": True,
        "stp": "cn",
        "sent_seq": 30,
        "sent_ns": T0 + 30 * MS,
        "price": "9.9",
        "qty": "0.01",
        "shown_seq": 31,
        "shown_ns": T0 + 33 * MS,
        "modifies": 1,
        "last_price": "9.85",
        "status": "closed",
        "closed_seq": 38,
        "closed_ns": T0 + 40 * MS,
        "close_reason": "CANCELLED",
        "fills": 1,
        "filled_qty": "0.004",
        "filled_notional": "0.0396",
        "price_ticks": 990,
        "qty_lots": 10,
        "last_price_ticks": 985,
        "filled_lots": 4,
    }
    assert (resting["status"], resting["closed_seq"], resting["fills"]) == ("open", None, 0)


def test_tops_are_changes_of_the_best_prices() -> None:
    found = [tuple(row.values())[2:] for row in rows(traded_story(), "tops")]
    assert found[-3:] == [
        (NAME, "9.9", "0.05", "10.1", "0.05", 990, 50, 1010, 50),
        (NAME, "9.85", "0.007", "10.05", "0.007", 985, 7, 1005, 7),
        (NAME, "9.8", "0.007", "10", "0.007", 980, 7, 1000, 7),
    ]


def test_pnl_is_that_of_the_report_at_every_sample() -> None:
    found = rows(traded_story(), "pnl")
    last = found[-1]
    assert {name: last[name] for name in ("total", "spread", "inventory", "fees")} == {
        "total": "-0.0080396",
        "spread": "0.0019",
        "inventory": "0.0001",
        "fees": "-0.0100396",
    }
    assert (last["mark"], last["mark_half_ticks"], last["position"]) == ("9.9", 1980, "-0.006")
    parts = ("spread", "inventory", "fees", "funding", "interest")
    for row in found:
        assert sum(Decimal(row[part]) for part in parts) == Decimal(row["total"])
    assert [row["fills"] for row in found][-5:] == [1, 2, 2, 2, 2]


def test_fills_are_those_of_the_fills_command() -> None:
    story = traded_story()
    trails: list[FillTrail] = story.trails()[0]
    assert rows(story, "fills") == [fill_row(trail) for trail in trails]


def test_events_are_every_record_whole() -> None:
    story = modified_story()
    found = rows(story, "events")
    assert [row["seq"] for row in found] == [record.seq for record in story.records]
    started, filled = found[0], found[31]
    assert (started["type"], started["run_id"], started["cause_seq"]) == ("RunStarted", "r1", None)
    assert (filled["type"], filled["tag"], filled["market"]) == ("Filled", "fi", NAME)
    assert json.loads(filled["event"])[1][1] == 7
    assert found[34]["cause_seq"] == 34
    book = next(row for row in found if row["type"] == "BookSnapshot")
    assert book["venue_us"] == json.loads(book["event"])[3]


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    traded_story().write(SystemFs(), path)  # type: ignore[arg-type]
    return path


def test_csv_holds_the_rows(journal: Path, tmp_path: Path) -> None:
    counts = export(SystemFs(), journal, tmp_path / "out", TABLES, "csv")
    story = traded_story()
    for name in TABLES:
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            found = list(csv.DictReader(file))
        expected = [{k: _cell(v) for k, v in row.items()} for row in rows(story, name)]
        assert found == expected, name
        assert counts[name] == len(expected)
    assert len(list((tmp_path / "out").iterdir())) == len(TABLES)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def test_parquet_holds_the_same_rows_exactly(journal: Path, tmp_path: Path) -> None:
    library, out = duckdb(), tmp_path / "it's out"
    counts = export(SystemFs(), journal, out, TABLES, "parquet")
    story = traded_story()
    for name in TABLES:
        table, path = specs.TABLES[name], str(out / f"{name}.parquet")
        found = library.connect().read_parquet(path)
        assert found.columns == table.names
        types = [str(kind).partition("(")[0] for kind in found.types]
        assert types == [kind for _, kind in table.columns]
        values = [dict(zip(table.names, row, strict=True)) for row in found.fetchall()]
        expected = rows(story, name)
        for row in expected:
            for index in table.decimals:
                column = table.names[index]
                row[column] = None if row[column] is None else Decimal(row[column])
        assert values == expected, name
        assert counts[name] == len(expected)
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{n}.parquet" for n in TABLES)


@given(
    st.decimals(
        allow_nan=False,
        allow_infinity=False,
        places=18,
        min_value=-(10**20) + 1,
        max_value=10**20 - 1,
    )
)
def test_decimals_that_fit_are_taken(value: Decimal) -> None:
    check_decimals(specs.PNL, [[f"{value:f}"] * len(specs.PNL.columns)])


@pytest.mark.parametrize("value", ["0.1234567890123456789", "-123456789012345678901"])
def test_decimals_that_would_be_rounded_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"pnl.mark: expected at most 20 digits.*--format csv"):
        check_decimals(specs.PNL, [[value] * len(specs.PNL.columns)])


def test_the_command_says_what_it_wrote(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["journal", "export", str(journal), str(out), "--format", "csv"]
    assert main([*command, "--tables", "fills,pnl"]) == 0
    assert f"{out}/fills.csv: 2 rows" in capsys.readouterr().out
    assert main([*command, "--tables", "fills", "--json"]) == 2
    assert "--force replaces such files" in capsys.readouterr().out
    assert main([*command, "--tables", "fills", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == {
        "fills": {"file": "fills.csv", "rows": 2}
    }


def test_what_cannot_be_done_says_so(
    journal: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["journal", "export", *arguments]) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "out")
    assert "expected a journal directory" in refused(str(tmp_path / "no"), out, "--format", "csv")
    assert "--tables: expected some of events, tops" in refused(str(journal), out, "--tables", "x")
    there = tmp_path / "file"
    there.write_text("mine")
    assert "cannot be made" in refused(str(journal), str(there), "--format", "csv")
    monkeypatch.setattr(export_parquet, "find_spec", lambda name: None)
    assert "`make analysis` adds it" in refused(str(journal), out)


def test_a_damaged_journal_leaves_nothing_behind(journal: Path, tmp_path: Path) -> None:
    segment = next(path for path in journal.iterdir() if path.suffix == ".qfj")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(ConfigError, match=segment.name):
        export(SystemFs(), journal, tmp_path / "out", TABLES, "csv")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_leaves_nothing_behind() -> None:
    fs = SimFs()
    traded_story().write(fs)
    fs.space_left = 2_000
    target = JOURNAL.parent / "out"
    with pytest.raises(ConfigError, match="cannot be written"):
        export(fs, JOURNAL, target, ["tops", "fills"], "csv")
    assert fs.list_dir(target) == []


# --- documentation ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in TABLES if name != "fills"])
def test_every_column_is_documented_in_its_order(name: str) -> None:
    section = DOCS.read_text("utf-8").partition(f"\n### {name}\n")[2].partition("\n##")[0]
    documented = re.findall(r"^\| (\w+) \|", section, re.MULTILINE)
    assert documented[1:] == specs.TABLES[name].names


def test_the_documented_sql_runs(journal: Path, tmp_path: Path) -> None:
    library, out = duckdb(), tmp_path / "out"
    export(SystemFs(), journal, out, TABLES, "parquet")
    examples = re.findall(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(examples) >= 6
    with library.connect() as database:
        database.execute(f"SET file_search_path = '{out}'")
        answers = [database.execute(example).fetchall() for example in examples]
    by_side, by_minute, at_fills, lives, resting, refused = answers
    assert by_side[0][:5] == (NAME, "buy", 1, Decimal("0.0396"), Decimal("0.0004"))
    assert by_side[1][:5] == (NAME, "sell", 1, Decimal("0.101"), Decimal("0.0015"))
    assert by_minute[-1][2:] == (Decimal("-0.0080396"), Decimal("-0.006"))
    assert [row[3:5] for row in at_fills] == [
        (Decimal("9.9"), Decimal("10.1")),
        (Decimal("9.85"), Decimal("10.05")),
    ]
    # Sent 3 ms before they were shown, 502 ms before the ask was filled.
    assert lives == [(NAME, "filled by deals", 1, 505.0, 1)]
    assert resting == [(NAME, "buy", Decimal("9.9"), Decimal("0.006"))]
    assert refused == []
