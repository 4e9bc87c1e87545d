"""The latch under a running engine, on virtual time."""

from __future__ import annotations

import pytest
import trio

from adapters.cli.simulate import STATE, World
from adapters.runtime.latch import Latch
from engine.events import PlacingAllowed, PlacingForbidden, Record, RequestSent, RequestWithheld
from replay.verify import verify
from tests.integration.kit import ACCOUNT
from tests.integration.world import records_of, run_quiet

pytestmark = pytest.mark.slow

PLACING = ("order/new", "order/bulk", "order/modify", "collateral/limit", "collateral/bulk")
LATCHED_S, LIFTED_S = 8.0, 14.0


def places(records: list[Record], first: int, last: int) -> list[Record]:
    return [
        record
        for record in records
        if first < record.seq < last
        and isinstance(record.event, RequestSent)
        and record.event.path.endswith(PLACING)
    ]


def sent_a_place(world: World) -> bool:
    records = records_of(world.fs)
    return bool(records) and bool(places(records, 0, records[-1].seq + 1))


def test_a_latch_pulls_the_quotes_within_a_timer_and_a_lifted_one_lets_them_back() -> None:
    seen: list[int] = []

    async def disturb(world: World) -> None:
        latch = Latch(world.fs, STATE)
        await trio.sleep(LATCHED_S)
        assert world.venue.exchange.open_orders(ACCOUNT)
        latch.set("a test")
        await trio.sleep(0.3)
        seen.append(len(world.venue.exchange.open_orders(ACCOUNT)))
        await trio.sleep(LIFTED_S - LATCHED_S)
        seen.append(len(world.venue.exchange.open_orders(ACCOUNT)))
        assert world.venue.exchange.kill_switches(ACCOUNT) == [], "left to run out"
        latch.lift()
        await trio.sleep(3)
        seen.append(len(world.venue.exchange.open_orders(ACCOUNT)))

    run = run_quiet(20, disturb=disturb)
    assert seen[:2] == [0, 0]
    assert seen[2]
    records = records_of(run.fs)
    (forbidden,) = [r.seq for r in records if isinstance(r.event, PlacingForbidden)]
    (allowed,) = [r.seq for r in records if isinstance(r.event, PlacingAllowed)]
    assert places(records, 0, forbidden)
    assert not places(records, forbidden, allowed)
    assert places(records, allowed, records[-1].seq)
    assert run.outcome.ended.clean
    assert verify(iter(records))[0].divergences == 0


def test_what_was_decided_before_the_latch_was_seen_does_not_leave() -> None:
    async def disturb(world: World) -> None:
        # Set while the first quotes are under way: connections are still being opened for them.
        await trio.sleep(0.04)
        latch = Latch(world.fs, STATE)
        while not sent_a_place(world):  # noqa: ASYNC110 - virtual time, and nothing tells of it
            await trio.sleep(0.0001)
        latch.set("a test")

    run = run_quiet(5, disturb=disturb)
    records = records_of(run.fs)
    withheld = [r.cause_seq for r in records if isinstance(r.event, RequestWithheld)]
    assert withheld
    assert {r.seq for r in places(records, 0, records[-1].seq)} >= set(withheld)
    assert run.outcome.ended.clean
    assert verify(iter(records))[0].divergences == 0
