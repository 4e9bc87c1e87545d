"""What the venue pushes of the account comes twice, late, out of order, or not at all.

In each case orders of both markets are filled while it lasts.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from tests.scenarios.acts import PERP, SPOT, at, deposit, fill, pause, sway
from tests.scenarios.case import Case, run_case

FILLS = (
    at(4, fill(SPOT, Side.BUY, 1_000), pause(1), fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),
    at(7, fill(SPOT, Side.SELL), fill(PERP, Side.BUY, 2_000), pause(1), fill(PERP, Side.BUY)),
)
"""Partial and whole, on both sides of both markets."""
CHANNELS = ("ordersPending", "deals", "balanceSpot", "balanceMargin", "positionsMargin")


def rule(kind: Kind, channel: str, **more: Any) -> Rule:
    return Rule(kind=kind, channel=channel, from_s=3, until_s=10, **more)


def each(kind: Kind, **more: Any) -> tuple[Rule, ...]:
    return tuple(rule(kind, channel, **more) for channel in CHANNELS)


def keenly(config: Config) -> Config:
    """Let each move of the mid move the orders."""
    markets = {name: replace(each, price_tolerance="1") for name, each in config.market.items()}
    return replace(config, market=markets)


CASES = [
    Case(name="fills with nothing going wrong", acts=FILLS),
    Case(name="every push comes twice", rules=each(Kind.DUPLICATE), acts=FILLS),
    Case(name="every push comes late", rules=each(Kind.DELAY, seconds=2.5), acts=FILLS),
    Case(
        name="every second push overtakes the one before",
        rules=each(Kind.REORDER, probability=0.5),
        acts=FILLS,
    ),
    Case(
        name="orders come after their deals",
        rules=(rule(Kind.DELAY, "ordersPending", seconds=1),),
        acts=FILLS,
    ),
    Case(
        name="deals come after the balances they change",
        rules=(rule(Kind.DELAY, "deals", seconds=2),),
        acts=FILLS,
    ),
    Case(
        name="deals come long after the balances they change",
        rules=(rule(Kind.DELAY, "deals", seconds=5),),
        acts=FILLS,
    ),
    Case(
        name="balances come last", rules=(rule(Kind.DELAY, "balanceSpot", seconds=4),), acts=FILLS
    ),
    Case(
        name="no order is told of",
        rules=(rule(Kind.DROP, "ordersPending"),),
        acts=FILLS,
        seconds=12,
    ),
    Case(name="no deal is told of", rules=(rule(Kind.DROP, "deals"),), acts=FILLS),
    Case(name="no spot balance is told of", rules=(rule(Kind.DROP, "balanceSpot"),), acts=FILLS),
    Case(
        name="no position is told of",
        rules=(rule(Kind.DROP, "positionsMargin"), rule(Kind.DROP, "balanceMargin")),
        acts=FILLS,
    ),
    Case(
        name="nothing at all is told for a while, and no request fails",
        rules=(rule(Kind.DROP, "private"),),
        acts=FILLS,
        seconds=65,
    ),
    Case(
        name="the first deal alone is lost",
        rules=(Rule(kind=Kind.DROP, channel="deals", times=1),),
        acts=FILLS,
    ),
    Case(
        name="orders are told of many modifies late",
        rules=(rule(Kind.DELAY, "ordersPending", seconds=4),),
        acts=(at(4, sway(SPOT, 12, 0.15), fill(SPOT, Side.BUY), fill(SPOT, Side.SELL)),),
        change=keenly,
        roomy=True,
    ),
    Case(
        name="money comes from outside",
        acts=(at(5, deposit("BTC", "0.001")),),
        breaks=1,
        seconds=20,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pushes(case: Case) -> None:
    run_case(case)
