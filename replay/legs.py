"""Where the legs of our orders begin: what was known when each was decided on and sent."""

from __future__ import annotations

from typing import Any

from engine.events import Record
from engine.intents import ModifyOrder, NewOrder
from engine.orders import Order
from engine.state import MarketState
from engine.top import mid2, net_top
from replay.trails import Cause, Leg, Moment, ParameterSet


def moment_of(market: MarketState, record: Record) -> Moment:
    """Return what was known of a market when a record came."""
    return Moment(record.seq, record.recv_ns, mid2(market), net_top(market))


def cause_of(record: Record) -> Cause:
    event: Any = record.event
    venue_us = getattr(event, "venue_us", 0)
    if not venue_us and (trades := getattr(event, "trades", ())):
        venue_us = trades[0].venue_us
    return Cause(record.seq, record.recv_ns, type(event).__name__, venue_us)


class Decision:
    """What the legs of one decision on one market have in common."""

    __slots__ = ("_common", "_decided", "_feed")

    def __init__(
        self,
        market: MarketState,
        run_id: str,
        parameters: ParameterSet,
        frame: Record | None,
        trigger: Record | None,
        record: Record,
    ) -> None:
        """Take in what a decision rested on.

        Args:
            market: Before the decision.
            run_id: Of the run that decides.
            parameters: In force.
            frame: Newest market frame folded.
            trigger: The record before the decision.
            record: The decision.
        """
        self._feed = market.feed
        self._decided = moment_of(market, record)
        self._common = (
            run_id,
            parameters,
            None if frame is None else cause_of(frame),
            None if trigger is None else cause_of(trigger),
            self._decided,
        )

    def sent(self, market: MarketState, record: Record) -> Moment:
        """Return the moment of a request, before it counts.

        Requests of one decision follow each other at once, and what has not arrived yet is not in
        the book: as long as no frame came, the top is that of the decision.
        """
        if market.feed is self._feed:
            decided = self._decided
            return Moment(record.seq, record.recv_ns, decided.mid2, decided.top)
        return moment_of(market, record)

    def placed(self, new: NewOrder, sent: Moment) -> Leg:
        """Begin the first leg of an order."""
        return Leg(
            new.client_order_id, 0, new.side, new.price, new.qty, new.level, new.stp, new.rpi,
            new.post_only, *self._common, sent,
        )  # fmt: skip

    def modified(self, leg: Leg, level: int, intent: ModifyOrder, sent: Moment) -> Leg:
        """Begin the leg that a modify asks for.

        Args:
            leg: The one before.
            level: Of the order from now on.
            intent: The modify.
            sent: When it was sent.
        """
        return Leg(
            leg.client_order_id, leg.number + 1 if leg.number >= 0 else leg.number, leg.side,
            intent.price, intent.qty, level, intent.stp, leg.rpi, leg.post_only, *self._common,
            sent,
        )  # fmt: skip


def unknown_leg(order: Order, run_id: str) -> Leg:
    """Return what is known of an order whose decision the journal does not hold."""
    return Leg(
        client_order_id=order.client_order_id,
        number=-1,
        side=order.side,
        price=order.price,
        qty=order.qty,
        level=order.level,
        stp=order.stp,
        rpi=order.rpi,
        post_only=order.post_only,
        run_id=run_id,
        parameters=None,
        frame=None,
        trigger=None,
        decided=None,
        sent=None,
    )
