"""What the tests of reconciliation do again and again."""

from __future__ import annotations

from engine import events as e
from engine import intents as i
from engine.state import PRIVATE
from tests.engine.builders import NAME, Run, new_order, venue_order

CID = "r1-1"


def placed(run: Run, *, shown: bool = True) -> int:
    """Place a bid of 10 lots; returns the seq of the request."""
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    if shown:
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(venue_order(CID, 1), None),)), request)
    return request


def lose_private(run: Run) -> None:
    run.push(e.StreamClosed(PRIVATE, "reset", 0))


def reconnect(run: Run) -> None:
    """The private stream is up again; nothing has been asked yet."""
    run.push(e.StreamReady(PRIVATE))


def ask(run: Run, kind: type) -> int:
    """Let the engine act until it asks a query of the kind; returns the request's seq."""
    for _ in range(12):
        for seq, intent in run.act():
            if isinstance(intent, kind):
                return seq
            answer = run.answer_to(intent)
            if answer is not None:
                run.push(answer, seq)
    raise AssertionError(f"{kind.__name__} was never asked")
