"""Accounts, sub-accounts and keys by admin command (docs/venue.md, "Admin port")."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import AccountSpec, ExchangeConfig, FeeOverride
from adapters.paper.rest.routes import PRIVATE
from adapters.paper.ws.private import METHODS as WS_METHODS
from engine.errors import ConfigError
from tests.paper.exchange_kit import CONFIG, NOW_US, exchange, order, placed, totals, units
from tests.paper.venue_client import Bench, Client, bench

FEES = {"BTC_USDT": {"maker": "-0.0001", "taker": "0.0005"}}


def opened(run: Bench, name: str, **settings: Any) -> Client:
    """Open an account and return a client with its key."""
    status, answer = run.admin("POST", "/accounts", name=name, **settings)
    assert status == 200, answer
    assert answer["account"] == name
    return run.client(answer["key"], answer["secret"])


def changed(run: Bench, path: str, **body: Any) -> Any:
    status, answer = run.admin("POST", path, **body)
    assert status == 200, answer
    return answer


async def test_an_account_opened_while_the_venue_runs_trades(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    carol = opened(run, "carol", spot={"USDT": "1000"}, collateral={"USDT": "50"}, fees=FEES)
    ws = await carol.open_ws(authorize=True)
    await ws.call("deals_subscribe", [])
    await carol.limit("buy", "60000", postOnly=True)
    await run.alice.limit("sell", "60000")
    [deal] = [params for method, params in await ws.sequence(1) if method == "deals_update"]
    assert deal[2] == "BTC_USDT"
    # A maker's rebate of 0.01 % comes on top of what was bought.
    balance = await carol.ok("trade-account/balance", ticker="BTC")
    assert balance["BTC"]["available"] == "0.010001"
    assert await carol.ok("collateral-account/balance", ticker="USDT") == {"USDT": 50}


async def test_every_endpoint_and_channel_knows_a_new_account(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    carol = opened(run, "carol", spot={"USDT": "9000"}, collateral={"USDT": "9000"})
    perp = {"market": "BTC_PERP", "amount": "0.1", "price": "60000"}
    await run.alice.ok("order/collateral/limit", side="sell", **perp)
    await carol.ok("order/collateral/limit", side="buy", **perp)
    assert len(await carol.ok("collateral-account/positions/open")) == 1
    for path in PRIVATE:
        status, _ = await carol.post(path.removeprefix("/api/v4/"), market="BTC_PERP")
        assert status in (200, 400, 422), path
    ws = await carol.open_ws(authorize=True)
    for method in WS_METHODS:
        if method != "authorize":
            await ws.ask(method, [])
            await ws.ask(method)
    await trio.sleep(3)
    assert await ws.call("ping") == "pong"


async def test_a_sub_account_pays_the_fees_of_its_main_account(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    opened(run, "main", fees=FEES)
    sub = opened(run, "sub", main="main", spot={"USDT": "1000"})
    fees = (await sub.ok("market/fee"))["custom_fee"]
    assert fees == {"BTC_USDT": {"maker": "-0.01", "taker": "0.05"}}
    settings = run.admin("GET", "/accounts/settings")[1]["sub"]
    assert (settings["main"], settings["fees"]) == ("main", FEES)


async def test_orders_of_main_and_sub_account_meet_without_stp(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    sub = opened(run, "sub", main="demo-1", spot={"USDT": "1000"})
    await run.alice.limit("sell", "60000", stp="cb")
    bought = await sub.limit("buy", "60000", stp="cb")
    assert bought["status"] == "FILLED"


async def test_deposits_and_withdrawals_are_seen_and_pushed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("balanceSpot_subscribe", "USDT")
    funds = {"account": "demo-1", "asset": "USDT"}
    assert changed(run, "/deposit", **funds, amount="0.5") == {"available": "1000000.5"}
    assert await ws.push("balanceSpot_update") == [
        {"USDT": {"available": "1000000.5", "freeze": "0"}}
    ]
    assert changed(run, "/withdraw", **funds, amount="1000000") == {"available": "0.5"}
    answer = changed(run, "/withdraw", **funds, wallet="collateral", amount="999999")
    assert answer == {"available": "1"}
    assert await run.alice.ok("collateral-account/balance", ticker="USDT") == {"USDT": 1}


async def test_frozen_funds_and_margin_are_not_withdrawn(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000", "1")
    perp = {"market": "BTC_PERP", "side": "buy", "amount": "1", "price": "60000"}
    await run.alice.ok("order/collateral/limit", **perp)
    for wallet, free, more in (("spot", "940000", "940000.01"), ("collateral", "994000", "994001")):
        body = {"account": "demo-1", "asset": "USDT", "wallet": wallet}
        status, answer = run.admin("POST", "/withdraw", **body, amount=more)
        assert status == 400
        assert free in answer["error"]
        assert changed(run, "/withdraw", **body, amount=free) == {"available": "0"}


async def test_permissions_fees_and_modes_change_while_it_runs(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    quote = {"market": "BTC_USDT", "side": "buy", "amount": "0.01", "price": "60000"}
    assert (await run.alice.post("order/new", **quote, retail=True))[1]["code"] == 42
    answer = changed(
        run,
        "/accounts/settings",
        name="demo-1",
        rpi_allowed=False,
        retail_allowed=True,
        fees=FEES,
        leverage=20,
        hedge_mode=True,
    )
    assert (answer["leverage"], answer["hedge_mode"], answer["fees"]) == (20, True, FEES)
    assert (await run.alice.post("order/new", **quote, rpi=True))[1]["code"] == 43
    await run.alice.ok("order/new", **quote, retail=True, ioc=True)
    fees = (await run.alice.ok("market/fee"))["custom_fee"]
    assert fees["BTC_USDT"]["taker"] == "0.05"
    assert (await run.alice.ok("collateral-account/hedge-mode"))["hedgeMode"] is True


async def test_a_refused_change_changes_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    before = run.admin("GET", "/accounts/settings")
    body: dict[str, Any] = {
        "name": "demo-1",
        "hedge_mode": True,
        "retail_allowed": True,
        "leverage": 100,
    }
    fees = {"NOPE": {"maker": "0", "taker": "0"}}
    assert run.admin("POST", "/accounts/settings", **body, fees=fees)[0] == 400
    perp = {"market": "BTC_PERP", "side": "buy", "amount": "1", "price": "60000"}
    await run.alice.ok("order/collateral/limit", **perp)
    status, answer = run.admin("POST", "/accounts/settings", **body)
    assert (status, answer["error"].split(":")[0]) == (400, "code 113")
    assert run.admin("GET", "/accounts/settings") == before


async def test_keys_are_issued_bound_and_switched_off(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    issued = changed(run, "/keys", account="demo-1", permissions=["read"])
    reader = run.client(issued["key"], issued["secret"])
    await reader.ok("orders")
    assert (await reader.post("order/cancel", market="BTC_USDT", orderId=1))[0] == 403
    settings = {"key": issued["key"], "permissions": ["read", "trade"], "denied": []}
    assert changed(run, "/keys/settings", **settings)["permissions"] == ["read", "trade"]
    assert (await reader.post("order/cancel", market="BTC_USDT", orderId=1))[0] == 400
    for changes in ({"enabled": False}, {"enabled": True, "ips": ["192.0.2.7"]}):
        changed(run, "/keys/settings", key=issued["key"], **changes)
        status, answer = await reader.post("orders")
        assert status == 401
        assert answer["message"] == "This action is unauthorized. Enable your key in API settings"
    owners = [key["account"] for key in run.admin("GET", "/keys")[1]]
    assert owners == ["demo-1", "demo-2", "demo-1"]


async def test_a_key_is_bound_to_the_address_of_the_socket(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    issued = changed(run, "/keys", account="demo-1", ips=["::ffff:127.0.0.1"])
    await run.client(issued["key"], issued["secret"]).ok("orders")
    issued = changed(run, "/keys", account="demo-1", ips=["127.0.0.2", "::1"])
    assert (await run.client(issued["key"], issued["secret"]).post("orders"))[0] == 401


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("a name that is taken", "/accounts", {"name": "demo-1"}, "exists already"),
    ("a name with a space", "/accounts", {"name": "a b"}, "name: expected"),
    ("a background account", "/accounts", {"name": "x", "background": True}, "background"),
    ("a main account of nobody", "/accounts", {"name": "x", "main": "y"}, "main account"),
    ("an asset of nobody", "/accounts", {"name": "x", "spot": {"EUR": "1"}}, "spot expected"),
    ("an amount below zero", "/accounts", {"name": "x", "spot": {"BTC": "-1"}}, "spot"),
    ("a setting of nobody", "/accounts", {"name": "x", "vip": 1}, "unknown field"),
    ("settings of nobody", "/accounts/settings", {"name": "x"}, "account 'x' does not exist"),
    (
        "settings of the flow",
        "/accounts/settings",
        {"name": "flow-maker"},
        "account 'flow-maker' does not exist",
    ),
    (
        "funds for nobody",
        "/deposit",
        {"account": "x", "asset": "BTC", "amount": "1"},
        "account 'x' does not exist",
    ),
    (
        "nothing to deposit",
        "/deposit",
        {"account": "demo-1", "asset": "BTC", "amount": "0"},
        "above 0",
    ),
    (
        "an asset that is no collateral",
        "/deposit",
        {"account": "demo-1", "asset": "BTC", "amount": "1", "wallet": "collateral"},
        "collateral holds USDT, not 'BTC'",
    ),
    (
        "more than there is",
        "/withdraw",
        {"account": "demo-1", "asset": "BTC", "amount": "10.1"},
        "at most the available 10",
    ),
    ("a key of nobody", "/keys", {"account": "x"}, "account 'x' does not exist"),
    ("a key for no address", "/keys", {"account": "demo-1", "ips": ["x"]}, "IP address"),
    (
        "a key for too many addresses",
        "/keys",
        {"account": "demo-1", "ips": ["192.0.2.1"] * 51},
        "<= 50",
    ),
    ("settings of no key", "/keys/settings", {"key": "x"}, "key 'x' does not exist"),
]


@pytest.mark.parametrize(
    ("name", "path", "body", "part"), REFUSED, ids=[case[0] for case in REFUSED]
)
async def test_commands_that_cannot_be_done_change_nothing(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    name: str,
    path: str,
    body: dict[str, Any],
    part: str,
) -> None:
    run = await bench(nursery)
    shown = ("/accounts", "/accounts/settings", "/keys")
    before = [run.admin("GET", each) for each in shown]
    status, answer = run.admin("POST", path, **body)
    assert status == 400
    assert part in answer["error"]
    assert [run.admin("GET", each) for each in shown] == before


async def test_a_key_is_issued_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    key = {"account": "demo-1", "key": "mine", "secret": "s"}
    assert changed(run, "/keys", **key)["key"] == "mine"
    assert run.admin("POST", "/keys", **key)[0] == 400


def test_totals_change_by_deposits_alone() -> None:
    venue = exchange()
    before = totals(venue)
    venue.open_account(AccountSpec(name="carol", spot={"USDT": "7"}), NOW_US)
    venue.deposit("carol", "spot", "BTC", units("1"), NOW_US)
    venue.deposit("alice", "collateral", "USDT", units("5"), NOW_US)
    placed(venue, "carol", order("sell", "0.4", "100"))
    placed(venue, "alice", order("buy", "0.4", "100"))
    assert venue.withdraw("carol", "spot", "USDT", units("46"), NOW_US)
    assert not venue.withdraw("carol", "spot", "USDT", units("1"), NOW_US)
    venue.check()
    assert totals(venue) == before
    assert venue.ledger.deposits == {
        ("spot", "USDT"): units("7") - units("46"),
        ("spot", "BTC"): units("1"),
        ("collateral", "USDT"): units("5"),
    }


def test_a_configuration_names_the_main_account_first() -> None:
    main = AccountSpec(name="main", fees={"BTC_USDT": FeeOverride("0", "0.0005")})
    sub = AccountSpec(name="sub", main="main")
    venue = Exchange(ExchangeConfig(accounts=(main, sub)), NOW_US)
    assert venue.fee_rates("sub", "BTC_USDT")[:2] == (0, 50_000)
    for accounts in ((sub, main), (main, sub, AccountSpec(name="deep", main="sub"))):
        with pytest.raises(ConfigError, match="main expected a main account given before"):
            Exchange(ExchangeConfig(accounts=accounts), NOW_US)
    assert VenueConfig().exchange.accounts[0].main == ""
    assert [spec.main for spec in CONFIG.accounts] == [""] * 4
