"""What takes how many tokens, and what a limit in the way is told as, field by field."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine import rates
from engine.events import OutcomeUnknown, RiskRefusal
from engine.rates import CONNECTIONS, LIMITS, SIGNED, TOKEN, admit, bucket_of, frames_key, room
from engine.state import PRIVATE
from engine.types import Stp
from tests.engine.builders import NAME, quoted, started
from tests.engine.test_backoff import fail
from tests.engine.test_rates import state_with

OPEN = i.OpenStream(PRIVATE)


def test_requests_to_several_endpoints_share_one_bucket_of_what_is_signed() -> None:
    used = {"/api/v4/orders": 3, rates.CANCEL: 4, "/api/v4/public/time": 9, TOKEN: 2}
    state = state_with(used={**used, CONNECTIONS: 5, frames_key(PRIVATE): 6})
    before = room(replace(state, used={}), SIGNED)
    assert room(state, SIGNED) == before - (3 + 4 + 2)


def test_streams_opened_between_two_timers_count_one_by_one() -> None:
    state = state_with()
    for count in (1, 2, 3):
        state = rates.opened(state, OPEN, 4)
        key = frames_key(PRIVATE)
        assert state.used == {CONNECTIONS: count, TOKEN: count, key: 5}, "frames begin anew"


def test_frames_on_a_stream_count_from_none() -> None:
    state = state_with()
    for count in (2, 4):
        state = rates.framed(state, NAME, 2)
        assert state.used == {frames_key(NAME): count}


@pytest.mark.parametrize("key", [CONNECTIONS, TOKEN, SIGNED])
def test_opening_the_private_stream_needs_one_token_of_each(key: str) -> None:
    state = state_with()
    bucket = bucket_of(key, state.settings.rate_percent)
    assert key in LIMITS
    for left, passes in ((1, True), (0, False)):
        spent = bucket.depth - bucket.reserve - left
        tight = replace(state, spent={key: state.now_ns + spent * bucket.each_ns})
        assert (admit(tight, [OPEN])[0] == [OPEN]) is passes
        assert admit(tight, [OPEN, OPEN])[0] == [OPEN] * left


def test_each_limit_in_the_way_is_told_of_the_market_that_met_it_first() -> None:
    state = state_with(used={TOKEN: 4, rates.MODIFY: 4_000})
    modify = i.ModifyOrder(NAME, "a", 990, 1, Stp.CANCEL_NEW)
    passed, refusals = admit(state, [OPEN, modify, replace(modify, market="BTC_PERP")])
    assert passed == []
    assert [(told.market, told.key) for told in refusals] == [
        (PRIVATE, TOKEN),
        (NAME, rates.MODIFY),
    ]


def test_a_circuit_in_the_way_is_told_by_market_and_group() -> None:
    run = started(quoted())
    asked = i.QueryFees(NAME)
    for _ in range(5):
        circuit = fail(run, asked, OutcomeUnknown("reset"))
        run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    why = "queries: no answer, 5 in a row"
    waits = replace(run.state, now_ns=circuit.retry_at_ns - 2_000_000)
    wanted = RiskRefusal(NAME, "breaker", f"{why}, next try in 2 ms", key="queries")
    assert admit(waits, [asked]) == ([], [wanted])
    reason = f"{why}, one request at a time until an answer"
    wanted = RiskRefusal(NAME, "breaker", reason, key="queries")
    assert admit(run.state, [asked, asked]) == ([asked], [wanted])
