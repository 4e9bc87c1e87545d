"""The figures of a report, worked out by hand for journals with a known story."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.inventory import Inventory, add_fill
from engine.money import ZERO
from engine.reduce import reduce
from engine.stages import Hold, Stage, StageChange
from engine.state import State
from engine.types import BUY, Product, Role, Side, Stp, VenueFill
from replay.money import Parts, Sampler, parts_of
from replay.report.fold import Report, Window
from tests.engine.builders import (
    MARKET,
    MS,
    NAME,
    WOULD_TAKE,
    S,
    fill,
    quoted,
)
from tests.replay.story import Story, names, quoting_story


def reported(story: Story, window: Window | None = None, start: State | None = None) -> Report:
    """Fold the records of a story."""
    report = Report(window or Window())
    report.fold(iter(story.records), start or State())
    return report


def bbo(story: Story, bid: int, ask: int, update_id: int, after_ns: int = MS) -> int:
    """The ticker, newer than any depth so far."""
    return story.push(e.BestBidOffer(NAME, update_id, 0, bid, 7, ask, 7), after_ns=after_ns)


def traded_story() -> Story:
    """4 lots bought at 9.90 with the mid at 10, 10 sold at 10.10 with the mid at 9.95; at last the
    mid is 9.90. Both were shown by the answer at 31, in 3 ms."""
    story = quoting_story()
    bid, ask = names(story)
    bought = fill(7, qty=4, price=990, client_order_id=bid, fee="0.000004", fee_asset="BTC")
    story.push(e.Filled(bought))
    bbo(story, 985, 1005, 1_000)
    sold = fill(8, qty=10, price=1010, side=Side.SELL, order_id=2, client_order_id=ask, fee="0.01")
    story.push(e.Filled(sold), after_ns=500 * MS)
    bbo(story, 980, 1000, 1_001)
    story.wait(1)
    story.wait(1)
    story.push(e.RunEnded(True, "done"))
    return story


def test_money_to_the_last_digit() -> None:
    figures = reported(traded_story()).figures()
    found = figures["pnl"]["markets"][NAME]
    # Cash is 0.101 - 0.0396 = 0.0614, and 6 lots short at 9.90 are worth -0.0594.
    assert found["spread"] == "0.0019"  # 0.10 x 0.004 + 0.15 x 0.010
    assert found["inventory"] == "0.0001"  # -0.05 x 0.004 + 0.05 x 0.006
    assert found["fees"] == "-0.0100396"  # 0.01 + 0.000004 x 9.90
    assert found["total"] == "-0.0080396"
    assert (found["funding"], found["interest"]) == ("0", "0")
    # After the first fill 0.0004 - 0.00004, after the second 0.0017 - 0.01 - 0.0000398.
    assert (found["low"], found["high"]) == ("-0.0083398", "0.00036")
    assert found["drawdown"] == "0.0086998"
    assert (found["position"], found["mark"]) == ("-0.006", "9.9")
    total = figures["pnl"]["all"]["USDT"]
    assert {name: total[name] for name in ("total", "spread", "inventory", "fees")} == {
        name: found[name] for name in ("total", "spread", "inventory", "fees")
    }
    assert figures["fees"] == {
        "BTC": {"paid": "0.000004", "rebates": "0"},
        "USDT": {"paid": "0.01", "rebates": "0"},
    }
    assert figures["notional"] == {"USDT": "0.1406"}


def test_quoting_and_requests() -> None:
    figures = reported(traded_story()).figures()
    assert figures["orders"] == {
        NAME: {
            "places": 2,
            "modifies": 0,
            "cancels": 0,
            "cancel_alls": 0,
            "fills": 2,
            "filled_quotes": 2,
            "fill_ratio": 1.0,
            "placed_qty": "0.02",
            "filled_qty": "0.014",
            "order_to_trade": 1.0,
        }
    }
    place = next(row for row in figures["requests"] if row["kind"] == "PlaceOrders")
    assert (place["sent"], place["ok"], place["none"]) == (1, 1, 0)
    assert (place["count"], place["p50_ns"], place["max_ns"]) == (1, 3 * MS, 3 * MS)
    legs = {each["leg"]: each for each in figures["latency"]}
    for leg, took_ns in (
        ("frame_to_decision_ns", MS),
        ("decision_to_sent_ns", MS),
        ("sent_to_acknowledged_ns", 3 * MS),
    ):
        assert (legs[leg]["count"], legs[leg]["p50_ns"], legs[leg]["max_ns"]) == (
            2,
            took_ns,
            took_ns,
        )
    # 1 and 502 ms after they were shown.
    assert (legs["age_ns"]["p50_ns"], legs["age_ns"]["max_ns"]) == (MS, 502 * MS)
    # The first timer begins to count; at the second the bid rests at the mid, the ask is filled.
    assert figures["uptime"] == {
        NAME: {
            "within_bps": 100,
            "bid": 1.0,
            "ask": 0.0,
            "bid_ns": S,
            "ask_ns": 0,
            "total_ns": S,
        }
    }


def test_markouts_by_side_level_and_rpi() -> None:
    report = reported(traded_story())
    buy, sell = report.figures()["markouts"]
    assert (buy["side"], buy["level"], buy["rpi"], buy["fills"]) == ("buy", 0, False, 1)
    # Bought at 9.90: the mid is 10, then 9.90 after 0.1 s and 1 s.
    assert buy["bps"]["fill"] == 101.0101
    assert (buy["bps"]["0.1s"], buy["bps"]["1s"], buy["bps"]["5s"]) == (50.5051, 0.0, None)
    assert buy["counts"] == {"fill": 1, "0.1s": 1, "1s": 1, "5s": 0, "30s": 0, "60s": 0}
    # Sold at 10.10: the mid is 9.95, then 9.90.
    assert (sell["bps"]["fill"], sell["bps"]["1s"]) == (148.5149, 198.0198)


def test_nothing_at_all() -> None:
    report = Report(Window())
    report.fold(iter(()), State())
    figures = report.figures()
    assert (figures["records"], figures["fills"], figures["modes"]) == (0, 0, [])
    assert figures["pnl"] == {"markets": {}, "all": {}}
    assert not figures["simulated"]


def test_a_window_counts_what_lies_in_it() -> None:
    story = traded_story()
    sold = next(r.seq for r in story.records if getattr(r.event, "fill", None) and r.seq > 32)
    whole = reported(story).figures()["pnl"]["markets"][NAME]
    before = reported(story, Window(until_seq=sold - 1)).figures()
    after = reported(story, Window(since_seq=sold)).figures()
    assert (before["fills"], after["fills"]) == (1, 1)
    assert (before["window"]["until_seq"], after["window"]["from_seq"]) == (sold - 1, sold)
    for part in ("total", "spread", "inventory", "fees"):
        one = before["pnl"]["markets"][NAME][part]
        other = after["pnl"]["markets"][NAME][part]
        assert Decimal(one) + Decimal(other) == Decimal(whole[part]), part
    # The mid fell by 0.05 while 4 lots were held, before the sale.
    assert before["pnl"]["markets"][NAME]["inventory"] == "-0.0002"


def test_a_window_that_ends_before_it_begins_holds_nothing() -> None:
    figures = reported(traded_story(), Window(since_seq=20, until_seq=10)).figures()
    assert figures["window"] == {"from_seq": 0, "until_seq": 0, "from_ns": 0, "until_ns": 0}
    assert (figures["records"], figures["pnl"]["markets"], figures["modes"]) == (0, {}, [])


def test_what_lies_before_a_journal_with_retention_is_not_counted() -> None:
    story = traded_story()
    at = next(n for n, r in enumerate(story.records) if getattr(r.event, "fill", None))
    state = State()
    for record in story.records[: at + 2]:
        state = reduce(state, record)
    report = Report(Window())
    report.fold(iter(story.records[at + 2 :]), state)
    figures = report.figures()
    assert figures["fills"] == 1
    assert figures["pnl"]["markets"][NAME]["spread"] == "0.0015"
    assert figures["runs"]["listed"][0]["versions"] is None


def test_money_of_a_market_goes_on_through_runs_and_precisions() -> None:
    story = traded_story()
    total = reported(story).figures()["pnl"]["markets"][NAME]["total"]
    story.push(
        e.RunStarted("r2", "paper", (("quotefold", "2"),), "{}", State().settings, (quoted(),))
    )
    story.wait(1)
    figures = reported(story).figures()
    assert figures["pnl"]["markets"][NAME]["total"] == total
    finer = replace(MARKET, price_decimals=3)
    story.push(e.RunStarted("r3", "observe", (), "{}", State().settings, (quoted(finer),)))
    story.wait(1)
    figures = reported(story).figures()
    assert figures["pnl"]["markets"][NAME]["total"] == total
    assert (figures["modes"], figures["simulated"]) == (["paper", "observe"], True)
    runs = figures["runs"]["listed"]
    assert [(run["run_id"], run["clean"]) for run in runs] == [
        ("r1", True),
        ("r2", None),
        ("r3", None),
    ]
    assert runs[1]["versions"] == {"quotefold": "2"}


def troubled_story() -> Story:
    """Two refusals by risk, one by the venue, a stage, a gap, a stall, a lost stream."""
    story = quoting_story()
    bid, _ = names(story)
    refusal = e.RiskRefusal(NAME, "collar", "too far")
    story.push(e.Decided((), (refusal, replace(refusal, reason="further"))))
    hold = Hold("loss_day", Stage.STOP, "lost 5 of 4")
    story.push(e.Decided((), (), (StageChange(NAME, hold),)))
    seq = story.ask(i.ModifyOrder(NAME, bid, 985, 10, Stp.CANCEL_NEW))[0]
    story.push(e.RequestRefused(WOULD_TAKE), seq)
    seq = story.ask(i.CancelOrder(NAME, bid))[0]
    story.push(e.OutcomeUnknown("502", 502), seq, after_ns=20 * MS)
    story.push(e.BookDelta(NAME, 9, 8, 0, (), ()))
    story.push(e.LoopStalled(2 * S))
    story.push(e.StreamClosed(NAME, "reset", 0))
    story.push(e.StreamReady(NAME), after_ns=3 * S)
    return story


def test_trouble_is_counted_by_its_kind() -> None:
    figures = reported(troubled_story()).figures()
    risk = figures["risk"]
    assert [(r["rule"], r["count"], r["last"]) for r in risk["refusals"]] == [
        ("collar", 2, "further")
    ]
    assert [(s["rule"], s["stage"], s["count"]) for s in risk["stages"]] == [
        ("loss_day", "STOP", 1)
    ]
    assert [(v["kind"], v["count"]) for v in risk["venue_refusals"]] == [
        ("post_only_would_take", 1)
    ]
    requests = {row["kind"]: row for row in figures["requests"]}
    assert requests["ModifyOrder"]["refused"] == 1
    assert (requests["CancelOrder"]["unknown"], requests["CancelOrder"]["count"]) == (1, 0)
    counts = figures["incidents"]["counts"]
    for kind in ("gap", "stall", "unknown", "stream closed", "stage", "run started"):
        assert counts[kind] == 1, kind
    assert figures["incidents"]["stalled_ns"] == 2 * S
    stream = figures["streams"][NAME]
    assert (stream["closed"], stream["longest_outage_ns"]) == (1, 3 * S)


@pytest.mark.parametrize("product", [Product.SPOT, Product.PERPETUAL, Product.MARGIN])
@given(
    st.lists(
        st.tuples(
            st.integers(1, 9),  # lots
            st.integers(900, 1100),  # price
            st.sampled_from(Side),
            st.decimals(-1, 1, allow_nan=False, places=9),
            st.sampled_from(["BTC", "USDT", "WBT"]),
            st.integers(980, 1005),  # best bid before it; its ask is 1010
        ),
        max_size=12,
    ),
    st.integers(985, 1005),
)
def test_parts_are_cash_and_inventory_and_fees(
    product: Product, deals: list[tuple[int, int, Side, Decimal, str, int]], last: int
) -> None:
    story = Story(quoted(replace(MARKET, product=product)))
    story.settle()
    story.snapshot(990, 1010)
    sampler = Sampler(story.state)
    cash = held = fees = Fraction(0)
    for number, (qty, price, side, fee, asset, best) in enumerate(deals, 1):
        bbo(story, best, 1010, 1_000 + number)
        before = story.state
        deal: VenueFill = fill(
            number, qty=qty, price=price, side=side, role=Role.MAKER, fee=str(fee), fee_asset=asset
        )
        story.push(e.Filled(deal))
        for _ in sampler.observe(before, story.records[-1], story.state):
            pass
        sign = 1 if side is BUY else -1
        cash -= Fraction(sign * qty * price, 100_000)
        held += Fraction(sign * qty, 1000)
        if asset == "BTC":
            held -= Fraction(fee)
        elif asset == "USDT":
            fees += Fraction(fee)
    bbo(story, last, 1010, 2_000)
    (sample,) = sampler.look(story.records[-1], story.state)
    mark = Fraction(last + 1010, 200)
    assert Fraction(sample.parts.total) == cash + held * mark - fees
    parts = sample.parts
    each: list[Any] = [parts.spread, parts.inventory, parts.fees, parts.funding, parts.interest]
    assert sum(map(Fraction, each)) == Fraction(parts.total)
    assert parts.minus(parts) == Parts() == Parts(ZERO, ZERO, ZERO, ZERO, ZERO)


@pytest.mark.parametrize("product", list(Product))
@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**6),  # lots
            st.integers(1, 10**7),  # price
            st.sampled_from(Side),
            st.decimals(-9, 9, allow_nan=False, places=12),
            st.sampled_from(["BTC", "USDT"]),
            st.integers(0, 2 * 10**7),  # twice the mid before it
        ),
        max_size=20,
    ),
    st.decimals(-9, 9, allow_nan=False, places=12),
    st.decimals(0, 9, allow_nan=False, places=12),
    st.integers(0, 2 * 10**7),
)
def test_parts_balance_with_funding_and_interest(
    product: Product,
    deals: list[tuple[int, int, Side, Decimal, str, int]],
    received: Decimal,
    cost: Decimal,
    mark2: int,
) -> None:
    market = replace(MARKET, product=product)
    inventory = Inventory(baseline=ZERO)
    cash = held = fees = Fraction(0)
    for number, (qty, price, side, fee, asset, mid2) in enumerate(deals, 1):
        deal = fill(number, qty=qty, price=price, side=side, fee=str(fee), fee_asset=asset)
        inventory = add_fill(inventory, market, deal, mid2)
        sign = 1 if side is BUY else -1
        cash -= Fraction(sign * qty * price, 100_000)
        held += Fraction(sign * qty, 1000) - (Fraction(fee) if asset == "BTC" else 0)
        fees += Fraction(fee) if asset == "USDT" else 0
    funding = replace(inventory.funding, received=received)
    inventory = replace(inventory, funding=funding, interest=cost)
    parts = parts_of(inventory, market, mark2)
    balance = cash + held * Fraction(mark2, 200) - fees - Fraction(cost) + Fraction(received)
    assert Fraction(parts.total) == balance
    assert parts.plus(parts).minus(parts) == parts
