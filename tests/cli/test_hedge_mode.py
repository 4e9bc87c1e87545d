"""Hedge mode in the configuration, and accounts that are in the other mode."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.cli.config import default_config, to_quoted
from adapters.paper.config import VenueConfig, in_hedge_mode
from adapters.paper.core.model import FLOW_ACCOUNTS
from adapters.runtime.position_mode import refusal
from engine.types import Product
from tests.cli.kit import QUOTED
from tests.engine.builders import MARKET, PERPETUAL

PERP = replace(QUOTED, market=replace(QUOTED.market, product=Product.PERPETUAL))
HEDGED = replace(PERP, hedged=True)


def test_perpetuals_alone_are_hedged() -> None:
    config = default_config()
    hedge = replace(config, engine=replace(config.engine, hedge_mode=True))
    for each, expected in ((config, False), (hedge, True)):
        assert to_quoted(each, PERPETUAL).hedged is expected
        assert not to_quoted(each, MARKET).hedged


@pytest.mark.parametrize(
    ("name", "quoted", "hedged", "reason"),
    [
        ("pairs alone", (QUOTED,), True, ""),
        ("one-way, as configured", (QUOTED, PERP), False, ""),
        ("hedge mode, as configured", (QUOTED, HEDGED), True, ""),
        ("hedge mode, not configured", (PERP,), True, "the account is in hedge mode"),
        ("one-way, not configured", (HEDGED,), False, "the account is not in hedge mode"),
    ],
)
def test_refusal(name: str, quoted: tuple[object, ...], hedged: bool, reason: str) -> None:
    found = refusal(quoted, hedged=hedged)  # type: ignore[arg-type]
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


def test_accounts_of_the_flow_stay_as_they_are() -> None:
    flow = {account.name for account in FLOW_ACCOUNTS}
    accounts = in_hedge_mode(VenueConfig()).exchange.accounts
    assert {each.hedge_mode for each in accounts if each.name not in flow} == {True}
    assert {each.hedge_mode for each in accounts if each.name in flow} <= {False}
