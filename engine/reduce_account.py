"""Fold what the venue pushes of the account: orders, fills, balances, positions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from engine import legs, orders
from engine.events import (
    Filled,
    MarginBalancesChanged,
    MarginBalancesListed,
    OrderClosed,
    OrderOpened,
    OrderUpdated,
    PositionsReported,
    Record,
    SpotBalancesChanged,
)
from engine.foreign import told
from engine.inventory import Inventory, add_fill, add_interest, base_total, position_lots
from engine.legs import Legs
from engine.money import add, from_units
from engine.order_changes import with_order
from engine.orders import Moved, Order
from engine.state import MarketState, Mismatch, State, advance, with_market
from engine.top import mid2
from engine.types import (
    BOTH,
    NO_LIMIT,
    OrderStatus,
    Position,
    Product,
    SpotBalance,
    VenueFill,
    VenueOrder,
)
from engine.watch import Watch, marked
from engine.watch import filled as watch_filled

# A report races the deals around it; one that no deal has explained after this long is looked into.
MISMATCH_GRACE_NS = 3_000_000_000


def order_event(
    state: State, record: Record, event: OrderOpened | OrderUpdated | OrderClosed
) -> State:
    """A pending event, of an order of ours or of a foreign one."""
    venue = event.order
    market = state.markets.get(venue.market)
    if market is None:
        return advance(state, record)
    order, over = market.order(venue.client_order_id), isinstance(event, OrderClosed)
    if order is None:
        return with_market(state, record, told(market, venue, record.seq, over=over))
    if over:
        # Event 3 means over, whatever a text we do not know may say.
        venue = _final(venue)
    moved = orders.pushed(order, venue, record.seq, record.recv_ns)
    return _put(state, record, market, order, moved)


def _final(venue: VenueOrder) -> VenueOrder:
    if venue.status is not OrderStatus.OPEN:
        return venue
    done = OrderStatus.CANCELLED if venue.leaves_qty else OrderStatus.FILLED
    return replace(venue, status=done)


def apply_venue_order(state: State, record: Record, venue: VenueOrder) -> State:
    """Fold an order as a listing shows it."""

    def fact(order: Order) -> Moved:
        if venue.status is OrderStatus.OPEN:
            return orders.shown(order, venue, record.seq)
        return orders.finished(order, venue, record.seq, record.recv_ns)

    return change_order(state, record, venue.market, venue.client_order_id, fact)


def change_order(
    state: State,
    record: Record,
    market_name: str,
    client_order_id: str,
    fact: Callable[[Order], Moved],
) -> State:
    """Apply one fact to one order of ours, and note the anomaly it revealed."""
    market = state.markets[market_name]
    order = market.order(client_order_id)
    if order is None:
        return replace(advance(state, record), attention_seq=record.seq)
    return _put(state, record, market, order, fact(order))


def _put(state: State, record: Record, market: MarketState, before: Order, moved: Moved) -> State:
    after, anomaly = moved
    name, seq = market.quoted.market.name, record.seq
    markets = {**state.markets, name: with_order(market, before, after, record)}
    state = replace(state, seq=seq, now_ns=record.recv_ns, markets=markets, attention_seq=seq)
    if not anomaly:
        return state
    told = f"{name} seq {seq}: {anomaly}"
    return replace(state, anomalies=state.anomalies + 1, last_anomaly=told)


def filled(state: State, record: Record, event: Filled) -> State:
    return apply_fill(state, record, event.fill)


def apply_fill(state: State, record: Record, fill: VenueFill) -> State:
    """Count a deal once, however often and in whatever order it is told."""
    market = state.markets.get(fill.market)
    if market is None or market.inventory.knows(fill.deal_id):
        return advance(state, record)
    quoted = market.quoted
    if market.inventory.baseline is None:
        # The baseline that is still to be reported will hold this deal already.
        floor = max(market.inventory.deal_floor, fill.deal_id)
        inventory = replace(market.inventory, deal_floor=floor)
        return with_market(state, record, replace(market, inventory=inventory))
    inventory = add_fill(market.inventory, quoted.market, fill, mid2(market))
    if quoted.hedged:
        inventory = _with_legs(market, inventory, fill, record.recv_ns)
    position = position_lots(inventory, quoted.market, quoted.inventory_target)
    memory = market.strategy.fold(market.memory, Filled(fill), record.recv_ns)
    market = replace(
        market,
        inventory=inventory,
        watch=_watched(market, inventory, fill, record.recv_ns),
        position=position,
        memory=memory,
        past_totals=_past_totals(market, record.recv_ns),
        touched_seq=record.seq,
    )
    market = replace(market, mismatch=_recheck(state, market))
    state = with_market(state, record, market)

    def fact(order: Order) -> Moved:
        return orders.dealt(order, fill, record.seq, record.recv_ns)

    return change_order(state, record, fill.market, fill.client_order_id, fact)


def _with_legs(
    market: MarketState, inventory: Inventory, fill: VenueFill, now_ns: int
) -> Inventory:
    order = market.order(fill.client_order_id)
    side = BOTH if order is None else order.position_side
    oldest_ns = now_ns - MISMATCH_GRACE_NS
    after = legs.dealt(inventory.legs, fill.side, side, fill.qty, now_ns, oldest_ns)
    return replace(inventory, legs=after)


def _watched(market: MarketState, inventory: Inventory, fill: VenueFill, now_ns: int) -> Watch:
    watch, fills_max = market.watch, market.quoted.limits.fills_per_minute_max
    if fills_max < NO_LIMIT:
        watch = watch_filled(watch, fill.side, fills_max, now_ns)
    return marked(watch, inventory, market.quoted.market, mid2(market), now_ns)


def spot_balances(
    state: State, record: Record, balances: tuple[SpotBalance, ...], *, whole: bool
) -> State:
    """Absolute balances; `whole` when every other asset is therefore zero."""
    known = {} if whole else dict(state.spot)
    known.update((balance.asset, balance) for balance in balances)
    state = replace(advance(state, record), spot=known, attention_seq=record.seq)
    return _check_reports(state, record, spot=True)


def spot_balances_changed(state: State, record: Record, event: SpotBalancesChanged) -> State:
    return spot_balances(state, record, event.balances, whole=False)


def margin_balances(
    state: State, record: Record, event: MarginBalancesChanged | MarginBalancesListed
) -> State:
    margin = {**state.margin, **{balance.asset: balance for balance in event.balances}}
    return replace(advance(state, record), margin=margin, attention_seq=record.seq)


def positions(state: State, record: Record, listed: tuple[Position, ...], market: str) -> State:
    """Open positions of one market, or of all when `market` is empty; a missing one is flat."""
    known = {k: each for k, each in state.positions.items() if market not in ("", each.market)}
    known.update((legs.key_of(position), position) for position in listed)
    state = replace(advance(state, record), positions=known, attention_seq=record.seq)
    for position in listed:
        state = _with_interest(state, record, position)
    return _check_reports(_check_mode(state, record, listed), record, spot=False)


def _check_mode(state: State, record: Record, listed: tuple[Position, ...]) -> State:
    # Positions of another mode than the market is quoted in stop it until a human looks.
    for name in dict.fromkeys([position.market for position in listed]):
        market = state.markets.get(name)
        if market is None or market.halted:
            continue
        of_market = tuple([position for position in listed if position.market == name])
        if reason := legs.misfit(of_market, hedged=market.quoted.hedged):
            state = with_market(state, record, replace(market, halted=reason))
    return state


def _with_interest(state: State, record: Record, position: Position) -> State:
    before = state.markets.get(position.market)
    if before is None or before.quoted.hedged:
        return state
    inventory = add_interest(before.inventory, position)
    if inventory is before.inventory:
        return state
    return with_market(state, record, replace(before, inventory=inventory))


def positions_reported(state: State, record: Record, event: PositionsReported) -> State:
    return positions(state, record, event.positions, "")


def reported_total(state: State, market: MarketState) -> Decimal:
    """Base total (spot) or signed position (else) as the venue reported it last."""
    spec = market.quoted.market
    if spec.product is Product.SPOT:
        balance = state.spot.get(spec.base_asset)
        return add(balance.available, balance.frozen) if balance else Decimal(0)
    held = legs.positions_of(state.positions, spec.name)
    return from_units(legs.reported(held).net_qty, spec.qty_decimals)


def reported_legs(state: State, market: MarketState) -> Legs:
    """Both positions as the venue reported them last (hedge mode)."""
    return legs.reported(legs.positions_of(state.positions, market.quoted.market.name))


def reported_text(state: State, market: MarketState) -> str:
    """What the venue reported last, in words, equal for equal reports."""
    if market.quoted.hedged:
        told = reported_legs(state, market)
        return f"{told.long} lots long, {told.short} short"
    return str(reported_total(state, market))


def mismatch_now(state: State, market: MarketState, record: Record) -> Mismatch:
    """Note the report that differs from the fold."""
    return Mismatch(record.recv_ns, reported_text(state, market), market.inventory.fills)


def _check_reports(state: State, record: Record, *, spot: bool) -> State:
    # Compare what the venue reports with the fold; a difference may be a deal still on its way.
    for market in state.markets.values():
        is_spot = market.quoted.market.product is Product.SPOT
        if is_spot is not spot or market.inventory.baseline is None:
            continue
        if agrees(state, market, record.recv_ns):
            mismatch = Mismatch()
        elif market.mismatch.since_ns:
            continue
        else:
            mismatch = mismatch_now(state, market, record)
        if mismatch != market.mismatch:
            state = with_market(state, record, replace(market, mismatch=mismatch))
    return state


def agrees(state: State, market: MarketState, now_ns: int) -> bool:
    """True when the last report equals the fold at some moment of the last seconds: they race."""
    oldest_ns = now_ns - MISMATCH_GRACE_NS
    if market.quoted.hedged:
        return legs.were(market.inventory.legs, reported_legs(state, market), oldest_ns)
    reported = reported_total(state, market)
    if base_total(market.inventory, market.quoted.market) == reported:
        return True
    return any(
        total == reported and until_ns >= oldest_ns for until_ns, total in market.past_totals
    )


def _past_totals(market: MarketState, now_ns: int) -> tuple[tuple[int, Decimal], ...]:
    # With the total that the deal about to be counted puts an end to.
    total = base_total(market.inventory, market.quoted.market)
    assert total is not None, "deals are counted only after the baseline"
    oldest_ns = now_ns - MISMATCH_GRACE_NS
    recent = [past for past in market.past_totals if past[0] >= oldest_ns]
    return (*recent, (now_ns, total))


def _recheck(state: State, market: MarketState) -> Mismatch:
    if not market.mismatch.since_ns:
        return market.mismatch
    if market.quoted.hedged:
        held, told = market.inventory.legs, reported_legs(state, market)
        agreed = (held.long, held.short) == (told.long, told.short)
    else:
        total = base_total(market.inventory, market.quoted.market)
        agreed = total == reported_total(state, market)
    return Mismatch() if agreed else market.mismatch
