"""Strange values in every field of the collateral account's endpoints (contract 6.5, 6.6)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.paper.rest.test_collateral import trade
from tests.paper.venue_client import bench

PERP = "BTC_PERP"
STRANGE: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1 << 70,
    1.5,
    "",
    "x",
    "1",
    [],
    {},
    ["a"],
    "\u0000",
    "9" * 400,
)
FIELDS = {
    "leverage": ("leverage",),
    "hedge-mode": (),
    "hedge-mode/update": ("hedgeMode",),
    "summary": (),
    "balance": ("ticker",),
    "balance-summary": ("ticker",),
    "funding-history": ("market", "limit", "offset"),
    "position/close": ("positionId", "market", "positionSide"),
    "positions/open": ("market",),
    "positions/history": ("market", "positionId", "startDate", "endDate", "limit", "offset"),
    "positions/closed-pnl": ("startDate", "endDate", "limit", "offset"),
    "adl-quantile": (),
}


@pytest.mark.parametrize("name", FIELDS)
async def test_strange_values_are_refused_or_harmless(
    name: str, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    valid = {"market": PERP, "positionId": 1, "leverage": 10, "hedgeMode": False}
    base = {field: valid[field] for field in FIELDS[name] if field in valid}
    for field in FIELDS[name]:
        for value in STRANGE:
            body = {**base, field: value}
            status, answer = await run.alice.post(f"collateral-account/{name}", **body)
            assert status in (200, 422), (field, value, answer)
            assert status == 200 or answer["errors"]
    assert (await run.alice.ok("collateral-account/summary"))["leverage"] == 10
    assert len(await run.alice.ok("collateral-account/positions/open")) == 1
