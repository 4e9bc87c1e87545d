"""The collateral account over REST: leverage, hedge mode, summary, closing (contract 6.5, 6.6)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import BTC_PERP, BTC_USDT, DEMO_ACCOUNTS, ExchangeConfig
from tests.paper.venue_client import Bench, Client, bench

PERP = "BTC_PERP"


async def trade(run: Bench, price: str, amount: str = "0.1", **more: Any) -> None:
    """Alice buys from bob."""
    order = {"market": PERP, "price": price, "amount": amount}
    await run.bob.ok("order/collateral/limit", **order, side="sell")
    await run.alice.ok("order/collateral/limit", **order, side="buy", **more)


def poor(**changes: Any) -> VenueConfig:
    """Alice has 1,000 USDT; `changes` are settings of the exchange."""
    alice = msgspec.structs.replace(DEMO_ACCOUNTS[0], collateral={"USDT": "1000"}, leverage=10)
    exchange = ExchangeConfig(accounts=(alice, DEMO_ACCOUNTS[1]))
    return VenueConfig(exchange=msgspec.structs.replace(exchange, **changes))


async def refusal(client: Client, name: str, **body: Any) -> tuple[int, int, Any]:
    status, answer = await client.post(name, **body)
    return status, answer["code"], answer["errors"]


async def test_leverage_changes_the_margin(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    totals = await run.alice.ok("collateral-account/summary")
    assert totals == {
        "equity": "999996.7",
        "margin": "600",
        "freeMargin": "999396.7",
        "unrealizedFunding": "0",
        "pnl": "0",
        "leverage": 10,
        "marginFraction": "0.0006",
    }
    assert await run.alice.ok("collateral-account/leverage", leverage=50) == {"leverage": 50}
    totals = await run.alice.ok("collateral-account/summary")
    assert (totals["margin"], totals["leverage"]) == ("120", 50)
    assert (await run.alice.ok("collateral-account/positions/open"))[0]["margin"] == "120"


LEVERAGE_TEXT = {"leverage": ["The selected leverage is invalid."]}


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        (None, {"leverage": ["Leverage field is required."]}),
        ("5", {"leverage": ["Leverage field should be an integer."]}),
        (True, {"leverage": ["Leverage field should be an integer."]}),
        (5.5, {"leverage": ["Leverage field should be an integer."]}),
        (4, LEVERAGE_TEXT),
        (0, LEVERAGE_TEXT),
        (-1, LEVERAGE_TEXT),
        (1 << 70, LEVERAGE_TEXT),
    ],
)
async def test_leverage_refuses(
    value: Any, errors: Any, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    answer = await refusal(run.alice, "collateral-account/leverage", leverage=value)
    assert answer == (422, 30, errors)


async def test_leverage_above_the_markets_maximum(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    market = msgspec.structs.replace(BTC_PERP, leverage_max=20)
    run = await bench(nursery, poor(markets=(BTC_USDT, market)))
    answer = await refusal(run.alice, "collateral-account/leverage", leverage=50)
    assert answer == (422, 30, LEVERAGE_TEXT)
    await run.alice.ok("collateral-account/leverage", leverage=20)


async def test_lower_leverage_needs_the_margin(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, poor())
    await trade(run, "60000")
    answer = await refusal(run.alice, "collateral-account/leverage", leverage=5)
    assert answer == (422, 17, {"amount": ["Not enough balance."]})
    assert (await run.alice.ok("collateral-account/summary"))["leverage"] == 10


async def test_leverage_may_be_locked_by_positions(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, poor(refuse_leverage_change=True))
    await run.alice.ok("collateral-account/leverage", leverage=20)
    await trade(run, "60000")
    assert (await refusal(run.alice, "collateral-account/leverage", leverage=50))[1] == 113


async def test_leverage_that_the_bracket_forbids(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000", "4")
    assert (await refusal(run.alice, "collateral-account/leverage", leverage=100))[1] == 111
    await run.alice.ok("collateral-account/leverage", leverage=50)


async def test_hedge_mode_over_the_wire(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    assert await run.alice.ok("collateral-account/hedge-mode") == {"hedgeMode": False}
    updated = await run.alice.ok("collateral-account/hedge-mode/update", hedgeMode=True)
    assert updated == {"hedgeMode": True}
    assert await run.alice.ok("collateral-account/hedge-mode") == {"hedgeMode": True}
    order = {"market": PERP, "side": "buy", "price": "60000", "amount": "0.1"}
    assert (await refusal(run.alice, "order/collateral/limit", **order))[1] == 114
    placed = await run.alice.ok("order/collateral/limit", **order, positionSide="LONG")
    assert placed["positionSide"] == "LONG"
    locked = await refusal(run.alice, "collateral-account/hedge-mode/update", hedgeMode=False)
    assert locked[:2] == (422, 113)
    await run.bob.ok("order/collateral/limit", **{**order, "side": "sell"})
    held = (await run.alice.ok("collateral-account/positions/open"))[0]
    assert (held["positionSide"], held["amount"]) == ("LONG", "0.1")
    for value in (None, "true", 1):
        answer = await refusal(run.alice, "collateral-account/hedge-mode/update", hedgeMode=value)
        assert answer[1] == 30


async def test_a_position_is_closed_at_the_market(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    number = (await run.alice.ok("collateral-account/positions/open"))[0]["positionId"]
    close = {"market": PERP, "positionId": number}
    path = "collateral-account/position/close"
    assert (await refusal(run.alice, path, **close))[1] == 12
    bid = {"market": PERP, "side": "buy", "price": "59000", "amount": "1"}
    await run.bob.ok("order/collateral/limit", **bid)
    assert await run.alice.ok(path, **close) == []
    assert await run.alice.ok("collateral-account/positions/open") == []
    gone = await refusal(run.alice, path, **close)
    assert gone == (422, 104, {"positionId": ["position doesn't exist."]})
    assert (await refusal(run.alice, path, market=PERP))[1] == 30
    assert (await refusal(run.alice, path, market=PERP, positionId="1"))[1] == 30
    assert (await refusal(run.alice, path, market="NO_NO", positionId=1))[1] == 31


async def test_funding_history(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    market = msgspec.structs.replace(BTC_PERP, funding_interval_minutes=1)
    run = await bench(nursery, poor(markets=(BTC_USDT, market)))
    await trade(run, "50938.2", "0.019")
    await trio.sleep(61)
    path = "collateral-account/funding-history"
    answer = await run.alice.ok(path)
    assert (answer["limit"], answer["offset"], len(answer["records"])) == (100, 0, 1)
    record = answer["records"][0]
    due = int(record["fundingTime"])
    assert due % 60 == 0
    assert record == {
        "market": PERP,
        "fundingTime": str(due),
        "fundingRate": "0.0000002",
        "fundingAmount": "-0.00019356516",
        "positionAmount": "0.019",
        "settlementPrice": "50938.2",
        "rateCalculatedTime": str(due - 60),
    }
    assert (await run.bob.ok(path, market=PERP))["records"][0]["fundingAmount"] == "0.00019356516"
    assert (await run.alice.ok(path, market="BTC_USDT", limit=1, offset=0))["records"] == []
    assert (await refusal(run.alice, path, limit=101))[1] == 30
    assert (await refusal(run.alice, path, market="NO_NO"))[1] == 31


async def test_cancel_all_of_one_position_side(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.ok("collateral-account/hedge-mode/update", hedgeMode=True)
    for side, position in (("buy", "LONG"), ("sell", "SHORT")):
        price = "60000" if side == "buy" else "61000"
        order = {"market": PERP, "side": side, "price": price, "amount": "0.1"}
        await run.alice.ok("order/collateral/limit", **order, positionSide=position)
    assert await run.alice.ok("order/cancel/all", market=PERP, positionSide="both") == []
    assert len(await run.alice.ok("orders")) == 2
    assert await run.alice.ok("order/cancel/all", market=PERP, positionSide="long") == []
    assert [o["positionSide"] for o in await run.alice.ok("orders")] == ["SHORT"]
    for body in (
        {"market": PERP, "positionSide": "LONG"},
        {"market": PERP, "positionSide": 1},
        {"market": "BTC_USDT", "positionSide": "long"},
        {"positionSide": "long"},
    ):
        status, code, errors = await refusal(run.alice, "order/cancel/all", **body)
        assert (status, code, list(errors)) == (422, 30, ["positionSide"])
    unknown = await refusal(run.alice, "order/cancel/all", market="NO_NO", positionSide="long")
    assert unknown[1] == 31
