"""The parts of all fills come to what the inventory's fold has, exactly, whatever happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.config import default_config
from adapters.cli.simulate import JOURNAL, simulate
from adapters.paper.config import VenueConfig
from adapters.paper.flow.source import SYNTHETIC, flow_maker
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.inventory import Inventory
from engine.money import ZERO, add, multiply
from engine.types import Role, Side
from replay.read import read_records
from replay.tracer import Tracer, trails
from replay.trails import FillTrail, Sums
from tests.engine.builders import MARKET, MS, NAME, fill
from tests.replay.story import names, quoting_story


def parts(inventory: Inventory, base: str, quote: str) -> Sums:
    """The fold, part by part as `Sums` has them."""
    fees = {base: inventory.base_fees, quote: inventory.quote_fees, **dict(inventory.other_fees)}
    return Sums(
        maker_fills=inventory.maker_fills,
        taker_fills=inventory.taker_fills,
        bought_qty=inventory.bought_qty,
        sold_qty=inventory.sold_qty,
        cash=inventory.cash,
        spread2=inventory.spread,
        fees={asset: fee for asset, fee in fees.items() if fee},
    )


def joined(one: Sums, other: Sums) -> Sums:
    fees = {
        asset: add(one.fees.get(asset, ZERO), other.fees.get(asset, ZERO))
        for asset in {*one.fees, *other.fees}
    }
    return Sums(
        one.maker_fills + other.maker_fills,
        one.taker_fills + other.taker_fills,
        one.bought_qty + other.bought_qty,
        one.sold_qty + other.sold_qty,
        one.cash + other.cash,
        one.spread2 + other.spread2,
        {asset: fee for asset, fee in fees.items() if fee},
    )


def summed(found: list[FillTrail]) -> Sums:
    sums = Sums()
    for trail in found:
        sums.add(trail.fill, trail.spread2)
    return sums


def without_nothing(sums: Sums) -> Sums:
    return joined(sums, Sums())


DEALS = st.lists(
    st.tuples(
        st.integers(1, 12),  # deal id: some come twice
        st.integers(1, 5),  # lots
        st.integers(900, 1100),  # price
        st.sampled_from(Side),
        st.sampled_from(Role),
        st.decimals(-1, 1, allow_nan=False, places=9),
        st.sampled_from(["BTC", "USDT", "WBT"]),
        st.sampled_from(["bid", "ask", "foreign", "r1-gone"]),
        st.integers(980, 1000),  # best bid before it; its ask is 1010
    ),
    max_size=12,
)


@given(DEALS)
def test_the_sums_of_trails_are_the_inventory(deals: list[tuple[object, ...]]) -> None:
    story = quoting_story()
    bid, ask = names(story)
    owners = {"bid": bid, "ask": ask, "foreign": "by hand", "r1-gone": "r1-gone"}
    for deal_id, qty, price, side, role, fee, asset, owner, best in deals:
        bbo = e.BestBidOffer(NAME, 1_000, 0, best, 7, 1010, 7)  # type: ignore[arg-type]
        story.push(bbo)
        deal = fill(
            deal_id,  # type: ignore[arg-type]
            qty=qty,  # type: ignore[arg-type]
            price=price,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            role=role,  # type: ignore[arg-type]
            fee=str(fee),
            fee_asset=str(asset),
            client_order_id=owners[str(owner)],
        )
        story.push(e.Filled(deal), after_ns=40 * MS)
    found, tracer = story.trails()
    own, foreign = summed(found), tracer.foreign.get(NAME, Sums())
    assert own == tracer.own.get(NAME, Sums())
    inventory = parts(story.market.inventory, MARKET.base_asset, MARKET.quote_asset)
    assert joined(own, foreign) == inventory
    seqs = [trail.seq for trail in found]
    assert seqs == sorted(set(seqs))


@pytest.fixture(scope="module")
def session() -> tuple[SimFs, list[FillTrail], Tracer]:
    """Half a minute of both markets on the synthetic flow, traced."""
    flow = flow_maker(VenueConfig(), SYNTHETIC, seed=3, speed="1", fs=SimFs())
    fs = simulate(default_config(), flow, seed=3, seconds=12.0).fs
    tracer = Tracer()
    return fs, list(trails(read_records(fs, JOURNAL), tracer=tracer)), tracer


@pytest.mark.slow
def test_a_simulated_run_balances(session: tuple[SimFs, list[FillTrail], Tracer]) -> None:
    _, found, tracer = session
    assert {trail.fill.market for trail in found} == {"BTC_USDT", "BTC_PERP"}
    for name, market in tracer.state.markets.items():
        spec, inventory = market.quoted.market, market.inventory
        ours = [trail for trail in found if trail.fill.market == name]
        assert len(ours) == inventory.fills > 5
        sums = summed(ours)
        assert without_nothing(sums) == parts(inventory, spec.base_asset, spec.quote_asset)
        edges = [trail.edge for trail in ours]
        earned = Decimal(0)
        for edge in edges:
            assert edge is not None
            earned = add(earned, edge)
        # Half ticks x lots as an amount of the quote asset.
        unit = Decimal(1).scaleb(-spec.notional_decimals)
        assert earned == multiply(multiply(Decimal(inventory.spread), Decimal("0.5")), unit)


@pytest.mark.slow
def test_a_simulated_run_tells_all_of_each_fill(
    session: tuple[SimFs, list[FillTrail], Tracer],
) -> None:
    """Every link of the chain is there, in its order."""
    for trail in session[1]:
        leg = trail.leg
        assert leg is not None
        assert leg.price == trail.fill.price
        assert leg.side is trail.fill.side
        assert leg.parameters in session[2].parameters
        assert leg.frame is not None
        assert leg.trigger is not None
        assert leg.decided is not None
        assert leg.sent is not None
        assert leg.frame.seq < leg.decided.seq < leg.sent.seq < trail.seq
        assert leg.trigger.seq == leg.decided.seq - 1
        if leg.acknowledged is not None:
            assert leg.sent.seq < leg.acknowledged.seq < trail.seq
            assert trail.age_ns == trail.filled.at_ns - leg.acknowledged.at_ns
        for markout in trail.markouts:
            if markout.mid2:
                assert markout.at_ns >= trail.filled.at_ns + markout.horizon_ns
                assert markout.seq > trail.seq
        aheads = [point.ahead for point in trail.queue]
        assert aheads == sorted(aheads, reverse=True), "nobody gets before us"
