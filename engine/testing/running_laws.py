"""Laws that let a strategy be run, journaled and replayed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.book import Book
from engine.clock import UNKNOWN
from engine.gates import closed_gate
from engine.inventory import Inventory
from engine.state import PRIVATE, Feed, Link, LinkStatus, MarketState, Recon, State
from engine.step import wanted_quote
from engine.stopping import KillSwitch
from engine.strategy import Strategy, View
from engine.testing.ladders import side_by_side
from engine.testing.purity import run_shut
from engine.testing.quoting_laws import asked, ticker_of
from engine.testing.situations import Situation, walk
from engine.testing.values import NS_PER_S
from engine.types import NO_LIMIT, Limits, Quoted, TwoSidedQuote

EVENTS = 3_000
MEMORY_BYTES_MAX = 65_536
"""A memory is hashed every thousand events and stands in every snapshot."""
GROWS_FROM, GROWTH_MAX = 1_024, 1.25
"""Bytes from which a memory may not grow by more than a quarter in the second half of a history."""
SCALARS = (type(None), bool, int, float, str, bytes, Decimal)

Situations = tuple[Situation, ...]


def repeats(strategy: Strategy, cases: Situations) -> None:
    """The same state gives the same quote: from equal parameters, and whatever was asked before."""
    views = [case.view(strategy) for case in cases]
    asking = list(zip(cases, views, strict=True))
    first = [asked(strategy, case, view) for case, view in asking]
    # Whoever keeps anything aside sees the views in another order now.
    again = [strategy.quote(view) for view in reversed(views)][::-1]
    anew = _copy(strategy)
    others = [anew.quote(case.view(anew)) for case in reversed(cases)][::-1]
    for case, one, two, three in zip(cases, first, again, others, strict=True):
        for other, how in ((two, "asked again"), (three, "built anew from its parameters")):
            if one != other:
                market = case.seen.market
                text = side_by_side(one, other, market, names=("first", how))
                raise AssertionError(f"{how} it answers otherwise in {case.name!r}\n{text}")


def remembers(strategy: Strategy, cases: Situations) -> None:
    """Its memory is an immutable value of one type, small, that a snapshot can hold."""
    start = strategy.initial_memory()
    kind: Any = type(start)
    half = 0
    for history in (
        *_histories(cases),
        walk(cases[0].seen.market, cases[0].seen.bid_price, seed=9, count=EVENTS, step_bps=2),
    ):
        memory = start
        for number, (at_ns, event) in enumerate(history):
            # Encoding each memory of a long history costs more than it shows.
            kept = _packed(memory) if number < 200 else b""
            after = strategy.fold(memory, event, at_ns)
            if kept and _packed(memory) != kept:
                raise AssertionError(f"fold changed the memory it was given, at {event}")
            if type(after) is not kind:
                raise AssertionError(f"expected a memory of {kind}, as at first, found {after!r}")
            if kept and _packed(strategy.fold(memory, event, at_ns)) != _packed(after):
                raise AssertionError(f"fold answers otherwise when asked again, at {event}")
            memory = after
            if number == EVENTS // 2:
                half = len(_packed(memory))
        _check_memory(memory, kind)
    grown = len(_packed(memory))
    if grown > GROWS_FROM and grown > half * GROWTH_MAX:
        raise AssertionError(
            f"a memory of {half} bytes after {EVENTS // 2} events and of {grown} after {EVENTS} "
            "grows with every event: keep sums, or drop what is old"
        )
    if strategy.initial_memory() != start:
        raise AssertionError("initial_memory differs from call to call")


def _packed(memory: Any) -> bytes:
    return msgspec.msgpack.encode(memory)


def _histories(cases: Situations) -> Iterator[Any]:
    names: list[Any] = []
    for case in cases:
        if case.history not in names:
            names.append(case.history)
            yield case.history


def _check_memory(memory: Any, kind: Any) -> None:
    wrong = _mutable(memory, "memory")
    if wrong:
        raise AssertionError(wrong)
    data = _packed(memory)
    if len(data) > MEMORY_BYTES_MAX:
        raise AssertionError(
            f"a memory of {len(data)} bytes after {EVENTS} events, at most {MEMORY_BYTES_MAX} are "
            "allowed: keep sums, or drop what is old"
        )
    back = msgspec.msgpack.decode(data, type=kind)
    if back != memory:
        raise AssertionError(f"a snapshot does not give back the memory {memory!r}, but {back!r}")


def _mutable(value: Any, path: str) -> str:
    # What is wrong with a part of a memory; empty for nothing.
    if isinstance(value, tuple):
        parts = ((f"{path}[{number}]", each) for number, each in enumerate(value))
    elif isinstance(value, msgspec.Struct):
        if not value.__struct_config__.frozen:
            name = type(value).__name__
            return f"{path}: {name} is not frozen: class {name}(Struct, frozen=True)"
        parts = ((f"{path}.{name}", getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, (*SCALARS, Enum)):
        return ""
    else:
        return f"{path}: expected a frozen Struct, a tuple or a scalar, found {value!r}"
    for name, each in parts:
        if wrong := _mutable(each, name):
            return wrong
    return ""


def parameters(strategy: Strategy, cases: Situations) -> None:
    """Its parameters are a value that a journal holds and gives back."""
    if not type(strategy).__struct_config__.frozen:
        raise AssertionError("the class is not frozen: class X(Strategy, frozen=True, ...)")
    if not type(strategy).__struct_config__.forbid_unknown_fields:
        raise AssertionError("a misspelt parameter would be ignored: forbid_unknown_fields=True")
    back = _copy(strategy)
    if back != strategy:
        raise AssertionError(
            f"a journal gives back other parameters: {back}; expected every field to hold what its "
            "type says, as a configuration would give it"
        )


def _copy(strategy: Strategy) -> Strategy:
    return msgspec.json.decode(msgspec.json.encode(strategy), type=type(strategy))


def pauses(strategy: Strategy, cases: Situations) -> None:
    """In the engine it quotes while all is well, and nothing on a stale or one-sided book."""
    case = next(each for each in cases if each.history and each.ordinary)
    state, market = _running(strategy, case)
    gate = closed_gate(state, market)
    assert not gate, f"the state of this law is out of date: {gate}"
    seen = _of_engine(case.view(strategy))
    expected, found = asked(strategy, case, seen), wanted_quote(state, market)
    if found != expected:
        text = side_by_side(expected, found, seen.market)
        raise AssertionError(f"the engine wants another quote than the strategy\n{text}")
    for what, (paused, faulty) in _faults(state, market).items():
        if wanted_quote(paused, faulty) != TwoSidedQuote():
            raise AssertionError(f"it quotes although {what}")


def _of_engine(seen: View) -> View:
    # What a market that was just started shows: no fee and no funding rate was told yet.
    beside = None if seen.beside is None else _of_engine(seen.beside)
    return replace(seen, fees=None, funding_rate=Decimal(0), beside=beside)


def _running(strategy: Strategy, case: Situation) -> tuple[State, MarketState]:
    # A state in which every gate is open, as after a start.
    seen, ready = case.view(strategy), Link(status=LinkStatus.READY)
    views = [seen] if seen.beside is None else [seen, seen.beside]
    markets = {view.market.name: _started(strategy, view) for view in views}
    state = State(
        now_ns=seen.now_ns,
        mode="paper",
        markets=markets,
        links=dict.fromkeys([*markets, PRIVATE], ready),
        clock_fault="",
    )
    return state, markets[seen.market.name]


def _started(strategy: Strategy, seen: View) -> MarketState:
    market, now_ns = seen.market, seen.now_ns
    limits = Limits(seen.inventory_max, NO_LIMIT, 10_000, 100)
    json = msgspec.json.encode(strategy).decode()
    return MarketState(
        quoted=Quoted(market, "", json, limits, 0, 0, 100),
        strategy=strategy,
        memory=seen.memory,
        feed=Feed(
            Book(
                (seen.bid_price,), (seen.bid_qty,), (seen.ask_price,), (seen.ask_qty,), update_id=1
            ),
            book_ok=True,
            fresh_ns=now_ns,
        ),
        inventory=Inventory(baseline=Decimal(0)),
        position=seen.inventory,
        inventory_max=seen.inventory_max,
        kill_switch=KillSwitch(armed_until_ns=NO_LIMIT, escalate_at_ns=NO_LIMIT),
        recon=Recon(blind=False),
    )


def _faults(state: State, market: MarketState) -> dict[str, tuple[State, MarketState]]:
    feed = market.feed
    book = feed.book
    own_bid = {book.bid_prices[0]: book.bid_qtys[0]}

    def fed(changed: Feed) -> tuple[State, MarketState]:
        return state, replace(market, feed=changed)

    late_ns = state.now_ns + state.settings.feed_max_age_ns + NS_PER_S
    down = {**state.links, PRIVATE: Link()}
    return {
        "the book is stale": (replace(state, now_ns=late_ns), market),
        "a gap made the book unknown": fed(replace(feed, book_ok=False)),
        "frames are doubted": fed(replace(feed, doubt="frames are late")),
        "nobody bids": fed(replace(feed, book=replace(book, bid_prices=(), bid_qtys=()))),
        "nobody asks": fed(replace(feed, book=replace(book, ask_prices=(), ask_qtys=()))),
        "only its own bid is there": (state, replace(market, own_bids=own_bid)),
        "the private stream is down": (replace(state, links=down), market),
        "the clocks were not compared": (replace(state, clock_fault=UNKNOWN), market),
    }


def pure(strategy: Strategy, cases: Situations) -> None:
    """It calls no clock, no randomness and nothing outside, while each of those is shut."""

    def everything() -> None:
        for case in cases:
            view = case.view(strategy)
            asked(strategy, case, view)
            strategy.follow(view, strategy.reason(view))
            ticker = ticker_of(view)
            strategy.is_stirred(ticker, replace(ticker, bid_qty=ticker.bid_qty + 1))

    run_shut(everything)
