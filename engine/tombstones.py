"""Orders that closed a moment ago, kept to recognise late news of them.

Theory of operation. They lie in generations, oldest first, of at most `GENERATION` orders each. One
that closes joins the youngest; when that is full a new one begins, and old generations whose orders
all closed more than `KEPT_NS` ago are dropped whole. So a change copies one generation, whatever
the number of orders, and each is looked at once before it is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.orders import Order

Closed = tuple[dict[str, Order], ...]
"""Generations of closed orders by client order id, oldest first; an id stands in one of them."""

KEPT_NS = 60_000_000_000
"""REST answers end within the client's own timeouts, far below this."""

GENERATION = 64
"""Small enough that a copy of it costs no more than the rest of a change."""


def find(closed: Closed, client_order_id: str) -> Order | None:
    """Return a closed order; None if there is none, or it was forgotten."""
    for generation in reversed(closed):
        order = generation.get(client_order_id)
        if order is not None:
            return order
    return None


def every(closed: Closed) -> Iterator[Order]:
    """Yield every closed order, those that closed first first."""
    for generation in closed:
        yield from generation.values()


def joined(closed: Closed, order: Order, now_ns: int) -> Closed:
    """Return the closed orders after one that was live joined them."""
    if not closed or len(closed[-1]) >= GENERATION:
        return _begun(closed, order, now_ns - KEPT_NS)
    return (*closed[:-1], {**closed[-1], order.client_order_id: order})


def changed(closed: Closed, order: Order) -> Closed:
    """Return the closed orders after late news of one of them."""
    key = order.client_order_id
    return tuple({**each, key: order} if key in each else each for each in closed)


def without(closed: Closed, client_order_id: str) -> Closed:
    """Return the closed orders after one of them turned out to be live."""
    return tuple(
        {key: order for key, order in each.items() if key != client_order_id} for each in closed
    )


def _begun(closed: Closed, order: Order, oldest_ns: int) -> Closed:
    # A new generation; it takes over from those that are dropped what still owes deals.
    begun: dict[str, Order] = {}
    dropped = 0
    for generation in closed:
        if any(each.closed_ns > oldest_ns for each in generation.values()):
            break
        begun.update((key, each) for key, each in generation.items() if each.owed)
        dropped += 1
    begun[order.client_order_id] = order
    return (*closed[dropped:], begun)
