"""The words of each cause, with their figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.parity_words import reason
from engine.money import ZERO
from replay.parity.causes import Cause, Restraint
from replay.parity.fills import Fill
from replay.parity.judge import Difference
from replay.parity.looks import Look
from replay.parity.matching import Kind
from tests.engine.builders import MARKET, MS, NAME
from tests.parity.pairs import BUY

FILL = Fill(NAME, BUY, 990, 4, 1_000 * MS, 1, 1, 1, ZERO, ZERO, 0, 2)
HELD = Restraint(Cause.RISK, "loss: too much")
BASE: dict[str, Any] = {"position": 2, "standing": 985, "want": 985, "reach": 5}

SINGLES: list[tuple[Cause, dict[str, Any] | None, str]] = [
    (Cause.FOREIGN, {}, "a deal that no engine made"),
    (Cause.UNRECORDED, {}, "no such trade was recorded"),
    (Cause.SPAN, None, "not quoting yet, or no more"),
    (Cause.SPAN, {"restraint": Restraint(Cause.SPAN, "stopping")}, "stopping"),
    (Cause.LINK, {"restraint": Restraint(Cause.LINK, "feed is stale")}, "feed is stale"),
    (Cause.QUEUE, {"ahead": 50}, "stood there, 0.05 BTC before it at the most"),
    (Cause.QUEUE, {}, "stood there; its place in the queue is not known"),
    (Cause.RISK, {"restraint": HELD}, "loss: too much"),
    (Cause.RISK, {"bent": HELD}, "loss: too much"),
    (Cause.OPERATOR, {}, "quoted by another configuration"),
    (Cause.INVENTORY, {"position": 7}, "held 0.007 BTC, not 0.002 BTC, stood 5 ticks further away"),
    (Cause.TIMING, {"is_coming": True}, "its quote was on its way"),
    (Cause.TIMING, {"apart_ns": 3 * MS}, "came 3.0 ms later"),
    (
        Cause.TIMING,
        {"apart_ns": 3 * MS, "is_coming": True},
        "came 3.0 ms later, its quote was on its way",
    ),
    (Cause.TIMING, {"apart_ns": -40 * MS}, "had left 40.0 ms before"),
    (
        Cause.TIMING,
        {"apart_ns": -40 * MS, "was_filled": True},
        "had been filled there 40.0 ms before",
    ),
    (Cause.TIMING, {"empty_ns": 7 * MS, "standing": 0}, "nothing had stood for 7.0 ms"),
    (
        Cause.PRICE,
        {},
        "stood 5 ticks further away, within the tolerance; inventories were the same",
    ),
    (Cause.PRICE, {"standing": 1_991}, "stood 1,001 ticks nearer; inventories were the same"),
    (
        Cause.UNKNOWN,
        {"standing": 0, "want": 991},
        "nothing stood, wanted 1 tick nearer; inventories were the same",
    ),
    (
        Cause.UNKNOWN,
        {"standing": 0, "want": 0},
        "nothing stood, and nothing was wanted; inventories were the same",
    ),
]


@pytest.mark.parametrize(("cause", "look", "words"), SINGLES, ids=[each[2] for each in SINGLES])
def test_what_is_said_of_a_fill_without_a_counterpart(
    cause: Cause, look: dict[str, Any] | None, words: str
) -> None:
    seen = None if look is None else Look(**{**BASE, **look})
    for live, backtest in ((FILL, None), (None, FILL)):
        assert reason(MARKET, Difference(cause, ZERO, live, backtest, seen)) == words


@pytest.mark.parametrize(
    ("cause", "backtest", "words"),
    [
        (Cause.SIZE, {"qty": 6}, "0.004 BTC live, 0.006 BTC in the backtest"),
        (Cause.FEES, {"quote_fee": Decimal(1)}, "charged otherwise"),
        (Cause.TIMING, {"at_ns": 4_000 * MS}, "the same price, 3,000.0 ms later"),
        (Cause.TIMING, {"at_ns": 0}, "the same price, 1,000.0 ms earlier"),
        (
            Cause.PRICE,
            {"price": 980},
            "met by the same taker, 10 ticks further away; inventories were the same",
        ),
        (
            Cause.PRICE,
            {"price": 980, "qty": 6},
            "met by the same taker, 10 ticks further away, by 0.006 BTC; inventories were the same",
        ),
        (Cause.TIMING, {"at_ns": 0, "qty": 1}, "the same price, 1,000.0 ms earlier, by 0.001 BTC"),
        (Cause.RISK, {"price": 980}, "loss: too much"),
    ],
)
def test_what_is_said_of_a_pair(cause: Cause, backtest: dict[str, Any], words: str) -> None:
    look = Look(**BASE, bent=HELD if cause is Cause.RISK else None)
    other = replace(FILL, **backtest)
    assert reason(MARKET, Difference(cause, ZERO, FILL, other, look, Kind.SAME)) == words
