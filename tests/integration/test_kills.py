"""A few kills at random moments; `make kills` does hundreds, on a journal of a million events."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.snapshots import list_snapshots
from tests.integration.kills import figures, run_kills
from tests.integration.kit import proved

pytestmark = pytest.mark.slow

KILLS = 5
EVENTS = 3_000


def test_killed_engines_leave_no_orphans_and_lose_no_deal(tmp_path: Path) -> None:
    killing = run_kills(KILLS, EVENTS, seed=3, directory=tmp_path)
    assert killing.orphans == 0
    assert killing.state.seq > EVENTS
    assert len(list_snapshots(SystemFs(), killing.journal)) > 0
    assert "5 kills" in figures(killing, KILLS)
    # An early kill may come before the run has begun its journal.
    assert KILLS + 3 - killing.early <= proved(killing.journal)["runs"] <= KILLS + 3
