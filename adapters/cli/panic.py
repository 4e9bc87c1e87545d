"""`quotefold panic`: cancel everything, prove it, and forbid placing until a human says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from adapters.cli.panic_config import PanicConfig
    from adapters.runtime.panic import Cleared

EXIT_NOT_PROVED = 1
PATIENCE_MIN_S = 10


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option("--account", metavar="NAME", help="This one of the accounts of CONFIG alone.")
@click.option("--lift", is_flag=True, help="Remove the latch: engines may place again.")
@click.option(
    "--patience",
    default="30s",
    show_default=True,
    metavar="TIME",
    help="How long to go on trying to prove that nothing is open; at least 10s.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, no more.")
def panic(
    config_path: Path | None, account: str | None, lift: bool, patience: str, as_json: bool
) -> int:
    """Cancel all orders on the markets of CONFIG, and forbid placing until a human lifts it.

    A process of its own that needs no engine: it works as well when the engine hangs or is gone.
    It leaves a latch first, which stops every engine that uses the same operator directory, also
    one that wakes up later; then it cancels with the account's key, orders of other programs
    included, and looks until no order signed before the latch can arrive any more (about 6 s).
    Positions stay as they are.

    A CONFIG that names accounts is cleared whole. With --account, that one alone is latched and
    cleared, and the others go on; --lift lifts what the same words have set.

    Exit codes: 0 proved that nothing is open and the latch is set (or lifted), 1 not proved, 2
    refused before an order was cancelled.
    """
    from adapters.cli.panic_config import read_panic_configs

    configs = read_panic_configs(config_path, account)
    if lift:
        return _lift(configs, as_json=as_json)
    patience_ns = _patience_ns(patience)
    say = _Voice(enabled=not as_json)
    # Before anything else is even imported: from here on an engine that runs places nothing.
    latched = {path: _latch(path, say) for path in dict.fromkeys(c.latch for c in configs)}
    return _panic(configs, patience_ns, latched, say, as_json=as_json)


def _patience_ns(text: str) -> int:
    from adapters.cli.durations import parse_duration
    from engine.errors import ConfigError

    patience_ns = parse_duration(text)
    if patience_ns < PATIENCE_MIN_S * 10**9:
        raise ConfigError(f"--patience: expected at least {PATIENCE_MIN_S}s, found {text}")
    return patience_ns


def _lift(configs: tuple[PanicConfig, ...], *, as_json: bool) -> int:
    import json

    from adapters.ports import SystemFs
    from adapters.runtime.latch import LATCH_NAME, Latch

    fs, code = SystemFs(), 0
    reports: list[dict[str, Any]] = []
    for config in {config.latch: config for config in configs}.values():
        latch = Latch(fs, config.directory, config.account if config.alone else None)
        lifted = False
        try:
            lifted = latch.lift()
        except OSError as error:
            click.echo(f"error: {latch.path}: {error.strerror}: the latch is still set", err=True)
            code = EXIT_NOT_PROVED
        reports.append({"latch": str(latch.path), "lifted": lifted})
    left = [
        str(directory / name)
        for directory in dict.fromkeys(config.directory for config in configs)
        for name in fs.list_dir(directory)
        if name == LATCH_NAME or name.startswith(f"{LATCH_NAME}-")
    ]
    if as_json:
        whole = reports[0] if len(reports) == 1 else {"latches": reports}
        click.echo(json.dumps({**whole, "still_set": left}))
        return code
    for report in reports:
        if report["lifted"]:
            click.echo(f"latch lifted ({report['latch']}): engines that run will quote again")
        elif report["latch"] not in left:
            click.echo(f"there was no latch to lift ({report['latch']})")
    for path in left:
        click.echo(f"still set, for whom it names: {path}")
    return code


def _latch(path: Path, say: _Voice) -> bool:
    # Not by `Latch.set`, whose imports take as long as all of this; it waits for no disk either.
    text = f"set by quotefold panic, process {os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def _secure(path: Path) -> None:
    # A machine that goes down now must not forget it.
    for each, flags in ((path, os.O_RDONLY), (path.parent, os.O_DIRECTORY)):
        fd = os.open(each, flags)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _panic(
    configs: tuple[PanicConfig, ...],
    patience_ns: int,
    latched: dict[Path, bool],
    say: _Voice,
    *,
    as_json: bool,
) -> int:
    import json

    import trio

    results = trio.run(_clear, configs, patience_ns, latched, say)
    reports = {
        config.account: _report(config, result, latched=latched[config.latch])
        for config, result in zip(configs, results, strict=True)
    }
    done = {key: all(each[key] for each in reports.values()) for key in ("latched", "clear")}
    if as_json:
        whole = reports.get(None) or {**done, "accounts": reports}
        click.echo(json.dumps(whole, ensure_ascii=False))
    else:
        for config, result in zip(configs, results, strict=True):
            _tell_problems(config, result, say)
        if done["clear"]:
            say(
                "clear: nothing signed before the latch can arrive any more; positions stay as "
                "they are"
            )
        whom = f" --account {configs[0].account} ACCOUNTS" if configs[0].alone else ""
        say(f"nothing is placed until a human lifts the latch: quotefold panic --lift{whom}")
    return 0 if all(done.values()) else EXIT_NOT_PROVED


class _Result(NamedTuple):
    markets: tuple[Cleared, ...]
    problem: str
    # Why none of them was looked at; empty where they were.


class _Voice:
    """Tells a human what happens, at once; a program waits for the end."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, text: str) -> None:
        if self._enabled:
            click.echo(text)


async def _clear(
    configs: tuple[PanicConfig, ...], patience_ns: int, latched: dict[Path, bool], say: _Voice
) -> list[_Result]:
    import trio

    results = [_Result((), config.problem) for config in configs]

    async def clear(number: int) -> None:
        results[number] = await _clear_account(configs[number], patience_ns, say)

    async with trio.open_nursery() as nursery:
        for path, is_set in latched.items():
            if is_set:
                nursery.start_soon(_wait_secure, path)
        async with trio.open_nursery() as accounts:
            for number in range(len(configs)):
                accounts.start_soon(clear, number)
        # A disk that hangs may be what hangs the engine, and is not waited for.
        nursery.cancel_scope.cancel()
    return results


async def _wait_secure(path: Path) -> None:
    import trio

    try:
        await trio.to_thread.run_sync(_secure, path, abandon_on_cancel=True)
    except OSError as error:
        problem = f"{path.parent}: {error.strerror or error}"
        click.echo(f"warning: latch: {problem}: it may not outlast this machine", err=True)


async def _clear_account(config: PanicConfig, patience_ns: int, say: _Voice) -> _Result:
    from engine.errors import ConfigError

    if config.problem:
        return _Result((), config.problem)
    try:
        return _Result(await _clear_markets(config, patience_ns, say), "")
    except ConfigError as error:
        if config.account is None:
            raise
        # The other accounts are cleared all the same.
        return _Result((), str(error))


async def _clear_markets(config: PanicConfig, patience_ns: int, say: _Voice) -> tuple[Cleared, ...]:
    from adapters.cli.credentials import FILE_VARIABLE, load_credentials
    from adapters.ports import SystemClock, SystemFs, SystemNet
    from adapters.runtime.panic import Clearing
    from adapters.whitebit.lanes import Lanes
    from adapters.whitebit.signing import Signer
    from adapters.whitebit.urls import parse_trusted_url

    if config.rest_url is None:
        return ()
    key = config.credentials
    credentials = load_credentials(
        SystemFs(), os.environ if key is None else {FILE_VARIABLE: str(key)}
    )
    endpoint = parse_trusted_url(config.rest_url)

    def tell(market: str, open_orders: int, elapsed_ns: int) -> None:
        found = f"{open_orders} orders open" if open_orders else "no order open"
        say(f"{_where(config)}{market}: {found} after {elapsed_ns / 1e9:.3f} s")

    async with Lanes(SystemNet(), endpoint) as lanes:
        signer = Signer(credentials.key, credentials.secret)
        clearing = Clearing(lanes, signer, SystemClock(), patience_ns, tell)
        return await clearing.clear(config.markets)


def _where(config: PanicConfig) -> str:
    return "" if config.account is None else f"account.{config.account}: "


def _report(config: PanicConfig, result: _Result, *, latched: bool) -> dict[str, Any]:
    markets = result.markets
    report = {
        "latch": str(config.latch),
        "latched": latched,
        "clear": bool(markets) and all(market.clear for market in markets),
        "markets": {market.market: _figures(market) for market in markets},
    }
    return report if config.account is None else {**report, "error": result.problem}


def _figures(market: Cleared) -> dict[str, Any]:
    return {
        "clear": market.clear,
        "clear_ms": market.clear_ns / 1e6 if market.clear_ns else None,
        "cancels": market.cancels,
        "late_orders": market.late,
        "open_orders": market.open_orders,
        "error": market.error,
    }


def _tell_problems(config: PanicConfig, result: _Result, say: _Voice) -> None:
    where = _where(config)
    if result.problem:
        say(f"{where}NOT PROVED CLEAR: {result.problem}")
    elif not result.markets:
        say(
            f"{where}no venue in the configuration: nothing was cancelled from here; an engine on "
            "a paper venue of its own sees the latch and cancels by itself"
        )
    for market in result.markets:
        if not market.clear:
            problem = market.error or f"{market.open_orders} orders open"
            say(f"{where}{market.market}: NOT PROVED CLEAR: {problem}")
