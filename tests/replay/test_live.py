"""Looking into the journal of an engine that is at work, from another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.events import Fingerprint
from engine.state import fingerprint
from replay.machine import Journal
from tests.integration.kit import running_engine, running_venue, wait_until

pytestmark = pytest.mark.slow


def names(journal: Path) -> set[str]:
    return {str(path.relative_to(journal)) for path in journal.rglob("*")}


def test_a_live_journal_is_followed_and_left_alone(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        journal = Journal(engine.journal)
        for _ in range(8):
            before = journal.last_seq

            def grown(before: int = before) -> bool:
                journal.refresh()
                return journal.last_seq > before + 20

            wait_until(grown, "the journal grows")
            state = journal.at(journal.last_seq)
            state.check()
            assert state.seq == journal.last_seq
        others = Journal(engine.journal)
        assert others.at(before) == journal.at(before)
        summary = engine.finish()
    journal.refresh()
    assert journal.problem is None
    assert (journal.last_seq, journal.left_seq) == (summary["records"], 0)
    last = journal.record(journal.last_seq)
    while not isinstance(last.event, Fingerprint):
        last = journal.record(last.seq - 1)
    assert fingerprint(journal.at(last.seq - 1)) == last.event.digest
    assert last.event.digest.hex() == summary["fingerprint"]
    assert not any("cache" in name or name.endswith(".qfi") for name in names(engine.journal))
