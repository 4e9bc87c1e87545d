"""What moves the paper venue's market: the flow interface and its clock.

A flow is a deterministic source of background orders. The server asks when it is due and lets it
act up to a moment; every action carries its own due time, so the result does not depend on how
often the server asks. The server runs the flow up to `now` before it applies a user's request.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from engine.errors import ConfigError


class Flow(Protocol):
    """A source of background actions on the exchange it was built for."""

    def next_us(self) -> int:
        """Return when the next action is due, in the venue's microseconds."""
        ...

    def run_until(self, now_us: int) -> None:
        """Perform every action due at or before `now_us`, in time order."""
        ...


class FlowClock:
    """Places flow time on the venue's clock: `speed` scales the flow, never the venue."""

    def __init__(self, start_us: int, speed: str = "1") -> None:
        """Start flow time 0 at `start_us`; `speed` is a positive decimal or fraction text.

        Raises:
            ConfigError: if `speed` is not a positive number.
        """
        try:
            ratio = Fraction(speed)
        except (ValueError, ZeroDivisionError):
            ratio = Fraction(0)
        if ratio <= 0:
            raise ConfigError(f"speed expected a positive number, was {speed!r}; try 1 or 2.5")
        self._start_us = start_us
        self._numerator, self._denominator = ratio.numerator, ratio.denominator

    def venue_us(self, flow_us: int) -> int:
        """Return the venue's time of a flow time, both in microseconds."""
        return self._start_us + flow_us * self._denominator // self._numerator
