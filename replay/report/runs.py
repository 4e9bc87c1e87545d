"""What the report says of each run: when, how it ended, versions, markets, parameters."""

from __future__ import annotations

from collections import deque
from typing import Any

from engine import events as e
from engine.state import State
from engine.types import Quoted
from replay.backtest.made import MODE, backtest_on, made_by

FIRST, NEWEST = 10, 40
"""Runs that are told of; all are counted."""


class Runs:
    """Every run that touches the window."""

    def __init__(self, start: State, now_ns: int) -> None:
        """Begin at a state: one that lies in a run tells of that as far as it can."""
        self.count = 0
        self.modes: dict[str, None] = {}
        self.backtests: dict[str, None] = {}
        """How each was made, in words."""
        self._first: list[dict[str, Any]] = []
        self._newest: deque[dict[str, Any]] = deque(maxlen=NEWEST)
        if start.run_id:
            quoted = tuple(market.quoted for market in start.markets.values())
            self._add(start.run_id, start.mode, now_ns, start.seq + 1, quoted)
            self._last["versions"] = None
            if start.mode == MODE:
                self.backtests[backtest_on(None)] = None

    def _add(
        self, run_id: str, mode: str, at_ns: int, seq: int, quoted: tuple[Quoted, ...]
    ) -> None:
        self.count += 1
        self.modes[mode] = None
        self._last: dict[str, Any] = {
            "run_id": run_id,
            "mode": mode,
            "from_ns": at_ns,
            "until_ns": at_ns,
            "from_seq": seq,
            "until_seq": seq,
            "clean": None,
            "reason": None,
            "versions": {},
            "markets": [
                {
                    "market": each.market.name,
                    "product": each.market.product.value,
                    "strategy": each.strategy,
                    "parameters": each.parameters,
                    "uptime_bps": each.uptime_bps,
                }
                for each in quoted
            ],
        }
        if len(self._first) < FIRST:
            self._first.append(self._last)
        else:
            self._newest.append(self._last)

    def started(self, record: e.Record, event: e.RunStarted) -> None:
        """A run begins."""
        self._add(event.run_id, event.mode, record.recv_ns, record.seq, event.quoted)
        self._last["versions"] = dict(event.versions)
        if event.mode == MODE:
            self.backtests[backtest_on(made_by(event))] = None

    def ended(self, record: e.Record, event: e.RunEnded) -> None:
        """A run ends in order."""
        if self.count:
            self._last |= {"clean": event.clean, "reason": event.reason}

    def seen(self, record: e.Record) -> None:
        """The last record so far."""
        if self.count:
            self._last |= {"until_ns": record.recv_ns, "until_seq": record.seq}

    def rows(self) -> list[dict[str, Any]]:
        """Return those that are told of, oldest first."""
        return [*self._first, *self._newest]
