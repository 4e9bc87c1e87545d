"""The paper venue that `run` starts for itself, as a child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from adapters.whitebit.signing import Secret
from engine.errors import RemoteProtocolError

START_S = 20.0
"""A venue that is not ready by then never will be; it takes about half a second."""


class VenueAddress(msgspec.Struct, frozen=True):
    """Where a venue is, and the key to use there."""

    rest_url: str
    ws_url: str
    key: Secret
    secret: Secret


class _Account(msgspec.Struct):
    name: str
    key: str
    secret: str


class _Ready(msgspec.Struct):
    rest: str
    ws: str
    accounts: list[_Account]


@asynccontextmanager
async def paper_venue(
    flow: str | None, seed: int | None, *, hedged: bool = False
) -> AsyncIterator[VenueAddress]:
    """Run `quotefold paper` on a free loopback port; it ends with this process, however that ends.

    Args:
        flow: As for `paper --flow`; None for its default.
        seed: As for `paper --seed`; None for its default.
        hedged: As for `paper --hedge-mode`.
    """
    command = [sys.executable, "-m", "adapters.cli.main", "paper", "--exit-with-parent"]
    if flow is not None:
        command += ["--flow", flow]
    if seed is not None:
        command += ["--seed", str(seed)]
    if hedged:
        command += ["--hedge-mode"]
    process = await trio.lowlevel.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A Ctrl-C is ours to answer: the venue must stay until our orders are gone.
        start_new_session=True,
    )
    try:
        yield await _wait_ready(process)
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _wait_ready(process: trio.Process) -> VenueAddress:
    assert process.stdout is not None
    line = b""
    with trio.move_on_after(START_S):
        while not line.endswith(b"\n"):
            part = await process.stdout.receive_some()
            if not part:
                break
            line += part
    if not line.endswith(b"\n"):
        raise RemoteProtocolError("the paper venue did not start; its message is above")
    ready = msgspec.json.decode(line, type=_Ready)
    account = ready.accounts[0]
    return VenueAddress(ready.rest, ready.ws, Secret(account.key), Secret(account.secret))
