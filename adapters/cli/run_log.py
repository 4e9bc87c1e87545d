"""The log of a run: one JSON object a line for what a person may be woken for.

It says nothing that the journal does not hold, and stamps lines with the journal's own times. Lines
wait in memory and are written between turns of the loop, so no slow disk or reader holds it up.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import structlog

from adapters.cli.describe import describe
from adapters.cli.log_sinks import Sink
from adapters.ports import NS_PER_S
from adapters.whitebit.signing import Secret
from engine import events as e
from engine.gates import closed_gate
from engine.money import format_units
from engine.state import State

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LINES_MAX = 10_000
"""Lines kept while nobody takes them; the oldest go first, and how many is told."""
LINES_PER_S_MAX = 200
"""More than this in a second of the run is a storm, whose lines tell nothing new."""
TEXT_MAX = 400
"""Characters of a text; a line then fits one write to a pipe, which is never torn."""
REDACTED = "[redacted]"

_CAPITAL = re.compile(r"(?<!^)([A-Z])")
_SCALARS = (str, int, bool, Decimal)

_NEVER: frozenset[type] = frozenset(
    {
        *(e.BookSnapshot, e.BookDelta, e.BestBidOffer, e.PublicTrades, e.MarkPrice),
        *(e.Fingerprint, e.PongReceived),
    }
)
_IF_DESCRIBED: frozenset[type] = frozenset({e.OrdersPlaced, e.OrderOpened, e.OpenOrdersListed})
"""Worth a warning when there is something to say of them, such as a foreign order."""
_DEBUG: frozenset[type] = frozenset(
    {
        *(e.OrderUpdated, e.OrderClosed, e.OrderModified, e.OrderCancelled),
        *(e.SpotBalancesChanged, e.MarginBalancesChanged, e.PositionsReported, e.RequestSent),
        *(e.FillsListed, e.SpotBalancesListed, e.MarginBalancesListed),
        *(e.PositionsListed, e.FeesListed, e.KillSwitchesListed, e.KillSwitchArmed),
        *(e.FundingListed, e.ServerTimeReported, e.MarketsListed),
        *(e.StreamOpened, e.StreamAuthorised, e.StreamSubscribed),
    }
)
_WARNING: frozenset[type] = frozenset(
    {
        *(e.RequestRefused, e.RequestThrottled, e.OutcomeUnknown, e.StreamClosed),
        *(e.FrameRefused, e.LoopStalled, e.TailCut, e.RequestWithheld, e.PlacingForbidden),
        e.ChoreFailed,
    }
)
"""What stands in none of these is told at `info`: an event that is new is not passed over."""

Line = tuple[str, str, dict[str, Any]]
"""Level, name of what happened, fields."""


class RunLog:
    """Writes what happens; `observe` is an observer of the sequencer."""

    def __init__(self, sink: Sink, level: str, secrets: Iterable[Secret] = ()) -> None:
        """Log to a sink.

        Args:
            sink: Takes finished lines.
            level: The lowest that is told, one of `LEVELS`.
            secrets: Texts that are blotted out wherever one should come up.
        """
        self._sink = sink
        self._level = LEVELS[level]
        # Most records end here: those of market data, and of what nobody asked to see.
        self._tells_decisions = level == "debug"
        self._silent = _NEVER if self._tells_decisions else _NEVER | _DEBUG
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._second, self._told = 0, 0
        self._state = State()
        self._gates: dict[str, str] = {}
        self._logger = structlog.wrap_logger(
            _Queue(self._lines),
            processors=[
                structlog.processors.add_log_level,
                _Redactor(secrets),
                structlog.processors.JSONRenderer(serializer=_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(self._level),
            cache_logger_on_first_use=True,
        )

    def observe(self, state: State, record: e.Record) -> None:
        """Note what a record says, right after it was folded into `state`."""
        before, self._state = self._state, state
        kind = type(record.event)
        if kind in self._silent:
            return
        if kind is e.Decided and not self._tells_decisions:
            decided = record.event
            assert isinstance(decided, e.Decided)
            if not decided.refusals and not decided.stages:
                return
        if kind is e.TimerFired:
            lines = self._gate_lines(state)
        else:
            lines = lines_of(record, before)
        for level, name, fields in lines:
            self.note(level, name, record.recv_ns, seq=record.seq, **fields)

    def note(self, level: str, name: str, at_ns: int, **fields: Any) -> None:
        """Note something at a moment, nanoseconds since the Unix epoch."""
        if LEVELS[level] < self._level:
            return
        second = at_ns // NS_PER_S
        if second != self._second:
            self._second, self._told = second, 0
        self._told += 1
        if self._told > LINES_PER_S_MAX or len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        getattr(self._logger, level)(name, time=_time(at_ns), **fields)

    def flush(self) -> None:
        """Hand over what waits, as far as that needs no waiting."""
        if self._dropped and self._told < LINES_PER_S_MAX and len(self._lines) < LINES_MAX:
            dropped, self._dropped = self._dropped, 0
            self.note("warning", "lines_dropped", self._state.now_ns, count=dropped)
        self._sink.take(self._lines)

    def _gate_lines(self, state: State) -> Iterator[Line]:
        for name, market in state.markets.items():
            gate = closed_gate(state, market)
            if gate == self._gates.get(name) or state.stopping_ns:
                continue
            self._gates[name] = gate
            if not gate:
                yield "info", "quoting", {"market": name}
            elif state.halted or market.halted:
                yield "error", "halted", {"market": name, "gate": gate}
            else:
                yield "info", "quotes_off", {"market": name, "gate": gate}


class _Queue:
    # What structlog writes to.
    def __init__(self, lines: deque[bytes]) -> None:
        self._lines = lines

    def msg(self, line: str) -> None:
        self._lines.append(line.encode() + b"\n")

    debug = info = warning = error = msg


class _Redactor:
    """Blots out known secrets, and cuts what is long; the last thing before a line is written."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._texts = [each.reveal() for each in secrets if each.reveal()]

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {key: self._clean(value) for key, value in line.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, list | tuple):
            return [self._clean(each) for each in value]
        text = str(value)
        for secret in self._texts:
            text = text.replace(secret, REDACTED)
        return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "..."


def _json(line: Any, **_options: Any) -> str:
    return msgspec.json.encode(line).decode()


def _time(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    whole = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest_ns // 1_000_000:03}Z"


def lines_of(record: e.Record, before: State) -> Iterator[Line]:
    """Yield what a record is worth saying.

    Args:
        record: What the journal took.
        before: The state that it was folded into.
    """
    event = record.event
    if isinstance(event, e.Decided):
        yield from _decided(event)
    elif isinstance(event, e.Filled):
        yield from _filled(event, before)
    else:
        text = describe(record, before)
        fields = _scalars(event)
        if isinstance(event, e.RequestRefused):
            fields |= _scalars(event.refusal)
        if text is not None:
            fields["text"] = text
        yield _level(event, text), _CAPITAL.sub(r"_\1", type(event).__name__).lower(), fields


def _level(event: e.AnyEvent, text: str | None) -> str:
    kind = type(event)
    if kind in _IF_DESCRIBED:
        return "debug" if text is None else "warning"
    if kind in _DEBUG:
        return "debug"
    if isinstance(event, e.RunEnded) and not event.clean:
        return "error"
    return "warning" if kind in _WARNING else "info"


def _decided(event: e.Decided) -> Iterator[Line]:
    if event.intents:
        yield "debug", "decided", {"intents": [type(each).__name__ for each in event.intents]}
    for refusal in event.refusals:
        yield "warning", "risk_refused", _scalars(refusal)
    for change in event.stages:
        hold = change.hold
        stage = hold.stage.name.lower()
        fields = _scalars(hold) | {"market": change.market, "stage": stage}
        yield "warning", "stage_changed", fields


def _filled(event: e.Filled, before: State) -> Iterator[Line]:
    fill = event.fill
    market = before.markets.get(fill.market)
    if market is None or market.inventory.knows(fill.deal_id):
        return
    spec = market.quoted.market
    fields = {
        "market": fill.market,
        "side": fill.side.name.lower(),
        "role": fill.role.name.lower(),
        "price": format_units(fill.price, spec.price_decimals),
        "qty": format_units(fill.qty, spec.qty_decimals),
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "deal_id": fill.deal_id,
        "client_order_id": fill.client_order_id,
    }
    yield "info", "filled", fields


def _scalars(struct: msgspec.Struct) -> dict[str, Any]:
    # Whatever an event says in plain words and numbers; its lists stay in the journal.
    found = {name: getattr(struct, name) for name in struct.__struct_fields__ if name != "config"}
    return {name: value for name, value in found.items() if isinstance(value, _SCALARS)}
