"""What the model predicts for a journal, with how far it is off where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from engine import events as e
from engine.inventory import Pnl, pnl, position_lots
from engine.money import subtract
from engine.state import MarketState, State
from engine.top import mark2_of
from replay.changes import Changes
from replay.model.errors import Error, compare
from replay.model.flow import flow
from replay.model.survey import ModelFill, Survey, survey
from replay.model.world import ModelRun, World


class Outcome(msgspec.Struct, frozen=True):
    """One market of one run, recorded or modelled."""

    fills: int
    bought: int
    """Lots."""
    sold: int
    position: int
    """Inventory against its target at the end, lots."""
    pnl: Pnl


class Estimate(msgspec.Struct, frozen=True):
    """Recorded, modelled unchanged, and modelled with what is changed."""

    survey: Survey
    queue: str
    seed: int
    unchanged: ModelRun
    changed: ModelRun
    """The same run as `unchanged` if nothing is."""

    def error(self, market: str = "") -> Error:
        """Compare the unchanged run's fills with those recorded."""
        return compare(self.survey.fills, self.unchanged.fills, market)

    def pnl_error(self, market: str) -> Decimal:
        """Return the unchanged run's P&L minus the recorded one, quote asset."""
        modelled = self.outcome(self.unchanged.state, self.unchanged.fills, market)
        recorded = self.outcome(self.survey.state, self.survey.fills, market)
        return subtract(modelled.pnl.total, recorded.pnl.total)

    def outcome(self, state: State, fills: list[ModelFill], market: str) -> Outcome:
        """Sum up one market of a run, marked at the recorded end."""
        found: MarketState = state.markets[market]
        inventory, quoted = found.inventory, found.quoted
        return Outcome(
            fills=len([fill for fill in fills if fill.market == market]),
            bought=inventory.bought_qty,
            sold=inventory.sold_qty,
            position=position_lots(inventory, quoted.market, quoted.inventory_target),
            pnl=pnl(inventory, quoted.market, mark2_of(self.survey.state.markets[market])),
        )


def estimate(
    records: Callable[[], Iterator[e.Record]], changes: Changes, queue: str, seed: int
) -> Estimate:
    """Model a journal.

    Args:
        records: Reads it from its first record on; called several times.
        changes: What to decide by instead of what was recorded.
        queue: Name of the queue model.
        seed: Of the latencies drawn, the same in both runs.

    Raises:
        ConfigError: the journal cannot be modelled, or the changes or the model do not fit it.
    """
    found = survey(records())
    changes = replace(changes, markets=tuple(found.markets))
    unchanged = World(found, Changes(), queue, seed).run(flow(records()))
    changed = unchanged
    if not changes.is_none:
        changed = World(found, changes, queue, seed).run(flow(records()))
    return Estimate(found, queue, seed, unchanged, changed)
