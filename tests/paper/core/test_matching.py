"""Priority, flags, self-trade prevention, event order, bulk, modify (contract 10.1-10.6, 10.13)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.background import Background
from adapters.paper.core.model import (
    BboChanged,
    BookChanged,
    CancelOrder,
    ModifyOrder,
    NewOrder,
    Order,
    PublicTrade,
    Reject,
    Side,
    Status,
    Stp,
)
from tests.paper.exchange_kit import CONFIG, NOW_US, SPOT, exchange, order, placed, story

LOT = 1_000_000


def test_time_priority_at_one_price_and_trades_at_the_resting_price() -> None:
    venue = exchange()
    first = placed(venue, "alice", order("sell", "1", "100"))
    second = placed(venue, "alice", order("sell", "1", "100"))
    better = placed(venue, "alice", order("sell", "1", "99"))
    venue.drain()
    placed(venue, "bob", order("buy", "2.5", "101"))
    fills = [(d.counter_order_id, d.ticks, d.lots) for d in venue.deals("bob")]
    assert fills == [
        (second.order_id, 10000, LOT // 2),
        (first.order_id, 10000, LOT),
        (better.order_id, 9900, LOT),
    ]


def test_rpi_waits_behind_all_others_and_only_retail_takes_it() -> None:
    venue = exchange()
    hidden = placed(venue, "alice", order("sell", "1", "100", rpi=True))
    shown = placed(venue, "alice", order("sell", "1", "100"))
    assert venue.markets[SPOT].best() == (0, 0, 10000, LOT)
    placed(venue, "bob", order("buy", "1.5", "100", retail=True))
    assert [d.counter_order_id for d in venue.deals("bob")] == [hidden.order_id, shown.order_id]
    trades = [n for n in venue.drain() if isinstance(n, PublicTrade)]
    assert [(t.rpi, t.lots) for t in trades] == [(False, LOT), (True, LOT // 2)]
    plain = placed(venue, "bob", order("buy", "1", "100"))
    assert plain.status is Status.OPEN
    venue.check()
    everyone = exchange(msgspec.structs.replace(CONFIG, rpi_match_all=True))
    placed(everyone, "alice", order("sell", "1", "100", rpi=True))
    assert placed(everyone, "bob", order("buy", "1", "100")).status is Status.FILLED


def test_ioc_never_rests() -> None:
    venue = exchange()
    placed(venue, "alice", order("sell", "1", "100"))
    venue.drain()
    part = placed(venue, "bob", order("buy", "3", "100", ioc=True))
    assert (part.status, part.leaves_lots, part.deal_lots) == (Status.CANCELED, 2 * LOT, LOT)
    assert story(venue.drain(), "bob") == [
        f"D taker {LOT}@10000",
        f"P3 CANCELED left {2 * LOT}",
        "X CANCELED",
    ]
    none = placed(venue, "bob", order("buy", "3", "100", ioc=True))
    assert (none.status, none.deal_lots) == (Status.CANCELED, 0)
    assert venue.open_orders("bob") == []


STP_CASES = {
    "no: the trade happens, two deals on the account": (
        Stp.NO,
        Status.FILLED,
        [
            f"D maker {LOT}@10000",
            f"D taker {LOT}@10000",
            "P3 FILLED left 0",
            "P3 FILLED left 0",
            "X FILLED",
            "X FILLED",
        ],
    ),
    "cn: the incoming rest is cancelled": (
        Stp.CANCEL_NEW,
        Status.CANCELED_STP,
        [f"P3 CANCELED_STP left {LOT}", "X CANCELED_STP"],
    ),
    "co: the resting one is cancelled, the incoming rests": (
        Stp.CANCEL_OLD,
        Status.OPEN,
        [f"P3 CANCELED_STP left {LOT}", f"P1 OPEN left {LOT}", "X CANCELED_STP"],
    ),
    "cb: both are cancelled": (
        Stp.CANCEL_BOTH,
        Status.CANCELED_STP,
        [f"P3 CANCELED_STP left {LOT}"] * 2 + ["X CANCELED_STP"] * 2,
    ),
}


@pytest.mark.parametrize("name", STP_CASES)
def test_self_trade_prevention(name: str) -> None:
    stp, status, told = STP_CASES[name]
    venue = exchange()
    placed(venue, "alice", order("sell", "1", "100"))
    venue.drain()
    taker = placed(venue, "alice", order("buy", "1", "100", stp=stp))
    assert taker.status is status
    assert story(venue.drain(), "alice") == told
    deals = list(venue.deals("alice"))
    assert len({deal.deal_id for deal in deals}) == len(deals)
    venue.check()


def test_stp_keeps_earlier_fills_and_spares_other_accounts() -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "1", "99"))
    placed(venue, "alice", order("sell", "1", "100"))
    taker = placed(venue, "alice", order("buy", "3", "101", stp=Stp.CANCEL_NEW))
    assert (taker.status, taker.deal_lots) == (Status.CANCELED_STP, LOT)
    assert len(venue.open_orders("alice")) == 1


def test_event_order_of_resting_part_fill_full_fill_and_cancel() -> None:
    venue = exchange()
    placed(venue, "alice", order("sell", "2", "100"))
    assert story(venue.drain(), "alice") == [f"P1 OPEN left {2 * LOT}"]
    placed(venue, "bob", order("buy", "0.5", "100"))
    notices = venue.drain()
    assert story(notices, "alice") == [
        f"D maker {LOT // 2}@10000",
        f"P2 PARTIALLY_FILLED left {LOT * 3 // 2}",
    ]
    assert story(notices, "bob") == [f"D taker {LOT // 2}@10000", "P3 FILLED left 0", "X FILLED"]
    kinds = [type(notice).__name__ for notice in notices]
    public = ["PublicTrade", "BookChanged", "BboChanged"]
    assert kinds == ["Deal"] * 2 + ["Pending"] * 2 + ["Executed"] + public
    placed(venue, "bob", order("buy", "2", "100"))
    notices = venue.drain()
    assert story(notices, "alice")[-2:] == ["P3 FILLED left 0", "X FILLED"]
    assert story(notices, "bob") == [
        f"D taker {LOT * 3 // 2}@10000",
        f"P1 PARTIALLY_FILLED left {LOT // 2}",
    ]
    resting = venue.open_orders("bob")[0]
    request = CancelOrder(market=SPOT, order_id=resting.order_id)
    gone = venue.cancel("bob", request, NOW_US)
    assert isinstance(gone, Order)
    assert (gone.status, gone.leaves_lots) == (Status.CANCELED, LOT // 2)
    assert story(venue.drain(), "bob") == [f"P3 CANCELED left {LOT // 2}", "X CANCELED"]
    again = venue.cancel("bob", request, NOW_US)
    assert isinstance(again, Reject)
    assert (again.http, again.code) == (400, 2)
    assert [o.status for o in venue.finished_orders("bob")] == [Status.CANCELED, Status.FILLED]


def test_modify_goes_to_the_back_and_keeps_flags_and_client_id() -> None:
    venue = exchange()
    old = placed(
        venue,
        "alice",
        order("sell", "2", "100", client_order_id="m", post_only=True, stp=Stp("cn")),
    )
    placed(venue, "bob", order("buy", "0.5", "100"))
    other = placed(venue, "bob", order("sell", "1", "100"))
    venue.drain()
    request = ModifyOrder(market=SPOT, client_order_id="m", amount="1", stp=Stp.NO)
    new = venue.modify("alice", request, NOW_US + 5)
    assert isinstance(new, Order)
    assert new.order_id > other.order_id > old.order_id
    assert (new.client_order_id, new.post_only, new.stp) == ("m", True, Stp.NO)
    assert (new.lots, new.leaves_lots, new.deal_lots, new.ctime_us) == (LOT, LOT, 0, NOW_US + 5)
    notices = venue.drain()
    assert story(notices, "alice") == [
        f"P3 CANCELED left {LOT * 3 // 2}",
        "X CANCELED",
        f"P1 OPEN left {LOT}",
    ]
    placed(venue, "bob", order("buy", "1", "100", stp=Stp.NO))
    assert next(iter(venue.deals("bob"))).counter_order_id == other.order_id
    assert venue.spot_balances("alice")["BTC"].freeze == 10**18


def test_modify_that_matches_at_once_has_only_event_3_for_the_new_id() -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "1", "101"))
    placed(venue, "alice", order("buy", "1", "100", client_order_id="m"))
    venue.drain()
    request = ModifyOrder(market=SPOT, client_order_id="m", price="101")
    assert isinstance(venue.modify("alice", request, NOW_US), Order)
    assert story(venue.drain(), "alice") == [
        f"P3 CANCELED left {LOT}",
        "X CANCELED",
        f"D taker {LOT}@10100",
        "P3 FILLED left 0",
        "X FILLED",
    ]


@pytest.mark.parametrize(("stop", "answers"), [(False, 4), (True, 2)])
def test_bulk_is_sequential_without_rollback(stop: bool, answers: int) -> None:
    venue = exchange()
    already = Reject(422, 30, "Validation failed", {"side": ["bad"]})
    items: list[NewOrder | Reject] = [
        order("sell", "1", "100"),
        already,
        order("buy", "1", "100", stp=Stp.CANCEL_NEW),
        order("buy", "1", "99", client_order_id="z"),
    ]
    results = venue.place_bulk("alice", items, stop, NOW_US)
    assert len(results) == answers
    assert results[1] is already
    assert len(venue.open_orders("alice")) == (1 if stop else 2)
    if not stop:
        crossed = results[2]
        assert isinstance(crossed, Order)
        assert crossed.status is Status.CANCELED_STP
        times = {r.ctime_us for r in results if isinstance(r, Order)}
        assert times == {NOW_US}


def test_bulk_cancel_never_stops_early() -> None:
    venue = exchange()
    kept = placed(venue, "alice", order("buy", "1", "100", client_order_id="c"))
    items: list[CancelOrder | Reject] = [
        CancelOrder(market=SPOT, order_id=5),
        CancelOrder(market="NO_NO", order_id=5),
        CancelOrder(market=SPOT, client_order_id="c"),
    ]
    results = venue.cancel_bulk("alice", items, NOW_US)
    assert [r.code for r in results[:2] if isinstance(r, Reject)] == [404, 31]
    gone = results[2]
    assert isinstance(gone, Order)
    assert gone.order_id == kept.order_id


def test_depth_counts_every_change_and_hides_rpi() -> None:
    venue = exchange()
    market = venue.markets[SPOT]
    placed(venue, "alice", order("buy", "1", "100"))
    placed(venue, "bob", order("buy", "2", "100"))
    placed(venue, "bob", order("buy", "1", "99"))
    placed(venue, "bob", order("buy", "1", "98"))
    before = market.update_id
    venue.drain()
    placed(venue, "bob", order("buy", "1", "105", rpi=True))
    assert venue.drain()[1:] == []
    assert market.update_id == before == 4
    assert market.depth(2) == (((10000, 3 * LOT), (9900, LOT)), ())
    placed(venue, "alice", order("sell", "1", "100", ioc=True))
    book = [n for n in venue.drain() if isinstance(n, BookChanged | BboChanged)]
    assert book == [
        BookChanged(SPOT, 5, NOW_US),
        BboChanged(SPOT, 5, NOW_US, 10000, 2 * LOT, 0, 0),
    ]


def test_market_order_stops_at_the_taker_band() -> None:
    venue = exchange()
    background = Background(venue, SPOT)
    for price in ("100", "105", "105.01"):
        placed(venue, "alice", order("sell", "1", price))
    banded = background.take(Side.BUY, 5 * LOT, NOW_US)
    assert (banded.status, banded.deal_lots) == (Status.CANCELED_TAKER_BAND, 2 * LOT)
    empty = background.take(Side.BUY, 5 * LOT, NOW_US)
    assert (empty.status, empty.deal_lots) == (Status.CANCELED, LOT)
    assert background.take(Side.BUY, LOT, NOW_US).status is Status.CANCELED


def test_background_level_shrinks_in_place_and_grows_behind_users() -> None:
    venue = exchange()
    background = Background(venue, SPOT)
    background.set_level(Side.SELL, 10000, 5 * LOT, NOW_US)
    background.set_level(Side.SELL, 10000, 6 * LOT, NOW_US)
    placed(venue, "alice", order("sell", "1", "100"))
    background.set_level(Side.SELL, 10000, 8 * LOT, NOW_US)
    placed(venue, "bob", order("buy", "7", "100"))
    assert venue.open_orders("alice") == []
    assert venue.markets[SPOT].best() == (0, 0, 10000, 2 * LOT)
    background.set_level(Side.SELL, 10000, LOT, NOW_US)
    assert venue.markets[SPOT].best() == (0, 0, 10000, LOT)
    background.set_level(Side.BUY, 10000, LOT, NOW_US)
    assert venue.markets[SPOT].best() == (10000, LOT, 0, 0)
    placed(venue, "alice", order("sell", "0.5", "100", ioc=True))
    background.set_level(Side.BUY, 10000, 0, NOW_US)
    assert venue.markets[SPOT].best() == (0, 0, 0, 0)
    venue.check()


def test_time_never_steps_back() -> None:
    venue = exchange()
    venue.place("alice", order("buy", "1", "100"), NOW_US + 10)
    late = venue.place("alice", order("buy", "1", "99"), NOW_US)
    assert isinstance(late, Order)
    assert late.ctime_us == NOW_US + 10
