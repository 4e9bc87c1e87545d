"""Orders that are filled while any kind of request is on its way, or at once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.core.model import FLOW_TAKER, Side
from adapters.paper.faults.plan import Kind, Rule
from engine import intents as i
from engine.events import Filled
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    cancel_foreign,
    cut_sockets,
    fill,
    fill_sign,
    hang,
    in_flight,
    inside,
    once,
)
from tests.scenarios.case import Case, run_case
from tests.scenarios.strategies import SIGN
from tests.scenarios.world import Act

# What is on its way: the kind of intent, its path, and what makes the engine ask.
REQUESTS: dict[str, tuple[type, str, tuple[Act, ...]]] = {
    "a bulk": (i.PlaceOrders, "/api/v4/order/*", ()),
    "a modify": (i.ModifyOrder, "/api/v4/order/modify", ()),
    "a cancel": (i.CancelOrder, "/api/v4/order/cancel", (at(5, hang(1)),)),
    "a refresh of the kill-switch": (i.ArmKillSwitch, "/api/v4/order/kill-switch", ()),
    "a query of the time": (i.QueryTime, "/api/v4/public/time", (at(5, hang(1)),)),
}


def during(name: str, accepted: bool, lots: int) -> Case:
    kind, path, acts = REQUESTS[name]
    rule = Rule(kind=Kind.DELAY, path=path, seconds=1, accepted=accepted, from_s=0, until_s=12)
    fills = (fill(SPOT, Side.BUY, lots), fill(PERP, Side.SELL, lots))
    what = "answer" if accepted else "arrival"
    how = "partly" if lots else "whole"
    return Case(
        name=f"orders are filled {how} before the {what} of {name}",
        rules=(rule,),
        acts=(*acts, once(in_flight(kind, 0.2), *fills)),
        events=(Filled,),
        seconds=14,
    )


def query(name: str, path: str, kind: type) -> Case:
    return Case(
        name=f"orders are filled while {name} are asked for",
        rules=(Rule(kind=Kind.DELAY, path=path, seconds=0.8, from_s=5),),
        acts=(
            at(4, cut_sockets),
            at(5, once(in_flight(kind, 0.1), fill(SPOT, Side.BUY), fill(PERP, Side.SELL))),
        ),
        seconds=20,
    )


def reaching(stp: str = "no", *, post_only: bool = False) -> Any:
    """Return a change of configuration: take what shows the sign."""

    def change(config: Config) -> Config:
        extra = {"reaching_stp": stp, "post_only": post_only}
        markets = {
            name: replace(
                market,
                strategy="scenario_reaching",
                parameters={**market.parameters, **extra},
                # Room for what is placed by hand, which the engine does not count.
                position_max="0.03",
            )
            for name, market in config.market.items()
        }
        return replace(config, market=markets)

    return change


def signs(account: str = "") -> tuple[Act, ...]:
    return tuple(at(5, inside(market, Side.SELL, SIGN, account)) for market in (SPOT, PERP))


REMOVED = at(8, cancel_foreign)
QUERIES = {
    "open orders": ("/api/v4/orders", i.QueryOpenOrders),
    "deals": ("/api/v4/trade-account/executed-history", i.QueryFills),
    "balances": ("/api/v4/trade-account/balance", i.QuerySpotBalances),
    "positions": ("/api/v4/collateral-account/positions/open", i.QueryPositions),
}
CASES = [
    *(
        during(name, accepted, lots)
        for name in REQUESTS
        for accepted, lots in ((True, 0), (True, 1_000), (False, 0))
        # What has not arrived cannot be filled.
        if accepted or name != "a bulk"
    ),
    *(query(name, *of) for name, of in QUERIES.items()),
    Case(
        name="an order is filled at once",
        change=reaching(),
        acts=signs(FLOW_TAKER),
        events=(Filled,),
    ),
    Case(
        name="an order is filled at once and its answer is lost",
        change=reaching(),
        rules=(Rule(kind=Kind.CLOSE, path="/api/v4/order/*", from_s=5, times=2),),
        acts=signs(FLOW_TAKER),
        events=(Filled,),
    ),
    Case(
        name="an order would trade with one of the account: the new one goes",
        change=reaching("cn"),
        acts=(*signs(), REMOVED),
    ),
    Case(
        name="an order would trade with one of the account: the old one goes",
        change=reaching("co"),
        acts=signs(),
    ),
    Case(
        name="an order would trade with one of the account: both go",
        change=reaching("cb"),
        acts=signs(),
    ),
    Case(
        name="an order trades with one of the account",
        change=reaching("no"),
        acts=signs(),
        events=(Filled,),
    ),
    Case(
        name="a post-only order would take",
        change=reaching("cn", post_only=True),
        acts=(*signs(FLOW_TAKER), at(8, fill_sign(SPOT), fill_sign(PERP))),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_fills(case: Case) -> None:
    run_case(case)
