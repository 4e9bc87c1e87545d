"""Twenty simulated minutes of `make soak`, and that what it finds it does find."""

from __future__ import annotations

import pytest

from adapters.cli.config import default_config
from engine.events import Decided, Record
from engine.state import State
from tests.soak.__main__ import GROWTH_MAX_MIB, Report, soak
from tests.soak.direct import Direct
from tests.soak.prove import Prover, Verdict

pytestmark = pytest.mark.slow


def test_twenty_minutes_are_proved_and_agree_with_the_venue() -> None:
    # The venue's histories are full only after half an hour.
    report = soak(1_200, seed=3, sample_s=600)
    report.check(growth_max_mib=10.0)
    assert report.changes / report.seconds >= 50


def test_equal_seeds_give_equal_states() -> None:
    fingerprints = []
    for seed in (5, 5, 6):
        world = Direct(default_config(), flow="synthetic", speed="1", seed=seed)
        world.run(5)
        fingerprints.append(world.sequencer.fingerprint())
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_a_changed_decision_is_found() -> None:
    prover = Prover()

    def observe(state: State, record: Record) -> None:
        if record.seq == found.seq:
            record = Record(record.seq, record.recv_ns, record.cause_seq, Decided((), ()))
        prover.observe(state, record)

    found = _first_decision_with_intents()
    Direct(default_config(), flow="synthetic", speed="1", seed=5, observer=observe).run(2)
    verdict = prover.finish()
    assert verdict.divergences
    assert verdict.first.startswith(f"seq {found.seq}: intents")


@pytest.mark.parametrize(
    "report",
    [
        Report(1, fills=1, clean=False, verdict=Verdict(1, 0, "", "")),
        Report(1, fills=1, clean=True, open_orders=1, verdict=Verdict(1, 0, "", "")),
        Report(1, fills=1, clean=True, verdict=Verdict(1, 1, "", "")),
        Report(1, fills=0, clean=True, verdict=Verdict(1, 0, "", "")),
        Report(
            1, fills=1, clean=True, growth_mib=GROWTH_MAX_MIB + 1, verdict=Verdict(1, 0, "", "")
        ),
    ],
)
def test_a_bad_day_is_told(report: Report) -> None:
    with pytest.raises(AssertionError):
        report.check()


def _first_decision_with_intents() -> Record:
    seen: list[Record] = []

    def observe(_state: State, record: Record) -> None:
        if isinstance(record.event, Decided) and record.event.intents:
            seen.append(record)

    Direct(default_config(), flow="synthetic", speed="1", seed=5, observer=observe).run(2)
    return seen[3]
