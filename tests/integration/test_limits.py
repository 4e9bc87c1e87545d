"""Limits towards the venue on virtual time: a storm of refusals is met with back-off."""

from __future__ import annotations

from collections import Counter

import pytest

from adapters.cli.simulate import Simulation
from adapters.paper.faults.plan import Kind, Plan, Rule
from engine.backoff import Group, group_of
from engine.events import Decided, Record, RequestSent, RequestThrottled, RunStarted
from engine.rates import LIMITS, bucket_of
from replay.read import fold
from tests.integration.kit import MARKETS
from tests.integration.test_faults import assert_ended_in_truth
from tests.integration.test_simulation import places_after
from tests.integration.world import records_of, run_quiet

pytestmark = pytest.mark.slow

FROM_S, UNTIL_S, RUN_S = 20, 50, 110
NS_PER_S = 1_000_000_000


def stormy(path: str, status: int) -> Simulation:
    storm = Rule(
        kind=Kind.ANSWER, path=path, status=status, accepted=False,
        from_s=FROM_S, until_s=UNTIL_S,
    )  # fmt: skip
    return run_quiet(RUN_S, seed=4, kill_switch="15s", faults=Plan(rules=(storm,)))


def started_ns(records: list[Record]) -> int:
    return next(record.recv_ns for record in records if isinstance(record.event, RunStarted))


def sent_by_group(records: list[Record], from_s: float, until_s: float) -> Counter[Group]:
    """Count the requests of a span by their endpoint group."""
    start_ns, sent = started_ns(records), Counter[Group]()
    decided: Decided | None = None
    for record in records:
        if isinstance(record.event, Decided):
            decided = record.event
        elif isinstance(record.event, RequestSent) and decided is not None:
            at_s = (record.recv_ns - start_ns) / NS_PER_S
            group = group_of(decided.intents[record.event.index])
            sent[group] += from_s <= at_s < until_s
    return sent


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v4/*", 429), ("/api/v4/*", 503), ("/api/v4/order/*", 429)]
)
def test_a_storm_is_met_with_back_off_and_recovered_from(path: str, status: int) -> None:
    run = stormy(path, status)
    records = records_of(run.fs)
    assert_ended_in_truth(run)
    # What trades is asked a few times in half a minute, what makes us safer twice a second at most.
    storm = sent_by_group(records, FROM_S, UNTIL_S)
    assert max(storm[Group.PLACES], storm[Group.MODIFIES]) <= 8
    if path == "/api/v4/*":
        assert max(storm[Group.QUERIES], storm[Group.PUBLIC]) <= 12
    for group in (Group.CANCELS, Group.KILL_SWITCH):
        assert storm[group] <= 2 * (UNTIL_S - FROM_S) + 4
    # Each is told in a decision.
    told = {refusal.rule for record in records if isinstance(record.event, Decided)
            for refusal in record.event.refusals if refusal.key}  # fmt: skip
    assert "backoff" in told
    assert (RequestThrottled in {type(record.event) for record in records}) is (status == 429)
    # Both markets are quoted again, and no circuit is left.
    calm_seq = next(
        record.seq
        for record in records
        if record.recv_ns >= started_ns(records) + UNTIL_S * NS_PER_S
    )
    assert places_after(records, calm_seq) == set(MARKETS)
    end_ns = started_ns(records) + RUN_S * NS_PER_S
    state = fold(record for record in records if record.recv_ns < end_ns)
    assert not any(circuit.is_open for circuit in state.circuits.values())
    assert all(market.live for market in state.markets.values())


def test_a_calm_run_leaves_every_bucket_nearly_full() -> None:
    records = records_of(run_quiet(60, seed=4).fs)
    state = fold(iter(records))
    assert state.circuits == {}
    refused = [record for record in records
               if isinstance(record.event, Decided)
               and any(refusal.key for refusal in record.event.refusals)]  # fmt: skip
    assert refused == []
    for key in LIMITS:
        bucket = bucket_of(key, state.settings.rate_percent)
        taken_ns = state.spent.get(key, 0) - state.now_ns
        assert taken_ns <= max(2, bucket.depth // 2) * bucket.each_ns
