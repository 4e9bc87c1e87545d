"""Margin on a spot pair: inventory is the position, and borrowing for it is a cost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.flatten import flatten
from engine.gates import closed_gate
from engine.inventory import Inventory, Pnl, add_interest, pnl
from engine.rates import place_endpoint
from engine.session import session_intents
from engine.stages import Hold, Stage
from engine.state import ReconStage, held
from engine.types import SELL, Position, Product
from engine.watch import pnl2
from tests.engine.builders import MARKET, NAME, Run, fill, fixed, quoted, started

MARGIN = replace(MARKET, product=Product.MARGIN, collateral=True)
PAIR = quoted(MARGIN, parameters=fixed(((990, 5), (980, 5)), ((1010, 5),)))
D = Decimal


def position(qty: int, interest: str = "0", position_id: int = 1) -> Position:
    return Position(NAME, position_id, qty, D(10), None, D(interest))


def test_its_inventory_is_the_position_that_the_venue_reports() -> None:
    run = Run(quoted(MARGIN, inventory_target=7), state=started(PAIR).state, run_id="r2")
    run.push(e.Filled(fill(5, qty=3)))
    assert run.market.position == 3, "a position has no target"
    run.push(e.PositionsReported((position(3),)))
    assert run.market.mismatch.since_ns == 0
    run.push(e.PositionsReported((position(4),)))
    assert run.market.mismatch.reported == "0.004"


def test_spot_balances_are_nothing_to_it() -> None:
    run = started(PAIR)
    run.push(e.SpotBalancesListed(()), *run.ask(i.QuerySpotBalances()))
    assert run.market.mismatch.since_ns == 0


@pytest.mark.parametrize(
    ("stage", "kind"),
    [(ReconStage.BALANCES, i.QueryPositions), (ReconStage.COLLATERAL, i.QueryMarginBalances)],
)
def test_reconciliation_asks_for_its_position_and_collateral(stage: ReconStage, kind: type) -> None:
    run = started(PAIR)
    market = replace(run.market, recon=replace(run.market.recon, stage=stage))
    state = replace(run.state, markets={NAME: market})
    assert kind in {type(intent) for intent in session_intents(state)}


def test_its_orders_go_to_the_collateral_account() -> None:
    assert place_endpoint(Product.MARGIN, 1) == "/api/v4/order/collateral/limit"
    assert place_endpoint(Product.MARGIN, 2) == "/api/v4/order/collateral/bulk"
    run = started(PAIR)
    (bulk,) = [intent for _, intent in run.act() if isinstance(intent, i.PlaceOrders)]
    assert len(bulk.orders) == 3


def test_flattening_reduces_only() -> None:
    run = started(PAIR)
    run.push(e.Filled(fill(5, qty=3)))
    market = held(run.market, Hold("test", Stage.FLATTEN, "", run.now_ns))
    intents, _ = flatten(run.state, market)
    (place,) = intents
    assert isinstance(place, i.PlaceOrders)
    assert [(o.side, o.qty, o.reduce_only) for o in place.orders] == [(SELL, 3, True)]


def test_it_stops_when_the_venue_ends_margin_trading_and_comes_back() -> None:
    run = started(PAIR)
    run.push(e.MarketsListed((replace(MARGIN, product=Product.SPOT),)))
    assert run.market.halted == ""
    request = run.ask(i.QueryMarkets())
    run.push(e.MarketsListed((replace(MARKET, collateral=False),)), *request)
    assert closed_gate(run.state, run.market) == "the venue ended margin trading on it"
    run.push(e.MarketsListed((replace(MARKET, collateral=True),)), *run.ask(i.QueryMarkets()))
    assert run.market.halted == ""


def test_a_pair_on_spot_needs_no_margin_trading() -> None:
    run = started(quoted())
    run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
    assert run.market.halted == ""


# --- what borrowing costs ---------------------------------------------------------------------


def test_what_accrued_before_the_baseline_is_not_ours() -> None:
    inventory = Inventory()
    assert add_interest(inventory, position(5, "2")) is inventory
    run = Run(PAIR)
    run.push(e.PositionsListed(NAME, (position(5, "2"),)), *run.ask(i.QueryPositions(NAME)))
    known = run.market.inventory
    assert (known.interest, known.interest_position, known.interest_seen) == (D(0), 1, D(2))
    run.push(e.PositionsReported((position(5, "2.5"),)))
    assert run.market.inventory.interest == D("0.5")


def test_each_position_begins_at_nothing_and_none_is_counted_twice() -> None:
    run = started(PAIR)
    for interest, position_id, total in (
        ("0.1", 1, "0.1"),
        ("0.1", 1, "0.1"),
        ("0.4", 1, "0.4"),
        ("0.3", 2, "0.7"),
        ("0", 3, "0.7"),
        ("0.2", 3, "0.9"),
    ):
        run.push(e.PositionsReported((position(5, interest, position_id),)))
        assert run.market.inventory.interest == D(total)
    run.push(e.PositionsReported(()))
    assert run.market.inventory.interest == D("0.9")
    run.state.check()


def test_a_position_of_a_market_that_is_not_quoted_costs_nobody() -> None:
    run = started(PAIR)
    run.push(e.PositionsReported((replace(position(5, "1"), market="ETH_USDT"),)))
    assert run.market.inventory.interest == D(0)


def test_borrowing_lowers_the_pnl_that_limits_watch() -> None:
    inventory = Inventory(baseline=D(0), interest=D("0.0031"), quote_fees=D("0.001"))
    assert pnl(inventory, MARGIN, 2000) == Pnl(
        D("-0.0041"), D(0), D(0), D("0.001"), interest=D("0.0031")
    )
    # Half units of 10^-5 USDT, rounded against us.
    assert pnl2(inventory, MARGIN, 2000) == -820
    assert pnl2(replace(inventory, quote_fees=D(0)), MARGIN, 2000) == -620
    assert pnl2(replace(inventory, quote_fees=D(0), interest=D(0)), MARGIN, 2000) == 0


def test_a_fee_in_another_asset_is_told_and_not_valued() -> None:
    paid = Inventory(baseline=D(0), other_fees=(("WBT", D("0.3")),))
    found = pnl(paid, MARGIN, 2000)
    assert (found.total, found.unknown_fees) == (D(0), (("WBT", D("0.3")),))
