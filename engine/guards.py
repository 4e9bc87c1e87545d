"""Limits that hold a market back: from the folded figures to the changes of stage they ask for."""

from __future__ import annotations

from msgspec.structs import replace

from engine.stages import StageChange
from engine.state import State, held


def stage_changes(state: State) -> tuple[StageChange, ...]:
    """Return the holds that the limits set, change or lift now; pure."""
    return ()


def with_stages(state: State, changes: tuple[StageChange, ...]) -> State:
    """Fold changes of stage into the markets that they name."""
    markets = dict(state.markets)
    for change in changes:
        markets[change.market] = held(markets[change.market], change.hold)
    return replace(state, markets=markets)
