"""Every reason not to quote pulls the quotes, says so, and lets them back when it is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from engine import clock, freshness
from engine import events as e
from engine import intents as i
from engine.gates import closed_gate, unsettled
from engine.state import PRIVATE, Link, LinkStatus, State
from engine.step import decide
from engine.stopping import KillSwitch
from engine.types import Stp
from tests.engine.builders import NAME, Run, S, quoting, snapshot, started

Change = Callable[[Run], None]
DOWN = f"stream {NAME} is down"


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
    "panic latch": in_state(latched="panic latch"),
    "refused key": in_state(halted="refused key"),
    "refused market": lambda run: in_market(run, halted="refused market"),
    "no book": feed(book_ok=False),
    freshness.STALLED: feed(doubt=freshness.STALLED),
    "feed is stale": feed(fresh_ns=1),
    "reconciling: doubt": lambda run: in_market(
        run, recon=replace(run.market.recon, blind=True, reason="doubt")
    ),
    "inventory not known yet": lambda run: in_market(
        run, inventory=replace(run.market.inventory, baseline=None)
    ),
    "kill-switch not armed": lambda run: in_market(
        run, kill_switch=replace(run.market.kill_switch, armed_until_ns=0, escalate_at_ns=0)
    ),
    "kill-switch not refreshed for too long": lambda run: in_market(
        run, kill_switch=replace(run.market.kill_switch, escalate_at_ns=run.now_ns)
    ),
    "stream private is down": closed_link,
    f"stream {NAME} does not answer pings": link(NAME, ping_sent_ns=1),
    clock.WRONG: in_state(clock_fault=clock.WRONG),
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
    for _ in range(2):
        run.wait(6.5)
        run.settle()
    assert closed_gate(run.state, run.market) == "feed is stale"
    run.push(snapshot(update_id=7, at_ns=run.now_ns))
    assert closed_gate(run.state, run.market) == ""


def test_places_and_modifies_are_unsettled_and_cancels_are_not() -> None:
    run, (ask, bid) = quoting()
    assert not unsettled(run.market)
    run.ask(i.CancelOrder(NAME, ask.client_order_id))
    assert not unsettled(run.market)
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 985, 10, Stp.CANCEL_NEW))
    assert unsettled(run.market)
    run.push(e.OutcomeUnknown("reset"), request)
    assert unsettled(run.market)


NOW_NS = 1_900_000_000 * S
LATE = f"stream {NAME} does not answer pings"
EDGES: dict[str, tuple[Change, Change, str]] = {
    "depth is fresh for 12 s": (
        feed(fresh_ns=NOW_NS - 12 * S),
        feed(fresh_ns=NOW_NS - 12 * S - 1),
        "feed is stale",
    ),
    "the timer of the venue has time left": (
        lambda run: in_market(run, kill_switch=KillSwitch(NOW_NS + S, escalate_at_ns=NOW_NS + 1)),
        lambda run: in_market(run, kill_switch=KillSwitch(NOW_NS + S, escalate_at_ns=NOW_NS)),
        "kill-switch not refreshed for too long",
    ),
    "a pong takes up to 2 s": (
        link(NAME, ping_sent_ns=NOW_NS - 2 * S),
        link(NAME, ping_sent_ns=NOW_NS - 2 * S - 1),
        LATE,
    ),
    "a pong of the private stream too": (
        link(PRIVATE, ping_sent_ns=NOW_NS - 2 * S),
        link(PRIVATE, ping_sent_ns=NOW_NS - 2 * S - 1),
        "stream private does not answer pings",
    ),
    "one stream's pong is none of the other's": (
        link(PRIVATE, ping_sent_ns=NOW_NS - S),
        link(NAME, ping_sent_ns=NOW_NS - 3 * S),
        LATE,
    ),
    "a public stream must be up": (link(NAME), link(NAME, status=LinkStatus.OPENING), DOWN),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_gate_closes_one_step_beyond_its_bound(name: str) -> None:
    within, beyond, reason = EDGES[name]
    run = started()
    armed = KillSwitch(armed_until_ns=NOW_NS + S, escalate_at_ns=NOW_NS + S)
    in_market(run, kill_switch=armed, feed=replace(run.market.feed, fresh_ns=NOW_NS))
    in_state(now_ns=NOW_NS)(run)
    within(run)
    assert closed_gate(run.state, run.market) == ""
    beyond(run)
    assert closed_gate(run.state, run.market) == reason


def test_a_live_ticker_does_not_hide_that_depth_is_silent() -> None:
    """Depth has a keepalive each 10 s (contract 11.5); the ticker's silence is normal."""
    run, _ = quoting()
    for number in range(13):
        ticker = e.BestBidOffer(NAME, 100 + number, run.now_ns // 1000, 990, 50, 1010, 50)
        run.push(ticker, after_ns=S)
    assert closed_gate(run.state, run.market) == "feed is stale"
