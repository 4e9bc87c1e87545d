"""Engine and venue on virtual time: equal seeds give equal bytes, and faults leave nothing open."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from adapters.cli.simulate import JOURNAL, Simulation, World
from adapters.runtime.snapshots import list_snapshots, snapshot_name
from adapters.simulated import SimFs, SimNet, SimStream
from adapters.simulated_fs import SimAppendFile
from engine.errors import JournalError
from engine.events import (
    AnyEvent,
    Decided,
    FrameRefused,
    LoopStalled,
    Record,
    StreamClosed,
)
from engine.intents import PlaceOrders
from replay.verify import verify
from tests.integration.kit import ACCOUNT, MARKETS
from tests.integration.truth import assert_agrees, assert_totals_agree
from tests.integration.world import account_at, files_of, records_of, run_quiet

pytestmark = pytest.mark.slow

LONG_S = 600
SHORT_S = 25


def assert_ended_well(run: Simulation) -> None:
    """Nothing is left at the venue, the money agrees, and the journal is proved."""
    outcome, exchange = run.outcome, run.venue.exchange
    assert outcome.ended.clean
    assert exchange.open_orders(ACCOUNT) == []
    assert exchange.kill_switches(ACCOUNT) == []
    assert_agrees(outcome.state, account_at(run.venue))
    assert_proved(run)


def assert_proved(run: Simulation) -> None:
    proof, state = verify(iter(records_of(run.fs)))
    assert (proof.divergences, proof.first) == (0, None)
    assert proof.fingerprint == run.outcome.fingerprint
    assert state == run.outcome.state


def seqs(records: list[Record], kind: type[AnyEvent]) -> list[int]:
    return [record.seq for record in records if isinstance(record.event, kind)]


def places_after(records: list[Record], seq: int) -> set[str]:
    """Return the markets on which orders were placed after a record."""
    return {
        intent.market
        for record in records
        if record.seq > seq and isinstance(record.event, Decided)
        for intent in record.event.intents
        if isinstance(intent, PlaceOrders)
    }


# --- one seed, one journal --------------------------------------------------------------------


def test_ten_minutes_from_one_seed_are_equal_byte_for_byte() -> None:
    first, second = run_quiet(LONG_S, seed=7), run_quiet(LONG_S, seed=7)
    files = files_of(first.fs)
    assert len(files) >= 3
    assert files == files_of(second.fs)
    assert_ended_well(first)
    for market in first.outcome.state.markets.values():
        assert market.inventory.fills > 20
        assert market.breaks == 0
    assert (first.outcome.ended_ns - first.outcome.started_ns) / 1e9 >= LONG_S


def test_another_seed_gives_another_journal() -> None:
    runs = [run_quiet(SHORT_S, seed=seed) for seed in (8, 9)]
    assert files_of(runs[0].fs) != files_of(runs[1].fs)
    for run in runs:
        assert_ended_well(run)


# --- a journal that is continued ----------------------------------------------------------------


def test_a_run_goes_on_from_a_snapshot_and_is_proved_from_the_first_record() -> None:
    first = run_quiet(SHORT_S)
    last = first.outcome.state.seq
    assert list_snapshots(first.fs, JOURNAL) == [last - 1], "the state before its fingerprint"
    second = run_quiet(SHORT_S, seed=2, fs=first.fs)
    assert second.outcome.recovery.snapshot_seq == last - 1
    assert second.outcome.recovery.notes == ()
    assert_proved(second)
    for seq in list_snapshots(first.fs, JOURNAL):
        first.fs.remove(JOURNAL / snapshot_name(seq))
    third = run_quiet(SHORT_S, seed=3, fs=first.fs)
    assert third.outcome.recovery.snapshot_seq == 0
    assert_proved(third)


# --- faults -----------------------------------------------------------------------------------


def test_broken_connections_are_opened_again_and_nothing_is_lost() -> None:
    async def disturb(world: World) -> None:
        for _ in range(4):
            await trio.sleep(9.7)
            assert world.net.reset_all() > 0

    run = run_quiet(60, disturb=disturb)
    assert_ended_well(run)
    records = records_of(run.fs)
    closed = seqs(records, StreamClosed)
    assert len(closed) >= 12
    assert places_after(records, closed[-1]) == set(MARKETS)


def test_connections_that_break_one_by_one_lose_nothing() -> None:
    async def disturb(world: World) -> None:
        while True:
            await trio.sleep(1.3)
            world.net.reset_one()

    assert_ended_well(run_quiet(60, seed=3, disturb=disturb))


@pytest.mark.parametrize("fault", ["the disk fails to sync", "the disk is full"])
def test_a_journal_that_cannot_be_written_stops_trading_and_cancels_all(fault: str) -> None:
    worlds: list[World] = []

    async def disturb(world: World) -> None:
        worlds.append(world)
        await trio.sleep(8)
        assert world.venue.exchange.open_orders(ACCOUNT)
        if fault == "the disk is full":
            world.fs.space_left = 10_000
        else:
            world.fs.fail_syncs = True

    with pytest.raises(BaseExceptionGroup) as caught:
        run_quiet(30, disturb=disturb)
    assert caught.group_contains(JournalError)
    (world,) = worlds
    exchange = world.venue.exchange
    assert exchange.open_orders(ACCOUNT) == []
    # Nothing proved that no place was still on its way, so the timers stay.
    assert len(exchange.kill_switches(ACCOUNT)) == len(MARKETS)
    # What reached the disk is whole, up to a torn tail at the most.
    proof, _ = verify(iter(records_of(world.fs)))
    assert (proof.runs, proof.divergences) == (1, 0)


class CorruptingNet(SimNet):
    """Spoils one public frame of one market, once, without changing its length."""

    def __init__(self, seed: int, pattern: bytes, spoiled: bytes, from_s: float) -> None:
        super().__init__(seed)
        self._pattern, self._spoiled, self._from_s = pattern, spoiled, from_s
        self.spoiled_at = 0.0

    async def connect(self, host: str, port: int, *, tls: bool) -> SimStream:
        stream = await super().connect(host, port, tls=tls)
        receive = stream.receive_some

        async def spoiling(max_bytes: int | None = None) -> bytes:
            data = await receive(max_bytes)
            due = not self.spoiled_at and trio.current_time() >= self._from_s
            if due and b"depth_update" in data and b'"BTC_USDT"' in data:
                changed = re.sub(self._pattern, self._spoiled, data, count=1)
                assert len(changed) == len(data)
                if changed != data:
                    self.spoiled_at = trio.current_time()
                return changed
            return data

        stream.receive_some = spoiling  # type: ignore[method-assign]
        return stream


SPOILT = [
    ("a price that is none", rb'\["6\d', rb'["6x'),
    ("a price of three decimals", rb'\["(\d{4})(\d)\.(\d\d)"', rb'["\1.\2\3"'),
]


@pytest.mark.parametrize(("name", "pattern", "spoiled"), SPOILT, ids=[case[0] for case in SPOILT])
def test_a_frame_that_cannot_be_read_stops_its_market_alone(
    name: str, pattern: bytes, spoiled: bytes
) -> None:
    net = CorruptingNet(1, pattern, spoiled, 10)
    run = run_quiet(40, net=net)
    assert net.spoiled_at
    records = records_of(run.fs)
    (refused,) = [record for record in records if isinstance(record.event, FrameRefused)]
    assert isinstance(refused.event, FrameRefused)
    assert refused.event.market == "BTC_USDT"
    assert places_after(records, refused.seq) == {"BTC_PERP"}
    state = run.outcome.state
    assert "a frame was refused" in state.markets["BTC_USDT"].halted
    assert state.markets["BTC_PERP"].halted == ""
    assert_ended_well(run)


class HangingFs(SimFs):
    """A disk that can take its time for a sync, while which nothing else happens."""

    hang_s = 0.0

    def open_new(self, path: Path, *, private: bool = False) -> SimAppendFile:
        file = super().open_new(path, private=private)
        real_sync = file.sync

        def sync() -> None:
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, MockClock)
            clock.jump(self.hang_s)
            self.hang_s = 0.0
            real_sync()

        file.sync = sync  # type: ignore[method-assign]
        return file


def test_a_turn_that_took_too_long_is_a_stall() -> None:
    fs = HangingFs()

    async def disturb(world: World) -> None:
        await trio.sleep(10)
        fs.hang_s = 2.0

    run = run_quiet(20, fs=fs, disturb=disturb)
    (stall,) = [r.event for r in records_of(fs) if isinstance(r.event, LoopStalled)]
    assert isinstance(stall, LoopStalled)
    assert stall.gap_ns >= 2_000_000_000
    assert_ended_well(run)


# --- everything at once -----------------------------------------------------------------------


class SlowNet(SimNet):
    """A network that can be made slow for a while."""

    extra_s = 0.0

    def latency(self) -> float:
        return super().latency() + self.extra_s * self._rng.random()


class Faults:
    """Breaks, cuts, slows and hangs one simulation by draws from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.net, self.fs = SlowNet(seed), HangingFs()
        self.unguarded: list[object] = []

    async def disturb(self, world: World) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, world)
            while True:
                await trio.sleep(self.rng.uniform(0.5, 12))
                await self._one(world)

    async def _one(self, world: World) -> None:
        rng = self.rng
        match rng.randrange(6):
            case 0:
                world.net.reset_all()
            case 1:
                world.net.reset_one()
            case 2:
                world.venue.cut_sockets()
            case 3:
                self.fs.hang_s = rng.uniform(0.3, 9)
            case slow:
                # Within a request's deadline, or far beyond it.
                self.net.extra_s = rng.uniform(0.05, 1) if slow == 4 else rng.uniform(2, 9)
                await trio.sleep(rng.uniform(1, 12))
                self.net.extra_s = 0.0

    async def _watch(self, world: World) -> None:
        exchange = world.venue.exchange
        while True:
            await trio.sleep(0.1)
            armed = {timer.market for timer in exchange.kill_switches(ACCOUNT)}
            orders = exchange.open_orders(ACCOUNT)
            self.unguarded += [order for order in orders if order.market not in armed]


@pytest.mark.parametrize("seed", range(40, 44))
def test_whatever_breaks_no_order_rests_unguarded_and_every_deal_is_counted(seed: int) -> None:
    faults = Faults(seed)
    # Longer than the nonce window and a refresh: what is late is refused before the timer fires.
    run = run_quiet(
        90,
        seed=seed,
        fs=faults.fs,
        net=faults.net,
        disturb=faults.disturb,
        kill_switch="15s",
    )
    assert faults.unguarded == []
    assert_proved(run)
    state, exchange = run.outcome.state, run.venue.exchange
    assert [(market.halted, market.breaks) for market in state.markets.values()] == [("", 0)] * 2
    if run.outcome.ended.clean:
        assert exchange.open_orders(ACCOUNT) == []
        assert exchange.kill_switches(ACCOUNT) == []
        assert_totals_agree(state, account_at(run.venue))
    else:
        armed = {timer.market for timer in exchange.kill_switches(ACCOUNT)}
        assert {order.market for order in exchange.open_orders(ACCOUNT)} <= armed
