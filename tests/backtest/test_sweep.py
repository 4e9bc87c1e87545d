"""Sweeps: the same results whoever does the work, and after a kill; choices judged elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from errno import ENOSPC
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.sweep_text import print_results
from adapters.ports import AppendFile, SystemFs
from engine.errors import ConfigError
from replay.backtest.heat import heat_maps, places_of, svg
from replay.backtest.split import Fold, folds_of, totals, walk_forward
from replay.backtest.sweep import (
    MarketResult,
    Point,
    Result,
    ResultsError,
    Store,
    Task,
    do,
    grid_of,
    points_of,
    sweep,
)
from replay.backtest.workers import cluster, local
from tests.backtest.recordings import made_up, over_midnight, recorded, write
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


def test_what_another_program_made_is_done_anew(
    data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [task.name for task in made(data[1:]).tasks]
    assert [task.name for task in made(data[1:]).tasks] == before
    monkeypatch.setattr("replay.backtest.run.program", lambda: b"another program")
    assert not {task.name for task in made(data[1:]).tasks} & {*before}


def never(missing: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
    raise AssertionError("work was done for nothing")
    yield


def test_where_results_cannot_go_is_said_before_any_work(data: list[Path], tmp_path: Path) -> None:
    tasks = made(data[1:]).tasks
    file = tmp_path / "file"
    file.write_bytes(b"")
    for place in (file, file / "below"):
        with pytest.raises(ConfigError, match=r"--out .*expected a directory that can be made"):
            sweep(tasks, Store(FS, place), never, nothing)
    journal = tmp_path / "journal"
    journal.mkdir()
    (journal / "00000001.qfj").write_bytes(b"")
    with pytest.raises(ConfigError, match="found a journal"):
        sweep(tasks, Store(FS, journal), never, nothing)
    assert len(list(journal.iterdir())) == 1


class FullFs(SystemFs):
    """A disk that is full once a few results are there."""

    def open_new(self, path: Path, *, private: bool = False) -> AppendFile:
        if len(self.list_dir(path.parent)) >= 2:
            raise OSError(ENOSPC, "No space left on device")
        return super().open_new(path, private=private)


def test_a_full_disk_is_said_and_what_is_done_is_kept(data: list[Path], tmp_path: Path) -> None:
    tasks = made(data[1:]).tasks

    def work(missing: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        for task in missing:
            yield task, msgspec.json.encode(result(task.point, 0, "1"))

    with pytest.raises(ResultsError, match=r"No space left on device; .* give the same command"):
        sweep(tasks, Store(FullFs(), tmp_path), work, nothing)
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert len(sweep(tasks, Store(FS, tmp_path), work, nothing)) == len(tasks)


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


def result(point: Point, window: int, pnl: str, data: str = "d") -> Result:
    zero = Decimal(0)
    market = MarketResult("USDT", 1, "0", "0", "0", Decimal(pnl), zero, zero, zero, zero, 1.0, 1.0)
    return Result("t", point, data, window, 0, 0, True, 1, 1, 0, "", {"BTC_USDT": market})


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


def test_no_choice_is_made_on_another_set_which_may_be_of_the_same_time_or_later() -> None:
    a, b = ((("x", "1"),), (("x", "2"),))
    results = [
        *(result(point, 0, pnl, "mon") for point, pnl in ((a, "1"), (b, "0"))),
        *(result(point, 1, pnl, "mon") for point, pnl in ((a, "-3"), (b, "7"))),
        *(result(point, 0, pnl, "tue") for point, pnl in ((a, "0"), (b, "9"))),
        *(result(point, 1, pnl, "tue") for point, pnl in ((a, "2"), (b, "1"))),
    ]
    monday, tuesday = walk_forward(results, 1)
    assert monday == Fold("mon", 1, a, Decimal(1), Decimal(-3), 2, Decimal(7))
    assert tuesday == Fold("tue", 1, b, Decimal(9), Decimal(1), 2, Decimal(2))
    assert totals(results) == {a: Decimal(0), b: Decimal(17)}


@pytest.mark.slow
def test_a_funding_that_nobody_told_makes_a_result_partial(
    data: list[Path], tmp_path: Path
) -> None:
    perp = write(tmp_path / "perp.zst", over_midnight())
    tasks = [made([path], grid=()).tasks[0] for path in (data[1], perp)]
    spot, perpetual = (msgspec.json.decode(do(task), type=Result).markets for task in tasks)
    assert not spot["BTC_USDT"].is_partial
    assert perpetual["BTC_PERP"].is_partial


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
    assert only.title("USDT") == "P&L, USDT, by a (rows) and b (columns)"
    drawn = svg(only, "USDT", "a < b")
    assert drawn.count("<rect") == 4
    assert "a &lt; b" in drawn
    three = grid_of(["a=1,2", "b=x,y", "c=7,8"])
    found = {point: Decimal(number) for number, point in enumerate(points_of(three))}
    maps = heat_maps(three, found)
    assert [each.cells[0][0] for each in maps] == [0.5, 1.0, 2.0]
    assert [each.title("USDT").partition("(columns)")[2] for each in maps] == [
        f", mean over {key}" for key in "cba"
    ]


@pytest.mark.parametrize(
    ("most", "places"), [("0", 2), ("-123456", 2), ("12.3", 2), ("-1.5", 3), ("0.0123", 5)]
)
def test_amounts_are_shown_with_four_digits_of_the_largest(most: str, places: int) -> None:
    assert places_of([Decimal("0.00001"), Decimal(most)]) == (places if most != "0" else 8)
    assert places_of([Decimal(most)]) == places
    assert places_of([]) == 2


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
    assert told["quote_asset"] == "USDT"
    assert told["folds"][0]["data"] == "other.zst"
    assert main(arguments) == 0
    words = capsys.readouterr().out
    assert "walk-forward, USDT" in words
    assert "P&L, USDT, by half_spread_bps (rows) and skew_bps (columns)\n" in words
    assert re.search(r"other.zst +2 of 2 .* [1-4] of 4 ", words)


def test_no_key_or_figure_is_cut_off_and_what_did_not_end_clean_is_said(
    data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = made(data[1:], "walk-forward:1", ("volatility_half_life_s=10,20", *GRID))
    results = [result(task.point, task.window, "0.0012", "other.zst") for task in ready.tasks]
    results[3] = replace(results[3], clean=False)
    market = replace(results[5].markets["BTC_USDT"], is_partial=True)
    results[5] = replace(results[5], markets={"BTC_USDT": market})
    print_results(ready, results, tmp_path, [], as_json=False)
    words = capsys.readouterr().out
    assert "…" not in words
    assert "volatility_half_life_s=10 half_spread_bps=0.3 skew_bps=0" in words
    assert " 0.002400 " in words
    assert "note: 1 of them did not end clean" in words
    assert "note: the P&L of 1 of them lacks the last funding" in words


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
