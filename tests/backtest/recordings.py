"""Small recordings for the tests: cut from the recorded minute where it is, else made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import zstandard

from adapters.cli.backtest_plan import make_plan
from adapters.cli.config import Config, default_config
from adapters.ports import SystemFs
from replay.backtest.made import LatencySpec
from replay.backtest.run import Plan

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MINUTE = DATA / "binance_spot_btcusdt_first60s.jsonl.zst"
START_NS = 1_723_161_240_000_000_000
MIDNIGHT_NS = 1_723_161_600_000_000_000
LATER_NS = START_NS + 3_600_000_000_000
MS = 1_000_000
ROWS = 1_500
"""About ten seconds of the recorded minute."""


def made_up(
    seed: int = 1, rows: int = ROWS, *, decimals: int = 2, start_ns: int = START_NS
) -> list[dict[str, Any]]:
    """A walk around 60,000 with deltas, quotes and trades, as a recorder would write them."""
    rng = Random(f"rows {seed}")
    tick = 10.0**-decimals
    mid, t, seq = 6_000_000, start_ns, 100

    def levels(sign: int) -> list[list[str]]:
        best = mid + sign * rng.randint(1, 40)
        return [
            [f"{(best + sign * 37 * n) * tick:.{decimals}f}", f"0.{rng.randint(1, 999):03d}"]
            for n in range(8)
        ]

    found: list[dict[str, Any]] = [
        {"k": "snapshot", "t": t, "seq": seq, "bids": levels(-1), "asks": levels(1)}
    ]
    shown = {"bids": dict(found[0]["bids"]), "asks": dict(found[0]["asks"])}
    while len(found) < rows:
        t += rng.randint(1, 12 * MS)
        mid += rng.choice((-30, 0, 0, 30))
        bids, asks = levels(-1), levels(1)
        kind = rng.random()
        if kind < 0.15:
            row: dict[str, Any] = {"k": "delta", "t": t, "first": seq + 1, "seq": seq + 3}
            for side, fresh in (("bids", bids), ("asks", asks)):
                gone = [[price, "0"] for price in shown[side] if price not in dict(fresh)]
                row[side] = gone + fresh
                shown[side] = dict(fresh)
            seq += 3
            found.append(row)
        elif kind < 0.75:
            found.append({"k": "bbo", "t": t, "seq": seq, "bid": bids[0], "ask": asks[0]})
        else:
            side, (price, _) = rng.choice((("buy", asks[0]), ("sell", bids[0])))
            qty = f"0.{rng.randint(1, 400):03d}"
            number = len(found)
            found.append({"k": "trade", "t": t, "id": number, "p": price, "q": qty, "side": side})
    return found


def over_midnight(seed: int = 2, rows: int = ROWS) -> list[dict[str, Any]]:
    """A perpetual's, which ends half a second after funding is settled: too soon to be told of."""
    lasts_ns = made_up(seed, rows)[-1]["t"] - START_NS
    return made_up(seed, rows, decimals=1, start_ns=MIDNIGHT_NS + 500 * MS - lasts_ns)


@cache
def recorded(rows: int = ROWS) -> tuple[bytes, ...]:
    """Lines of the recorded minute; made-up ones where it is not there."""
    if not MINUTE.exists():
        return tuple(json.dumps(row).encode() for row in made_up(rows=rows))
    with MINUTE.open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    return tuple(islice(_from_snapshot(lines), rows))


def _from_snapshot(lines: list[bytes]) -> Iterator[bytes]:
    early: list[bytes] = []
    for number, line in enumerate(lines):
        if b'"snapshot"' in line:
            yield from early
            yield from lines[number:]
            return
        if b'"delta"' in line:
            early.append(line)


def write(path: Path, lines: tuple[bytes, ...] | list[dict[str, Any]]) -> Path:
    """Write a recording."""
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(texts) + b"\n"))
    return path


def spot_config() -> Config:
    """The built-in configuration."""
    return default_config()


def plan_of(
    *paths: Path, config: Config | None = None, latency_ms: int = 5, queue: str = "risk_averse"
) -> Plan:
    """A plan that plays files."""
    latency = LatencySpec(latency_ms * MS)
    data = [str(path) for path in paths]
    return make_plan(SystemFs(), config or spot_config(), data, latency, queue, 1)
