"""`quotefold paper`: the paper venue alone, until a signal or its parent ends it.

One ready line of JSON goes to stdout; everything else to stderr. Heavy imports wait until the
command runs, since `--help` has to answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import trio

    from adapters.paper.config import VenueConfig
    from adapters.paper.flow.source import MakeFlow
    from adapters.paper.server import VenueHandle
    from adapters.paper.state import State
    from adapters.ports import AppendFile, SystemFs


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port for REST and WebSocket; 0 takes a free one.",
)
@click.option(
    "--flow",
    default="synthetic",
    show_default=True,
    metavar="synthetic[:PRESET]|none|FILE[,FILE]",
    help="What moves the market. Presets: default, whitebit (quiet and thin), busy. A recording "
    "may be given as MARKET=FILE; several of one market are joined.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the flow.")
@click.option(
    "--speed", default="1", show_default=True, help="Speed of the flow, never of the clock."
)
@click.option("--config", type=click.Path(path_type=Path), help="Venue settings in TOML.")
@click.option(
    "--body-hashes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append the SHA-256 of every private request body to a new file.",
)
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What goes wrong, a plan in TOML; takes the place of [faults] in --config.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep accounts, orders and history in DIR, and go on with them at the next start.",
)
@click.option("--hedge-mode", is_flag=True, help="Put its accounts into hedge mode.")
@click.option("--exit-with-parent", is_flag=True, help="Stop when stdin is closed.")
def paper(
    host: str,
    port: int,
    flow: str,
    seed: int,
    speed: str,
    config: Path | None,
    body_hashes: Path | None,
    faults: Path | None,
    state: Path | None,
    hedge_mode: bool,
    exit_with_parent: bool,
) -> None:
    """Serve a market that speaks WhiteBIT's protocol on this machine.

    Prints one line of JSON with its addresses and the keys of its funded accounts.
    """
    from functools import partial

    import trio

    from adapters.cli.paper_state import open_state
    from adapters.paper.config import VenueConfig, in_hedge_mode, load, with_fresh_deals
    from adapters.paper.flow.source import flow_maker
    from adapters.ports import SystemClock, SystemFs

    fs = SystemFs()
    settings = VenueConfig() if config is None else load(fs, config)
    settings = _with_faults(settings, config, faults, fs)
    if hedge_mode:
        settings = in_hedge_mode(settings)
    if state is None:
        settings = with_fresh_deals(settings, SystemClock().now_ns())
    make_flow = flow_maker(settings, flow, seed=seed, speed=speed, fs=fs)
    body_file = None if body_hashes is None else _open_new(fs, body_hashes)
    if host not in ("127.0.0.1", "::1", "localhost"):
        click.echo(f"warning: {host} is not loopback; the venue has no TLS", err=True)
    kept = None if state is None else open_state(fs, state, settings)
    try:
        serve = partial(_serve, settings, make_flow, body_file, host, port, exit_with_parent)
        trio.run(serve, None if kept is None else kept[0])
    finally:
        if kept is not None:
            kept[1].close()
        if body_file is not None:
            body_file.close()


def _with_faults(
    settings: VenueConfig, config: Path | None, faults: Path | None, fs: SystemFs
) -> VenueConfig:
    if settings.faults is None and faults is None:
        return settings
    from msgspec.structs import replace

    from adapters.paper.faults.check import check_names, load_plan

    if faults is not None:
        settings = replace(settings, faults=load_plan(fs, faults))
    assert settings.faults is not None, "one of the two has a plan"
    markets = [market.name for market in settings.exchange.markets]
    check_names(settings.faults, markets, f"{faults or config}")
    return settings


def _open_new(fs: SystemFs, path: Path) -> AppendFile:
    from engine.errors import ConfigError

    try:
        return fs.open_new(path)
    except OSError as error:
        hint = "give --body-hashes a new file in an existing directory"
        raise ConfigError(f"{path}: {error.strerror or error}; {hint}") from error


async def _serve(
    config: VenueConfig,
    make_flow: MakeFlow,
    body_file: AppendFile | None,
    host: str,
    port: int,
    exit_with_parent: bool,
    state: State | None,
) -> None:
    import gc
    import signal
    from functools import partial

    import trio

    from adapters.paper.admin.server import serve_admin
    from adapters.paper.server import serve_venue
    from adapters.ports import SystemClock, SystemIds, SystemNet

    net, ids = SystemNet(), SystemIds()
    if state is None:
        serve = partial(serve_venue, config, clock=SystemClock(), ids=ids)
    else:
        serve = partial(serve_venue, config, clock=state.clock, ids=state.ids, state=state)
    start = partial(serve, net=net, host=host, port=port, make_flow=make_flow, body_file=body_file)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            handle: VenueHandle = await nursery.start(start)
            # What lives from here on need not be looked through for garbage at each collection.
            gc.collect()
            gc.freeze()
            token = ids.token(16)
            admin_port: int = await nursery.start(serve_admin, handle, token, net)
            click.echo(_ready_line(handle, host, admin_port, token))
            if exit_with_parent:
                nursery.start_soon(_stop_with_parent, nursery.cancel_scope)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()


def _ready_line(handle: VenueHandle, host: str, admin_port: int, token: str) -> str:
    import json

    place = f"[{host}]:{handle.port}" if ":" in host else f"{host}:{handle.port}"
    ready: dict[str, Any] = {
        "rest": f"http://{place}",
        "ws": f"ws://{place}/ws",
        "accounts": [
            {"name": key.account, "key": key.key, "secret": key.secret} for key in handle.accounts
        ],
        "admin": {"url": f"http://127.0.0.1:{admin_port}", "token": token},
    }
    return json.dumps(ready, separators=(",", ":"))


async def _stop_with_parent(scope: trio.CancelScope) -> None:
    import os

    import trio

    # Read without Python's buffer, whose lock a thread left behind would hold at exit.
    while await trio.to_thread.run_sync(os.read, 0, 4096, abandon_on_cancel=True):
        pass
    scope.cancel()
