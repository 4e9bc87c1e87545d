"""Funds, fees, positions, margin and kill-switch (contract 6.5, 6.6, 10.8-10.10)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from adapters.paper.core.model import (
    AccountSpec,
    CancelOrder,
    ExchangeConfig,
    FeeOverride,
    KillSwitch,
    MarketSpec,
    Order,
    Reject,
    Status,
    scaled_text,
    units_text,
)
from engine.errors import ConfigError
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    SPOT,
    exchange,
    net_lots,
    order,
    placed,
    story,
    totals,
    units,
    with_alice,
)

NOW_S = NOW_US // 1_000_000


def test_texts_are_trimmed() -> None:
    assert [scaled_text(v, 2) for v in (0, 5, -5, 100, 12345, -100)] == [
        "0",
        "0.05",
        "-0.05",
        "1",
        "123.45",
        "-1",
    ]
    assert units_text(units("0.0002625")) == "0.0002625"


def test_spot_order_freezes_exactly_what_it_may_spend() -> None:
    venue = exchange()
    buy = placed(venue, "alice", order("buy", "0.5", "100.01"))
    placed(venue, "alice", order("sell", "2", "200"))
    balances = venue.spot_balances("alice")
    assert balances["USDT"].freeze == units("50.005")
    assert balances["USDT"].available == units("999949.995")
    assert (balances["BTC"].available, balances["BTC"].freeze) == (units("8"), units("2"))
    assert venue.take_dirty_spot() == {"alice": {"USDT": None, "BTC": None}}
    assert venue.take_dirty_spot() == {}
    venue.cancel("alice", CancelOrder(market=SPOT, order_id=buy.order_id), NOW_US)
    assert venue.spot_balances("alice")["USDT"].freeze == 0


def test_spot_fees_are_the_exact_product_in_the_received_asset() -> None:
    venue = exchange()
    before = totals(venue)
    placed(venue, "bob", order("sell", "0.2625", "100.03"))
    placed(venue, "alice", order("buy", "0.2625", "105"))
    bought, sold = next(iter(venue.deals("alice"))), next(iter(venue.deals("bob")))
    assert (units_text(bought.fee), bought.fee_asset) == ("0.0002625", "BTC")
    assert (units_text(sold.fee), sold.fee_asset) == ("0.026257875", "USDT")
    assert venue.spot_balances("alice")["USDT"].available == units("999973.742125")
    assert venue.spot_balances("alice")["BTC"].available == units("10.2622375")
    assert totals(venue) == before


def test_negative_maker_fee_is_a_credit_and_rpi_pays_a_premium() -> None:
    override = {SPOT: FeeOverride("-0.0001", "0.002")}
    venue = exchange(with_alice(fees=override, rpi_maker_premium="0.0003"))
    before = totals(venue)
    placed(venue, "alice", order("sell", "1", "100"))
    placed(venue, "alice", order("sell", "1", "101", rpi=True))
    placed(venue, "bob", order("buy", "2", "101", retail=True))
    fees = [units_text(deal.fee) for deal in venue.deals("alice")]
    assert fees == ["0.0202", "-0.01"]
    assert venue.fee_rates("alice", SPOT) == (-10_000, 200_000, 20_000)
    assert totals(venue) == before


def test_position_averages_reduces_flips_and_conserves() -> None:
    venue = exchange()
    before = totals(venue)
    for amount, price in (("1", "100"), ("2", "100.1")):
        placed(venue, "alice", order("buy", amount, price, market=PERP))
        placed(venue, "bob", order("sell", amount, price, market=PERP))
    held = venue.positions("alice")[0]
    assert (held.lots, held.cost) == (3000, units("300.2"))
    assert held.base_price == Decimal("100.066666666666666666")
    placed(venue, "alice", order("sell", "1", "110", market=PERP))
    placed(venue, "bob", order("buy", "1", "110", market=PERP))
    held = venue.positions("alice")[0]
    assert held.realized_pnl == units("110") - units("300.2") // 3
    assert held.unrealized_pnl == units("220") - held.cost
    placed(venue, "alice", order("sell", "5", "120", market=PERP))
    placed(venue, "bob", order("buy", "5", "120", market=PERP))
    flipped = venue.positions("alice", PERP)[0]
    assert (flipped.lots, flipped.cost) == (-3000, units("-360"))
    assert flipped.position_id != held.position_id
    assert flipped.realized_pnl == 0
    placed(venue, "bob", order("sell", "3", "90", market=PERP))
    placed(venue, "alice", order("buy", "3", "90", market=PERP))
    assert venue.positions("alice") == venue.positions("bob") == []
    assert net_lots(venue) == 0
    assert totals(venue) == before
    fees = sum((d.fee for name in ("alice", "bob") for d in venue.deals(name)), 0)
    sums = venue.collateral("alice")["USDT"].balance + venue.collateral("bob")["USDT"].balance
    assert sums + fees == units("200000")


def test_margin_counts_the_worst_of_both_sides() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "2", "1000", market=PERP))
    placed(venue, "alice", order("sell", "3", "2000", market=PERP))
    held = venue.collateral("alice")["USDT"]
    assert (held.margin, held.available) == (units("600"), units("99400"))
    placed(venue, "bob", order("sell", "2", "1000", market=PERP))
    held = venue.collateral("alice")["USDT"]
    assert held.margin == units("400")
    assert venue.positions("alice")[0].margin == units("200")
    assert venue.take_dirty_collateral() == {"alice": None, "bob": None}
    assert venue.take_dirty_collateral() == {}


def test_order_that_reduces_is_accepted_without_free_margin() -> None:
    venue = exchange(with_alice(collateral={"USDT": "100"}, leverage=1))
    placed(venue, "alice", order("buy", "1", "99", market=PERP))
    placed(venue, "bob", order("sell", "1", "99", market=PERP))
    more = venue.place("alice", order("buy", "1", "98", market=PERP), NOW_US)
    assert isinstance(more, Reject)
    assert more.code == 10
    placed(venue, "alice", order("sell", "1", "120", market=PERP))


def test_reduce_only_is_cut_to_the_position_and_ends_with_it() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "2", "100", market=PERP))
    placed(venue, "bob", order("sell", "2", "100", market=PERP))
    cut = placed(venue, "alice", order("sell", "5", "110", market=PERP, reduce_only=True))
    assert (cut.lots, cut.leaves_lots) == (2000, 2000)
    other = placed(venue, "alice", order("sell", "2", "111", market=PERP, reduce_only=True))
    venue.drain()
    placed(venue, "bob", order("buy", "2", "110", market=PERP))
    told = story(venue.drain(), "alice")
    assert told == [
        "D maker 2000@1100",
        "P3 FILLED left 0",
        "P3 AUTO_CANCELED_REDUCE_ONLY left 2000",
        "X FILLED",
        "X AUTO_CANCELED_REDUCE_ONLY",
    ]
    assert other.status is Status.OPEN
    venue.check()


def test_resting_reduce_only_never_turns_the_position() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "2", "100", market=PERP))
    placed(venue, "bob", order("sell", "2", "100", market=PERP))
    placed(venue, "alice", order("sell", "2", "110", market=PERP, reduce_only=True))
    placed(venue, "alice", order("sell", "1", "105", market=PERP))
    placed(venue, "bob", order("buy", "5", "110", market=PERP))
    assert venue.positions("alice") == []
    assert venue.open_orders("alice") == []
    assert venue.open_orders("bob")[0].leaves_lots == 3000


def test_kill_switch_cancels_its_market_and_types_at_the_second() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "1", "100"))
    placed(venue, "alice", order("buy", "1", "100", market=PERP))
    placed(venue, "bob", order("buy", "1", "99"))
    armed = venue.set_kill_switch("alice", SPOT, 5, None, NOW_US + 999_999)
    assert armed == KillSwitch(SPOT, NOW_S, NOW_S + 5, None)
    venue.set_kill_switch("alice", PERP, 5, ("spot",), NOW_US)
    assert venue.next_timer_us() == (NOW_S + 5) * 1_000_000
    assert [t.market for t in venue.kill_switches("alice")] == [PERP, SPOT]
    venue.drain()
    venue.advance((NOW_S + 5) * 1_000_000 - 1)
    assert venue.drain() == []
    venue.advance((NOW_S + 5) * 1_000_000)
    assert story(venue.drain(), "alice") == ["P3 CANCELED left 1000000", "X CANCELED"]
    assert [o.market for o in venue.open_orders("alice")] == [PERP]
    assert len(venue.open_orders("bob")) == 1
    assert venue.kill_switches("alice") == []
    assert venue.next_timer_us() is None


def test_kill_switch_is_reset_and_removed() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "1", "100"))
    venue.set_kill_switch("alice", SPOT, 5, None, NOW_US)
    venue.set_kill_switch("alice", SPOT, 5, ("spot",), NOW_US + 4_000_000)
    venue.advance(NOW_US + 8_000_000)
    assert venue.kill_switches("alice", SPOT)[0].cancellation_s == NOW_S + 9
    assert venue.set_kill_switch("alice", SPOT, None, None, NOW_US) is None
    venue.advance(NOW_US + 100_000_000)
    assert len(venue.open_orders("alice")) == 1
    answer = venue.set_kill_switch("alice", "NO_NO", 5, None, NOW_US)
    assert isinstance(answer, Reject)
    assert answer.code == 31


def test_due_timer_fires_before_the_next_action() -> None:
    venue = exchange()
    placed(venue, "alice", order("sell", "1", "100"))
    venue.set_kill_switch("alice", SPOT, 5, None, NOW_US)
    late = venue.place("bob", order("buy", "1", "100"), NOW_US + 6_000_000)
    assert isinstance(late, Order)
    assert late.status is Status.OPEN


@pytest.mark.parametrize(
    ("market", "types", "left"),
    [
        (None, None, 0),
        (SPOT, None, 1),
        (None, ("spot",), 1),
        (None, ("margin",), 2),
        (PERP, ("futures", "spot"), 1),
    ],
)
def test_cancel_all(market: str | None, types: tuple[str, ...] | None, left: int) -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "1", "100"))
    placed(venue, "alice", order("buy", "1", "100", market=PERP))
    cancelled = venue.cancel_all("alice", market, types, NOW_US)
    assert not isinstance(cancelled, Reject)
    assert len(cancelled) == 2 - left == 2 - len(venue.open_orders("alice"))
    unknown = venue.cancel_all("alice", "NO_NO", None, NOW_US)
    assert isinstance(unknown, Reject)


def test_market_too_fine_for_exact_fees_is_refused() -> None:
    spec = MarketSpec(
        name="A_B",
        base_asset="A",
        quote_asset="B",
        money_prec=6,
        stock_prec=5,
        qty_min="1",
        total_min="1",
    )
    config = ExchangeConfig(markets=(spec,), accounts=(AccountSpec(name="a"),))
    with pytest.raises(ConfigError, match="A_B: money_prec"):
        exchange(config)


@pytest.mark.parametrize(
    "changes", [{"spot": {"DOGE": "1"}}, {"collateral": {"BTC": "1"}}, {"fees": {"X_Y": None}}]
)
def test_account_with_an_unknown_name_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"account alice: .* expected one of"):
        exchange(with_alice(**changes))


@pytest.mark.parametrize(
    "text",
    [
        'taker_band = "5 %"',
        "deals_max = 0",
        'colour = "red"',
        '[[accounts]]\nname = "a"\nleverage = 0',
        '[[accounts]]\nname = "a"\nspot = { BTC = "1e3" }',
        '[[accounts]]\nname = "a"\nrpi_maker_premium = "0.000000001"',
    ],
)
def test_configuration_text_with_a_bad_value_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(text, type=ExchangeConfig)
