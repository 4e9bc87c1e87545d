"""The WebSocket streams as the state holds them: back-off and pings are functions of events."""

from __future__ import annotations

from enum import StrEnum

import msgspec

PRIVATE = "private"
"""Name of the account's stream; a public stream is named after its market."""


class LinkStatus(StrEnum):
    CLOSED = "closed"
    OPENING = "opening"
    READY = "ready"


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One WebSocket stream; back-off and pings are functions of events (contract 11.1, 11.6)."""

    status: LinkStatus = LinkStatus.CLOSED
    attempts: int = 0
    """Failed or lost connections since it was last ready."""
    retry_at_ns: int = 0
    opened_ns: int = 0
    """When opening began; 0 once something said that it cannot succeed."""
    ping_sent_ns: int = 0
    pong_ns: int = 0
    closing: bool = False
    """We asked for it to be closed."""
