"""What a decision and its requests change as they are made and sent, field by field."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.rates import TOLD_NS
from engine.state import InFlight
from tests.engine.builders import NAME, Run, quoted, started
from tests.engine.changes import fold, next_at

TIMER = "/api/v4/order/kill-switch"
DISARM = i.DisarmKillSwitch(NAME)


def deciding(run: Run) -> int:
    """Let a run decide on two requests to one endpoint; returns the seq of the decision."""
    return run.push(e.Decided((DISARM, DISARM), ()))


@pytest.mark.parametrize(
    ("late", "index"), [(0, 2), (0, -1), (1, 0), (1, 2)], ids=["third", "before", "late", "both"]
)
def test_a_request_that_no_decision_asked_for_is_counted_and_told(late: int, index: int) -> None:
    run = started()
    decided = deciding(run)
    if late:
        run.push(e.Decided((DISARM, DISARM), ()))
    seq, _ = next_at(run)
    fold(
        run,
        e.RequestSent(index, 1, "POST", TIMER, b""),
        decided,
        anomalies=run.state.anomalies + 1,
        last_anomaly=f"seq {seq}: a request that no decision before it asked for",
    )


def test_each_request_is_in_flight_from_its_record_on_and_counts_at_its_endpoint() -> None:
    run = started()
    decided = deciding(run)
    for index in (0, 1):
        (seq, now_ns), used = next_at(run), run.state.used
        fold(
            run,
            e.RequestSent(index, 5, "POST", TIMER, b""),
            decided,
            market={"kill_switch": replace(run.market.kill_switch, request_seq=seq)},
            requests={**run.state.requests, seq: InFlight(DISARM, now_ns, 5)},
            used={**used, TIMER: used.get(TIMER, 0) + 1},
            slack=run.state.slack - 1,
        )


def test_a_limit_in_the_way_does_not_hide_what_risk_refused() -> None:
    run = started(quoted())
    run.push(
        e.Decided(
            (),
            (
                e.RiskRefusal(NAME, "rate", "no tokens", key=TIMER),
                e.RiskRefusal(NAME, "collar", "price 1 is too far"),
            ),
        )
    )
    assert run.state.told == {TIMER: run.now_ns + TOLD_NS}
    assert run.market.hold_until_ns > run.now_ns


def test_an_answer_to_no_request_is_counted_and_told() -> None:
    run = started()
    seq, _ = next_at(run)
    fold(
        run,
        e.RequestThrottled(),
        1,
        anomalies=run.state.anomalies + 1,
        last_anomaly=f"seq {seq}: an answer to no request of this run",
    )
