"""A few kills at random moments; `make kills` does hundreds, on a journal of a million events."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.journal_start import vouched_state
from adapters.runtime.snapshots import EVERY, decode_snapshot, list_snapshots, snapshot_name
from tests.integration.killing import Killing
from tests.integration.kills import lengthen, run_kills, words
from tests.integration.kit import running_venue

pytestmark = pytest.mark.slow

KILLS = 3
EVENTS = 3_000


def test_killed_engines_leave_no_orphans_and_lose_no_deal(tmp_path: Path) -> None:
    found = run_kills(KILLS, EVENTS, seed=3, directory=tmp_path, verify=True)
    assert found.records > EVENTS
    assert list_snapshots(SystemFs(), tmp_path / "journal")
    assert f"{KILLS} kills" in words([found])
    # An early kill may come before the run has begun its journal.
    assert KILLS + 3 - found.early <= found.runs <= KILLS + 3


def test_a_run_keeps_no_state_that_the_journal_does_not_vouch_for(tmp_path: Path) -> None:
    # It begins so far behind the newest snapshot that one is due before its first fingerprint.
    with running_venue("--seed", "2") as venue:
        killing = Killing(tmp_path, venue, 2)
        killing.check()
        lengthen(killing.journal, EVERY)
        killing.kill_one()
        assert killing.early == 0
    fs, journal = SystemFs(), tmp_path / "journal"
    seqs = list_snapshots(fs, journal)
    assert seqs
    for seq in seqs:
        kept = decode_snapshot(fs.read(journal / snapshot_name(seq)))
        assert vouched_state(fs, journal, seq, kept.state).seq == seq
