"""The page of a report: one file, well-formed, escaped, small, and nothing to load."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.ports import SystemFs
from engine import events as e
from engine.types import Side
from replay.report.charts import lines
from replay.report.fold import Report, Window
from replay.report.page import asset, page
from replay.report.words import duration, money, percent
from replay.thinning import BUCKETS, Series, Shares
from tests.engine.builders import MS, NAME, S, fill, quoted
from tests.replay.story import Story, names, quoting_story
from tests.replay.test_report_figures import traded_story, troubled_story
from tests.source_tree import ROOT

VOID = {"meta", "br", "link", "img", "hr", "input"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"


class Checked(HTMLParser):
    """Every element that is opened is closed, in order; what could load something is kept."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[tuple[str, str, str | None]] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "poster", "srcset") or name[:2] == "on":
                self.loads.append((tag, name, value))
            if name == "id":
                self.ids.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def paged(story: Story, journal: str = "journals/first") -> str:
    report = Report(Window())
    report.fold(iter(story.records), story.state.__class__())
    return page(report, journal, "1.2.3").decode()


def observing_story() -> Story:
    story = Story(quoted(), mode="observe")
    story.push(e.StreamReady(NAME))
    story.snapshot(990, 1010)
    story.wait(1)
    return story


@pytest.mark.parametrize(
    ("sentence", "story", "words"),
    [
        ("fills of a paper run", traded_story, ["Simulated: paper", "quotefold explain"]),
        ("trouble", troubled_story, ["collar", "loss_day", "2.000 s", "No fills."]),
        ("no fills", quoting_story, ["No fills.", "No fill had lost anything"]),
        ("only observed", observing_story, ["Observed only", "Nothing was quoted."]),
    ],
)
def test_pages_are_whole_and_load_nothing(sentence: str, story: Any, words: list[str]) -> None:
    text = paged(losing_story() if story is traded_story else story())
    checked = Checked(text)
    assert checked.loads == [], sentence
    assert len(checked.ids) == len(set(checked.ids))
    for word in words:
        assert word in text, sentence
    _, _, body = text.partition("</style>")
    assert not re.search(r"url\(|@import|//[a-z]", _without_library(text))
    assert len(body) < 200_000


def _without_library(text: str) -> str:
    for name in ("uPlot.iife.min.js", "uPlot.min.css"):
        assert asset(name) in text
        text = text.replace(asset(name), "")
    return text


def losing_story() -> Story:
    """A buy at 9.90 after which the mid is 9.85 for more than 5 s."""
    story = quoting_story()
    bid, _ = names(story)
    story.push(e.Filled(fill(7, qty=4, price=990, client_order_id=bid)))
    story.push(e.BestBidOffer(NAME, 1_000, 0, 980, 7, 990, 7))
    story.wait(5)
    return story


def test_the_worst_fills_name_their_command() -> None:
    text = paged(losing_story(), journal="my journals/it's")
    assert "quotefold explain &#x27;my journals/it&#x27;&quot;&#x27;&quot;&#x27;s&#x27; 7" in text
    assert "\u221250.51" in text  # (9.85 - 9.90) / 9.90
    assert "<b class=neg>\u22120.00</b><i>02" in text  # -0.05 x 0.004


def test_what_a_journal_says_is_never_markup() -> None:
    story = troubled_story()
    refusal = e.RiskRefusal(NAME, HOSTILE, HOSTILE, key=HOSTILE)
    story.push(e.Decided((), (refusal,)))
    story.push(e.FrameRefused("private", "", HOSTILE))
    story.push(e.StreamClosed("private", HOSTILE, 0))
    market = replace(quoted().market, base_asset=HOSTILE)
    started = e.RunStarted(
        HOSTILE,
        HOSTILE,
        ((HOSTILE, HOSTILE),),
        "{}",
        story.state.settings,
        (replace(quoted(), market=market),),
    )
    story.push(started)
    story.wait(1)
    story.wait(1)
    text = paged(story, journal=HOSTILE)
    checked = Checked(text)
    assert checked.loads == []
    assert checked.tags.count("script") == 2
    assert "img" not in checked.tags
    assert "<script>alert" not in text


def test_only_the_script_of_the_page_runs() -> None:
    text = paged(traded_story())
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in text
    data = text.partition('id="data">')[2].partition("</script>")[0]
    charts = json.loads(data)
    assert {chart["kind"] for chart in charts.values()} == {"time", "curve", "bars"}
    for chart in charts.values():
        count = len(chart["x"] if chart["kind"] == "time" else chart["labels"])
        assert {len(one["values"]) for one in chart["series"]} == {count}


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (
            "uPlot.iife.min.js",
            "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        ),
        ("uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ],
)
def test_the_chart_library_is_as_published_and_documented(name: str, digest: str) -> None:
    assert hashlib.sha256(asset(name).encode()).hexdigest() == digest
    assert "(v1.6.32)" in asset("uPlot.iife.min.js").partition("\n")[0]
    assert "Permission is hereby granted" in asset("uPlot-LICENSE.txt")
    documented = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert "uPlot 1.6.32" in documented
    assert digest in documented


def test_a_long_series_stays_small_and_keeps_its_extremes() -> None:
    series, shares = Series((0,)), Shares()
    for second in range(200_000):
        value = Decimal(-5 if second == 77_777 else 9 if second == 123_456 else 0)
        series.add(second * S, (value, Decimal(second)))
        shares.add(second * S, S, (S, S // 2))
    rows = [row for row in series.rows(10_000) if row is not None]
    assert BUCKETS // 2 <= len(rows) <= 3 * BUCKETS
    assert (min(rows, key=lambda r: r[1][0])[0], max(rows, key=lambda r: r[1][0])[0]) == (
        77_777 * S,
        123_456 * S,
    )
    assert rows[-1] == (199_999 * S, (Decimal(0), Decimal(199_999)))
    assert len(series.rows(50)) <= 50
    found = [row for row in shares.rows(100) if row is not None]
    assert len(found) <= 100
    assert {row[1] for row in found} == {(1.0, 0.5)}


def test_a_line_breaks_where_nothing_was_known() -> None:
    series = Series((0,))
    for at_s in (0, 1, 2, 60, 61):
        series.add(at_s * S, (Decimal(at_s),))
    chart = lines(series.rows(100), {0: "held"}, "BTC")
    assert chart["x"] == [0.0, 1.0, 2.0, 2.0, 60.0, 61.0]
    assert chart["series"][0]["values"] == [0.0, 1.0, 2.0, None, 60.0, 61.0]


def test_words() -> None:
    assert money("-1234.5678", 4) == "<b class=neg>\u22121,234.56</b><i>78</i>"
    assert money("0.1", 4) == "<b>0.10</b><i>\u2007\u2007</i>"
    assert [percent(share) for share in (1.0, 0.99999, None)] == ["100.0 %", "99.9 %", "–"]
    assert [duration(ns) for ns in (None, 0, 999, 1500, 12 * MS, 250 * S)] == [
        "–",
        "0",
        "999 ns",
        "1.50 µs",
        "12.0 ms",
        "250 s",
    ]


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    traded_story().write(SystemFs(), path)  # type: ignore[arg-type]
    return path


def test_the_command_writes_the_page_and_prints_the_figures(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    assert main(["report", str(journal), "-o", str(target)]) == 0
    assert "P&L -0.0080396 USDT, 2 fills" in capsys.readouterr().out
    first = target.read_bytes()
    assert 50_000 < len(first) < 2_000_000
    assert main(["report", str(journal), "-o", str(target), "--force", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pnl"]["markets"][NAME]["total"] == "-0.0080396"
    assert found["output"] == str(target)
    assert target.read_bytes() == first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal", "report.html"]


def test_what_cannot_be_done_says_so(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["report", *arguments]) == 2
        found = capsys.readouterr()
        return found.err + found.out

    there = tmp_path / "there.html"
    there.write_text("mine")
    assert "expected -o FILE" in refused(str(journal))
    assert "expected a journal directory" in refused(str(tmp_path / "none"), "--json")
    assert "--force replaces it" in refused(str(journal), "-o", str(there))
    assert "is a directory" in refused(str(journal), "-o", str(tmp_path), "--force")
    assert "cannot be written" in refused(str(journal), "-o", str(there / "below.html"))
    assert "--since: expected a seq" in refused(str(journal), "--json", "--since", "noon")
    assert there.read_text() == "mine"
    assert main(["report", str(tmp_path / "none"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["kind"] == "ConfigError"


def test_a_window_without_records_is_no_error(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    assert main(["report", str(journal), "-o", str(target), "--since", "2030-01-01"]) == 0
    assert "nothing of the journal lies in what was asked for" in target.read_text("utf-8")
    assert "0 records" in capsys.readouterr().out


def test_sides_are_told_apart() -> None:
    story = losing_story()
    _, ask = names(story)
    sold = fill(8, qty=1, price=1010, side=Side.SELL, order_id=2, client_order_id=ask)
    story.push(e.Filled(sold))
    assert ">sell</td>" in paged(story)
