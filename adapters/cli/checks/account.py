"""Checks of the account: does its key do what a run needs, and what lies there already."""

from __future__ import annotations

import msgspec

from adapters.cli.checks.base import (
    Finding,
    Patient,
    each,
    failed,
    passed,
    refusal_words,
    skipped,
    unanswered,
    warned,
)
from adapters.cli.checks.markets import wanted
from adapters.runtime.position_mode import concerns, is_hedged, refusal
from adapters.whitebit.requests import encode, encode_hedge_mode
from adapters.whitebit.wire import Fees
from engine import events as e
from engine.intents import (
    CancelOrder,
    Intent,
    QueryFees,
    QueryFills,
    QueryKillSwitch,
    QueryMarginBalances,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
)
from engine.money import ZERO, add, format_units, from_units
from engine.refusals import RefusalKind, classify
from engine.types import Level, Market, Product, Quoted, TwoSidedQuote

BPS = 10_000
UNAUTHORISED = 401
FORBIDDEN = 403

_KEY_HINT = (
    "compare key and secret with the venue's API settings; the key may be disabled, expired (14 "
    "days idle) or bound to other addresses"
)
_NONCE_HINT = "see the check of the clock; no other program may sign with this key"


def _first(patient: Patient) -> Market:
    return next(iter(patient.learned.markets.values()))


async def authentication(patient: Patient) -> Finding:
    """A signed request is taken; what the key may do is another check."""
    market = _first(patient)
    event = await patient.ask(QueryFees(market.name), market)
    if isinstance(event, e.RequestRefused):
        if classify(event.refusal) is RefusalKind.NONCE:
            return failed(refusal_words(event), _NONCE_HINT)
        if event.refusal.http_status == UNAUTHORISED:
            return failed(refusal_words(event), _KEY_HINT)
    elif not isinstance(event, e.FeesListed):
        return unanswered(event, "ask again; then look at the venue's status page")
    return passed("the venue knows the key and its signature")


async def nonce(patient: Patient) -> Finding:
    """Requests may overtake each other: the later nonce goes first (contract section 2)."""
    market = _first(patient)
    earlier, later = patient.nonces.draw(), patient.nonces.draw()
    for number in (later, earlier):
        answer = await patient.fetch(encode(QueryFees(market.name), market, number))
        if answer.status not in (200, FORBIDDEN):
            return failed(f"nonce {number} refused with HTTP {answer.status}", _NONCE_HINT)
    return passed("a nonce that was overtaken is taken too")


async def permission(patient: Patient) -> Finding:
    """Every read that a run makes, and the cancel of an order that does not exist."""
    refused = []
    for intent, market in _asked(patient):
        event = await patient.ask(intent, market)
        if not isinstance(event, e.RequestRefused):
            continue
        if event.refusal.http_status in (UNAUTHORISED, FORBIDDEN):
            refused.append(encode(intent, market, 1).path)
        elif not isinstance(intent, CancelOrder):
            return failed(
                f"{encode(intent, market, 1).path}: {refusal_words(event)}",
                "a run would ask this too",
            )
    if refused:
        paths = each(dict.fromkeys(refused))
        return failed(f"the key may not use {paths}", "enable trading and info for this key")
    return passed("the key may read and cancel; it was not asked to place or to withdraw")


def _asked(patient: Patient) -> list[tuple[Intent, Market]]:
    # An id that no order can have: a run's own begin with its run id.
    unknown = f"doctor-{patient.ids.token(8)}"
    asked: list[tuple[Intent, Market]] = []
    for name, market in patient.learned.markets.items():
        asked += [
            (QueryOpenOrders(name, 0), market),
            (QueryFills(name, 0), market),
            (QueryKillSwitch(name), market),
            (CancelOrder(name, unknown), market),
        ]
        if market.product is Product.SPOT:
            asked.append((QuerySpotBalances(), market))
        else:
            asked += [(QueryMarginBalances(), market), (QueryPositions(name), market)]
    return asked


async def fees(patient: Patient) -> Finding:
    """What a fill costs on this account, against what the quotes earn."""
    thin, shown = [], []
    for name, market in patient.learned.markets.items():
        event = await patient.ask(QueryFees(name), market)
        if not isinstance(event, e.FeesListed):
            return unanswered(event, "the fees of the account cannot be read")
        patient.learned.fees[name] = event
        shown.append(f"{name}: maker {event.maker_fee_rate:%}, taker {event.taker_fee_rate:%}")
        quoted = patient.learned.quoted[name]
        edge = _edge_bps(patient, quoted)
        cost = event.maker_fee_rate * BPS
        if edge is not None and edge < cost:
            thin.append(f"{name}: quotes {edge:.1f} bps from the mid, a maker pays {cost:.1f} bps")
    if thin:
        return warned(each(thin), "every fill loses money until the quotes are wider")
    return passed(each(shown))


def _edge_bps(patient: Patient, quoted: Quoted) -> float | None:
    quote = wanted(patient, quoted)
    if not (quote.bids and quote.asks):
        return None
    bid, ask = patient.learned.tops[quoted.market.name]
    return (quote.asks[0].price - quote.bids[0].price) / (bid + ask) * BPS


async def rpi(patient: Patient) -> Finding:
    """RPI orders need a flag of the account; without it each is refused (contract 5.1, 43)."""
    asking = [
        quoted.market
        for quoted in patient.learned.quoted.values()
        if any(level.rpi for level in _all(wanted(patient, quoted)))
    ]
    if not asking:
        return skipped("no level of the ladder is RPI")
    market = asking[0]
    request = encode(QueryFees(market.name), market, patient.nonces.draw())
    answer = await patient.fetch(request)
    found = msgspec.json.decode(answer.body, type=Fees)
    premiums = {
        Product.SPOT: found.rpi_maker_fee_premium,
        Product.MARGIN: found.rpi_maker_fee_premium,
        Product.PERPETUAL: found.futures_rpi_maker_fee_premium,
    }
    without = [each_.name for each_ in asking if premiums[each_.product] is None]
    if without:
        hint = "ask the venue to enable RPI for the account, or set rpi = false"
        return warned(f"{each(without)}: the account's fees name no RPI premium", hint)
    return passed(
        each(f"{each_.name}: RPI premium {premiums[each_.product]} %" for each_ in asking)
    )


def _all(quote: TwoSidedQuote) -> tuple[Level, ...]:
    return quote.bids + quote.asks


async def position_mode(patient: Patient) -> Finding:
    """Every order depends on whether a market has one position or two."""
    quoted = patient.learned.quoted.values()
    if not concerns(quoted):
        return skipped("no perpetual is quoted")
    answer = await patient.fetch(encode_hedge_mode(patient.nonces.draw()))
    hedged = is_hedged(answer)
    if hedged is None:
        return warned(f"HTTP {answer.status} without the position mode", "ask again")
    if reason := refusal(quoted, hedged=hedged):
        return failed(reason, "a run refuses to begin until then")
    return passed("hedge mode" if hedged else "one-way")


async def timers(patient: Patient) -> Finding:
    """A kill-switch timer that is armed belongs to an engine that runs, or that died lately."""
    event = await patient.ask(QueryKillSwitch(""))
    if not isinstance(event, e.KillSwitchesListed):
        return unanswered(event, "the kill-switch cannot be asked")
    patient.learned.armed = frozenset(timer.market for timer in event.timers)
    ours = [
        f"{timer.market} until {timer.expiry_s} (Unix time)"
        for timer in event.timers
        if timer.market in patient.config.market
    ]
    if ours:
        hint = "an engine trades with this account already, or one died: wait until it expires"
        return warned(f"armed: {each(ours)}", hint)
    return passed("no kill-switch timer is armed on these markets")


async def open_orders(patient: Patient) -> Finding:
    """Orders that rest there already: a stop and the kill-switch cancel them too."""
    found = []
    for name, market in patient.learned.markets.items():
        event = await patient.ask(QueryOpenOrders(name, 0), market)
        if not isinstance(event, e.OpenOrdersListed):
            return unanswered(event, "open orders cannot be listed")
        patient.learned.resting[name] = len(event.orders)
        if event.orders:
            more = "" if event.complete else " or more"
            found.append(f"{len(event.orders)}{more} on {name}")
    if found:
        hint = "a run's stop, its kill-switch and panic cancel the whole market of the account"
        return warned(f"open orders: {each(found)}", hint)
    return passed("no open orders on these markets")


async def funds(patient: Patient) -> Finding:
    """Enough to quote both sides, and no more in stock than the limit allows."""
    short = []
    for name, quoted in patient.learned.quoted.items():
        if quoted.market.product is Product.SPOT:
            short += await _spot_funds(patient, quoted)
        else:
            short += [f"{name}: {problem}" for problem in await _collateral(patient, quoted)]
    if short:
        return warned(each(short), "deposit, transfer, or change the ladder or the target")
    return passed("both sides of every ladder can be paid for")


async def _spot_funds(patient: Patient, quoted: Quoted) -> list[str]:
    market, quote = quoted.market, wanted(patient, quoted)
    event = await patient.ask(QuerySpotBalances())
    if not isinstance(event, e.SpotBalancesListed):
        return [f"{market.name}: {refusal_words(event)}"]
    held = {each_.asset: add(each_.available, each_.frozen) for each_ in event.balances}
    base, money = held.get(market.base_asset, ZERO), held.get(market.quote_asset, ZERO)
    to_sell = from_units(sum(level.qty for level in quote.asks), market.qty_decimals)
    cost = sum(level.qty * level.price for level in quote.bids)
    to_pay = from_units(cost, market.notional_decimals)
    problems = []
    if base < to_sell:
        problems.append(f"{market.name}: the asks need {to_sell:f} {market.base_asset}, {base:f}")
    if money < to_pay:
        problems.append(f"{market.name}: the bids need {to_pay:f} {market.quote_asset}, {money:f}")
    problems = [f"{problem} is there" for problem in problems]
    target = from_units(quoted.inventory_target, market.qty_decimals)
    allowed = from_units(quoted.limits.position_max, market.qty_decimals)
    if abs(base - target) > allowed:
        problems.append(
            f"{market.name}: {base:f} {market.base_asset} is further than position_max from the "
            f"target of {target:f}"
        )
    return problems


async def _collateral(patient: Patient, quoted: Quoted) -> list[str]:
    market, problems = quoted.market, []
    event = await patient.ask(QueryMarginBalances())
    if not isinstance(event, e.MarginBalancesListed):
        return [refusal_words(event)]
    if not any(balance.available_with_borrow > 0 for balance in event.balances):
        problems.append("nothing is available on the collateral account")
    answer = await patient.ask(QueryPositions(market.name))
    if not isinstance(answer, e.PositionsListed):
        return [*problems, refusal_words(answer)]
    held = sum(position.qty for position in answer.positions if position.market == market.name)
    if abs(held) > quoted.limits.position_max:
        shown = format_units(held, market.qty_decimals)
        problems.append(f"a position of {shown} {market.base_asset} is beyond position_max")
    return problems
