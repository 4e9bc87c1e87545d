"""A state as bytes and back: the same state, and the same life from there on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

import strategies as _strategies  # noqa: F401 - registers what the quoted market names
from engine import events as e
from engine import intents as i
from engine.errors import JournalError
from engine.events import BestBidOffer
from engine.snapshot import decode_state, encode_state
from engine.state import State, fingerprint
from engine.step import decide
from engine.types import OrderStatus, Stp
from tests.engine.builders import (
    NAME,
    PERPETUAL,
    Run,
    fill,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)


def busy() -> Run:
    """A run with orders in every state, deals, strangers, requests, memory and ghosts."""
    run, (ask, bid) = quoting()
    run.push(BestBidOffer(NAME, 9, 0, 985, 3, 1015, 4))
    run.push(e.Filled(fill(7, qty=4, price=990, fee="0.10", client_order_id=bid.client_order_id)))
    run.push(e.OrderOpened(venue_order("by hand", 77)))
    run.ask(
        i.ModifyOrder(NAME, bid.client_order_id, 989, 5, Stp.CANCEL_NEW),
        i.CancelOrder(NAME, ask.client_order_id),
        i.PlaceOrders(NAME, (new_order("r1-new", level=1),)),
        i.QueryTime(),
    )
    ended = venue_order("r1-new", 9, leaves=0, status=OrderStatus.FILLED)
    run.push(e.OrderClosed(ended))
    assert run.market.owing
    assert run.market.closed
    return run


def remembering() -> Run:
    run = started(replace(quoted(), strategy="inventory_skew", parameters=SKEW))
    for number in range(5):
        run.push(BestBidOffer(NAME, 10 + number, 0, 985 + number, 3, 1015, 4))
    assert run.market.memory is not None
    return run


SKEW = (
    '{"ladder":[{"qty":"0.005","stp":"cn"}],"half_spread_bps":100.0,"volatility_multiple":0.25,'
    '"volatility_half_life_s":30.0}'
)
STATES = {
    "nothing yet": lambda: State(),
    "orders, deals and requests": lambda: busy().state,
    "a strategy that remembers": lambda: remembering().state,
    "two markets": lambda: started(quoted(), quoted(PERPETUAL)).state,
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_comes_back_whole(name: str) -> None:
    state = STATES[name]()
    back = decode_state(encode_state(state))
    assert back == state
    assert fingerprint(back) == fingerprint(state)
    assert decide(back) == decide(state)
    for market, found in back.markets.items():
        assert type(found.strategy) is type(state.markets[market].strategy)
        assert type(found.memory) is type(state.markets[market].memory)
    back.check()


def test_life_goes_on_from_a_snapshot_as_from_the_state_itself() -> None:
    runs = [busy(), busy()]
    runs[1].state = decode_state(encode_state(runs[1].state))
    for run in runs:
        run.push(snapshot(update_id=12, at_ns=run.now_ns))
        run.wait(4)
        run.settle()
        run.wait(8)
    assert runs[0].state == runs[1].state


def test_bytes_that_are_no_state_are_refused() -> None:
    data = encode_state(busy().state)
    for spoilt in (b"", data[:-1], b"\x92\x01\x80", data + b"\x00"):
        with pytest.raises(JournalError, match="not a state of this schema"):
            decode_state(spoilt)


def test_a_strategy_or_a_memory_that_is_not_known_here_is_refused() -> None:
    state = busy().state
    market = state.markets[NAME]
    for changed in (
        replace(market, quoted=replace(market.quoted, strategy="gone")),
        replace(market, memory=5),
    ):
        data = encode_state(replace(state, markets={NAME: changed}))
        with pytest.raises(JournalError, match="not a state of this schema"):
            decode_state(data)
