"""Simulated runs for the tests: a quiet market, so that minutes of it cost seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from adapters.cli.config import Config, default_config
from adapters.cli.simulate import JOURNAL, Disturb, Simulation, simulate
from adapters.paper.admin.server import ROUTES
from adapters.paper.config import VenueConfig, with_flow_accounts
from adapters.paper.faults.plan import Plan
from adapters.paper.flow.config import SyntheticConfig
from adapters.paper.flow.source import MakeFlow, flow_maker
from adapters.paper.server import VenueHandle
from adapters.simulated import SimFs, SimNet
from engine.events import Record
from replay.read import read_records
from tests.integration.kit import ACCOUNT

QUIET = SyntheticConfig(
    step_ms=2_000,
    walk_cents=1_500,
    touch_every=20,
    levels=6,
    taker_gap_ms=(1_000, 6_000),
    rivals=0,
    storm_percent=0,
    momentum_cents=0,
)
RAW = JOURNAL / "raw"


def quiet_config(kill_switch: str) -> Config:
    """One level a side, moved only when the market has moved by a few dollars."""
    ladder = [{"qty": "0.005", "stp": "cn"}]
    parameters = {"ladder": ladder, "half_spread_bps": 1.0, "skew_bps": 5.0}
    config = default_config()
    markets = {
        name: replace(market, price_tolerance="8", parameters=parameters)
        for name, market in config.market.items()
    }
    engine = replace(config.engine, kill_switch_timeout=kill_switch, kill_switch_refresh="1250ms")
    return replace(config, market=markets, engine=engine)


def quiet_flow(seed: int) -> MakeFlow:
    settings = with_flow_accounts(VenueConfig(synthetic=QUIET))
    return flow_maker(settings, "synthetic", seed=seed, speed="1", fs=SimFs())


def run_quiet(
    seconds: float,
    *,
    seed: int = 1,
    fs: SimFs | None = None,
    net: SimNet | None = None,
    disturb: Disturb | None = None,
    kill_switch: str = "5s",
    faults: Plan | None = None,
) -> Simulation:
    """Run the engine against a quiet venue for `seconds` of virtual time."""
    return simulate(
        quiet_config(kill_switch),
        quiet_flow(seed),
        seed=seed,
        seconds=seconds,
        fs=fs,
        net=net,
        disturb=disturb,
        faults=faults,
    )


def account_at(venue: VenueHandle) -> dict[str, Any]:
    """Return what the admin port of the venue would show of the engine's account."""
    found: dict[str, Any] = ROUTES["GET", "/accounts"](venue, b"")[ACCOUNT]
    return found


def files_of(fs: SimFs) -> dict[Path, bytes]:
    """Return every file of a simulated journal and its raw capture."""
    paths = [directory / name for directory in (JOURNAL, RAW) for name in fs.list_dir(directory)]
    return {path: fs.read(path) for path in paths if path != RAW}


def copied(fs: SimFs, directory: Path) -> Path:
    """Write a simulated journal to a real directory, for commands."""
    for path, data in files_of(fs).items():
        target = directory / path.relative_to(JOURNAL)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return directory


def records_of(fs: SimFs) -> list[Record]:
    return list(read_records(fs, JOURNAL))
