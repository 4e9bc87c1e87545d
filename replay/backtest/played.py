"""What a backtest came to."""

from __future__ import annotations

import msgspec

from engine import events as e
from engine.state import State


class Played(msgspec.Struct):
    """What a backtest came to."""

    ended: e.RunEnded
    state: State
    fingerprint: bytes
    started_ns: int
    ended_ns: int
    moves: int = 0
    """What others did: rows of the recordings."""
    events: int = 0
    """Records that are no decision, request or fingerprint."""
    decisions: int = 0
    requests: int = 0
    refused: int = 0
    """Requests, or orders of one, that the venue refused."""


def refused(event: e.AnyEvent) -> int:
    """Count what an answer refuses: a request, or orders of one."""
    if isinstance(event, e.OrdersPlaced):
        return len([result for result in event.results if result.refusal is not None])
    return int(isinstance(event, e.RequestRefused | e.RequestThrottled))
