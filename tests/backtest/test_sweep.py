"""Sweeps: the same results whoever does the work, and after a kill; choices judged elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.cli.main import main
from engine.errors import ConfigError
from replay.backtest.heat import heat_maps, svg
from replay.backtest.split import folds_of, totals, walk_forward
from replay.backtest.sweep import (
    MarketResult,
    Point,
    Result,
    Store,
    Task,
    do,
    grid_of,
    points_of,
    sweep,
)
from replay.backtest.workers import cluster, local
from tests.backtest.recordings import made_up, recorded, write
from tests.backtest.sweeps import FS, GRID, files, made, nothing


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("data")
    return [
        write(directory / "one.zst", recorded(900)),
        write(directory / "other.zst", made_up(5, rows=400)),
    ]


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers(data: list[Path], tmp_path: Path) -> None:
    tasks = made(data).tasks
    one = sweep(tasks, Store(FS, tmp_path / "1"), local(1), nothing)
    two = sweep(tasks, Store(FS, tmp_path / "2"), local(2), nothing)
    assert one == two
    assert len(one) == 8
    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert len({result.fingerprint for result in one}) == len(one)


@pytest.mark.slow
def test_one_that_was_killed_goes_on(data: list[Path], tmp_path: Path) -> None:
    tasks, store = made(data[1:]).tasks, Store(FS, tmp_path)
    whole = sweep(tasks, Store(FS, tmp_path / "whole"), local(1), nothing)

    def killed(missing: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        for task in missing[:2]:
            yield task, do(task)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tasks, store, killed, nothing)
    # A result that is not whole is none.
    (tmp_path / f"{tasks[0].name}.json").write_bytes(b"{")
    (tmp_path / f"{tasks[2].name}.unfinished").write_bytes(b"half")
    asked: list[str] = []

    def counted(missing: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        asked.extend(task.name for task in missing)
        yield from local(1)(missing)

    assert sweep(tasks, store, counted, nothing) == whole
    assert asked == [tasks[0].name, tasks[2].name, tasks[3].name]


@pytest.mark.slow
def test_stretches_are_chosen_on_and_judged_apart(data: list[Path], tmp_path: Path) -> None:
    ready = made(data[:1], "walk-forward:2")
    windows = sorted({(t.plan.begin_ns, t.plan.end_ns) for t in ready.tasks})
    assert len(windows) == 3
    assert all(a[1] == b[0] for a, b in pairwise(windows))
    results = sweep(ready.tasks, Store(FS, tmp_path), local(1), nothing)
    folds = walk_forward(results, 2)
    for fold in folds:
        assert fold.judged_pnl == totals(results, fold.number)[fold.chosen]
        assert fold.best_pnl >= fold.judged_pnl


def result(point: Point, window: int, pnl: str) -> Result:
    zero = Decimal(0)
    market = MarketResult("USDT", 1, "0", "0", "0", Decimal(pnl), zero, zero, zero, zero, 1.0, 1.0)
    return Result("t", point, "d", window, 0, 0, True, 1, 1, 0, "", {"BTC_USDT": market})


def test_the_choice_is_judged_where_it_was_not_made() -> None:
    a, b, c = ((("x", "1"),), (("x", "2"),), (("x", "3"),))
    results = [
        *(result(point, 0, pnl) for point, pnl in ((a, "5"), (b, "5"), (c, "1"))),
        *(result(point, 1, pnl) for point, pnl in ((a, "-2"), (b, "3"), (c, "4"))),
        *(result(point, 2, pnl) for point, pnl in ((a, "0"), (b, "1"), (c, "2"))),
    ]
    first, second = walk_forward(results, 2)
    assert (first.chosen, first.chosen_pnl, first.judged_pnl) == (a, Decimal(5), Decimal(-2))
    assert (first.rank, first.best_pnl) == (3, Decimal(4))
    assert (second.chosen, second.judged_pnl, second.rank) == (c, Decimal(2), 1)
    assert totals(results)[b] == Decimal(9)


def test_points_come_in_the_order_of_the_grid() -> None:
    points = points_of(grid_of(["a=1,2", "b=x,y"]))
    assert ["".join(value for _, value in point) for point in points] == ["1x", "1y", "2x", "2y"]
    assert points_of([]) == [()]


@pytest.mark.parametrize("text", ["a", "a=", "=1", "a=1,", "a=1,1"])
def test_a_grid_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--grid"):
        grid_of([text])


def test_too_large_a_grid_is_refused() -> None:
    values = ",".join(str(number) for number in range(400))
    with pytest.raises(ConfigError, match="160,000"):
        points_of(grid_of([f"a={values}", f"b={values}"]))


@pytest.mark.parametrize("text", ["walk-forward", "walk-forward:0", "k-fold:3", "walk-forward:x"])
def test_a_split_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        folds_of(text)


def test_heat_maps_take_the_mean_of_the_other_keys() -> None:
    grid = grid_of(["a=1,2", "b=x,y", "c=7"])
    found = {point: Decimal(number) for number, point in enumerate(points_of(grid))}
    (only,) = heat_maps(grid, found)
    assert (only.rows, only.columns, only.cells) == (
        ("1", "2"),
        ("x", "y"),
        ((0.0, 1.0), (2.0, 3.0)),
    )
    drawn = svg(only, "a < b")
    assert drawn.count("<rect") == 4
    assert "a &lt; b" in drawn
    three = grid_of(["a=1,2", "b=x,y", "c=7,8"])
    found = {point: Decimal(number) for number, point in enumerate(points_of(three))}
    assert [each.cells[0][0] for each in heat_maps(three, found)] == [0.5, 1.0, 2.0]


def test_a_cluster_needs_the_extra() -> None:
    if find_spec("distributed") is not None:
        pytest.skip("the extra is installed")
    with pytest.raises(ConfigError, match="extra `sweep`"):
        cluster("tcp://127.0.0.1:1")


# --- the command --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_tells_json_and_words(
    data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "--data", str(data[1]), "--out", str(tmp_path), "--workers", "1"]
    arguments += ["--split", "walk-forward:1", *[w for text in GRID for w in ("--grid", text)]]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["results"]), len(told["points"]), len(told["folds"])) == (8, 4, 1)
    assert told["label"] == "Binance data in WhiteBIT framing"
    assert list(tmp_path.glob("*.svg"))
    assert main(arguments) == 0
    words = capsys.readouterr().out
    assert "walk-forward" in words
    assert "P&L by half_spread_bps" in words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--grid", "half_spread_bps"], "--grid"),
        (["--grid", "no_such_key=1"], "no_such_key"),
        (["--grid", "half_spread_bps=wide"], "half_spread_bps"),
        (["--split", "walk-forward:900"], "stretches of a second"),
        (["--data", "{data}"], "once"),
    ],
)
def test_the_command_refuses(
    data: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    words: str,
) -> None:
    filled = [each.format(data=data[1]) for each in more]
    arguments = ["sweep", "--data", str(data[1]), "--out", str(tmp_path / "out"), *filled, "--json"]
    assert main(arguments) == 2
    assert words in json.loads(capsys.readouterr().out)["error"]
    assert not (tmp_path / "out").exists()
