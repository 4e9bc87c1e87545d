"""Closed orders are kept for a minute, and longer while they owe deals."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import tombstones
from engine.debts import Owed
from engine.orders import Order, Status, close, placed
from engine.tombstones import GENERATION, KEPT_NS, Closed, changed, every, find, joined, without
from tests.engine.builders import T0, new_order


def ended(name: str, closed_ns: int, *, owed: bool = False) -> Order:
    """An order that closed, with or without a deal outstanding."""
    order = close(placed(new_order(name), T0, 0, 1), "test", 2, closed_ns, 0)
    assert order.status is Status.CLOSED
    return replace(order, owed=(Owed(1, 1, 0),)) if owed else order


def filled(count: int, *, at_ns: int = T0, owing: tuple[int, ...] = ()) -> Closed:
    """So many orders that closed one nanosecond after the other from `at_ns` on."""
    closed: Closed = ()
    for number in range(count):
        order = ended(f"o-{number}", at_ns + number, owed=number in owing)
        closed = joined(closed, order, at_ns + number)
    return closed


def names(closed: Closed) -> list[str]:
    return [order.client_order_id for order in every(closed)]


def test_orders_are_found_in_every_generation_and_told_in_the_order_of_their_end() -> None:
    count = 2 * GENERATION + 1
    closed = filled(count)
    assert [len(generation) for generation in closed] == [GENERATION, GENERATION, 1]
    assert names(closed) == [f"o-{number}" for number in range(count)]
    for number in (0, GENERATION - 1, GENERATION, count - 1):
        found = find(closed, f"o-{number}")
        assert found is not None
        assert found.closed_ns == T0 + number
    assert find(closed, "o-none") is None
    assert find((), "o-0") is None


def test_a_change_copies_one_generation_and_leaves_the_old_value_alone() -> None:
    before = filled(GENERATION + 2)
    after = changed(before, ended("o-3", T0 + 99))
    assert find(after, "o-3") == ended("o-3", T0 + 99)
    assert find(before, "o-3") == ended("o-3", T0 + 3)
    assert after[1] is before[1]
    more = joined(before, ended("new", T0 + 100), T0 + 100)
    assert more[0] is before[0]
    assert names(more) == [*names(before), "new"]
    assert "new" not in names(before)


def test_an_order_that_turns_out_to_be_live_is_taken_out() -> None:
    before = filled(GENERATION + 2)
    assert names(without(before, "o-1")) == [name for name in names(before) if name != "o-1"]
    assert find(before, "o-1") is not None


@pytest.mark.parametrize(
    ("age_ns", "kept"), [(KEPT_NS - 1, True), (KEPT_NS, False)], ids=["younger", "a minute old"]
)
def test_a_full_generation_is_forgotten_when_its_last_order_is_a_minute_old(
    age_ns: int, kept: bool
) -> None:
    closed = filled(GENERATION)
    now_ns = T0 + GENERATION - 1 + age_ns
    after = joined(closed, ended("new", now_ns), now_ns)
    assert names(after) == ([*names(closed), "new"] if kept else ["new"])


def test_generations_are_forgotten_oldest_first_and_none_behind_one_that_is_kept() -> None:
    closed = filled(2 * GENERATION)
    now_ns = T0 + 2 * GENERATION - 1 + KEPT_NS - 1
    after = joined(closed, ended("new", now_ns), now_ns)
    assert names(after) == [*names(closed)[GENERATION:], "new"]


def test_what_owes_deals_is_taken_over_by_the_new_generation() -> None:
    closed = filled(GENERATION, owing=(5, 9))
    now_ns = T0 + GENERATION + KEPT_NS
    after = joined(closed, ended("new", now_ns), now_ns)
    assert names(after) == ["o-5", "o-9", "new"]


def test_so_many_owing_orders_that_they_fill_a_generation_are_all_kept() -> None:
    closed = filled(GENERATION, owing=tuple(range(GENERATION)))
    now_ns = T0 + GENERATION + KEPT_NS
    after = joined(closed, ended("new", now_ns), now_ns)
    assert names(after) == [*names(closed), "new"]


def test_the_constants_are_a_minute_and_a_small_dictionary() -> None:
    assert tombstones.KEPT_NS == 60 * 10**9
    assert tombstones.GENERATION == 64
