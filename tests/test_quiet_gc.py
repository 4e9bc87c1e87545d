"""Garbage is collected at timers, put off while there is work, and Python's own way comes back."""

from __future__ import annotations

import gc

import pytest

from adapters.runtime import quiet_gc
from adapters.runtime.quiet_gc import QuietGc


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The generations collected, in order."""
    generations: list[int] = []

    def collect(generation: int = 2) -> int:
        generations.append(generation)
        return 0

    monkeypatch.setattr(gc, "collect", collect)
    return generations


def test_what_lives_from_the_start_is_frozen_and_python_collects_nothing_by_itself() -> None:
    with QuietGc():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_cycle_is_gone_after_the_timer() -> None:
    class Node:
        alive = 0

        def __init__(self) -> None:
            self.itself = self
            Node.alive += 1

        def __del__(self) -> None:
            Node.alive -= 1

    with QuietGc() as quiet:
        Node()
        assert Node.alive == 1
        quiet.after_timer(busy=False)
        assert Node.alive == 0


def test_the_young_are_collected_often_and_everything_once_a_minute(collected: list[int]) -> None:
    with QuietGc() as quiet:
        collected.clear()
        for _ in range(quiet_gc.FULL_EVERY):
            quiet.after_timer(busy=False)
    assert [collected.count(generation) for generation in range(3)] == [588, 11, 1]
    assert collected[-1] == 2


def test_a_busy_loop_puts_it_off_but_not_for_ever(collected: list[int]) -> None:
    with QuietGc() as quiet:
        collected.clear()
        for _ in range(quiet_gc.BUSY_MAX):
            quiet.after_timer(busy=True)
        assert collected == []
        quiet.after_timer(busy=True)
        assert collected == [0]
        quiet.after_timer(busy=True)
        assert collected == [0]
