"""One step of the engine: fold what came in, decide once.

Live runs, replays, backtests and tests all run exactly this.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine import rates
from engine.account import confined, counted
from engine.events import Decided, Record, RiskRefusal
from engine.flatten import flatten
from engine.gates import closed_gate
from engine.guards import stage_changes, with_stages
from engine.hedge import sided
from engine.intents import Intent
from engine.planner import NOTHING, plan
from engine.reduce import reduce
from engine.risk import within_rate
from engine.session import session_intents
from engine.stages import FLATTEN, StageChange, staged
from engine.state import MarketState, State
from engine.strategy import View
from engine.top import view_of
from engine.types import TwoSidedQuote

NOTHING_TO_DO = Decided((), ())


def decide(state: State) -> Decided:
    """Return the decision due in a state; pure, so a replay decides the same.

    Only markets that something touched since the last decision are priced again.
    """
    decided_seq = state.decided_seq
    attention = state.attention_seq > decided_seq
    if not attention:
        # After most frames nothing has changed that a decision depends on.
        for market in state.markets.values():
            if market.touched_seq > decided_seq:
                break
        else:
            return NOTHING_TO_DO
    intents: list[Intent] = []
    stages: tuple[StageChange, ...] = ()
    asked = 0
    if attention:
        intents = session_intents(state)
        asked = len(intents)
        if stages := stage_changes(state):
            # What is held back is held back from this decision on.
            state = with_stages(state, stages)
    refusals: list[RiskRefusal] = []
    limited = state.settings.account_limits
    # The shutdown cancels everything of a market at once; with a refused key nothing can.
    if not (state.stopping_ns or state.halted):
        for market in state.markets.values():
            if attention or market.touched_seq > decided_seq:
                if limited or market.holds:
                    state, quoting, refused = _restrained(state, market)
                else:
                    quoting, refused = plan(state, market, wanted_quote(state, market))
                if quoting and market.quoted.hedged:
                    quoting = sided(market, quoting, state.now_ns)
                intents += quoting
                refusals += refused
    if len(intents) > 1:
        intents = rates.urgent_first(intents)
    # The slack is about what quotes send: what the session asks is always looked at.
    if asked or len(intents) > state.slack:
        intents, held = rates.admit(state, intents)
        intents, over = within_rate(state, intents)
        refusals += held + over
    if not (intents or refusals or stages):
        return NOTHING_TO_DO
    return Decided(tuple(intents), tuple(refusals), stages)


def wanted_quote(state: State, market: MarketState) -> TwoSidedQuote:
    """Return what the market's strategy wants now; nothing while a gate is closed."""
    if closed_gate(state, market):
        return NOTHING
    view = view_of(market, state.now_ns)
    if view is None:
        return NOTHING
    strategy = market.strategy
    beside = strategy.beside()
    return strategy.quote(_with_beside(state, view, beside) if beside else view)


def view_in(state: State, market: MarketState) -> View | None:
    """Return what the market's strategy sees, with the market that it asks for beside its own."""
    view, beside = view_of(market, state.now_ns), market.strategy.beside()
    return view if view is None or not beside else _with_beside(state, view, beside)


def _with_beside(state: State, view: View, name: str) -> View:
    other = state.markets.get(name)
    if other is None or closed_gate(state, other):
        return view
    beside = view_of(other, state.now_ns)
    return view if beside is None else replace(view, beside=replace(beside, memory=None))


def _restrained(state: State, market: MarketState) -> tuple[State, list[Intent], list[RiskRefusal]]:
    # The plan of a market that is held back, or that shares the limits of the account.
    if state.settings.account_limits:
        market = confined(state, market)
    if market.stage is FLATTEN:
        intents, refusals = flatten(state, market)
    else:
        wanted = wanted_quote(state, market)
        if market.holds:
            wanted = held_back(market, wanted)
        intents, refusals = plan(state, market, wanted)
    if state.settings.account_limits:
        state = counted(state, market, intents)
    return state, intents, refusals


def held_back(market: MarketState, quote: TwoSidedQuote) -> TwoSidedQuote:
    """Return what may be wanted of a strategy's quote while the market is held back."""
    widen_bps = market.quoted.limits.widen_bps
    return staged(quote, market.holds, market.position, widen_bps, market.bids, market.asks)


def step(state: State, records: Iterable[Record]) -> tuple[State, Decided]:
    """Fold every record that waits, then decide once."""
    for record in records:
        state = reduce(state, record)
    return state, decide(state)
