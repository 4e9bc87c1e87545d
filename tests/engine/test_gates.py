"""Every reason not to quote pulls the quotes, says so, and lets them back when it is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate, unsettled
from engine.state import PRIVATE, Link, State
from engine.step import decide
from engine.types import Stp
from tests.engine.builders import NAME, Run, S, new_order, quoting, snapshot, started

Change = Callable[[Run], None]


def feed(**fields: object) -> Change:
    return lambda run: in_market(run, feed=replace(run.market.feed, **fields))


def in_market(run: Run, **fields: object) -> None:
    markets = {**run.state.markets, NAME: replace(run.market, **fields)}
    run.state = replace(run.state, markets=markets)


def in_state(**fields: object) -> Change:
    def change(run: Run) -> None:
        run.state = replace(run.state, **fields)

    return change


def link(stream: str, **fields: object) -> Change:
    def change(run: Run) -> None:
        links = {**run.state.links, stream: replace(run.state.links[stream], **fields)}
        run.state = replace(run.state, links=links)

    return change


def closed_link(run: Run) -> None:
    run.state = replace(run.state, links={**run.state.links, PRIVATE: Link()})


REASONS: dict[str, Change] = {
    "stopping": lambda run: in_state(stopping_ns=run.now_ns)(run),
    "observing only": in_state(mode="observe"),
    "refused key": in_state(halted="refused key"),
    "refused market": lambda run: in_market(run, halted="refused market"),
    "no book": feed(book_ok=False),
    "feed not proved fresh after a stall": feed(distrusted=True),
    "feed is stale": feed(fresh_ns=1),
    "reconciling: doubt": lambda run: in_market(
        run, recon=replace(run.market.recon, blind=True, reason="doubt")
    ),
    "inventory not known yet": lambda run: in_market(
        run, inventory=replace(run.market.inventory, baseline=None)
    ),
    "kill-switch not armed": lambda run: in_market(
        run, kill_switch=replace(run.market.kill_switch, armed_until_ns=run.now_ns)
    ),
    "stream private is down": closed_link,
    f"stream {NAME} does not answer pings": link(NAME, ping_sent_ns=1),
    "our clock and the venue's differ by more than 4 s": in_state(
        offset_low_ns=4 * S + 1, offset_high_ns=5 * S
    ),
}


def cancels(state: State) -> int:
    return sum(isinstance(intent, i.CancelOrder) for intent in decide(state).intents)


@pytest.mark.parametrize("reason", REASONS)
def test_a_closed_gate_pulls_every_quote_and_says_why(reason: str) -> None:
    run, _ = quoting()
    run.state = replace(run.state, attention_seq=run.state.seq + 1)
    assert closed_gate(run.state, run.market) == ""
    assert cancels(run.state) == 0
    REASONS[reason](run)
    assert closed_gate(run.state, run.market) == reason
    # A stopping run cancels all at once instead; a refused key is not used again.
    none = reason in ("stopping", "refused key")
    assert cancels(run.state) == (0 if none else 2)


def test_quotes_come_back_by_themselves_when_the_reason_is_gone() -> None:
    run, _ = quoting()
    run.wait(13)
    assert closed_gate(run.state, run.market) == "feed is stale"
    run.push(snapshot(update_id=7, at_ns=run.now_ns))
    assert closed_gate(run.state, run.market) == ""


def test_an_order_unknown_for_long_stops_the_market() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order("x"),)))
    run.wait(3.5)
    run.push(snapshot(update_id=7))
    assert closed_gate(run.state, run.market) == ""
    run.wait(2)
    assert closed_gate(run.state, run.market) == "order x has been unknown for too long"


def test_places_and_modifies_are_unsettled_and_cancels_are_not() -> None:
    run, (ask, bid) = quoting()
    assert not unsettled(run.market)
    run.ask(i.CancelOrder(NAME, ask.client_order_id))
    assert not unsettled(run.market)
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 985, 10, Stp.CANCEL_NEW))
    assert unsettled(run.market)
    run.push(e.OutcomeUnknown("reset"), request)
    assert unsettled(run.market)


def test_a_live_ticker_does_not_hide_that_depth_is_silent() -> None:
    """Depth has a keepalive each 10 s (contract 11.5); the ticker's silence is normal."""
    run, _ = quoting()
    for number in range(13):
        ticker = e.BestBidOffer(NAME, 100 + number, run.now_ns // 1000, 990, 50, 1010, 50)
        run.push(ticker, after_ns=S)
    assert closed_gate(run.state, run.market) == "feed is stale"
