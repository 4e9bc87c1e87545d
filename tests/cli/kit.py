"""States by hand: a spot market with quotes, fills and a timer, as a run would have folded it."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

import strategies as _strategies  # noqa: F401 - registers what the quoted market names
from engine import events as e
from engine.book import from_snapshot
from engine.intents import NewOrder
from engine.inventory import Inventory, add_fill, position_lots
from engine.order_changes import with_orders
from engine.orders import Order, Pending, Status, placed
from engine.reduce import reduce
from engine.state import PRIVATE, Feed, Link, LinkStatus, Recon, ReconStage, State, Uptime
from engine.stopping import KillSwitch
from engine.types import (
    Limits,
    Market,
    Product,
    Quoted,
    Role,
    Settings,
    Side,
    Stp,
    VenueFill,
)

S = 1_000_000_000
NOON = 1_800_014_400 * S - 1_800_014_400 % 86_400 * S + 43_200 * S
"""12:00:00 UTC of some day, when every run here starts, nanoseconds."""

SPOT = Market(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    product=Product.SPOT,
    price_decimals=2,
    qty_decimals=6,
    qty_min=10,
    notional_min=505_000_000,
    notional_max=0,
    maker_fee_rate=Decimal("0.001"),
    taker_fee_rate=Decimal("0.001"),
)
PARAMETERS = '{"ladder":[{"qty":"0.005","stp":"cn"}],"half_spread_bps":1.5}'
QUOTED = Quoted(
    SPOT, "inventory_skew", PARAMETERS, Limits(500_000, 10**12, 100, 12), 10_000_000, 200, 25
)
STARTED = e.RunStarted("ab12cd", "paper", (), "{}", Settings(), (QUOTED,))

BOUGHT = VenueFill(
    "BTC_USDT", 7, 101, "b", Side.BUY, Role.MAKER, 6_179_000, 5_000,
    Decimal("0.000005"), "BTC", 0,
)  # fmt: skip
SOLD = VenueFill(
    "BTC_USDT", 8, 102, "a", Side.SELL, Role.TAKER, 6_181_000, 2_000,
    Decimal("0.12362"), "USDT", 0,
)  # fmt: skip


def record(event: e.AnyEvent, *, seq: int = 2, cause_seq: int = 0) -> e.Record:
    return e.Record(seq, NOON + S, cause_seq, event)


def started() -> State:
    """A run that has just begun: nothing is known yet."""
    return reduce(State(), e.Record(1, NOON, 0, STARTED))


def order(side: Side, price: int, *, level: int = 0, **changes: object) -> Order:
    """One resting order of 0.005 BTC."""
    new = NewOrder(f"{side.name}-{level}", side, price, 5_000, Stp.CANCEL_NEW, False, True, level)
    resting = replace(
        placed(new, NOON, 0, 1),
        status=Status.OPEN,
        pending=Pending.NONE,
        order_id=1000 + level + 100 * side,
    )
    return replace(resting, **changes)


def quoting(*orders: Order) -> State:
    """A run that quotes, two deals in, ten seconds after its start."""
    state = started()
    market = state.markets["BTC_USDT"]
    book = from_snapshot((6_180_000, 4_000), (6_180_100, 12_055), 5, 0)
    inventory = Inventory(baseline=Decimal(10), quote_baseline=Decimal(1_000_000))
    for deal in (BOUGHT, SOLD):
        inventory = add_fill(inventory, SPOT, deal, 12_360_100)
    market = replace(
        market,
        feed=Feed(book=book, book_ok=True, fresh_ns=NOON + 10 * S),
        inventory=inventory,
        position=position_lots(inventory, SPOT, QUOTED.inventory_target),
        kill_switch=KillSwitch(armed_until_ns=NOON + 22 * S, escalate_at_ns=NOON + 20 * S),
        recon=Recon(stage=ReconStage.DONE, blind=False),
        uptime=Uptime(since_ns=NOON, total_ns=8 * S, bid_ns=8 * S, ask_ns=5 * S),
    )
    market = with_orders(market, orders, e.Record(1, NOON, 0, STARTED))
    ready = Link(status=LinkStatus.READY)
    links = {"BTC_USDT": ready, PRIVATE: ready}
    state = replace(state, now_ns=NOON + 10 * S, markets={"BTC_USDT": market}, links=links)
    state = replace(state, offset_low_ns=-1, offset_high_ns=1, clock_fault="")
    state.check()
    return state
