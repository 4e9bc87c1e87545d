"""What a person sees of a state, compared as whole text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from adapters.cli.describe import describe
from adapters.cli.screen import gates, screen, status_line
from engine import events as e
from engine.orders import Pending, Status
from engine.reduce import reduce
from engine.stages import Hold, Stage
from engine.state import State, held
from engine.types import OrderStatus, Side, VenueOrder
from tests.cli.kit import NOON, S, order, quoting, record, started

BY_HAND = VenueOrder(
    "BTC_USDT", 77, "", Side.BUY, 6_100_000, 10, 10, 0, OrderStatus.OPEN, "OPEN", False, False,
    "no", 0,
)  # fmt: skip

LADDER = (
    order(Side.BUY, 6_179_310),
    order(Side.SELL, 6_181_216),
    order(Side.BUY, 6_178_074, level=1, pending=Pending.CANCEL),
    order(
        Side.SELL,
        6_182_452,
        level=1,
        status=Status.NEW,
        pending=Pending.PLACE,
        unknown=True,
        order_id=0,
        sent_ns=NOON + 9 * S,
    ),
)

QUOTING = """\
quotefold  paper run ab12cd  0:00:10  1 records  42 requests

BTC_USDT    quoting   feed 0.2s   kill-switch 11.7s
  market     61800.00 x 0.004000             61801.00 x 0.012055
  own        61793.10 x 0.005000             61812.16 x 0.005000
             61780.74 x 0.005000 sent        61824.52 x 0.005000 unknown
  position  +0.002995 BTC of 0.5   fills 2 (1 as maker)
  P&L       -0.3611 USDT = spread 0.0715 + inventory 0.0000 - fees 0.4326

12:00:01 the older
12:00:02 the newer"""

STARTING = """\
quotefold  paper run ab12cd  0:00:00  1 records  0 requests

BTC_USDT    no quotes: no book   feed -   kill-switch not armed
  market            -                               -
  own

  position  not known   fills 0 (0 as maker)
  P&L       0.0000 USDT = spread 0.0000 + inventory 0.0000 - fees 0.0000

"""


@dataclass(frozen=True)
class Case:
    state: State
    after_ns: int
    requests: int
    news: tuple[str, ...]
    expected: str


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            Case(
                quoting(*LADDER), 10_250_000_000, 42, ("12:00:01 the older", "12:00:02 the newer"),
                QUOTING,
            ),
            id="quoting, with requests unanswered",
        ),
        pytest.param(Case(started(), 0, 0, (), STARTING), id="just started, nothing known"),
    ],
)  # fmt: skip
def test_screen_shows_the_state(case: Case) -> None:
    drawn = screen(case.state, NOON + case.after_ns, NOON, case.requests, case.news, 24)
    assert drawn.plain == case.expected


def test_news_fills_what_the_markets_leave() -> None:
    news = [f"line {number}" for number in range(50)]
    drawn = screen(quoting(*LADDER), NOON + 10 * S, NOON, 0, news, 16).plain
    assert drawn.splitlines()[-7:] == [
        "",
        *(f"line {number}" for number in range(44, 50)),
    ]
    assert len(drawn.splitlines()) == 16 - 1


def test_news_is_shown_even_where_there_is_no_room() -> None:
    drawn = screen(quoting(*LADDER), NOON + 10 * S, NOON, 0, ["a", "b", "c", "d"], 5).plain
    assert drawn.endswith("\nb\nc\nd")


def test_halt_is_said_before_anything_else() -> None:
    state = replace(quoting(*LADDER), halted="the key was refused")
    lines = screen(state, NOON + 10 * S, NOON, 0, [], 24).plain.splitlines()
    assert lines[1] == "HALTED: the key was refused"
    assert lines[3].startswith("BTC_USDT    HALTED: the key was refused")


def test_a_clock_that_is_off_is_warned_of() -> None:
    state = replace(quoting(*LADDER), offset_low_ns=2 * S, offset_high_ns=3 * S)
    lines = screen(state, NOON + 10 * S, NOON, 0, [], 24).plain.splitlines()
    assert lines[1] == "WARNING: our clock is at least 2.0 s behind the venue's"
    assert "WARNING" not in screen(quoting(*LADDER), NOON + 10 * S, NOON, 0, [], 24).plain


def test_status_line_says_it_all_in_one() -> None:
    state = quoting(*LADDER)
    assert status_line(state, state.markets["BTC_USDT"], NOON + 10 * S) == (
        "BTC_USDT  market 61800.00 / 61801.00  own 61793.10 / 61812.16  "
        "position +0.002995 BTC of 0.5  P&L -0.3611 USDT  fills 2  kill-switch 12.0s"
    )


def test_what_holds_a_market_back_is_shown_gravest_first() -> None:
    state = quoting(*LADDER)
    market = held(state.markets["BTC_USDT"], Hold("fees", Stage.WIDEN, "dearer", human=False))
    market = held(market, Hold("loss", Stage.CANCEL, "lost 5, limit 4"))
    state = replace(state, markets={"BTC_USDT": market})
    words = "stage CANCEL by loss, until a human re-enables it: lost 5, limit 4"
    assert status_line(state, market, NOON + 10 * S).endswith(f"kill-switch 12.0s  {words}")
    shown = screen(state, NOON + 10 * S, NOON, 0, [], 24).plain
    assert f"BTC_USDT    {words}   feed" in shown


def test_status_line_says_why_nothing_is_quoted() -> None:
    state = started()
    assert status_line(state, state.markets["BTC_USDT"], NOON) == (
        "BTC_USDT  market - / -  own - / -  position not known  P&L 0.0000 USDT  fills 0  "
        "kill-switch not armed  no quotes: no book"
    )


def test_gates_name_each_market() -> None:
    assert gates(quoting(*LADDER)) == [("BTC_USDT", "")]
    assert gates(started()) == [("BTC_USDT", "no book")]


def test_foreign_orders_are_counted_and_warned_of() -> None:
    state = reduce(started(), record(e.OrderOpened(BY_HAND)))
    warning = "1 foreign orders: a stop and the kill-switch cancel them too"
    lines = screen(state, NOON, NOON, 0, [], 24).plain.splitlines()
    assert f"  {warning}" in lines
    assert status_line(state, state.markets["BTC_USDT"], NOON).endswith(warning)
    assert describe(record(e.OrderOpened(BY_HAND)), started()) == (
        "BTC_USDT WARNING: the new order 77 of this account is not this engine's; "
        "a stop and the kill-switch cancel foreign orders too"
    )
    assert describe(record(e.OrderOpened(BY_HAND), seq=3), state) is None


def test_foreign_orders_of_a_listing_are_warned_of_once() -> None:
    listed = record(e.OpenOrdersListed("BTC_USDT", 0, (BY_HAND,), True))
    words = describe(listed, started())
    assert words is not None
    assert words.startswith("BTC_USDT WARNING: 1 open orders of this account are not this engine's")
    assert describe(listed, reduce(started(), record(e.OrderOpened(BY_HAND)))) is None
    assert describe(record(e.OpenOrdersListed("ETH_USDT", 0, (BY_HAND,), True)), started()) is None
    assert describe(record(e.OrderOpened(replace(BY_HAND, market="E"))), started()) is None
