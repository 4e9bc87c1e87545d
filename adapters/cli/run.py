"""`quotefold run`: quote until told to stop, then prove that nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    import trio

    from adapters.cli.child import VenueAddress
    from adapters.cli.config import Config
    from adapters.cli.going_live import Cleared
    from adapters.cli.watchers import WatchPlan
    from adapters.ports import Clock, Ids, SystemFs
    from adapters.runtime.control import Control
    from adapters.runtime.live import LiveLoop
    from adapters.runtime.run import RunOutcome, RunPlan
    from adapters.whitebit.signing import NonceSource

EU_REFUSED = (
    'venue.region: expected "com" to quote; whitebit.eu takes no limit order but immediate ones, '
    "so no quote can rest there. Look on with --observe"
)
LOG_LEVELS = ("debug", "info", "warning", "error")
EXIT_UNCLEAN = 1


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option("--for", "duration", metavar="TIME", help="Stop after this long: 30s, 10m, 2h.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Journal directory; one that exists is continued. Default: a new one under journals/.",
)
@click.option("--observe", is_flag=True, help="Capture market data; place no orders.")
@click.option("--live", is_flag=True, help="Trade with real money on the exchange of CONFIG.")
@click.option("--account", metavar="NAME", help="Run this one of the accounts of CONFIG alone.")
@click.option(
    "--flow",
    metavar="synthetic|FILE[,FILE]",
    help="What moves the paper venue's market: recordings, one a market, or MARKET=FILE.",
)
@click.option("--seed", type=int, help="Seed of the paper venue's synthetic flow.")
@click.option(
    "--log", metavar="FILE|-", help="Append one JSON object per notable event; - is stderr."
)
@click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, no more.")
@click.option("--exit-with-parent", is_flag=True, help="Stop when stdin is closed.")
def run(
    config_path: Path | None,
    duration: str | None,
    journal: Path | None,
    observe: bool,
    live: bool,
    account: str | None,
    flow: str | None,
    seed: int | None,
    log: str | None,
    log_level: str,
    as_json: bool,
    exit_with_parent: bool,
) -> int:
    """Quote the markets of CONFIG, journaling every fact and intent.

    Without CONFIG, or with one that names no venue, a paper venue is started for this run on a
    free loopback port. Ctrl-C stops quoting, cancels everything, proves it and disarms the
    kill-switch; a second Ctrl-C leaves at once, with the kill-switch armed.

    Real money needs --live and a CONFIG whose [venue] is the exchange: either alone is refused, and
    so is a start that any go-live check of "quotefold doctor" speaks against. Nobody is asked.

    A CONFIG that names accounts runs an engine for each, and starts again those that fail.

    Exit codes: 0 stopped clean, 1 stopped without proof that nothing is left (or the venue does not
    answer), 2 refused.
    """
    import trio

    from adapters.cli.config import default_config, load_config
    from adapters.cli.durations import parse_duration
    from adapters.cli.live_mode import check_mode
    from adapters.cli.supervise import choose, load_accounts
    from adapters.ports import SystemClock, SystemFs, SystemIds

    fs = SystemFs()
    accounts = {} if account or config_path is None else load_accounts(fs, config_path)
    if config_path is not None and accounts:
        from adapters.cli.run_accounts import Shared, run_accounts

        given = Shared(duration, observe, live, flow, seed, log, log_level)
        return run_accounts(fs, config_path, accounts, journal, given, as_json=as_json)
    config_path, env = choose(fs, config_path, account)
    config = default_config() if config_path is None else load_config(fs, config_path)
    mode = check_mode(config, live=live, observe=observe)
    for_ns = None if duration is None else parse_duration(duration)
    if flow is not None or seed is not None:
        _check_flow(config, fs, flow or "synthetic", seed or 1)
    clock, ids = SystemClock(), SystemIds()
    directory = journal or new_journal(config, clock, ids)
    whose, logging = _Whose(account, env), _Logging(log, log_level)
    options = _Options(
        config, whose, mode, directory, for_ns, flow, seed, logging, as_json, exit_with_parent
    )
    return trio.run(_main, options, fs, clock, ids)


class _Logging(NamedTuple):
    where: str | None
    level: str


class _Whose(NamedTuple):
    account: str | None
    # Where its credentials are looked for.
    env: Mapping[str, str]


class _Options(NamedTuple):
    config: Config
    whose: _Whose
    # As of `RunStarted`.
    mode: str
    journal: Path
    for_ns: int | None
    flow: str | None
    seed: int | None
    logging: _Logging
    as_json: bool
    exit_with_parent: bool


def _check_flow(config: Config, fs: SystemFs, flow: str, seed: int) -> None:
    # A bad recording is refused here, before a venue or a journal exists.
    from adapters.paper.config import VenueConfig, with_flow_accounts
    from adapters.paper.core.exchange import Exchange
    from adapters.paper.flow.source import flow_maker
    from engine.errors import ConfigError

    if config.venue is not None:
        raise ConfigError("--flow, --seed: only for a paper venue; the configuration names another")
    settings = with_flow_accounts(VenueConfig())
    make_flow = flow_maker(settings, flow, seed=seed, speed="1", fs=fs)
    make_flow(Exchange(settings.exchange, 0), 0)


def new_journal(config: Config, clock: Clock, ids: Ids) -> Path:
    """Name the journal of a run that was given none."""
    from datetime import UTC, datetime

    stamp = datetime.fromtimestamp(clock.now_ns() // 10**9, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(config.journal.directory) / f"{stamp}-{ids.token(2)}"


async def _main(options: _Options, fs: SystemFs, clock: Clock, ids: Ids) -> int:
    from contextlib import AsyncExitStack

    from adapters.cli.child import paper_venue
    from adapters.cli.config import state_directory
    from adapters.cli.only_engine import only_engine
    from adapters.whitebit.signing import NonceSource

    nonces, cleared = NonceSource(clock.now_ns), None
    async with AsyncExitStack() as stack:
        if options.config.venue is None:
            hedged = options.config.engine.hedge_mode
            venue = paper_venue(options.flow, options.seed, hedged=hedged)
            address = await stack.enter_async_context(venue)
        else:
            address, source = _configured(options, fs)
            if options.mode == "live":
                stack.enter_context(only_engine(fs, state_directory(options.config), address.key))
                cleared = await _go_live(options, address, source, fs, clock, ids, nonces)
        outcome = await _quote(options, address, cleared, fs, clock, ids, nonces)
    return _report(options, outcome)


def _configured(options: _Options, fs: SystemFs) -> tuple[VenueAddress, str]:
    # Where the venue is, with the key, and where the key was found.
    from adapters.cli.child import VenueAddress
    from adapters.cli.credentials import load_credentials
    from adapters.whitebit.signing import Secret
    from engine.errors import ConfigError

    venue = options.config.venue
    assert venue is not None
    if options.mode == "observe":
        # Market data needs no key, and a run that places nothing shall hold none.
        return VenueAddress(venue.rest_url, venue.ws_url, Secret(""), Secret("")), ""
    if venue.region == "eu":
        raise ConfigError(EU_REFUSED)
    found = load_credentials(fs, options.whose.env)
    return VenueAddress(venue.rest_url, venue.ws_url, found.key, found.secret), found.source


async def _go_live(
    options: _Options,
    address: VenueAddress,
    source: str,
    fs: SystemFs,
    clock: Clock,
    ids: Ids,
    nonces: NonceSource,
) -> Cleared:
    from adapters.cli.credentials import Credentials
    from adapters.cli.doctor import teller
    from adapters.cli.going_live import clear_to_go

    credentials = Credentials(address.key, address.secret, source)
    tell = (lambda result: None) if options.as_json else teller()
    cleared = await clear_to_go(
        options.config,
        options.journal,
        address,
        credentials,
        tell,
        fs=fs,
        clock=clock,
        ids=ids,
        nonces=nonces,
        account=options.whose.account,
    )
    if not options.as_json:
        for line in cleared.words:
            click.echo(line)
    return cleared


def _plan(options: _Options, address: VenueAddress, fs: SystemFs) -> RunPlan:
    from functools import partial

    from adapters.cli.config import config_json, state_directory, to_quoted, to_settings
    from adapters.cli.journal_config import to_keep
    from adapters.cli.own_code import core_hash, part_hashes
    from adapters.runtime.run import RunPlan

    config = options.config
    return RunPlan(
        mode=options.mode,
        market_names=tuple(config.market),
        quote=partial(to_quoted, config),
        settings=to_settings(config),
        config=config_json(config),
        rest_url=address.rest_url,
        ws_url=address.ws_url,
        key=address.key,
        secret=address.secret,
        journal=options.journal,
        rest_fallback_url=None if config.venue is None else config.venue.rest_fallback_url,
        raw_capture=config.journal.raw,
        compress=config.journal.compress,
        keep=to_keep(config.journal, config.source),
        state_directory=state_directory(config),
        account=options.whose.account,
        code=core_hash(fs),
        code_parts=part_hashes(fs),
    )


def _watch_plan(options: _Options, address: VenueAddress) -> WatchPlan:
    from adapters.cli.watchers import WatchPlan

    return WatchPlan(
        journal=options.journal,
        screen=not options.as_json,
        log=options.logging.where,
        log_level=options.logging.level,
        metrics=options.config.metrics,
        secrets=(address.key, address.secret),
    )


async def _quote(
    options: _Options,
    address: VenueAddress,
    cleared: Cleared | None,
    fs: SystemFs,
    clock: Clock,
    ids: Ids,
    nonces: NonceSource,
) -> RunOutcome:
    from functools import partial

    import trio

    from adapters.cli.watchers import Watchers
    from adapters.ports import SystemNet
    from adapters.runtime.big_blocks import give_back_big_blocks
    from adapters.runtime.control import Control, socket_path
    from adapters.runtime.quiet_gc import QuietGc
    from adapters.runtime.run import run_engine

    give_back_big_blocks()
    plan, net, control = _plan(options, address, fs), SystemNet(), Control()
    assert plan.state_directory is not None
    socket = socket_path(plan.state_directory, os.getpid())
    outcomes: list[RunOutcome] = []
    faults: list[ExceptionGroup[Exception]] = []

    async def companions(beside: trio.Nursery) -> None:
        await watchers.start(beside, net)
        await beside.start(control.serve, net, fs, socket)

    async def engine(task_status: trio.TaskStatus[LiveLoop]) -> None:
        start = partial(run_engine, clock=clock, ids=ids, net=net, fs=fs, nonces=nonces)
        start = partial(start, observer=watchers.observe, quiet_gc=quiet_gc)
        outcomes.append(await start(plan, task_status=task_status))
        nursery.cancel_scope.cancel()

    with (
        QuietGc() as quiet_gc,
        Watchers(_watch_plan(options, address), fs, clock) as watchers,
    ):
        if cleared is not None:
            watchers.note_cleared(cleared)
        async with trio.open_nursery() as nursery:
            beside: trio.Nursery = await nursery.start(_beside, companions, control, faults)
            loop: LiveLoop = await nursery.start(engine)
            control.loop = loop
            if options.exit_with_parent:
                beside.start_soon(_stop_with_parent, loop)
            if options.for_ns is not None:
                beside.start_soon(_stop_after, loop, options.for_ns / 1e9)
            # Before, a signal ends the process as it ends any: a venue that does not answer, or a
            # long journal, may take minutes, and nothing was placed that would be left.
            await nursery.start(_stop_on_signal, loop)
        if faults:
            raise faults[0]
    return outcomes[0]


async def _beside(
    companions: Callable[[trio.Nursery], Awaitable[None]],
    control: Control,
    faults: list[ExceptionGroup[Exception]],
    *,
    task_status: trio.TaskStatus[trio.Nursery],
) -> None:
    # A fault of theirs is told once the run has ended in order: cancelled with them, it would leave
    # its orders to the venue's timer.
    import trio

    try:
        async with trio.open_nursery() as beside:
            await companions(beside)
            task_status.started(beside)
    except* Exception as group:
        if control.loop is None:
            raise
        faults.append(group)
        control.loop.stop(f"a fault beside the loop: {type(group.exceptions[0]).__name__}")


async def _stop_after(loop: LiveLoop, seconds: float) -> None:
    import trio

    await trio.sleep(seconds)
    loop.stop("the time is over")


async def _stop_with_parent(loop: LiveLoop) -> None:
    import trio

    async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
        while await stdin.receive_some():
            pass
    loop.stop("the process that started this one is gone")


async def _stop_on_signal(loop: LiveLoop, *, task_status: trio.TaskStatus[None]) -> None:
    import signal

    import trio

    stopping = False
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if stopping:
                # Out at once: nothing is awaited, and the venue's timer clears what is left.
                os._exit(128 + number)
            stopping = True
            loop.stop(signal.Signals(number).name)


def _report(options: _Options, outcome: RunOutcome) -> int:
    from adapters.cli.summary import print_summary, summarize

    summary = summarize(outcome, str(options.journal))
    print_summary(summary, as_json=options.as_json)
    return 0 if outcome.ended.clean else EXIT_UNCLEAN
