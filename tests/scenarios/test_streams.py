"""Connections that break, fall silent, or cannot be opened again."""

from __future__ import annotations

import pytest

from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine.events import StreamClosed
from engine.intents import ModifyOrder, PlaceOrders
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    cut_all,
    cut_sockets,
    fill,
    in_flight,
    once,
    pause,
    slow,
)
from tests.scenarios.case import Case, run_case

TOKEN = "/api/v4/profile/websocket_token"
CLOSED = (StreamClosed,)
DOWN = "reconciling: the private stream was lost"
NO_BOOK = "no book"
"""Whichever stream comes back first, the books were gone."""
SILENT = f"stream {SPOT} does not answer pings"
CUT = (at(5, cut_sockets),)

CASES = [
    Case(name="every connection breaks", acts=(at(5, cut_all),), events=CLOSED, gates=("no book",)),
    Case(
        name="every connection breaks again and again",
        acts=tuple(at(t, cut_all) for t in (4, 6, 9)),
    ),
    Case(name="the venue drops every socket", acts=CUT, events=CLOSED, gates=("no book",)),
    Case(
        name="connections break while a bulk is on its way",
        rules=(Rule(kind=Kind.DELAY, path="/api/v4/order/bulk", seconds=1),),
        acts=(once(in_flight(PlaceOrders, 0.1), cut_all),),
        events=CLOSED,
    ),
    Case(
        name="connections break before a bulk arrives",
        rules=(Rule(kind=Kind.DELAY, path="/api/v4/order/bulk", seconds=1, accepted=False),),
        acts=(once(in_flight(PlaceOrders, 0.1), cut_all),),
        events=CLOSED,
    ),
    Case(
        name="connections break while a modify is on its way",
        rules=(Rule(kind=Kind.DELAY, path="/api/v4/order/modify", seconds=1, times=1),),
        acts=(once(in_flight(ModifyOrder, 0.1), cut_all),),
        events=CLOSED,
    ),
    Case(
        name="orders are filled while the streams are down",
        acts=(at(5, cut_sockets, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
        events=CLOSED,
    ),
    Case(
        name="the private stream is half open while orders are filled",
        rules=(Rule(kind=Kind.HALF_OPEN, channel="private", from_s=4, times=1),),
        acts=(at(6, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
        gates=("stream private does not answer pings", DOWN),
        events=CLOSED,
        seconds=30,
    ),
    Case(
        name="a public stream is half open",
        rules=(Rule(kind=Kind.HALF_OPEN, channel="depth", market=SPOT, from_s=4, times=1),),
        gates=(SILENT,),
        events=CLOSED,
        seconds=30,
    ),
    Case(
        name="a public stream stalls for a while",
        rules=(Rule(kind=Kind.STALL, channel="depth", market=SPOT, seconds=9, from_s=4, times=1),),
        gates=(SILENT,),
        seconds=20,
    ),
    Case(
        name="the private stream stalls for a while",
        rules=(Rule(kind=Kind.STALL, channel="private", seconds=9, from_s=4, times=1),),
        acts=(at(7, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
        gates=("stream private does not answer pings",),
        seconds=20,
    ),
    Case(
        name="pings are not answered",
        rules=(Rule(kind=Kind.DROP, channel="answer", from_s=4, until_s=14),),
        gates=(SILENT, "stream BTC_PERP does not answer pings"),
        events=CLOSED,
        seconds=30,
    ),
    Case(
        name="the venue opens no socket for a while",
        rules=(Rule(kind=Kind.ANSWER, path="/ws", status=503, from_s=4, until_s=12),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="a token that is asked for never comes",
        rules=(Rule(kind=Kind.DROP, path=TOKEN, from_s=4, times=1),),
        acts=CUT,
        gates=(DOWN,),
        seconds=10,
    ),
    Case(
        name="a socket that is asked for is never answered",
        rules=(Rule(kind=Kind.DROP, path="/ws", from_s=4, times=3),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=35,
    ),
    Case(
        name="a socket is closed while it is opened",
        rules=(Rule(kind=Kind.CLOSE, path="/ws", from_s=4, times=4),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="sockets open slowly",
        rules=(Rule(kind=Kind.DELAY, path="/ws", seconds=4, from_s=4, times=3),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="no token is given out for a while",
        rules=(
            Rule(kind=Kind.ANSWER, path=TOKEN, status=503, accepted=False, from_s=4, until_s=12),
        ),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="tokens are throttled",
        rules=(
            Rule(kind=Kind.ANSWER, path=TOKEN, status=429, accepted=False, from_s=4, until_s=12),
        ),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="a token expires before it is used",
        rules=(Rule(kind=Kind.EXPIRE_TOKENS, path="/api/v4/*", from_s=4, until_s=7),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=20,
    ),
    Case(
        name="the venue refuses to authorise and to subscribe",
        rules=(Rule(kind=Kind.ANSWER, channel="answer", status=3, from_s=4, until_s=8),),
        acts=CUT,
        gates=(NO_BOOK,),
        seconds=45,
        anomalies=-1,
    ),
    Case(
        name="every message takes 400 ms",
        acts=(at(4, slow(8, 0.4)),),
        seconds=20,
    ),
    Case(
        name="every message takes 6 s for a while",
        acts=(at(4, slow(5, 6)), at(6, fill(SPOT, Side.BUY), pause(0.1), fill(PERP, Side.BUY))),
        seconds=30,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_streams(case: Case) -> None:
    run_case(case)
