"""Laws of funding: the parts of the P&L add up, and each payment counts once."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine.funding import EVERY_NS, Funding
from engine.inventory import Inventory, Pnl, add_fill, pnl
from engine.money import ZERO, add, from_units, multiply, subtract
from engine.types import Side
from engine.watch import pnl2
from tests.engine.builders import MARKET, PERPETUAL, fill
from tests.engine.funding_runs import (
    DUE_S,
    D,
    asks,
    funding,
    page,
    payment,
    query,
    running,
)

deals = st.tuples(
    st.sampled_from(Side),
    st.integers(1, 10**7),
    st.integers(1, 10**5),
    st.decimals(-5, 5, places=12),
    st.sampled_from(["BTC", "USDT"]),
    st.integers(0, 2 * 10**7),
)
amounts = st.decimals(-100, 100, places=18)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(deals, max_size=6),
    st.lists(amounts, max_size=5),
    st.decimals(-3, 3, places=10),
    st.integers(1, 2 * 10**7),
    st.sampled_from([MARKET, PERPETUAL]),
)
def test_the_parts_sum_exactly_to_what_the_account_gained(
    traded: list[tuple[Side, int, int, Decimal, str, int]],
    paid: list[Decimal],
    interest: Decimal,
    mid2: int,
    market: object,
) -> None:
    assert market in (MARKET, PERPETUAL)
    spec = MARKET if market == MARKET else PERPETUAL
    inventory, base, quote = Inventory(baseline=ZERO, interest=interest), ZERO, -interest
    for number, (side, price, qty, fee, asset, at_mid2) in enumerate(traded, 1):
        deal = fill(number, side=side, price=price, qty=qty, fee=str(fee), fee_asset=asset)
        inventory = add_fill(inventory, spec, deal, at_mid2)
        base = add(base, from_units(side.sign * qty, 3))
        quote = subtract(quote, from_units(side.sign * qty * price, 5))
        base = subtract(base, fee) if asset == "BTC" else base
        quote = subtract(quote, fee) if asset == "USDT" else quote
    received = ZERO
    for amount in paid:
        received, quote = add(received, amount), add(quote, amount)
    inventory = replace(inventory, funding=Funding(received=received))
    found = pnl(inventory, spec, mid2)
    worth = add(quote, multiply(base, multiply(from_units(mid2, 2), D("0.5"))))
    assert found.total == worth == summed(found)
    exact2 = multiply(found.total, D(2 * 10**5))
    assert pnl2(inventory, spec, mid2) <= exact2 < pnl2(inventory, spec, mid2) + 1


def summed(found: Pnl) -> Decimal:
    gained = add(add(found.spread, found.inventory), found.funding)
    return subtract(gained, add(found.fees, found.interest))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(amounts, min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=12),
)
def test_however_the_history_is_asked_each_payment_counts_once(
    paid: list[Decimal], steps: list[tuple[int, int]]
) -> None:
    """Answers that overlap, with settlements between them and between their pages."""
    history = [payment(DUE_S + 100 * n, str(amount)) for n, amount in enumerate(paid)]
    run = running(position=0)
    known = 0
    for more, size in [*steps, (len(paid), 4), *[(0, 4)] * len(paid)]:
        known = min(known + more, len(history))
        while not asks(run):
            run.push(e.TimerFired(), after_ns=EVERY_NS)
        # What was shown counts from the newest as of then: a settlement since shifts it.
        shown = len(funding(run).payments)
        rows = history[:known][::-1][shown : shown + size]
        complete = shown + size >= known
        run.push(page(*rows, complete=complete, offset=funding(run).offset), query(run))
    total = ZERO
    for amount in paid:
        total = add(total, amount)
    assert (funding(run).received, funding(run).offset) == (total, 0)
