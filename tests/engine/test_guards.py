"""Limits over time: at which figure each raises the stage, to which, and how it comes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.book import Book
from engine.guards import CALM_NS, is_flat, re_enabled
from engine.reduce_venue import PRECISION_CHANGED
from engine.session import FEES_EVERY_NS
from engine.stages import Hold, SideOff, Stage, StageChange
from engine.step import decide
from engine.types import Limits, Side
from engine.watch import Watch
from tests.engine.builders import (
    FEES,
    MARKET,
    NAME,
    Run,
    S,
    fill,
    limits,
    quoted,
    quoting,
    started,
)
from tests.engine.test_gates import in_market


def raised(run: Run) -> list[Hold]:
    """The holds that the engine would set now; applied as its decision is."""
    run.wait(0)
    decision = decide(run.state)
    run.push(decision)
    return [change.hold for change in decision.stages]


def losing(loss2: int, limit: Limits, **figures: Any) -> Run:
    """A run that lost so many half units since the day began, with no market to mark it anew."""
    run, _ = quoting(limit=limit)
    day = run.now_ns // (86_400 * S)
    in_market(run, watch=Watch(day, -loss2, 0, figures.get("peak", 0)))
    in_market(run, feed=replace(run.market.feed, doubt="old"))
    return run


NONE, ADDING = SideOff.NONE, SideOff.ADDING
STEPS: tuple[tuple[int, Stage, SideOff, bool], ...] = (
    (999, Stage.QUOTE, NONE, False),
    (1000, Stage.WIDEN, NONE, False),
    (1399, Stage.WIDEN, NONE, False),
    (1400, Stage.ONE_SIDE, ADDING, False),
    (1699, Stage.ONE_SIDE, ADDING, False),
    (1700, Stage.STOP, NONE, False),
    (1999, Stage.STOP, NONE, False),
    (2000, Stage.CANCEL, NONE, True),
    (9000, Stage.CANCEL, NONE, True),
)


@pytest.mark.parametrize(("loss2", "stage", "off", "human"), STEPS)
@pytest.mark.parametrize("rule", ["loss", "drawdown"])
def test_the_ladder_of_a_loss(
    rule: str, loss2: int, stage: Stage, off: SideOff, human: bool
) -> None:
    limit = limits(loss_day_max=1000) if rule == "loss" else limits(drawdown_max=1000)
    run = losing(loss2, limit)
    holds = raised(run)
    if stage is Stage.QUOTE:
        assert holds == []
        return
    (hold,) = holds
    assert (hold.rule, hold.stage, hold.side_off, hold.human) == (rule, stage, off, human)
    assert (hold.found, hold.limit) == (-(-loss2 // 2), 1000)
    assert hold.since_ns == run.now_ns - 1_000_000
    assert run.market.stage is stage


def test_the_reason_has_the_figures_in_the_quote_asset() -> None:
    (hold,) = raised(losing(2001, limits(loss_day_max=1000)))
    assert hold.reason == "0.01001 USDT lost since the UTC day began, limit 0.01"
    (hold,) = raised(losing(1000, limits(drawdown_max=600), peak=200))
    assert hold.reason == "0.006 USDT below the highest P&L, limit 0.006"


@pytest.mark.parametrize("rule", ["loss_day_max", "drawdown_max"])
def test_a_loss_flattens_where_the_configuration_says_so(rule: str) -> None:
    run = losing(2000, limits(loss_flattens=True, **{rule: 1000}))
    in_market(run, watch=replace(run.market.watch))
    assert [hold.stage for hold in raised(run)] == [Stage.FLATTEN]


def test_a_loss_ladder_goes_down_after_it_was_calm_and_up_at_once() -> None:
    assert CALM_NS == 30 * S
    run = losing(1400, limits(loss_day_max=1000))
    raised(run)
    since_ns = run.market.holds[0].since_ns

    def at(loss2: int, now_ns: int) -> list[Stage]:
        in_market(run, watch=replace(run.market.watch, pnl2=-loss2))
        run.now_ns = now_ns
        return [hold.stage for hold in raised(run)]

    assert at(1000, since_ns + S) == []
    assert at(1000, since_ns + CALM_NS - 1) == [], "not calm for long enough"
    assert at(1000, since_ns + CALM_NS) == [Stage.WIDEN]
    assert at(1700, since_ns + CALM_NS + S) == [Stage.STOP]
    assert at(0, since_ns + 2 * CALM_NS + 2 * S) == [Stage.QUOTE]
    assert run.market.holds == ()


def test_what_only_a_human_lifts_is_raised_and_never_lowered() -> None:
    run = losing(2000, limits(loss_day_max=1000))
    raised(run)
    in_market(run, watch=replace(run.market.watch, pnl2=0))
    run.wait(3600)
    assert raised(run) == []
    assert run.market.stage is Stage.CANCEL
    limit = replace(run.market.quoted.limits, loss_flattens=True)
    in_market(run, quoted=replace(run.market.quoted, limits=limit))
    in_market(run, watch=replace(run.market.watch, pnl2=-2000))
    assert [hold.stage for hold in raised(run)] == [Stage.FLATTEN]


def test_the_mark_moves_with_the_market_and_the_loss_stops_it() -> None:
    run, _ = quoting(limit=limits(loss_day_max=100))
    run.wait(0.1)
    order = run.market.bids[0]
    deal = fill(9, price=990, client_order_id=order.client_order_id, order_id=order.order_id)
    run.push(e.Filled(deal))
    assert run.market.watch.loss2 == -200, "bought below the mid"
    run.push(e.BestBidOffer(NAME, 99, run.now_ns // 1000, 970, 5, 980, 5))
    run.wait(0.1)
    assert run.market.watch.loss2 == 300
    decision = decide(run.state)
    assert [change.hold.stage for change in decision.stages] == [Stage.CANCEL]
    cancels = [intent for intent in decision.intents if isinstance(intent, i.CancelOrder)]
    assert len(cancels) == len(run.market.live), "the same decision cancels what rests"


# --- fills ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_too_many_fills_of_a_side_take_it_off_until_a_human_looks(side: Side) -> None:
    run, (ask, bid) = quoting(limit=limits(fills_per_minute_max=2))
    order = bid if side is Side.BUY else ask

    def take(number: int) -> None:
        deal = fill(
            number,
            qty=1,
            price=order.price,
            side=side,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
        )
        run.push(e.Filled(deal))

    take(1)
    take(2)
    assert raised(run) == []
    take(3)
    (hold,) = raised(run)
    name = side.name.lower()
    assert (hold.rule, hold.stage, hold.side_off) == (f"fills_{name}", Stage.ONE_SIDE, name)
    assert (hold.found, hold.limit, hold.human) == (3, 2, True)
    assert hold.reason == f"3 {name} fills within a minute, limit 2"
    run.wait(120)
    assert raised(run) == []
    assert run.market.stage is Stage.ONE_SIDE


def test_without_a_limit_no_fill_is_remembered() -> None:
    run, (_, bid) = quoting()
    deal = fill(1, price=990, client_order_id=bid.client_order_id, order_id=bid.order_id)
    run.push(e.Filled(deal))
    assert run.market.watch.buy_fills_ns == ()


# --- fees -------------------------------------------------------------------------------------


def listed(run: Run, fees: e.FeesListed) -> None:
    run.push(fees, *run.ask(i.QueryFees(fees.market)))


RISES: tuple[tuple[dict[str, Decimal], str], ...] = (
    ({"maker_fee_rate": Decimal("0.0011")}, "maker fee 0.11 %, was 0.1 %"),
    ({"taker_fee_rate": Decimal("0.002")}, "taker fee 0.2 %, was 0.1 %"),
    ({"rpi_premium": Decimal("0.00001")}, "RPI premium fee 0.001 %, was 0 %"),
    (
        {"maker_fee_rate": Decimal("0.002"), "taker_fee_rate": Decimal("0.003")},
        "maker fee 0.2 %, was 0.1 %, taker fee 0.3 %, was 0.1 %",
    ),
    ({"maker_fee_rate": Decimal("-0.0001"), "taker_fee_rate": Decimal("0.001")}, ""),
    ({}, ""),
)


@pytest.mark.parametrize(("change", "reason"), RISES)
def test_a_fee_that_rose_cancels(change: dict[str, Decimal], reason: str) -> None:
    run, _ = quoting()
    assert run.market.fees_base == FEES
    listed(run, replace(FEES, **change))
    holds = raised(run)
    assert [hold.reason for hold in holds] == ([reason] if reason else [])
    assert all((h.rule, h.stage, h.human) == ("fees", Stage.CANCEL, True) for h in holds)


def test_fees_of_another_market_are_nobodys() -> None:
    run, _ = quoting()
    listed(run, replace(FEES, market="ETH_USDT", maker_fee_rate=Decimal(1)))
    assert run.market.fees == FEES


def test_fees_are_asked_for_at_the_start_and_every_ten_minutes() -> None:
    run = Run(quoted())
    assert i.QueryFees(NAME) in run.decide()
    run.settle()
    run.now_ns = run.market.fees_asked_ns + FEES_EVERY_NS - 1
    run.push(e.TimerFired(), after_ns=0)
    assert i.QueryFees(NAME) not in run.decide()
    run.push(e.TimerFired(), after_ns=1)
    assert i.QueryFees(NAME) in run.decide()
    run.push(e.StopRequested("asked"))
    assert i.QueryFees(NAME) not in run.decide()


def test_fees_that_never_came_are_asked_for_again_soon() -> None:
    run = Run(quoted())
    run.ask(i.QueryFees(NAME))
    run.wait(3)
    run.wait(26.9)
    assert i.QueryFees(NAME) not in run.decide()
    run.wait(0.2)
    assert i.QueryFees(NAME) in run.decide()


# --- the venue's list -------------------------------------------------------------------------


def listing(run: Run, **change: Any) -> list[Hold]:
    run.push(e.MarketsListed((replace(MARKET, **change),)), *run.ask(i.QueryMarkets()))
    return raised(run)


def test_a_disabled_market_is_cancelled_and_comes_back_with_the_list() -> None:
    run, _ = quoting()
    (hold,) = listing(run, enabled=False)
    assert (hold.rule, hold.stage, hold.human) == ("halted", Stage.CANCEL, False)
    assert hold.reason == "the venue disabled trading"
    assert listing(run, enabled=False) == []
    (hold,) = listing(run)
    assert (hold.stage, run.market.holds) == (Stage.QUOTE, ())


def test_a_changed_precision_stops_the_market_for_good() -> None:
    run, _ = quoting()
    (hold,) = listing(run, price_decimals=3)
    assert (hold.stage, hold.reason) == (Stage.CANCEL, PRECISION_CHANGED)
    assert listing(run) == []
    in_market(run, **vars_of(re_enabled(run.market)))
    assert [h.reason for h in raised(run)] == [PRECISION_CHANGED], "not even a human lifts it"


def vars_of(market: Any) -> dict[str, Any]:
    return {name: getattr(market, name) for name in market.__struct_fields__}


def test_an_announced_delisting_flattens_a_day_before() -> None:
    run, _ = quoting()
    now_s = run.now_ns // S
    assert listing(run, delist_s=now_s + 86_400 + 60) == []
    assert run.market.delist_ns == (now_s + 86_400 + 60) * S
    run.now_ns = run.market.delist_ns - 86_400 * S - 1
    assert raised(run) == []
    run.now_ns = run.market.delist_ns - 86_400 * S
    (hold,) = raised(run)
    assert (hold.rule, hold.stage, hold.human) == ("delisting", Stage.FLATTEN, False)
    assert (hold.found, hold.limit) == (86_400, 86_400)
    (hold,) = listing(run)
    assert hold.stage is Stage.QUOTE, "withdrawn"


# --- flat, and off ----------------------------------------------------------------------------


def test_a_market_that_is_flat_goes_from_flatten_to_off_and_stays() -> None:
    run = started(quoted())
    now_s = run.now_ns // S
    (hold,) = listing(run, delist_s=now_s + 60)
    assert hold.stage is Stage.FLATTEN
    (hold,) = raised(run)
    assert (hold.stage, hold.human) == (Stage.OFF, False)
    assert hold.reason.endswith("before; flat with 0 lots left")
    assert raised(run) == []
    (hold,) = listing(run)
    assert hold.stage is Stage.QUOTE


@pytest.mark.parametrize(
    ("position", "flat"), [(0, True), (1, True), (-1, True), (2, False), (-2, False)]
)
def test_what_no_order_can_be_made_of_is_flat(position: int, flat: bool) -> None:
    run = started(quoted(replace(MARKET, qty_min=2)))
    in_market(run, position=position)
    assert is_flat(run.market) is flat


@pytest.mark.parametrize(("minimum", "flat"), [(2000, False), (2001, True)])
def test_what_is_worth_too_little_for_an_order_is_flat(minimum: int, flat: bool) -> None:
    run = started(quoted(replace(MARKET, notional_min=minimum)))
    in_market(run, position=2)
    assert is_flat(run.market) is flat


def test_what_nobody_can_value_is_not_flat() -> None:
    run = started(quoted())
    in_market(run, position=2, feed=replace(run.market.feed, book=Book()))
    assert not is_flat(run.market)
    in_market(run, position=0)
    assert is_flat(run.market)
    in_market(run, quoted=quoted(replace(MARKET, qty_min=0)))
    assert is_flat(run.market)


def test_a_market_with_an_order_or_a_deal_to_come_is_not_flat() -> None:
    run, (_, bid) = quoting()
    assert not is_flat(run.market)
    run = started(quoted())
    assert is_flat(run.market)
    in_market(run, owing=(bid,))
    assert not is_flat(run.market)


def test_the_operators_flatten_ends_in_off_too() -> None:
    run = started(quoted())
    operator = Hold("operator", Stage.FLATTEN, "asked")
    run.push(e.Decided((), (), (StageChange(NAME, operator),)))
    assert [(h.rule, h.stage) for h in raised(run)] == [("operator", Stage.OFF)]


# --- a human ----------------------------------------------------------------------------------


def test_a_human_re_enables_and_the_figures_begin_anew() -> None:
    run = losing(2000, limits(loss_day_max=1000, drawdown_max=900, fills_per_minute_max=0))
    in_market(run, watch=replace(run.market.watch, buy_fills_ns=(run.now_ns,)), halted="odd frame")
    listed(run, replace(FEES, maker_fee_rate=Decimal("0.002")))
    assert {h.rule for h in raised(run)} == {"loss", "drawdown", "fills_buy", "fees", "halted"}
    in_market(run, **vars_of(re_enabled(run.market)))
    run.market.check()
    assert run.market.stage is Stage.QUOTE
    assert run.market.halted_seq == 0
    assert raised(run) == []
    listed(run, replace(FEES, maker_fee_rate=Decimal("0.0021")))
    assert [h.reason for h in raised(run)] == ["maker fee 0.21 %, was 0.2 %"]


def test_a_restart_forgets_no_loss_and_accepts_no_fee() -> None:
    run = losing(2000, limits(loss_day_max=1000))
    raised(run)
    listed(run, replace(FEES, maker_fee_rate=Decimal("0.002")))
    again = Run(quoted(limit=limits(loss_day_max=1000)), state=run.state, run_id="r2")
    assert again.market.watch == run.market.watch
    assert again.market.fees_base == FEES
    assert again.market.stage is Stage.CANCEL
