"""Liquidation with positions on margin pairs and perpetuals in one account (contract 10.12)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.model import (
    BTC_PERP,
    BTC_USDT,
    US_PER_S,
    Borrow,
    OrderType,
    PositionEvent,
    Stage,
)
from tests.paper.core.test_pairs import FIRST_MINUTE_US, MINUTE_US, bought
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    SPOT,
    exchange,
    margin,
    order,
    placed,
    totals,
    units,
    with_alice,
)


class Danger:
    """Alice, poor, long on the pair and on the perpetual; bob trades on spot funds."""

    def __init__(self) -> None:
        self.venue = exchange(with_alice(collateral={"USDT": "100"}))
        self.before = totals(self.venue)
        for market, amount in ((SPOT, "5"), (PERP, "4")):
            placed(self.venue, "bob", order("sell", amount, "100", market=market))
            bid = order("buy", amount, "100", market=market, collateral=True)
            placed(self.venue, "alice", bid)
        self.second = 0

    def print(self, price: str, bids: str = "100") -> None:
        """Move last price and mark; `bids` are what there is to sell to."""
        for market in (SPOT, PERP):
            placed(self.venue, "bob", order("buy", bids, price, market=market))
            placed(self.venue, "bob", order("sell", "0.1", price, market=market))

    def tick(self) -> list[PositionEvent]:
        self.second += 1
        self.venue.drain()
        self.venue.advance(NOW_US + self.second * US_PER_S)
        self.venue.check()
        assert totals(self.venue) == self.before
        return [each for each in self.venue.drain() if isinstance(each, PositionEvent)]

    def lots(self) -> dict[str, int]:
        return {each.market: each.lots for each in self.venue.positions("alice")}


def test_margin_pairs_are_liquidated_before_futures_and_spot_orders_stay() -> None:
    scene = Danger()
    assert scene.tick() == []
    spot_bid = placed(scene.venue, "alice", order("buy", "1", "50"))
    placed(scene.venue, "alice", margin("sell", "1", "200", reduce_only=True))
    scene.print("91")
    # 100 less 81 and fees, below 9 x 91 x 3 % = 24.57.
    told = scene.tick()
    assert [(each.event.value, each.position.market) for each in told] == [(2, SPOT), (2, PERP)]
    assert told[0].borrow == Borrow(
        asset="USDT",
        market=SPOT,
        amount=units("500"),
        opened_us=NOW_US,
        modified_us=NOW_US,
        unrealized_funding=0,
        liquidation_ticks=told[0].position.liquidation_ticks,
    )
    assert told[1].borrow is None
    assert scene.lots() == {SPOT: 3_750_000, PERP: 4_000}
    assert [each.order_id for each in scene.venue.open_orders("alice")] == [spot_bid.order_id]
    last = next(iter(scene.venue.finished_orders("alice")))
    assert (last.source, last.type) == ("liquidation", OrderType.MARGIN_MARKET)
    for _ in range(2):
        scene.tick()
    assert scene.lots()[PERP] == 4_000


def test_the_smallest_margin_position_goes_first_then_the_insurance_pays() -> None:
    other = msgspec.structs.replace(BTC_USDT, name="ETH_USDT", base_asset="ETH")
    config = with_alice(collateral={"USDT": "100"})
    venue = exchange(msgspec.structs.replace(config, markets=(BTC_USDT, other, BTC_PERP)))
    before = totals(venue)
    venue.deposit("bob", "spot", "ETH", units("100"), NOW_US)
    for market, amount in ((SPOT, "5"), ("ETH_USDT", "4")):
        placed(venue, "bob", order("sell", amount, "100", market=market))
        placed(venue, "alice", order("buy", amount, "100", market=market, collateral=True))
    assert venue.borrows("alice")[0].amount == units("900")
    assert venue.borrows("alice")[0].liquidation_ticks is None
    for market in (SPOT, "ETH_USDT"):
        placed(venue, "bob", order("buy", "50", "80", market=market))
        placed(venue, "bob", order("sell", "0.1", "80", market=market))
    sizes = []
    for second in range(1, 10):
        venue.advance(NOW_US + second * US_PER_S)
        venue.check()
        sizes.append({each.market: each.lots for each in venue.positions("alice")})
    assert [size.get("ETH_USDT", 0) for size in sizes[:5]] == [3 * 10**6, 2 * 10**6, 10**6, 0, 0]
    assert sizes[3] == {SPOT: 5_000_000}
    assert sizes[-1] == {}
    assert venue.collateral("alice")["USDT"].balance == 0
    assert venue.ledger.insurance["USDT"] < 0
    assert totals(venue) == before


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_liquidation_price_knows_the_accrued_fee(side: str) -> None:
    venue = exchange(with_alice(collateral={"USDT": "200"}))
    placed(venue, "bob", order("sell" if side == "buy" else "buy", "9", "100"))
    placed(venue, "alice", margin(side, "9", "100"))
    before = venue.positions("alice")[0].liquidation_ticks
    venue.advance(FIRST_MINUTE_US + 24 * 60 * MINUTE_US)
    after = venue.positions("alice")[0].liquidation_ticks
    assert before is not None
    assert after is not None
    # A day costs 0.53 USDT of 900, some six cents of the price.
    assert (after - before) * (1 if side == "buy" else -1) in (6, 7)


def test_a_recovered_pair_has_no_stage() -> None:
    venue = bought("9", collateral={"USDT": "100"})
    stages: list[Stage | None] = []
    for second, price in enumerate(("92.3", "99"), 1):
        placed(venue, "bob", order("sell", "0.1", price))
        placed(venue, "bob", order("buy", "0.1", price))
        venue.advance(NOW_US + second * US_PER_S)
        stages.append(venue.positions("alice")[0].stage)
    assert stages == [Stage.MARGIN_CALL, None]
