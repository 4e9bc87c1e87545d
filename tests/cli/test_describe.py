"""Events in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.cli.describe import describe
from engine import events as e
from engine.intents import ArmKillSwitch, CloseStream, ModifyOrder, Ping, Resubscribe
from engine.stages import Hold, SideOff, Stage, StageChange
from engine.state import InFlight, State
from engine.types import Refusal, Stp
from tests.cli.kit import BOUGHT, NOON, SOLD, STARTED, record, started

MODIFY = ModifyOrder("BTC_USDT", "a", 1, 1, Stp.CANCEL_NEW)
WOULD_TAKE = Refusal(
    422, 13, "postOnly", "This order couldn't be executed as a maker order and was canceled."
)
NOT_FOUND = Refusal(422, 2, "orderId", "Unexecuted order was not found.")
NO_FUNDS = Refusal(422, 10, "amount", "Not enough balance.")
SPOT_REFUSAL = e.PlaceResult(None, NO_FUNDS)
TOOK = e.PlaceResult(None, WOULD_TAKE)
LOST = Hold("loss", Stage.CANCEL, "lost 5, limit 4")

CASES = [
    (
        "a fill as maker",
        e.Filled(BOUGHT),
        "BTC_USDT bought 0.005 BTC at 61790.00 as maker, fee 0.000005 BTC",
    ),
    (
        "a fill as taker stands out",
        e.Filled(SOLD),
        "BTC_USDT sold 0.002 BTC at 61810.00 as TAKER, fee 0.12362 USDT",
    ),
    (
        "a rebate keeps its sign and has no exponent",
        e.Filled(replace(SOLD, fee=Decimal("-1E-7"))),
        "BTC_USDT sold 0.002 BTC at 61810.00 as TAKER, fee -0.0000001 USDT",
    ),
    (
        "a fill elsewhere",
        e.Filled(replace(SOLD, market="ETH_USDT")),
        "ETH_USDT deal 8: this run does not quote that market",
    ),
    (
        "the request that was refused is named",
        e.RequestRefused(NO_FUNDS),
        "BTC_USDT modify order refused by the venue: Not enough balance. (code 10)",
    ),
    (
        "a refusal without a code shows its status",
        e.RequestRefused(Refusal(503, 0, "", "Service unavailable")),
        "BTC_USDT modify order refused by the venue: Service unavailable (HTTP 503)",
    ),
    (
        "a post-only refusal is daily life",
        e.RequestRefused(WOULD_TAKE),
        "BTC_USDT modify order: it would have taken, so it was refused",
    ),
    ("an order that a fill had taken is no news", e.RequestRefused(NOT_FOUND), None),
    ("orders placed are no news", e.OrdersPlaced("BTC_USDT", ()), None),
    (
        "orders of a bulk refused",
        e.OrdersPlaced("BTC_USDT", (SPOT_REFUSAL, SPOT_REFUSAL)),
        "BTC_USDT place orders: 2 of 2 refused by the venue: Not enough balance. (code 10)",
    ),
    (
        "orders of a bulk that would have taken",
        e.OrdersPlaced("BTC_USDT", (TOOK,)),
        "BTC_USDT place orders: 1 of 1 would have taken, so they were refused",
    ),
    (
        "an outcome unknown",
        e.OutcomeUnknown("HTTP 502"),
        "BTC_USDT modify order: outcome unknown: HTTP 502",
    ),
    (
        "throttled",
        e.RequestThrottled(),
        "BTC_USDT modify order: throttled by the venue (429), backing off",
    ),
    ("a decision for nothing is no news", e.Decided((), ()), None),
    ("a ping is no news", e.Decided((Ping("private"),), ()), None),
    ("a refreshed timer is no news", e.Decided((ArmKillSwitch("BTC_USDT", 15),), ()), None),
    (
        "a decision that risk holds back",
        e.Decided((), (e.RiskRefusal("BTC_USDT", "collar", "price 1 is far off"),)),
        "BTC_USDT held back by risk: collar: price 1 is far off",
    ),
    (
        "a decision that the venue's trouble holds back",
        e.Decided((), (e.RiskRefusal("", "backoff", "queries: no answer", key="queries"),)),
        "account held back by the venue: backoff: queries: no answer",
    ),
    (
        "a limit stops a market",
        e.Decided((), (), (StageChange("BTC_USDT", LOST),)),
        "BTC_USDT stage CANCEL by loss, until a human re-enables it: lost 5, limit 4",
    ),
    (
        "a side is off",
        e.Decided(
            (),
            (),
            (StageChange("BTC_USDT", replace(LOST, stage=Stage.ONE_SIDE, side_off=SideOff.BUY)),),
        ),
        "BTC_USDT stage ONE_SIDE without buy by loss, until a human re-enables it: lost 5, limit 4",
    ),
    (
        "a limit lets a market back",
        e.Decided((), (), (StageChange("BTC_USDT", replace(LOST, stage=Stage.QUOTE)),)),
        "BTC_USDT is held back no more by loss: lost 5, limit 4",
    ),
    (
        "a stage that ends by itself",
        e.Decided((), (), (StageChange("BTC_USDT", replace(LOST, human=False)),)),
        "BTC_USDT stage CANCEL by loss: lost 5, limit 4",
    ),
    (
        "a gap and a dead stream",
        e.Decided((Resubscribe("BTC_USDT"), CloseStream("private")), ()),
        "BTC_USDT book has a gap: subscribing anew; stream private does not answer: closing it",
    ),
    ("a run begins", STARTED, "run ab12cd started, paper: BTC_USDT"),
    ("a run ends well", e.RunEnded(True, "stopped"), "run ended clean: stopped"),
    ("a run ends badly", e.RunEnded(False, "an order"), "run ended NOT CLEAN: an order"),
    ("a stop", e.StopRequested("SIGINT"), "stopping: SIGINT"),
    ("a panic", e.PlacingForbidden("latch"), "PANIC: nothing is placed: latch"),
    (
        "a command",
        e.OperatorCommanded("side", "BTC_USDT", "buy"),
        "operator: BTC_USDT side buy",
    ),
    (
        "a remark",
        e.OperatorCommanded("note", "", "lunch"),
        "operator: all markets note lunch",
    ),
    ("its end", e.PlacingAllowed(), "the panic latch was lifted"),
    ("a stall", e.LoopStalled(1_250_000_000), "the loop stalled for 1.2s"),
    ("a stream up", e.StreamReady("private"), "stream private ready"),
    ("a stream down", e.StreamClosed("private", "EOF", 1), "stream private closed: EOF"),
    (
        "a frame that cannot be read",
        e.FrameRefused("BTC_USDT", "BTC_USDT", "expected a price"),
        "frame of BTC_USDT refused: expected a price",
    ),
    ("a torn tail", e.TailCut("0001", 5, 17), "0001: 17 bytes of a torn write cut off"),
    ("a chore", e.ChoreFailed("compressing", "disk full"), "compressing failed: disk full"),
    (
        "history that goes",
        e.HistoryDropped(900, 3, 5000),
        "the journal now begins at seq 900: 3 segments of 5000 bytes dropped",
    ),
    ("a timer is no news", e.TimerFired(), None),
]


def _asked() -> State:
    # A run with one modify in flight, sent as record 9.
    return replace(started(), requests={9: InFlight(MODIFY, NOON, 1)})


@pytest.mark.parametrize(
    ("event", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_event_in_words(event: e.AnyEvent, expected: str | None) -> None:
    assert describe(record(event, cause_seq=9), _asked()) == expected


def test_answer_to_a_request_long_gone_is_still_told() -> None:
    late = record(e.OutcomeUnknown("EOF"), cause_seq=3)
    assert describe(late, _asked()) == "request: outcome unknown: EOF"
