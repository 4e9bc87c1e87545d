"""One pass over a journal that counts everything the report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from engine import events as e
from engine.money import format_units
from engine.reduce import HANDLERS
from engine.state import State
from replay.fill_rows import plain
from replay.fill_totals import Wanted
from replay.report.fills import Fills
from replay.report.money import Money
from replay.report.quoting import Quoting, order_rows
from replay.report.runs import Runs
from replay.report.trouble import Rule, Trouble
from replay.tracer import Tracer
from replay.trails import HORIZONS_NS

Handler = Callable[[State, e.Record, Any, State], None]

_OWN = (e.Decided, e.RequestSent, e.Fingerprint)
_AFTER_NS = HORIZONS_NS[-1] + 1_000_000_000
"""The window's last fills wait so long for their last markout."""


class Window(msgspec.Struct, frozen=True):
    """What of a journal is reported on; 0 for no bound, and all bounds are inclusive."""

    since_seq: int = 0
    since_ns: int = 0
    until_seq: int = 0
    until_ns: int = 0


class Report:
    """What was counted; whole once `fold` has come to its end.

    Attributes:
        state: After the last record of the window.
        foreign: Deals of the account in the window that are not this engine's, by market.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.state = State()
        self.records = self.events = self.decisions = self.intents = 0
        self.first: e.Record | None = None
        self.last: e.Record | None = None
        self.fills = Fills()
        self.tracer = Tracer()
        self.foreign: Counter[str] = Counter()
        self._strangers: Counter[str] = Counter()
        self.money = Money(State())
        self.quoting = Quoting(State())
        self.trouble = Trouble(State(), 0)
        self.runs = Runs(State(), 0)
        self._handlers: dict[type, tuple[Handler, ...]] = {}
        self._wanted = Wanted(
            since_seq=window.since_seq,
            since_ns=window.since_ns,
            until_seq=window.until_seq,
            until_ns=window.until_ns,
        )

    def fold(self, records: Iterable[e.Record], start: State) -> None:
        """Count a journal.

        Args:
            records: From its first record on, or from the one after `start`.
            start: The state before them.
        """
        state, over = start, False
        trace, finished, wanted = self.tracer.observe, self.tracer.finished, self._wanted
        for record in records:
            before = state
            state = HANDLERS[type(record.event)](before, record, record.event)
            over = over or self._is_past(record)
            if self.first is None and not over and self._has_begun(record):
                self._open(before, record)
            trace(before, record, state)
            while finished:
                trail = finished.popleft()
                if wanted.has(trail):
                    self.fills.add(trail)
            if not over:
                if self.first is not None:
                    self._observe(before, record, state)
            elif record.recv_ns > self._closed_ns + _AFTER_NS:
                break
        self.tracer.end()
        for trail in finished:
            if wanted.has(trail):
                self.fills.add(trail)
        finished.clear()
        self._close()

    def _has_begun(self, record: e.Record) -> bool:
        window = self.window
        return record.seq >= window.since_seq and record.recv_ns >= window.since_ns

    def _is_past(self, record: e.Record) -> bool:
        window = self.window
        return bool(
            (window.until_seq and record.seq > window.until_seq)
            or (window.until_ns and record.recv_ns > window.until_ns)
        )

    @property
    def _closed_ns(self) -> int:
        return 0 if self.last is None else self.last.recv_ns

    def _open(self, before: State, record: e.Record) -> None:
        self.first, self.state = record, before
        self._strangers = Counter(self.tracer.strangers)
        self.money, self.quoting = Money(before), Quoting(before)
        self.trouble = Trouble(before, record.recv_ns)
        self.runs = Runs(
            State() if isinstance(record.event, e.RunStarted) else before, record.recv_ns
        )
        handlers: dict[type, list[Handler]] = {}
        money = dict.fromkeys((e.TimerFired, e.Filled, e.FillsListed, e.RunStarted), self._money)
        own: dict[type, Handler] = {
            e.RunStarted: self._run_started,
            e.RunEnded: self._run_ended,
            e.Filled: self._dealt,
            e.FillsListed: self._dealt,
        }
        for table in (own, self.quoting.handlers, self.trouble.handlers, money):
            for kind, handler in table.items():
                handlers.setdefault(kind, []).append(handler)
        self._handlers = {kind: tuple(found) for kind, found in handlers.items()}

    def _observe(self, before: State, record: e.Record, after: State) -> None:
        event = record.event
        kind = type(event)
        for handler in self._handlers.get(kind, ()):
            handler(before, record, event, after)
        if record.cause_seq and kind not in _OWN:
            self.quoting.answered(before, record, event)
        if after.anomalies > before.anomalies:
            self.trouble.noted(before, record, after)
        self.records += 1
        if kind not in _OWN:
            self.events += 1
        elif isinstance(event, e.Decided):
            self.decisions += 1
            self.intents += len(event.intents)
        self.last, self.state = record, after

    def _money(self, before: State, record: e.Record, event: Any, after: State) -> None:
        self.money.observe(before, record, after)

    def _dealt(self, before: State, record: e.Record, event: Any, after: State) -> None:
        self.foreign = self.tracer.strangers - self._strangers

    def _run_started(self, before: State, record: e.Record, event: Any, after: State) -> None:
        if self.last is not None:
            self.runs.seen(self.last)
        self.runs.started(record, event)

    def _run_ended(self, before: State, record: e.Record, event: Any, after: State) -> None:
        self.runs.ended(record, event)

    def _close(self) -> None:
        if self.last is not None:
            self.money.end(self.last, self.state)
            self.trouble.end(self.state)
            self.runs.seen(self.last)

    # --- figures ------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """Return every figure of the report by name; money as exact decimal strings."""
        first, last, fills = self.first, self.last, self.fills
        return {
            "window": {
                "from_seq": 0 if first is None else first.seq,
                "until_seq": 0 if last is None else last.seq,
                "from_ns": 0 if first is None else first.recv_ns,
                "until_ns": 0 if last is None else last.recv_ns,
            },
            "simulated": bool(self.runs.modes) and "live" not in self.runs.modes,
            "modes": list(self.runs.modes),
            "backtests": list(self.runs.backtests),
            "records": self.records,
            "events": self.events,
            "decisions": self.decisions,
            "intents": self.intents,
            "fills": fills.count,
            "maker_fills": fills.makers,
            "late_fills": fills.late,
            "foreign_fills": dict(self.foreign),
            "notional": {asset: plain(sum_) for asset, sum_ in sorted(fills.notional.items())},
            "pnl": self.money.figures(),
            "fees": fills.fee_rows(),
            "uptime": self.quoting.uptime(),
            "orders": order_rows(self.quoting.orders, fills.sums),
            "markouts": fills.markouts(),
            "worst": fills.worst(),
            "latency": fills.latency(),
            "requests": self.quoting.request_rows(),
            "risk": self._risk(),
            "streams": self.trouble.stream_rows(),
            "incidents": {
                "counts": dict(sorted(self.trouble.counts.items())),
                "listed": self.trouble.incidents,
                "stalled_ns": self.trouble.stalled_ns,
            },
            "runs": {"count": self.runs.count, "listed": self.runs.rows()},
            "parameter_sets": self.tracer.parameters,
        }

    def _risk(self) -> dict[str, Any]:
        trouble, quoting = self.trouble, self.quoting
        return {
            "refusals": [
                {"market": market, "rule": rule, "key": key, **_rule(found)}
                for (market, rule, key), found in sorted(trouble.refusals.items())
            ],
            "venue_refusals": [
                {
                    "market": market,
                    "kind": kind,
                    "count": count,
                    "last": quoting.refused_last[market, kind],
                }
                for (market, kind), count in sorted(quoting.refused.items())
            ],
            "stages": [
                {"market": market, "rule": rule, "stage": stage, **_rule(found)}
                for (market, rule, stage), found in sorted(trouble.stages.items())
            ],
            "stage_s": [
                {"market": market, "stage": stage, "seconds": format_units(time_ns, 9)}
                for (market, stage), time_ns in sorted(trouble.stage_ns.items())
                if time_ns
            ],
        }


def _rule(rule: Rule) -> dict[str, Any]:
    return {"count": rule.count, "last_ns": rule.last_ns, "last": rule.last}
