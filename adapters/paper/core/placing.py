"""From an order request to an order in the engine, or a refusal (5.1-5.3, 6.1, 6.2, 10.2, 10.3)."""

from __future__ import annotations

import msgspec

from adapters.paper.core import checks, checks_modify, rejects
from adapters.paper.core.checks import Wanted
from adapters.paper.core.conditionals import Pair
from adapters.paper.core.ledger import Ledger, Seat, held_money
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import (
    MARGIN_TYPES,
    STOP_TYPES,
    ExchangeConfig,
    ModifyOrder,
    NewOco,
    NewOrder,
    Order,
    OrderType,
    Reject,
    Side,
)

_MARKETS = (OrderType.MARKET, OrderType.STOCK_MARKET, OrderType.MARGIN_MARKET)
_SPOT_SPECIAL = (
    OrderType.MARKET,
    OrderType.STOCK_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.STOP_MARKET,
)


class Placer:
    """Checks new and modified orders against the rules and the state, then submits them."""

    def __init__(self, config: ExchangeConfig, ledger: Ledger, matcher: Matcher) -> None:
        self._config = config
        self._ledger = ledger
        self._matcher = matcher

    def place(self, seat: Seat, request: NewOrder) -> Order | Reject:
        """Place an order of any type; the answer is the order as the engine left it."""
        market, collateral = seat.market, request.collateral
        lends = collateral and market.pool is not None
        if market.spec.is_perpetual is not collateral and not lends:
            return rejects.UNKNOWN_MARKET
        sided = self._sided(seat, request)
        if isinstance(sided, Reject):
            return sided
        request = sided
        wanted = checks.check_new(seat, request)
        if isinstance(wanted, Reject):
            return wanted
        order = self._build(seat, request, wanted)
        refused = self._check_engine(seat, order, None)
        if refused is not None:
            return refused
        # A refused order never existed, so it does not use up an id.
        order.order_id = self._matcher.next_order_id()
        if order.oto is not None:
            oto_id = self._matcher.conditionals.next_id()
            order.oto = msgspec.structs.replace(order.oto, oto_id=oto_id)
        return self._submit(seat, order)

    def place_oco(self, seat: Seat, request: NewOco) -> Pair | Reject:
        """Place the two legs of an OCO (6.3); either both are accepted or none."""
        legs = self._build_legs(seat, request)
        if isinstance(legs, Reject):
            return legs
        take_profit, stop_loss = legs
        refused = self._check_legs(seat, take_profit, stop_loss)
        if refused is not None:
            return refused
        oco_id = self._matcher.conditionals.next_id()
        for leg in (stop_loss, take_profit):
            leg.order_id, leg.oco_id = self._matcher.next_order_id(), oco_id
        pair = Pair(oco_id, stop_loss, take_profit)
        self._matcher.conditionals.pairs[oco_id] = pair
        self._matcher.wait(seat, stop_loss)
        self._submit(seat, take_profit)
        return Pair(oco_id, stop_loss.copy(), take_profit.copy())

    def _build_legs(self, seat: Seat, request: NewOco) -> tuple[Order, Order] | Reject:
        """Return the take-profit and the stop leg, or the first refusal of either."""
        if not seat.market.has_positions:
            return rejects.UNKNOWN_MARKET
        limit = NewOrder(
            market=request.market,
            side=request.side,
            amount=request.amount,
            price=request.price,
            client_order_id=request.client_order_id,
            stp=request.stp,
            reduce_only=request.reduce_only,
            position_side=request.position_side,
            collateral=True,
        )
        stop = msgspec.structs.replace(
            limit,
            type=OrderType.STOP_LIMIT,
            price=request.stop_limit_price,
            activation_price=request.activation_price,
        )
        legs = []
        for leg, price_field in ((limit, "price"), (stop, "stop_limit_price")):
            sided = self._sided(seat, leg)
            if isinstance(sided, Reject):
                return sided
            wanted = checks.check_new(seat, sided)
            if isinstance(wanted, Reject):
                return rejects.renamed(wanted, "price", price_field)
            legs.append(self._build(seat, sided, wanted))
        return legs[0], legs[1]

    def _check_legs(self, seat: Seat, take_profit: Order, stop_loss: Order) -> Reject | None:
        """Refuse legs on wrong sides of the market (150, 151), then by funds."""
        market = seat.market
        if self._matcher.would_take(market, take_profit.side, take_profit.ticks):
            return rejects.OCO_TAKES
        # Without a last price the limit is the only measure of where the market is [C].
        last = market.last_ticks or take_profit.ticks
        if (stop_loss.trigger_ticks > last) is not stop_loss.trigger_above:
            return rejects.OCO_STOP_SIDE
        if self._too_many_stops(seat):
            return rejects.OCO_TOO_MANY_STOPS
        # Only one leg executes, so the dearer one is what must be covered [C].
        dearer = max(take_profit, stop_loss, key=lambda leg: leg.ticks)
        return self._check_engine(seat, dearer, None)

    def _sided(self, seat: Seat, request: NewOrder) -> NewOrder | Reject:
        strict = self._config.strict_position_side
        return checks.check_position_side(seat, request, strict=strict)

    def modify(self, seat: Seat, old: Order, request: ModifyOrder) -> Order | Reject:
        """Replace an order by a new one at the back of the queue (10.5); refused = untouched."""
        wanted = checks_modify.check_modify(seat, old, request)
        if isinstance(wanted, Reject):
            return wanted
        new = old.copy()
        new.ticks, new.budget, new.trigger_ticks = wanted.ticks, wanted.budget, wanted.trigger_ticks
        new.lots = new.leaves_lots = wanted.lots
        new.deal_lots = new.deal_money = new.deal_fee = 0
        new.fee_asset = ""
        new.ctime_us = new.mtime_us = self._matcher.now_us
        if request.stp is not None:
            new.stp = request.stp
        refused = self._check_engine(seat, new, old)
        if refused is not None:
            return refused
        new.order_id = self._matcher.next_order_id()
        self._matcher.cancel(seat, old)
        # The old order's events come before any of the new one's (10.13, "modify").
        self._matcher.finish(seat.market)
        return self._submit(seat, new)

    def _build(self, seat: Seat, request: NewOrder, wanted: Wanted) -> Order:
        now_us = self._matcher.now_us
        is_stop = request.type in STOP_TYPES
        return Order(
            order_id=0,
            account=seat.account.spec.name,
            market=request.market,
            side=request.side,
            type=MARGIN_TYPES[request.type] if request.collateral else request.type,
            ticks=wanted.ticks,
            lots=wanted.lots,
            leaves_lots=wanted.lots,
            ctime_us=now_us,
            mtime_us=now_us,
            client_order_id=request.client_order_id,
            post_only=request.post_only or request.bbo_role == 1,
            ioc=request.ioc,
            rpi=request.rpi,
            # Ignored with postOnly (5.1).
            retail=request.retail and not request.post_only,
            collateral=request.collateral,
            reduce_only=request.reduce_only and request.collateral,
            position_side=request.position_side,
            stp=request.stp,
            budget=wanted.budget,
            trigger_ticks=wanted.trigger_ticks,
            # The condition is decided and kept at placement, from the side alone (G-14).
            trigger_above=is_stop and request.side is Side.BUY,
            bbo_role=request.bbo_role or 0 if is_stop else 0,
            oto=wanted.oto,
        )

    def _submit(self, seat: Seat, order: Order) -> Order:
        if order.waiting:
            self._matcher.wait(seat, order)
        elif order.type in _MARKETS:
            self._matcher.submit_market(seat, order)
        else:
            self._matcher.submit(seat, order, order.ticks)
        self._matcher.finish(seat.market)
        return order.copy()

    def _check_engine(self, seat: Seat, order: Order, old: Order | None) -> Reject | None:
        """Refuse by the state of position, book and funds, in this order [C]."""
        modify = old is not None
        if (
            self._config.refuse_flip
            and order.collateral
            and not order.reduce_only
            and 0 < seat.reducible_lots(order.side) < order.lots
        ):
            return rejects.FLIP_REFUSED
        if order.waiting and order.collateral and old is None and self._too_many_stops(seat):
            return rejects.TOO_MANY_STOPS
        lots, money = order.lots, held_money(seat.market, order)
        if order.type in _MARKETS:
            traded = self._foresee(seat, order)
            if isinstance(traded, Reject):
                return traded
            lots, money = traded
        if order.oto is not None:
            wrong = checks.check_oto(seat.market, order, order.oto)
            if wrong is not None:
                return wrong
        if not order.reduce_only:
            too_big = checks.check_bracket(seat, order, money)
            if too_big is not None:
                return too_big
            if not self._ledger.can_pay(seat, order, money, lots, old):
                return _no_funds(order, modify=modify)
        takes_none = (order.post_only or order.rpi) and not order.waiting
        if takes_none and self._matcher.would_take(seat.market, order.side, order.ticks):
            return rejects.post_only(collateral=order.collateral, modify=modify)
        return None

    def _too_many_stops(self, seat: Seat) -> bool:
        most = self._config.margin_stops_max
        if not most:
            return False
        return sum(each.waiting and each.collateral for each in seat.orders.values()) >= most

    def _foresee(self, seat: Seat, order: Order) -> tuple[int, int] | Reject:
        """Return the (lots, money) to be covered for a market order, 12 when it trades nothing."""
        market = seat.market
        reach = self._matcher.market_reach(market, order)
        if reach is None:
            return rejects.no_book()
        if order.budget:
            enough = self._matcher.buys_something(market, order)
            return (0, order.budget) if enough else rejects.no_book()
        lots, notional = self._matcher.market_sweep(seat, order, reach)
        # A spot seller needs all that is offered, a position only what will trade.
        needed = lots if order.collateral else order.lots
        return needed, notional * market.notional_unit


def _no_funds(order: Order, *, modify: bool) -> Reject:
    """Code 32 on the four spot market and stop endpoints, else 10 (G-27)."""
    if order.type in _SPOT_SPECIAL and not modify:
        return rejects.NO_FUNDS_SPECIAL
    return rejects.no_funds(modify=modify)
