"""Markets that are disabled, delisted, changed or cancel-only, and orders that others placed."""

from __future__ import annotations

import pytest

from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine.events import MarketsListed, OrdersAllCancelled
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    cancel_foreign,
    cancel_own,
    cut_sockets,
    fill,
    foreign,
    pause,
    rewrite,
)
from tests.scenarios.case import Case, run_case

LISTED, BULK = (MarketsListed,), "/api/v4/order/*"
REFUSED, GONE = "the venue refused the market", "the venue does not list it any more"
NAME = rb'"name": ?"BTC_PERP"'
BY_HAND = (foreign(SPOT, Side.BUY, "0.01", 20), foreign(PERP, Side.SELL, "0.01", 20))

CASES = [
    Case(
        name="a market is disabled for a while",
        rules=(Rule(kind=Kind.REJECT_MARKET, market=PERP, path=BULK, from_s=4, until_s=12),),
        gates=(REFUSED,),
        seconds=80,
    ),
    Case(
        name="a market is disabled at the start",
        rules=(
            Rule(
                kind=Kind.REJECT_MARKET, market=PERP, path="/api/v4/order/collateral/*", until_s=9
            ),
        ),
        gates=(REFUSED,),
        seconds=80,
    ),
    Case(
        name="a market takes only cancels for a while",
        rules=(Rule(kind=Kind.CANCEL_ONLY, market=SPOT, from_s=4, until_s=12),),
        gates=(REFUSED,),
        seconds=80,
    ),
    Case(
        name="a market is delisted",
        acts=(at(5, rewrite(NAME, b'"name":"BTC_GONE"', 80)),),
        off={PERP: GONE},
        gates=(GONE,),
        events=LISTED,
        seconds=65,
    ),
    Case(
        name="a market leaves the list and comes back",
        acts=(at(50, rewrite(NAME, b'"name":"BTC_GONE"', 15)),),
        gates=(GONE,),
        events=LISTED,
        seconds=130,
    ),
    Case(
        name="a market changes its precision",
        acts=(at(50, rewrite(rb'"moneyPrec":"2"', b'"moneyPrec":"3"', 15)),),
        off={SPOT: "the venue changed its precision"},
        gates=("the venue changed its precision",),
        seconds=70,
    ),
    # --- orders of others on the account ---
    Case(
        name="orders are placed by hand, and cleared at the stop",
        acts=(at(5, *BY_HAND),),
        events=(OrdersAllCancelled,),
        foreign=2,
    ),
    Case(
        name="orders are placed by hand and cancelled by hand",
        acts=(at(5, *BY_HAND, pause(4), cancel_foreign),),
    ),
    Case(
        name="an order placed by hand is filled",
        acts=(
            at(5, foreign(SPOT, Side.BUY, "0.003", -500), foreign(PERP, Side.SELL, "0.003", -500)),
        ),
        roomy=True,
    ),
    Case(
        name="an order placed by hand while the streams are down is filled",
        acts=(
            at(5, cut_sockets),
            at(
                5.3, foreign(SPOT, Side.SELL, "0.003", -500), foreign(PERP, Side.BUY, "0.003", -500)
            ),
        ),
        roomy=True,
    ),
    Case(
        name="orders placed by hand while the streams are down rest",
        acts=(at(5, cut_sockets), at(5.3, *BY_HAND)),
        foreign=2,
    ),
    Case(name="the engine's orders are cancelled by hand", acts=(at(5, cancel_own),)),
    Case(
        name="the engine's orders are cancelled by hand while the streams are down",
        acts=(at(5, cut_sockets, cancel_own),),
    ),
    Case(
        name="the engine's orders are cancelled by hand and nobody tells",
        rules=(Rule(kind=Kind.DROP, channel="private", from_s=4.9, until_s=5.5),),
        acts=(at(5, cancel_own),),
        seconds=70,
    ),
    Case(
        name="orders are filled and the rest is cancelled by hand",
        acts=(at(5, fill(SPOT, Side.BUY, 1_000), fill(PERP, Side.SELL, 1), cancel_own),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_markets(case: Case) -> None:
    run_case(case)
