"""A listing of more open orders than fit a page, while orders come and go between its pages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from engine import events as e
from engine import intents as i
from engine.orders import Status
from engine.reconcile import LAP, PAGE, RETRY_NS
from engine.types import Stp, VenueOrder
from tests.engine.builders import NAME, Run, S, started, venue_order
from tests.engine.reconciling import CID, ask, lose_private, placed, reconnect

OWN = venue_order(CID, 1)


def foreign(*numbers: int, named: bool = True) -> list[VenueOrder]:
    return [venue_order(f"x-{number}" if named else "", number) for number in numbers]


def listing() -> tuple[Run, int]:
    """A run with an order of ours that asks for the first page; the seq of that request."""
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    reconnect(run)
    return run, ask(run, i.QueryOpenOrders)


def answer(run: Run, request: int, offset: int, shown: list[VenueOrder]) -> None:
    page = tuple(shown[offset : offset + PAGE])
    run.push(e.OpenOrdersListed(NAME, offset, page, len(page) < PAGE), request)


def next_page(run: Run, shown: list[VenueOrder]) -> int:
    """Answer the query that is due now from what the venue has open; returns its offset."""
    (found,) = ((seq, intent) for seq, intent in run.act() if isinstance(intent, i.QueryOpenOrders))
    answer(run, found[0], found[1].offset, shown)
    return found[1].offset


@pytest.mark.parametrize("named", [True, False], ids=["with client ids", "without"])
def test_an_order_on_a_later_page_is_not_missing(named: bool) -> None:
    run, request = listing()
    shown = [*foreign(*range(300, 180, -1), named=named), OWN]
    answer(run, request, 0, shown)
    assert next_page(run, shown) == PAGE - LAP
    assert run.order(CID).status is Status.OPEN
    assert [venue.order_id for venue in run.market.foreign_orders] == list(range(300, 180, -1))


@pytest.mark.parametrize("named", [True, False], ids=["with client ids", "without"])
@pytest.mark.parametrize("ended", [1, LAP - 1])
def test_orders_that_end_between_two_pages_hide_none(ended: int, named: bool) -> None:
    run, request = listing()
    shown = [*foreign(*range(300, 200, -1), named=named), OWN]
    answer(run, request, 0, shown)
    next_page(run, shown[ended:])
    assert run.order(CID).status is Status.OPEN
    assert run.market.recon.orders_asked_seq == request


@pytest.mark.parametrize("left", [0, 30, 51], ids=["none", "less than a page", "one row more"])
def test_a_listing_that_moved_by_more_is_asked_for_again(left: int) -> None:
    run, request = listing()
    shown = [*foreign(*range(300, 200, -1)), OWN]
    answer(run, request, 0, shown)
    before = run.market.recon.orders_asked_seq
    # So many of the first page ended that the second begins with what was on none.
    shown = [*foreign(*range(200, 200 - left, -1)), OWN]
    next_page(run, shown)
    assert run.order(CID).status is Status.OPEN
    assert run.market.recon.orders_asked_seq == before, "it is not complete"
    assert not [n for _, n in run.act() if isinstance(n, i.QueryOpenOrders)], "with a pause"
    run.wait(RETRY_NS / S)
    assert next_page(run, shown) == 0
    assert run.order(CID).status is Status.OPEN


def test_an_order_that_is_on_no_page_is_gone() -> None:
    run, request = listing()
    shown = foreign(*range(300, 180, -1))
    answer(run, request, 0, shown)
    next_page(run, shown)
    assert run.order(CID).status is Status.CLOSED


@pytest.mark.parametrize(("waited_s", "gone"), [(0, False), (9, True)])
def test_a_modify_that_may_still_arrive_moves_its_order_over_the_pages(
    waited_s: int, gone: bool
) -> None:
    run = started()
    placed(run)
    (modify,) = run.ask(i.ModifyOrder(NAME, CID, 1001, 10, Stp.CANCEL_NEW))
    run.push(e.OutcomeUnknown("reset"), modify)
    lose_private(run)
    run.wait(2 + waited_s)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    answer(run, request, 0, foreign(*range(300, 180, -1)))
    # It has come to the top after the first page was read.
    next_page(run, [venue_order(CID, 301, price=1001), *foreign(*range(300, 180, -1))])
    assert (run.order(CID).status is Status.CLOSED) is gone


def ends(random: Random, shown: list[VenueOrder]) -> None:
    for _ in range(random.randrange(80)):
        others = [venue for venue in shown if venue is not OWN]
        if others:
            shown.remove(random.choice(others))


def comes(random: Random, shown: list[VenueOrder]) -> None:
    first = max(venue.order_id for venue in shown)
    shown[:0] = foreign(*range(first + random.randrange(80), first, -1))


def top_ends(random: Random, shown: list[VenueOrder]) -> None:
    del shown[: min(random.randrange(80), shown.index(OWN))]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_comes_and_goes_an_order_that_rests_is_never_believed_gone(seed: int) -> None:
    random = Random(seed)
    acts: list[Callable[[Random, list[VenueOrder]], None]] = [ends, comes, top_ends]
    run, request = listing()
    shown = foreign(*range(700, 400, -1))
    shown.insert(random.randrange(100, len(shown)), OWN)
    answer(run, request, 0, shown)
    for _ in range(12):
        for act in random.sample(acts, random.randrange(3)):
            act(random, shown)
        run.wait(RETRY_NS / S)
        due = [found for found in run.act() if isinstance(found[1], i.QueryOpenOrders)]
        for seq, intent in due:
            assert isinstance(intent, i.QueryOpenOrders)
            answer(run, seq, intent.offset, shown)
        assert run.order(CID).status is Status.OPEN
