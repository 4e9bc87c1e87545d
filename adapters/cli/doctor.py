"""`quotefold doctor`: is everything in place to quote, without placing an order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from adapters.cli.checks.base import Result
    from adapters.cli.child import VenueAddress
    from adapters.cli.config import Config
    from adapters.cli.credentials import Credentials
    from adapters.ports import SystemFs

EXIT_FAILED = 1

_ABOUT = (
    "No order is placed. The venue is asked about the account; the cancel of an order that does "
    "not exist shows what the key may do; and where no kill-switch timer is armed and no order "
    "rests, one is armed for a moment and removed."
)
_MARKS = {
    "pass": ("ok", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "bold red"),
    "skipped": ("-", "dim"),
}


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Journal that the run will use; default: the directory of CONFIG.",
)
@click.option("--account", metavar="NAME", help="One of the accounts of CONFIG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, no more.")
def doctor(
    config_path: Path | None, journal: Path | None, account: str | None, as_json: bool
) -> int:
    """Check this machine, the account and the venue of CONFIG before a run trusts them.

    Safe on a live account: it places no order. It asks the venue what a run asks, cancels an order
    that does not exist to see what the key may do, and, only where no kill-switch timer is armed
    and no order rests, arms one for ten minutes and removes it at once. Without CONFIG, or with one
    that names no venue, it starts a paper venue and checks that.

    Exit codes: 0 nothing failed, 1 a check failed, 2 could not run (the configuration, usually).
    """
    import trio
    from msgspec.structs import replace

    from adapters.cli.config import default_config, load_config
    from adapters.cli.supervise import choose
    from adapters.ports import SystemFs

    fs = SystemFs()
    config_path, env = choose(fs, config_path, account)
    config = default_config() if config_path is None else load_config(fs, config_path)
    if journal is not None:
        config = replace(config, journal=replace(config.journal, directory=str(journal)))
    results: list[Result] = trio.run(
        _main, config, account, env, fs, None if as_json else teller(_ABOUT)
    )
    report = summarize(config, results)
    if as_json:
        import json

        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print_end(report)
    return 0 if report["ok"] else EXIT_FAILED


async def _main(
    config: Config,
    account: str | None,
    env: Mapping[str, str],
    fs: SystemFs,
    tell: Callable[[Result], None] | None,
) -> list[Result]:
    from contextlib import AsyncExitStack

    from adapters.cli.child import VenueAddress, paper_venue
    from adapters.cli.credentials import Credentials, load_credentials
    from adapters.whitebit.signing import Secret
    from engine.errors import ConfigError, RemoteProtocolError

    async with AsyncExitStack() as stack:
        if config.venue is None:
            try:
                own_venue = paper_venue(None, None, hedged=config.engine.hedge_mode)
                address = await stack.enter_async_context(own_venue)
            except RemoteProtocolError as error:
                raise ConfigError(str(error)) from error
            own = Credentials(address.key, address.secret, "the paper venue of this check")
            return await _examine(config, account, fs, address, lambda: own, tell)
        address = VenueAddress(config.venue.rest_url, config.venue.ws_url, Secret(""), Secret(""))
        try:
            found = load_credentials(fs, env)
            address = VenueAddress(address.rest_url, address.ws_url, found.key, found.secret)
        except ConfigError:
            # The check of the credentials says it, and the checks that need none still run.
            pass
        return await _examine(config, account, fs, address, lambda: load_credentials(fs, env), tell)


async def _examine(
    config: Config,
    account: str | None,
    fs: SystemFs,
    address: VenueAddress,
    credentials: Callable[[], Credentials],
    tell: Callable[[Result], None] | None,
) -> list[Result]:
    from adapters.cli.checks.admit import admitted
    from adapters.cli.checks.base import examine
    from adapters.cli.checks.table import CHECKS
    from adapters.ports import SystemClock, SystemIds
    from adapters.whitebit.signing import NonceSource

    clock = SystemClock()
    nonces = NonceSource(clock.now_ns)
    opened = admitted(
        config,
        address,
        credentials,
        fs=fs,
        clock=clock,
        ids=SystemIds(),
        nonces=nonces,
        account=account,
    )
    async with opened as patient:
        return await examine(patient, CHECKS, tell)


def summarize(config: Config, results: Sequence[Result]) -> dict[str, Any]:
    """Sum results up as one JSON object; `ok` when nothing failed."""
    import msgspec

    counts = dict.fromkeys(_MARKS, 0)
    for result in results:
        counts[result.status.value] += 1
    return {
        "config": config.source,
        "venue": config.venue.rest_url if config.venue is not None else "paper",
        "ok": counts["fail"] == 0,
        "passed": counts["pass"],
        "warned": counts["warn"],
        "failed": counts["fail"],
        "skipped": counts["skipped"],
        "checks": msgspec.to_builtins(results),
    }


def teller(about: str = "") -> Callable[[Result], None]:
    """Return what prints each result as a row, below a word on what is done."""
    from rich.console import Console

    console = Console(highlight=False)
    if about:
        console.print(about, style="dim")
        console.print()

    def tell(result: Result) -> None:
        print_result(console, result)

    return tell


def print_result(console: Console, result: Result) -> None:
    """Print one row of the table, and its hint below it."""
    from rich.table import Table
    from rich.text import Text

    mark, style = _MARKS[result.status.value]
    row = Table.grid(padding=(0, 2))
    row.add_column(width=4)
    row.add_column(width=18)
    row.add_column(overflow="fold")
    row.add_row(Text(mark, style), Text(result.name.replace("_", " ")), Text(result.text))
    if result.hint:
        row.add_row("", "", Text(f"-> {result.hint}", "dim" if style == "green" else style))
    console.print(row)


def _print_end(report: dict[str, Any]) -> None:
    counted = (
        f"{report['passed']} passed, {report['warned']} warnings, {report['failed']} failed, "
        f"{report['skipped']} skipped"
    )
    click.echo(f"\n{report['config']}, venue {report['venue']}: {counted}")
