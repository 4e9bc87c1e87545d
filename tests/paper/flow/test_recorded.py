"""Recorded flow: joining, chaining, real priority with users, looping, and every bad file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import zstandard

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import BboChanged, BookChanged, Deal, PublicTrade, Side
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.recorded import RecordedFlow
from adapters.paper.flow.rows import Lines, lines_of, open_recording, to_steps
from adapters.paper.flow.view import RecordedConfig
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    SPOT,
    exchange,
    order,
    placed,
    story,
    totals,
)

LOT = 1_000_000
MS = 1_000
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
Row = dict[str, object]


def snapshot(ms: int, seq: int, bids: list[list[str]], asks: list[list[str]]) -> Row:
    return {"k": "snapshot", "t": ms * 1_000_000, "seq": seq, "bids": bids, "asks": asks}


def delta(ms: int, seq: int, bids: list[list[str]], asks: list[list[str]], **more: int) -> Row:
    return {"k": "delta", "t": ms * 1_000_000, "seq": seq, "bids": bids, "asks": asks, **more}


def bbo(ms: int, seq: int, bid: list[str], ask: list[str]) -> Row:
    return {"k": "bbo", "t": ms * 1_000_000, "seq": seq, "bid": bid, "ask": ask}


def trade(ms: int, number: int, price: str, qty: str, side: str) -> Row:
    row = {"k": "trade", "t": ms * 1_000_000, "x": 1, "id": number, "p": price, "q": qty}
    return {**row, "side": side}


START = snapshot(1000, 10, [["100", "1"], ["99", "2"]], [["101", "1"], ["102", "2"]])


def lines(rows: list[Row]) -> Lines:
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return packed(text)


def packed(text: bytes) -> Lines:
    data = zstandard.ZstdCompressor().compress(text)
    return lines_of(lambda: io.BytesIO(data), "tape.zst")


def flow(venue: Exchange, rows: list[Row], market: str = SPOT) -> RecordedFlow:
    return RecordedFlow(venue, {market: [("tape.zst", lines(rows))]}, FlowClock(NOW_US))


def played(rows: list[Row], ms: int) -> Exchange:
    venue = exchange()
    flow(venue, rows).run_until(NOW_US + ms * MS)
    venue.check()
    return venue


def test_deltas_before_the_snapshot_are_joined_and_stale_ones_dropped() -> None:
    rows = [
        delta(100, 9, [["100", "5"]], [], first=8),
        delta(200, 12, [["100", "3"]], [["103", "0"]], first=10),
        trade(250, 1, "100", "9", "sell"),
        snapshot(300, 10, [["100", "1"]], [["101", "1"]]),
        delta(400, 13, [["100", "0"], ["98", "4"]], [], first=13),
    ]
    assert played(rows, 0).markets[SPOT].depth(5) == (((10000, 3 * LOT),), ((10100, LOT),))
    assert played(rows, 100).markets[SPOT].depth(5) == (((9800, 4 * LOT),), ((10100, LOT),))


def test_futures_chain_by_prev_whatever_first_says() -> None:
    rows = [
        START,
        delta(1100, 20, [["100", "3"]], [], first=5, prev=8),
        delta(1200, 40, [["100", "4"]], [], first=35, prev=20),
    ]
    venue = exchange()
    flow(venue, rows, PERP).run_until(NOW_US + 200 * MS)
    assert venue.markets[PERP].best()[:2] == (1000, 4000)


@pytest.mark.parametrize("link", [{"first": 13}, {"first": 12, "prev": 12}])
def test_gap_names_file_and_line(link: dict[str, int]) -> None:
    rows = [START, delta(1100, 20, [["100", "3"]], [], **link)]
    with pytest.raises(ConfigError, match=r"tape.zst:2: expected a delta that follows update 10"):
        played(rows, 100)


def test_recorded_trade_fills_background_first_and_users_behind_it() -> None:
    rows = [START, trade(1100, 1, "100", "1.5", "sell"), trade(1200, 2, "100", "1", "sell")]
    venue = exchange()
    market = flow(venue, rows)
    market.run_until(NOW_US)
    placed(venue, "alice", order("buy", "1", "100"))
    venue.drain()
    market.run_until(NOW_US + 100 * MS)
    assert story(venue.drain(), "alice")[0] == f"D maker {LOT // 2}@10000"
    market.run_until(NOW_US + 200 * MS)
    assert story(venue.drain(), "alice")[0] == f"D maker {LOT // 2}@10000"
    assert venue.open_orders("alice") == []


def test_trade_keeps_its_volume_when_quotes_ran_ahead() -> None:
    rows = [
        START,
        bbo(1100, 11, ["99", "2"], ["101", "1"]),
        trade(1100, 1, "100", "1", "sell"),
        bbo(1200, 12, ["98", "2"], ["99", "1"]),
        trade(1200, 2, "100", "1", "sell"),
    ]
    venue = played(rows, 200)
    trades = [(t.ticks, t.lots, t.side) for t in venue.drain() if isinstance(t, PublicTrade)]
    assert trades == [(10000, LOT, Side.SELL)]
    assert venue.markets[SPOT].best() == (9800, 2 * LOT, 9900, LOT)


def test_better_user_is_hit_at_the_user_price() -> None:
    rows = [START, trade(1100, 1, "100", "0.5", "sell")]
    venue = exchange()
    market = flow(venue, rows)
    market.run_until(NOW_US)
    placed(venue, "alice", order("buy", "1", "100.5"))
    market.run_until(NOW_US + 100 * MS)
    assert [(d.ticks, d.lots) for d in venue.deals("alice")] == [(10050, LOT // 2)]


def test_recorded_depth_through_a_user_trades_with_the_user() -> None:
    rows = [START, delta(1100, 11, [], [["100.2", "0.4"], ["101", "0"]], first=11)]
    venue = exchange()
    market = flow(venue, rows)
    market.run_until(NOW_US)
    placed(venue, "alice", order("buy", "1", "100.5"))
    market.run_until(NOW_US + 100 * MS)
    assert [(d.ticks, d.lots) for d in venue.deals("alice")] == [(10050, LOT * 4 // 10)]
    assert venue.markets[SPOT].best() == (10050, LOT * 6 // 10, 10200, 2 * LOT)


def test_depth_sets_the_background_part_only_and_spares_priority() -> None:
    rows = [
        START,
        delta(1100, 11, [["100", "0.5"]], [], first=11),
        delta(1200, 12, [["100", "3"]], [], first=12),
        trade(1300, 1, "100", "1.5", "sell"),
    ]
    venue = exchange()
    market = flow(venue, rows)
    market.run_until(NOW_US)
    placed(venue, "alice", order("buy", "1", "100"))
    market.run_until(NOW_US + 100 * MS)
    assert venue.markets[SPOT].best()[1] == LOT * 3 // 2
    market.run_until(NOW_US + 200 * MS)
    assert venue.markets[SPOT].best()[1] == 4 * LOT
    market.run_until(NOW_US + 300 * MS)
    # Half a lot was ahead of the user; what was added later is behind.
    assert venue.open_orders("alice") == []


def test_quotes_move_the_touch_and_an_older_delta_does_not_move_it_back() -> None:
    rows = [
        START,
        bbo(1100, 15, ["99", "1.5"], ["99.5", "2"]),
        delta(1150, 12, [["100", "7"]], [["101", "3"]], first=11),
        delta(1200, 16, [["99", "1"]], [["99.5", "0"]], first=13),
        bbo(1250, 15, ["100", "1"], ["100.5", "1"]),
    ]
    bids, asks = played(rows, 100).markets[SPOT].depth(5)
    assert (bids, asks[0]) == (((9900, LOT * 3 // 2),), (9950, 2 * LOT))
    bids, asks = played(rows, 150).markets[SPOT].depth(5)
    assert (bids, asks[:2]) == (((9900, LOT * 3 // 2),), ((9950, 2 * LOT), (10100, 3 * LOT)))
    bids, asks = played(rows, 250).markets[SPOT].depth(5)
    assert (bids, asks[0]) == (((9900, LOT),), (10100, 3 * LOT))


def test_one_row_is_one_change_of_the_book() -> None:
    rows = [START, delta(1100, 11, [["100", "0"]], [["100", "1"], ["101", "0"]], first=11)]
    venue = exchange()
    market = flow(venue, rows)
    market.run_until(NOW_US)
    venue.drain()
    market.run_until(NOW_US + 100 * MS)
    assert [type(notice) for notice in venue.drain()] == [BookChanged, BboChanged]
    assert venue.markets[SPOT].best() == (9900, 2 * LOT, 10000, LOT)


def test_only_the_best_levels_rest() -> None:
    bids = [[str(price), "1"] for price in range(100, 40, -1)]
    rows = [
        snapshot(0, 1, bids, [["101", "1"]]),
        delta(100, 2, [["100", "0"], ["30", "1"]], [], first=2),
    ]
    venue = exchange()
    source = {SPOT: [("tape.zst", lines(rows))]}
    market = RecordedFlow(venue, source, FlowClock(NOW_US), RecordedConfig(levels=10))
    market.run_until(NOW_US)
    assert [ticks // 100 for ticks, _ in venue.markets[SPOT].depth(100)[0]] == [*range(100, 90, -1)]
    market.run_until(NOW_US + 100 * MS)
    assert [ticks // 100 for ticks, _ in venue.markets[SPOT].depth(100)[0]] == [*range(99, 89, -1)]


BAD = {
    "not JSON": (b'{"k":"bbo"\n', r"tape.zst:1: Input data was truncated"),
    "an unknown kind": (b'{"k":"candle","t":1}\n', r"tape.zst:1: Invalid value 'candle'"),
    "a missing field": (b'{"k":"bbo","t":1,"seq":2,"bid":["1","1"]}\n', r"tape.zst:1: .*`ask`"),
    "a number as a price": (
        b'{"k":"trade","t":1,"id":1,"p":1.5,"q":"1","side":"buy"}\n',
        r"tape.zst:1: Expected `str`",
    ),
    "a price that is no number": (
        b'{"k":"trade","t":1,"id":1,"p":"1e5","q":"1","side":"buy"}\n',
        r"tape.zst:1: expected a positive decimal, was '1e5'",
    ),
    "a price of zero": (
        b'{"k":"trade","t":1,"id":1,"p":"0","q":"1","side":"buy"}\n',
        r"tape.zst:1: expected a price above 0",
    ),
    "a price finer than the market": (
        b'{"k":"trade","t":1,"id":1,"p":"1.001","q":"1","side":"buy"}\n',
        r"tape.zst:1: expected at most 2 decimals, was '1.001'",
    ),
    "no snapshot": (
        b'{"k":"trade","t":1,"id":1,"p":"1","q":"1","side":"buy"}\n',
        r"tape.zst:1: expected a snapshot",
    ),
    "nothing": (b"", r"tape.zst:1: expected a snapshot"),
    "a cut line": (json.dumps(START).encode(), r"tape.zst:1: expected a whole line"),
    "time that steps back": (
        json.dumps(START).encode()
        + b'\n{"k":"bbo","t":1,"seq":2,"bid":["1","1"],"ask":["2","1"]}\n',
        r"tape.zst:2: expected t >= 1000000000, was 1; sort the rows by t",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_before_anything_starts(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(ConfigError, match=message) as caught:
        RecordedFlow(exchange(), {SPOT: [("tape.zst", packed(text))]}, FlowClock(NOW_US))
    assert "\n" not in str(caught.value)


def test_file_that_is_not_zstandard_or_missing_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps(START) + "\n")
    source = {SPOT: [(str(plain), open_recording(SystemFs(), plain))]}
    with pytest.raises(ConfigError, match=r"plain.jsonl:1: expected zstandard-compressed"):
        RecordedFlow(exchange(), source, FlowClock(NOW_US))
    with pytest.raises(ConfigError, match="No such file"):
        open_recording(SystemFs(), tmp_path / "missing")


def test_steps_are_exact() -> None:
    texts = ["61837.63", "61837.6", "61837", "0.01000", "0"]
    assert [to_steps(text, 2, "x") for text in texts] == [6183763, 6183760, 6183700, 1, 0]
    for text in ("", ".", "1.2.3", "-1", " 1", "1e5", "0.001", "\u0661"):
        with pytest.raises(ConfigError, match="x: expected"):
            to_steps(text, 2, "x")
    assert to_steps(".50", 2, "x") == 50


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not in this checkout")
def test_recordings_play_with_a_quoting_user_and_conserve_everything() -> None:
    venue = exchange()
    before = totals(venue)
    names = {
        SPOT: "binance_spot_btcusdt_first60s.jsonl.zst",
        PERP: "binance_usdm_btcusdt_perp_20240808_6m.jsonl.zst",
    }
    sources = {m: [(n, open_recording(SystemFs(), DATA / n))] for m, n in names.items()}
    market = RecordedFlow(venue, sources, FlowClock(NOW_US))
    fills = 0
    for second in range(62):
        now_us = NOW_US + second * 1_000_000
        market.run_until(now_us)
        venue.check()
        for name in names:
            venue.cancel_all("alice", name, None, now_us)
            bid, _, ask, _ = venue.markets[name].best()
            for side, ticks in (("buy", bid), ("sell", ask)):
                price = venue.markets[name].spec.price_text(ticks)
                venue.place("alice", order(side, "0.01", price, market=name), now_us)
        fills += sum(isinstance(n, Deal) and n.account == "alice" for n in venue.drain())
    assert fills > 20
    assert totals(venue) == before
    for name in names:
        assert all(len(side) >= 100 for side in venue.markets[name].depth(200))
