"""Refusals of the exchange: codes, texts and precedence (contract 5.1, 6.1, 9, 10.2, 10.6)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.model import ModifyOrder, NewOrder, Reject
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

LESS = "Given amount is less than min amount 0.00001"
CASES: dict[str, tuple[NewOrder, int, dict[str, list[str]]]] = {
    "an unknown market": (
        order("buy", "1", "100", market="ETH_BTC"),
        31,
        {"market": ["Market is not available."]},
    ),
    "a spot order on a perpetual": (
        msgspec.structs.replace(order("buy", "1", "100", market=PERP), collateral=False),
        31,
        {"market": ["Market is not available."]},
    ),
    "an amount that is no number": (
        order("buy", "1x", "100"),
        32,
        {"amount": ["Amount field should be numeric string or number."]},
    ),
    "an amount with an underscore, which Python would read": (
        order("buy", "1_0", "100"),
        32,
        {"amount": ["Amount field should be numeric string or number."]},
    ),
    "an amount of zero": (
        order("buy", "0", "100"),
        32,
        {"amount": ["Amount should be greater than 0."]},
    ),
    "an amount below the minimum": (order("buy", "0.000009", "100"), 32, {"amount": [LESS]}),
    "an amount off the step": (
        order("buy", "1.0000001", "100"),
        32,
        {"amount": ["Min amount step = 0.000001"]},
    ),
    "an amount below the minimum and off the step": (
        order("buy", "0.0000001", "100"),
        32,
        {"amount": [LESS, "Min amount step = 0.000001"]},
    ),
    "no price and no bboRole": (
        order("buy", "1"),
        30,
        {"price": ["Price field is required."]},
    ),
    "a price that is no number": (
        order("buy", "1", "NaN"),
        33,
        {"price": ["Price field should be numeric string or number."]},
    ),
    "a negative price": (
        order("buy", "1", "-5"),
        33,
        {"price": ["Price should be greater than 0."]},
    ),
    "a price off the tick": (
        order("buy", "1", "100.001"),
        33,
        {"price": ["Min price step = 0.01"]},
    ),
    "a price below one tick": (
        order("buy", "1", "0.001"),
        33,
        {"price": ["Price field should be at least 0.01", "Min price step = 0.01"]},
    ),
    "the amount is checked before the price": (
        order("buy", "0", "0"),
        32,
        {"amount": ["Amount should be greater than 0."]},
    ),
    "a total below the minimum": (
        order("buy", "0.05", "100.99"),
        30,
        {"total": ["Total (amount * price) is less than 5.05"]},
    ),
    "a client id with a space": (
        order("buy", "1", "100", client_order_id="a b"),
        36,
        {
            "clientOrderId": [
                "ClientOrderId field should contain only latin letters, numbers and dashes."
            ]
        },
    ),
    "ioc with post-only": (
        order("buy", "1", "100", ioc=True, post_only=True),
        37,
        {"ioc": ["Either IOC or PostOnly flag in true state is allowed."]},
    ),
    "retail with rpi": (
        order("buy", "1", "100", retail=True, rpi=True),
        41,
        {"retail": ["api.tradeErrors.flagsCantBeCombined.rpiRetail"]},
    ),
    "more money than there is": (
        order("buy", "10", "100000.01"),
        10,
        {"amount": ["Not enough balance."]},
    ),
    "more stock than there is": (
        order("sell", "10.000001", "100"),
        10,
        {"amount": ["Not enough balance."]},
    ),
    "more margin than there is": (
        order("buy", "10.001", "100000", market=PERP),
        10,
        {"amount": ["Not enough balance."]},
    ),
    "reduce-only without a position": (
        order("sell", "1", "100", market=PERP, reduce_only=True),
        116,
        {"reduceOnly": ["Reduce-only: Position doesn't exist or wrong side"]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str) -> None:
    request, code, errors = CASES[name]
    answer = refused(exchange(), "alice", request)
    assert (answer.code, answer.errors) == (code, errors)
    assert answer.http == 422
    inner = code in (10,)
    assert answer.message == ("Inner validation failed" if inner else "Validation failed")


@pytest.mark.parametrize(
    ("flag", "change", "code"),
    [("retail", "retail_allowed", 42), ("rpi", "rpi_allowed", 43)],
)
def test_account_without_a_flag_is_refused_its_use(flag: str, change: str, code: int) -> None:
    venue = exchange(with_alice(**{change: False}))
    assert refused(venue, "alice", order("buy", "1", "100", **{flag: True})).code == code


def test_exact_limits_are_accepted() -> None:
    venue = exchange()
    placed(venue, "alice", order("buy", "0.05", "101"))
    placed(venue, "alice", order("sell", "10", "100.0000"))
    placed(venue, "bob", order("buy", "10", "1e2"))
    placed(venue, "bob", order("buy", "10.000", "100000.0", market=PERP))
    venue.check()


def test_client_id_is_unique_among_open_orders_of_one_market() -> None:
    venue = exchange()
    first = placed(venue, "alice", order("buy", "1", "100", client_order_id="x.1_A"))
    again = refused(venue, "alice", order("buy", "1", "100", client_order_id="x.1_A"))
    assert again.code == 36
    assert again.errors == {
        "clientOrderId": ["This client order id is already used by the current account."]
    }
    placed(venue, "alice", order("buy", "1", "100", client_order_id="X.1_A"))
    placed(venue, "alice", order("buy", "1", "100", client_order_id="x.1_A", market=PERP))
    placed(venue, "bob", order("sell", "1", "100", client_order_id="x.1_A"))
    assert venue.open_orders("alice", SPOT)[0].order_id != first.order_id
    placed(venue, "alice", order("buy", "1", "99", client_order_id="x.1_A"))


@pytest.mark.parametrize(("market", "code"), [(SPOT, 13), (PERP, 14)])
def test_post_only_that_would_take_leaves_no_trace(market: str, code: int) -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "1", "100", market=market))
    request = order("buy", "1", "100", market=market, post_only=True)
    answer = refused(venue, "alice", request)
    assert (answer.code, answer.message) == (code, "Inner validation failed")
    assert refused(venue, "bob", request).code == code
    placed(venue, "alice", msgspec.structs.replace(request, price="99.9"))


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_bbo_role_takes_its_price_from_the_visible_book(side: str) -> None:
    venue = exchange()
    request = order(side, "1", bbo_role=1)
    assert refused(venue, "alice", request).code == 12
    placed(venue, "bob", order("buy", "1", "99"))
    placed(venue, "bob", order("sell", "1", "101"))
    placed(venue, "bob", order(side, "1", "100", rpi=True))
    queued = placed(venue, "alice", request)
    assert queued.ticks == (9900 if side == "buy" else 10100)
    assert queued.post_only
    crossed = placed(venue, "alice", order(side, "1", bbo_role=2, ioc=True))
    assert crossed.deal_lots == 1_000_000
    assert refused(venue, "alice", order(side, "1", bbo_role=1, ioc=True)).code == 30


def test_modify_refusal_leaves_the_original_alone() -> None:
    venue = exchange()
    placed(venue, "bob", order("sell", "1", "101"))
    kept = placed(venue, "alice", order("buy", "2", "100", post_only=True))
    venue.drain()
    for change, code, http in (
        ({"order_id": 7}, 2, 400),
        ({"order_id": kept.order_id, "amount": "0"}, 32, 422),
        ({"order_id": kept.order_id, "price": "0.001"}, 33, 422),
        ({"order_id": kept.order_id, "amount": "0.00002"}, 30, 422),
        ({"order_id": kept.order_id, "amount": "20000"}, 10, 422),
        ({"order_id": kept.order_id, "price": "101"}, 13, 422),
    ):
        request = msgspec.structs.replace(ModifyOrder(market=SPOT), **change)
        answer = venue.modify("alice", request, NOW_US)
        assert isinstance(answer, Reject)
        assert (answer.code, answer.http) == (code, http)
        inner = code == 2
        assert answer.message == ("Inner validation failed" if inner else "Validation failed")
    assert venue.open_orders("alice") == [kept]
    assert venue.drain() == []


def test_flip_can_be_refused_by_configuration() -> None:
    venue = exchange(msgspec.structs.replace(CONFIG, refuse_flip=True))
    placed(venue, "alice", order("buy", "1", "100", market=PERP))
    placed(venue, "bob", order("sell", "1", "100", market=PERP))
    assert refused(venue, "alice", order("sell", "1.001", "100", market=PERP)).code == 115
    placed(venue, "alice", order("sell", "1", "100", market=PERP))
