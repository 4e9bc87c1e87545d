"""Old, gapped or unreadable market data, stalls, and clocks that jump."""

from __future__ import annotations

import pytest

from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine import clock, freshness
from engine.events import FrameRefused, LoopStalled
from engine.intents import CloseStream, Resubscribe
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    fill,
    hang,
    hang_at_sync,
    pause,
    rewrite,
    set_clock,
    set_venue_clock,
)
from tests.scenarios.case import Case, run_case

MODIFY = "/api/v4/order/modify"
REFUSED = "a frame was refused"
STALLED = (LoopStalled,)
SPOT_PRICE = rb'(\[\["6\d{3})\d(\.\d\d"[^{}]*\}, ?"BTC_USDT"\])'
"""First price of the last side of a depth frame."""


def frozen(channel: str, until_s: float = 30) -> Rule:
    return Rule(kind=Kind.DROP, channel=channel, from_s=5, until_s=until_s)


CASES = [
    Case(
        name="the book freezes while the ticker moves",
        rules=(frozen("depth", 12),),
        gates=(freshness.BEHIND,),
    ),
    Case(
        name="the book and the ticker freeze",
        rules=(frozen("depth"), frozen("bookTicker")),
        gates=("feed is stale",),
        seconds=32,
    ),
    Case(
        name="the ticker freezes and depth goes on",
        rules=(frozen("bookTicker", 15),),
        seconds=17,
    ),
    Case(
        name="the mark price freezes",
        rules=(frozen("premiumIndex", 35),),
        gates=(freshness.MARK_SILENT,),
        intents=(CloseStream,),
        seconds=45,
    ),
    Case(
        name="the mark price is away for 8 s",
        rules=(frozen("premiumIndex", 13),),
        no_intents=(CloseStream,),
        seconds=16,
    ),
    Case(name="trades freeze", rules=(frozen("trades", 15),), seconds=17),
    Case(
        name="a depth difference is skipped on each market",
        rules=tuple(
            Rule(kind=Kind.SKIP_DELTA, market=name, times=1, from_s=5) for name in (SPOT, PERP)
        ),
        gates=("no book",),
        intents=(Resubscribe,),
    ),
    Case(
        name="every third depth difference is skipped",
        rules=(Rule(kind=Kind.SKIP_DELTA, probability=0.3, from_s=5, until_s=12),),
        gates=("no book",),
        intents=(Resubscribe,),
    ),
    Case(
        name="depth comes twice",
        rules=(Rule(kind=Kind.DUPLICATE, channel="depth", from_s=5, until_s=12),),
        no_intents=(Resubscribe,),
    ),
    Case(
        name="depth overtakes itself",
        rules=(Rule(kind=Kind.REORDER, channel="depth", probability=0.3, from_s=5, until_s=12),),
        gates=("no book",),
    ),
    Case(
        name="book and ticker come 3 s late, though pings are answered at once",
        rules=tuple(
            Rule(kind=Kind.DELAY, channel=channel, seconds=3, from_s=5, until_s=12)
            for channel in ("depth", "bookTicker")
        ),
        gates=(freshness.LATE,),
    ),
    Case(
        name="a renewal of the book is not answered",
        rules=(
            Rule(kind=Kind.SKIP_DELTA, market=SPOT, times=1, from_s=5),
            Rule(kind=Kind.DROP, channel="depth", market=SPOT, from_s=7, until_s=9),
        ),
        gates=("no book",),
        seconds=20,
    ),
    # --- what cannot be read ---
    Case(
        name="a frame of one market cannot be read",
        acts=(at(5, rewrite(SPOT_PRICE, rb"\g<1>x\g<2>", 3)),),
        events=(FrameRefused,),
        gates=(REFUSED,),
        anomalies=-1,
        off={SPOT: REFUSED},
    ),
    # --- stalls ---
    Case(name="the loop stalls for 700 ms", acts=(at(5, hang(0.7)),), events=STALLED),
    Case(
        name="the loop stalls for 400 ms, which is none",
        acts=(at(5, hang(0.4)),),
        no_events=STALLED,
    ),
    Case(
        name="the loop stalls for 5 s while orders are filled",
        acts=(at(5, fill(SPOT, Side.BUY), fill(PERP, Side.SELL), hang(5)),),
        events=STALLED,
        gates=("reconciling: the loop stalled",),
    ),
    Case(
        name="the disk takes 3 s for a sync",
        acts=(at(5, hang_at_sync(3)),),
        events=STALLED,
        gates=("reconciling: the loop stalled",),
    ),
    Case(
        name="the loop stalls past the kill-switch",
        acts=(at(5, hang(16)),),
        events=STALLED,
        gates=("reconciling: the loop stalled",),
    ),
    # --- clocks ---
    Case(
        name="the venue's clock jumps 2 s ahead and back",
        acts=(at(5, set_venue_clock(2), pause(8), set_venue_clock(-2)),),
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps 3 s back and ahead again",
        acts=(at(5, set_venue_clock(-3), pause(8), set_venue_clock(3)),),
        gates=(freshness.LATE,),
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps 6 s ahead, and back later",
        acts=(at(5, set_venue_clock(6), pause(8), set_venue_clock(-6)),),
        gates=(clock.WRONG,),
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps 6 s back, and ahead later",
        acts=(at(5, set_venue_clock(-6), pause(8), set_venue_clock(6)),),
        gates=(clock.WRONG,),
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps 2 minutes ahead, and back later",
        acts=(at(5, set_venue_clock(120), pause(8), set_venue_clock(-120)),),
        gates=(clock.WRONG,),
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps ahead for good",
        acts=(at(5, set_venue_clock(9)),),
        off={SPOT: clock.WRONG, PERP: clock.WRONG},
        seconds=25,
    ),
    Case(
        name="the venue's clock jumps between signing and arriving",
        rules=(Rule(kind=Kind.JUMP_CLOCK, path=MODIFY, seconds=3, times=1),),
        seconds=20,
    ),
    Case(
        name="our clock jumps 2 s ahead",
        acts=(at(5, set_clock(2)),),
        events=STALLED,
        seconds=20,
    ),
    Case(
        name="our clock jumps 6 s ahead",
        acts=(at(5, set_clock(6)),),
        events=STALLED,
        off={SPOT: clock.WRONG, PERP: clock.WRONG},
        seconds=20,
    ),
    Case(
        name="the venue's time is asked for three times at the start, and no answer comes",
        rules=(Rule(kind=Kind.DROP, path="/api/v4/public/time", times=3),),
        gates=(clock.UNKNOWN,),
        seconds=5,
    ),
    Case(
        name="the venue's time cannot be asked for at the start",
        rules=(Rule(kind=Kind.ANSWER, path="/api/v4/public/time", status=503, until_s=5),),
        gates=(clock.UNKNOWN,),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_freshness(case: Case) -> None:
    run_case(case)
