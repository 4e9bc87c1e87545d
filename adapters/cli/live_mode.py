"""The interlock before real money: the flag and the configuration have to agree."""

from __future__ import annotations

from adapters.cli.config import Config
from engine.errors import ConfigError

ORDINARY = "leave --live out to quote on paper"


def check_mode(config: Config, *, live: bool, observe: bool) -> str:
    """Let flags and configuration agree on whether money is real; return the mode of the run.

    Raises:
        ConfigError: they do not.
    """
    if live and observe:
        raise ConfigError("--live, --observe: expected one of them; --observe places no order")
    venue = config.venue
    if live and venue is None:
        raise ConfigError(
            f"--live: {config.source}: expected a section [venue] with the exchange's rest_url and "
            f"ws_url, and each market to quote as [market.NAME]; found none, which is paper; "
            f"{ORDINARY}"
        )
    if live and venue is not None and not venue.is_live:
        raise ConfigError(
            f"--live: {config.source}: venue.rest_url: {venue.rest_url} is on this machine, which "
            'is taken for a paper venue; set mode = "live" in [venue] if it leads to the exchange, '
            f"else {ORDINARY}"
        )
    if venue is not None and venue.is_live and not (live or observe):
        raise ConfigError(
            f"{config.source}: venue.rest_url: orders on {venue.rest_url} are real: quote there "
            "with --live, look on with --observe, or leave [venue] out to quote on paper"
        )
    return "observe" if observe else "live" if live else "paper"
