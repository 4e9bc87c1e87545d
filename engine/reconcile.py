"""Reconciliation of one market with the venue, as a fold of its queries' answers.

Theory of operation. The stream is subscribed before anything is asked, so a push may be newer than
the listing that arrives after it. Whatever changed after the query was sent is therefore left
alone; only what is older is corrected by the listing. Stages follow each other: open orders, then
executed history since the last deal known, then balances. One start serves a cold start, a crash,
a reconnect, a stall and a doubt alike.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine import foreign, legs, nonces, orders
from engine.events import (
    FillsListed,
    MarginBalancesListed,
    OpenOrdersListed,
    PositionsListed,
    Record,
    SpotBalancesListed,
)
from engine.funding import begun
from engine.inventory import Inventory, base_total, position_lots
from engine.money import ZERO, add, subtract
from engine.order_changes import with_orders
from engine.orders import Moved, Order, Pending, Status
from engine.reduce_account import (
    agrees,
    apply_fill,
    apply_venue_order,
    change_order,
    margin_balances,
    mismatch_now,
    positions,
    reported_legs,
    reported_text,
    reported_total,
    spot_balances,
)
from engine.reduce_funding import venue_s
from engine.state import (
    MarketState,
    Mismatch,
    Recon,
    ReconStage,
    State,
    with_market,
)
from engine.types import Product, VenueOrder

RETRY_NS = 1_000_000_000
RACE_NS = 50_000_000
"""A deal's push and a balance that holds it lie no further apart, as a rule."""
LEFT = "orders of an earlier run are being cancelled"
PAGE = 100
"""Rows asked for per page, the most that `/orders` allows (contract 5.7)."""
LAP = 50
"""Rows of a page of open orders that the next one shows again: so many may end between two pages.
"""


def start(market: MarketState, reason: str, *, blind: bool, at_ns: int = 0) -> MarketState:
    """Begin from the first stage: at once if blind, else when the one under way is done.

    Args:
        market: The market to reconcile.
        reason: Why, in words.
        blind: True when something may have been missed: no quotes until it is done.
        at_ns: Not before this moment.
    """
    before = market.recon
    if before.stage is ReconStage.DONE:
        return replace(market, recon=_begun(before, reason, blind, at_ns))
    if blind:
        at_ns = max(at_ns, 0 if before.request_seq else before.retry_at_ns)
        return replace(market, recon=_begun(before, reason, blind, at_ns))
    if before.stage is ReconStage.ORDERS and not before.request_seq and not before.offset:
        return market
    # What the one under way has asked already may be too old for this reason.
    return replace(market, recon=replace(before, again=before.again or reason))


def _begun(before: Recon, reason: str, blind: bool, at_ns: int) -> Recon:
    return Recon(
        reason=reason,
        blind=blind,
        retry_at_ns=at_ns,
        orders_asked_ns=before.orders_asked_ns,
        orders_asked_seq=before.orders_asked_seq,
    )


def asked(market: MarketState, record: Record) -> MarketState:
    """Note that the current stage's query went out."""
    recon = market.recon
    first = recon.offset == 0
    return replace(
        market,
        recon=replace(
            recon,
            request_seq=record.seq,
            asked_ns=record.recv_ns if first else recon.asked_ns,
            asked_seq=record.seq if first else recon.asked_seq,
        ),
    )


def failed(market: MarketState, record: Record) -> MarketState:
    """The query came to nothing: ask for the stage again, from its first page."""
    recon = replace(
        market.recon,
        request_seq=0,
        offset=0,
        listed=(),
        strangers=(),
        fills=(),
        retry_at_ns=record.recv_ns + RETRY_NS,
    )
    return replace(market, recon=recon)


def _next_stage(market: MarketState, stage: ReconStage) -> MarketState:
    before = market.recon
    if stage is ReconStage.DONE and before.again:
        return replace(market, recon=_begun(before, before.again, blind=False, at_ns=0))
    recon = replace(
        before,
        stage=stage,
        request_seq=0,
        offset=0,
        listed=(),
        strangers=(),
        fills=(),
        retry_at_ns=0,
        blind=before.blind and stage is not ReconStage.DONE,
    )
    return replace(market, recon=recon)


def open_orders_listed(state: State, record: Record, event: OpenOrdersListed) -> State:
    """Bring our orders in line with a listing, page by page.

    Rows are newest first, so an order that ends moves those below it up, and one of them might be
    on no page at all. None is where each page begins with a row that was there before.
    """
    market = state.markets[event.market]
    if market.recon.offset and not _laps(market.recon, event.orders):
        return with_market(state, record, failed(market, record))
    strangers = tuple(
        venue for venue in event.orders if market.order(venue.client_order_id) is None
    )
    for venue in event.orders:
        state = _listed(state, record, venue)
    market = state.markets[event.market]
    recon = market.recon
    recon = replace(
        recon,
        listed=recon.listed + tuple(venue.client_order_id for venue in event.orders),
        strangers=recon.strangers + strangers,
    )
    if not event.complete:
        recon = replace(recon, request_seq=0, offset=recon.offset + PAGE - LAP)
        return with_market(state, record, replace(market, recon=recon))
    for order in market.live:
        if order.client_order_id not in recon.listed:
            state = _absent(state, record, event.market, order)
    recon = replace(recon, orders_asked_ns=recon.asked_ns, orders_asked_seq=recon.asked_seq)
    market = foreign.listed(replace(state.markets[event.market], recon=recon), record.seq)
    return with_market(state, record, _next_stage(market, ReconStage.FILLS))


def _laps(recon: Recon, page: tuple[VenueOrder, ...]) -> bool:
    if not page:
        return False
    first = page[0]
    return first.client_order_id in recon.listed and (
        bool(first.client_order_id) or any(s.order_id == first.order_id for s in recon.strangers)
    )


def _listed(state: State, record: Record, venue: VenueOrder) -> State:
    market = state.markets[venue.market]
    order = market.order(venue.client_order_id)
    if order is None or order.updated_seq > market.recon.asked_seq:
        return state
    state = apply_venue_order(state, record, venue)
    if order.unknown and order.pending in (Pending.CANCEL, Pending.MODIFY):
        provable = order.pending is Pending.CANCEL or _window_passed(state, market, order)
        if venue.order_id == order.order_id and provable:

            def settle(found: Order) -> Moved:
                return orders.request_refused(found, record.seq, record.recv_ns), ""

            return change_order(state, record, venue.market, venue.client_order_id, settle)
    return state


def _absent(state: State, record: Record, market_name: str, order: Order) -> State:
    market = state.markets[market_name]
    if order.updated_seq > market.recon.asked_seq:
        return state
    in_flight = order.pending is not Pending.NONE and not order.unknown
    if in_flight and order.pending is not Pending.CANCEL:
        # Its own answer is still to come.
        return state

    # The venue's clock when the listing was asked for, at the least.
    absent_us = (market.recon.asked_ns + state.offset_low_ns) // 1000 if state.measured else 0

    def fact(found: Order) -> Moved:
        if found.status is Status.NEW and found.pending is Pending.PLACE:
            return orders.never_accepted(found, record.seq, record.recv_ns)
        return orders.absent(found, record.seq, record.recv_ns, absent_us)

    # What a modify moves to the first page may be on none.
    moves = order.pending is Pending.MODIFY and market.recon.offset > 0
    if (order.status is Status.NEW or moves) and not _window_passed(state, market, order):
        # The venue may still accept what is on its way: silence proves nothing yet.
        return state
    return change_order(state, record, market_name, order.client_order_id, fact)


def _window_passed(state: State, market: MarketState, order: Order) -> bool:
    over = nonces.is_over(order.nonce, market.recon.asked_ns, state.offset_low_ns)
    return state.measured and over


def fills_listed(state: State, record: Record, event: FillsListed) -> State:
    """Count the deals we missed, oldest first; ask on until a page reaches one we know."""
    market = state.markets[event.market]
    # Newest first, and pushes may have told of the newest already: the oldest decides.
    reached = bool(event.fills) and market.inventory.knows(event.fills[-1].deal_id)
    before_baseline = market.inventory.baseline is None
    fills = market.recon.fills + event.fills
    if not (event.complete or reached or before_baseline):
        offset = market.recon.offset + PAGE
        recon = replace(market.recon, request_seq=0, offset=offset, fills=fills)
        return with_market(state, record, replace(market, recon=recon))
    for fill in reversed(fills):
        # Most are known by a push, and a long list of them should cost little.
        if not market.inventory.knows(fill.deal_id):
            state = apply_fill(state, record, fill)
            market = state.markets[event.market]
    market = with_orders(market, _all_paid(market), record)
    return with_market(state, record, _next_stage(market, ReconStage.BALANCES))


def _all_paid(market: MarketState) -> tuple[Order, ...]:
    # Every deal of an id that was over before the history was asked for is counted by now.
    return tuple(
        replace(order, owed=())
        for order in (*market.live, *market.owing)
        if order.owed and order.updated_seq <= market.recon.asked_seq
    )


def spot_balances_listed(
    state: State, record: Record, event: SpotBalancesListed, market_name: str
) -> State:
    state = spot_balances(state, record, event.balances, whole=True)
    return _settle_total(state, record, state.markets[market_name])


def positions_listed(state: State, record: Record, event: PositionsListed) -> State:
    state = positions(state, record, event.positions, event.market)
    return _settle_total(state, record, state.markets[event.market])


def margin_balances_listed(
    state: State, record: Record, event: MarginBalancesListed, market_name: str
) -> State:
    state = margin_balances(state, record, event)
    return with_market(state, record, _last_stage(state, state.markets[market_name], record))


def _settle_total(state: State, record: Record, market: MarketState) -> State:
    spec = market.quoted.market
    total = base_total(market.inventory, spec)
    reported = reported_text(state, market)
    if total is None:
        market = _with_inventory(market, _baseline(state, market, record))
    elif agrees(state, market, record.recv_ns):
        market = replace(market, mismatch=Mismatch())
    elif (
        market.mismatch.reported == reported
        and market.mismatch.fills == market.inventory.fills
        and record.recv_ns - market.mismatch.since_ns >= RETRY_NS
    ):
        # Two reports agree with each other and no deal came between: the fold is what is wrong,
        # by a transfer or a deal that no surface told of. Follow the venue, and count the break.
        apart = subtract(reported_total(state, market), total)
        baseline = add(market.inventory.baseline or ZERO, apart)
        inventory = replace(market.inventory, baseline=baseline)
        if market.quoted.hedged:
            told = legs.followed(inventory.legs, reported_legs(state, market))
            inventory = replace(inventory, legs=told)
        market = _with_inventory(
            replace(market, breaks=market.breaks + 1, mismatch=Mismatch()), inventory
        )
    else:
        # A first difference is mostly a deal whose push is on its way, just behind the report.
        is_first = market.mismatch.since_ns == record.recv_ns
        market = replace(market, mismatch=mismatch_now(state, market, record))
        retry_at_ns = record.recv_ns + (RACE_NS if is_first else RETRY_NS)
        recon = replace(_next_stage(market, ReconStage.FILLS).recon, retry_at_ns=retry_at_ns)
        return with_market(state, record, replace(market, recon=recon))
    if spec.product is Product.SPOT:
        return with_market(state, record, _last_stage(state, market, record))
    return with_market(state, record, _next_stage(market, ReconStage.COLLATERAL))


def _last_stage(state: State, market: MarketState, record: Record) -> MarketState:
    # Done, unless orders of an earlier run still rest: their cancels may take longer than this.
    after = _next_stage(market, ReconStage.DONE)
    if not market.recon.blind or state.settings.on_restart == "adopt":
        return after
    own = f"{state.run_id}-"
    # A modify whose outcome is unknown is settled only after its nonce window: not waited for.
    if all(
        order.status is not Status.OPEN
        or order.pending is Pending.MODIFY
        or order.client_order_id.startswith(own)
        for order in market.live
    ):
        return after
    return replace(
        market, recon=_begun(market.recon, LEFT, blind=True, at_ns=record.recv_ns + RACE_NS)
    )


def _baseline(state: State, market: MarketState, record: Record) -> Inventory:
    spec = market.quoted.market
    inventory = replace(market.inventory, baseline=reported_total(state, market))
    if spec.product is Product.SPOT:
        quote = state.spot.get(spec.quote_asset)
        held = add(quote.available, quote.frozen) if quote else ZERO
        return replace(inventory, quote_baseline=held)
    now_s = venue_s(state, record.recv_ns)
    inventory = replace(inventory, funding=begun(inventory.funding, now_s))
    if market.quoted.hedged:
        return replace(inventory, legs=reported_legs(state, market))
    position = next(iter(legs.positions_of(state.positions, spec.name)), None)
    if position is None:
        return inventory
    # What it cost until now was before our time.
    return replace(
        inventory, interest_position=position.position_id, interest_seen=position.interest
    )


def _with_inventory(market: MarketState, inventory: Inventory) -> MarketState:
    quoted = market.quoted
    position = position_lots(inventory, quoted.market, quoted.inventory_target)
    return replace(market, inventory=inventory, position=position)
