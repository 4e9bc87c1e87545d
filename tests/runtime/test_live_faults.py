"""What a fault in the engine's own code leaves: no order, and the timers armed."""

from __future__ import annotations

import pytest
import trio

from adapters.cli.simulate import World
from adapters.runtime.live import ABANDON_S
from engine.events import RunEnded
from replay.verify import verify
from tests.integration.kit import ACCOUNT, MARKETS
from tests.integration.world import records_of, run_quiet

FAULT_S = 5.0


def run_into_fault(latency_s: float | None = None) -> tuple[World, float]:
    """Run until a decision fails, with orders resting; returns the world, and how long it went on.

    Args:
        latency_s: Of the network from then on; None leaves it.
    """
    worlds: list[World] = []
    ended_s: list[float] = []

    def decide() -> None:
        raise ZeroDivisionError("a strategy's")

    async def disturb(world: World) -> None:
        worlds.append(world)
        await trio.sleep(FAULT_S)
        assert world.venue.exchange.open_orders(ACCOUNT)
        if latency_s is not None:
            world.net.latency = lambda: latency_s  # type: ignore[method-assign]
        world.loop._sequencer.decide = decide  # type: ignore[assignment, method-assign]
        try:
            await trio.sleep_forever()
        finally:
            ended_s.append(trio.current_time())

    with pytest.raises(ExceptionGroup) as caught:
        run_quiet(30, disturb=disturb, kill_switch="20s")
    assert caught.group_contains(ZeroDivisionError)
    return worlds[0], ended_s[0] - FAULT_S


def test_every_order_is_cancelled_and_the_timers_stay_armed() -> None:
    world, took_s = run_into_fault()
    assert took_s < 2
    assert world.venue.exchange.open_orders(ACCOUNT) == []
    armed = {timer.market for timer in world.venue.exchange.kill_switches(ACCOUNT)}
    assert armed == set(MARKETS)
    records = records_of(world.fs)
    assert not any(isinstance(record.event, RunEnded) for record in records)
    assert verify(iter(records))[0].divergences == 0


def test_a_venue_that_does_not_answer_is_not_waited_for_without_end() -> None:
    world, took_s = run_into_fault(latency_s=1000)
    assert world.venue.exchange.open_orders(ACCOUNT), "nothing reached it"
    assert took_s == pytest.approx(ABANDON_S, abs=1)
