"""Every pair of flags that excludes each other, spot and collateral (contract 5.1, 6.1, 10.2)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.model import NewOco, Order, OrderType, Reject, Side, Stp
from tests.paper.exchange_kit import (
    CONFIG,
    NOW_US,
    PERP,
    SPOT,
    exchange,
    order,
    placed,
    refused,
    with_alice,
)

IOC_POST_ONLY = (37, {"ioc": ["Either IOC or PostOnly flag in true state is allowed."]})
IOC_RPI = (40, {"ioc": ["Either IOC or RPI flag in true state is allowed."]})
RETAIL_RPI = (41, {"retail": ["api.tradeErrors.flagsCantBeCombined.rpiRetail"]})
NO_RETAIL = (42, {"retail": ["api.validation.retail.not_allowed"]})
NO_RPI = (43, {"rpi": ["api.validation.rpi.not_allowed"]})
POST_ONLY_RPI = (30, {"postOnly": ["validation error"]})
BBO = (30, {"bboRole": ["validation error"]})

BOTH = (SPOT, PERP)
CONFLICTS: list[tuple[tuple[str, ...], dict[str, object], tuple[int, dict[str, list[str]]]]] = [
    (BOTH, {"ioc": True, "post_only": True}, IOC_POST_ONLY),
    (BOTH, {"ioc": True, "rpi": True}, IOC_RPI),
    (BOTH, {"ioc": True, "rpi": True, "post_only": True}, IOC_POST_ONLY),
    (BOTH, {"post_only": True, "rpi": True}, POST_ONLY_RPI),
    ((SPOT,), {"retail": True, "rpi": True}, RETAIL_RPI),
    ((SPOT,), {"bbo_role": 1, "ioc": True}, BBO),
    ((SPOT,), {"bbo_role": 1, "post_only": True}, BBO),
    ((SPOT,), {"bbo_role": 2, "post_only": True}, BBO),
    ((SPOT,), {"bbo_role": 1, "rpi": True}, BBO),
    ((SPOT,), {"bbo_role": 2, "rpi": True}, BBO),
]
CASES = [(market, flags, why) for markets, flags, why in CONFLICTS for market in markets]


@pytest.mark.parametrize(("market", "flags", "why"), CASES)
def test_flags_that_exclude_each_other(
    market: str, flags: dict[str, object], why: tuple[int, dict[str, list[str]]]
) -> None:
    reject = refused(exchange(), "alice", order("buy", "1", "100", market=market, **flags))
    assert (reject.code, reject.errors) == why
    assert (reject.http, reject.message) == (422, "Validation failed")


@pytest.mark.parametrize("market", BOTH)
def test_flags_that_the_account_may_not_use(market: str) -> None:
    venue = exchange(with_alice(rpi_allowed=False, retail_allowed=False))
    for flag, why in (("rpi", NO_RPI), ("retail", NO_RETAIL)):
        request = order("buy", "1", "100", market=market, **{flag: True})
        reject = refused(venue, "alice", request)
        assert (reject.code, reject.errors) == why


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET])
@pytest.mark.parametrize("stp", list(Stp))
def test_every_mode_of_self_trade_prevention_goes_with_every_type(
    kind: OrderType, stp: Stp
) -> None:
    venue = exchange(CONFIG)
    placed(venue, "bob", order("sell", "1", "100"))
    trigger = "120" if kind is OrderType.STOP_MARKET else None
    request = order("buy", "100", "100", type=kind, activation_price=trigger, stp=stp)
    result = venue.place("alice", request, NOW_US)
    assert isinstance(result, Order)
    assert result.stp is stp


@pytest.mark.parametrize("role", [1, 2])
def test_an_empty_side_has_no_best_price(role: int) -> None:
    venue = exchange()
    reject = refused(venue, "alice", order("buy", "1", bbo_role=role))
    assert (reject.code, list(reject.errors)) == (12, ["amount"])


def test_a_collateral_account_has_so_many_stops_and_no_more() -> None:
    venue = exchange(msgspec.structs.replace(CONFIG, margin_stops_max=2))
    for market, kind in ((PERP, OrderType.STOP_MARKET), (SPOT, OrderType.STOP_MARKET)):
        for _ in range(2):
            request = order("sell", "0.1", type=kind, activation_price="50", market=market)
            placed(venue, "alice", request)
    request = order("sell", "0.1", type=OrderType.STOP_MARKET, activation_price="50", market=PERP)
    reject = refused(venue, "alice", request)
    text = "Max. limit of margin stop limit orders have been reached."
    assert (reject.code, reject.http, reject.errors) == (103, 422, {"error": [text]})
    spot = order("sell", "0.1", type=OrderType.STOP_MARKET, activation_price="50")
    placed(venue, "alice", spot)
    pair = NewOco(
        market=PERP,
        side=Side.SELL,
        amount="0.1",
        price="120",
        activation_price="60",
        stop_limit_price="60",
    )
    answer = venue.place_oco("alice", pair, NOW_US)
    assert isinstance(answer, Reject)
    assert (answer.code, answer.http, answer.errors) == (152, 422, {"error": [text]})
