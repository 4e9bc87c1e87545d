"""What is held keeps the worth of its last mark while there is no book, as after a restart."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from adapters.cli.screen import status_line
from adapters.cli.state_text import state_text
from adapters.cli.summary import summarize
from adapters.cli.values import change_line
from adapters.runtime.metrics import Metrics
from adapters.runtime.metrics_text import RunCollector
from engine import events as e
from engine.debts import Owed
from engine.funding import Funding
from engine.orders import Status
from engine.reduce import reduce
from engine.state import Feed, State
from engine.types import Side
from replay import units
from replay.fields import Change
from tests.cli.kit import NOON, SPOT, S, order, quoting, started
from tests.cli.test_summary import outcome

PNL = "-0.3611225"
"""Of the two deals of `quoting` at its mid."""


def bookless() -> State:
    """The state of `quoting` once a timer has marked it, and its feed was lost."""
    state = quoting()
    state = reduce(state, e.Record(2, state.now_ns, 0, e.TimerFired()))
    market = replace(state.markets["BTC_USDT"], feed=Feed())
    return replace(state, markets={"BTC_USDT": market})


def test_the_summary_has_the_last_mark() -> None:
    market = summarize(outcome(bookless()), "journal")["markets"]["BTC_USDT"]
    assert (market["pnl"], market["mark"]) == (PNL, "61800.5")


def test_the_screen_has_it() -> None:
    state = bookless()
    assert "P&L -0.3611 USDT" in status_line(state, state.markets["BTC_USDT"], NOON + 10 * S)


def test_inspect_has_it() -> None:
    assert any(f"P&L         {PNL} USDT" in line for line in state_text(bookless()))


def test_inspect_names_every_part_of_the_pnl() -> None:
    state = quoting()
    market = state.markets["BTC_USDT"]
    inventory = replace(
        market.inventory, funding=Funding(received=Decimal("0.5"), settled_s=1, unknown=True)
    )
    lines = list(
        state_text(replace(state, markets={"BTC_USDT": replace(market, inventory=inventory)}))
    )
    assert any(
        line.endswith("spread 0.0715 + inventory 0 - fees 0.4326225 + funding 0.5")
        for line in lines
    )
    assert "  funding     the last is not told yet, and not in the P&L" in lines


def test_quantities_are_in_the_decimals_of_their_market() -> None:
    closed = order(
        Side.BUY, 6_180_000, status=Status.CLOSED, closed_ns=NOON, owed=(Owed(1, 4_000, 0),)
    )
    state = quoting(closed)
    assert any(line.endswith("BUY-0: up to 0.004 BTC") for line in state_text(state))
    change = Change("markets.BTC_USDT.inventory.legs.long", 4_000, 5_000)
    assert change_line(change, state) == f"{change.path}: 0.004 -> 0.005"
    assert units.shown("long", 4_000, SPOT) == "0.004 BTC (4000 lots)"


def test_a_feed_that_never_came_is_not_ago() -> None:
    assert any(line.endswith("last frame never, 0 gaps") for line in state_text(started()))


def test_the_metrics_have_it() -> None:
    metrics = Metrics()
    metrics.state = bookless()
    text = RunCollector(metrics, lambda: NOON, lambda: 0).text().decode()
    assert f'quotefold_pnl{{market="BTC_USDT",part="total"}} {PNL}' in text
