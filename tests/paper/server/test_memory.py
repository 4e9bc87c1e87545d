"""What a venue keeps is bounded: once its histories are full, a busy hour takes no more memory."""

from __future__ import annotations

import gc
import sys

import pytest

from adapters.paper import body_log
from adapters.paper.config import VenueConfig
from adapters.paper.core.model import ExchangeConfig
from tests.paper.memory import Busy

SMALL = 150


def blocks() -> int:
    """Count the interpreter's blocks of memory, every small object being one."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.slow
def test_full_histories_are_all_that_a_busy_venue_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_log, "BODIES_MAX", SMALL)
    exchange = ExchangeConfig(deals_max=SMALL, finished_max=SMALL, position_changes_max=SMALL)
    busy = Busy(VenueConfig(exchange=exchange))
    busy.run(10)
    before, requests = blocks(), busy.requests
    account = busy.account
    histories = (account.deals, account.finished, account.positions.changes)
    assert [len(history) for history in histories] == [SMALL] * 3
    last_deal = account.deals[-1].deal_id
    busy.run(10)
    # Of each request one object, kept for good, would be more than this; candles are 400.
    assert blocks() - before < (busy.requests - requests) / 2
    assert account.deals[0].deal_id > last_deal
