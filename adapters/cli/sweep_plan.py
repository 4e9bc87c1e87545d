"""From a command line and a configuration to the tasks of a sweep."""

from __future__ import annotations

import hashlib
from itertools import chain

import msgspec

from adapters.cli.backtest_plan import make_plan
from adapters.cli.config import Config
from adapters.ports import Fs
from engine.errors import ConfigError
from replay.backtest.made import LatencySpec
from replay.backtest.run import Plan, span
from replay.backtest.split import folds_of, windows_of
from replay.backtest.sweep import Task, grid_of, points_of, tasks_of


class Asked(msgspec.Struct, frozen=True):
    """What the command line says, but for who works and where results go."""

    grid: tuple[str, ...]
    data: tuple[str, ...]
    split: str | None
    latency: LatencySpec
    queue: str
    seed: int


class Made(msgspec.Struct, frozen=True):
    """A sweep that is ready to be worked on."""

    name: str
    """Made of all that is asked."""
    label: str
    asset: str
    """Quote asset of all markets, that money is in."""
    grid: list[tuple[str, tuple[str, ...]]]
    points: int
    """Of the grid."""
    folds: int
    """0 without a split."""
    tasks: list[Task]


def make_tasks(fs: Fs, config: Config, asked: Asked) -> Made:
    """Return the tasks.

    Raises:
        ConfigError: grid, data or split cannot be used; markets of different quote assets.
    """
    grid, folds = grid_of(asked.grid), 0 if asked.split is None else folds_of(asked.split)
    plans: list[tuple[str, list[Plan]]] = []
    labels: dict[str, None] = {}
    quote_assets: set[str] = set()
    for text in asked.data:
        plan = make_plan(fs, config, text.split(","), asked.latency, asked.queue, asked.seed)
        labels[plan.label] = None
        quote_assets |= {quoted.market.quote_asset for quoted in plan.quoted}
        if len(quote_assets) > 1:
            raise ConfigError(
                f"--data {text}: expected one quote asset, by which points can be compared, found"
                f" {' and '.join(sorted(quote_assets))}"
            )
        windows = windows_of(plan, folds, *span(fs, plan)) if folds else [plan]
        sources = [*plan.journals, *chain.from_iterable(plan.files.values())]
        name = ",".join(source.name for source in sources)
        if any(name == other for other, _ in plans):
            name = ",".join(source.shown for source in sources)
        plans.append((name, windows))
    points = points_of(grid)
    tasks = tasks_of(plans, points)
    if len({task.name for task in tasks}) < len(tasks):
        raise ConfigError("--data: expected each set of data once, found one twice")
    digest = hashlib.sha256("".join(task.name for task in tasks).encode()).hexdigest()[:12]
    (asset,) = quote_assets
    return Made(digest, " and ".join(labels), asset, grid, len(points), folds, tasks)
