"""Random leveraged users, index jumps, funding and liquidations against a naive reference."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.paper.core.background import Background
from adapters.paper.core.model import (
    FLOW_ACCOUNTS,
    FLOW_MAKER,
    US_PER_S,
    AccountSpec,
    Deal,
    ExchangeConfig,
    MarketSpec,
    NewOrder,
    Notice,
    Order,
    OrderType,
    Pending,
    PositionEvent,
    PositionSide,
    Reject,
    Side,
)
from tests.paper.exchange_kit import exchange, totals
from tests.paper.reference_margin import UNIT, ReferenceAccount, filled, paid

PERP = MarketSpec(
    name="BTC_PERP",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=0,
    stock_prec=0,
    qty_min="1",
    total_min="0",
    is_perpetual=True,
    maker_rate="-0.0001",
    taker_rate="0.00055",
    funding_interval_minutes=1,
    leverage_max=50,
    brackets={"50": 2_000},
)


def _account(name: str, usdt: str, leverage: int, *, hedge: bool = False) -> AccountSpec:
    return AccountSpec(name=name, collateral={"USDT": usdt}, leverage=leverage, hedge_mode=hedge)


SPECS = (
    _account("calm", "100000", 2),
    _account("bold", "300", 50),
    _account("hedger", "500", 20, hedge=True),
    _account("switcher", "400", 10),
)
CONFIG = ExchangeConfig(markets=(PERP,), accounts=(*SPECS, *FLOW_ACCOUNTS))
NAMES = [spec.name for spec in SPECS]

users = st.sampled_from(NAMES)
sides = st.sampled_from(list(Side))
ticks = st.integers(90, 110)
lots = st.integers(1, 40)
# Refusals that depend on state: no book, funds, maker only, brackets, mode, nothing to reduce.
REFUSALS = {10, 12, 14, 111, 112, 114, 116}


class MarginMachine(RuleBasedStateMachine):
    config, market = CONFIG, PERP.name
    leverage_max: ClassVar[dict[str, int]] = {PERP.name: 50}
    # Refusals of a leverage: too little margin, too large a position.
    leverage_refusals: tuple[int, ...] = (17, 111)

    def __init__(self) -> None:
        super().__init__()
        self.venue = exchange(self.config)
        self.background = Background(self.venue, self.market)
        self.before = totals(self.venue)
        self.now_us = self.venue.matcher.now_us
        self.accounts = {
            spec.name: ReferenceAccount(Fraction(spec.collateral["USDT"])) for spec in SPECS
        }
        self.insurance = Fraction(0)
        self.told: list[Notice] = []

    @rule(
        user=users,
        side=sides,
        price=ticks,
        qty=lots,
        position=st.sampled_from(list(PositionSide)),
        flag=st.sampled_from(["", "", "post_only", "ioc", "reduce_only"]),
        market=st.booleans(),
    )
    def place(
        self,
        user: str,
        side: Side,
        price: int,
        qty: int,
        position: PositionSide,
        flag: str,
        market: bool,
    ) -> None:
        request = NewOrder(
            market=self.market,
            side=side,
            amount=str(qty),
            price=None if market else str(price),
            type=OrderType.MARKET if market else OrderType.LIMIT,
            position_side=position,
            collateral=True,
        )
        if flag and (flag == "reduce_only" or not market):
            request = msgspec.structs.replace(request, **{flag: True})
        answer = self.venue.place(user, request, self.now_us)
        if isinstance(answer, Reject):
            assert answer.code in REFUSALS
        else:
            assert answer.lots <= qty

    @rule(user=users)
    def cancel_all(self, user: str) -> None:
        self.venue.cancel_all(user, None, None, self.now_us)
        assert self.venue.open_orders(user) == []

    @rule(user=users, leverage=st.sampled_from([1, 2, 5, 10, 20, 50]))
    def set_leverage(self, user: str, leverage: int) -> None:
        before = self.venue.leverage(user)
        answer = self.venue.set_leverage(user, leverage, self.now_us)
        assert answer is None or answer.code in self.leverage_refusals
        assert self.venue.leverage(user) == (leverage if answer is None else before)

    @rule(user=users, wanted=st.booleans())
    def set_hedge_mode(self, user: str, wanted: bool) -> None:
        busy = bool(self.venue.positions(user) or self.venue.open_orders(user))
        changed = self.venue.hedge_mode(user) is not wanted
        answer = self.venue.set_hedge_mode(user, wanted, self.now_us)
        assert (answer is not None) == (busy and changed)

    @rule(user=users)
    def close_position(self, user: str) -> None:
        for held in self.venue.positions(user):
            # Closing one may fill an order of the same account that closes the other.
            still = {each.position_id for each in self.venue.positions(user)}
            number = held.position_id
            answer = self.venue.close_position(user, held.market, number, self.now_us)
            expected = 12 if number in still else 104
            assert isinstance(answer, Order) or answer.code == expected

    @rule(side=sides, price=st.integers(70, 130), qty=lots)
    def background_trades(self, side: Side, price: int, qty: int) -> None:
        self.background.set_level(side, price, qty, self.now_us)
        self.background.take_limit(side.opposite, price, qty // 2 + 1, self.now_us)

    @rule(price=st.one_of(st.none(), st.integers(70, 130)))
    def set_index(self, price: int | None) -> None:
        text = None if price is None else str(price)
        assert self.venue.set_index(PERP.name, text, self.now_us) is None

    @rule(user=users, side=sides, price=ticks, qty=st.integers(10, 150))
    def bet(self, user: str, side: Side, price: int, qty: int) -> None:
        """Open as much as the margin allows, against the background."""
        self._bet(self.background, user, side, price, qty)

    def _bet(self, background: Background, user: str, side: Side, price: int, qty: int) -> None:
        background.set_level(side.opposite, price, qty, self.now_us)
        hedge = self.venue.hedge_mode(user)
        long_or_short = PositionSide.LONG if side is Side.BUY else PositionSide.SHORT
        request = NewOrder(
            market=background.market.spec.name,
            side=side,
            amount=str(qty),
            price=str(price),
            ioc=True,
            position_side=long_or_short if hedge else PositionSide.BOTH,
            collateral=True,
        )
        answer = self.venue.place(user, request, self.now_us)
        assert isinstance(answer, Order) or answer.code in REFUSALS

    @rule(price=st.integers(80, 120), seconds=st.integers(1, 6), depth=st.integers(0, 60))
    def shock(self, price: int, seconds: int, depth: int) -> None:
        """Move mark and book at once, then let the venue act."""
        for side in Side:
            for order in list(self.venue.markets[self.market].opposite(side)[0].orders()):
                if order.account == FLOW_MAKER:
                    self.background.set_level(order.side, order.ticks, 0, self.now_us)
        self.set_index(price)
        self.background_trades(Side.BUY, price, 2)
        self.background.set_level(Side.BUY, price - 1, depth, self.now_us)
        self.background.set_level(Side.SELL, price + 1, depth, self.now_us)
        self.wait(seconds)

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_us += US_PER_S
            self._collect()
            self._before_a_second()
            self.venue.advance(self.now_us)
            news = self.venue.drain()
            self.told += news
            self._collect()
            self._check_stages(news)

    def _before_a_second(self) -> None:
        """Do to the reference what a second does besides payments of funding."""

    def _check_stages(self, news: list[Notice]) -> None:
        marks = self._marks()
        if any(isinstance(each, Deal) for each in news):
            return  # Liquidations have moved prices since the stages were decided.
        for name, account in self.accounts.items():
            leverage = self.venue.leverage(name)
            leverages = {market: min(leverage, most) for market, most in self.leverage_max.items()}
            expected = account.stage(marks, leverages)
            for held in self.venue.positions(name):
                assert held.stage is expected
        for each in news:
            if isinstance(each, PositionEvent):
                assert each.position.stage is not None

    def _marks(self) -> dict[str, int]:
        return {name: market.mark_ticks() or 0 for name, market in self.venue.markets.items()}

    def _collect(self) -> None:
        """Tell the reference all fills, payments and insurance since the last time."""
        self.told += self.venue.drain()
        orders = [each.order for each in self.told if isinstance(each, Pending)]
        for each in self.told:
            if isinstance(each, Deal):
                self._fill(each, filled(each, orders))
        self.told = []
        for name, account in self.accounts.items():
            payments = self.venue.accounts[name].funding
            for payment in payments:
                assert Fraction(payment.amount, UNIT) == paid(payment)
                account.cash += paid(payment)
            payments.clear()
        self._collect_insurance()

    def _fill(self, deal: Deal, order: Order) -> None:
        self.accounts[deal.account].fill(deal, order.position_side)

    def _collect_insurance(self) -> None:
        covered = -Fraction(self.venue.ledger.insurance.get("USDT", 0), UNIT) - self.insurance
        self.insurance += covered
        for name, account in self.accounts.items():
            owed = -account.cash
            flat = not any(account.lots.values())
            if flat and owed > 0 and not self.venue.collateral(name)["USDT"].balance:
                account.cash, covered = Fraction(0), covered - owed
        assert covered == 0

    @invariant()
    def accounts_agree_with_the_reference(self) -> None:
        self._collect()
        marks = self._marks()
        for name, account in self.accounts.items():
            for market, seat in self.venue.accounts[name].seats.items():
                for position in seat.positions:
                    assert position.lots == account.lots.get((market, position.side), 0)
            held = self.venue.collateral(name)["USDT"]
            equity = held.balance + held.unrealized_pnl - held.unrealized_funding
            assert Fraction(equity, UNIT) == account.equity(marks)
            if not self.venue.open_orders(name) and not any(account.lots.values()):
                assert held.margin == 0

    @invariant()
    def nothing_is_lost(self) -> None:
        self.venue.check()
        assert totals(self.venue) == self.before


MarginMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestMargin = pytest.mark.slow(MarginMachine.TestCase)
