"""Journals to prove: of a synthetic market, of a recorded one, and of a venue that fails.

Each is simulated once a process, and only read from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.config import default_config
from adapters.cli.simulate import JOURNAL, simulate
from adapters.paper.config import VenueConfig
from adapters.paper.faults.plan import Kind, Plan, Rule
from adapters.paper.flow.source import flow_maker
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.simulated_fs import SimFs
from engine.codec import encode_record, schema_hash
from engine.events import Record
from engine.reduce import reduce
from engine.state import State
from replay.read import read_records
from tests.integration.world import records_of, run_quiet
from tests.source_tree import ROOT

RECORDING = "binance_spot_btcusdt_first60s.jsonl.zst"
MARKET = "BTC_USDT"
SYNTHETIC, RECORDED, FAULTY = "synthetic", "recorded", "faulty"
NAMES = (SYNTHETIC, RECORDED, FAULTY)

FAULTS = Plan(
    rules=(
        Rule(kind=Kind.ANSWER, path="/api/v4/order/modify", status=503, accepted=True, nth=4),
        Rule(kind=Kind.ANSWER, path="/api/v4/order/*", status=429, nth=9),
        Rule(kind=Kind.DROP, path="/api/v4/order/*", nth=14),
        Rule(kind=Kind.SKIP_DELTA, nth=30),
        Rule(kind=Kind.CLOSE, channel="private", nth=12),
        Rule(kind=Kind.DUPLICATE, channel="deals_update", nth=2),
        Rule(kind=Kind.JUMP_CLOCK, from_s=25, seconds=1.5),
    )
)


class Made(msgspec.Struct, frozen=True):
    """A journal, its records, and the state after each: `states[seq]`."""

    fs: SimFs
    records: list[Record]
    states: list[State]


def journal(name: str) -> Made:
    """Return one of `NAMES`; skips the test where it needs a recording that is not there."""
    if name == RECORDED and recording() is None:
        pytest.skip(f"no {RECORDING} in data/ of the checkout or of a folder beside it")
    return _made(name)


def recording() -> Path | None:
    """Return where the recorded market data is, if anywhere."""
    for folder in (ROOT, ROOT.parent / "shared", ROOT.parent.parent / "shared"):
        path = folder / "data" / RECORDING
        if path.is_file():
            return path
    return None


@cache
def _made(name: str) -> Made:
    if name == SYNTHETIC:
        fs = run_quiet(40, seed=5).fs
    elif name == FAULTY:
        fs = run_quiet(45, seed=6, faults=FAULTS).fs
    else:
        config = default_config()
        config = replace(config, market={MARKET: config.market[MARKET]})
        flow = f"{MARKET}={recording()}"
        make_flow = flow_maker(VenueConfig(), flow, seed=1, speed="1", fs=SystemFs())
        fs = simulate(config, make_flow, seed=1, seconds=15).fs
    records = records_of(fs)
    states = [State()]
    for record in records:
        states.append(reduce(states[-1], record))
    return Made(fs, records, states)


def rewritten(records: Iterable[Record]) -> list[Record]:
    """Write records as a journal, with the right CRC for each, and read it again."""
    fs = SimFs()
    write(fs, JOURNAL, records)
    return list(read_records(fs, JOURNAL))


def write(
    fs: SimFs | SystemFs, directory: Path, records: Iterable[Record], segment_bytes: int = 64 << 20
) -> None:
    """Write records as a journal of one run."""
    writer, _ = JournalWriter.open(
        fs, directory, schema_hash(), bytes(32), segment_bytes=segment_bytes
    )
    with writer:
        for number, record in enumerate(records):
            writer.append(record.seq, encode_record(record))
            if number % 64 == 0:
                writer.flush()
