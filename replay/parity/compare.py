"""What two followed journals come to, market by market, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from engine.money import ZERO, add, from_units, subtract
from engine.state import MarketState
from engine.top import mark2_of
from engine.types import BUY, SELL, Market
from replay.money import Parts, parts_of
from replay.parity.causes import Cause
from replay.parity.fills import Fill
from replay.parity.follow import Follower, apart
from replay.parity.judge import Difference, Judge
from replay.parity.looks import Look
from replay.parity.matching import Kind, Pair


class Total(msgspec.Struct, frozen=True):
    """One market of one of the two."""

    fills: int
    bought: int
    """Lots."""
    sold: int
    notional: Decimal
    """Price x quantity of all fills, quote asset."""
    position: int
    """Inventory against the target at the end, lots."""
    parts: Parts
    """P&L at the live run's last mid."""


class Share(msgspec.Struct):
    """Differences of one cause."""

    live: int = 0
    """Fills that only the live run has."""
    backtest: int = 0
    pairs: int = 0
    money: Decimal = ZERO
    """The backtest's minus the live run's, quote asset."""


class MarketParity(msgspec.Struct, frozen=True):
    """One market of both."""

    spec: Market
    mark2: int
    """Twice the mark of both, ticks: the live run's last mid; 0 where it had none."""
    live: Total
    backtest: Total
    matched: int
    """Pairs at one price within a second; some of them differ in size or fees."""
    shifts_ns: tuple[int, ...]
    """The backtest's time minus the live one's of each of those, ascending."""
    apart_most: int
    """Greatest difference of the inventories at any time, lots."""
    apart_mean: float | None
    """By time, lots; a statistic."""
    differences: tuple[Difference, ...]
    """In the order of time."""

    @property
    def pnl(self) -> Decimal:
        """The backtest's P&L minus the live run's."""
        return subtract(self.backtest.parts.total, self.live.parts.total)

    @property
    def carried(self) -> Parts:
        """What of `pnl` is of no fill: funding and interest; the other parts are 0."""
        parts = self.backtest.parts.minus(self.live.parts)
        return Parts(funding=parts.funding, interest=parts.interest)

    @property
    def causes(self) -> dict[Cause, Share]:
        """Sums of the differences that there are; with `carried` they come to `pnl`, exactly."""
        found: dict[Cause, Share] = {}
        for cause in Cause:
            of = [each for each in self.differences if each.cause is cause]
            if of:
                found[cause] = Share(
                    live=len([each for each in of if each.backtest is None]),
                    backtest=len([each for each in of if each.live is None]),
                    pairs=len([each for each in of if each.kind is not None]),
                    money=total_of(of),
                )
        return found

    def check(self) -> None:
        """Assert that nothing is left out, and nothing counted twice."""
        whole = add(total_of(self.differences), self.carried.total)
        name = self.spec.name
        assert whole == self.pnl, f"{name}: causes come to {whole}, the difference is {self.pnl}"
        only = [each for each in self.differences if each.kind is None]
        more = len([each for each in only if each.live is None])
        fewer = len(only) - more
        assert self.backtest.fills - self.live.fills == more - fewer, f"{name}: fills left out"


def total_of(differences: Sequence[Difference]) -> Decimal:
    """Return what differences come to, quote asset."""
    whole = ZERO
    for each in differences:
        whole = add(whole, each.money)
    return whole


def compare(
    name: str,
    live: Follower,
    backtest: Follower,
    pairs: Sequence[Pair],
    fills: tuple[Sequence[Fill], Sequence[Fill]],
    looks: tuple[Sequence[Look | None], Sequence[Look | None]],
) -> MarketParity:
    """Compare one market.

    Args:
        name: Of the market.
        live: Followed to its end.
        backtest: Followed to its end.
        pairs: Of its fills (`matching.match`).
        fills: Of the market, the live run's and the backtest's.
        looks: For each of these fills what the other engine did; None where it was not asked.
    """
    ours, theirs = live.state.markets[name], backtest.state.markets[name]
    spec, mark2 = ours.quoted.market, mark2_of(ours)
    judge = Judge(spec, mark2)
    differences: list[Difference | None] = [
        judge.pair(kind, fills[0][one], fills[1][other], looks[0][one])
        for kind, one, other in pairs
    ]
    paired = {pair.live for pair in pairs}, {pair.backtest for pair in pairs}
    for which in (0, 1):
        differences += [
            judge.single(fill, looks[which][number], is_live=which == 0)
            for number, fill in enumerate(fills[which])
            if number not in paired[which]
        ]
    same = [pair for pair in pairs if pair.kind is Kind.SAME]
    until_ns = min(live.state.now_ns, backtest.state.now_ns)
    most, mean = apart(live.paths.get(name, []), backtest.paths.get(name, []), until_ns)
    found = MarketParity(
        spec=spec,
        mark2=mark2,
        live=_total(ours, fills[0], mark2),
        backtest=_total(theirs, fills[1], mark2),
        matched=len(same),
        shifts_ns=tuple(
            sorted([fills[1][other].at_ns - fills[0][one].at_ns for _, one, other in same])
        ),
        apart_most=most,
        apart_mean=mean,
        differences=tuple(sorted([d for d in differences if d is not None], key=_when)),
    )
    found.check()
    return found


def _total(market: MarketState, fills: Sequence[Fill], mark2: int) -> Total:
    spec = market.quoted.market
    return Total(
        fills=len(fills),
        bought=sum([fill.qty for fill in fills if fill.side is BUY]),
        sold=sum([fill.qty for fill in fills if fill.side is SELL]),
        notional=from_units(sum([fill.price * fill.qty for fill in fills]), spec.notional_decimals),
        position=market.position,
        parts=parts_of(market.inventory, spec, mark2),
    )


def _when(difference: Difference) -> int:
    return difference.at_ns
