"""Refusals of the public REST surface have the official statuses and shapes (contract 3.1)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from tests.paper.conformance_kit import check_answer, needs_the_schemas
from tests.paper.venue_client import bench

pytestmark = needs_the_schemas

REFUSED = [
    ("orderbook/{market}", "orderbook/NOPE"),
    ("orderbook/{market}", "orderbook/BTC_USDT?limit=x"),
    ("orderbook/depth/{market}", "orderbook/depth/NOPE"),
    ("trades/{market}", "trades/NOPE"),
    ("trades/{market}", "trades/BTC_USDT?type=x"),
    ("funding-history/{market}", "funding-history/NOPE"),
    ("funding-history/{market}", "funding-history/BTC_PERP?limit=0"),
    ("collateral/markets", "collateral/markets"),
    ("futures", "futures"),
]


@pytest.mark.parametrize(("template", "path"), REFUSED)
async def test_refusals_have_the_documented_shape(
    nursery: trio.Nursery, autojump_clock: MockClock, template: str, path: str
) -> None:
    run = await bench(nursery, VenueConfig(collateral_available=False))
    status, answer = await run.alice.get(path)
    assert status in (422, 451)
    check_answer(f"/api/v4/public/{template}", "GET", status, answer)
