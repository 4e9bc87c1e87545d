"""A few kills at random moments; `make kills` does hundreds, on a journal of a million events."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.snapshots import list_snapshots
from tests.integration.kills import run_kills, words

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
