"""`quotefold panic`: cancel everything, prove it, and forbid placing until a human says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapters.cli.config import Config
    from adapters.ports import Clock, SystemFs
    from adapters.runtime.latch import Latch
    from adapters.runtime.panic import Cleared

LATCH_S = 0.25
"""A disk that takes longer to write the latch must not keep the cancels waiting."""
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
    from adapters.cli.config import default_config, load_config, state_directory
    from adapters.ports import SystemClock, SystemFs
    from adapters.runtime.latch import Latch

    fs, clock = SystemFs(), SystemClock()
    config = default_config() if config_path is None else load_config(fs, config_path)
    latch = Latch(fs, state_directory(config))
    if lift:
        return _lift(latch, as_json=as_json)
    return _panic(config, fs, clock, latch, _patience_ns(patience), as_json=as_json)


def _patience_ns(text: str) -> int:
    from adapters.cli.durations import parse_duration
    from engine.errors import ConfigError

    patience_ns = parse_duration(text)
    if patience_ns < PATIENCE_MIN_S * 10**9:
        raise ConfigError(f"--patience: expected at least {PATIENCE_MIN_S}s, found {text}")
    return patience_ns


def _lift(latch: Latch, *, as_json: bool) -> int:
    import json

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


def _panic(
    config: Config, fs: SystemFs, clock: Clock, latch: Latch, patience_ns: int, *, as_json: bool
) -> int:
    import trio

    report: dict[str, Any] = {"latch": str(latch.path), "latched": False, "clear": False}
    say = _Voice(enabled=not as_json)

    async def main() -> tuple[Cleared, ...]:
        report["latched"] = await _set(latch, clock, say)
        return await _clear(config, fs, clock, patience_ns, say)

    markets = trio.run(main)
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


async def _set(latch: Latch, clock: Clock, say: _Voice) -> bool:
    # In a thread: the disk may be what hangs the engine, and the cancels must not wait for it.
    from datetime import UTC, datetime

    import trio

    at = datetime.fromtimestamp(clock.now_ns() // 10**9, tz=UTC)
    text = f"set by quotefold panic at {at:%Y-%m-%d %H:%M:%S} UTC"
    try:
        with trio.move_on_after(LATCH_S):
            new = await trio.to_thread.run_sync(latch.set, text, abandon_on_cancel=True)
            say(f"latch {'set' if new else 'was set already'}: {latch.path}")
            return True
        problem = f"not written within {LATCH_S} s"
    except OSError as error:
        problem = error.strerror or str(error)
    click.echo(f"warning: latch: {latch.path}: {problem}: an engine may place again", err=True)
    return latch.is_set()


async def _clear(
    config: Config, fs: SystemFs, clock: Clock, patience_ns: int, say: _Voice
) -> tuple[Cleared, ...]:
    from adapters.cli.credentials import load_credentials
    from adapters.ports import SystemNet
    from adapters.runtime.panic import Clearing
    from adapters.whitebit.lanes import Lanes
    from adapters.whitebit.signing import Signer
    from adapters.whitebit.urls import parse_url

    if config.venue is None:
        return ()
    credentials = load_credentials(fs)
    endpoint = parse_url(config.venue.rest_url, "https", "http")

    def tell(market: str, open_orders: int, elapsed_ns: int) -> None:
        found = f"{open_orders} orders open" if open_orders else "no order open"
        say(f"{market}: {found} after {elapsed_ns / 1e9:.3f} s")

    async with Lanes(SystemNet(), endpoint) as lanes:
        signer = Signer(credentials.key, credentials.secret)
        clearing = Clearing(lanes, signer, clock, patience_ns, tell)
        return await clearing.clear(tuple(config.market))


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
