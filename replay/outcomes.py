"""Two decisions in one state compared by what they come to: where each order stands afterwards.

A decision that moves an order and one that leaves it where it rests differ by where it stands, not
by one having a request more; so each difference of two decisions has prices to compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from engine.events import Decided
from engine.intents import CancelOrder, Intent, ModifyOrder, NewOrder, PlaceOrders
from engine.orders import MODIFYING
from engine.state import State
from engine.types import Market, Side
from replay.diff import first_difference

BPS = 10_000


class Kind(StrEnum):
    """How two decisions differ about one order, or in one of their parts."""

    PRICE = "price"
    """The order stands at another price."""
    QTY = "qty"
    """At the same price with another size."""
    SETTINGS = "settings"
    """Price and size are the same, something else of the request is not."""
    MORE = "more"
    """It stands in the recomputed decision only."""
    FEWER = "fewer"
    """It stands in the recorded decision only."""
    REQUESTS = "requests"
    """Requests that are about no single order differ: queries, streams, the kill-switch."""
    REFUSALS = "refusals"
    """Risk refuses otherwise."""
    STAGES = "stages"
    """Limits hold the market back otherwise."""


class Stand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where an order stands after a decision."""

    price: int
    """Ticks."""
    qty: int
    """Lots that are left of it."""


class Difference(msgspec.Struct, frozen=True):
    """One order, or one part, about which two decisions differ."""

    seq: int
    """Of the recorded decision."""
    at_ns: int
    kind: Kind
    market: str = ""
    """Empty for what is of no single market."""
    side: Side | None = None
    """None for what is about no single order."""
    client_order_id: str = ""
    """Empty for an order that is new."""
    level: int = 0
    """In the ladder."""
    recorded: Stand | None = None
    """None where it does not stand."""
    recomputed: Stand | None = None
    words: str = ""
    """The first field that differs, where no order tells it."""
    spec: Market | None = None
    """What ticks and lots are of; None with `side`."""

    @property
    def outward_bps(self) -> float | None:
        """How much further from the market the recomputed price is, basis points of the recorded
        one; None unless both stand. For statistics."""
        if self.recorded is None or self.recomputed is None or self.side is None:
            return None
        inward = self.side.sign * (self.recomputed.price - self.recorded.price)
        return -inward * BPS / self.recorded.price


class _Wish(msgspec.Struct, frozen=True, gc=False):
    # What a decision asks for one order; `stand` is None for a cancel.
    level: int
    stand: Stand | None
    request: Intent | NewOrder


_Key = tuple[str, Side, str, int]
"""Market, side, client order id, and the level of an order that is new."""


_EMPTY = Decided((), ())


def differences(
    state: State, seq: int, at_ns: int, recorded: Decided, recomputed: Decided
) -> Iterator[Difference]:
    """Yield what two decisions that were made in one state differ in; nothing if they are equal.

    Args:
        state: Before both.
        seq: Of the recorded one.
        at_ns: When it was made.
        recorded: What was decided.
        recomputed: What is decided now.
    """
    if recorded == recomputed:
        return
    old, old_rest = _wishes(state, recorded.intents)
    new, new_rest = _wishes(state, recomputed.intents)
    same_orders = True
    for key in (*old, *[key for key in new if key not in old]):
        found = _order_difference(state, key, old.get(key), new.get(key), seq, at_ns)
        if found is not None:
            same_orders = False
            yield found
    left_rest, right_rest = tuple(old_rest), tuple(new_rest)
    if same_orders and left_rest == right_rest:
        # The same orders by other requests, or by the same in another order.
        left_rest, right_rest = recorded.intents, recomputed.intents
    for kind, field, left, right in (
        (Kind.REQUESTS, "intents", left_rest, right_rest),
        (Kind.REFUSALS, "refusals", recorded.refusals, recomputed.refusals),
        (Kind.STAGES, "stages", recorded.stages, recomputed.stages),
    ):
        if left != right:
            # As parts of decisions, so that they are named as they are there.
            then = msgspec.structs.replace(_EMPTY, **{field: left})
            now = msgspec.structs.replace(_EMPTY, **{field: right})
            words = first_difference(then, now)
            yield Difference(seq, at_ns, kind, _market(left, right), words=words)


def _wishes(state: State, intents: tuple[Intent, ...]) -> tuple[dict[_Key, _Wish], list[Intent]]:
    wishes: dict[_Key, _Wish] = {}
    rest: list[Intent] = []
    for intent in intents:
        if isinstance(intent, PlaceOrders):
            for new in intent.orders:
                anonymous = msgspec.structs.replace(new, client_order_id="")
                stand = Stand(new.price, new.qty)
                key = (intent.market, new.side, "", new.level)
                wishes[key] = _Wish(new.level, stand, anonymous)
            continue
        market = state.markets.get(getattr(intent, "market", ""))
        if market is not None and isinstance(intent, ModifyOrder | CancelOrder):
            order = market.orders.get(intent.client_order_id)
            if order is not None:
                key = (intent.market, order.side, order.client_order_id, 0)
                after = Stand(intent.price, intent.qty) if isinstance(intent, ModifyOrder) else None
                wishes[key] = _Wish(order.level, after, intent)
                continue
        rest.append(intent)
    return wishes, rest


def _order_difference(
    state: State, key: _Key, old: _Wish | None, new: _Wish | None, seq: int, at_ns: int
) -> Difference | None:
    market, side, client_order_id, _ = key
    wish = old or new
    assert wish is not None, "an order that neither decision is about"
    resting = _resting(state, market, client_order_id)
    left = resting if old is None else old.stand
    right = resting if new is None else new.stand
    if left is not None and right is not None:
        if left.price != right.price:
            kind = Kind.PRICE
        elif left.qty != right.qty:
            kind = Kind.QTY
        elif old is None or new is None or old.request != new.request:
            kind = Kind.SETTINGS
        else:
            return None
    elif left is right:
        return None
    else:
        kind = Kind.MORE if left is None else Kind.FEWER
    return Difference(
        seq=seq,
        at_ns=at_ns,
        kind=kind,
        market=market,
        side=side,
        client_order_id=client_order_id,
        level=wish.level,
        recorded=left,
        recomputed=right,
        spec=state.markets[market].quoted.market,
    )


def _resting(state: State, market: str, client_order_id: str) -> Stand | None:
    # Where an order stands that a decision leaves alone; a new one stands nowhere.
    order = state.markets[market].orders.get(client_order_id) if client_order_id else None
    if order is None:
        return None
    price = order.wanted_price if order.pending is MODIFYING else order.price
    return Stand(price, order.leaves_qty)


def _market(left: tuple[msgspec.Struct, ...], right: tuple[msgspec.Struct, ...]) -> str:
    # Of all that differ, if it is one.
    names = {
        getattr(each, "market", ""): None
        for each in (*left, *right)
        if each not in left or each not in right
    }
    return next(iter(names)) if len(names) == 1 else ""
