"""Limits that hold a market back: from the folded figures to the changes of stage they ask for.

Each rule looks at one market and answers with the hold it wants, or with none. `stage_changes`
compares that with the hold it has. A hold that only a human lifts is raised, never lowered; others
follow their figure, those of the loss ladder only after they were calm for a while.

    loss, drawdown     at 50, 70, 85 and 100 % of the limit: widen, only the side that reduces the
                       position, stop, and cancel (or flatten) until a human re-enables
    account_loss, account_drawdown
                       the same of all markets of a quote asset together, on each of them
    fills_buy/_sell    more fills of one side within a minute than allowed: that side is off
    fees               a fee is above what it was when the market began to be quoted: cancel
    delisting          announced for within a day: flatten
    halted             the venue stopped the market, or told of it what we cannot read: cancel
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from engine.losses import limit_of
from engine.money import format_units
from engine.reduce_venue import PRECISION_CHANGED
from engine.stages import (
    CANCEL,
    FLATTEN,
    OFF,
    ONE_SIDE,
    QUOTE,
    STOP,
    WIDEN,
    Hold,
    SideOff,
    StageChange,
)
from engine.state import MarketState, State, held
from engine.top import mid2
from engine.types import AccountLoss
from engine.watch import Watch, forgiven

NS_PER_S = 1_000_000_000
CALM_NS = 30_000_000_000
"""A rule that follows its figure lowers its hold no sooner after it set it."""
DELIST_NOTICE_NS = 86_400 * 1_000_000_000
"""How long before its delisting a market is flattened."""

# Percent of the limit at which each stage begins, gravest first; the last one comes at 100.
LADDER = (
    (85, STOP, SideOff.NONE),
    (70, ONE_SIDE, SideOff.ADDING),
    (50, WIDEN, SideOff.NONE),
)


def stage_changes(state: State) -> tuple[StageChange, ...]:
    """Return the holds that the limits set, change or lift now; pure."""
    changes: list[StageChange] = []
    for market in state.markets.values():
        if market.holds or _is_tripped(state, market):
            changes += _changes(state, market)
    return tuple(changes)


def with_stages(state: State, changes: tuple[StageChange, ...]) -> State:
    """Fold changes of stage into the markets that they name."""
    markets = dict(state.markets)
    for change in changes:
        markets[change.market] = held(markets[change.market], change.hold)
    return replace(state, markets=markets)


def re_enabled(market: MarketState) -> MarketState:
    """Lift every hold, as a human does: losses, fills and fees count from now on.

    A market whose precision changed stays halted until the run starts anew.
    """
    halted = market.halted if market.halted == PRECISION_CHANGED else ""
    return replace(
        market,
        holds=(),
        stage=QUOTE,
        watch=forgiven(market.watch),
        fees_base=market.fees,
        fees_risen="",
        halted=halted,
        halted_seq=0,
    )


def account_forgiven(state: State, market: MarketState) -> State:
    """Begin the account's figures anew with a market that they held, as a human re-enables it."""
    asset = market.quoted.market.quote_asset
    watch = state.losses.get(asset)
    if watch is None or not any(hold.rule in ACCOUNT_RULES for hold in market.holds):
        return state
    return replace(state, losses={**state.losses, asset: forgiven(watch)})


def _is_tripped(state: State, market: MarketState) -> bool:
    # One condition, since nearly always none of them holds: half of a loss is where it begins.
    limits, watch = market.quoted.limits, market.watch
    return bool(
        (state.losses and _is_account_tripped(state, market))
        or watch.loss2 >= limits.loss_day_max
        or watch.drawdown2 >= limits.drawdown_max
        or len(watch.buy_fills_ns) > limits.fills_per_minute_max
        or len(watch.sell_fills_ns) > limits.fills_per_minute_max
        or market.fees_risen
        or market.halted
        or market.delist_ns
    )


def _is_account_tripped(state: State, market: MarketState) -> bool:
    limit, watch = _account(state, market)
    return watch.loss2 >= limit.loss_day_max or watch.drawdown2 >= limit.drawdown_max


def _account(state: State, market: MarketState) -> tuple[AccountLoss, Watch]:
    # The account's limit for the quote asset of a market, and its figures; none reach no limit.
    asset = market.quoted.market.quote_asset
    limit = limit_of(state.settings, asset) or AccountLoss(asset)
    return limit, state.losses.get(asset, Watch())


def _changes(state: State, market: MarketState) -> list[StageChange]:
    name = market.quoted.market.name
    return [
        StageChange(name, replace(wanted, since_ns=state.now_ns))
        for wanted in [rule(state, market) for rule in RULES] + _flat(market)
        if _is_due(market, wanted, state.now_ns)
    ]


def _is_due(market: MarketState, wanted: Hold, now_ns: int) -> bool:
    before = next((hold for hold in market.holds if hold.rule == wanted.rule), None)
    if before is None:
        return wanted.stage is not QUOTE
    if wanted.stage > before.stage:
        return True
    if before.human or (before.stage is OFF and wanted.stage is not QUOTE):
        return False
    if wanted.stage is before.stage:
        return wanted.side_off is not before.side_off
    return wanted.rule not in _CALMED or now_ns - before.since_ns >= CALM_NS


# --- rules ------------------------------------------------------------------------------------


def _none(rule: str, reason: str) -> Hold:
    return Hold(rule, QUOTE, reason, human=False)


def _loss(state: State, market: MarketState) -> Hold:
    limit, decimals = market.quoted.limits.loss_day_max, market.quoted.market.notional_decimals
    return _ladder(market, "loss", _LOST, market.watch.loss2, limit, decimals)


def _drawdown(state: State, market: MarketState) -> Hold:
    limit, decimals = market.quoted.limits.drawdown_max, market.quoted.market.notional_decimals
    return _ladder(market, "drawdown", _BELOW, market.watch.drawdown2, limit, decimals)


def _account_loss(state: State, market: MarketState) -> Hold:
    limit, watch = _account(state, market)
    what, most = f"{_TOGETHER} {_LOST}", limit.loss_day_max
    return _ladder(market, "account_loss", what, watch.loss2, most, AccountLoss.DECIMALS)


def _account_drawdown(state: State, market: MarketState) -> Hold:
    limit, watch = _account(state, market)
    what, most = f"{_TOGETHER} {_BELOW}", limit.drawdown_max
    return _ladder(market, "account_drawdown", what, watch.drawdown2, most, AccountLoss.DECIMALS)


_LOST, _BELOW = "lost since the UTC day began", "below the highest P&L"
_TOGETHER = "of all markets together"


def _ladder(
    market: MarketState, rule: str, what: str, found2: int, limit: int, decimals: int
) -> Hold:
    found, asset = -(-found2 // 2), market.quoted.market.quote_asset
    reason = (
        f"{format_units(found, decimals)} {asset} {what}, limit {format_units(limit, decimals)}"
    )
    if found2 >= 2 * limit:
        stage = FLATTEN if market.quoted.limits.loss_flattens else CANCEL
        return Hold(rule, stage, reason, found=found, limit=limit)
    for percent, stage, side_off in LADDER:
        if 50 * found2 >= limit * percent:
            return Hold(
                rule, stage, reason, human=False, side_off=side_off, found=found, limit=limit
            )
    return _none(rule, reason)


def _fills_buy(state: State, market: MarketState) -> Hold:
    return _fills(market, "fills_buy", SideOff.BUY, len(market.watch.buy_fills_ns))


def _fills_sell(state: State, market: MarketState) -> Hold:
    return _fills(market, "fills_sell", SideOff.SELL, len(market.watch.sell_fills_ns))


def _fills(market: MarketState, rule: str, side: SideOff, found: int) -> Hold:
    limit = market.quoted.limits.fills_per_minute_max
    reason = f"{found} {side.value} fills within a minute, limit {limit}"
    if found <= limit:
        return _none(rule, reason)
    return Hold(rule, ONE_SIDE, reason, side_off=side, found=found, limit=limit)


def _fees(state: State, market: MarketState) -> Hold:
    if not market.fees_risen:
        return _none("fees", "the fees are what they were")
    return Hold("fees", CANCEL, market.fees_risen)


def _delisting(state: State, market: MarketState) -> Hold:
    left_ns = market.delist_ns - state.now_ns
    if not market.delist_ns or left_ns > DELIST_NOTICE_NS:
        return _none("delisting", "no delisting is near")
    found, limit = left_ns // NS_PER_S, DELIST_NOTICE_NS // NS_PER_S
    reason = f"the venue delists the market in {found} s, it is flattened {limit} s before"
    return Hold("delisting", FLATTEN, reason, human=False, found=found, limit=limit)


def _halted(state: State, market: MarketState) -> Hold:
    if not market.halted:
        return _none("halted", "the venue trades the market again")
    return Hold("halted", CANCEL, market.halted, human=False)


RULES: tuple[Callable[[State, MarketState], Hold], ...] = (
    _loss,
    _drawdown,
    _account_loss,
    _account_drawdown,
    _fills_buy,
    _fills_sell,
    _fees,
    _delisting,
    _halted,
)
ACCOUNT_RULES = ("account_loss", "account_drawdown")
_CALMED = ("loss", "drawdown", *ACCOUNT_RULES)


def _flat(market: MarketState) -> list[Hold]:
    # What was to be flattened is, so nothing is left to do.
    if not is_flat(market):
        return []
    return [
        replace(hold, stage=OFF, reason=f"{hold.reason}; flat with {market.position} lots left")
        for hold in market.holds
        if hold.stage is FLATTEN
    ]


def is_flat(market: MarketState) -> bool:
    """Say whether no order is live, no deal owed, and what is held is too little for an order."""
    if market.live or market.owing:
        return False
    spec, qty, middle2 = market.quoted.market, abs(market.position), mid2(market)
    # Without a mid nobody knows what it is worth.
    return qty < max(1, spec.qty_min) or 0 < qty * middle2 < 2 * spec.notional_min
