"""The venue refuses: too many requests, out of order, a key unknown, a timer that fires."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine import clock
from engine import intents as i
from engine.events import RequestRefused, RequestThrottled, StreamClosed
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    cut_sockets,
    deny_token,
    disable_key,
    drain,
    empty,
    fill,
    hang,
    once,
    pause,
    set_venue_clock,
)
from tests.scenarios.case import Case, run_case

ALL, ORDERS, KILL_SWITCH = "/api/v4/*", "/api/v4/order/*", "/api/v4/order/kill-switch"
UNARMED = ("kill-switch not",)


def storm(status: int, path: str, accepted: bool, **more: Any) -> Rule:
    window = {"from_s": 5, "until_s": 12} | more
    return Rule(kind=Kind.ANSWER, path=path, status=status, accepted=accepted, **window)


CASES = [
    Case(
        name="everything is throttled for a while",
        rules=(storm(429, ALL, False),),
        acts=(at(7, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
        events=(RequestThrottled,),
        seconds=30,
    ),
    Case(
        name="half of the requests are throttled",
        rules=(storm(429, ALL, False, probability=0.5),),
        events=(RequestThrottled,),
        seconds=25,
    ),
    Case(
        name="every order is answered 503, and done", rules=(storm(503, ORDERS, True),), seconds=30
    ),
    Case(
        name="every order is answered 503, and not done",
        rules=(storm(503, ORDERS, False),),
        seconds=30,
    ),
    Case(name="everything is answered 502 in HTML", rules=(storm(502, ALL, False),), seconds=30),
    Case(name="everything is answered 500, and done", rules=(storm(500, ALL, True),), seconds=30),
    Case(
        name="no request of any kind is answered for a while",
        rules=(Rule(kind=Kind.DROP, path=ALL, from_s=5, until_s=12),),
        acts=(at(7, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
        seconds=35,
    ),
    Case(
        name="every connection of a request breaks",
        rules=(Rule(kind=Kind.CLOSE, path=ALL, from_s=5, until_s=12, accepted=False),),
        seconds=30,
    ),
    # --- the kill-switch ---
    Case(
        name="one refresh of the kill-switch fails",
        rules=(storm(503, KILL_SWITCH, False, until_s=20, times=2),),
    ),
    Case(
        name="a refresh of the kill-switch is done and its answer lost",
        rules=(Rule(kind=Kind.CLOSE, path=KILL_SWITCH, from_s=5, times=2),),
    ),
    Case(
        name="the kill-switch cannot be refreshed and is escalated before it fires",
        rules=(storm(503, KILL_SWITCH, False, until_s=20),),
        gates=("kill-switch not refreshed for too long",),
        intents=(i.CancelAll,),
        kill_switch="5s",
        seconds=40,
    ),
    Case(
        name="refreshes of the kill-switch hang and is escalated before it fires",
        rules=(Rule(kind=Kind.DROP, path=KILL_SWITCH, accepted=False, from_s=5, until_s=20),),
        gates=("kill-switch not refreshed for too long",),
        intents=(i.CancelAll,),
        kill_switch="5s",
        seconds=40,
    ),
    Case(
        name="the kill-switch cannot be armed at the start",
        rules=(storm(503, KILL_SWITCH, False, from_s=0),),
        gates=UNARMED,
        seconds=30,
    ),
    Case(
        name="the kill-switch fires while the loop is not there to see it",
        rules=(
            Rule(kind=Kind.DELAY, path=KILL_SWITCH, seconds=6, accepted=False, from_s=4, times=4),
        ),
        kill_switch="5s",
        gates=UNARMED,
        seconds=40,
    ),
    # --- refusals ---
    Case(
        name="a nonce is refused",
        acts=(at(5, set_venue_clock(5.5), pause(3), set_venue_clock(-5.5)),),
        events=(RequestRefused,),
        gates=(clock.WRONG,),
        seconds=30,
    ),
    Case(
        name="the key is refused",
        acts=(at(5, disable_key),),
        halted="the venue refused the key: 401",
        clean=False,
        events=(RequestRefused,),
    ),
    Case(
        name="the key is refused a new token for the private stream",
        acts=(at(5, deny_token, cut_sockets),),
        halted="the venue refused the key: 403",
        clean=False,
        events=(StreamClosed,),
    ),
    Case(
        name="a bulk is refused in part",
        acts=(at(5, hang(1), once(empty(SPOT), drain("USDT", 5))),),
        partial=True,
        seconds=25,
    ),
    Case(
        name="the funds are gone for a while",
        acts=(at(4, drain("USDT", 6)),),
        events=(RequestRefused,),
        breaks=0,
        seconds=25,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_limits(case: Case) -> None:
    run_case(case)
