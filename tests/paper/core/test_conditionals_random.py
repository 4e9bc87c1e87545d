"""Random pairs, triggers, stops and cancels on one perpetual: nothing is lost or left over."""

from __future__ import annotations

import random
from typing import Any

import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    FLOW_ACCOUNTS,
    AccountSpec,
    CancelOrder,
    ExchangeConfig,
    ModifyOrder,
    NewOco,
    NewOrder,
    Order,
    OrderType,
    Pending,
    PendingEvent,
    PositionSide,
    Side,
    Stp,
)
from tests.paper.core.test_stateful import PERP, SPOT
from tests.paper.exchange_kit import NOW_US, exchange, net_lots, totals

USERS = tuple(
    AccountSpec(name=name, collateral={"USDT": money}, leverage=5, hedge_mode=name == "hedged")
    for name, money in (
        ("one", "1000000"),
        ("two", "1000000"),
        ("hedged", "1000000"),
        ("poor", "60"),
    )
)
CONFIG = ExchangeConfig(markets=(SPOT, PERP), accounts=(*USERS, *FLOW_ACCOUNTS))
KINDS = (OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET)
STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


class Player:
    """Sends random requests; every answer is as good as any other, but must leave books sound."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.venue: Exchange = exchange(CONFIG)
        # Ids that event 1 opened and event 3 has not closed, as a client would keep them.
        self.open: dict[int, Order] = {}

    def ticks(self, low: int = 93, high: int = 107) -> str:
        return str(self.rng.randint(low, high))

    def base(self, user: str) -> dict[str, Any]:
        sides = list(PositionSide)[1:] if user == "hedged" else [PositionSide.BOTH]
        return {
            "market": PERP.name,
            "side": self.rng.choice(list(Side)),
            "amount": str(self.rng.randint(1, 6)),
            "price": self.ticks(97, 103),
            "client_order_id": self.rng.choice(["", "", "a", "b"]),
            "reduce_only": self.rng.random() < 0.2,
            "position_side": self.rng.choice(sides),
            "stp": self.rng.choice(list(Stp)),
        }

    def place(self, user: str) -> None:
        fields = {**self.base(user), "type": self.rng.choice((*KINDS, *STOPS))}
        if fields["type"] in STOPS:
            fields["activation_price"] = self.ticks()
        for name in ("stop_loss", "take_profit"):
            if self.rng.random() < 0.4:
                fields[name] = self.ticks()
        self.venue.place(user, NewOrder(**fields, collateral=True), NOW_US)

    def place_oco(self, user: str) -> None:
        prices: dict[str, Any] = {
            "activation_price": self.ticks(),
            "stop_limit_price": self.ticks(),
        }
        self.venue.place_oco(user, NewOco(**self.base(user), **prices), NOW_US)

    def cancel(self, user: str) -> None:
        request = CancelOrder(market=PERP.name, client_order_id="a")
        orders = self.venue.open_orders(user)
        if orders and self.rng.random() < 0.8:
            order_id = self.rng.choice(orders).order_id
            request = CancelOrder(market=PERP.name, order_id=order_id)
        self.venue.cancel(user, request, NOW_US)

    def cancel_group(self, user: str) -> None:
        ids = [pair.oco_id for pair in self.venue.oco_pairs(user)]
        ids += [o.oto.oto_id for o in self.venue.oto_orders(user) if o.oto is not None]
        if ids:
            answer = self.venue.cancel_conditional(user, PERP.name, self.rng.choice(ids), NOW_US)
            assert answer is None

    def modify(self, user: str) -> None:
        orders = self.venue.open_orders(user)
        if orders:
            old = self.rng.choice(orders)
            changes: dict[str, Any] = {"activation_price" if old.waiting else "price": self.ticks()}
            request = ModifyOrder(market=PERP.name, order_id=old.order_id, **changes)
            self.venue.modify(user, request, NOW_US)

    def close(self, user: str) -> None:
        for held in self.venue.positions(user):
            self.venue.close_position(user, PERP.name, held.position_id, NOW_US)

    def cancel_all(self, user: str) -> None:
        if self.rng.random() < 0.2:
            self.venue.cancel_all(user, None, None, NOW_US)

    def follow(self) -> None:
        """Keep what a client would know from events alone."""
        for notice in self.venue.drain():
            if isinstance(notice, Pending):
                order = notice.order
                if notice.event is PendingEvent.FINISHED:
                    self.open.pop(order.order_id, None)
                else:
                    assert notice.event is PendingEvent.NEW or order.order_id in self.open
                    self.open[order.order_id] = order


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_or_left_over(seed: int) -> None:
    player = Player(seed)
    venue, before = player.venue, totals(player.venue)
    actions = (
        *(player.place,) * 6,
        *(player.place_oco,) * 2,
        *(player.cancel, player.cancel_group, player.modify, player.close, player.cancel_all),
    )
    for _ in range(300):
        player.rng.choice(actions)(player.rng.choice(USERS).name)
        venue.check()
        assert (totals(venue), net_lots(venue)) == (before, 0)
        player.follow()
        opened = [order for user in USERS for order in venue.open_orders(user.name)]
        assert {order.order_id: order for order in opened} == player.open
    for user in USERS:
        venue.cancel_all(user.name, None, None, NOW_US)
        assert venue.open_orders(user.name) == venue.oto_orders(user.name) == []
    venue.check()
    assert venue.matcher.conditionals.pairs == {}
