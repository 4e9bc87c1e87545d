"""What held the quotes of one journal back, and when: gates, holds, refusals."""

from __future__ import annotations

from typing import Any

from engine import events as e
from engine.gates import closed_gate
from engine.intents import ModifyOrder, PlaceOrders
from engine.operator import RULE
from engine.stages import FLATTEN, STOP, WIDEN, Hold, is_off
from engine.state import MarketState, State
from engine.types import BUY, SELL, Refusal, Side
from replay.parity.causes import Cause, Restraint

REFUSED_NS = 1_000_000_000
"""A refusal explains for so long why nothing stands."""
NEVER = 1 << 62
SPANS_KEPT = 64
"""Of a side, before those that are long over are forgotten."""
Span = tuple[int, int, Restraint]


class Restraints:
    """Follows one journal; spans are kept as long as `forget` lets them."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, Side], list[Span]] = {}
        self._now: dict[tuple[str, Side], tuple[int, Restraint]] = {}

    def decided(self, state: State, record: e.Record, event: e.Decided, quoted: set[str]) -> None:
        """Look at what a decision was made under.

        Args:
            state: Before it.
            record: The decision.
            event: The same.
            quoted: Markets in which the run has had an order resting.
        """
        now_ns = record.recv_ns
        for name, market in state.markets.items():
            gate = closed_gate(state, market)
            for side in (BUY, SELL):
                found = _restraint(state, market, side, gate, is_new=name not in quoted)
                self._turn((name, side), found, now_ns)
        for refused in event.refusals:
            words = f"{refused.rule}: {refused.reason}"
            for side in (BUY, SELL):
                self._refused(refused.market, side, words, now_ns)

    def answered(self, state: State, record: e.Record, event: Any) -> None:
        """Take note of what the venue refuses; `state` is that before the answer."""
        request = state.requests.get(record.cause_seq)
        intent = None if request is None else request.intent
        if isinstance(intent, PlaceOrders):
            refusals: list[Refusal | None] = []
            if isinstance(event, e.OrdersPlaced):
                refusals = [result.refusal for result in event.results]
            elif isinstance(event, e.RequestRefused):
                refusals = [event.refusal] * len(intent.orders)
            for new, refusal in zip(intent.orders, refusals, strict=False):
                if refusal is not None:
                    words = f"by the venue: {refusal.text}"
                    self._refused(intent.market, new.side, words, record.recv_ns)
        elif isinstance(intent, ModifyOrder) and isinstance(event, e.RequestRefused):
            order = state.markets[intent.market].order(intent.client_order_id)
            if order is not None:
                words = f"by the venue: {event.refusal.text}"
                self._refused(intent.market, order.side, words, record.recv_ns)

    def within(self, market: str, side: Side, since_ns: int, at_ns: int) -> Restraint | None:
        """Return the last restraint of a side that lay between two times; None without one."""
        key = (market, side)
        now = self._now.get(key)
        if now is not None and now[0] <= at_ns:
            return now[1]
        for from_ns, until_ns, restraint in reversed(self._spans.get(key, [])):
            if from_ns <= at_ns and until_ns >= since_ns:
                return restraint
        return None

    def forget(self, before_ns: int) -> None:
        """Drop what was over before a time, where there is much."""
        for key, spans in self._spans.items():
            if len(spans) > SPANS_KEPT:
                self._spans[key] = [span for span in spans if span[1] >= before_ns]

    def _turn(self, key: tuple[str, Side], found: Restraint | None, now_ns: int) -> None:
        before = self._now.get(key)
        if before is not None and (found is None or found.cause is not before[1].cause):
            self._spans.setdefault(key, []).append((before[0], now_ns, before[1]))
            del self._now[key]
            before = None
        if found is not None and before is None:
            self._now[key] = (now_ns, found)

    def _refused(self, market: str, side: Side, words: str, now_ns: int) -> None:
        span = now_ns, now_ns + REFUSED_NS, Restraint(Cause.RISK, f"refused {words}")
        self._spans.setdefault((market, side), []).append(span)


def _restraint(
    state: State, market: MarketState, side: Side, gate: str, *, is_new: bool
) -> Restraint | None:
    # Why a side may not be quoted at all.
    if gate:
        if state.stopping_ns:
            return Restraint(Cause.SPAN, gate)
        if state.latched or state.mode == "observe":
            return Restraint(Cause.OPERATOR, gate)
        if state.halted or market.halted:
            return Restraint(Cause.RISK, gate)
        return Restraint(Cause.SPAN if is_new else Cause.LINK, gate)
    for hold in market.holds:
        if hold.stage >= STOP or is_off((hold,), side, market.position):
            return _held(hold)
    return None


def bent(market: MarketState) -> Restraint | None:
    """Return what has a market quoted at other prices than its strategy wants; None for nothing."""
    for hold in market.holds:
        if hold.stage in (WIDEN, STOP, FLATTEN):
            return _held(hold)
    return None


def _held(hold: Hold) -> Restraint:
    cause = Cause.OPERATOR if hold.rule == RULE else Cause.RISK
    return Restraint(cause, f"{hold.rule}: {hold.reason}")
