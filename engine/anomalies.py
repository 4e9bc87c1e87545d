"""Facts that cannot be, as far as we know: counted, told, and never acted upon."""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import AnyEvent, Record
from engine.state import State


def unexpected(state: State, record: Record, event: AnyEvent) -> State:
    """Note an answer of a kind that its request cannot have."""
    return replace(
        state,
        anomalies=state.anomalies + 1,
        last_anomaly=f"seq {record.seq}: {type(event).__name__} answers another kind of request",
    )
