"""One side of the recorded book, of which the best part is kept in order, against all of it."""

from __future__ import annotations

from random import Random

import pytest

from adapters.paper.core.model import Side
from replay.backtest.half import NOWHERE, Half

LIMIT = 20


class Whole:
    """The same, as a dictionary that is sorted whenever somebody asks."""

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is Side.BUY else -1
        self.lots: dict[int, int] = {}

    def change(self, levels: list[tuple[int, int]]) -> None:
        self.lots.update(levels)
        self.lots = {ticks: lots for ticks, lots in self.lots.items() if lots}

    def cut(self, ticks: int, lots: int) -> None:
        self.lots = {p: q for p, q in self.lots.items() if (p - ticks) * self.sign <= 0}
        self.lots[ticks] = lots

    def take(self, key: int, lots: int) -> None:
        for ticks, held in self.best_first(NOWHERE):
            if ticks * self.sign >= key:
                taken = min(lots, held)
                self.change([(ticks, held - taken)])
                lots -= taken

    def best_first(self, beyond_key: int) -> list[tuple[int, int]]:
        levels = [level for level in self.lots.items() if level[0] * self.sign < beyond_key]
        return sorted(levels, key=lambda level: -level[0] * self.sign)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("seed", range(3))
def test_it_shows_what_the_whole_book_shows(side: Side, seed: int) -> None:
    rng, half, whole = Random(f"half {seed}"), Half(side, LIMIT), Whole(side)
    sign = half.sign

    def level(best: int, deep: int) -> tuple[int, int]:
        return best - sign * rng.randrange(deep), rng.choice((0, rng.randint(1, 9)))

    best = 10_000
    first = [(best - sign * n, rng.randint(1, 9)) for n in range(0, 900, 2)]
    half.replace(first)
    whole.lots = dict(first)
    for _ in range(300):
        best += rng.choice((-40, -5, 0, 0, 0, 5, 30))
        changed = [level(best, rng.choice((8, 60, 900))) for _ in range(rng.randint(0, 40))]
        half.change(changed)
        whole.change(changed)
        if rng.random() < 0.5:
            best -= sign * rng.choice((0, 1, 3, 500))
            half.cut(best, 7)
            whole.cut(best, 7)
        key = sign * best - rng.choice((0, 2, 9, 400))
        half.take(key, 20)
        whole.take(key, 20)
        beyond_key = sign * best + rng.choice((1, 1, 0, -3, -600))
        shown = whole.best_first(beyond_key)
        assert list(half.window(LIMIT, beyond_key).items()) == shown[:LIMIT]
        assert half.best(beyond_key) == (shown[0] if shown else (0, 0))
        reached = rng.choice((4, 30, 700))
        prices = [p for p, _ in whole.best_first(NOWHERE) if (best - p) * sign <= reached]
        assert half.reaching(sign * best - reached) == prices
        assert half.lots == whole.lots


def test_a_book_of_few_levels_is_in_order_as_a_whole() -> None:
    half = Half(Side.BUY, LIMIT)
    half.replace([])
    assert (half.window(LIMIT, 200), half.best(200), half.reaching(0)) == ({}, (0, 0), [])
    half.change([(100, 1), (90, 2)])
    half.cut(95, 3)
    assert (half.window(LIMIT, 200), half.reaching(0)) == ({95: 3, 90: 2}, [95, 90])
