"""Reconciliation: balances, failing queries, restarts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.inventory import base_total
from engine.orders import Pending, Status
from engine.reconcile import RACE_NS, RETRY_NS
from engine.risk import exposure_of
from engine.state import ReconStage
from engine.types import OrderStatus, Position, Side, SpotBalance, Stp
from tests.engine.builders import (
    BUSY,
    NAME,
    PERPETUAL,
    WOULD_TAKE,
    Run,
    S,
    balances,
    fill,
    fixed,
    quoted,
    quoting,
    started,
    venue_order,
)
from tests.engine.reconciling import CID, ask, lose_private, placed, reconnect

# --- balances ---------------------------------------------------------------------------------


def test_a_report_that_a_late_deal_explains_is_no_break() -> None:
    run = started()
    run.push(e.SpotBalancesChanged(balances("0.010")))
    assert run.market.mismatch.since_ns
    run.push(e.Filled(fill(5, qty=10)))
    assert not run.market.mismatch.since_ns
    run.wait(4)
    assert run.market.recon.stage is ReconStage.DONE


def test_two_reports_without_a_deal_between_are_a_break_and_the_venue_is_followed() -> None:
    run = started()
    run.base = "0.500"
    run.push(e.SpotBalancesChanged(balances("0.500")))
    run.wait(4)
    assert closed_gate(run.state, run.market) == "reconciling: reports differ from the deals"
    run.settle()
    assert (run.market.breaks, run.market.position) == (1, 500)
    assert base_total(run.market.inventory, run.market.quoted.market) == Decimal("0.5")
    assert not run.market.recon.blind


def test_a_break_found_by_reconciliation_itself_is_asked_twice() -> None:
    run = started()
    lose_private(run)
    run.base = "0.500"
    run.wait(2)
    run.settle()
    assert run.market.breaks == 0
    assert run.market.recon.blind
    run.wait(1.1)
    run.settle()
    assert (run.market.breaks, run.market.position) == (1, 500)


def test_a_first_difference_is_asked_again_at_once_and_a_second_a_second_later() -> None:
    run = started()
    lose_private(run)
    run.wait(2)
    run.base = "0.500"
    run.settle()
    for pause_ns in (RACE_NS, RETRY_NS):
        recon = run.market.recon
        assert recon.stage is ReconStage.FILLS
        assert recon.retry_at_ns - run.market.mismatch.since_ns == pause_ns
        run.push(e.TimerFired(), after_ns=recon.retry_at_ns - run.now_ns - 1)
        assert i.QueryFills(NAME, 0) not in run.decide()
        run.push(e.TimerFired(), after_ns=1)
        assert i.QueryFills(NAME, 0) in run.decide()
        run.settle()
    assert run.market.breaks == 1
    assert (RACE_NS, RETRY_NS) == (50_000_000, 1_000_000_000)


def test_a_deal_whose_push_lagged_behind_the_balance_costs_a_moment_not_a_second() -> None:
    run = started()
    lose_private(run)
    run.wait(2)
    run.base = "0.010"
    run.settle()
    run.push(e.Filled(fill(5, qty=10)))
    run.push(e.TimerFired(), after_ns=RACE_NS)
    run.settle()
    assert (run.market.recon.stage, run.market.breaks) == (ReconStage.DONE, 0)


def test_a_perpetual_position_report_is_checked_too() -> None:
    run = started(quoted(PERPETUAL))
    name = PERPETUAL.name
    reported = (Position(name, 1, 10, None, None),)
    run.push(e.PositionsReported(reported))
    assert run.market.mismatch.reported == "0.01"
    run.push(e.Filled(fill(5, qty=10, market=name)))
    assert run.market.mismatch.since_ns == 0
    run.push(e.PositionsReported(()))
    assert run.market.mismatch.since_ns == 0, "it held a moment ago, so it may be late"
    run.wait(4)
    run.push(e.PositionsReported(()))
    assert run.market.mismatch.since_ns


def test_other_assets_and_products_break_nothing() -> None:
    run = started()
    run.push(e.SpotBalancesChanged((SpotBalance("ETH", Decimal(3), Decimal(0)),)))
    run.push(e.PositionsReported((Position("ETH_PERP", 1, 10, None, None),)))
    assert run.market.mismatch.since_ns == 0


# --- when asking fails ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [e.RequestRefused(BUSY), e.RequestThrottled(), e.OutcomeUnknown("reset")]
)
def test_a_query_that_fails_is_asked_again_within_two_seconds(end: e.AnyEvent) -> None:
    run = started()
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    run.push(end, request)
    assert not any(isinstance(intent, i.QueryOpenOrders) for intent in run.decide())
    run.wait(0.9)
    assert not any(isinstance(intent, i.QueryOpenOrders) for intent in run.decide())
    run.wait(0.6)
    assert i.QueryOpenOrders(NAME, 0) in run.decide()


def test_the_answer_to_a_reconciliation_that_was_started_over_is_not_wanted() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    lose_private(run)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.order(CID).status is Status.OPEN


def test_a_refused_modify_makes_the_engine_look_without_going_blind() -> None:
    run = started()
    placed(run)
    (request,) = run.ask(i.ModifyOrder(NAME, CID, 1001, 8, Stp.CANCEL_NEW))
    run.push(e.RequestRefused(WOULD_TAKE), request)
    assert run.market.recon.stage is ReconStage.ORDERS
    assert not run.market.recon.blind
    run.listed = (venue_order(CID, 1),)
    run.settle()
    assert run.order(CID).qty == 10


def test_a_deal_that_stays_missing_is_asked_for() -> None:
    run = started()
    placed(run)
    run.push(e.OrderClosed(venue_order(CID, 1, leaves=0, status=OrderStatus.FILLED)))
    assert exposure_of(run.market, run.now_ns).buy_qty == 10
    run.wait(2)
    assert run.market.recon.stage is ReconStage.DONE
    run.wait(2)
    assert run.market.recon.reason == "a deal is missing"
    run.history = (fill(5, qty=10, client_order_id=CID),)
    run.base = "0.010"
    run.settle()
    assert (run.market.position, exposure_of(run.market, run.now_ns).buy_qty) == (10, 0)


# --- restart ----------------------------------------------------------------------------------


def test_a_restart_makes_what_was_in_flight_unknown_and_resends_nothing() -> None:
    before, (ask_order, bid_order) = quoting()
    before.ask(i.ModifyOrder(NAME, bid_order.client_order_id, 995, 10, Stp.CANCEL_NEW))
    before.push(e.Filled(fill(5, qty=4, side=Side.SELL, order_id=2,
                              client_order_id=ask_order.client_order_id)))  # fmt: skip
    parameters = fixed(((990, 10),), ((1010, 10),))
    run = Run(quoted(parameters=parameters), state=before.state, run_id="r2")
    bid = run.order(bid_order.client_order_id)
    assert (bid.pending, bid.unknown) == (Pending.MODIFY, True)
    assert run.market.position == -4
    assert run.market.recon.blind
    assert {type(intent) for intent in run.decide()} == {
        i.OpenStream,
        i.QueryTime,
        i.QueryMarkets,
        i.QueryFees,
        i.CancelOrder,
    }
    run.base = "-0.004"
    run.history = (fill(5, qty=4, side=Side.SELL, order_id=2),)
    run.listed = ()
    run.wait(8)
    run.settle()
    assert run.market.live == ()
    assert run.market.inventory.fills == 1


def test_breaks_are_counted_on_over_a_restart() -> None:
    before = started()
    before.state = replace(before.state, markets={NAME: replace(before.market, breaks=2)})
    assert Run(quoted(), state=before.state, run_id="r2").market.breaks == 2


def test_a_market_the_next_run_does_not_quote_is_reported_while_it_has_orders() -> None:
    before, _ = quoting()
    run = Run(quoted(PERPETUAL), state=before.state, run_id="r2")
    assert "not quoted by this run, but 2 orders live" in run.state.last_anomaly


def test_balances_are_no_answer_to_a_market_that_waits_to_ask_for_its_position() -> None:
    """Both questions fail, the perpetual's a little later: spot asks again first, and what it is
    told says nothing of the perpetual."""
    run = Run(quoted(PERPETUAL), quoted())
    run.positions, run.base = (Position(PERPETUAL.name, 1, 40, None, None),), "0.5"
    ask(run, i.QueryPositions)
    asked = {type(r.intent): seq for seq, r in run.state.requests.items()}
    run.push(e.RequestRefused(BUSY), asked[i.QuerySpotBalances])
    run.push(e.RequestRefused(BUSY), asked[i.QueryPositions], after_ns=S // 5)
    run.wait(0.85)
    run.settle()
    perpetual, spot = run.state.markets.values()
    assert (perpetual.recon.stage, perpetual.inventory.baseline) == (ReconStage.BALANCES, None)
    assert (spot.recon.stage, spot.inventory.baseline) == (ReconStage.DONE, Decimal("0.5"))
    run.wait(0.2)
    run.settle()
    assert (run.market.position, run.market.breaks) == (40, 0)
