"""Random users against a naive reference: same trades, same queues, nothing lost, no crossing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.paper.core.background import Background
from adapters.paper.core.model import (
    FLOW_ACCOUNTS,
    AccountSpec,
    CancelOrder,
    Deal,
    ExchangeConfig,
    MarketSpec,
    ModifyOrder,
    NewOrder,
    Order,
    OrderType,
    Reject,
    Role,
    Side,
    Stp,
    to_units,
)
from tests.paper.exchange_kit import exchange, net_lots, totals
from tests.paper.reference_book import ReferenceBook, RefOrder

SPOT = MarketSpec(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=0,
    stock_prec=0,
    qty_min="1",
    total_min="0",
    is_margin=True,
)
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
)


def _account(name: str, btc: str, usdt: str) -> AccountSpec:
    return AccountSpec(
        name=name,
        spot={"BTC": btc, "USDT": usdt},
        collateral={"USDT": usdt},
        retail_allowed=True,
        leverage=3,
    )


USERS = (
    _account("rich-1", "1000000", "100000000"),
    _account("rich-2", "1000000", "100000000"),
    # Short of everything, so that the checks of funds decide all the time.
    _account("poor", "3", "400"),
)
CONFIG = ExchangeConfig(markets=(SPOT, PERP), accounts=(*USERS, *FLOW_ACCOUNTS))

# One USDT in units, and a size in money that seldom is a whole number of lots.
MONEY_UNIT = to_units("1")
MONEY_STEP = 73
users = st.sampled_from([user.name for user in USERS])
markets = st.sampled_from([SPOT.name, PERP.name])
# Spot and margin orders share one book.
PRODUCTS = {
    "spot": (SPOT.name, False),
    "margin": (SPOT.name, True),
    "futures": (PERP.name, True),
}
products = st.sampled_from(list(PRODUCTS))
sides = st.sampled_from(list(Side))
ticks = st.integers(95, 105)
lots = st.integers(1, 6)
flags = st.sampled_from(["", "", "", "post_only", "ioc", "rpi", "retail"])
stps = st.sampled_from(list(Stp))


class ExchangeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.venue = exchange(CONFIG)
        self.books = {market.name: ReferenceBook() for market in CONFIG.markets}
        self.background = {m.name: Background(self.venue, m.name) for m in CONFIG.markets}
        self.before = totals(self.venue)
        self.trades: dict[str, list[tuple[int, int, int, int]]] = {m: [] for m in self.books}
        self.now_us = self.venue.matcher.now_us

    @rule(user=users, product=products, side=sides, price=ticks, qty=lots, flag=flags, stp=stps)
    def place(
        self, user: str, product: str, side: Side, price: int, qty: int, flag: str, stp: Stp
    ) -> None:
        request = self._request(product, side, price, qty, flag, stp)
        result = self.venue.place(user, request, self.now_us)
        self._mirror(user, request, result)

    @rule(user=users, product=products, data=st.lists(st.tuples(sides, ticks, lots, flags, stps)))
    def bulk(self, user: str, product: str, data: list[tuple[Side, int, int, str, Stp]]) -> None:
        requests = [self._request(product, *item) for item in data]
        results = self.venue.place_bulk(user, requests, False, self.now_us)
        assert len(results) == len(requests)
        for request, result in zip(requests, results, strict=True):
            self._mirror(user, request, result)

    @rule(user=users, product=products, side=sides, qty=lots, stp=stps, in_stock=st.booleans())
    def place_market(
        self, user: str, product: str, side: Side, qty: int, stp: Stp, in_stock: bool
    ) -> None:
        market, collateral = PRODUCTS[product]
        kind = OrderType.STOCK_MARKET if in_stock and not collateral else OrderType.MARKET
        in_money = kind is OrderType.MARKET and side is Side.BUY and not collateral
        amount = qty * MONEY_STEP if in_money else qty
        request = NewOrder(
            market=market,
            side=side,
            amount=str(amount),
            type=kind,
            stp=stp,
            collateral=collateral,
        )
        order = _sized(RefOrder(0, user, side, 0, qty, stp=stp, market=True), amount, in_money)
        result = self.venue.place(user, request, self.now_us)
        book = self.books[market]
        if isinstance(result, Reject) and result.code == 12:
            found = book.matchable(order)
            assert not found or (in_money and amount < found[0].ticks)
        elif isinstance(result, Reject):
            self._assert_refusal(result, user, False)
        else:
            order.order_id = result.order_id
            book.submit(order)
            left = (result.budget - result.deal_money) // MONEY_UNIT
            assert order.budget == left if in_money else order.leaves == result.leaves_lots

    @rule(
        user=users,
        product=products,
        side=sides,
        price=ticks,
        trigger=ticks,
        qty=lots,
        stp=stps,
        limited=st.booleans(),
    )
    def place_stop(
        self,
        user: str,
        product: str,
        side: Side,
        price: int,
        trigger: int,
        qty: int,
        stp: Stp,
        limited: bool,
    ) -> None:
        market, collateral = PRODUCTS[product]
        in_money = not limited and side is Side.BUY and not collateral
        amount = qty * MONEY_STEP if in_money else qty
        request = NewOrder(
            market=market,
            side=side,
            amount=str(amount),
            price=str(price) if limited else None,
            type=OrderType.STOP_LIMIT if limited else OrderType.STOP_MARKET,
            activation_price=str(trigger),
            stp=stp,
            collateral=collateral,
        )
        book = self.books[market]
        result = self.venue.place(user, request, self.now_us)
        if isinstance(result, Reject) and result.code == 30:
            assert trigger == book.last
        elif isinstance(result, Reject):
            self._assert_refusal(result, user, False)
        else:
            stop = RefOrder(result.order_id, user, side, price, qty, stp=stp, market=not limited)
            stop.trigger = trigger
            book.stops.append(_sized(stop, amount, in_money))

    @rule(user=users, market=markets, index=st.integers(0, 50))
    def cancel(self, user: str, market: str, index: int) -> None:
        orders = self.venue.open_orders(user, market)
        if orders:
            order_id = orders[index % len(orders)].order_id
            answer = self.venue.cancel(user, CancelOrder(market=market, order_id=order_id), 0)
            assert isinstance(answer, Order)
            self.books[market].cancel(order_id)

    @rule(user=users, market=markets, index=st.integers(0, 50), price=ticks, qty=lots, stp=stps)
    def modify(self, user: str, market: str, index: int, price: int, qty: int, stp: Stp) -> None:
        before = self.venue.open_orders(user, market)
        orders = [order for order in before if not order.waiting]
        if not orders:
            return
        old = orders[index % len(orders)]
        request = ModifyOrder(
            market=market, order_id=old.order_id, amount=str(qty), price=str(price), stp=stp
        )
        book = self.books[market]
        new = RefOrder(0, user, old.side, price, qty, rpi=old.rpi, retail=old.retail, stp=stp)
        crossing = self._crosses(book, new)
        answer = self.venue.modify(user, request, self.now_us)
        if isinstance(answer, Reject):
            self._assert_refusal(answer, user, crossing and (old.post_only or old.rpi))
            assert self.venue.open_orders(user, market) == before
            return
        book.cancel(old.order_id)
        new.order_id = answer.order_id
        book.submit(new)
        assert new.leaves == answer.leaves_lots

    @rule(user=users, market=markets, timeout=st.integers(5, 9), step=st.integers(0, 6))
    def arm_and_wait(self, user: str, market: str, timeout: int, step: int) -> None:
        self.venue.set_kill_switch(user, market, timeout, None, self.now_us)
        self.now_us += step * 1_000_000
        ending = [
            (account, timer.market)
            for account in [user.name for user in USERS]
            for timer in self.venue.kill_switches(account)
            if timer.cancellation_s * 1_000_000 <= self.now_us
        ]
        self.venue.advance(self.now_us)
        for account, name in ending:
            self.books[name].cancel_account(account)

    @rule(market=markets, side=sides, price=ticks, qty=lots, retail=st.booleans())
    def background_take(self, market: str, side: Side, price: int, qty: int, retail: bool) -> None:
        background = self.background[market]
        order = background.take_limit(side, price, qty, self.now_us, retail=retail)
        taker = RefOrder(order.order_id, order.account, side, price, qty, retail=retail, ioc=True)
        self.books[market].submit(taker)
        assert taker.leaves == order.leaves_lots

    @rule(market=markets, side=sides, price=ticks, qty=st.integers(0, 6))
    def background_level(self, market: str, side: Side, price: int, qty: int) -> None:
        self.background[market].set_level(side, price, qty, self.now_us)
        self._resync(market)

    @rule(market=markets, side=sides, price=ticks, qty=lots)
    def recorded_trade(self, market: str, side: Side, price: int, qty: int) -> None:
        self.background[market].replay_trade(side, price, qty, self.now_us)
        self._resync(market)

    @invariant()
    def nothing_is_lost_and_books_are_sound(self) -> None:
        self.venue.check()
        assert totals(self.venue) == self.before
        assert net_lots(self.venue) == 0
        for user in USERS:
            if not self.venue.open_orders(user.name):
                assert all(not b.freeze for b in self.venue.spot_balances(user.name).values())

    @invariant()
    def trades_and_queues_agree_with_the_reference(self) -> None:
        for name, fill in self._fills():
            self.trades[name].append(fill)
        for name, book in self.books.items():
            takers = {trade[1] for trade in self.trades[name]}
            assert self.trades[name] == [t for t in book.trades if t[1] in takers]
            market = self.venue.markets[name]
            assert sorted(market.triggers.orders) == [stop.order_id for stop in book.stops]
            assert market.last_ticks == book.last
            for side in Side:
                visible, hidden = market.opposite(side.opposite)
                assert [(o.order_id, o.leaves_lots) for o in visible.orders()] == [
                    (o.order_id, o.leaves) for o in book.queue(side) if not o.rpi
                ]
                assert [(o.order_id, o.leaves_lots) for o in hidden.orders()] == [
                    (o.order_id, o.leaves) for o in book.queue(side) if o.rpi
                ]

    def _fills(self) -> list[tuple[str, tuple[int, int, int, int]]]:
        """Return what users took since the last call; the background has no deals."""
        return [
            (deal.market, (deal.counter_order_id, deal.order_id, deal.ticks, deal.lots))
            for deal in self.venue.drain()
            if isinstance(deal, Deal) and deal.role is Role.TAKER
        ]

    def _request(
        self, product: str, side: Side, price: int, qty: int, flag: str, stp: Stp
    ) -> NewOrder:
        market, collateral = PRODUCTS[product]
        request = NewOrder(
            market=market,
            side=side,
            amount=str(qty),
            price=str(price),
            stp=stp,
            collateral=collateral,
        )
        return msgspec.structs.replace(request, **({flag: True} if flag else {}))

    def _mirror(self, user: str, request: NewOrder, result: Order | Reject) -> None:
        """Do to the reference what was done to the venue, and compare the outcome."""
        book = self.books[request.market]
        order = RefOrder(
            0,
            user,
            request.side,
            int(str(request.price)),
            int(str(request.amount)),
            rpi=request.rpi,
            retail=request.retail,
            ioc=request.ioc,
            stp=request.stp,
        )
        passive_crossing = (request.post_only or request.rpi) and self._crosses(book, order)
        if isinstance(result, Reject):
            self._assert_refusal(result, user, passive_crossing)
            return
        assert not passive_crossing
        order.order_id = result.order_id
        book.submit(order)
        assert order.leaves == result.leaves_lots

    def _crosses(self, book: ReferenceBook, order: RefOrder) -> bool:
        return any(not maker.rpi for maker in book.matchable(order))

    def _assert_refusal(self, refusal: Reject, user: str, passive_crossing: bool) -> None:
        if refusal.code in (13, 14):
            assert passive_crossing
        else:
            assert user == "poor"
            assert refusal.code in (10, 32)
            assert refusal.errors == {"amount": ["Not enough balance."]}

    def _resync(self, market: str) -> None:
        """Take over the queues after an action whose split into orders is not the reference's."""
        book = self.books[market]
        # Stops that were set off took something meanwhile.
        for name, fill in self._fills():
            self.trades[name].append(fill)
            book.trades.append(fill)
        book.last = self.venue.markets[market].last_ticks
        waiting = self.venue.markets[market].triggers.orders
        book.stops = [stop for stop in book.stops if stop.order_id in waiting]
        sides = [s for taker in Side for s in self.venue.markets[market].opposite(taker)]
        # By arrival within each price; a stop that was set off is older by id than by arrival.
        resting = [order for side in sides for order in side.orders()]
        book.orders = [
            RefOrder(o.order_id, o.account, o.side, o.ticks, o.leaves_lots, o.rpi, o.retail)
            for o in resting
        ]


def _sized(order: RefOrder, amount: int, in_money: bool) -> RefOrder:
    """Give an order that is sized in money its budget instead of lots."""
    if in_money:
        order.leaves, order.budget = 0, amount
    return order


ExchangeMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestExchange = pytest.mark.slow(ExchangeMachine.TestCase)


def test_poor_users_spend_no_more_than_they_have() -> None:
    venue = exchange(CONFIG)
    for price in (100, 100, 100, 100):
        request = NewOrder(market=SPOT.name, side=Side.BUY, amount="1", price=str(price))
        assert isinstance(venue.place("poor", request, 0), Order)
    assert isinstance(venue.place("poor", request, 0), Reject)
    assert venue.spot_balances("poor")["USDT"].freeze == to_units("400")
