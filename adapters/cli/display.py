"""What a person sees while a run goes on: a screen in place, or plain lines where none is.

It never keeps the loop: nothing is written while the reader of our output is not ready for it (a
stopped terminal, a full pipe), and a reader that went away only ends the display.
"""

from __future__ import annotations

import select
from collections import deque
from enum import Enum
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.live import Live

from adapters.cli.describe import describe
from adapters.cli.durations import NS_PER_S
from adapters.cli.figures import time_of_day
from adapters.cli.screen import gates, screen, status_line
from engine.events import Record, RequestSent
from engine.state import State

STATUS_EVERY_NS = 5 * NS_PER_S
"""Plain output repeats the state of each market this often."""

NEWS_MAX = 50
"""Lines of news kept for the screen: more than the tallest terminals show beside two markets."""

PLAIN_MAX = 2_000
"""Plain lines kept while nobody reads them; the oldest go first."""


class Mode(Enum):
    SCREEN = "screen"
    PLAIN = "plain"
    OFF = "off"


class Display:
    """Follows a run record by record, and shows it when told to."""

    def __init__(self, *, enabled: bool = True, console: Console | None = None) -> None:
        """Choose how to show the run.

        Args:
            enabled: False shows nothing at all.
            console: Where to; standard output by default.
        """
        self._console = console or Console()
        self._mode = Mode.OFF
        if enabled:
            fancy = self._console.is_terminal and not self._console.is_dumb_terminal
            self._mode = Mode.SCREEN if fancy else Mode.PLAIN
        self._state = State()
        self._requests = 0
        self._started_ns = 0
        self._news: deque[str] = deque(maxlen=NEWS_MAX)
        self._last_news = ("", 0)
        self._lines: deque[str] = deque(maxlen=PLAIN_MAX)
        self._status_due_ns = 0
        self._gates: dict[str, str] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the last state and leave the terminal as it was."""
        self._tell_repeated()
        if self._state.seq:
            self.refresh(self._state.now_ns)
        if self._live is not None and self._mode is Mode.SCREEN:
            self._live.stop()

    def observe(self, state: State, record: Record) -> None:
        """Take note of a record; called for each one, right after it was folded."""
        if self._mode is Mode.OFF:
            return
        before, self._state = self._state, state
        self._started_ns = self._started_ns or record.recv_ns
        if type(record.event) is RequestSent:
            self._requests += 1
            return
        words = describe(record, before)
        if words is not None:
            self._tell(record.recv_ns, words)

    def refresh(self, now_ns: int) -> None:
        """Bring what is shown up to date, unless that would have to wait for the reader."""
        if self._mode is Mode.OFF:
            return
        self._tell_gates(now_ns)
        try:
            if self._mode is Mode.SCREEN:
                self._draw(now_ns)
            else:
                self._write(now_ns)
        except OSError:
            # Nobody reads any more: the run goes on, and its journal holds everything.
            self._mode = Mode.OFF

    def _tell(self, at_ns: int, words: str) -> None:
        text, times = self._last_news
        if words == text:
            # What repeats stays one line on the screen and is counted.
            self._last_news = (text, times + 1)
            self._news[-1] = f"{time_of_day(at_ns)} {words} (x{times + 1})"
            return
        self._tell_repeated()
        self._last_news = (words, 1)
        line = f"{time_of_day(at_ns)} {words}"
        self._news.append(line)
        self._lines.append(line)

    def _tell_repeated(self) -> None:
        # A plain line cannot be written over: how often it came is told once it is over.
        if self._last_news[1] > 1:
            self._lines.append(self._news[-1])

    def _tell_gates(self, now_ns: int) -> None:
        for name, gate in gates(self._state):
            # Stopping has a line of its own.
            if self._gates.get(name) != gate and not self._state.stopping_ns:
                self._gates[name] = gate
                words = f"no quotes: {gate}" if gate else "quoting"
                self._tell(now_ns, f"{name} {words}")

    def _draw(self, now_ns: int) -> None:
        if not _is_ready(self._console.file):
            return
        height = self._console.height
        text = screen(
            self._state, now_ns, self._started_ns, self._requests, list(self._news), height
        )
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(text, refresh=True)

    def _write(self, now_ns: int) -> None:
        if now_ns >= self._status_due_ns and self._state.markets:
            self._status_due_ns = now_ns + STATUS_EVERY_NS
            for market in self._state.markets.values():
                line = status_line(self._state, market, now_ns)
                self._lines.append(f"{time_of_day(now_ns)} {line}")
        file = self._console.file
        while self._lines and _is_ready(file):
            # Line by line: a pipe that is ready has room for one of these, not for any number.
            file.write(self._lines.popleft() + "\n")
            file.flush()


def _is_ready(file: IO[str]) -> bool:
    try:
        descriptor = file.fileno()
    except (OSError, ValueError):
        # Kept in memory, as in a test: always ready.
        return True
    return bool(select.select([], [descriptor], [], 0)[1])
