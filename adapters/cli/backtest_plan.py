"""From a command line and a configuration to the plan of a backtest."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.cli.config import Config, config_json, to_quoted, to_settings
from adapters.cli.durations import parse_duration
from adapters.cli.own_code import part_hashes
from adapters.paper.flow.source import recordings_of
from adapters.ports import Fs
from adapters.ports_urls import is_url, name_of, without_secrets
from adapters.runtime.run import versions
from engine.errors import ConfigError
from engine.events import RunStarted
from engine.types import Market, Product
from replay.backtest.made import LatencySpec
from replay.backtest.run import Plan
from replay.backtest.source import (
    Source,
    find_journal,
    find_recording,
    find_timed,
    is_journal,
    read_journal,
)
from replay.backtest.venue import known_markets, market_named
from replay.queue_models import queue_model

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
    directories = [text for text in data if _split(text)[0] is None and is_journal(fs, text)]
    files = [text for text in data if text not in directories]
    if directories and files:
        raise ConfigError("--data: expected recordings or journals, found both")
    journals = tuple(find_journal(fs, text) for text in directories)
    chosen = _chosen(files, tuple(config.market))
    markets = _recorded(fs, journals[0]) if journals else known_markets()
    names = [name for name in config.market if name in (markets if journals else chosen)]
    if not names:
        quoted = ", ".join(config.market)
        raise ConfigError(f"--data: expected market data of {quoted}, found none of them")
    recordings = {
        name: tuple(find_recording(fs, place) for place in chosen[name])
        for name in names
        if name in chosen
    }
    listed = {name: _listed(config, market_named(markets, name)) for name in names}
    return Plan(
        quoted=tuple(to_quoted(config, listed[name]) for name in names),
        settings=to_settings(config),
        config=config_json(config),
        files=recordings,
        journals=journals,
        latency=latency,
        timed=find_timed(fs, latency),
        queue=queue,
        seed=seed,
        versions=versions(),
        code=part_hashes(fs),
    )


def _split(text: str) -> tuple[str | None, str]:
    # A URL may have an equals sign of its own.
    market, equals, place = text.partition("=")
    return (market, place) if equals and not is_url(market) else (None, text)


def _chosen(files: Sequence[str], markets: tuple[str, ...]) -> dict[str, list[str]]:
    # The places of recordings, by market.
    found: dict[str, list[str]] = {}
    known = (*markets, *known_markets())
    for text in files:
        market, place = _split(text)
        if "," in place:
            raise ConfigError(
                f"--data {without_secrets(place)}: expected one file, found a comma; give --data"
                " again"
            )
        name = name_of(place) if place else ""
        (chosen,) = recordings_of(name if market is None else f"{market}={name}", known)
        if chosen not in markets:
            raise ConfigError(
                f"--data {without_secrets(place)}: expected market data of {', '.join(markets)},"
                f" found a recording of {chosen}, which the configuration does not quote"
            )
        found.setdefault(chosen, []).append(place)
    return found


def _recorded(fs: Fs, journal: Source) -> dict[str, Market]:
    # The markets of its first run, as the venue listed them; frames alone do not tell.
    if journal.alone:
        return known_markets()
    for record in read_journal(fs, journal, ()):
        if isinstance(record.event, RunStarted):
            return {quoted.market.name: quoted.market for quoted in record.event.quoted}
        break
    raise ConfigError(
        f"--data {journal.shown}: expected a journal that begins with a run, found none"
    )


def _listed(config: Config, market: Market) -> Market:
    # `to_quoted` makes a margin pair of a spot market; a journal may have told one already.
    if market.product is Product.MARGIN and config.market[market.name].product is None:
        return replace(market, product=Product.SPOT)
    return market
