"""Parts of a market's state that say what becomes of its orders when we stop, or are stopped."""

from __future__ import annotations

import msgspec


class KillSwitch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The venue's timer that cancels everything when we stop refreshing it (contract 10.8)."""

    armed_until_ns: int = 0
    """Earliest moment at which the venue may fire; 0 when not armed."""
    refreshed_ns: int = 0
    """When the last refresh that was answered had been sent."""
    request_seq: int = 0
    """Arm or disarm request in flight; 0 for none."""
    retry_at_ns: int = 0
    escalate_at_ns: int = 0
    """From here on too little of it is left: no quotes, and everything is cancelled while the
    timer still runs; 0 when not armed."""
    expiry_s: int = 0
    """When the venue said that it fires, its own Unix seconds."""
    answered_seq: int = 0
    """Record of the last answer to arming; 0 when not armed."""


class Shutdown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far cancelling everything of a market has come (DESIGN "Safety").

    A stop begins it anew; before, a kill-switch that cannot be refreshed may have used it.
    """

    cancel_request_seq: int = 0
    cancelled_seq: int = 0
    """Record that confirmed the cancel-all; 0 before."""
    retry_at_ns: int = 0
    disarmed: bool = False
