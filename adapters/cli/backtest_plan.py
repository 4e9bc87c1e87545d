"""From a command line and a configuration to the plan of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from adapters.cli.config import Config, config_json, to_quoted, to_settings
from adapters.cli.durations import parse_duration
from adapters.cli.own_code import part_hashes
from adapters.paper.flow.source import recordings_of
from adapters.ports import Fs
from adapters.runtime.run import versions
from engine.errors import ConfigError
from engine.events import RunStarted
from engine.types import Market, Product
from replay.backtest.run import LatencySpec, Plan
from replay.backtest.venue import known_markets, market_named
from replay.queue_models import queue_model
from replay.read import read_records

_LATENCIES = ("constant", "measured", "sampled")


def parse_latency(text: str) -> LatencySpec:
    """Read `constant:TIME`, `measured:JOURNAL` or `sampled:JOURNAL`.

    Raises:
        ConfigError: it is none.
    """
    kind, _, rest = text.partition(":")
    if kind not in _LATENCIES or not rest:
        raise ConfigError(
            "--latency: expected constant:TIME, measured:JOURNAL or sampled:JOURNAL, found"
            f" {text!r}"
        )
    if kind == "constant":
        return LatencySpec(parse_duration(rest))
    return LatencySpec(journal=rest, sampled=kind == "sampled")


def make_plan(
    fs: Fs, config: Config, data: Sequence[str], latency: LatencySpec, queue: str, seed: int
) -> Plan:
    """Return the plan of a backtest of those markets of a configuration that the data has.

    Args:
        fs: Where the data is.
        config: What to quote.
        data: As `--data`.
        latency: Of everything.
        queue: Name of the queue model.
        seed: Of all that is drawn.

    Raises:
        ConfigError: data that cannot be used, or no market of the configuration is in it.
    """
    queue_model(queue, 0)
    journals = [text for text in data if "=" not in text and fs.list_dir(Path(text))]
    files = [text for text in data if text not in journals]
    if journals and files:
        raise ConfigError("--data: expected recordings or journals, found both")
    markets = known_markets()
    if journals:
        markets = _recorded(fs, Path(journals[0]))
        names = [name for name in config.market if name in markets]
    else:
        chosen = _chosen(files, tuple(config.market))
        names = [name for name in config.market if name in chosen]
    if not names:
        quoted = ", ".join(config.market)
        raise ConfigError(f"--data: expected market data of {quoted}, found none of them")
    listed = {name: _listed(config, market_named(markets, name)) for name in names}
    return Plan(
        quoted=tuple(to_quoted(config, listed[name]) for name in names),
        settings=to_settings(config),
        config=config_json(config),
        files={} if journals else {name: chosen[name] for name in names},
        journals=tuple(journals),
        latency=latency,
        queue=queue,
        seed=seed,
        versions=versions(),
        code=part_hashes(fs),
    )


def _chosen(files: Sequence[str], markets: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in files:
        if "," in text:
            raise ConfigError(f"--data {text}: expected one file, found a comma; give --data again")
        known = (*markets, *known_markets())
        for name, paths in recordings_of(text, known).items():
            found[name] = (*found.get(name, ()), *(str(path) for path in paths))
    return found


def _recorded(fs: Fs, journal: Path) -> dict[str, Market]:
    # The markets of its first run, as the venue listed them.
    for record in read_records(fs, journal):
        if isinstance(record.event, RunStarted):
            return {quoted.market.name: quoted.market for quoted in record.event.quoted}
        break
    raise ConfigError(f"--data {journal}: expected a journal that begins with a run, found none")


def _listed(config: Config, market: Market) -> Market:
    # `to_quoted` makes a margin pair of a spot market; a journal may have told one already.
    if market.product is Product.MARGIN and config.market[market.name].product is None:
        return replace(market, product=Product.SPOT)
    return market
