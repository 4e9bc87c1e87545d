"""Token buckets towards the venue: their sizes, what takes from them, and who goes first."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from adapters.whitebit.outbound import outbound
from engine import events as e
from engine import intents as i
from engine import rates
from engine.backoff import GROUPS, URGENT, Group, group_of
from engine.rates import FRAMES, LIMITS, SIGNED, Bucket, admit, bucket_of, frames_key, room
from engine.session import session_intents
from engine.state import PRIVATE, State
from engine.step import decide
from engine.types import Settings, Stp
from tests.engine.builders import (
    MARKET,
    MS,
    NAME,
    PERPETUAL,
    T0,
    Fixed,
    Run,
    S,
    fixed,
    new_order,
    quoted,
    quoting,
    started,
)

MARKETS = {market.name: market for market in (MARKET, PERPETUAL)}
PLACE = i.PlaceOrders(NAME, (new_order("a"),))
MODIFY = i.ModifyOrder(NAME, "a", 990, 1, Stp.CANCEL_NEW)
CANCEL = i.CancelOrder(NAME, "a")


def state_with(**changes: object) -> State:
    """A state of both markets and nothing else, at `T0`."""
    run = Run(quoted(), quoted(PERPETUAL))
    return replace(run.state, now_ns=T0, **changes)


def left(state: State, **rooms: int) -> State:
    """The same state with so many tokens left in buckets, named by the end of their key."""
    used = {}
    for name, tokens in rooms.items():
        (key,) = [key for key in LIMITS if key.endswith(name)]
        used[key] = bucket_of(key, state.settings.rate_percent).depth - tokens
    return replace(state, used=used)


# --- buckets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "percent", "bucket"),
    [
        ("/api/v4/order/new", 80, Bucket(4000, 2_500_000, 0)),
        ("/api/v4/order/new", 100, Bucket(5000, 2_000_000, 0)),
        ("/api/v4/orders", 80, Bucket(4800, 2_083_334, 0)),
        ("/api/v4/collateral-account/positions/open", 80, Bucket(40, 250_000_000, 0)),
        ("/api/v4/collateral-account/positions/open", 1, Bucket(1, 10 * S, 0)),
        ("/api/v4/public/time", 80, Bucket(800, 12_500_000, 0)),
        ("/api/v4/profile/websocket_token", 80, Bucket(4, 15 * S, 0)),
        ("/api/v4/profile/websocket_token", 30, Bucket(1, 30 * S, 0)),
        ("/ws", 80, Bucket(400, 150_000_000, 0)),
        (SIGNED, 80, Bucket(2000, 2_500_000, 500)),
        (frames_key(PRIVATE), 80, Bucket(80, 750_000_000, 20)),
    ],
)
def test_a_bucket_is_a_share_of_the_venues_limit(key: str, percent: int, bucket: Bucket) -> None:
    assert bucket_of(key, percent) == bucket


@pytest.mark.parametrize("percent", [1, 3, 50, 80, 99, 100])
@pytest.mark.parametrize("key", [*LIMITS, "ws"])
def test_no_span_ever_sees_more_than_the_share(key: str, percent: int) -> None:
    limit, bucket = LIMITS.get(key, FRAMES), bucket_of(key, percent)
    regrown = limit.span_s * S // bucket.each_ns
    assert bucket.depth + regrown <= max(2, limit.count * percent // 100)
    assert bucket.depth >= 1
    assert bucket.each_ns <= limit.span_s * S


def test_the_signed_bucket_keeps_nonces_within_their_window() -> None:
    # A nonce is at least a millisecond apart: this far they can run ahead of the clock.
    assert bucket_of(SIGNED, 100).depth * MS <= 2_500 * MS
    assert (LIMITS[SIGNED].count, LIMITS[SIGNED].span_s) == (5_000, 5)


@pytest.mark.parametrize("intent", [PLACE, MODIFY, CANCEL], ids=["place", "modify", "cancel"])
def test_a_flood_stays_within_every_span(intent: i.Intent) -> None:
    """Ask without end for 25 s, with a timer every 100 ms, and count what was let go."""
    state, sent = state_with(), []
    key = rates.endpoint_of(state, intent)
    for number in range(250):
        state = rates.settled(replace(state, now_ns=state.now_ns + 100 * MS))
        free = len(admit(state, [intent] * (100 if number else 2100))[0])
        state = replace(state, used={key: free} if free else {})
        sent.append(free)
    for span_s, most in ((5, 4000), (10, 8000)):
        windows = [sum(sent[at : at + span_s * 10]) for at in range(250 - span_s * 10 + 1)]
        assert max(windows) <= most
    # And what is allowed is used: the sustained rate is half the share in each span.
    assert sum(sent[150:250]) == 10 * 400


# --- what takes from them -----------------------------------------------------------------------


def intents_of_every_kind() -> list[i.Intent]:
    two = (new_order("a"), new_order("b"))
    return [
        PLACE, i.PlaceOrders(NAME, two),
        i.PlaceOrders("BTC_PERP", two[:1]), i.PlaceOrders("BTC_PERP", two),
        MODIFY, CANCEL, i.CancelAll(NAME),
        i.ArmKillSwitch(NAME, 15), i.DisarmKillSwitch(NAME),
        i.QueryOpenOrders(NAME, 0), i.QueryFills(NAME, 0), i.QuerySpotBalances(),
        i.QueryMarginBalances(), i.QueryPositions("BTC_PERP"), i.QueryFees(NAME),
        i.QueryFunding("BTC_PERP", 0),
        i.QueryKillSwitch(NAME), i.QueryTime(), i.QueryMarkets(),
        i.OpenStream(PRIVATE), i.OpenStream(NAME), i.CloseStream(NAME), i.Ping(NAME),
        i.Resubscribe(NAME),
    ]  # fmt: skip


def test_every_kind_of_intent_is_of_a_group() -> None:
    assert {type(intent) for intent in intents_of_every_kind()} == set(GROUPS)
    assert set(get_args(i.Intent)) == set(GROUPS)


def test_an_intent_counts_at_the_endpoint_that_the_encoder_asks() -> None:
    state = state_with()
    for intent in intents_of_every_kind():
        if group_of(intent) is Group.STREAMS:
            continue
        path = outbound(intent, 1, MARKETS, Settings()).path
        assert rates.endpoint_of(state, intent) == path
        assert path in LIMITS
        before = {SIGNED: 2000, path: room(state, path)}
        run = Run(state=replace(state, used={}))
        (seq,) = run.ask()[:1] or [0]
        assert seq == 0
        decided = run.push(e.Decided((intent,), ()))
        if isinstance(intent, i.ModifyOrder | i.CancelOrder):
            continue
        run.push(e.RequestSent(0, 1, "POST", path, b""), decided)
        after = {key: room(run.state, key) for key in before}
        signed = 0 if group_of(intent) is Group.PUBLIC else 1
        assert after == {SIGNED: 2000 - signed, path: before[path] - 1}


@pytest.mark.parametrize(
    ("stream", "frames", "taken"),
    [
        (PRIVATE, 4, {rates.CONNECTIONS: 1, rates.TOKEN: 1, SIGNED: 1, frames_key(PRIVATE): 5}),
        (NAME, 3, {rates.CONNECTIONS: 1, rates.TOKEN: 0, SIGNED: 0, frames_key(NAME): 3}),
    ],
)
def test_opening_a_stream_takes_a_connection_a_token_and_frames(
    stream: str, frames: int, taken: dict[str, int]
) -> None:
    run = Run(quoted())
    before = {key: room(run.state, key) for key in taken}
    decided = run.push(e.Decided((i.OpenStream(stream),), ()))
    run.push(e.RequestSent(0, 1, "WS", stream, b"\n".join([b"{}"] * frames)), decided)
    assert {key: before[key] - room(run.state, key) for key in taken} == taken


def test_frames_count_by_connection() -> None:
    run = started()
    key = frames_key(NAME)
    before = room(run.state, key)
    for intent, count in ((i.Ping(NAME), 1), (i.Resubscribe(NAME), 2)):
        run.ask(intent)
        assert room(run.state, key) == before - count
        before -= count
    run.wait(0.1)
    assert run.state.spent[key] > run.now_ns
    run.push(e.StreamClosed(NAME, "reset", 0))
    run.ask(i.Ping(PRIVATE))
    others = {name: count for name, count in run.state.used.items() if name != key}
    decided = run.push(e.Decided((i.OpenStream(NAME),), ()))
    run.push(e.RequestSent(0, 1, "WS", NAME, b"{}\n{}\n{}"), decided)
    assert room(run.state, key) == 80 - 3
    assert others.items() <= run.state.used.items()
    assert others


def test_closing_a_stream_takes_nothing() -> None:
    run = started()
    run.wait(0.1)
    run.ask(i.CloseStream(NAME))
    assert run.state.used == {}


def test_what_an_earlier_run_sent_still_counts() -> None:
    run = started()
    run.ask(i.QueryOpenOrders(NAME, 0))
    run.wait(0.001)
    run.ask(i.QueryFills(NAME, 0))
    spent, used = run.state.spent, run.state.used
    assert spent
    assert used
    again = Run(quoted(), state=run.state, run_id="r2")
    assert (again.state.spent, again.state.used) == (spent, used)


# --- growing back -------------------------------------------------------------------------------


def test_tokens_grow_back_one_by_one_and_a_full_bucket_is_forgotten() -> None:
    key = "/api/v4/collateral-account/positions/open"
    state = state_with(used={key: 3})
    assert room(state, key) == 37
    state = rates.settled(state)
    assert state.used == {}
    assert state.spent == {key: T0 + 3 * 250 * MS, SIGNED: T0 + 3 * 2_500_000}
    for after_ms, tokens in ((0, 37), (249, 37), (250, 38), (500, 39), (749, 39), (750, 40)):
        assert room(replace(state, now_ns=T0 + after_ms * MS), key) == tokens
    state = rates.settled(replace(state, now_ns=T0 + 749 * MS))
    assert set(state.spent) == {key}
    assert rates.settled(replace(state, now_ns=T0 + 750 * MS)).spent == {}


def test_tokens_taken_later_wait_for_those_taken_before() -> None:
    key = "/api/v4/collateral-account/positions/open"
    state = rates.settled(state_with(used={key: 3}))
    state = rates.settled(replace(state, now_ns=T0 + 500 * MS, used={key: 2}))
    assert state.spent[key] == T0 + 5 * 250 * MS


def test_slack_is_what_may_go_without_looking() -> None:
    calm = rates.settled(state_with())
    assert calm.slack == 1500
    assert rates.settled(replace(calm, used={"/api/v4/order/modify": 3_000})).slack == -1500
    spent = {"/api/v4/order/cancel": T0 + 3_990 * 2_500_000}
    assert rates.settled(replace(calm, spent=spent)).slack == 10
    run = started()
    run.wait(0.1)
    run.wait(0.1)
    assert run.state.slack == 1500
    run.wait(0.1)
    run.ask(i.QueryTime(), i.QueryMarkets())
    assert run.state.slack == 1498
    run.ask(i.CancelAll(NAME))
    assert run.state.slack == 1497


def test_between_timers_the_slack_never_promises_what_a_bucket_lacks() -> None:
    state = rates.settled(state_with(spent={"/api/v4/order/bulk": T0 + 3_000 * 2_500_000}))
    bulk = i.PlaceOrders(NAME, (new_order("a"), new_order("b")))
    passed, _ = admit(state, [bulk] * 2000)
    assert len(passed) == state.slack == 1000


# --- who goes first -------------------------------------------------------------------------------


def test_cancels_kill_switch_and_pings_go_first_in_their_own_order() -> None:
    intents: list[i.Intent] = [
        PLACE,
        CANCEL,
        i.QueryTime(),
        i.Ping(NAME),
        MODIFY,
        i.ArmKillSwitch(NAME, 15),
    ]
    order = [type(intent) for intent in rates.urgent_first(intents)]
    assert order == [
        i.CancelOrder, i.Ping, i.ArmKillSwitch, i.PlaceOrders, i.QueryTime, i.ModifyOrder
    ]  # fmt: skip
    assert {Group.CANCELS, Group.KILL_SWITCH} == URGENT


@pytest.mark.parametrize(
    ("tokens", "places", "cancels"), [(502, 2, 2), (501, 1, 2), (500, 0, 2), (1, 0, 1), (0, 0, 0)]
)
def test_the_reserve_is_for_what_makes_us_safer(tokens: int, places: int, cancels: int) -> None:
    state = left(state_with(), signed=tokens)
    # The bucket of what is signed is filled by endpoints: any of them.
    state = replace(state, used={"/api/v4/orders": 2000 - tokens})
    assert len(admit(state, [PLACE] * 2)[0]) == places
    assert len(admit(state, [CANCEL] * 2)[0]) == cancels


def test_public_data_needs_no_signature() -> None:
    state = replace(state_with(), used={"/api/v4/orders": 2000})
    assert admit(state, [i.QueryTime(), i.QueryMarkets()]) == (
        [i.QueryTime(), i.QueryMarkets()],
        [],
    )


@pytest.mark.parametrize(("tokens", "passed"), [(1, 1), (0, 0)])
def test_public_data_takes_one_token(tokens: int, passed: int) -> None:
    state = left(state_with(), **{"public/time": tokens})
    assert len(admit(state, [i.QueryTime()] * 2)[0]) == passed


def test_the_last_tokens_of_a_stream_are_for_pings() -> None:
    key = frames_key(NAME)
    for used, resubscribes, pings in ((58, 1, 1), (59, 0, 1), (79, 0, 1), (80, 0, 0)):
        state = replace(state_with(), used={key: used})
        assert len(admit(state, [i.Resubscribe(NAME)])[0]) == resubscribes
        assert len(admit(state, [i.Ping(NAME)])[0]) == pings


def test_a_stream_waits_for_a_token_and_another_does_not() -> None:
    state = left(state_with(), websocket_token=0)
    passed, refusals = admit(state, [i.OpenStream(PRIVATE), i.OpenStream(NAME)])
    assert passed == [i.OpenStream(NAME)]
    (refusal,) = refusals
    assert (refusal.market, refusal.rule, refusal.key) == (PRIVATE, "rate", rates.TOKEN)
    assert refusal.reason == (f"{rates.TOKEN}: 0 of 4 requests left, one more every 15000000 us")


def test_intents_of_one_decision_share_what_is_left() -> None:
    state = left(state_with(), **{"positions/open": 1})
    asked = [i.QueryPositions("BTC_PERP"), i.QueryPositions("")]
    passed, refusals = admit(state, [*asked, asked[0]])
    assert passed == asked[:1]
    assert [refusal.market for refusal in refusals] == [""]


# --- said once ------------------------------------------------------------------------------------


def test_what_cannot_go_now_is_said_once_a_second_and_decided_again() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    run.state = replace(run.state, used={"/api/v4/orders": 2000})
    decision = decide(run.state)
    assert decision.intents == ()
    (refusal,) = decision.refusals
    assert (refusal.market, refusal.rule, refusal.key) == (NAME, "rate", SIGNED)
    run.push(decision)
    assert run.state.told == {SIGNED: run.now_ns + S}
    assert run.market.hold_until_ns == 0
    run.state = replace(run.state, attention_seq=run.state.seq + 1)
    assert decide(run.state).refusals == ()
    run.push(e.Decided((), ()), after_ns=S - 1)
    state = replace(run.state, attention_seq=run.state.seq + 1)
    assert decide(state).refusals == ()
    state = replace(state, now_ns=state.now_ns + 1)
    assert len(decide(state).refusals) == 1
    # The tokens grow back, and the order goes out, decided from the state as it is then.
    run.wait(0.1)
    run.wait(3)
    assert [type(intent) for intent in run.decide() if group_of(intent) is Group.PLACES] == [
        i.PlaceOrders
    ]


def test_what_quotes_send_is_looked_at_only_beyond_the_slack() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    run.push(e.Decided((), ()))
    run.push(e.ParametersChanged(NAME, fixed(((991, 10),))))
    short = replace(run.state, used={"/api/v4/orders": 2000})
    assert len(decide(replace(short, slack=1)).intents) == 1
    assert decide(replace(short, slack=0)).intents == ()
    assert decide(replace(short, slack=0)).refusals[0].key == SIGNED
    attentive = replace(short, attention_seq=run.state.seq)
    assert len(decide(replace(attentive, slack=1)).intents) == 1
    # What the session itself asks goes to other endpoints than the slack is about.
    asking = replace(attentive, time_asked_ns=0, slack=2)
    assert session_intents(asking) == [i.QueryTime()]
    assert decide(asking).refusals[0].key == SIGNED
    assert [type(intent) for intent in decide(asking).intents] == [i.QueryTime]


def test_cancels_of_one_market_go_before_the_moves_of_another() -> None:
    run, _ = quoting()
    run.push(e.Decided((), ()))
    other = replace(run.market.quoted.market, name="AAA_USDT")
    first = replace(run.market, quoted=replace(run.market.quoted, market=other))
    second = replace(run.market, touched_seq=run.state.seq + 1)
    moved = replace(
        first, strategy=Fixed(((980, 10),), ((1010, 10),)), touched_seq=run.state.seq + 1
    )
    gone = replace(second, strategy=Fixed((), ((1010, 10),)))
    links = {**run.state.links, "AAA_USDT": run.state.links[NAME]}
    state = replace(run.state, markets={"AAA_USDT": moved, NAME: gone}, links=links, slack=9)
    kinds = [type(intent) for intent in decide(state).intents]
    assert kinds == [i.CancelOrder, i.ModifyOrder]


def test_limits_of_the_state_survive_the_journal() -> None:
    state = rates.settled(state_with(used={"/api/v4/orders": 5}, told={"places": T0 + S}))
    assert state.told == {"places": T0 + S}
    assert rates.settled(replace(state, now_ns=T0 + S)).told == {}
    assert list(pairwise(sorted(state.spent))) == [("/api/v4/orders", SIGNED)]
    assert msgspec.msgpack.encode(state)
