"""Foreign orders, placed by hand or by another program: seen, counted, left alone."""

from __future__ import annotations

import pytest

from engine import events as e
from engine import foreign
from engine import intents as i
from engine.foreign import STRANGERS_MAX
from engine.orders import Status
from engine.risk import exposure_of
from engine.state import ReconStage
from engine.top import net_top
from engine.types import OrderStatus, VenueOrder
from tests.engine.builders import NAME, Run, S, fill, quoting, snapshot, started, venue_order
from tests.engine.reconciling import CID, ask, placed


def ids(run: Run) -> list[int]:
    return sorted(order.order_id for order in run.market.foreign_orders)


def stranger(order_id: int, leaves: int | None = None) -> VenueOrder:
    return venue_order("by hand", order_id, leaves=leaves, price=995)


def relisted(run: Run) -> int:
    """Begin a reconciliation of no doubt at all; returns the request for open orders."""
    run.push(e.LoopStalled(S))
    return ask(run, i.QueryOpenOrders)


# --- events -----------------------------------------------------------------------------------


def test_events_follow_a_foreign_order_from_its_placing_to_its_end() -> None:
    run = started()
    run.push(e.OrderOpened(stranger(77)))
    run.push(e.OrderOpened(stranger(78)))
    assert ids(run) == [77, 78]
    run.push(e.OrderUpdated(stranger(77, leaves=4)))
    assert [order.leaves_qty for order in run.market.foreign_orders] == [4, 10]
    run.push(e.OrderClosed(stranger(77, leaves=0)))
    assert ids(run) == [78]
    run.push(e.OrderClosed(stranger(79)))
    assert ids(run) == [78]
    assert run.state.anomalies == 0


def test_a_stop_that_activates_is_told_of_twice_and_counted_once() -> None:
    run = started()
    run.push(e.OrderOpened(stranger(77)))
    run.push(e.OrderOpened(stranger(77)))
    assert ids(run) == [77]
    run.push(e.OrderClosed(stranger(77, leaves=0)))
    assert ids(run) == []


def test_a_foreign_order_on_a_market_we_do_not_quote_is_nothing_to_us() -> None:
    run = started()
    run.push(e.OrderOpened(venue_order("by hand", 77, market="ETH_USDT")))
    assert ids(run) == []


def test_as_many_are_followed_as_the_bound_says_and_no_more() -> None:
    run = started()
    market = run.market
    for number in range(STRANGERS_MAX + 1):
        market = foreign.told(market, stranger(number), 1, over=False)
    assert list(market.foreign) == list(range(STRANGERS_MAX))
    after = foreign.told(market, stranger(5, leaves=1), 2, over=False)
    assert after.foreign[5].order.leaves_qty == 1, "one that is followed goes on"
    assert STRANGERS_MAX == 1_000


# --- listings ---------------------------------------------------------------------------------


def test_a_listing_tells_of_those_that_no_event_did_and_forgets_those_it_lacks() -> None:
    run = started()
    run.push(e.OrderOpened(stranger(77)))
    run.push(e.OrderOpened(stranger(78)))
    request = relisted(run)
    run.push(e.OpenOrdersListed(NAME, 0, (stranger(78), stranger(79)), True), request)
    assert ids(run) == [78, 79]
    request = relisted(run)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.market.foreign == {}


def test_what_events_told_since_the_question_is_newer_than_the_listing() -> None:
    run = started()
    run.push(e.OrderOpened(stranger(77)))
    request = relisted(run)
    run.push(e.OrderClosed(stranger(77)))
    run.push(e.OrderOpened(stranger(80)))
    run.push(e.OrderUpdated(stranger(81, leaves=3)))
    assert ids(run) == [80, 81]
    late = (stranger(77), stranger(79), stranger(81))
    run.push(e.OpenOrdersListed(NAME, 0, late, True), request)
    assert ids(run) == [79, 80, 81]
    assert run.market.foreign[81].order.leaves_qty == 3
    assert 77 not in run.market.foreign, "nor is its end remembered any longer"


def test_a_page_that_was_lost_is_not_counted_twice() -> None:
    run = started()
    request = relisted(run)
    run.push(e.OpenOrdersListed(NAME, 0, (stranger(77),), False), request)
    second = ask(run, i.QueryOpenOrders)
    run.push(e.OutcomeUnknown("lost"), second)
    assert run.market.recon.strangers == ()
    run.wait(1)
    request = ask(run, i.QueryOpenOrders)
    run.push(e.OpenOrdersListed(NAME, 0, (stranger(78),), True), request)
    assert ids(run) == [78]
    assert run.market.recon.strangers == ()
    assert run.market.recon.stage is ReconStage.FILLS


def test_an_order_of_ours_is_no_stranger_when_a_listing_shows_it_again() -> None:
    run = started()
    placed(run)
    run.push(e.OrderClosed(venue_order(CID, 1, status=OrderStatus.CANCELLED)))
    request = relisted(run)
    run.push(e.OpenOrdersListed(NAME, 0, (venue_order(CID, 1),), True), request)
    assert run.market.foreign == {}


# --- left alone -------------------------------------------------------------------------------


@pytest.mark.parametrize("at_touch", [False, True], ids=["behind the touch", "at the touch"])
def test_quoting_neither_cancels_nor_counts_nor_hides_a_foreign_order(at_touch: bool) -> None:
    run, before = quoting()
    price = 995 if at_touch else 980
    by_hand = venue_order("by hand", 77, price=price)
    exposure = exposure_of(run.market, run.now_ns)
    run.push(e.OrderOpened(by_hand))
    levels = (995, 10, 990, 50) if at_touch else (990, 50, 980, 10)
    run.push(snapshot(bids=levels, update_id=2, at_ns=run.now_ns))
    assert net_top(run.market)[0] == levels[0], "it is the market's as far as pricing goes"
    after = exposure_of(run.market, run.now_ns)
    assert (after.buy_qty, after.orders) == (exposure.buy_qty, exposure.orders)
    assert run.act() == []
    assert list(run.market.live) == before


def test_a_foreign_deal_counts_in_the_inventory_alone() -> None:
    run = started()
    run.push(e.OrderOpened(stranger(77)))
    run.push(e.Filled(fill(5, qty=3, order_id=77, client_order_id="by hand")))
    assert run.market.position == 3
    assert run.market.live == ()
    assert run.state.anomalies == 0


def test_a_foreign_order_that_reuses_nothing_of_ours_changes_no_order_of_ours() -> None:
    run = started()
    placed(run)
    run.push(e.OrderClosed(stranger(77)))
    assert run.order(CID).status is Status.OPEN
