"""The fold as a whole: total, pure, and the same bytes in and out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as e
from engine import intents as i
from engine.codec import decode_record, encode_record, schema_hash
from engine.errors import ConfigError, JournalError
from engine.reduce import HANDLERS, reduce
from engine.state import PRIVATE, State, fingerprint
from engine.step import step
from engine.strategy import load_strategy, register, registered_names
from engine.types import (
    KillSwitchTimer,
    Level,
    Position,
    Refusal,
    Settings,
    Side,
    SpotBalance,
    Stp,
)
from tests.engine.builders import (
    NAME,
    Fixed,
    Run,
    fill,
    fixed,
    margin,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)
from tests.engine.funding_runs import payment

ELSE = "ETH_USDT"
encode = msgspec.msgpack.Encoder().encode


def of(market: str) -> list[e.AnyEvent]:
    """One event of every kind, about the given market."""
    order = venue_order("x-1", 99, market=market)
    deal = fill(77, qty=1, client_order_id="x-1", market=market)
    trade = e.PublicTrade(5, 1000, 1, Side.BUY, False, 0)
    refusal = e.RiskRefusal(NAME, "collar", "too far")
    return [
        snapshot(market=market, update_id=30),
        e.BookDelta(market, 31, 30, 0, (985, 3), ()),
        e.BestBidOffer(market, 32, 0, 990, 1, 1010, 1),
        e.PublicTrades(market, (trade,)),
        e.MarkPrice(market, Decimal(1000), Decimal(1000), Decimal("0.0001"), 1),
        e.OrderOpened(order),
        e.OrderUpdated(order),
        e.OrderClosed(order),
        e.Filled(deal),
        e.SpotBalancesChanged((SpotBalance(market, Decimal(1), Decimal(0)),)),
        e.MarginBalancesChanged((margin(market),)),
        e.PositionsReported((Position(market, 1, 3, None, None),)),
        e.OrdersPlaced(market, (e.PlaceResult(order, None),)),
        e.OrderModified(order),
        e.OrderCancelled(order),
        e.OrdersAllCancelled(market),
        e.RequestRefused(Refusal(422, 30, "x", "no")),
        e.RequestThrottled(),
        e.OutcomeUnknown("reset"),
        e.RequestWithheld("latch"),
        e.KillSwitchArmed(KillSwitchTimer(market, 1, 16)),
        e.KillSwitchDisarmed(market),
        e.OpenOrdersListed(market, 0, (order,), True),
        e.FillsListed(market, 0, (deal,), True),
        e.SpotBalancesListed((SpotBalance(market, Decimal(1), Decimal(0)),)),
        e.MarginBalancesListed((margin(market),)),
        e.PositionsListed(market, (Position(market, 1, 3, None, None),)),
        e.FeesListed(market, Decimal("0.001"), Decimal("0.001"), Decimal(0)),
        e.FundingListed(market, 0, (payment(1, "-0.5"),), True),
        e.KillSwitchesListed((KillSwitchTimer(market, 1, 16),)),
        *(e.ServerTimeReported(1_800_000_000), e.MarketsListed((quoted().market,))),
        e.StreamOpened(market),
        e.StreamAuthorised(market),
        e.StreamSubscribed(market, "depth"),
        e.StreamReady(market),
        e.StreamClosed(market, "reset", 5),
        e.PongReceived(market),
        e.FrameRefused(market, market, "?"),
        e.RunStarted("r9", "paper", (("q", "1"),), "{}", Settings(), (quoted(),)),
        e.TimerFired(),
        e.LoopStalled(10**9),
        e.TailCut("1", 2, 3),
        *(e.ChoreFailed("compressing", "no space"), e.HistoryDropped(5, 2, 1000)),
        e.StopRequested("done"),
        e.PlacingForbidden("latch"),
        e.PlacingAllowed(),
        e.OperatorCommanded("pause", market, ""),
        e.ParametersChanged(market, "{}"),
        e.Decided((i.QueryTime(),), (refusal,)),
        e.RequestSent(0, 1, "POST", "/", b"{}"),
        e.Fingerprint(b"12"),
        e.RunEnded(True, "done"),
    ]


KINDS = [type(event).__name__ for event in of(NAME)]


def test_every_event_has_a_handler_and_a_sample() -> None:
    kinds = set(get_args(e.AnyEvent))
    assert set(HANDLERS) == kinds
    assert {type(event) for event in of(NAME)} == kinds


def test_no_tag_is_used_twice() -> None:
    for union in (e.AnyEvent, i.Intent):
        tags = [kind.__struct_config__.tag for kind in get_args(union)]
        assert len(tags) == len(set(tags))


@pytest.mark.parametrize("market", [NAME, ELSE])
@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_reducing_is_pure_and_survives_news_of_any_market(kind: int, market: str) -> None:
    run, _ = quoting()
    run.ask(i.QueryTime(), i.PlaceOrders(NAME, (new_order("x-1"),)))
    event = of(market)[kind]
    before = run.state
    was = encode(before)
    cause = 0 if market == ELSE else max(before.requests)
    record = e.Record(before.seq + 1, run.now_ns + 1, cause, event)
    once, twice = reduce(before, record), reduce(before, record)
    assert once == twice
    assert fingerprint(once) == fingerprint(twice)
    assert encode(before) == was, "the old state changed"
    once.check()
    assert (once.seq, once.now_ns) == (record.seq, record.recv_ns)
    assert step(before, [record])[0] == once


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_any_event_answers_any_request_without_harm(kind: int) -> None:
    """What answers the wrong kind of request is an anomaly, never an exception."""
    intents: tuple[i.Intent, ...] = (
        i.PlaceOrders(NAME, (new_order("x-1"),)),
        i.CancelAll(NAME),
        i.ArmKillSwitch(NAME, 15),
        i.DisarmKillSwitch(NAME),
        i.QueryOpenOrders(NAME, 0),
        i.QueryFills(NAME, 0),
        i.QueryPositions(NAME),
        i.QuerySpotBalances(),
        i.QueryMarginBalances(),
        i.QueryTime(),
        i.QueryMarkets(),
        i.QueryFees(NAME),
        i.QueryKillSwitch(NAME),
    )
    for intent in intents:
        run = started()
        (request,) = run.ask(intent)
        run.push(of(NAME)[kind], request)


def test_an_answer_about_a_market_this_run_does_not_quote_changes_no_market() -> None:
    for intent in (i.CancelAll(ELSE), i.ArmKillSwitch(ELSE, 15), i.QueryFees(ELSE)):
        for event in (
            e.OrdersAllCancelled(ELSE),
            e.KillSwitchArmed(KillSwitchTimer(ELSE, 1, 16)),
            e.FeesListed(ELSE, Decimal(0), Decimal(0), Decimal(0)),
            e.OutcomeUnknown("reset"),
        ):
            run = started()
            before = run.state.markets
            (request,) = run.ask(intent)
            run.push(event, request)
            assert run.state.markets == before


def test_records_come_one_after_another() -> None:
    with pytest.raises(AssertionError, match="expected seq 1, found 2"):
        reduce(State(), e.Record(2, 0, 0, e.TimerFired()))


def test_fees_are_noted() -> None:
    run = started()
    (request,) = run.ask(i.QueryFees(NAME))
    fees = e.FeesListed(NAME, Decimal("0.001"), Decimal("0.002"), Decimal(0))
    run.push(fees, request)
    assert run.market.fees == fees


def test_a_stall_distrusts_every_feed_until_the_venue_stamps_near_now() -> None:
    run, _ = quoting()
    run.push(e.LoopStalled(2 * 10**9))
    assert run.market.feed.doubt
    run.push(snapshot(update_id=40, at_ns=run.now_ns - 2 * 10**9))
    assert run.market.feed.doubt, "a frame that waited only looks fresh"
    run.push(snapshot(update_id=41, at_ns=run.now_ns))
    assert not run.market.feed.doubt
    assert run.market.recon.blind


# --- bytes ------------------------------------------------------------------------------------

DECIMALS = st.decimals(-(10**9), 10**9, places=8)
GENERATED: dict[Any, st.SearchStrategy[Any]] = {
    Decimal: DECIMALS,
    int: st.integers(-(2**62), 2**62),
    str: st.text(max_size=12),
    bytes: st.binary(max_size=12),
    bool: st.booleans(),
}


def generated(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, with every struct built from its own fields."""
    if hint in GENERATED:
        return GENERATED[hint]
    if hint is Level:
        return st.builds(Level, st.integers(1, 99), st.integers(1, 99), st.sampled_from(Stp))
    info = get_args(hint)
    if getattr(hint, "__origin__", None) is tuple:
        if info[-1] is Ellipsis:
            return st.lists(generated(info[0]), max_size=3).map(tuple)
        return st.tuples(*(generated(part) for part in info))
    if info:
        return st.one_of(*(generated(part) for part in info))
    if hint is type(None):
        return st.none()
    if hasattr(hint, "__struct_fields__"):
        hints = get_type_hints(hint)
        fields = (generated(hints[name]) for name in hint.__struct_fields__)
        return st.builds(hint, *fields)
    return st.sampled_from(hint)


@pytest.mark.parametrize("kind", get_args(e.AnyEvent), ids=lambda kind: kind.__name__)
def test_a_record_is_the_same_bytes_again(kind: type) -> None:
    @settings(max_examples=8, deadline=None, database=None, derandomize=True)
    @given(st.integers(0, 2**62), generated(kind))
    def law(number: int, event: e.AnyEvent) -> None:
        record = e.Record(number, number, 0, event)
        payload = encode_record(record)
        again = decode_record(payload)
        assert again == record
        assert encode_record(again) == payload

    law()


@pytest.mark.parametrize("payload", [b"", b"\xc1", encode((1, 2, 3)), encode((1, 2, 3, ("??",)))])
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(JournalError, match="not a record of this schema"):
        decode_record(payload)


def test_the_schema_has_one_hash() -> None:
    assert schema_hash() == schema_hash()
    assert len(schema_hash()) == 32


# --- fingerprint ------------------------------------------------------------------------------


def test_equal_histories_have_equal_fingerprints() -> None:
    first, second = quoting()[0].state, quoting()[0].state
    assert first == second
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize("field", State.__struct_fields__)
def test_a_change_of_any_field_changes_the_fingerprint(field: str) -> None:
    state = started().state
    value = getattr(state, field)
    other: Any
    match value:
        case int():
            other = value + 1
        case str():
            other = value + "x"
        case tuple():
            other = (*value, i.QueryTime())
        case dict():
            other = {**value, _other_key(value): next(iter(value.values()), None)}
        case _:
            other = Settings(depth_limit=1)
    assert fingerprint(msgspec.structs.replace(state, **{field: other})) != fingerprint(state)


def _other_key(value: dict[Any, Any]) -> Any:
    return 12345 if value and isinstance(next(iter(value)), int) else "other"


# --- strategies by name -----------------------------------------------------------------------


def test_a_strategy_is_found_by_its_name_or_the_names_are_told() -> None:
    register("fixed", Fixed)
    assert "fixed" in registered_names()
    assert load_strategy("fixed", fixed(((1, 2),))) == Fixed(bids=((1, 2),))
    with pytest.raises(ValueError, match="strategy name 'fixed' is taken by Fixed"):
        register("fixed", type("Other", (Fixed,), {}, frozen=True))
    with pytest.raises(ConfigError, match=r"expected one of .*fixed.*, found 'fxied'"):
        load_strategy("fxied", "{}")
    with pytest.raises(ConfigError, match="unknown field `wdith`"):
        load_strategy("fixed", '{"wdith":1}')


def test_a_run_that_was_told_of_the_private_stream_twice_starts_over_blind() -> None:
    run = Run(quoted())
    run.push(e.StreamReady(PRIVATE))
    run.push(e.StreamReady(PRIVATE))
    assert run.market.recon.blind
