"""`quotefold sweep`: many backtests over a grid of parameters, data and stretches of time."""

from __future__ import annotations

from pathlib import Path

import click

from adapters.cli.backtest import DEFAULT_LATENCY

EXIT_UNCLEAN = 1


@click.command()
@click.argument("config_path", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V,V,...",
    help="Values of a parameter or limit, as `ctl set` takes it; MARKET.KEY for one market.",
)
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE[,FILE]|JOURNAL|URL",
    help="A set of data, as of backtest; the files of a set are played together.",
)
@click.option(
    "--split",
    metavar="walk-forward:K",
    help="Choose on each of K stretches of time, and judge on the one after it.",
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes here. Default: cores."
)
@click.option("--cluster", metavar="tcp://HOST:PORT", help="A Dask scheduler to work there.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results are kept. Default: sweeps/ and a name made of all that is asked.",
)
@click.option("--latency", default=DEFAULT_LATENCY, show_default=True, metavar="MODEL")
@click.option("--queue", default="risk_averse", show_default=True, metavar="MODEL")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def sweep(
    config_path: Path | None,
    grid: tuple[str, ...],
    data: tuple[str, ...],
    split: str | None,
    workers: int | None,
    cluster: str | None,
    out: Path | None,
    latency: str,
    queue: str,
    seed: int,
    as_json: bool,
) -> int:
    """Backtest CONFIG at every point of a grid, on every set of --data.

    Each point, set and stretch is a backtest of its own, and lies in --out as a file once it is
    done: the same command goes on where it was stopped, and results do not depend on how many
    workers there are. With --split, a point is chosen on a stretch of time and judged on the next,
    which it was not chosen on. docs/backtest.md explains the tables.

    Exit codes: 0 done, 1 an engine did not end clean or workers were lost, 2 refused.
    """
    from adapters.cli.backtest_plan import parse_latency
    from adapters.cli.config import default_config, load_config
    from adapters.cli.sweep_plan import Asked, make_tasks
    from adapters.cli.sweep_text import print_results, progress, write_maps
    from adapters.ports import SystemFs
    from replay.backtest import workers as who
    from replay.backtest.sweep import Store
    from replay.backtest.sweep import sweep as run_sweep
    from replay.parallel import cores

    fs = SystemFs()
    config = default_config() if config_path is None else load_config(fs, config_path)
    asked = Asked(grid, data, split, parse_latency(latency), queue, seed)
    work = who.cluster(cluster) if cluster else who.local(workers or cores())
    made = make_tasks(fs, config, asked)
    directory = out or Path("sweeps") / made.name
    with progress(as_json=as_json) as tell:
        results = run_sweep(made.tasks, Store(fs, directory), work, tell)
    maps = write_maps(fs, directory, made, results)
    print_results(made, results, directory, maps, as_json=as_json)
    return 0 if all(result.clean for result in results) else EXIT_UNCLEAN
