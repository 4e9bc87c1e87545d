"""Deals, balances and positions, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.orders import CLOSED
from engine.reduce_account import agrees
from engine.reduce_limits import paced
from engine.state import Mismatch, State
from engine.strategy import MarketEvent
from engine.types import NO_LIMIT, OrderStatus, Settings, SpotBalance
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    Fixed,
    S,
    balances,
    fill,
    new_order,
    quoted,
    quoting,
    started,
    venue_order,
)
from tests.engine.changes import fold, next_at, nothing_changes
from tests.engine.reconciling import ask as ask_for
from tests.engine.test_gates import in_market

CID = "r1-1"


class Noting(Fixed, frozen=True, forbid_unknown_fields=True):
    """Remembers the deals that it is told."""

    def fold(self, memory: tuple[e.Filled, ...], event: MarketEvent, now_ns: int) -> Any:
        return (*memory, event) if isinstance(event, e.Filled) else memory


@pytest.mark.parametrize(
    ("status", "leaves", "owes"),
    [
        (OrderStatus.OPEN, 10, 0),
        (OrderStatus.OPEN, 4, 6),
        (OrderStatus.OPEN, 0, 10),
        (OrderStatus.CANCELLED, 4, 6),
        (OrderStatus.FILLED, 0, 10),
    ],
)
def test_a_closed_event_ends_an_order_whatever_its_text_says(
    status: OrderStatus, leaves: int, owes: int
) -> None:
    run, (_, bid) = quoting()
    told = venue_order(bid.client_order_id, bid.order_id, leaves=leaves, price=990, status=status)
    run.push(e.OrderClosed(told))
    over = run.order(bid.client_order_id)
    assert (over.status, over.worst_qty, over.leaves_qty) == (CLOSED, owes, leaves)


@pytest.mark.parametrize("leaves", [10, 0])
def test_a_closed_event_of_an_unknown_text_during_a_modify_is_of_the_half_it_names(
    leaves: int,
) -> None:
    run, (_, bid) = quoting()
    run.ask(i.ModifyOrder(NAME, bid.client_order_id, 985, 10, bid.stp))
    told = venue_order(bid.client_order_id, bid.order_id, leaves=leaves, price=990)
    run.push(e.OrderClosed(told))
    after = run.order(bid.client_order_id)
    assert (after.status is CLOSED) is (leaves == 0), "filled, or replaced"


def test_an_order_of_no_market_of_ours_changes_nothing() -> None:
    run = started()
    nothing_changes(run, e.OrderOpened(venue_order(CID, 1, market="ETH_USDT")))
    nothing_changes(run, e.Filled(fill(1, market="ETH_USDT")))


def test_an_impossible_fact_is_counted_and_told() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.OrderOpened(venue_order(CID, 1)))
    seq = run.push(e.Filled(fill(3, qty=11, client_order_id=CID)))
    assert run.state.anomalies == 1
    assert run.state.last_anomaly == f"{NAME} seq {seq}: {CID}: deals of 11 lots exceed its 10"
    assert run.state.attention_seq == seq


def test_a_deal_before_the_baseline_only_raises_the_floor() -> None:
    run = started()
    unknown = replace(run.market.inventory, baseline=None, deal_floor=5)
    for deal_id, floor in ((9, 9), (3, 9)):
        in_market(run, inventory=unknown)
        raised = replace(unknown, deal_floor=floor if deal_id > 5 else 5)
        fold(run, e.Filled(fill(deal_id)), market={"inventory": raised})


def test_balances_that_changed_are_merged() -> None:
    run = started()
    run.push(e.SpotBalancesChanged(balances("0", "5")))
    merged = {**run.state.spot, "USDT": SpotBalance("USDT", Decimal(7), Decimal(1))}
    seq, _ = next_at(run)
    changed = e.SpotBalancesChanged((merged["USDT"],))
    fold(run, changed, spot=merged, attention_seq=seq)


def test_a_report_that_differs_is_noted_with_what_was_known_and_forgotten_when_it_agrees() -> None:
    run = started()
    run.push(e.Filled(fill(1, qty=10)))
    run.push(e.SpotBalancesChanged(balances("0.010")))
    assert run.market.mismatch == Mismatch()
    seq, now_ns = next_at(run)
    noted = Mismatch(now_ns, "0.007", 1)
    told = balances("0.007")
    fold(
        run,
        e.SpotBalancesChanged(told),
        market={"mismatch": noted},
        spot={**run.state.spot, **{balance.asset: balance for balance in told}},
        attention_seq=seq,
    )
    run.push(e.SpotBalancesChanged(balances("0.006")))
    assert run.market.mismatch == noted, "the first that differed counts"
    run.push(e.SpotBalancesChanged(balances("0.010")))
    assert run.market.mismatch == Mismatch()


def test_a_deal_that_does_not_explain_a_report_leaves_it_noted() -> None:
    run = started()
    run.push(e.SpotBalancesChanged(balances("0.007")))
    noted = run.market.mismatch
    assert noted.reported == "0.007"
    run.push(e.Filled(fill(1, qty=3)))
    assert run.market.mismatch == noted
    run.push(e.Filled(fill(2, qty=4)))
    assert run.market.mismatch == Mismatch()
    run.push(e.Filled(fill(3, qty=1)))
    assert run.market.mismatch == Mismatch()


def test_a_strategy_is_told_each_deal_once() -> None:
    run = started()
    in_market(run, strategy=Noting(), memory=())
    deal = fill(1, qty=3)
    for _ in range(2):
        run.push(e.Filled(deal))
    assert run.market.memory == (e.Filled(deal),)


def test_a_report_may_be_as_old_as_three_seconds() -> None:
    run = started()
    before_ns = run.now_ns
    in_market(run, past_totals=((before_ns, Decimal("0.5")), (before_ns + S, Decimal("0.7"))))
    for total, age_ns, agreed in (
        ("0.5", 3 * S, True),
        ("0.5", 3 * S + 1, False),
        ("0.7", 3 * S + 1, True),
        ("0.6", 0, False),
        ("0", 9 * S, True),
    ):
        told = {"BTC": SpotBalance("BTC", Decimal(total), Decimal(0))}
        state = replace(run.state, spot=told)
        assert agrees(state, run.market, before_ns + age_ns) is agreed


def test_totals_of_the_last_three_seconds_are_kept() -> None:
    run = started()
    run.push(e.Filled(fill(1, qty=1)))
    first = run.market.past_totals
    assert first == ((run.now_ns, Decimal(0)),)
    run.push(e.Filled(fill(2, qty=2)), after_ns=3 * S)
    assert run.market.past_totals == (*first, (run.now_ns, Decimal("0.001")))
    run.push(e.Filled(fill(3, qty=4)), after_ns=1)
    assert [total for _, total in run.market.past_totals] == [Decimal("0.001"), Decimal("0.003")]


# --- the message rate -------------------------------------------------------------------------


def test_a_mark_is_set_every_tenth_of_the_span_and_the_last_old_one_is_kept() -> None:
    settings = replace(Settings(), requests_max=7, requests_span_ns=99)
    state = State(settings=settings, sent=3, sent_marks=((100, 1),))
    assert paced(state, 108).sent_marks == ((100, 1),)
    assert paced(state, 109).sent_marks == ((100, 1), (109, 3))
    assert paced(state, 199).sent_marks == ((100, 1), (199, 3))
    assert paced(state, 198).sent_max == 7
    assert paced(state, 199).sent_max == 1 + 7
    two = replace(state, sent_marks=((100, 1), (110, 2)))
    assert paced(two, 208).sent_marks[0] == (100, 1)
    assert paced(two, 209).sent_marks[0] == (110, 2)
    free = replace(state, settings=replace(settings, requests_max=NO_LIMIT))
    assert paced(free, 500) is free


# --- who must look ----------------------------------------------------------------------------


def test_news_of_an_order_of_ours_is_looked_at_whatever_it_moves() -> None:
    run, (_, bid) = quoting()
    same = venue_order(bid.client_order_id, bid.order_id, price=990)
    seq = run.push(e.OrderUpdated(same))
    assert run.state.attention_seq == seq
    seq = run.push(e.Filled(fill(5, qty=1, client_order_id="of an earlier run")))
    assert run.state.attention_seq == seq


def test_an_answer_that_tells_of_an_end_is_what_changed_the_order_last() -> None:
    run, (_, bid) = quoting()
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 985, 12, bid.stp))
    over = venue_order(bid.client_order_id, 2, qty=12, leaves=0, price=985)
    seq = run.push(e.OrderModified(replace(over, status=OrderStatus.FILLED)), request)
    assert run.order(bid.client_order_id).updated_seq == seq


def test_a_report_is_held_against_every_market_that_it_concerns() -> None:
    other = replace(MARKET, name="ETH_USDT", base_asset="ETH")
    run = started(quoted(PERPETUAL), quoted(), quoted(other))
    unknown = replace(run.state.markets[NAME].inventory, baseline=None)
    for name in (NAME, other.name):
        assert run.state.markets[name].inventory.baseline is not None
    run.push(e.SpotBalancesChanged((SpotBalance("ETH", Decimal(1), Decimal(2)),)))
    assert run.state.markets[other.name].mismatch.reported == "3"
    assert run.state.markets[NAME].mismatch == Mismatch()
    noted = run.state.markets[other.name].mismatch
    run.push(e.SpotBalancesChanged((SpotBalance("BTC", Decimal(1), Decimal(0)),)))
    assert run.state.markets[NAME].mismatch.reported == "1"
    assert run.state.markets[other.name].mismatch == noted
    in_named = replace(run.state.markets[NAME], inventory=unknown)
    run.state = replace(run.state, markets={**run.state.markets, NAME: in_named})
    run.push(e.SpotBalancesChanged((SpotBalance("ETH", Decimal(0), Decimal(0)),)))
    assert run.state.markets[other.name].mismatch == Mismatch()


def test_a_difference_that_is_known_hides_none_of_another_market() -> None:
    other = replace(MARKET, name="ETH_USDT", base_asset="ETH")
    run = started(quoted(), quoted(other))
    run.push(e.SpotBalancesChanged((SpotBalance("BTC", Decimal(1), Decimal(0)),)))
    run.push(e.SpotBalancesChanged((SpotBalance("ETH", Decimal(3), Decimal(0)),)))
    reported = [market.mismatch.reported for market in run.state.markets.values()]
    assert reported == ["1", "3"]


def test_a_listing_may_show_an_order_that_is_over() -> None:
    run, (ask, bid) = quoting()
    over = venue_order(bid.client_order_id, bid.order_id, price=990, status=OrderStatus.CANCELLED)
    rests = venue_order(ask.client_order_id, ask.order_id, side=ask.side, price=1010)
    run.listed = (over, rests)
    run.push(e.LoopStalled(5 * S))
    request = ask_for(run, i.QueryOpenOrders)
    seq = run.push(e.OpenOrdersListed(NAME, 0, run.listed, True), request)
    ended = run.order(bid.client_order_id)
    assert (ended.close_reason, ended.updated_seq) == ("CANCELLED", seq)
    run.settle()
    assert run.order(ask.client_order_id).price == 1010
