"""What fills are worth comes to the P&L of the inventory that counts them, whatever they are."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine import events as e
from engine.inventory import Inventory, add_fill, pnl
from engine.money import ZERO, add
from engine.types import Side, VenueFill
from replay.parity.fills import Fills, worth
from tests.engine.builders import MARKET, MS, NAME, fill
from tests.parity.pairs import quoting_story

FEES = st.tuples(
    st.decimals(min_value=-1, max_value=1, places=9).map(str),
    st.sampled_from(["USDT", "BTC", "WBT"]),
)
DEALS = st.tuples(
    st.integers(1, 5_000),
    st.integers(1, 50),
    st.sampled_from(list(Side)),
    FEES,
    st.integers(1, 3),
    st.sampled_from([0, MS, 30 * MS]),
)


@given(st.lists(DEALS, max_size=12), st.integers(0, 9_999))
def test_the_worth_of_fills_is_the_pnl(
    deals: list[tuple[int, int, Side, tuple[str, str], int, int]], mark2: int
) -> None:
    story, fills, inventory = quoting_story(), Fills(), Inventory(baseline=ZERO)
    counted = 0
    for number, (price, qty, side, (fee, asset), order_id, after_ns) in enumerate(deals, 1):
        told: VenueFill = fill(
            number, qty=qty, price=price, side=side, order_id=order_id, fee=fee, fee_asset=asset
        )
        inventory = add_fill(inventory, MARKET, told, 0)
        before = story.state
        story.push(e.Filled(told), after_ns=after_ns)
        fills.observe(before, story.records[-1], story.state, is_changed=False)
        counted += qty
    fills.end()
    whole = ZERO
    for each in fills.found:
        whole = add(whole, worth(each, MARKET, mark2))
    assert whole == pnl(inventory, MARKET, mark2).total
    assert sum(each.qty for each in fills.found) == counted


def test_worth_by_hand() -> None:
    story, fills = quoting_story(), Fills()
    told = fill(1, qty=3, price=1_001, side=Side.SELL, fee="0.000002", fee_asset="BTC")
    before = story.state
    story.push(e.Filled(told))
    fills.observe(before, story.records[-1], story.state, is_changed=False)
    (found,) = fills.found
    # Sold 0.003 at 10.01; at 9.905 that is 0.000315 won, and the fee is 0.00001981.
    assert worth(found, MARKET, 1_981) == Decimal("0.00029519")
    assert worth(msgspec.structs.replace(found, side=Side.BUY), MARKET, 1_981) == Decimal(
        "-0.00033481"
    )
    assert (found.market, found.level, found.is_own) == (NAME, -1, False)
