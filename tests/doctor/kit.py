"""A healthy patient: venue, account, machine and files as every check wants them.

A test spoils one thing and looks at what the checks say. Time is virtual, the venue is real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from adapters.cli.checks.base import Host, Patient, Result, examine
from adapters.cli.checks.table import CHECKS
from adapters.cli.config import Config, default_config
from adapters.cli.credentials import Credentials
from adapters.paper.config import VenueConfig
from adapters.paper.server import VenueHandle, serve_venue
from adapters.ports import SystemFs
from adapters.runtime.run import HTTP_LIMITS
from adapters.simulated import SimIds, SimNet
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.requests import Request
from adapters.whitebit.rest import RestAnswer, RestClient, RestFailure, RestWithheld
from adapters.whitebit.signing import NonceSource, Secret, Signer
from adapters.whitebit.urls import Endpoint
from tests.paper.venue_client import HOST, Bench, TrioClock

HEALTHY_HOST = Host(python=(3, 11, 2), uid=1000, open_files_max=1024, core_bytes_max=0)
PARAMETERS = {
    "ladder": [{"qty": "0.005", "stp": "cn"}, {"qty": "0.01", "stp": "cn", "offset_bps": 1.0}],
    "half_spread_bps": 15.0,
}
BIDS_AND_ASKS = (("buy", "60000"), ("sell", "60001"))


class ShiftedClock:
    """Our clock, that may be wrong, or stand still while something blocks."""

    def __init__(self, inner: TrioClock) -> None:
        self._inner = inner
        self.shift_ns = 0

    def now_ns(self) -> int:
        return self._inner.now_ns() + self.shift_ns


class CheckedFs(SystemFs):
    """Real files, on a disk of a size and a speed that the test chooses."""

    def __init__(self, clock: ShiftedClock) -> None:
        self._clock = clock
        self.free = 100 << 30
        self.syncs_ms = [0.1]
        """How long syncs take, one after the other, then from the beginning again."""
        self._synced = 0

    def free_bytes(self, path: Path) -> int:
        return self.free

    def open_append(self, path: Path) -> Any:
        file = super().open_append(path)

        def sync() -> None:
            took_ms = self.syncs_ms[self._synced % len(self.syncs_ms)]
            self._synced += 1
            self._clock.shift_ns += int(took_ms * 1e6)

        file.sync = sync  # type: ignore[method-assign]
        return file


class WatchedRest(RestClient):
    """Notes what is asked; answers what a test put in place of the venue's answer."""

    asked: list[Request]
    scripted: dict[str, RestAnswer]
    broken: Callable[[Request], bool] | None = None
    """Requests that never reach the venue."""

    async def send(self, request: Request) -> RestAnswer | RestFailure | RestWithheld:
        self.asked.append(request)
        if self.broken is not None and self.broken(request):
            return RestFailure("no answer: ReadError")
        return self.scripted.get(request.path) or await super().send(request)


class Ward:
    """Everything a test may spoil before the checks run."""

    def __init__(self, patient: Patient, bench: Bench, rest: WatchedRest, fs: CheckedFs) -> None:
        self.patient = patient
        self.bench = bench
        self.rest = rest
        self.fs = fs

    @property
    def clock(self) -> ShiftedClock:
        clock = self.patient.clock
        assert isinstance(clock, ShiftedClock)
        return clock

    @property
    def key(self) -> str:
        return self.bench.handle.accounts[0].key

    def change(self, market: str = "BTC_USDT", **fields: Any) -> None:
        """Change fields of a market of the configuration."""
        config = self.patient.config
        changed = replace(config.market[market], **fields)
        self.patient.config = replace(config, market={**config.market, market: changed})

    def tune(self, **parameters: Any) -> None:
        """Change parameters of the strategy on BTC_USDT."""
        self.change(parameters={**PARAMETERS, **parameters})

    def answer(self, path: str, status: int, body: bytes) -> None:
        self.rest.scripted[f"/api/v4/{path}"] = RestAnswer(status, body)

    def admin(self, path: str, **body: Any) -> None:
        status, answer = self.bench.admin("POST", path, **body)
        assert status == 200, answer


Spoil = Callable[[Ward], Any]


def healthy_config(directory: Path) -> Config:
    config = default_config()
    markets = {name: replace(each, parameters=PARAMETERS) for name, each in config.market.items()}
    path = directory / "my.toml"
    path.write_text("# as below")
    path.chmod(0o644)
    return replace(
        config,
        source=str(path),
        market=markets,
        journal=replace(config.journal, directory=str(directory / "journals")),
        operator=replace(config.operator, directory=str(directory / "state")),
    )


async def diagnose(
    directory: Path,
    spoil: Spoil | None = None,
    *,
    venue: VenueConfig | None = None,
    after: Callable[[Ward], Awaitable[None]] | None = None,
    within: trio.CancelScope | None = None,
) -> dict[str, Result]:
    """Run every check on a patient that is healthy but for what `spoil` does to it.

    Args:
        directory: For its files.
        spoil: Called before the checks; awaited when it asks for that.
        venue: Settings of the venue.
        after: Called after them, for another look at the venue.
        within: What the checks run in; cancelled, they end without results.
    """
    results: list[Result] = []
    async with trio.open_nursery() as nursery:
        bench = await _started(nursery, venue or VenueConfig())
        async with _admitted(bench, directory) as ward:
            if spoil is not None:
                awaited = spoil(ward)
                if awaited is not None:
                    await awaited
            with within or trio.CancelScope():
                results = await examine(ward.patient, CHECKS)
            if after is not None:
                await after(ward)
        nursery.cancel_scope.cancel()
    return {result.name: result for result in results}


async def _started(nursery: trio.Nursery, config: VenueConfig) -> Bench:
    net = SimNet(1)

    async def run(*, task_status: trio.TaskStatus[VenueHandle]) -> None:
        clock, ids = TrioClock(), SimIds(2)
        await serve_venue(config, clock=clock, ids=ids, net=net, task_status=task_status)

    bench = Bench(nursery, net, await nursery.start(run))
    await _make_market(bench)
    return bench


@asynccontextmanager
async def _admitted(bench: Bench, directory: Path) -> AsyncIterator[Ward]:
    clock = ShiftedClock(TrioClock(bench.handle.venue.clock.now_ns()))
    account, fs, port = bench.handle.accounts[0], CheckedFs(clock), bench.handle.port
    key, secret = Secret(account.key), Secret(account.secret)
    lanes = Lanes(bench.net, Endpoint(HOST, port, False, "/"))
    async with make_http_client(bench.net, limits=HTTP_LIMITS) as http, lanes:
        rest = WatchedRest(http, lanes, f"http://{HOST}:{port}", Signer(key, secret))
        rest.asked, rest.scripted = [], {}
        patient = Patient(
            config=healthy_config(directory),
            fs=fs,
            clock=clock,
            ids=SimIds(3),
            net=bench.net,
            env={},
            host=HEALTHY_HOST,
            rest=rest,
            ws_url=f"ws://{HOST}:{port}/ws",
            nonces=NonceSource(clock.now_ns),
            credentials=lambda: Credentials(key, secret, "a file"),
        )
        yield Ward(patient, bench, rest, fs)


async def _make_market(bench: Bench) -> None:
    for side, price in BIDS_AND_ASKS:
        await bench.bob.limit(side, price)
        await bench.bob.ok(
            "order/collateral/limit", market="BTC_PERP", side=side, price=price, amount="0.01"
        )
