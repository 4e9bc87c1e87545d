"""The planner: wanted quotes against working orders, in the fewest requests.

What is good enough is kept with its place in the queue. What is not is modified in one request
(the venue's modify is a cancel plus a new order at the back, so it loses no more than those two
would). What has no order yet is placed, in one bulk. An order with a request in flight is left
alone until the venue has answered. No plan lets an own bid reach an own ask at any interleaving
of what is in flight.

What may take is sized by the position, so it waits for whatever of its side may still change that:
deals that are owed, and orders on their way out. Else the same would be taken twice.
"""

from __future__ import annotations

from engine.events import RiskRefusal
from engine.intents import CancelOrder, Intent, ModifyOrder, NewOrder, PlaceOrders
from engine.orders import IDLE, MODIFYING, Order
from engine.rates import MODIFY, allowance, place_endpoint
from engine.repricing import bounded
from engine.risk import Exposure, exposure_of
from engine.shifting import other_kind, shift, with_ladders
from engine.stages import STOP
from engine.state import MarketState, State
from engine.types import BUY, SELL, Level, Placement, Product, Side, TwoSidedQuote

NOTHING = TwoSidedQuote()

BULK_MAX = 20
"""Most orders of one bulk place (contract 5.2)."""
HOLD_BEARABLE_NS = 250_000_000
"""An order in danger is left in its place for so long after a refusal, and cancelled if the hold
lasts longer."""


def plan(
    state: State, market: MarketState, wanted: TwoSidedQuote
) -> tuple[list[Intent], list[RiskRefusal]]:
    """Return the intents that bring the market's orders to the wanted quotes.

    Args:
        state: The state the plan is made in; its seq makes the new client order ids.
        market: The market's part of it.
        wanted: Levels best first on each side; empty sides mean no orders there.
    """
    tolerance = market.quoted.price_tolerance
    patient = state.attention_seq <= state.decided_seq
    if not market.whole:
        return _change(state, market, wanted, tolerance, patient)
    asks = _due(market.asks, wanted.asks, tolerance, -1, patient)
    bids = _due(market.bids, wanted.bids, tolerance, 1, patient)
    if asks is None or bids is None:
        return _change(state, market, wanted, tolerance, patient)
    if not (asks or bids):
        return [], []
    moves = asks + bids
    if state.now_ns < market.hold_until_ns:
        return _held(state, market, moves, [])
    if len(moves) > 1:
        return _move_many(state, market, moves, None, exposure_of(market, state.now_ns), [])
    return _move(state, market, moves, None, exposure_of(market, state.now_ns), [])


def _due(
    orders: tuple[Order, ...], levels: tuple[Level, ...], tolerance: int, sign: int, patient: bool
) -> list[tuple[Order, Level]] | None:
    # Most decisions end here: which orders of a whole side are to be moved, if that is all there
    # is to do. The same rules as in `_change`, written out.
    if len(orders) != len(levels):
        return None
    due: list[tuple[Order, Level]] = []
    reach = 0
    for order, want in zip(orders, levels, strict=True):
        reach += tolerance
        if order.pending is not IDLE:
            continue
        if (
            want.rpi is not order.rpi
            or want.post_only is not order.post_only
            or want.stp is not order.stp
        ):
            return None
        eager, leaves_qty, want_qty = sign * (order.price - want.price), order.leaves_qty, want.qty
        if (
            eager > reach
            or leaves_qty > want_qty
            or (not patient and (eager < -reach or want_qty > 2 * leaves_qty))
        ):
            due.append((order, want))
    return due


def is_due(order: Order, want: Level, tolerance: int, patient: bool) -> bool:
    """Say whether an order is to be moved now.

    Deeper levels are met later, so they keep their place in the queue for longer. A partly filled
    order keeps its place while at least half of what is wanted is left. What is in danger, being
    priced or sized beyond what is wanted, moves at once; what is merely too shy waits for the
    timer's tenth of a second when `patient`, so that the one is not held up by the other.
    """
    eager = order.price - want.price if order.side is BUY else want.price - order.price
    reach = tolerance * (order.level + 1)
    if eager > reach or order.leaves_qty > want.qty:
        return True
    if patient:
        return False
    return eager < -reach or want.qty > 2 * order.leaves_qty


def _change(
    state: State, market: MarketState, wanted: TwoSidedQuote, tolerance: int, patient: bool
) -> tuple[list[Intent], list[RiskRefusal]]:
    cancels: list[Intent] = []
    moves: list[tuple[Order, Level]] = []
    bids_taken, asks_taken = [False] * len(wanted.bids), [False] * len(wanted.asks)
    for order in market.live:
        level, want = order.level, None
        if order.side is BUY:
            levels, taken = wanted.bids, bids_taken
        else:
            levels, taken = wanted.asks, asks_taken
        if level < len(levels) and not taken[level]:
            taken[level] = True
            want = levels[level]
        if order.pending is not IDLE:
            continue
        if want is None or other_kind(order, want):
            if state.now_ns >= order.cancel_at_ns:
                cancels.append(CancelOrder(market.quoted.market.name, order.client_order_id))
        elif is_due(order, want, tolerance, patient):
            moves.append((order, want))
    missing = market.stage < STOP and not (all(bids_taken) and all(asks_taken))
    if not (moves or missing):
        return cancels, []
    if state.now_ns < market.hold_until_ns:
        return _held(state, market, moves, cancels)
    crossing, exposure = _Crossing(market), exposure_of(market, state.now_ns)
    intents, refusals = _move_many(state, market, moves, crossing, exposure, cancels)
    if missing:
        new, refused = _place(state, market, wanted, (bids_taken, asks_taken), crossing, exposure)
        intents += new
        refusals += refused
    return intents, refusals


def _held(
    state: State, market: MarketState, moves: list[tuple[Order, Level]], intents: list[Intent]
) -> tuple[list[Intent], list[RiskRefusal]]:
    # Nothing is placed or moved. A long hold may not keep an order where it is in danger.
    if market.hold_until_ns - state.now_ns > HOLD_BEARABLE_NS:
        _cancel_endangered(state, market, moves, intents)
    return intents, []


def _cancel_endangered(
    state: State, market: MarketState, moves: list[tuple[Order, Level]], intents: list[Intent]
) -> None:
    name, tolerance = market.quoted.market.name, market.quoted.price_tolerance
    for order, want in moves:
        if is_due(order, want, tolerance, patient=True) and state.now_ns >= order.cancel_at_ns:
            intents.append(CancelOrder(name, order.client_order_id))


def _move_many(
    state: State,
    market: MarketState,
    moves: list[tuple[Order, Level]],
    crossing: _Crossing | None,
    exposure: Exposure,
    intents: list[Intent],
) -> tuple[list[Intent], list[RiskRefusal]]:
    if len(moves) < 2 or not market.whole:
        return _move(state, market, moves, crossing, exposure, intents)
    tolerance = market.quoted.price_tolerance
    moves, bid_ladder, ask_ladder = shift(moves, market.bids, market.asks, tolerance)
    intents, refusals = _move(state, market, moves, crossing, exposure, intents)
    if bid_ladder or ask_ladder:
        intents = with_ladders(intents, bid_ladder, ask_ladder)
    return intents, refusals


def _move(
    state: State,
    market: MarketState,
    moves: list[tuple[Order, Level]],
    crossing: _Crossing | None,
    exposure: Exposure,
    intents: list[Intent],
) -> tuple[list[Intent], list[RiskRefusal]]:
    name = market.quoted.market.name
    refusals: list[RiskRefusal] = []
    if len(moves) > state.slack:
        moves = _affordable(state, market, moves, intents)
    for order, want in moves:
        side, price, qty = order.side, want.price, want.qty
        if not (want.post_only or want.rpi) and order.qty - order.leaves_qty > order.filled_qty:
            # Deals of it are owed: what it has taken would be asked for again.
            continue
        if price > order.price if side is BUY else price < order.price:
            # Most go further away from the market, and cannot come to cross anything.
            if crossing is None:
                crossing = _Crossing(market)
            if market.would_take:
                price = bounded(market, side, price, state.now_ns) or order.price
                if not _is_nearer(order, price) and qty >= order.leaves_qty:
                    continue
            if not crossing.allows(side, price):
                continue
        refusal = exposure.approve(side, price, qty, 0)
        if refusal is None:
            if crossing is not None:
                crossing.note(side, price)
            intents.append(ModifyOrder(name, order.client_order_id, price, qty, want.stp))
            continue
        # A modify counts old and new size at once; near the position limit that is too much,
        # and the order is cancelled first, to be placed anew once that is confirmed.
        if refusal.rule != "position":
            refusals.append(refusal)
        if state.now_ns >= order.cancel_at_ns:
            intents.append(CancelOrder(name, order.client_order_id))
    return intents, refusals


def _is_nearer(order: Order, price: int) -> bool:
    return price > order.price if order.side is BUY else price < order.price


def _affordable(
    state: State, market: MarketState, moves: list[tuple[Order, Level]], intents: list[Intent]
) -> list[tuple[Order, Level]]:
    # Few modifies may go now, or none: those most in danger first. What is in danger beyond them is
    # cancelled, which has an endpoint and a reserve of its own; what is too shy stays in its place.
    allowed = allowance(state, ModifyOrder, MODIFY)
    if len(moves) <= allowed:
        return moves
    ranked = sorted(moves, key=_eagerness, reverse=True)
    _cancel_endangered(state, market, ranked[allowed:], intents)
    return ranked[:allowed]


def _eagerness(move: tuple[Order, Level]) -> tuple[int, int]:
    # Ticks too near to the market, then lots too many.
    order, want = move
    return order.side.sign * (order.price - want.price), order.leaves_qty - want.qty


def _place(
    state: State,
    market: MarketState,
    wanted: TwoSidedQuote,
    taken: tuple[list[bool], list[bool]],
    crossing: _Crossing,
    exposure: Exposure,
) -> tuple[list[Intent], list[RiskRefusal]]:
    name = market.quoted.market.name
    refusals: list[RiskRefusal] = []
    new: list[NewOrder] = []
    for side, levels, held in ((BUY, wanted.bids, taken[0]), (SELL, wanted.asks, taken[1])):
        for index, want in enumerate(levels):
            takes = not (want.post_only or want.rpi)
            if held[index] or (takes and _is_unsettled(market, side, held)):
                continue
            price = bounded(market, side, want.price, state.now_ns)
            if not price or not crossing.allows(side, price):
                continue
            refusal = exposure.approve(side, price, want.qty, 1)
            if refusal is not None:
                refusals.append(refusal)
                continue
            crossing.note(side, price)
            new.append(_new_order(state, side, index, len(new), price, want, name))
    return _requests(state, market, new), refusals


def _is_unsettled(market: MarketState, side: Side, held: list[bool]) -> bool:
    # Whether deals of a side are owed, or more orders of it live than are wanted.
    live = market.bids if side is BUY else market.asks
    return len(live) > held.count(True) or any(order.side is side for order in market.owing)


def _requests(state: State, market: MarketState, new: list[NewOrder]) -> list[Intent]:
    """Return the requests that place new orders: bulks of twenty at most, or one for each.

    In a collateral bulk there is no self-trade prevention (G-16), so what may take goes alone.
    """
    spec, together = market.quoted.market, new
    if market.quoted.placement is Placement.PIPELINED and _may_pipeline(state, spec.product, new):
        together = []
    elif spec.product is not Product.SPOT:
        together = [order for order in new if order.post_only or order.rpi]
    alone = [order for order in new if order not in together]
    groups = [tuple(together[at : at + BULK_MAX]) for at in range(0, len(together), BULK_MAX)]
    return [PlaceOrders(spec.name, group) for group in (*groups, *[(one,) for one in alone])]


def _may_pipeline(state: State, product: Product, new: list[NewOrder]) -> bool:
    # A bulk takes one token for twenty orders: where tokens are short, it is the cheaper way.
    if len(new) <= state.slack:
        return True
    return len(new) <= allowance(state, PlaceOrders, place_endpoint(product, 1))


def _new_order(
    state: State, side: Side, level: int, index: int, price: int, want: Level, name: str
) -> NewOrder:
    number = list(state.markets).index(name)
    return NewOrder(
        client_order_id=client_order_id(state.run_id, state.seq + 1, number, index),
        side=side,
        price=price,
        qty=want.qty,
        stp=want.stp,
        rpi=want.rpi,
        post_only=want.post_only,
        level=level,
    )


def client_order_id(run_id: str, seq: int, number: int, index: int) -> str:
    """Name an order by run, decision, market number and place: at most 32 characters (G-9)."""
    return f"{run_id}-{seq}-{number}-{index}"


class _Crossing:
    """Keeps own bids below own asks, whichever request arrives first."""

    def __init__(self, market: MarketState) -> None:
        self._bid = 0  # highest price an own bid may have
        self._ask = 0  # lowest price an own ask may have; 0 for none
        for order in market.live:
            self.note(order.side, order.price)
            if order.pending is MODIFYING:
                self.note(order.side, order.wanted_price)

    def allows(self, side: Side, price: int) -> bool:
        if side is BUY:
            return not self._ask or price < self._ask
        return price > self._bid

    def note(self, side: Side, price: int) -> None:
        """Count an order that goes out."""
        if side is BUY:
            self._bid = max(self._bid, price)
        elif not self._ask or price < self._ask:
            self._ask = price
