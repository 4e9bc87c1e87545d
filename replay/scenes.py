"""One moment in the life of an order: what was known, what was wanted, and what rested.

Everything is worked out again from the state: the strategy's reasoning, the gates, the holds and
the room that the limits left. Nothing of it is stored in a journal.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from engine.account import confined
from engine.gates import closed_gate
from engine.orders import Order
from engine.stages import FLATTEN_LEVEL, Hold
from engine.state import MarketState, State
from engine.step import held_back, view_in, wanted_quote
from engine.strategy import Reasoning, Strategy, View
from engine.types import BUY, Level, Limits, Side, TwoSidedQuote
from replay.trails import Leg, Moment
from replay.verdicts import Verdict, judged

UNSEEN = "nothing is wanted while nobody else quotes both sides"
OTHERWISE = "its quote does not follow from these figures: `reason` is not what `quote` does"


class Scene(msgspec.Struct, frozen=True):
    """What was known and wanted when a record came, before it was folded."""

    name: str
    """`decision`, `send`, `acknowledgement` or `fill`."""
    moment: Moment
    gate: str
    """Why the market was not quoted; empty where it was."""
    holds: tuple[Hold, ...]
    position: int
    """Inventory against the target, lots."""
    inventory_max: int
    """What the strategy may aim for either way, lots."""
    room: int
    """Lots that the position limits still left to our side, all live orders filled."""
    limits: Limits
    strategy: str
    parameters: str
    view: View | None
    """What the strategy sees; None without a two-sided market of others."""
    reasoning: Reasoning
    quote: TwoSidedQuote
    """Wanted, as far as gates and holds let it."""
    level: int
    """Of the order; at decision and send that which the request gives it."""
    want: Level | None
    """The part of it on that level and the order's side."""
    order: Order | None
    """As it was; None before its first request."""
    reach: int
    """Ticks that are tolerated on that level."""
    verdict: Verdict
    """On the order as it was, on the level that it had."""


def scene_of(name: str, state: State, moment: Moment, market: str, leg: Leg) -> Scene:
    """Return the scene before a record.

    Args:
        name: Of the moment.
        state: Before the record.
        moment: What the trail has of it.
        market: Name of the market.
        leg: Of the order that is looked at.
    """
    known = state.markets[market]
    order = known.order(leg.client_order_id)
    own = leg.level if order is None or order.level >= FLATTEN_LEVEL else order.level
    # A ladder that moves by a step gives an order another level with its new price.
    level = leg.level if name in ("decision", "send") else own
    view = view_in(state, known)
    quote = quote_now(state, known)
    want = level_of(quote, leg.side, level)
    patient = state.attention_seq <= state.decided_seq
    return Scene(
        name=name,
        moment=moment,
        gate=closed_gate(state, known),
        holds=known.holds,
        position=known.position,
        inventory_max=known.inventory_max,
        room=room_of(state, known, leg.side),
        limits=known.quoted.limits,
        strategy=known.quoted.strategy,
        parameters=known.quoted.parameters,
        view=view,
        reasoning=Reasoning(words=(UNSEEN,))
        if view is None
        else reasoning_of(known.strategy, view),
        quote=quote,
        level=level,
        want=want,
        order=order,
        reach=known.quoted.price_tolerance * (level + 1),
        verdict=judged(
            order, level_of(quote, leg.side, own), known.quoted.price_tolerance, patient
        ),
    )


def reasoning_of(strategy: Strategy, view: View | None) -> Reasoning:
    """Return why a strategy quotes as it does in a view; it says so where that explains nothing."""
    if view is None:
        return Reasoning(words=(UNSEEN,))
    reasoning = strategy.reason(view)
    if strategy.follow(view, reasoning) == strategy.quote(view):
        return reasoning
    return replace(reasoning, words=(*reasoning.words, OTHERWISE))


def quote_now(state: State, market: MarketState) -> TwoSidedQuote:
    """Return what may be wanted of the strategy's quote: behind gates and holds."""
    quote = wanted_quote(state, market)
    return held_back(market, quote) if market.holds else quote


def quote_holding(state: State, market: MarketState, position: int) -> TwoSidedQuote:
    """As `quote_now`, had the inventory been another one, lots."""
    return quote_now(state, replace(market, position=position))


def level_of(quote: TwoSidedQuote, side: Side, level: int) -> Level | None:
    """Return what is wanted on one level of one side."""
    levels = quote.bids if side is BUY else quote.asks
    return levels[level] if 0 <= level < len(levels) else None


def room_of(state: State, market: MarketState, side: Side) -> int:
    """Return the lots that a side may still trade with every live order filled; 0 at the least."""
    if state.settings.account_limits:
        market = confined(state, market)
    if side is BUY:
        return max(0, market.long_max - market.position - market.buy_worst)
    return max(0, market.short_max + market.position - market.sell_worst)
