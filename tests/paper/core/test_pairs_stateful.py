"""Random margin, spot and futures orders of the same accounts, against a naive reference."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from adapters.paper.core.background import Background
from adapters.paper.core.model import (
    FLOW_ACCOUNTS,
    US_PER_S,
    AccountSpec,
    Deal,
    ExchangeConfig,
    Executed,
    MarketSpec,
    NewOrder,
    Notice,
    Order,
    PositionSide,
    Reject,
    Side,
    to_rate,
)
from tests.paper.core.test_margin_stateful import (
    PERP,
    SPECS,
    MarginMachine,
    lots,
    sides,
    ticks,
    users,
)
from tests.paper.reference_margin import UNIT, ReferenceSpot

PAIR = MarketSpec(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=0,
    stock_prec=0,
    qty_min="1",
    total_min="0",
    is_margin=True,
    maker_rate="-0.0001",
    taker_rate="0.001",
)
SPOT_FUNDS = {"BTC": "300", "USDT": "30000"}
CONFIG = ExchangeConfig(
    markets=(PAIR, PERP),
    accounts=(
        *(
            AccountSpec(
                name=spec.name,
                spot=SPOT_FUNDS,
                collateral=spec.collateral,
                leverage=spec.leverage,
                hedge_mode=spec.hedge_mode,
            )
            for spec in SPECS
        ),
        *FLOW_ACCOUNTS,
    ),
    # Enough for fees to matter within minutes.
    borrow_rate="0.9",
)
BORROW_RATE = to_rate(CONFIG.borrow_rate)


class PairMachine(MarginMachine):
    """The rules of the perpetual's machine on a margin pair, whose flow trades on spot funds.

    Bets on the perpetual share the collateral.
    """

    config, market = CONFIG, PAIR.name
    leverage_max: ClassVar[dict[str, int]] = {PAIR.name: 10, PERP.name: 50}
    # Above 10x there is no margin on a spot market.
    leverage_refusals = (17, 30, 111)

    def __init__(self) -> None:
        super().__init__()
        base, quote = (Fraction(SPOT_FUNDS[asset]) for asset in ("BTC", "USDT"))
        self.spot = {spec.name: ReferenceSpot(base, quote) for spec in SPECS}
        self.futures = Background(self.venue, PERP.name)

    @rule(user=users, side=sides, price=ticks, qty=st.integers(10, 150))
    def bet_on_futures(self, user: str, side: Side, price: int, qty: int) -> None:
        self._bet(self.futures, user, side, price, qty)

    @rule(user=users, side=sides, price=ticks, qty=lots)
    def place_spot(self, user: str, side: Side, price: int, qty: int) -> None:
        request = NewOrder(market=self.market, side=side, amount=str(qty), price=str(price))
        answer = self.venue.place(user, request, self.now_us)
        assert isinstance(answer, Order) or answer.code == 10

    @rule(user=users)
    def cancel_margin(self, user: str) -> None:
        spot = [order for order in self.venue.open_orders(user) if not order.collateral]
        self.venue.cancel_all(user, None, ("margin",), self.now_us)
        assert self.venue.open_orders(user) == spot

    @rule(user=users, wanted=st.booleans())
    def set_hedge_mode(self, user: str, wanted: bool) -> None:
        """Margin pairs are always one-way, so they forbid no change of the mode."""
        changed = self.venue.hedge_mode(user) is not wanted
        answer = self.venue.set_hedge_mode(user, wanted, self.now_us)
        assert (answer is not None) == (changed and bool(self.venue.positions(user, PERP.name)))

    @rule(price=st.one_of(st.none(), st.integers(70, 130)))
    def set_index(self, price: int | None) -> None:
        """Move the last price, which is the mark of a margin pair."""
        assert isinstance(self.venue.set_index(self.market, None, self.now_us), Reject)
        if price is not None:
            self.background_trades(Side.SELL, price, 1)

    def _check_stages(self, news: list[Notice]) -> None:
        """Of an account in liquidation the pair goes first."""
        super()._check_stages(news)
        for each in news:
            if isinstance(each, Executed) and each.order.source == "liquidation":
                name, market = each.order.account, each.order.market
                assert market == PAIR.name or name not in self.holders

    def _before_a_second(self) -> None:
        self.holders = [n for n in self.accounts if self.venue.positions(n, PAIR.name)]
        if self.now_us // US_PER_S % 60:
            return
        for name, account in self.accounts.items():
            cost = self.venue.accounts[name].seats[self.market].cost
            minute = abs(cost) * BORROW_RATE // (10**8 * 1440)
            account.cash -= Fraction(minute, UNIT)

    def _fill(self, deal: Deal, order: Order) -> None:
        if order.collateral:
            super()._fill(deal, order)
        else:
            self.spot[deal.account].fill(deal)

    @invariant()
    def spot_funds_agree_with_the_reference(self) -> None:
        self._collect()
        for name, spot in self.spot.items():
            held = self.venue.spot_balances(name)
            owned = [Fraction(held[a].available + held[a].freeze, UNIT) for a in ("BTC", "USDT")]
            assert owned == [spot.base, spot.quote]

    @invariant()
    def borrowed_is_what_the_pool_gave(self) -> None:
        pool = self.venue.markets[self.market].pool
        assert pool is not None
        seats = [self.venue.accounts[name].seats[self.market] for name in self.accounts]
        lent = sum(seat.held[PositionSide.BOTH].lots for seat in seats)
        assert pool.stock == lent * UNIT
        for name in self.accounts:
            for each in self.venue.borrows(name):
                held = self.venue.collateral_in(name, each.asset)
                assert held is not None
                assert 0 < each.amount == held.borrow


PairMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestPair = pytest.mark.slow(PairMachine.TestCase)
