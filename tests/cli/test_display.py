"""The display over time: what it writes where, and that it never keeps the loop."""

from __future__ import annotations

import fcntl
import io
import os

import pytest
from msgspec.structs import replace
from rich.console import Console

from adapters.cli.display import Display
from engine import events as e
from engine.state import State
from engine.types import Side
from tests.cli.kit import BOUGHT, NOON, STARTED, S, order, quoting, record, started


def _plain() -> tuple[Display, io.StringIO]:
    file = io.StringIO()
    return Display(console=Console(file=file, force_terminal=False)), file


def test_plain_lines_tell_news_at_once_and_the_state_each_five_seconds() -> None:
    display, file = _plain()
    display.observe(started(), e.Record(1, NOON, 0, STARTED))
    display.refresh(NOON)
    quotes = quoting(order(Side.BUY, 6_179_310))
    display.observe(quotes, record(e.Filled(BOUGHT)))
    display.refresh(NOON + 1 * S)
    display.refresh(NOON + 4 * S)
    display.refresh(NOON + 5 * S)
    assert file.getvalue().splitlines() == [
        "12:00:00 run ab12cd started, paper: BTC_USDT",
        "12:00:00 BTC_USDT no quotes: no book",
        "12:00:00 BTC_USDT  market - / -  own - / -  position not known  P&L 0.0000 USDT  "
        "fills 0  kill-switch not armed  no quotes: no book",
        "12:00:01 BTC_USDT bought 0.005 BTC at 61790.00 as maker, fee 0.000005 BTC",
        "12:00:01 BTC_USDT quoting",
        "12:00:05 BTC_USDT  market 61800.00 / 61801.00  own 61793.10 / -  "
        "position +0.002995 BTC of 0.5  P&L -0.3611 USDT  fills 2  kill-switch 17.0s",
    ]


def test_what_repeats_is_written_once_and_then_how_often() -> None:
    """Two deals alike in a row are two deals, also in a log of plain lines."""
    display, file = _plain()
    display.observe(quoting(), record(STARTED, seq=1))
    with display:
        for deal_id in (11, 12):
            display.observe(quoting(), record(e.Filled(replace(BOUGHT, deal_id=deal_id))))
        for _ in range(3):
            display.observe(quoting(), record(e.LoopStalled(S)))
    lines = [line.partition(" ")[2] for line in file.getvalue().splitlines()]
    dealt = "BTC_USDT bought 0.005 BTC at 61790.00 as maker, fee 0.000005 BTC"
    stalled = "the loop stalled for 1.0s"
    assert lines[1:5] == [dealt, f"{dealt} (x2)", stalled, f"{stalled} (x3)"]


def test_terminal_is_refreshed_in_place_and_counts_what_repeats() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24)
    with Display(console=console) as display:
        for _ in range(3):
            display.observe(started(), record(e.LoopStalled(S)))
        display.refresh(NOON + S)
    shown = file.getvalue()
    assert "the loop stalled for 1.0s (x3)" in shown
    assert "\x1b[2K" in shown, "no line was erased to be drawn again"
    assert shown.endswith("\x1b[?25h"), "the cursor stays hidden"


def test_disabled_display_writes_nothing() -> None:
    file = io.StringIO()
    with Display(enabled=False, console=Console(file=file, force_terminal=True)) as display:
        display.observe(started(), record(e.LoopStalled(S)))
        display.refresh(NOON + S)
    assert file.getvalue() == ""


def test_display_of_a_run_that_never_began_writes_nothing() -> None:
    file = io.StringIO()
    with Display(console=Console(file=file, force_terminal=True)):
        pass
    assert file.getvalue() == ""


@pytest.fixture(name="pipe")
def _pipe() -> tuple[int, int]:
    # The smallest pipe there is, so that it is soon full.
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    return read_end, write_end


def _stall(display: Display, number: int) -> None:
    display.observe(State(), record(e.LoopStalled(number * S)))
    display.refresh(NOON + number)


def test_full_pipe_does_not_keep_the_loop(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    with open(write_end, "w") as file, open(read_end) as reader:
        display = Display(console=Console(file=file))
        # Three times what the pipe holds: a write that waited would never come back.
        for number in range(1, 400):
            _stall(display, number)
        os.set_blocking(read_end, False)
        first = reader.read()
        assert first.startswith("12:00:01 the loop stalled for 1.0s\n")
        assert "for 399.0s" not in first
        display.refresh(NOON + 400)
        assert reader.read().startswith(f"12:00:01 the loop stalled for {first.count(chr(10)) + 1}")


def test_reader_that_went_away_ends_the_display_only(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    os.close(read_end)
    with open(write_end, "w") as file:
        display = Display(console=Console(file=file))
        _stall(display, 1)
        _stall(display, 2)
        # What Python still holds for the pipe has nowhere to go.
        with pytest.raises(BrokenPipeError):
            file.flush()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), write_end)
