"""The fast reader of recordings against the venue's own, and what both refuse."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import zstandard

from adapters.paper.flow.rows import BboRow, Row, TradeRow, open_recording, read_rows, to_steps
from adapters.ports import SystemFs
from engine.errors import ConfigError
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move, together, until
from replay.backtest.rows import JOIN_NS, read_moves
from tests.backtest.recordings import LATER_NS, MS, START_NS, made_up, recorded, write

FS = SystemFs()


def moves(*paths: Path, decimals: tuple[int, int] = (2, 6)) -> list[Move]:
    return list(read_moves([(str(path), path.read_bytes()) for path in paths], 0, *decimals))


def steps(pair: tuple[str, str]) -> tuple[int, int]:
    return to_steps(pair[0], 2, ""), to_steps(pair[1], 6, "")


def as_move(row: Row) -> Move:
    """What the venue's reader and its exact conversion make of a row."""
    if isinstance(row, BboRow):
        return (row.t, 0, TOUCH, 0, row.seq, *steps(row.bid), *steps(row.ask))
    if isinstance(row, TradeRow):
        told = (row.side == "buy", *steps((row.p, row.q)), row.id % 5 == 0)
        return (row.t, 0, TRADE, 0, row.id, *told)
    sides = [steps(pair) for pair in row.bids], [steps(pair) for pair in row.asks]
    return (row.t, 0, DEPTH, 0, row.seq, type(row).__name__ == "SnapshotRow", *sides)


def test_every_number_is_read_as_the_venue_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "spot.zst", recorded())
    rows = [row for _, row in read_rows(open_recording(FS, path), "spot")]
    at = {(move[0], move[2], move[4]): move for move in moves(path)}
    begun = next(n for n, row in enumerate(rows) if type(row).__name__ == "SnapshotRow")
    expected = [as_move(row) for row in rows[begun:]]
    assert len(expected) > 500
    for move in expected:
        assert at[move[0], move[2], move[4]] == move


def test_deltas_from_before_the_snapshot_join_it_or_are_dropped(tmp_path: Path) -> None:
    rows = made_up(rows=40)
    snapshot, early = rows[0], {"k": "delta", "t": START_NS - MS, "bids": [["1.00", "1"]]}
    joined = {**early, "first": 99, "seq": 101, "asks": []}
    old = {**early, "first": 98, "seq": 99, "asks": []}
    for row in rows[1:]:
        if row["k"] == "delta":
            row["first"], row["seq"] = row["first"] + 1, row["seq"] + 1
    found = moves(write(tmp_path / "a.zst", [old, joined, snapshot, *rows[1:]]))
    assert [move[5] for move in found[:2]] == [True, False]
    assert found[1][0] == snapshot["t"]
    assert found[1][6] == [(100, 1_000_000)]


def test_a_second_file_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    one = write(tmp_path / "a.zst", made_up(seed=1, rows=60))
    other = write(tmp_path / "b.zst", made_up(seed=2, rows=60, start_ns=LATER_NS))
    alone, both = moves(one), moves(one, other)
    assert both[: len(alone)] == alone
    first = both[len(alone)]
    assert first[0] == alone[-1][0] + JOIN_NS
    *_, last = (move for move in alone if move[2] == TOUCH)
    best = max(first[6])[0] + min(first[7])[0]
    assert abs(best - last[5] - last[7]) <= 1


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    rows = made_up(rows=60)
    one = write(tmp_path / "a.zst", rows)
    for start_ns in (START_NS, rows[-1]["t"] - 1, START_NS - 10**9):
        other = write(tmp_path / "b.zst", made_up(seed=2, rows=60, start_ns=start_ns))
        with pytest.raises(ConfigError, match=r"b\.zst: .* begins after the one before it ended"):
            moves(one, other)
    other = write(tmp_path / "b.zst", made_up(seed=2, rows=60, start_ns=rows[-1]["t"]))
    assert len(moves(one, other)) > 60


def broken(rows: list[dict[str, Any]], number: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**row, **changes} if n == number else row for n, row in enumerate(rows)]


ROWS = made_up(rows=30)
BBO = next(n for n, row in enumerate(ROWS) if row["k"] == "bbo")
TRADED = next(n for n, row in enumerate(ROWS) if row["k"] == "trade")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROWS[1:], "expected a snapshot of the book"),
        (broken(ROWS, BBO, t=1), "sort the rows by t"),
        (broken(ROWS, BBO, bid=["60000.001", "1"]), "another market"),
        (broken(ROWS, BBO, ask=["60000.01", "0.0000001"]), "another market"),
        (broken(ROWS, TRADED, p="9007199254740993.01"), "another market"),
        (broken(ROWS, TRADED, p="nan"), "another market"),
        (broken(ROWS, BBO, bid=["60000.00", "inf"]), "another market"),
        (broken(ROWS, 0, bids=[["nan", "1"]]), "another market"),
        (broken(ROWS, TRADED, side="both"), "must be a snapshot, delta, bbo or trade"),
        (broken(ROWS, 0, asks=[]), "both sides"),
        (
            [*ROWS, {**ROWS[0], "k": "delta", "t": 2 * START_NS, "first": 10**6, "seq": 10**6}],
            "gap",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        moves(write(tmp_path / "a.zst", rows))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    rows = [*[b"%s" % line for line in recorded(20)], b"{}"]
    with pytest.raises(ConfigError, match=r"a.zst:21: "):
        moves(write(tmp_path / "a.zst", tuple(rows)))


def test_a_file_that_is_cut_off_or_no_recording_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", ROWS)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match=r"cut|zstandard"):
        moves(path)
    path.write_bytes(b"not compressed")
    with pytest.raises(ConfigError, match="zstandard-compressed"):
        moves(path)


def test_a_file_that_is_cut_off_between_two_lines_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.zst", ROWS)
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(whole.read_bytes())
    compressor = zstandard.ZstdCompressor().compressobj()
    cut = compressor.compress(lines) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    path = tmp_path / "cut.zst"
    path.write_bytes(cut)
    with pytest.raises(ConfigError, match="breaks off"):
        moves(path)
    path.write_bytes(cut + compressor.flush())
    assert moves(path) == moves(whole)


def test_a_file_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.zst", ROWS)
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(whole.read_bytes())
    parts = [zstandard.ZstdCompressor().compress(part) for part in (lines[:999], lines[999:])]
    path = tmp_path / "b.zst"
    path.write_bytes(b"".join(parts))
    assert moves(path) == moves(whole)
    path.write_bytes(parts[0] + parts[1] + b"no frame")
    with pytest.raises(ConfigError, match="zstandard-compressed"):
        moves(path)


def test_markets_are_played_together_until_one_ends() -> None:
    one = [(at, 0, TOUCH) for at in (1, 4, 6, 9)]
    other = [(at, 1, TOUCH) for at in (3, 4, 7)]
    found, begin_ns = together([iter(one), iter(other)], ["A", "B"])
    assert begin_ns == 3
    assert list(islice(found, 9)) == [one[0], other[0], one[1], other[1], one[2], other[2]]


def test_markets_without_a_common_time_are_refused() -> None:
    found, _ = together([iter([(1, 0, TOUCH), (2, 0, TOUCH)]), iter([(5, 1, TOUCH)])], ["A", "B"])
    with pytest.raises(ConfigError, match="do not overlap"):
        list(found)
    with pytest.raises(ConfigError, match="B: expected market data"):
        together([iter([(1, 0, TOUCH)]), iter(())], ["A", "B"])


def test_a_stretch_ends_before_its_end() -> None:
    assert list(until(iter([(1,), (2,), (3,)]), 3)) == [(1,), (2,)]
