"""A run on a perpetual, and the answers of the history of its funding."""

from __future__ import annotations

from decimal import Decimal

from engine import events as e
from engine import intents as i
from engine.funding import Funding
from engine.types import FundingPayment, Side
from tests.engine.builders import PERPETUAL, T0, Run, S, fill, quoted, started

D = Decimal
PERP = PERPETUAL.name
T0_S = T0 // S
DUE_S = T0_S + 100
"""When the venue settles next."""


def mark(next_s: int = DUE_S, rate: str = "0.001") -> e.MarkPrice:
    return e.MarkPrice(PERP, D(10), D(10), D(rate), 1000 * next_s)


def running(*, position: int = 5, told: bool = True) -> Run:
    """A run on a perpetual that holds something, and knows when funding is settled."""
    run = started(quoted(PERPETUAL))
    run.settle()
    if position:
        side = Side.BUY if position > 0 else Side.SELL
        run.push(e.Filled(fill(1, qty=abs(position), side=side, market=PERP)))
    if told:
        run.push(mark())
    return run


def pass_time(run: Run, to_s: float) -> None:
    """Let timers fire until a moment after T0."""
    while run.now_ns < T0 + to_s * S:
        run.push(e.TimerFired(), after_ns=min(S, T0 + int(to_s * S) - run.now_ns))


def query(run: Run) -> int:
    """Let the engine ask for funding, and for nothing else; returns the seq of the request."""
    (asked,) = [intent for intent in run.decide() if isinstance(intent, i.QueryFunding)]
    return run.ask(asked)[0]


def asks(run: Run) -> list[i.QueryFunding]:
    return [intent for intent in run.decide() if isinstance(intent, i.QueryFunding)]


def page(*payments: FundingPayment, complete: bool = True, offset: int = 0) -> e.FundingListed:
    return e.FundingListed(PERP, offset, payments, complete)


def funding(run: Run) -> Funding:
    return run.market.inventory.funding


def payment(time_s: int, amount: str) -> FundingPayment:
    rate, position, price = Decimal("0.0001"), Decimal("0.01"), Decimal(50_000)
    return FundingPayment(time_s, Decimal(amount), rate, position, price)
