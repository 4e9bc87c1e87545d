"""What `run --live` proves and says before its first order.

Nobody is asked anything, so that a service manager can start a run: a check of `doctor` that fails
refuses it, and what a human should know is said.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from adapters.cli.checks.admit import admitted
from adapters.cli.checks.base import Patient, Result, Status, examine
from adapters.cli.checks.table import GO_LIVE
from adapters.cli.child import VenueAddress
from adapters.cli.config import Config, state_directory
from adapters.cli.credentials import Credentials
from adapters.ports import Clock, Ids, SystemFs
from adapters.whitebit.signing import NonceSource
from engine.errors import ConfigError, RemoteProtocolError
from engine.money import format_units
from engine.types import Quoted


class Cleared(NamedTuple):
    """A run that may begin, and what was said of it."""

    words: tuple[str, ...]
    """Where and with which limits it quotes, a line each."""
    warnings: tuple[Result, ...]


async def clear_to_go(
    config: Config,
    journal: Path,
    address: VenueAddress,
    credentials: Credentials,
    tell: Callable[[Result], None],
    *,
    fs: SystemFs,
    clock: Clock,
    ids: Ids,
    nonces: NonceSource,
    account: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> Cleared:
    """Run the checks that must hold before the first order.

    Args:
        config: Of the run.
        journal: The directory that this run writes.
        address: The exchange, and the key.
        credentials: Of the key; where they were found.
        tell: Called with each check that does not pass.
        fs, clock, ids: The ports.
        nonces: Those of the run, so that no request of a check has the nonce of an order.
        account: Its name among several; None where there is one.
        env: Where the operator's directory is looked for.

    Raises:
        ConfigError: a check failed; with each that did, and what to do.
        RemoteProtocolError: the same, of a kind that may be well by itself a minute later.
    """

    def look(result: Result) -> None:
        if result.status in (Status.WARN, Status.FAIL):
            tell(result)

    config = replace(config, journal=replace(config.journal, directory=str(journal)))
    opened = admitted(
        config,
        address,
        lambda: credentials,
        fs=fs,
        clock=clock,
        ids=ids,
        nonces=nonces,
        account=account,
    )
    async with opened as patient:
        results = await examine(patient, GO_LIVE, look)
        wrong = [each for each in results if each.status is Status.FAIL]
        if wrong:
            text = "--live: refused: " + "; ".join(map(_refusal, wrong))
            if all(each.passing for each in wrong):
                raise RemoteProtocolError(text)
            raise ConfigError(text)
        words = _words(patient, credentials, state_directory(config, env))
    return Cleared(words, tuple(each for each in results if each.status is Status.WARN))


def _refusal(result: Result) -> str:
    return f"{result.name}: {result.text} -> {result.hint}"


def _words(patient: Patient, credentials: Credentials, directory: Path) -> tuple[str, ...]:
    venue, whose = patient.config.venue, patient.config.source
    assert venue is not None
    if patient.account is not None:
        whose = f"--account {patient.account} ACCOUNTS"
    return (
        f"LIVE: real orders on {venue.rest_url} ({venue.ws_url}), with the key of "
        f"{credentials.source}",
        *(_bounds(quoted) for quoted in patient.learned.quoted.values()),
        "Kill-switch, stop and panic cancel every order of the account on these markets, those of "
        "other programs and by hand included: one engine per account and market.",
        "Begin with a few of the smallest orders and raise the limits later; to stop at once: "
        f"quotefold panic {whose} (latch in {directory})",
    )


def _bounds(quoted: Quoted) -> str:
    market, limits = quoted.market, quoted.limits
    base, money = market.base_asset, market.quote_asset

    def worth(amount: int) -> str:
        return f"{format_units(amount, market.notional_decimals)} {money}"

    def lots(qty: int) -> str:
        return f"{format_units(qty, market.qty_decimals)} {base}"

    target = f" from the target of {lots(quoted.inventory_target)}"
    return (
        f"{market.name} ({market.product.value}) by {quoted.strategy}: position at most "
        f"{lots(limits.position_max)} either way{target if quoted.inventory_target else ''}, "
        f"order at most {worth(limits.order_notional_max)}, {limits.open_orders_max} orders, "
        f"within {limits.collar_bps} bps of the mid; stops at a loss of "
        f"{worth(limits.loss_day_max)} a day and at {limits.fills_per_minute_max} fills a minute "
        f"and side; the smallest order is {lots(market.qty_min)} and {worth(market.notional_min)}"
    )
