"""The venue's clock: the real one plus an offset that an admin command may step."""

from __future__ import annotations

from adapters.ports import Clock


class VenueClock:
    """Wall time as the venue believes it, and the steady time that limits are measured in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ns = 0

    def now_ns(self) -> int:
        """What the venue stamps, checks nonces against and answers as its time."""
        return self._clock.now_ns() + self.offset_ns

    def steady_ns(self) -> int:
        """Time that no step touches: for request limits, token lifetimes and the flow."""
        return self._clock.now_ns()
