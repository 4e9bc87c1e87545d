"""How a backtest was made: what its journal says of itself, and what every result is called."""

from __future__ import annotations

import msgspec

from engine.events import RunStarted

MODE = "backtest"
LABEL = "Binance data in WhiteBIT framing"
"""Of every result made from recorded files."""
JOURNAL_LABEL = "market data of a captured journal"


class LatencySpec(msgspec.Struct, frozen=True):
    """How long everything takes."""

    constant_ns: int = 5_000_000
    """Of each leg, unless a journal tells."""
    journal: str = ""
    """Whose legs are taken."""
    sampled: bool = False
    """Drawn one by one, not their medians."""

    @property
    def words(self) -> str:
        """As a result says it: `constant 5 ms`."""
        if self.journal:
            return f"{'sampled' if self.sampled else 'measured'} from {self.journal}"
        return f"constant {self.constant_ns / 1e6:g} ms"


class Made(msgspec.Struct, frozen=True):
    """How a backtest was made."""

    label: str
    latency: LatencySpec
    queue: str
    seed: int

    @property
    def words(self) -> str:
        """In one line, for whoever reads a result."""
        return f"{self.label}: latency {self.latency.words}, queue {self.queue}, seed {self.seed}"


class _Config(msgspec.Struct, frozen=True):
    backtest: Made


def backtest_on(made: Made | None) -> str:
    """Name a backtest; None where it is not known how it was made."""
    return "BACKTEST" if made is None else f"BACKTEST on {made.words}"


def made_by(started: RunStarted) -> Made | None:
    """Return how a run was made by its first record; None where that does not tell."""
    if started.mode != MODE:
        return None
    try:
        return msgspec.json.decode(started.config, type=_Config).backtest
    except msgspec.MsgspecError:
        # A journal's configuration is read by whatever code there is later.
        return None
