"""`quotefold backtest`: the engine on recorded market data, in virtual time."""

from __future__ import annotations

from pathlib import Path

import click

EXIT_UNCLEAN = 1
DEFAULT_LATENCY = "constant:5ms"


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE|JOURNAL|URL",
    help="A recording, or MARKET=FILE, or the directory of a journal, with raw: in front to read"
    " its bytes again; each at a path or a URL. May be given again.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the journal goes. Default: a new one under journals/.",
)
@click.option(
    "--latency",
    default=DEFAULT_LATENCY,
    show_default=True,
    metavar="MODEL",
    help="constant:TIME, measured:JOURNAL (medians) or sampled:JOURNAL.",
)
@click.option(
    "--queue",
    default="risk_averse",
    show_default=True,
    metavar="MODEL",
    help="Who leaves a level: risk_averse, power:N, power2:N, power3:N, log, log2.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def backtest(
    config_path: Path | None,
    data: tuple[str, ...],
    journal: Path | None,
    latency: str,
    queue: str,
    seed: int,
    as_json: bool,
) -> int:
    """Quote the markets of CONFIG that --data has, on the exchange core, in virtual time.

    Engine, planner, risk and strategy are those of a live run. The result is a journal as of a live
    run, marked as a backtest: replay --verify proves it, fills and inspect explain it. Equal
    arguments give equal bytes. One that was killed is begun anew by the same command; one that is
    there already is only shown. docs/backtest.md says what it models, and what it cannot prove.

    Exit codes: 0 done, 1 the engine did not end clean, 2 refused.
    """
    from adapters.cli.backtest_plan import make_plan, parse_latency
    from adapters.cli.backtest_text import print_played, progress
    from adapters.cli.config import default_config, load_config
    from adapters.cli.run import new_journal
    from adapters.ports import SystemClock, SystemFs, SystemIds
    from replay.backtest.extent import extent
    from replay.backtest.run import run_backtest

    fs, clock = SystemFs(), SystemClock()
    config = default_config() if config_path is None else load_config(fs, config_path)
    plan = make_plan(fs, config, data, parse_latency(latency), queue, seed)
    directory = journal or new_journal(config, clock, SystemIds())
    began_ns = clock.now_ns()
    with progress(lambda: extent(fs, plan), as_json=as_json) as tell:
        played = run_backtest(fs, plan, directory, tell)
    took_ns = clock.now_ns() - began_ns
    print_played(played, plan, directory, took_ns, as_json=as_json)
    return 0 if played.ended.clean else EXIT_UNCLEAN
