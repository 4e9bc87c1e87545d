"""What a proof says: differences, causes and states, by name and with units."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.simulate import JOURNAL
from engine.events import BestBidOffer, Decided, Filled, Record, RequestSent, RiskRefusal
from engine.intents import CancelOrder, ModifyOrder, NewOrder, PlaceOrders
from engine.types import BUY, SELL, Market, Stp
from replay.cause import Records, chain
from replay.diff import differences, first_difference
from replay.record_words import record_words, specs_of, state_words
from replay.units import shown
from tests.engine.builders import quoted
from tests.replay.journals import SYNTHETIC, Made, journal

SPEC: Market = replace(quoted().market, name="BTC_USDT", price_decimals=2, qty_decimals=6)
MARKETS = {"BTC_USDT": SPEC}


def order(side: Any = BUY, price: int = 6_179_411, level: int = 0) -> NewOrder:
    return NewOrder("ab12cd-7-0-0", side, price, 5_000, Stp.CANCEL_NEW, False, True, level)


def decided(*intents: Any) -> Decided:
    return Decided(intents, ())


MODIFY = ModifyOrder("BTC_USDT", "ab12cd-7-0-0", 6_179_411, 5_000, Stp.CANCEL_NEW)
CANCEL = CancelOrder("BTC_USDT", "ab12cd-7-0-0")
PLACE = PlaceOrders("BTC_USDT", (order(), order(SELL, 6_180_000)))
REFUSAL = RiskRefusal("BTC_USDT", "position", "too much", 5, 4)

CASES: list[tuple[str, Any, Any, list[str]]] = [
    ("equal values differ in nothing", decided(MODIFY), decided(MODIFY), []),
    (
        "a price is shown in the quote asset and in ticks",
        decided(MODIFY),
        decided(replace(MODIFY, price=6_179_374)),
        [
            "intent 1 of 1 (modify order ab12cd-7-0-0 on BTC_USDT), price:"
            " recorded 61794.11 USDT (6179411 ticks), recomputed 61793.74 USDT (6179374 ticks)"
        ],
    ),
    (
        "a size is shown in the base asset and in lots, and every differing field is named",
        decided(PLACE),
        decided(replace(PLACE, orders=(PLACE.orders[0], replace(order(), qty=4_000)))),
        [
            "intent 1 of 1 (place 2 orders on BTC_USDT), order 2 of 2 (new order ab12cd-7-0-0 sell"
            " level 0), side: recorded sell, recomputed buy",
            "intent 1 of 1 (place 2 orders on BTC_USDT), order 2 of 2 (new order ab12cd-7-0-0 sell"
            " level 0), price: recorded 61800 USDT (6180000 ticks),"
            " recomputed 61794.11 USDT (6179411 ticks)",
            "intent 1 of 1 (place 2 orders on BTC_USDT), order 2 of 2 (new order ab12cd-7-0-0 sell"
            " level 0), qty: recorded 0.005 BTC (5000 lots), recomputed 0.004 BTC (4000 lots)",
        ],
    ),
    (
        "another kind of intent is called by its kind",
        decided(MODIFY),
        decided(CANCEL),
        [
            "intent 1 of 1: recorded modify order ab12cd-7-0-0 on BTC_USDT,"
            " recomputed cancel order ab12cd-7-0-0 on BTC_USDT"
        ],
    ),
    (
        "what only one of them has is named",
        Decided((), ()),
        Decided((CANCEL,), (REFUSAL,)),
        [
            "intents: only recomputed: cancel order ab12cd-7-0-0 on BTC_USDT"
            " (0 recorded, 1 recomputed)",
            "refusals: only recomputed: risk refusal position: too much (0 recorded, 1 recomputed)",
        ],
    ),
    (
        "a member of a body is named",
        RequestSent(0, 1, "POST", "/p", b'{"amount":"0.01","price":"5"}'),
        RequestSent(0, 1, "POST", "/p", b'{"amount":"0.010","price":"5"}'),
        ['body, amount: recorded "0.01", recomputed "0.010"'],
    ),
    (
        "the order of a body's members is named",
        RequestSent(0, 1, "POST", "/p", b'{"orders":[{"side":"buy","price":"5"}]}'),
        RequestSent(0, 1, "POST", "/p", b'{"orders":[{"price":"5","side":"buy"}]}'),
        ["body, orders 1, order of members: recorded side, price; recomputed price, side"],
    ),
    (
        "a body with the same members written otherwise is told by its bytes",
        RequestSent(0, 1, "POST", "/p", b'{"price":"5"}'),
        RequestSent(0, 1, "POST", "/p", b'{"price": "5"}'),
        ['body: from byte 9 on recorded "5"}, recomputed  "5"}'],
    ),
    (
        "a mapping is walked by key",
        {"BTC_USDT": BestBidOffer("BTC_USDT", 1, 2, 3, 4, 5, 6), "gone": 1},
        {"BTC_USDT": BestBidOffer("BTC_USDT", 1, 2, 3, 4_000_000, 5, 6), "new": 2},
        [
            "BTC_USDT, bid qty: recorded 0.000004 BTC (4 lots), recomputed 4 BTC (4000000 lots)",
            "gone: recorded 1, not there recomputed",
            "new: not there recorded, recomputed 2",
        ],
    ),
]


@pytest.mark.parametrize(
    ("recorded", "recomputed", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_difference_is_told_in_words(recorded: Any, recomputed: Any, expected: list[str]) -> None:
    assert differences(recorded, recomputed, MARKETS) == expected
    assert first_difference(recorded, recomputed, MARKETS) == (expected or [""])[0]


def test_of_many_differences_the_first_are_told() -> None:
    left, right = tuple(range(100)), tuple(range(1, 101))
    assert len(differences(left, right, most=7)) == 7


UNITS: list[tuple[str, Any, str]] = [
    ("price", 6_179_411, "61794.11 USDT (6179411 ticks)"),
    ("leaves_qty", 5_000, "0.005 BTC (5000 lots)"),
    ("position", -5_000, "-0.005 BTC (-5000 lots)"),
    ("quote_age_ns", 1_250_000_000, "1.25 s"),
    ("recv_ns", 1_767_225_600_000_000_001, "1767225600.000000001 s since 1970"),
    ("collar_bps", 50, "50 bps"),
    ("touched_seq", 7, "seq 7"),
    ("post_only", True, "yes"),
    ("bbo", None, "none"),
    ("side", SELL, "sell"),
    ("stp", Stp.CANCEL_NEW, "cn"),
    ("reason", "no book", "'no book'"),
    ("digest", bytes(range(128, 136)), "8081828384858687"),
]


@pytest.mark.parametrize(("name", "value", "text"), UNITS)
def test_a_value_is_shown_with_its_unit(name: str, value: Any, text: str) -> None:
    assert shown(name, value, SPEC) == text


def test_a_long_value_is_cut_in_its_middle() -> None:
    text = shown("reason", "a" * 300 + "z" * 300)
    assert len(text) <= 200
    assert text.startswith("'aaa")
    assert text.endswith("zzz'")


# --- causes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Made:
    return journal(SYNTHETIC)


def chain_of(made: Made, record: Record) -> list[Record]:
    lines = chain(Records(made.fs, JOURNAL), record.seq, specs_of(made.states[-1]))
    return [made.records[int(line.split()[1]) - 1] for line in lines]


@pytest.mark.slow
def test_every_fill_goes_back_to_the_request_that_caused_it(made: Made) -> None:
    fills = [record for record in made.records if isinstance(record.event, Filled)]
    assert len(fills) > 10
    for fill in fills:
        assert isinstance(fill.event, Filled)
        links = chain_of(made, fill)
        kinds = [type(link.event).__name__ for link in links[:3]]
        assert kinds == ["Filled", "RequestSent", "Decided"]
        request = links[1].event
        assert isinstance(request, RequestSent)
        name = fill.event.fill.client_order_id.encode()
        assert name in request.body or request.path.endswith("cancel/all")
        # No later request before the fill names the order.
        between = made.records[links[1].seq : fill.seq - 1]
        later = [r for r in between if isinstance(r.event, RequestSent) and name in r.event.body]
        assert later == []
        # What came from outside ends the chain.
        assert links[-1].cause_seq == 0 or len(links) == 12


@pytest.mark.slow
def test_every_record_has_words_and_every_chain_an_end(made: Made) -> None:
    specs = specs_of(made.states[-1])
    for record in made.records:
        words = record_words(record, specs)
        assert words.startswith(f"seq {record.seq} ")
        assert "\n" not in words
    decisions = [record for record in made.records if isinstance(record.event, Decided)]
    for record in decisions[::50]:
        links = chain_of(made, record)
        assert links[0] == record
        assert [link.seq for link in links] == sorted((link.seq for link in links), reverse=True)


@pytest.mark.slow
def test_a_state_in_words_shows_the_market_and_each_order(made: Made) -> None:
    quoting = max(made.states, key=lambda s: sum(len(m.live) for m in s.markets.values()))
    lines = state_words(quoting, ("BTC_USDT",))
    assert lines[0].startswith("BTC_USDT: bid 6")
    assert len(lines) == 1 + len(quoting.markets["BTC_USDT"].live)
