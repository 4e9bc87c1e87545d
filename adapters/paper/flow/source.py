"""Which flow a venue runs: the synthetic one, recordings named on the command line, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from adapters.paper.config import VenueConfig
from adapters.paper.core.exchange import Exchange
from adapters.paper.flow.base import Flow, FlowClock
from adapters.paper.flow.config import PRESETS, SyntheticConfig
from adapters.paper.flow.recorded import RecordedFlow
from adapters.paper.flow.rows import Recording, open_recording
from adapters.paper.flow.synthetic import SyntheticFlow
from adapters.ports import Fs
from engine.errors import ConfigError

SYNTHETIC = "synthetic"
_PRESET = SYNTHETIC + ":"
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


def recordings_of(flow: str, markets: tuple[str, ...]) -> dict[str, list[Path]]:
    """Markets and their files from `FILE[,FILE]` or `MARKET=FILE[,...]`.

    A file without a market is taken for BTC_PERP if its name says "perp" or "usdm", else for
    BTC_USDT. Files of one market are played one after the other, in the order given.

    Raises:
        ConfigError: for an unknown market or an empty file name.
    """
    chosen: dict[str, list[Path]] = {}
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
        chosen.setdefault(market, []).append(Path(name))
    return chosen


def synthetic_of(config: VenueConfig, flow: str) -> SyntheticConfig:
    """Settings of `synthetic` or `synthetic:PRESET`.

    A preset takes the place of `[synthetic]`, but for what that says of single markets.

    Raises:
        ConfigError: for an unknown preset.
    """
    if flow == SYNTHETIC:
        return config.synthetic
    preset = PRESETS.get(flow.removeprefix(_PRESET))
    if preset is None:
        known = ", ".join(_PRESET + name for name in PRESETS)
        raise ConfigError(f"--flow {flow}: there is no such preset; one of {known}")
    return msgspec.structs.replace(preset, markets=config.synthetic.markets)


def flow_maker(config: VenueConfig, flow: str, *, seed: int, speed: str, fs: Fs) -> MakeFlow:
    """Prepare a flow; recordings are read now, so a bad one is refused before anything starts.

    Args:
        config: The venue's settings.
        flow: `synthetic`, `synthetic:PRESET`, `none` or recordings, see `recordings_of`.
        seed: Of everything that a flow draws.
        speed: Of the flow against the venue's clock, a positive number as text.
        fs: Where recordings are read.

    Raises:
        ConfigError: with the file and what to do.
    """
    FlowClock(0, speed)
    if flow == NONE:
        return lambda exchange, start_us: NoFlow()
    if flow == SYNTHETIC or flow.startswith(_PRESET):
        settings = synthetic_of(config, flow)

        def make_synthetic(exchange: Exchange, start_us: int) -> Flow:
            return SyntheticFlow(exchange, seed, FlowClock(start_us, speed), settings)

        return make_synthetic
    markets = tuple(market.name for market in config.exchange.markets)
    recordings: dict[str, list[Recording]] = {
        market: [(str(path), open_recording(fs, path)) for path in paths]
        for market, paths in recordings_of(flow, markets).items()
    }

    def make_recorded(exchange: Exchange, start_us: int) -> Flow:
        clock = FlowClock(start_us, speed)
        return RecordedFlow(exchange, recordings, clock, config.recorded, seed=seed)

    return make_recorded
