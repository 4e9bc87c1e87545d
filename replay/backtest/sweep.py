"""Many backtests: every point of a grid, on every set of data, in every stretch of its time.

Each is a task of its own that depends on nothing but its plan, so what comes out is the same
whoever does it and in whatever order. What is done lies in a directory, one file a task, put there
whole; a sweep that was killed goes on with what is missing.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import product
from pathlib import Path

import msgspec

# A worker elsewhere knows strategies by their names only once the package was imported.
import strategies as _strategies  # noqa: F401
from adapters.ports import Fs, SystemFs
from adapters.runtime.journal_read import segment_paths
from engine.errors import ConfigError, QuotefoldError
from engine.inventory import pnl
from engine.money import ZERO, add, format_units, subtract
from engine.top import mark2_of
from replay.backtest.program import program
from replay.backtest.run import Plan, changed, play, start_of

POINTS_MAX = 100_000
"""Of one grid: more is a mistake."""

Point = tuple[tuple[str, str], ...]
"""Key and value, in the order of the grid."""


class MarketResult(msgspec.Struct, frozen=True):
    """What a task came to on one market; amounts are exact decimals."""

    quote_asset: str
    fills: int
    bought: str
    sold: str
    position: str
    pnl: Decimal
    spread: Decimal
    inventory: Decimal
    fees: Decimal
    """Negative is paid."""
    funding: Decimal
    bid_uptime: float
    ask_uptime: float
    is_partial: bool = False
    """The last funding, or fees in further assets, are not in the P&L (`engine.inventory.Pnl`)."""


class Result(msgspec.Struct, frozen=True):
    """What a task came to."""

    task: str
    """Digest of its plan."""
    point: Point
    data: str
    """Name of the set of data."""
    window: int
    """Stretch of its time, from 0 on."""
    begin_ns: int
    end_ns: int
    """Both 0: all of it."""
    clean: bool
    moves: int
    requests: int
    refused: int
    fingerprint: str
    """Of the state at the end: all that the engine knew."""
    markets: dict[str, MarketResult]

    @property
    def pnl(self) -> Decimal:
        """P&L of all markets, quote asset."""
        total = ZERO
        for market in self.markets.values():
            total = add(total, market.pnl)
        return total

    @property
    def fills(self) -> int:
        return sum([market.fills for market in self.markets.values()])


class Task(msgspec.Struct, frozen=True):
    """One backtest of a sweep."""

    name: str
    plan: Plan
    point: Point
    data: str
    window: int


def grid_of(texts: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Read a grid, `key=value,value,...` each.

    Raises:
        ConfigError: one has no key, no value, or is given twice.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, equals, rest = text.partition("=")
        values = tuple(value.strip() for value in rest.split(","))
        if not (key and equals) or not all(values) or key in grid or len({*values}) < len(values):
            raise ConfigError(
                f"--grid: expected KEY=VALUE,VALUE,... with each key and value once, found {text!r}"
            )
        grid[key] = values
    return list(grid.items())


def points_of(grid: Sequence[tuple[str, tuple[str, ...]]]) -> list[Point]:
    """Return every point, the last key's values next to each other; one without keys for no grid.

    Raises:
        ConfigError: there are too many.
    """
    count = 1
    for _, values in grid:
        count *= len(values)
    if count > POINTS_MAX:
        raise ConfigError(f"--grid: expected at most {POINTS_MAX:,} points, found {count:,}")
    keys = [key for key, _ in grid]
    return [
        tuple(zip(keys, values, strict=True)) for values in product(*[each for _, each in grid])
    ]


def tasks_of(plans: Sequence[tuple[str, Sequence[Plan]]], points: Sequence[Point]) -> list[Task]:
    """Return the tasks of a sweep.

    Args:
        plans: Sets of data by name, each with a plan for every stretch of its time.
        points: Of the grid.

    Raises:
        ConfigError: a point does not fit a plan.
    """
    tasks = []
    for name, windows in plans:
        for window, plan in enumerate(windows):
            for point in points:
                own = changed(plan, point)
                digest = hashlib.sha256(msgspec.msgpack.encode(start_of(own))).hexdigest()[:20]
                tasks.append(Task(digest, own, point, name, window))
    return tasks


def do(task: Task) -> bytes:
    """Play one task; returns its result as it is stored. What a worker runs."""
    return do_in(SystemFs(), task)


def do_alike(code: bytes, task: Task) -> bytes:
    """As `do`, on another machine; `code` is the `program` of whoever asks.

    Raises:
        ConfigError: the program here is another one, whose results may be, too.
    """
    if code != program():
        raise ConfigError(
            f"worker on {platform.node()}: expected the program of whoever sweeps"
            f" ({code.hex()[:12]}), found another ({program().hex()[:12]}): install the same"
            " version of it, of Python and of msgspec there, and start the worker again"
        )
    return do(task)


def do_in(fs: Fs, task: Task) -> bytes:
    """Play one task on data that lies in `fs`."""
    played, plan = play(fs, task.plan), task.plan
    markets = {}
    for name, market in played.state.markets.items():
        spec, inventory, uptime = market.quoted.market, market.inventory, market.uptime
        found = pnl(inventory, spec, mark2_of(market))
        markets[name] = MarketResult(
            quote_asset=spec.quote_asset,
            fills=inventory.fills,
            bought=format_units(inventory.bought_qty, spec.qty_decimals),
            sold=format_units(inventory.sold_qty, spec.qty_decimals),
            position=format_units(market.position, spec.qty_decimals),
            pnl=found.total,
            spread=found.spread,
            inventory=found.inventory,
            fees=subtract(ZERO, found.fees),
            funding=found.funding,
            bid_uptime=_ratio(uptime.bid_ns, uptime.total_ns),
            ask_uptime=_ratio(uptime.ask_ns, uptime.total_ns),
            is_partial=bool(found.unknown_fees or found.unknown_funding_s),
        )
    return msgspec.json.encode(
        Result(
            task=task.name,
            point=task.point,
            data=task.data,
            window=task.window,
            begin_ns=plan.begin_ns,
            end_ns=plan.end_ns,
            clean=played.ended.clean,
            moves=played.moves,
            requests=played.requests,
            refused=played.refused,
            fingerprint=played.fingerprint.hex(),
            markets=markets,
        )
    )


def _ratio(part_ns: int, whole_ns: int) -> float:
    return round(part_ns / whole_ns, 6) if whole_ns else 0.0


# --- what is done -------------------------------------------------------------------------------


class ResultsError(QuotefoldError):
    """A result cannot be kept; those before it are."""


class Store:
    """A directory with one file for each task that is done."""

    def __init__(self, fs: Fs, directory: Path) -> None:
        self._fs = fs
        self._directory = directory

    def prepare(self) -> None:
        """Make the directory, before any work is done for it.

        Raises:
            ConfigError: it cannot be made, or is a journal.
        """
        if segment_paths(self._fs, self._directory):
            raise ConfigError(
                f"--out {self._directory}: expected a directory for results, found a journal; name"
                " another one"
            )
        try:
            self._fs.make_dir(self._directory)
        except OSError as error:
            raise ConfigError(
                f"--out {self._directory}: expected a directory that can be made, found:"
                f" {error.strerror}"
            ) from error

    def get(self, task: Task) -> Result | None:
        """Return what a task came to, None if it was not done, or not wholly."""
        path = self._path(task.name)
        if not self._fs.exists(path):
            return None
        try:
            return msgspec.json.decode(self._fs.read(path), type=Result)
        except msgspec.MsgspecError:
            return None

    def put(self, task: Task, data: bytes) -> Result:
        """Keep what a task came to, whole or not at all.

        Raises:
            ResultsError: the disk refused.
        """
        path = self._path(task.name)
        unfinished = path.with_suffix(".unfinished")
        try:
            if self._fs.exists(unfinished):
                self._fs.remove(unfinished)
            file = self._fs.open_new(unfinished)
            try:
                file.write(data)
                file.sync()
            finally:
                file.close()
            self._fs.rename(unfinished, path)
        except OSError as error:
            raise ResultsError(
                f"{path}: a result cannot be kept: {error.strerror}; those before it are, so make"
                " room and give the same command again"
            ) from error
        return msgspec.json.decode(data, type=Result)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"


Work = Callable[[Sequence[Task]], Iterator[tuple[Task, bytes]]]
"""Does tasks, and yields each with its result as it comes."""


def sweep(
    tasks: Sequence[Task], store: Store, work: Work, tell: Callable[[int, int], None]
) -> list[Result]:
    """Do what is not done yet, and return what all tasks came to, in their order.

    Args:
        tasks: Of the sweep.
        store: Where results are, and go.
        work: Who does them.
        tell: Told how many are done, and of how many.

    Raises:
        ConfigError: a task cannot be played, or the store not be used.
        ResultsError: the disk refused a result.
    """
    store.prepare()
    results: dict[str, Result] = {}
    for task in tasks:
        found = store.get(task)
        if found is not None:
            results[task.name] = found
    missing = {task.name: task for task in tasks if task.name not in results}
    tell(len(results), len(tasks))
    for task, data in work(list(missing.values())):
        results[task.name] = store.put(task, data)
        tell(len(results), len(tasks))
    return [results[task.name] for task in tasks]
