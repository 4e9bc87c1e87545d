"""The log of a run: what gets a line, at which level, and what never does."""

from __future__ import annotations

import json
import os
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.log_sinks import FileSink, StreamSink
from adapters.cli.run_log import LINES_MAX, LINES_PER_S_MAX, REDACTED, TEXT_MAX, RunLog
from adapters.ports import SystemFs
from adapters.whitebit.signing import Secret
from engine import events as e
from engine.intents import CancelAll
from engine.stages import Hold, Stage, StageChange
from engine.state import State
from engine.types import OrderStatus, Refusal, Side, VenueOrder
from tests.cli.kit import BOUGHT, NOON, STARTED, S, quoting, record, started


class Kept:
    """A sink that keeps what it takes, while it is ready."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.ready = True

    def take(self, lines: deque[bytes]) -> None:
        while lines and self.ready:
            line = lines.popleft()
            assert line.endswith(b"}\n")
            assert line.count(b"\n") == 1
            self.lines.append(json.loads(line))


def told(
    event: e.AnyEvent, *, level: str = "debug", state: State | None = None, **secrets: str
) -> list[dict[str, Any]]:
    sink = Kept()
    log = RunLog(sink, level, [Secret(each) for each in secrets.values()])
    before = quoting() if state is None else state
    log._state = before
    log.observe(before, record(event))
    log.flush()
    return sink.lines


def test_a_line_has_the_journals_time_and_seq() -> None:
    (line,) = told(e.StopRequested("SIGTERM"))
    assert line == {
        "time": "2027-01-15T12:00:01.000Z",
        "level": "info",
        "event": "stop_requested",
        "seq": 2,
        "reason": "SIGTERM",
        "text": "stopping: SIGTERM",
    }


def test_a_fill_is_told_in_the_units_of_its_market() -> None:
    (line,) = told(e.Filled(replace(BOUGHT, deal_id=99)))
    wanted = {
        "event": "filled",
        "market": "BTC_USDT",
        "side": "buy",
        "role": "maker",
        "price": "61790",
        "qty": "0.005",
        "fee": "0.000005",
        "fee_asset": "BTC",
        "deal_id": 99,
    }
    assert wanted.items() <= line.items()


def test_a_deal_that_is_pushed_twice_is_told_once() -> None:
    assert told(e.Filled(BOUGHT)) == []


LEVELS: list[tuple[str, e.AnyEvent, str, dict[str, Any]]] = [
    (
        "risk refused",
        e.Decided((), (e.RiskRefusal("BTC_USDT", "collar", "too far"),)),
        "warning",
        {"event": "risk_refused", "market": "BTC_USDT", "rule": "collar", "reason": "too far"},
    ),
    (
        "a stage raised",
        e.Decided((), (), (StageChange("BTC_USDT", Hold("loss", Stage.STOP, "lost 12 of 10")),)),
        "warning",
        {"event": "stage_changed", "market": "BTC_USDT", "rule": "loss", "stage": "stop"},
    ),
    ("a decision", e.Decided((CancelAll("BTC_USDT"),), ()), "debug", {"intents": ["CancelAll"]}),
    (
        "refused by the venue",
        e.RequestRefused(Refusal(422, 31, "market", "Market is not available")),
        "warning",
        {"http_status": 422, "code": 31, "key": "market"},
    ),
    ("unknown", e.OutcomeUnknown("no answer: ReadError"), "warning", {}),
    ("stalled", e.LoopStalled(S), "warning", {"gap_ns": S}),
    ("stream lost", e.StreamClosed("private", "gone", 7), "warning", {"stream": "private"}),
    ("stream ready", e.StreamReady("private"), "info", {"stream": "private"}),
    ("all cancelled", e.OrdersAllCancelled("BTC_USDT"), "info", {"market": "BTC_USDT"}),
    ("clean end", e.RunEnded(True, "stopped"), "info", {"clean": True}),
    ("unclean end", e.RunEnded(False, "left"), "error", {"clean": False}),
    ("clock", e.ServerTimeReported(5), "debug", {"server_s": 5}),
]


@pytest.mark.parametrize(
    ("event", "level", "fields"), [pytest.param(*case[1:], id=case[0]) for case in LEVELS]
)
def test_level_and_fields(event: e.AnyEvent, level: str, fields: dict[str, Any]) -> None:
    (line,) = told(event)
    assert line["level"] == level
    assert fields.items() <= line.items()
    order = ("debug", "info", "warning", "error")
    for chosen in order:
        shown = order.index(chosen) <= order.index(level)
        assert bool(told(event, level=chosen)) is shown, chosen


def test_an_order_that_is_not_ours_is_a_warning() -> None:
    order = VenueOrder(
        *("BTC_USDT", 900, "by-hand", Side.BUY, 6_000_000, 5_000, 5_000, 0, OrderStatus.OPEN),
        *("OPEN", False, False, "no", 0),
    )
    (line,) = told(e.OrderOpened(order), level="info")
    assert (line["level"], line["event"]) == ("warning", "order_opened")
    assert "not this engine's" in line["text"]
    (line,) = told(e.OpenOrdersListed("BTC_USDT", 0, (order,), True), level="info")
    assert (line["level"], line["market"]) == ("warning", "BTC_USDT")
    assert told(e.OpenOrdersListed("BTC_USDT", 0, (), True), level="info") == []


@pytest.mark.parametrize(
    "event",
    [
        e.BookDelta("BTC_USDT", 2, 1, 0, (), ()),
        e.BestBidOffer("BTC_USDT", 2, 0, 1, 1, 2, 1),
        e.PublicTrades("BTC_USDT", ()),
        e.Fingerprint(b"0"),
        e.PongReceived("private"),
    ],
)
def test_what_comes_by_the_thousand_is_never_told(event: e.AnyEvent) -> None:
    assert told(event, level="debug") == []


def test_the_configuration_of_a_run_stays_in_the_journal() -> None:
    (line,) = told(STARTED, state=started())
    assert (line["event"], line["run_id"], line["mode"]) == ("run_started", "ab12cd", "paper")
    assert "config" not in line


def test_a_gate_is_told_when_it_closes_and_when_it_opens() -> None:
    sink = Kept()
    log = RunLog(sink, "info")
    open_state, tick = quoting(), record(e.TimerFired())
    stale = replace(open_state, now_ns=NOON + 60 * S)
    halted = replace(open_state, halted="the key was refused")
    for state in (open_state, open_state, stale, stale, open_state, halted):
        log.observe(state, tick)
    log.flush()
    found = [(line["level"], line["event"], line.get("gate")) for line in sink.lines]
    assert found == [
        ("info", "quoting", None),
        ("info", "quotes_off", "feed is stale"),
        ("info", "quoting", None),
        ("error", "halted", "the key was refused"),
    ]


def test_a_known_secret_is_blotted_out_and_a_long_text_cut() -> None:
    (line,) = told(e.StreamClosed("private", "token CANARY-1 refused", 0), key="CANARY-1")
    assert line["reason"] == f"token {REDACTED} refused"
    assert REDACTED in line["text"]
    (line,) = told(e.OutcomeUnknown("x" * 1_000))
    assert len(line["reason"]) == TEXT_MAX + 3


def test_a_storm_is_cut_short_and_counted() -> None:
    sink = Kept()
    log = RunLog(sink, "info")
    for number in range(LINES_PER_S_MAX + 50):
        log.note("info", "storm", NOON, number=number)
    log.note("info", "calm", NOON + S)
    log.flush()
    assert len(sink.lines) == LINES_PER_S_MAX + 2
    assert sink.lines[-1]["event"] == "lines_dropped"
    assert sink.lines[-1]["count"] == 50


def test_lines_that_nobody_takes_are_few() -> None:
    sink = Kept()
    sink.ready = False
    log = RunLog(sink, "info")
    for number in range(LINES_MAX + 10):
        log.note("info", "line", NOON + number * S)
        log.flush()
    sink.ready = True
    log.flush()
    assert len(sink.lines) == LINES_MAX


def test_a_file_is_appended_to_and_private(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    for line in (b"one\n", b"two\n"):
        file = SystemFs().open_append(path)
        FileSink(file).take(deque([line]))
        file.close()
    assert path.read_text() == "one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_is_full_loses_lines_and_nothing_else() -> None:
    file = SystemFs().open_append(Path("/dev/full"))
    lines = deque([b"one\n"])
    FileSink(file).take(lines)
    file.close()
    assert not lines


def test_a_pipe_that_nobody_reads_keeps_nobody_waiting() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as stream, os.fdopen(read_end, "rb") as reader:
        lines = deque([b"x" * 1_000 + b"\n"] * 200)
        StreamSink(stream).take(lines)
        assert 0 < len(lines) < 200
        written = 200 - len(lines)
        assert len(reader.read(written * 1_001)) == written * 1_001
        StreamSink(stream).take(lines)
        assert len(lines) < 200 - written


def test_a_reader_that_went_away_ends_the_log_only() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = os.fdopen(write_end, "wb", buffering=0)
    lines = deque([b"one\n", b"two\n"])
    StreamSink(stream).take(lines)
    assert not lines
    stream.close()


def test_amounts_are_exact() -> None:
    (line,) = told(e.FeesListed("BTC_USDT", Decimal("0.001"), Decimal("0.0010"), Decimal(0)))
    assert (line["maker_fee_rate"], line["taker_fee_rate"]) == ("0.001", "0.0010")
