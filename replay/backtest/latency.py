"""How long requests, answers, pushes and market data take in a backtest."""

from __future__ import annotations

from random import Random
from typing import Protocol

from engine.errors import ConfigError
from replay.model.survey import Latencies, Sample


class Latency(Protocol):
    """Draws the legs of one run, in nanoseconds, each above 0."""

    def there_ns(self) -> int:
        """A request on its way to the venue."""
        ...

    def back_ns(self) -> int:
        """Its answer on the way back."""
        ...

    def push_ns(self) -> int:
        """What the private stream tells."""
        ...

    def feed_ns(self) -> int:
        """Market data."""
        ...


class Constant:
    """Every leg takes the same."""

    def __init__(self, each_ns: int) -> None:
        self._ns = max(1, each_ns)

    def there_ns(self) -> int:
        return self._ns

    def back_ns(self) -> int:
        return self._ns

    def push_ns(self) -> int:
        return self._ns

    def feed_ns(self) -> int:
        return self._ns


class Measured:
    """Each leg takes the median that a journal measured of it."""

    def __init__(self, legs: Latencies) -> None:
        """Raise ConfigError where the journal measured none."""
        self._there = _median(legs.there, "request")
        self._back = _median(legs.back, "answer")
        self._push = _median(legs.push, "push")

    def there_ns(self) -> int:
        return self._there

    def back_ns(self) -> int:
        return self._back

    def push_ns(self) -> int:
        return self._push

    def feed_ns(self) -> int:
        return self._push


class Sampled:
    """Each leg is drawn from those that a journal measured."""

    def __init__(self, legs: Latencies, seed: int) -> None:
        """Raise ConfigError where the journal measured none."""
        Measured(legs)
        self._legs = legs
        self._random = Random(f"latency {seed}")

    def there_ns(self) -> int:
        return max(1, self._legs.there.draw(self._random, 1))

    def back_ns(self) -> int:
        return max(1, self._legs.back.draw(self._random, 1))

    def push_ns(self) -> int:
        return max(1, self._legs.push.draw(self._random, 1))

    def feed_ns(self) -> int:
        return max(1, self._legs.push.draw(self._random, 1))


def _median(sample: Sample, what: str) -> int:
    found = sample.quantile(0.5)
    if found is None:
        raise ConfigError(
            f"--latency: expected a journal with orders and fills, found one in which no {what}"
            " could be timed; use constant:5ms, or a journal of a run that traded"
        )
    return max(1, found)
