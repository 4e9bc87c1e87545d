"""Loss of the account: the P&L of all markets of a quote asset together, over the day and from
its highest.

The figures are a `Watch` for each asset that has a limit, in halves of 10^-8 of it, folded by the
timer from those of the markets; what is not whole is rounded against us.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from engine import watch
from engine.state import MarketState, State
from engine.types import AccountLoss, Settings
from engine.watch import Watch, valued

_ONE: int = 10**AccountLoss.DECIMALS


def account_marked(state: State) -> State:
    """Return the state with the figures at the last marks of its markets."""
    losses: dict[str, Watch] = {}
    for limit in state.settings.account_losses:
        before = state.losses.get(limit.asset, Watch())
        marked = [
            share(market)
            for market in state.markets.values()
            if market.quoted.market.quote_asset == limit.asset and market.watch.day
        ]
        losses[limit.asset] = valued(before, sum(marked), state.now_ns) if marked else before
    return replace(state, losses=losses)


def share(market: MarketState) -> int:
    """Return the P&L of a market at its last mark, halves of 10^-8 of its quote asset."""
    scale: int = 10**market.quoted.market.notional_decimals
    return market.watch.pnl2 * _ONE // scale


def carried(
    before: State, markets: Mapping[str, MarketState], settings: Settings, now_ns: int
) -> dict[str, Watch]:
    """Return the figures that a new run begins with: without the P&L that it does not carry on.

    Args:
        before: The state that an earlier run left.
        markets: Of the new run.
        settings: Of the new run.
        now_ns: When it starts.
    """
    limited = [limit.asset for limit in settings.account_losses]
    after = {
        asset: watch.carried(figures, now_ns)
        for asset, figures in before.losses.items()
        if asset in limited
    }
    for name, market in before.markets.items():
        asset = market.quoted.market.quote_asset
        # The P&L of one whose units changed begins anew, at nothing.
        kept = name in markets and markets[name].watch.pnl2 == market.watch.pnl2
        if asset not in after or kept:
            continue
        figures, gone2 = after[asset], share(market)
        after[asset] = replace(
            figures,
            pnl2=figures.pnl2 - gone2,
            day_pnl2=figures.day_pnl2 - gone2,
            peak_pnl2=figures.peak_pnl2 - gone2,
        )
    return after


def limit_of(settings: Settings, asset: str) -> AccountLoss | None:
    """Return the limit of the account for a quote asset; None where it has none."""
    return next((limit for limit in settings.account_losses if limit.asset == asset), None)
