"""The admin port and the `paper` command (docs/venue.md)."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.admin.server import ROUTES, respond
from adapters.paper.auth import ApiKey
from adapters.paper.body_log import BodyLog
from adapters.paper.config import VenueConfig, load, problem, with_flow_accounts
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import FLOW_ACCOUNTS, AccountSpec, ExchangeConfig
from adapters.paper.http import Request
from adapters.paper.server import VenueHandle
from adapters.paper.venue import Venue
from adapters.ports import SystemClock, SystemFs, SystemNet
from engine.errors import ConfigError
from tests.paper.venue_client import Client, CountingIds, bench

COMMAND = [sys.executable, "-m", "adapters.cli.main", "paper"]


async def test_admin_shows_state_and_cuts_sockets(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.open_ws()
    order = await run.alice.limit("buy", "60000")
    await run.alice.ok("order/kill-switch", market="BTC_USDT", timeout="60")
    orders = run.admin("GET", "/orders")[1]
    assert [each["orderId"] for each in orders["demo-1"]] == [order["orderId"]]
    assert orders["demo-2"] == []
    assert run.admin("GET", "/timers")[1]["demo-1"][0]["market"] == "BTC_USDT"
    assert run.admin("GET", "/accounts")[1]["demo-1"]["spot"]["USDT"]["freeze"] == "600"
    paths = [entry["path"] for entry in run.admin("GET", "/hashes")[1]]
    assert paths == ["/api/v4/order/new", "/api/v4/order/kill-switch"]
    assert run.admin("POST", "/cut") == (200, {"cut": 1})


async def test_admin_needs_its_token(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    assert run.admin("GET", "/orders", "wrong") == (401, None)
    assert run.admin("GET", "/cut") == (404, None)


def test_every_documented_command_works() -> None:
    text = (Path(__file__).parents[3] / "docs" / "venue.md").read_text()
    commands = re.findall(r"^admin (?:-X (\w+) )?\$ADMIN(/\S*)(?: -d '(.*)')?$", text, re.M)
    account = AccountSpec(name="old")
    config = VenueConfig(
        exchange=ExchangeConfig(accounts=(account,)), keys=(ApiKey("old", "my-key", "s"),)
    )
    handle = VenueHandle(Venue(config, clock=SystemClock(), ids=CountingIds()), 0)
    done = set()
    for given, path, body in commands:
        method = given or ("POST" if body else "GET")
        headers = {"authorization": "Bearer t"}
        answer = respond(handle, "t", Request(method, path, "", headers, body.encode()))
        assert answer.status == 200, (method, path, answer)
        done.add((method, path))
    assert done == set(ROUTES)


def test_body_hashes_are_written_line_by_line(tmp_path: Path) -> None:
    log = BodyLog(SystemFs().open_new(tmp_path / "hashes"))
    log.add("/a", b"{}")
    log.add("/b", b"")
    lines = (tmp_path / "hashes").read_text().splitlines()
    assert [msgspec.json.decode(line)["path"] for line in lines] == ["/a", "/b"]
    assert [msgspec.json.decode(line)["sha256"] for line in lines] == [
        entry.sha256 for entry in log.hashes()
    ]


def test_a_configuration_file_sets_accounts_keys_and_switches(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(
        """
        strict_payload = true
        [[keys]]
        account = "me"
        key = "k"
        secret = "s"
        [exchange]
        refuse_flip = true
        [[exchange.accounts]]
        name = "me"
        spot = { USDT = "100" }
        fees = { BTC_USDT = { maker = "-0.0001", taker = "0.0005" } }
        """
    )
    config = load(SystemFs(), path)
    assert (config.strict_payload, config.exchange.refuse_flip) == (True, True)
    assert [(key.account, key.key) for key in config.keys] == [("me", "k")]
    assert config.exchange.accounts[0].fees["BTC_USDT"].maker == "-0.0001"


def test_the_documented_settings_are_accepted(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "venue.md").read_text()
    path = tmp_path / "venue.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0])
    config = with_flow_accounts(load(SystemFs(), path))
    exchange = Exchange(config.exchange, 0)
    assert exchange.fee_rates("maker", "BTC_USDT")[0] == -10_000
    assert [account.name for account in config.exchange.accounts][1:] == [
        account.name for account in FLOW_ACCOUNTS
    ]


BAD = [
    ("a setting that does not exist", "strict = true", "unknown field"),
    ("a wrong type", "ws_inactivity_s = 'x'", "ws_inactivity_s"),
    ("no TOML", "= 1", "Invalid"),
    ("a key of nobody", "[[keys]]\naccount='x'\nkey='k'\nsecret='s'", "account 'x'"),
    (
        "a key bound to no address",
        "[[keys]]\naccount='demo-1'\nkey='k'\nsecret='s'\nips=['here']",
        "expected an IP address",
    ),
    (
        "a permission that does not exist",
        "[[keys]]\naccount='demo-1'\nkey='k'\nsecret='s'\npermissions=['withdraw']",
        "withdraw",
    ),
    ("a nonce status of neither kind", "nonce_status = 500", "401 or 429"),
]


@pytest.mark.parametrize(("name", "text", "part"), BAD, ids=[case[0] for case in BAD])
def test_bad_configuration_files_are_refused(
    tmp_path: Path, name: str, text: str, part: str
) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=part) as caught:
        load(SystemFs(), path)
    assert str(path) in str(caught.value)


def test_names_must_be_unique() -> None:
    twice = ExchangeConfig(accounts=(*FLOW_ACCOUNTS, AccountSpec(name="a"), AccountSpec(name="a")))
    assert problem(VenueConfig(exchange=twice)) == "account 'a' is given twice"


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[tuple[trio.Process, dict[str, Any]]]:
    process = await trio.lowlevel.open_process(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    async with process.stdout, process.stdin:  # type: ignore[union-attr]
        line = b""
        while not line.endswith(b"\n"):
            assert process.stdout is not None
            part = await process.stdout.receive_some()
            assert part, "the venue ended before its ready line"
            line += bytes(part)
        try:
            yield process, json.loads(line)
        finally:
            process.kill()
            await process.wait()


@pytest.mark.slow
async def test_the_command_serves_until_a_signal(nursery: trio.Nursery, tmp_path: Path) -> None:
    hashes = tmp_path / "hashes"
    async with started("--seed", "2", "--body-hashes", str(hashes)) as (process, ready):
        assert list(ready) == ["rest", "ws", "accounts", "admin"]
        port = int(ready["rest"].rsplit(":", 1)[1])
        assert ready["rest"] == f"http://127.0.0.1:{port}"
        assert ready["ws"] == f"ws://127.0.0.1:{port}/ws"
        assert [account["name"] for account in ready["accounts"]] == ["demo-1", "demo-2"]
        account = ready["accounts"][0]
        clock = SystemClock()
        client = Client(nursery, SystemNet(), port, clock, account["key"], account["secret"])
        assert (await client.ok("trade-account/balance"))["BTC"]["available"] == "10"
        ws = await client.open_ws(authorize=True)
        assert await ws.call("ping") == "pong"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert len(hashes.read_text().splitlines()) == 2


@pytest.mark.slow
async def test_the_command_ends_with_its_parent() -> None:
    async with started("--exit-with-parent") as (process, _):
        assert process.stdin is not None
        await process.stdin.aclose()
        assert await process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--flow", "none.jsonl.zst"], b"none.jsonl.zst"),
        (["--config", "none.toml"], b"none.toml"),
        (["--speed", "0"], b"speed"),
        (["--port", "99999"], b"--port"),
        (["--host", "192.0.2.1"], b"cannot listen"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments: list[str], part: bytes) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert part in done.stderr.splitlines()[-1]
