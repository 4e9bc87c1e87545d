"""Where we are visible in the feed: what rests, what is on its way, and what has just left."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import orders
from engine.orders import Order, Pending, Status
from engine.types import BUY, SELL
from engine.working import GHOST_NS, Ghost, haunted, visible
from tests.engine.builders import T0, new_order, venue_order

CID = "r1-1"
PLACED = orders.placed(new_order(CID), T0, 7, 1)
RESTING, _ = orders.shown(PLACED, venue_order(CID, 1), 2)
OVER = orders.close(RESTING, "test", 3, T0, 0)


def test_what_shows_at_one_price_is_all_that_we_have_and_had_there() -> None:
    moving = replace(RESTING, pending=Pending.MODIFY, wanted_price=1001, wanted_qty=12)
    second = replace(RESTING, client_order_id="r1-2", leaves_qty=4)
    ghosts = (
        Ghost(BUY, 1000, 3, T0),
        Ghost(BUY, 998, 5, T0),
        Ghost(BUY, 998, 6, T0),
        Ghost(SELL, 1000, 100, T0),
    )
    assert visible((moving, second), ghosts, BUY) == {1000: 17, 998: 11, 1001: 12}
    hidden = replace(moving, rpi=True)
    assert visible((hidden,), (), BUY) == {}


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (RESTING, {"leaves_qty": 4}),
        (PLACED, {"status": Status.OPEN}),
        (OVER, {"filled_qty": 3}),
        (OVER, {"status": Status.OPEN}),
        (replace(RESTING, rpi=True), {"status": Status.CLOSED}),
        (replace(RESTING, rpi=True), {"price": 1001}),
    ],
    ids=[
        "a part of it filled",
        "it is shown",
        "it was over",
        "it was over, and is shown again",
        "the feed never had it",
        "the feed never had it where it was",
    ],
)
def test_an_order_that_left_no_price_leaves_no_ghost(
    before: Order, changes: dict[str, Any]
) -> None:
    ghosts = (Ghost(SELL, 1, 1, T0 - 1),)
    assert haunted(ghosts, before, replace(before, **changes), T0) is ghosts


def test_a_new_order_leaves_no_ghost() -> None:
    ghosts = (Ghost(SELL, 1, 1, T0 - 1),)
    assert haunted(ghosts, None, PLACED, T0) is ghosts


@pytest.mark.parametrize("changes", [{"status": Status.CLOSED}, {"price": 1001}])
def test_a_price_that_was_left_is_ours_until_the_feed_has_had_time_to_follow(
    changes: dict[str, Any],
) -> None:
    before = replace(RESTING, leaves_qty=7)
    old = (Ghost(SELL, 1, 1, T0 - 1), Ghost(SELL, 2, 1, T0))
    lasting = Ghost(SELL, 3, 1, T0 + 1)
    left = haunted((*old, lasting), before, replace(before, **changes), T0)
    assert left == (lasting, Ghost(BUY, 1000, 7, T0 + GHOST_NS))
    assert GHOST_NS == 400_000_000
