"""`quotefold fills` from the journal's files to what is printed, to the last digit."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adapters.cli.fills import LIMIT, find
from adapters.cli.fills_table import print_fills
from adapters.cli.main import main
from adapters.ports import SystemFs
from adapters.runtime.journal_read import segment_paths
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.errors import ConfigError
from engine.types import Side
from replay.fill_rows import COLUMNS
from replay.fill_totals import Wanted
from tests.engine.builders import MS, NAME, PERPETUAL, T0, S, fill, quoted, snapshot
from tests.replay.story import JOURNAL, Story, names, quoting_story, restarted

FILLED_NS = T0 + 100 * MS


def story() -> Story:
    """A buy of 4 lots at 9.90, mid 10.00; 2 s later a sale of 10 at 10.10, mid 9.90; 5 s more.

    Seqs: orders shown 31, trade 32, bought 33, timers 34 and 35 at 0.1 s and 1 s, book 36,
    sold 37, timers 38 to 41.
    """
    told = quoting_story()
    bid, ask = names(told)
    told.trade(2, 990, 20, Side.SELL)
    bought = fill(7, qty=4, price=990, client_order_id=bid, fee="0.000004", fee_asset="BTC")
    told.at(FILLED_NS, e.Filled(bought))
    told.at(FILLED_NS + 100 * MS, e.TimerFired())
    told.at(FILLED_NS + S, e.TimerFired())
    at_ns = FILLED_NS + S + 500 * MS
    told.at(at_ns, snapshot((985, 50), (995, 7, 1010, 60), 100, at_ns=at_ns))
    sold = fill(8, price=1010, side=Side.SELL, client_order_id=ask, order_id=2, fee="0.0101")
    told.at(FILLED_NS + 2 * S, e.Filled(sold))
    told.at(FILLED_NS + 2 * S + 100 * MS, e.TimerFired())
    told.at(FILLED_NS + 3 * S, e.TimerFired())
    told.at(FILLED_NS + 5 * S, e.TimerFired())
    told.at(FILLED_NS + 7 * S, e.TimerFired())
    return told


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The story, as the journal's writer wrote it."""
    return on_disk(story(), tmp_path)


def on_disk(told: Story, root: Path) -> Path:
    fs, path = SimFs(), root / "journal"
    told.write(fs)
    path.mkdir()
    for name in fs.list_dir(JOURNAL):
        (path / name).write_bytes(fs.read(JOURNAL / name))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["fills", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out if not code or "--json" in arguments else captured.err


PLAIN = """\
{journal}: 2 fills; edge and markouts in basis points
        time  seq  deal  market    side  price    qty  role            fee  flags  level  set     age  ahead  decide   send    ack     edge     0.1s       1s       5s  30s  60s
08:00:00.100   33     7  BTC_USDT  buy    9.90  0.004  maker  0.000004 BTC  cn         0    1  67.0ms   0.03   1.0ms  1.0ms  3.0ms  101.01   101.01   101.01     0.00     -    -
08:00:02.100   37     8  BTC_USDT  sell  10.10   0.01  maker   0.0101 USDT  cn         0    1    2.1s   0.05   1.0ms  1.0ms  3.0ms  198.02   198.02   198.02   198.02     -    -

totals: mean in basis points by notional, and how many of the fills lost
market    side  fills        qty     notional                        fees          edge          0.1s            1s            5s  30s  60s
BTC_USDT  buy       1  0.004 BTC  0.0396 USDT                0.000004 BTC  101.01    0%  101.01    0%  101.01    0%    0.00    0%    -    -
BTC_USDT  sell      1   0.01 BTC   0.101 USDT                 0.0101 USDT  198.02    0%  198.02    0%  198.02    0%  198.02    0%    -    -
BTC_USDT  both      2  0.014 BTC  0.1406 USDT  0.000004 BTC + 0.0101 USDT  170.70    0%  170.70    0%  170.70    0%  142.25    0%    -    -
"""  # noqa: E501 - as it is printed


def test_plain_lines_say_it_all(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Together: (0.0004 + 0.002) / 0.1406 is 170.70 bps, and 0.002 / 0.1406 after 5 s 142.25."""
    assert run(capsys, journal) == PLAIN.format(journal=journal)


def test_json_has_every_figure_whole(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, journal, "--json"))
    assert (found["seq"], found["matched"], found["shown"], found["foreign"]) == (41, 2, 2, {})
    bought, sold = found["fills"]
    assert tuple(bought) == tuple(sold) == COLUMNS
    assert bought == BOUGHT
    wanted = {"price": "10.1", "qty": "0.01", "notional": "0.101", "fee": "0.0101",
              "fee_value": "0.0101", "edge": "0.002", "edge_bps": 198.0198, "filled_mid": "9.9",
              "markout_5s": "0.002", "position_before": "0.003", "position_after": "-0.006",
              "queue_ahead": "0.05", "age_ns": 2_067_000_000}  # fmt: skip
    assert {name: sold[name] for name in wanted} == wanted
    both = found["totals"][2]
    assert both["spread"] == "0.0024"
    assert both["notional"] == "0.1406"
    assert both["fees"] == {"BTC": "0.000004", "USDT": "0.0101"}
    assert both["markouts"]["5s"] == {"fills": 2, "bps": 142.2475, "negative_share": 0.0}
    assert both["markouts"]["60s"] == {"fills": 0, "bps": None, "negative_share": None}
    (parameters,) = found["parameter_sets"]
    assert (parameters["index"], parameters["strategy"]) == (1, "fixed")


BOUGHT: dict[str, Any] = {
    "deal_id": 7,
    "seq": 33,
    "recv_ns": FILLED_NS,
    "venue_us": 0,
    "told_by": "push",
    "is_late": False,
    "market": NAME,
    "side": "buy",
    "role": "maker",
    "price": "9.9",
    "qty": "0.004",
    "notional": "0.0396",
    "fee": "0.000004",
    "fee_asset": "BTC",
    "fee_value": "0.0000396",
    "quote_asset": "USDT",
    "level": 0,
    "order_id": 1,
    "client_order_id": "r1-29-0-0",
    "position_before": "0",
    "position_after": "0.003",
    "rpi": False,
    "stp": "cn",
    "post_only": True,
    "leg": 0,
    "run_id": "r1",
    "parameter_set": 1,
    "parameter_digest": "14dfddb2d083",
    "frame_seq": 28,
    "frame": "PublicTrades",
    "trigger_seq": 28,
    "trigger": "PublicTrades",
    "acknowledged_by": "answer",
    "decided_seq": 29,
    "decided_mid": "10",
    "decided_bid": "9.9",
    "decided_ask": "10.1",
    "sent_seq": 30,
    "sent_mid": "10",
    "sent_bid": "9.9",
    "sent_ask": "10.1",
    "acknowledged_seq": 31,
    "acknowledged_mid": "10",
    "acknowledged_bid": "9.9",
    "acknowledged_ask": "10.1",
    "filled_mid": "10",
    "filled_bid": "9.9",
    "filled_ask": "10.1",
    "queue_ahead": "0.03",
    "queue_total": "0.05",
    "age_ns": 67 * MS,
    "frame_to_decision_ns": MS,
    "decision_to_sent_ns": MS,
    "sent_to_acknowledged_ns": 3 * MS,
    "edge": "0.0004",
    "edge_bps": 101.0101,
    "mid_0.1s": "10",
    "markout_0.1s": "0.0004",
    "markout_bps_0.1s": 101.0101,
    "markout_seq_0.1s": 34,
    "markout_missing_0.1s": None,
    "mid_1s": "10",
    "markout_1s": "0.0004",
    "markout_bps_1s": 101.0101,
    "markout_seq_1s": 35,
    "markout_missing_1s": None,
    "mid_5s": "9.9",
    "markout_5s": "0",
    "markout_bps_5s": 0.0,
    "markout_seq_5s": 40,
    "markout_missing_5s": None,
    "mid_30s": None,
    "markout_30s": None,
    "markout_bps_30s": None,
    "markout_seq_30s": None,
    "markout_missing_30s": "not yet",
    "mid_60s": None,
    "markout_60s": None,
    "markout_bps_60s": None,
    "markout_seq_60s": None,
    "markout_missing_60s": "not yet",
}


@pytest.mark.parametrize(
    ("arguments", "deals"),
    [
        (("--market", NAME), [7, 8]),
        (("--side", "buy"), [7]),
        (("--side", "sell"), [8]),
        (("--role", "maker"), [7, 8]),
        (("--role", "taker"), []),
        (("--since", "34"), [8]),
        (("--since", "33", "--until", "36"), [7]),
        (("--since", "2027-01-15T08:00:00.100Z"), [7, 8]),
        (("--since", "2027-01-15T08:00:00.100001"), [8]),
        (("--until", "2027-01-15T09:00:00.100+01:00"), [7]),
        (("--worse-than", "0"), []),
        (("--worse-than", "-1"), [7]),
        (("--worse-than", "-102", "--horizon", "1s"), [7]),
        (("--worse-than", "-200", "--horizon", "30s"), []),
        (("--limit", "1"), [8]),
        (("--limit", "0"), [7, 8]),
    ],
)
def test_filters(
    journal: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    deals: list[int],
) -> None:
    found = json.loads(run(capsys, journal, "--json", *arguments))
    assert [each["deal_id"] for each in found["fills"]] == deals


def test_totals_and_csv_are_of_all_that_match(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fills.csv"
    text = run(capsys, journal, "--limit", "1", "--csv", path)
    assert "note: the newest 1 of 2 fills are shown (--limit)" in text
    assert f"note: 2 fills written to {path}" in text
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    assert [row["deal_id"] for row in rows] == ["7", "8"]
    assert rows[0] == {name: _in_csv(value) for name, value in BOUGHT.items()}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["fills.csv", "journal"]


def _in_csv(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def test_csv_of_no_fill_still_names_its_columns(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fills.csv"
    assert "no fills" in run(capsys, journal, "--role", "taker", "--csv", path)
    assert path.read_text("utf-8").splitlines() == [",".join(COLUMNS)]


def losing() -> Story:
    """A buy at 9.90 after which the mid falls to 9.85, and a sale by hand."""
    told = quoting_story()
    bid, _ = names(told)
    told.push(e.Filled(fill(7, qty=4, price=990, client_order_id=bid)))
    told.push(e.BestBidOffer(NAME, 1_000, 0, 980, 7, 990, 7), after_ns=100 * MS)
    told.push(e.Filled(fill(9, qty=1, price=990, side=Side.SELL, client_order_id="by hand")))
    return told


@pytest.mark.parametrize(("width", "hidden"), [(230, False), (100, True)])
def test_a_loss_stands_out_in_colour_and_in_text(width: int, hidden: bool) -> None:
    fs = SimFs()
    losing().write(fs)
    found = find(fs, JOURNAL, Wanted(), LIMIT, None, progress=False)
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(
            file=out,
            force_terminal=terminal,
            width=width,
            color_system="standard",
            legacy_windows=False,
        )
        print_fills(found.fills, found.totals, JOURNAL, [], console)
        text = out.getvalue()
        assert "-50.51!" in text
        assert ("\x1b[1;31m-50.51!" in text) is terminal
        assert ("not shown for want of width" in text) is (terminal and hidden)


def test_no_figure_is_cut_in_the_width_of_a_terminal() -> None:
    told = story()
    for _ in range(6):
        told.wait(10)
        told.snapshot(985, 995)
    fs = SimFs()
    told.write(fs)
    found = find(fs, JOURNAL, Wanted(), LIMIT, None, progress=False)
    for width in (60, 80, 100):
        text = io.StringIO()
        console = Console(file=text, width=width, force_terminal=True, color_system=None)
        print_fills(found.fills, found.totals, JOURNAL, [], console)
        assert "\N{HORIZONTAL ELLIPSIS}" not in text.getvalue(), width


def test_a_market_without_fills_that_only_an_earlier_run_quoted_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = quoting_story()
    restarted(told, "r2", quoted(PERPETUAL))
    assert "no fills" in run(capsys, on_disk(told, tmp_path), "--market", NAME)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--until", "0"), "found '0': seqs begin with 1"),
        (("--since", "2026-13-01"), "--since: expected a seq, or a time"),
    ],
)
def test_a_place_that_is_none_is_refused(
    given: tuple[str, ...], said: str, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in run(capsys, journal, *given, code=2)


def test_a_place_may_be_in_nanoseconds(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 fills" in run(capsys, journal, "--until", FILLED_NS)


def test_foreign_deals_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal"
    losing().write(SystemFs(), path)  # type: ignore[arg-type]
    text = run(capsys, path)
    assert "note: 1 deals of the account were not this engine's, and are left out" in text


def test_what_cannot_be_read_says_so(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "expected a journal directory" in run(capsys, tmp_path / "none", code=2)
    assert "--market: expected one of BTC_USDT" in run(capsys, journal, "--market", "X", code=2)
    assert "--since: expected a seq, or a time" in run(capsys, journal, "--since", "noon", code=2)
    exists = tmp_path / "there.csv"
    exists.write_text("mine")
    assert "expected no file, found one" in run(capsys, journal, "--csv", exists, code=2)
    assert exists.read_text() == "mine"
    nowhere = tmp_path / "there.csv" / "below"
    assert "cannot be written" in run(capsys, journal, "--csv", nowhere, code=2)


def test_a_refusal_leaves_no_file(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = journal.parent / "x.csv"
    run(capsys, journal, "--csv", csv, "--market", "X", code=2)
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]


def test_a_damaged_journal_is_refused_with_its_place(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (segment,) = segment_paths(SystemFs(), journal).values()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    error = json.loads(run(capsys, journal, "--json", code=2))
    assert error["kind"] == "ConfigError"
    assert segment.name in error["error"]
    target = tmp_path / "fills.csv"
    run(capsys, journal, "--csv", target, code=2)
    assert not target.exists()


def test_a_disk_that_is_full_is_one_line(journal: Path) -> None:
    class Full(SystemFs):
        def open_new(self, path: Path, *, private: bool = False) -> Any:
            raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space left on device"):
        find(Full(), journal, Wanted(), LIMIT, journal.parent / "x.csv", progress=False)
