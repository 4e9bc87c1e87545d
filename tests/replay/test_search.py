"""Search: what is asked for is found, by a look that reads every record for comparison."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.codec import encode_record
from engine.errors import ConfigError
from engine.intents import CancelOrder, ModifyOrder
from engine.reduce import reduce
from engine.state import State
from replay import search as searching
from replay.search import Wanted, check_kinds, first_breach, search
from tests.replay.recorded import opened, recorded

pytestmark = pytest.mark.slow


def found(wanted: Wanted, from_seq: int = 1, until_seq: int = 0) -> list[int]:
    journal = opened()
    return [r.seq for r in search(journal, wanted, from_seq, until_seq or journal.last_seq)]


def seqs(condition: Any) -> list[int]:
    return [record.seq for record in recorded().records if condition(record.event)]


def test_a_kind_is_found_by_name_and_by_tag() -> None:
    fills = seqs(lambda event: isinstance(event, e.Filled))
    assert len(fills) > 1
    assert found(Wanted(kinds=check_kinds(("Filled",)))) == fills
    assert found(Wanted(kinds=check_kinds(("fi",)))) == fills
    middle = fills[len(fills) // 2]
    assert found(Wanted(kinds=check_kinds(("fi",))), middle, middle) == [middle]


def test_an_intent_is_found_in_its_decision() -> None:
    wanted = seqs(
        lambda event: (
            isinstance(event, e.Decided) and any(isinstance(i, ModifyOrder) for i in event.intents)
        )
    )
    assert wanted
    assert found(Wanted(kinds=check_kinds(("ModifyOrder",)))) == wanted


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="found 'Fills'"):
        check_kinds(("Fills",))


def test_kinds_and_markets_go_together() -> None:
    fills = seqs(lambda event: isinstance(event, e.Filled) and event.fill.market == "BTC_PERP")
    assert found(Wanted(kinds=check_kinds(("fi",)), market="BTC_PERP")) == fills


def an_order() -> tuple[str, list[int]]:
    """An order that was modified, and every record whose bytes hold one of its ids."""
    records = recorded().records
    modified = next(r.event for r in records if isinstance(r.event, e.OrderModified))
    client = modified.order.client_order_id
    return client, [r.seq for r in records if client.encode() in encode_record(r)]


def test_an_order_is_found_with_its_requests_and_their_answers() -> None:
    client, named = an_order()
    hits = found(Wanted(order=client))
    assert set(named) <= set(hits)
    requests = {
        record.seq
        for record in recorded().records
        if isinstance(record.event, e.RequestSent) and client.encode() in record.event.body
    }
    extra = [recorded().records[seq - 1] for seq in hits if seq not in named]
    assert all(record.cause_seq in requests for record in extra)


def test_an_order_is_followed_from_one_venue_id_to_the_next() -> None:
    client, named = an_order()
    events = [recorded().records[seq - 1].event for seq in named]
    ids = [event.order.order_id for event in events if isinstance(event, e.OrderOpened)]
    assert len(set(ids)) > 1
    hits = found(Wanted(order=str(ids[0])))
    assert {seq for seq in named if seq >= hits[0]} <= set(hits)
    assert max(hits) == max(found(Wanted(order=client)))


def test_a_price_is_found_wherever_it_stands() -> None:
    fill = next(r.event.fill for r in recorded().records if isinstance(r.event, e.Filled))
    hits = found(Wanted(price=fill.price, market=fill.market))
    kinds = {type(recorded().records[seq - 1].event) for seq in hits}
    assert {e.Filled, e.Decided} <= kinds
    assert not set(hits) & set(found(Wanted(price=fill.price, market="BTC_ETH")))
    books = [
        record.seq
        for record in recorded().records
        if isinstance(record.event, e.BookSnapshot | e.BookDelta)
        and record.event.market == fill.market
        and fill.price in (*record.event.bids[::2], *record.event.asks[::2])
    ]
    assert set(books) <= set(hits)


def test_a_text_is_found_in_fields_and_in_bodies() -> None:
    assert found(Wanted(text="inventory_skew")) == seqs(lambda ev: isinstance(ev, e.RunStarted))
    bodies = seqs(lambda ev: isinstance(ev, e.RequestSent) and b'"nonce":' in ev.body)
    assert bodies == found(Wanted(text='"nonce":'))
    assert found(Wanted(text="no such text")) == []


# --- invariants -----------------------------------------------------------------------------------


def test_a_good_journal_breaks_no_invariant() -> None:
    assert first_breach(opened(), 1, recorded().last) is None


def test_the_first_record_that_breaks_an_invariant_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fills = seqs(lambda event: isinstance(event, e.Filled))

    def breaking(state: State, record: e.Record) -> State:
        after = reduce(state, record)
        if record.seq == fills[0]:
            market = after.markets["BTC_USDT"]
            broken = replace(market, buy_worst=market.buy_worst + 1)
            after = replace(after, markets={**after.markets, "BTC_USDT": broken})
        return after

    monkeypatch.setattr(searching, "reduce", breaking)
    breach = first_breach(opened(), 1, recorded().last)
    assert breach is not None
    assert breach.seq == fills[0]
    assert breach.invariant.startswith("worst cases differ (engine/state.py:")


def test_an_invariant_without_words_is_told_by_its_assertion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(state: State, record: e.Record) -> State:
        assert record.seq != 7
        return reduce(state, record)

    monkeypatch.setattr(searching, "reduce", failing)
    breach = first_breach(opened(), 1, 100)
    assert breach is not None
    assert breach.seq == 7
    assert "7" in breach.invariant


def test_no_intent_is_taken_for_an_event_of_the_same_tag() -> None:
    assert check_kinds(("so", "CancelOrder")) == {"StreamOpened", CancelOrder.__name__}
