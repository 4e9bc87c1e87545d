"""What all markets of a quote asset lose together holds each of them back."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.account import check_assets
from engine.errors import ConfigError
from engine.losses import share
from engine.stages import Hold, Stage
from engine.step import decide
from engine.types import AccountLoss, Quoted, Settings
from engine.watch import NS_PER_DAY, Watch
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    T0,
    Run,
    S,
    fixed,
    limits,
    quoted,
    snapshot,
)
from tests.engine.test_gates import in_market

PERP = PERPETUAL.name
COARSE = replace(PERPETUAL, qty_decimals=2, price_decimals=1)
"""10^-3 USDT is the unit of its P&L, 10^-5 that of the spot market."""
DAY = T0 // (86_400 * S)
ONE = 100_000_000
LIMIT = AccountLoss("USDT", 10 * ONE, 10 * ONE)


def spec(market: object = MARKET, **more: bool) -> Quoted:
    assert market in (MARKET, COARSE)
    chosen = MARKET if market == MARKET else COARSE
    return quoted(chosen, limit=limits(**more), parameters=fixed())


def account(limit: AccountLoss = LIMIT, *markets: Quoted) -> Run:
    settings = Settings(account_losses=(limit,))
    return Run(*(markets or (spec(), spec(COARSE))), settings=settings)


def earned(run: Run, spot2: int = 0, perp2: int = 0) -> None:
    """Let the markets have so much P&L, in half units of their own, and the timer fire."""
    for name, value2 in ((NAME, spot2), (PERP, perp2)):
        market = run.state.markets[name]
        watch = Watch(DAY, value2, 0, max(0, value2))
        run.state = replace(
            run.state, markets={**run.state.markets, name: replace(market, watch=watch)}
        )
    run.wait(0)


def raised(run: Run) -> list[tuple[str, Hold]]:
    """The changes of stage that are due now; applied as a decision is."""
    decision = decide(run.state)
    run.push(decision)
    return [(change.market, change.hold) for change in decision.stages]


def usdt(amount: int) -> int:
    """Half units of the spot market."""
    return 2 * amount * 10**5


def usdt_perp(amount: int) -> int:
    return 2 * amount * 10**3


def test_the_sum_of_the_markets_counts_in_units_of_its_own() -> None:
    run = account()
    earned(run, usdt(3), -usdt_perp(5))
    earned(run, usdt(3) - 1, -usdt_perp(5))
    watch = run.state.losses["USDT"]
    assert watch.pnl2 == -2 * 2 * ONE - 1000
    assert (watch.day, watch.loss2, watch.drawdown2) == (DAY, 1000, 1000)
    market = replace(run.market, watch=Watch(DAY, -1, 0, 0))
    fine = replace(MARKET, price_decimals=6, qty_decimals=6)
    market = replace(market, quoted=replace(market.quoted, market=fine))
    assert share(market) == -1, "rounded against us"


def test_nothing_is_marked_before_a_market_is() -> None:
    run = account()
    run.wait(0)
    assert run.state.losses == {"USDT": Watch()}
    assert raised(run) == []


STEPS = (
    (4, 0, Stage.QUOTE),
    (5, 0, Stage.WIDEN),
    (3, 4, Stage.ONE_SIDE),
    (8, 1, Stage.STOP),
    (4, 6, Stage.CANCEL),
    (-5, 10, Stage.WIDEN),
)


@pytest.mark.parametrize(("spot", "perp", "stage"), STEPS)
@pytest.mark.parametrize("rule", ["loss", "drawdown"])
def test_the_ladder_of_the_account(rule: str, spot: int, perp: int, stage: Stage) -> None:
    key = {"loss": "loss_day_max", "drawdown": "drawdown_max"}[rule]
    run = account(AccountLoss("USDT", **{key: 10 * ONE}))
    earned(run)
    if rule == "drawdown":
        # A new day begins with what was lost: the loss of the day is none.
        earned(run, usdt(1))
        run.state = replace(run.state, losses={"USDT": Watch(DAY, 0, -(10**15), 0)})
    earned(run, -usdt(spot), -usdt_perp(perp))
    changes = raised(run)
    if stage is Stage.QUOTE:
        assert changes == []
        return
    assert [name for name, _ in changes] == [NAME, PERP], "each market is held back"
    for _, hold in changes:
        assert (hold.rule, hold.stage) == (f"account_{rule}", stage)
        assert hold.human is (stage is Stage.CANCEL)
        assert (hold.found, hold.limit) == ((spot + perp) * ONE, 10 * ONE)
    assert {market.stage for market in run.state.markets.values()} == {stage}


def test_the_reason_has_the_figures_in_the_quote_asset() -> None:
    run = account()
    earned(run)
    earned(run, -usdt(11))
    reasons = {hold.rule: hold.reason for _, hold in raised(run)}
    together = "11 USDT of all markets together"
    assert reasons == {
        "account_loss": f"{together} lost since the UTC day began, limit 10",
        "account_drawdown": f"{together} below the highest P&L, limit 10",
    }


def test_only_a_market_that_is_to_flatten_flattens() -> None:
    run = account(LIMIT, spec(loss_flattens=True), spec(COARSE))
    earned(run)
    earned(run, 0, -usdt_perp(10))
    found = {name: hold.stage for name, hold in raised(run) if hold.rule == "account_loss"}
    assert found == {NAME: Stage.FLATTEN, PERP: Stage.CANCEL}


def test_a_market_of_another_quote_asset_goes_on() -> None:
    other = replace(COARSE, name="BTC_EUR", quote_asset="EUR")
    run = account(LIMIT, spec(), quoted(other, parameters=fixed()))
    for value2 in (0, -usdt(10)):
        watch = Watch(DAY, value2, 0, 0)
        markets = {
            name: replace(market, watch=watch if name == NAME else Watch(DAY, 0, 0, 0))
            for name, market in run.state.markets.items()
        }
        run.state = replace(run.state, markets=markets)
        run.wait(0)
    assert {name for name, _ in raised(run)} == {NAME}


def test_re_enabling_lets_the_account_count_from_then_on_and_leaves_the_others_held() -> None:
    run = account()
    earned(run)
    earned(run, -usdt(10))
    raised(run)
    run.push(e.OperatorCommanded("enable", PERP, ""))
    assert run.state.losses["USDT"].loss2 == 0
    run.wait(0)
    raised(run)
    assert run.state.markets[PERP].stage is Stage.QUOTE
    assert run.state.markets[NAME].stage is Stage.CANCEL, "for its own human"
    run.push(e.OperatorCommanded("enable", "", ""))
    run.wait(0)
    assert {market.stage for market in run.state.markets.values()} == {Stage.QUOTE}


def test_re_enabling_what_another_limit_stopped_forgives_the_account_nothing() -> None:
    run = account()
    earned(run)
    earned(run, -usdt(4))
    run.push(e.OperatorCommanded("cancel", NAME, ""))
    run.push(e.OperatorCommanded("enable", NAME, ""))
    assert run.state.losses["USDT"].loss2 == 2 * 4 * ONE


def test_losses_are_kept_over_a_restart_without_a_market_that_is_not_quoted_any_more() -> None:
    run = account()
    earned(run)
    earned(run, -usdt(4), -usdt_perp(3))
    settings = run.state.settings
    run.push(e.RunStarted("r2", "paper", (), "{}", settings, (spec(), spec(COARSE))))
    run.wait(0)
    assert run.state.losses["USDT"].loss2 == 2 * 7 * ONE
    run.push(e.RunStarted("r3", "paper", (), "{}", settings, (spec(),)))
    run.wait(0)
    watch = run.state.losses["USDT"]
    assert (watch.pnl2, watch.loss2, watch.drawdown2) == (-8 * ONE, 14 * ONE, 14 * ONE)
    run.push(e.RunStarted("r4", "paper", (), "{}", Settings(), (spec(),)))
    assert run.state.losses == {}


@pytest.mark.parametrize(
    ("price_decimals", "qty_decimals", "lost2", "fell2"),
    [(3, 4, 35_100, 70_200), (2, 2, 36, 71), (3, 2, 351, 702), (1, 4, 351, 702)],
    ids=["finer", "coarser, rounded against us", "both, as fine", "the other way round"],
)
def test_what_the_day_has_lost_is_kept_where_the_precision_changes(
    price_decimals: int, qty_decimals: int, lost2: int, fell2: int
) -> None:
    run = account()
    day = run.now_ns // NS_PER_DAY
    fills_ns = (run.now_ns,)
    in_market(run, watch=Watch(day, -51, 300, 651, fills_ns, fills_ns, 2000))
    market = replace(MARKET, price_decimals=price_decimals, qty_decimals=qty_decimals)
    settings = run.state.settings
    new = quoted(market, parameters=fixed())
    run.push(e.RunStarted("r2", "paper", (), "{}", settings, (new, spec(COARSE))))
    watch = run.market.watch
    assert watch == Watch(day, 0, lost2, fell2, fills_ns, fills_ns)
    assert (watch.loss2, watch.drawdown2) == (lost2, fell2)
    run.settle()
    run.push(snapshot(at_ns=run.now_ns))
    run.wait(0)
    assert run.market.watch.mid2 > 0
    assert (run.market.watch.loss2, run.market.watch.drawdown2) == (lost2, fell2)


def test_what_the_account_has_lost_is_kept_where_the_precision_of_a_market_changes() -> None:
    run = account()
    earned(run)
    earned(run, -usdt(4), -usdt_perp(3))
    finer = quoted(replace(MARKET, qty_decimals=4), parameters=fixed())
    settings = run.state.settings
    run.push(e.RunStarted("r2", "paper", (), "{}", settings, (finer, spec(COARSE))))
    run.wait(0)
    assert run.state.losses["USDT"].loss2 == 2 * 7 * ONE


def test_a_day_that_a_clock_ahead_began_ends_with_the_day_it_is() -> None:
    run = account()
    earned(run)
    run.push(e.TimerFired(), after_ns=40 * NS_PER_DAY)
    earned(run, -usdt(4), -usdt_perp(3))
    run.push(e.OperatorCommanded("flatten", NAME, ""))
    again = Run(state=replace(run.state, now_ns=T0))
    again.push(e.RunStarted("r2", "paper", (), "{}", run.state.settings, (spec(), spec(COARSE))))
    assert again.market.holds[0].since_ns == again.now_ns
    again.wait(0)
    lost = again.state.losses["USDT"]
    assert (lost.day, lost.loss2) == (again.market.watch.day, 2 * 7 * ONE)
    again.push(e.TimerFired(), after_ns=NS_PER_DAY)
    assert again.state.losses["USDT"].loss2 == 0


def test_a_limit_about_no_market_is_refused() -> None:
    check_assets(Settings(account_losses=(LIMIT,)), (spec(),))
    problem = (
        "limits.loss_day_max.BTC, or drawdown_max: expected the quote asset of a market of this "
        "run (USDT), found none"
    )
    with pytest.raises(ConfigError, match=re.escape(problem)):
        check_assets(Settings(account_losses=(replace(LIMIT, asset="BTC"),)), (spec(),))
