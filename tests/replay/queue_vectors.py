"""Random one-level streams and when hftbacktest fills an order in them (`make queue-vectors`).

Runs in an environment of its own and writes `data/queue_vectors.jsonl.gz`, which
`test_queue_models.py` compares with our models. Its exchange without partial fills is used: the
positions of its exchange with partial fills are known to be wrong.

A stream is one price level of ours, whose size changes, whose trades hit it or pass it by, and one
order that arrives at a moment. Equal seeds give equal streams.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

VECTORS = Path(__file__).parent / "data" / "queue_vectors.jsonl.gz"
SEED = 20_260_101
STREAMS = 960
MODELS = (
    "risk_averse",
    "power:1",
    "power:2",
    "power:3.5",
    "power2:2",
    "power3:3",
    "log",
    "log2",
)
PRICE = 1_000
AWAY = 5
"""Ticks to the other side's best price."""
STEP_NS = 1_000

# Kinds of an event. Sizes are lots.
DEPTH = "d"
"""Our level has this size now."""
TRADE = "t"
"""A trade at our price, against our side."""
THROUGH = "x"
"""A trade beyond our price, against our side."""
NEARER = "n"
"""A trade against our side at a price nearer to the market: it concerns others."""
AWAY_TRADE = "s"
"""A trade at our price that took from the other side."""
MET = "o"
"""The other side's best price comes to our price."""

Row = dict[str, Any]


def stream(number: int) -> Row:
    """Return one stream: side, decimals, sizes, events `[kind, lots]`, and where we arrive."""
    rng = Random(f"{SEED}/{number}")
    decimals = (0, 3, 6)[number % 3]
    # Sizes of a few lots meet every rounding; large ones are what markets have.
    most = rng.choice((4, 30, 2_000, 500_000))
    level = first = rng.randint(0, most)
    follows = rng.random()
    events: list[list[Any]] = []
    for _ in range(rng.randint(20, 90)):
        chance = rng.random()
        if chance < 0.40:
            qty = rng.randint(1, max(1, most // rng.choice((2, 5, 20))))
            events.append([TRADE, qty])
            # The level is told smaller by the trade at once, later, or never.
            if rng.random() < follows:
                level = max(0, level - qty)
                events.append([DEPTH, level])
        elif chance < 0.90:
            move = rng.randint(0, max(1, most // 3))
            level = max(0, level + rng.choice((-1, -1, 1)) * move)
            if rng.random() < 0.04:
                level = 0
            events.append([DEPTH, level])
        elif chance < 0.985:
            events.append([rng.choice((NEARER, AWAY_TRADE)), rng.randint(1, most)])
        else:
            events.append([rng.choice((THROUGH, MET)), rng.randint(1, most)])
    arrives = rng.randint(0, len(events) // 3)
    for event in events[:arrives]:
        if event[0] == MET:
            # What would cross the market on arrival is refused.
            event[0] = THROUGH
    return {
        "side": ("buy", "sell")[number // 3 % 2],
        "decimals": decimals,
        "level": first,
        "qty": rng.randint(1, most),
        "arrives": arrives,
        "events": events,
    }


def main() -> None:
    """Write the vectors."""
    rows = []
    for number in range(STREAMS):
        row = stream(number)
        row["filled"] = {name: _filled(row, name) for name in MODELS}
        rows.append(json.dumps(row, separators=(",", ":")))
    VECTORS.parent.mkdir(exist_ok=True)
    with VECTORS.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write("\n".join(rows).encode() + b"\n")
    print(f"{VECTORS}: {len(rows)} streams, {len(MODELS)} models, {VECTORS.stat().st_size} bytes")


def _filled(row: Row, name: str) -> int:
    # Index of the event at which hftbacktest fills the order; -1 if it never does.
    import hftbacktest as hft

    # hftbacktest reads it in place, so it must outlive the run.
    feed = _feed(row)
    asset = (
        hft.BacktestAsset()
        .data(feed)
        .linear_asset(1.0)
        .constant_order_latency(1, 1)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(1.0)
        .lot_size(float(f"1e-{row['decimals']}"))
    )
    family, _, exponent = name.partition(":")
    build = {"risk_averse": "risk_adverse_queue_model", "log": "log_prob_queue_model"}.get(family)
    if family == "log2":
        build = "log_prob_queue_model2"
    if build is not None:
        asset = getattr(asset, build)()
    else:
        power = f"power_prob_queue_model{family.removeprefix('power')}"
        asset = getattr(asset, power)(float(exponent))
    backtest = hft.HashMapMarketDepthBacktest([asset])
    # Before this its clock has no time.
    backtest.elapse(0)
    # The order arrives 1 ns after it is sent: right after the event before `arrives`.
    backtest.elapse(_at_ns(row["arrives"]) - 500 - backtest.current_timestamp)
    submit = backtest.submit_buy_order if row["side"] == "buy" else backtest.submit_sell_order
    assert submit(0, 1, float(PRICE), _units(row, row["qty"]), hft.GTX, hft.LIMIT, False) == 0
    backtest.elapse(_at_ns(len(row["events"]) + 2))
    order = backtest.orders(0).get(1)
    status, at_ns = int(order.status), int(order.exch_timestamp)
    backtest.close()
    if status != int(hft.FILLED):
        assert status == int(hft.NEW), f"an order of status {status}"
        return -1
    index, rest = divmod(at_ns - _at_ns(0), STEP_NS)
    assert rest == 0, "filled between two events"
    return index


def _at_ns(index: int) -> int:
    return (index + 100) * STEP_NS


def _units(row: Row, lots: int) -> float:
    value: float = lots / 10 ** row["decimals"]
    return value


def _feed(row: Row) -> Any:
    import numpy as np
    from hftbacktest import types as hft

    ours, sign = (hft.BUY_EVENT, 1) if row["side"] == "buy" else (hft.SELL_EVENT, -1)
    theirs = hft.SELL_EVENT if sign > 0 else hft.BUY_EVENT
    seen = hft.EXCH_EVENT | hft.LOCAL_EVENT
    large = _units(row, 1_000_000)
    # Behind us and on the other side something always rests.
    rows = [
        (hft.DEPTH_EVENT | ours, _at_ns(-3), PRICE - sign, large),
        (hft.DEPTH_EVENT | theirs, _at_ns(-2), PRICE + sign * AWAY, large),
        (hft.DEPTH_EVENT | ours, _at_ns(-1), PRICE, _units(row, row["level"])),
    ]
    kinds = {
        DEPTH: (hft.DEPTH_EVENT | ours, 0),
        TRADE: (hft.TRADE_EVENT | theirs, 0),
        THROUGH: (hft.TRADE_EVENT | theirs, -sign),
        NEARER: (hft.TRADE_EVENT | theirs, sign),
        AWAY_TRADE: (hft.TRADE_EVENT | ours, 0),
        MET: (hft.DEPTH_EVENT | theirs, 0),
    }
    for index, (kind, lots) in enumerate(row["events"]):
        event, offset = kinds[kind]
        rows.append((event, _at_ns(index), PRICE + offset, _units(row, lots)))
    # Time goes on after the last one, so that its answer arrives.
    end = len(row["events"])
    rows.append((hft.DEPTH_EVENT | ours, _at_ns(end + 1), PRICE - 50 * sign, large))
    rows.append((hft.DEPTH_EVENT | ours, _at_ns(end + 9), PRICE - 51 * sign, large))
    feed = np.zeros(len(rows), hft.event_dtype)
    for index, (event, at_ns, price, qty) in enumerate(rows):
        feed[index] = (event | seen, at_ns, at_ns, float(price), qty, 0, 0, 0.0)
    return feed


if __name__ == "__main__":
    main()
