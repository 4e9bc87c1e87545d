"""Margin on a spot pair: one book, positions on borrowed funds, their fee (6, 10.9, G-22)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    BTC_PERP,
    BTC_USDT,
    US_PER_S,
    ExchangeConfig,
    ModifyOrder,
    NewOco,
    NewOrder,
    Order,
    OrderType,
    PositionSide,
    Reject,
    Side,
    Status,
    Stp,
    to_rate,
)
from engine.errors import ConfigError
from tests.paper.exchange_kit import (
    CONFIG,
    NOW_US,
    PERP,
    SPOT,
    exchange,
    margin,
    order,
    placed,
    refused,
    story,
    totals,
    units,
    with_alice,
)

MINUTE_US = 60 * US_PER_S
# The first whole minute of the test's clock, and what a minute costs.
FIRST_MINUTE_US = -(-NOW_US // MINUTE_US) * MINUTE_US
MINUTE_RATE = to_rate("0.000585") / 10**8 / 1440


def pool(venue: Exchange) -> tuple[int, int]:
    """Stock and money of the pair's pool, in units."""
    found = venue.markets[SPOT].pool
    assert found is not None
    return found.stock, found.money


def bought(amount: str = "1", price: str = "100", **config: object) -> Exchange:
    """Alice is long on margin; bob has sold to her out of his spot funds."""
    venue = exchange(with_alice(**config))
    placed(venue, "bob", order("sell", amount, price))
    placed(venue, "alice", margin("buy", amount, price))
    return venue


@pytest.mark.parametrize("lots", [1_000_000, -1_000_000])
def test_a_position_from_before_is_lent_by_the_pool(lots: int) -> None:
    venue = exchange()
    before = totals(venue)
    venue.begin_position("alice", SPOT, lots, 10_000, NOW_US)
    venue.check()
    assert totals(venue) == before
    closing = "sell" if lots > 0 else "buy"
    placed(venue, "bob", order("buy" if lots > 0 else "sell", "1", "100"))
    placed(venue, "alice", margin(closing, "1", "100"))
    assert venue.accounts["alice"].seats[SPOT].lots == 0
    assert pool(venue) == (0, 0)
    venue.check()


def test_a_long_borrows_the_money_and_the_spot_seller_gets_it() -> None:
    before = totals(exchange())
    venue = bought()
    assert venue.spot_balances("bob")["BTC"].available == units("9")
    assert venue.spot_balances("bob")["USDT"].available == units("1000099.9")
    assert venue.spot_balances("alice")["BTC"].available == units("10")
    assert pool(venue) == (units("1"), -units("100"))
    fill = next(iter(venue.deals("alice")))
    assert (fill.fee, fill.fee_asset) == (units("0.1"), "USDT")
    held = venue.positions("alice")[0]
    assert (held.market, held.side, held.lots) == (SPOT, PositionSide.BOTH, 1_000_000)
    assert (held.cost, held.margin) == (units("100"), units("10"))
    balance = venue.collateral_in("alice", "USDT")
    assert balance is not None
    # Opening does not change the balance but for the fee (10.9).
    assert balance.balance == units("99999.9")
    assert (balance.borrow, balance.margin) == (units("100"), units("10"))
    assert balance.available == units("99989.9")
    assert balance.with_borrow == units("999899")
    assert totals(venue) == before
    venue.check()


def test_a_short_borrows_the_stock_and_closing_returns_it() -> None:
    venue = exchange()
    placed(venue, "bob", order("buy", "2", "100"))
    placed(venue, "alice", margin("sell", "2", "100"))
    assert pool(venue) == (-units("2"), units("200"))
    stock = venue.collateral_in("alice", "BTC")
    assert stock is not None
    # 99,979.8 free x 10 at 100 a piece, in lots of a millionth.
    assert (stock.balance, stock.borrow, stock.available) == (0, units("2"), 0)
    assert stock.with_borrow == units("9997.98")
    assert [each.asset for each in venue.collateral_balances("alice")] == ["USDT", "BTC"]
    placed(venue, "bob", order("sell", "2", "90"))
    placed(venue, "alice", margin("buy", "2", "90", reduce_only=True))
    assert venue.positions("alice") == []
    assert venue.borrows("alice") == []
    # The gain is the account's, so the pool is short of it: 200 taken in, 180 paid.
    assert pool(venue) == (0, units("20"))
    assert venue.collateral("alice")["USDT"].balance == units("100000") + units("20") - units(
        "0.38"
    )
    closed = next(iter(venue.closed_positions("alice")))
    assert (closed.gross_pnl, closed.fees) == (units("19.62"), units("0.38"))
    venue.check()


def test_spot_and_margin_orders_share_book_ids_and_stp() -> None:
    venue = exchange()
    first = placed(venue, "alice", order("buy", "1", "100", client_order_id="one"))
    second = placed(venue, "alice", margin("buy", "1", "100"))
    assert refused(venue, "alice", margin("buy", "1", "99", client_order_id="one")).code == 36
    assert (first.type, second.type) == (OrderType.LIMIT, OrderType.MARGIN_LIMIT)
    venue.drain()
    ended = placed(venue, "alice", margin("sell", "1", "100", stp=Stp.CANCEL_OLD))
    assert ended.status is Status.OPEN
    assert [each.order_id for each in venue.open_orders("alice")] == [ended.order_id]
    placed(venue, "alice", order("sell", "1", "100"))
    taken = placed(venue, "bob", order("buy", "2", "100"))
    assert taken.status is Status.FILLED
    assert story(venue.drain(), "alice")[-4:] == ["P3 FILLED left 0"] * 2 + ["X FILLED"] * 2
    assert venue.accounts["alice"].seats[SPOT].lots == -1_000_000
    assert venue.spot_balances("alice")["BTC"].available == units("9")
    venue.check()


@pytest.mark.parametrize(
    ("types", "left"),
    [
        (("margin",), ["spot", "futures"]),
        (("spot",), ["margin", "futures"]),
        (("futures", "margin"), ["spot"]),
        (None, []),
    ],
)
@pytest.mark.parametrize("timer", [True, False])
def test_types_tell_spot_and_margin_apart(
    types: tuple[str, ...] | None, left: list[str], timer: bool
) -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "1", "100"))
    placed(venue, "alice", margin("buy", "1", "100"))
    placed(venue, "alice", margin("sell", "1", type=OrderType.STOP_MARKET, activation_price="90"))
    placed(venue, "alice", order("buy", "1", "100", market=PERP))
    if timer:
        for market in (SPOT, PERP):
            venue.set_kill_switch("alice", market, 5, types, NOW_US)
        venue.advance(NOW_US + 6 * US_PER_S)
    else:
        venue.cancel_all("alice", None, types, NOW_US)
    found = {venue.markets[each.market].product(each) for each in venue.open_orders("alice")}
    assert found == set(left)
    venue.check()


def test_the_fee_for_borrowing_accrues_by_the_minute_and_is_paid_with_a_change() -> None:
    venue = bought("10")
    before = totals(venue)
    venue.advance(FIRST_MINUTE_US - 1)
    assert venue.positions("alice")[0].unrealized_funding == 0
    venue.advance(FIRST_MINUTE_US + 59 * MINUTE_US)
    owed = venue.positions("alice")[0].unrealized_funding
    assert owed == 60 * (units("1000") * 58_500 // (10**8 * 1440))
    assert owed / units("1") == pytest.approx(1000 * 60 * MINUTE_RATE)
    balance = venue.collateral("alice")["USDT"]
    assert (balance.balance, balance.unrealized_funding) == (units("99999"), owed)
    assert balance.available == units("99899") - owed
    summary = venue.collateral_summary("alice")
    assert (summary.equity, summary.unrealized_funding) == (units("99999") - owed, owed)
    placed(venue, "bob", order("buy", "4", "100"))
    placed(venue, "alice", margin("sell", "4", "100"))
    held = venue.positions("alice")[0]
    assert (held.lots, held.funding, held.unrealized_funding) == (6_000_000, owed, 0)
    assert venue.collateral("alice")["USDT"].balance == units("99998.6") - owed
    changes = list(venue.position_changes("alice"))
    assert [(each.funding_fee, each.funding_paid) for each in changes] == [(owed, owed), (0, 0)]
    venue.advance(FIRST_MINUTE_US + 60 * MINUTE_US)
    placed(venue, "bob", order("buy", "6", "100"))
    sold = placed(venue, "alice", margin("sell", "6", "100"))
    assert sold.status is Status.FILLED
    closed = next(iter(venue.closed_positions("alice")))
    assert closed.funding_paid == owed + units("600") * 58_500 // (10**8 * 1440)
    assert totals(venue) == before
    venue.check()


def test_fills_of_one_order_are_one_change_with_all_of_the_fee() -> None:
    venue = bought("2")
    for _ in range(2):
        placed(venue, "bob", order("buy", "1", "100"))
    venue.advance(FIRST_MINUTE_US)
    owed = venue.positions("alice")[0].unrealized_funding
    assert owed > 0
    placed(venue, "alice", margin("sell", "2", "100"))
    change = next(iter(venue.position_changes("alice")))
    assert (change.trade_lots, change.funding_fee) == (2_000_000, owed)


def test_an_order_turns_the_position_unless_that_is_refused() -> None:
    venue = bought()
    placed(venue, "bob", order("buy", "3", "100"))
    placed(venue, "alice", margin("sell", "3", "100"))
    assert venue.positions("alice")[0].lots == -2_000_000
    strict = exchange(msgspec.structs.replace(with_alice(), refuse_flip=True))
    placed(strict, "bob", order("sell", "1", "100"))
    placed(strict, "alice", margin("buy", "1", "100"))
    assert refused(strict, "alice", margin("sell", "2", "101")).code == 115
    # Spot funds are not part of the position.
    placed(strict, "alice", order("sell", "2", "101"))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (margin("buy", "10001", "100"), 10),
        (margin("buy", "1", "100", post_only=True), 14),
        (margin("buy", "1", "90", reduce_only=True), 116),
        (margin("buy", "1", "100", take_profit="90"), 105),
        (order("sell", "1", "100", market="ETH_USDT", collateral=True), 31),
    ],
)
def test_refused_as_on_a_perpetual(request_: NewOrder, code: int) -> None:
    config = msgspec.structs.replace(
        CONFIG, markets=(*CONFIG.markets, msgspec.structs.replace(BTC_USDT, **OTHER))
    )
    venue = exchange(config)
    placed(venue, "bob", order("sell", "1", "100"))
    assert refused(venue, "alice", request_).code == code


OTHER = {"name": "ETH_USDT", "base_asset": "ETH", "is_margin": False}


def test_hedge_mode_is_of_futures_only() -> None:
    venue = exchange(with_alice(hedge_mode=True))
    placed(venue, "bob", order("sell", "1", "100"))
    bid = placed(venue, "alice", margin("buy", "1", "100", position_side=PositionSide.LONG))
    assert bid.position_side is PositionSide.BOTH
    assert venue.positions("alice")[0].side is PositionSide.BOTH
    assert venue.set_hedge_mode("alice", False, NOW_US) is None


def test_leverage_is_ten_at_most() -> None:
    venue = bought(leverage=50)
    assert venue.positions("alice")[0].margin == units("10")
    refusal = venue.set_leverage("alice", 20, NOW_US)
    assert refusal is not None
    assert refusal.code == 30
    assert venue.set_leverage("alice", 5, NOW_US) is None
    assert venue.positions("alice")[0].margin == units("20")
    alone = exchange(ExchangeConfig(markets=(BTC_USDT,)))
    assert alone.set_leverage("demo-1", 20, NOW_US) is not None


def test_modify_keeps_the_product() -> None:
    venue = exchange()
    bid = placed(venue, "alice", margin("buy", "1", "100"))
    request = ModifyOrder(market=SPOT, order_id=bid.order_id, amount="2", price="101")
    changed = venue.modify("alice", request, NOW_US)
    assert isinstance(changed, Order)
    assert (changed.type, changed.collateral, changed.lots) == (
        OrderType.MARGIN_LIMIT,
        True,
        2_000_000,
    )
    assert venue.spot_balances("alice")["USDT"].freeze == 0
    assert venue.collateral("alice")["USDT"].margin == units("20.2")
    venue.check()


def test_pairs_and_triggers_work_on_a_margin_pair() -> None:
    venue = bought()
    request = NewOco(
        market=SPOT,
        side=Side.SELL,
        amount="1",
        price="120",
        activation_price="90",
        stop_limit_price="85",
        reduce_only=True,
    )
    pair = venue.place_oco("alice", request, NOW_US)
    assert not isinstance(pair, Reject)
    assert venue.cancel_oco("alice", SPOT, pair.oco_id, None, NOW_US)
    placed(venue, "bob", order("sell", "1", "100"))
    placed(venue, "alice", margin("buy", "1", "100", stop_loss="95", take_profit="110"))
    held = venue.positions("alice")[0]
    assert held.take_profit is not None
    assert held.stop_loss is not None
    placed(venue, "bob", order("buy", "3", "95"))
    placed(venue, "bob", order("sell", "0.1", "95"))
    # The stop loss sold all of the position, and the take profit went with it.
    assert venue.positions("alice") == []
    assert venue.open_orders("alice") == []
    venue.check()


def test_only_collateral_stops_count_for_their_limit() -> None:
    venue = exchange(msgspec.structs.replace(with_alice(), margin_stops_max=1))
    stop = {"type": OrderType.STOP_LIMIT, "activation_price": "90"}
    for _ in range(2):
        placed(venue, "alice", msgspec.structs.replace(order("sell", "1", "89"), **stop))
    lent = msgspec.structs.replace(margin("sell", "1", "89"), **stop)
    placed(venue, "alice", lent)
    assert refused(venue, "alice", lent).code == 103


def test_brackets_are_for_positions() -> None:
    market = msgspec.structs.replace(BTC_USDT, brackets={"10": 1000})
    config = msgspec.structs.replace(with_alice(), markets=(market, BTC_PERP))
    venue = exchange(config)
    placed(venue, "alice", order("buy", "11", "100"))
    assert refused(venue, "alice", margin("buy", "11", "100")).code == 111


def test_an_rpi_maker_pays_the_premium_of_spot_markets() -> None:
    premiums = {"rpi_maker_premium": "0.0002", "futures_rpi_maker_premium": "0.0009"}
    venue = exchange(with_alice(**premiums))
    placed(venue, "alice", margin("buy", "1", "100", rpi=True))
    placed(venue, "bob", order("sell", "1", "100", ioc=True, retail=True))
    fill = next(iter(venue.deals("alice")))
    assert (fill.fee, fill.fee_asset) == (units("0.12"), "USDT")


def test_a_perpetual_is_no_margin_pair() -> None:
    market = msgspec.structs.replace(BTC_PERP, is_margin=True)
    with pytest.raises(ConfigError, match="is_margin"):
        exchange(ExchangeConfig(markets=(market,)))
