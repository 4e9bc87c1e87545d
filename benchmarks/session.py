"""The session that is measured: engine and venue on virtual time, with its journal and raw bytes.

BTC_USDT alone, two levels a side, quoted by the default strategy against recorded spot data, which
the paper venue frames as WhiteBIT would. Without the recording the synthetic flow stands in.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from adapters.cli.config import Config, default_config
from adapters.cli.simulate import JOURNAL, simulate
from adapters.paper.config import VenueConfig
from adapters.paper.flow.source import SYNTHETIC, MakeFlow, flow_maker
from adapters.ports import SystemFs
from adapters.runtime.journal_raw import RawReader, RawRecord
from adapters.simulated_fs import SimFs
from engine.events import Record
from engine.state import fingerprint
from replay.read import read_records

MARKET = "BTC_USDT"
SEED = 1
RECORDING = "binance_spot_btcusdt_first60s.jsonl.zst"
LONG = "binance_spot_btcusdt_20240808_11m.jsonl.zst"
"""Beside it: eleven minutes, of which that is the first."""
RECORDED_LABEL = "Binance data in WhiteBIT framing"
SYNTHETIC_LABEL = "synthetic flow (no recording found)"


class Session(msgspec.Struct, frozen=True):
    """A finished run, ready to be fed again."""

    label: str
    """What the market data is; belongs to every figure made from it."""
    seconds: float
    """Virtual."""
    fs: SimFs
    records: list[Record]
    raw: dict[int, RawRecord]
    """By the seq of the event made from it."""
    fingerprint: bytes
    """Of the final state."""


def find_recording() -> Path | None:
    """Return the recording kept in `data/` of the checkout or of a folder beside it, if any."""
    checkout = Path(__file__).resolve().parent.parent
    for folder in (checkout, checkout.parent / "shared"):
        path = folder / "data" / RECORDING
        if path.is_file():
            return path
    return None


def longer(recording: Path) -> Path:
    """Return the eleven minutes for their first one where they lie beside it, else the same."""
    long = recording.with_name(LONG)
    return long if recording.name == RECORDING and long.is_file() else recording


def one_market() -> Config:
    """Return the built-in configuration cut down to the spot market."""
    config = default_config()
    return msgspec.structs.replace(config, market={MARKET: config.market[MARKET]})


def make_session(recording: Path | None, seconds: float) -> Session:
    """Simulate a session; a few seconds of real time for each virtual minute.

    Args:
        recording: Spot data for the venue's flow; None for the synthetic flow.
        seconds: Virtual, until the engine is told to stop.
    """
    make_flow = flow_of(recording)
    simulation = simulate(one_market(), make_flow, seed=SEED, seconds=seconds)
    fs = simulation.fs
    return Session(
        label=SYNTHETIC_LABEL if recording is None else RECORDED_LABEL,
        seconds=seconds,
        fs=fs,
        records=list(read_records(fs, JOURNAL)),
        raw={raw.seq: raw for raw in RawReader(fs, JOURNAL).records()},
        fingerprint=fingerprint(simulation.outcome.state),
    )


def flow_of(recording: Path | None) -> MakeFlow:
    """Prepare the venue's flow.

    Raises:
        ConfigError: the recording cannot be read.
    """
    flow = SYNTHETIC if recording is None else f"{MARKET}={recording}"
    return flow_maker(VenueConfig(), flow, seed=SEED, speed="1", fs=SystemFs())
