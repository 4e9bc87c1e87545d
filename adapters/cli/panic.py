"""`quotefold panic`: cancel everything, prove it, and forbid placing until a human says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapters.cli.panic_config import PanicConfig
    from adapters.runtime.panic import Cleared

LATCH_NAME = "panic-latch"
"""As `adapters.runtime.latch.LATCH_NAME`, which a test compares."""
EXIT_NOT_PROVED = 1
PATIENCE_MIN_S = 10


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option("--lift", is_flag=True, help="Remove the latch: engines may place again.")
@click.option(
    "--patience",
    default="30s",
    show_default=True,
    metavar="TIME",
    help="How long to go on trying to prove that nothing is open; at least 10s.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, no more.")
def panic(config_path: Path | None, lift: bool, patience: str, as_json: bool) -> int:
    """Cancel all orders on the markets of CONFIG, and forbid placing until a human lifts it.

    A process of its own that needs no engine: it works as well when the engine hangs or is gone.
    It leaves a latch first, which stops every engine that uses the same operator directory, also
    one that wakes up later; then it cancels with the account's key, orders of other programs
    included, and looks until no order signed before the latch can arrive any more (about 6 s).
    Positions stay as they are.

    Exit codes: 0 proved that nothing is open and the latch is set (or lifted), 1 not proved, 2
    refused before an order was cancelled.
    """
    from adapters.cli.panic_config import read_panic_config

    config = read_panic_config(config_path)
    if lift:
        return _lift(config, as_json=as_json)
    patience_ns = _patience_ns(patience)
    say = _Voice(enabled=not as_json)
    # Before anything else is even imported: from here on an engine that runs places nothing.
    latched = _latch(config.directory, say)
    return _panic(config, patience_ns, latched=latched, say=say, as_json=as_json)


def _patience_ns(text: str) -> int:
    from adapters.cli.durations import parse_duration
    from engine.errors import ConfigError

    patience_ns = parse_duration(text)
    if patience_ns < PATIENCE_MIN_S * 10**9:
        raise ConfigError(f"--patience: expected at least {PATIENCE_MIN_S}s, found {text}")
    return patience_ns


def _lift(config: PanicConfig, *, as_json: bool) -> int:
    import json

    from adapters.ports import SystemFs
    from adapters.runtime.latch import Latch

    latch = Latch(SystemFs(), config.directory)
    try:
        lifted = latch.lift()
    except OSError as error:
        click.echo(f"error: {latch.path}: {error.strerror}: the latch is still set", err=True)
        return EXIT_NOT_PROVED
    if as_json:
        click.echo(json.dumps({"latch": str(latch.path), "lifted": lifted}))
    elif lifted:
        click.echo(f"latch lifted ({latch.path}): engines that run will quote again")
    else:
        click.echo(f"there was no latch to lift ({latch.path})")
    return 0


def _latch(directory: Path, say: _Voice) -> bool:
    # Not by `Latch.set`, whose imports take as long as all of this; it waits for no disk either.
    path = directory / LATCH_NAME
    text = f"set by quotefold panic, process {os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        if path.exists():
            say(f"latch was set already: {path}")
            return True
        problem = f"{path}: {error.strerror or error}"
        click.echo(f"warning: latch: {problem}: an engine may place again", err=True)
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        pass  # on a full disk; that the file is there is what counts
    finally:
        os.close(fd)
    say(f"latch set: {path}")
    return True


def _secure(directory: Path) -> None:
    # A machine that goes down now must not forget it.
    for path, flags in ((directory / LATCH_NAME, os.O_RDONLY), (directory, os.O_DIRECTORY)):
        fd = os.open(path, flags)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _panic(
    config: PanicConfig, patience_ns: int, *, latched: bool, say: _Voice, as_json: bool
) -> int:
    import trio

    report: dict[str, Any] = {
        "latch": str(config.directory / LATCH_NAME),
        "latched": latched,
        "clear": False,
    }
    markets = trio.run(_clear, config, patience_ns, latched, say)
    report["clear"] = bool(markets) and all(market.clear for market in markets)
    report["markets"] = {market.market: _figures(market) for market in markets}
    _tell_end(report, markets, say, as_json=as_json)
    return 0 if report["clear"] and report["latched"] else EXIT_NOT_PROVED


class _Voice:
    """Tells a human what happens, at once; a program waits for the end."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, text: str) -> None:
        if self._enabled:
            click.echo(text)


async def _clear(
    config: PanicConfig, patience_ns: int, latched: bool, say: _Voice
) -> tuple[Cleared, ...]:
    import trio

    async with trio.open_nursery() as nursery:
        if latched:
            nursery.start_soon(_wait_secure, config.directory)
        found = await _clear_markets(config, patience_ns, say)
        # A disk that hangs may be what hangs the engine, and is not waited for.
        nursery.cancel_scope.cancel()
    return found


async def _wait_secure(directory: Path) -> None:
    import trio

    try:
        await trio.to_thread.run_sync(_secure, directory, abandon_on_cancel=True)
    except OSError as error:
        problem = f"{directory}: {error.strerror or error}"
        click.echo(f"warning: latch: {problem}: it may not outlast this machine", err=True)


async def _clear_markets(config: PanicConfig, patience_ns: int, say: _Voice) -> tuple[Cleared, ...]:
    from adapters.cli.credentials import load_credentials
    from adapters.ports import SystemClock, SystemFs, SystemNet
    from adapters.runtime.panic import Clearing
    from adapters.whitebit.lanes import Lanes
    from adapters.whitebit.signing import Signer
    from adapters.whitebit.urls import parse_trusted_url

    if config.rest_url is None:
        return ()
    credentials = load_credentials(SystemFs())
    endpoint = parse_trusted_url(config.rest_url)

    def tell(market: str, open_orders: int, elapsed_ns: int) -> None:
        found = f"{open_orders} orders open" if open_orders else "no order open"
        say(f"{market}: {found} after {elapsed_ns / 1e9:.3f} s")

    async with Lanes(SystemNet(), endpoint) as lanes:
        signer = Signer(credentials.key, credentials.secret)
        clearing = Clearing(lanes, signer, SystemClock(), patience_ns, tell)
        return await clearing.clear(config.markets)


def _figures(market: Cleared) -> dict[str, Any]:
    return {
        "clear": market.clear,
        "clear_ms": market.clear_ns / 1e6 if market.clear_ns else None,
        "cancels": market.cancels,
        "late_orders": market.late,
        "open_orders": market.open_orders,
        "error": market.error,
    }


def _tell_end(
    report: dict[str, Any], markets: tuple[Cleared, ...], say: _Voice, *, as_json: bool
) -> None:
    import json

    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    if not markets:
        say(
            "no venue in the configuration: nothing was cancelled from here; an engine on a paper "
            "venue of its own sees the latch and cancels by itself"
        )
    for market in markets:
        if not market.clear:
            problem = market.error or f"{market.open_orders} orders open"
            say(f"{market.market}: NOT PROVED CLEAR: {problem}")
    if report["clear"]:
        say(
            "clear: nothing signed before the latch can arrive any more; positions stay as they are"
        )
    say("nothing is placed until a human lifts the latch: quotefold panic --lift")
