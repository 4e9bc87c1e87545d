"""A venue process that is killed and started again on its state directory."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
import trio

from adapters.ports import SystemClock, SystemNet
from tests.paper.venue_client import Client

COMMAND = [sys.executable, "-m", "adapters.cli.main", "paper"]


class Process:
    """A running `quotefold paper` and clients of its accounts."""

    def __init__(self, process: trio.Process, ready: dict[str, Any], nursery: trio.Nursery) -> None:
        self.process = process
        self.ready = ready
        port = urlsplit(ready["rest"]).port
        assert port
        self.clients = {
            each["name"]: Client(
                nursery, SystemNet(), port, SystemClock(), each["key"], each["secret"]
            )
            for each in ready["accounts"]
        }

    async def admin(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.ready['admin']['token']}"}
        request = Request(self.ready["admin"]["url"] + path, headers=headers)

        def read() -> Any:
            with urlopen(request, timeout=10) as answer:
                return json.load(answer)

        return await trio.to_thread.run_sync(read)

    async def state(self) -> dict[str, Any]:
        paths = ("/accounts", "/orders", "/timers", "/accounts/settings", "/keys")
        return {path: await self.admin(path) for path in paths}


@asynccontextmanager
async def started(directory: Path, flow: str) -> AsyncIterator[Process]:
    process = await trio.lowlevel.open_process(
        [*COMMAND, "--state", str(directory), "--flow", flow], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async with process.stdout, trio.open_nursery() as nursery:
        try:
            line = b""
            while not line.endswith(b"\n"):
                chunk = await process.stdout.receive_some()
                assert chunk, "the venue ended before its ready line"
                line += chunk
            yield Process(process, json.loads(line), nursery)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()


async def history(client: Client) -> tuple[list[Any], list[Any]]:
    """Open orders and deals of an account, as its clients see them."""
    orders = await client.ok("orders")
    return orders, await client.ok("trade-account/executed-history", market="BTC_USDT", limit=100)


def unpriced(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out what moves with the last price: how much BTC could be borrowed."""
    shown = copy.deepcopy(state)
    for account in shown["/accounts"].values():
        del account["collateral"]["BTC"]["available_with_borrow"]
    return shown


@pytest.mark.slow
async def test_accounts_orders_and_deals_survive_kill_9_in_the_flow(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    async with started(directory, "synthetic:busy") as first:
        one, two = first.clients["demo-1"], first.clients["demo-2"]
        for side, price in (("buy", "100000"), ("sell", "10000")):
            await two.ok(
                "order/new", market="BTC_USDT", side=side, price=price, amount="0.02", ioc=True
            )
        await two.limit("buy", "30000")
        await two.ok("order/kill-switch", market="BTC_PERP", timeout="600")
        acknowledged = []
        with trio.move_on_after(1.5):
            while True:
                placed = await one.limit("buy", "62000", amount="0.001")
                acknowledged.append(placed["orderId"])
        before, still = unpriced(await first.state()), await history(two)
        first.process.send_signal(signal.SIGKILL)
        await first.process.wait()
    async with started(directory, "none") as second:
        after = await second.state()
        assert second.ready["accounts"] == first.ready["accounts"]
        # Nothing of demo-2 was in the way of the flow, so it is as it was to the last digit.
        for path in ("/accounts", "/orders", "/timers"):
            assert unpriced(after)[path]["demo-2"] == before[path]["demo-2"], path
        assert after["/accounts/settings"] == before["/accounts/settings"]
        assert after["/keys"] == before["/keys"]
        assert await history(second.clients["demo-2"]) == still
        assert len(still[1]) >= 2
        # And of demo-1 every order that was answered is known.
        known = {order["orderId"] for order in (await history(second.clients["demo-1"]))[0]}
        closed = await second.clients["demo-1"].ok(
            "trade-account/order/history", market="BTC_USDT", limit=100
        )
        known |= {order["id"] for orders in closed.values() for order in orders}
        assert acknowledged
        assert set(acknowledged[-50:]) <= known
    # A second start, after a second kill, comes to the same.
    async with started(directory, "none") as third:
        assert (await third.state())["/accounts"] == after["/accounts"]


@pytest.mark.slow
async def test_a_directory_in_use_or_of_another_venue_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "state"

    async def refusal(*more: str) -> tuple[int, str]:
        arguments = [*COMMAND, "--state", str(directory), "--flow", "none", *more]
        done = await trio.run_process(arguments, capture_stderr=True, check=False)
        return done.returncode, done.stderr.decode()

    async with started(directory, "none"):
        code, text = await refusal()
        assert (code, text.count("\n")) == (1, 1)
        assert "expected no other writer, found the lock held" in text
    config = tmp_path / "venue.toml"
    config.write_text("[[exchange.accounts]]\nname = 'x'\n")
    code, text = await refusal("--config", str(config))
    assert (code, text.count("\n")) == (2, 1)
    assert "belongs to other markets, accounts or keys" in text
