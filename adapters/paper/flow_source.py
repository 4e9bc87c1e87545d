"""Which flow a venue runs: the synthetic one, recordings named on the command line, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapters.paper.config import VenueConfig
from adapters.paper.exchange import Exchange
from adapters.paper.flow import Flow, FlowClock
from adapters.paper.flow_recorded import RecordedFlow
from adapters.paper.flow_rows import Lines, open_recording
from adapters.paper.flow_synthetic import SyntheticFlow
from adapters.ports import Fs
from engine.errors import ConfigError

SYNTHETIC = "synthetic"
NONE = "none"
NEVER_US = 1 << 62
# Exchange and start in microseconds -> the flow that acts on it.
MakeFlow = Callable[[Exchange, int], Flow]


class NoFlow:
    """An empty market in which only the venue's clients trade."""

    def next_us(self) -> int:
        return NEVER_US

    def run_until(self, now_us: int) -> None:
        """Do nothing."""


def recordings_of(flow: str, markets: tuple[str, ...]) -> dict[str, Path]:
    """Markets and their files from `FILE[,FILE]` or `MARKET=FILE[,...]`.

    A file without a market is taken for BTC_PERP if its name says "perp" or "usdm", else for
    BTC_USDT.

    Raises:
        ConfigError: for an unknown market, or one that is named twice.
    """
    chosen: dict[str, Path] = {}
    for part in flow.split(","):
        market, equals, name = part.partition("=")
        if not equals:
            name = part
            lower = Path(name).name.lower()
            market = "BTC_PERP" if "perp" in lower or "usdm" in lower else "BTC_USDT"
        if not name:
            raise ConfigError(f"--flow {flow}: a file name is empty; give FILE or MARKET=FILE")
        if market not in markets:
            known = ", ".join(markets)
            raise ConfigError(f"--flow {part}: market {market} does not exist; one of {known}")
        if market in chosen:
            raise ConfigError(f"--flow {flow}: {market} has two files; give MARKET=FILE for each")
        chosen[market] = Path(name)
    return chosen


def flow_maker(config: VenueConfig, flow: str, *, seed: int, speed: str, fs: Fs) -> MakeFlow:
    """Prepare a flow; recordings are read now, so a bad one is refused before anything starts.

    Args:
        config: The venue's settings.
        flow: `synthetic`, `none` or recordings, see `recordings_of`.
        seed: Of the synthetic flow.
        speed: Of the flow against the venue's clock, a positive number as text.
        fs: Where recordings are read.

    Raises:
        ConfigError: with the file and what to do.
    """
    FlowClock(0, speed)
    if flow == NONE:
        return lambda exchange, start_us: NoFlow()
    if flow == SYNTHETIC:

        def make_synthetic(exchange: Exchange, start_us: int) -> Flow:
            return SyntheticFlow(exchange, seed, FlowClock(start_us, speed), config.synthetic)

        return make_synthetic
    markets = tuple(market.name for market in config.exchange.markets)
    recordings: dict[str, tuple[str, Lines]] = {
        market: (str(path), open_recording(fs, path))
        for market, path in recordings_of(flow, markets).items()
    }

    def make_recorded(exchange: Exchange, start_us: int) -> Flow:
        clock = FlowClock(start_us, speed)
        return RecordedFlow(exchange, recordings, clock, config.recorded)

    return make_recorded
