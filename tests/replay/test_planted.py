"""Planted changes: each is named at the first seq where it can be seen, with level and field."""

from __future__ import annotations

import pytest

from adapters.whitebit.outbound import outbound
from engine.events import Decided, Fingerprint, Record, RequestSent
from engine.reduce import reduce
from engine.state import State, fingerprint
from engine.step import decide
from replay.record_words import specs_of
from replay.verify import REFUSALS, Divergence, verify
from tests.replay.journals import NAMES, journal, rewritten
from tests.replay.planted import Plant
from tests.replay.planted_code import CODE
from tests.replay.planted_records import RECORDS

pytestmark = pytest.mark.slow

PLANTS = [*CODE, *RECORDS]


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_is_proved_at_all_three_levels(name: str) -> None:
    made = journal(name)
    proof, state = verify(made.records)
    assert (proof.divergences, proof.first) == (0, None)
    assert proof.decisions > 500
    assert proof.requests > 100
    assert proof.fingerprints >= 3
    assert state == made.states[-1]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
def test_a_change_is_named_at_its_first_true_seq(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = journal(plant.journal)
    records, planted_seq = made.records, 0
    if plant.edit is not None:
        planted_seq, edited = plant.edit(list(records))
        records = rewritten(edited)
    if plant.patch is not None:
        plant.patch(monkeypatch)
    proof, _ = verify(records)
    first = proof.first
    assert first is not None, "the change was not seen"
    assert (first.level, first.seq) == first_seen(records), first
    assert first.level in plant.level.split("|"), first
    found = "; ".join(first.differences)
    assert any(words in found for words in plant.words.split("|")), found
    assert first.seq >= planted_seq
    assert_agreed_before(made.states, records, first)


def first_seen(records: list[Record]) -> tuple[str, int]:
    """Find the first difference by the definition of the three levels, and nothing else."""
    state = State()
    for record in records:
        event = record.event
        if record.seq != state.seq + 1:
            return "fold", record.seq
        try:
            if isinstance(event, Decided) and decide(state) != event:
                return "intents", record.seq
            if isinstance(event, Fingerprint) and fingerprint(state) != event.digest:
                return "state", record.seq
            if isinstance(event, RequestSent):
                markets, settings = specs_of(state), state.settings
                intents = state.decided[event.index : event.index + 1]
                sent = [outbound(each, event.nonce, markets, settings) for each in intents]
                if [(event.method, event.path, event.body)] != [
                    (each.method, each.path, each.body) for each in sent
                ]:
                    return "request", record.seq
            state = reduce(state, record)
        except REFUSALS:
            return "fold", record.seq
    raise AssertionError("nothing differs")


def assert_agreed_before(states: list[State], records: list[Record], first: Divergence) -> None:
    """At the last fingerprint that agreed, the state is what it was."""
    agreed = first.agreed_seq
    assert agreed < first.seq
    state = State()
    for record in records[:agreed]:
        state = reduce(state, record)
    assert state == states[agreed]


def test_there_are_enough_of_them() -> None:
    names = [plant.what for plant in PLANTS]
    assert len(names) == len(set(names)) >= 25
    for level in ("intents", "request", "state", "fold"):
        assert any(plant.level == level for plant in PLANTS), level
