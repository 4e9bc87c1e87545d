"""The control socket: where a human tells a running engine what to do.

A unix socket, mode 0600, one line of JSON each way. What it takes becomes an event of the journal;
what it cannot take is answered with a reason and changes nothing. Whoever may use the socket may
do as much as the engine's own user, so nobody else may.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import trio

from adapters.ports import Fs, LocalNet
from adapters.runtime.live import LiveLoop
from engine import operator
from engine.errors import ConfigError
from engine.events import OperatorCommanded
from engine.gates import closed_gate
from engine.live_changes import UNSAFE, current
from engine.money import from_units
from engine.state import MarketState, State

SOCKET_GLOB = ("control-", ".sock")
"""Start and end of the name; between them is the process id."""
CLIENTS_MAX = 8
"""Connections at once: a human has one, a script another."""
IDLE_S = 30.0
"""A connection that asks nothing for so long is closed."""
LINE_MAX = 16_384
"""Bytes of one line."""
_READ_BYTES = 4_096
STATUS, PARAMETERS = "status", "parameters"
QUESTIONS = (STATUS, PARAMETERS)
"""What is answered from the state, and is no event."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a client."""

    command: str
    market: str = ""
    """Empty for every market of the run."""
    argument: str = ""


def socket_path(directory: Path, pid: int) -> Path:
    """Return where the engine with a process id listens."""
    return directory / f"{SOCKET_GLOB[0]}{pid}{SOCKET_GLOB[1]}"


def sockets(fs: Fs, directory: Path) -> list[Path]:
    """Return the control sockets in a directory, also of engines that were killed."""
    start, end = SOCKET_GLOB
    names = fs.list_dir(directory)
    return [directory / name for name in names if name.startswith(start) and name.endswith(end)]


def living(fs: Fs, directory: Path) -> list[Path]:
    """Return the control sockets whose process is there."""
    start, end = SOCKET_GLOB
    return [
        path
        for path in sockets(fs, directory)
        if _is_alive(path.name.removeprefix(start).removesuffix(end))
    ]


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


class Control:
    """Answers the control socket of one run.

    Attributes:
        loop: The run; None until it has begun.
    """

    def __init__(self) -> None:
        self.loop: LiveLoop | None = None
        self._clients = 0

    async def serve(
        self,
        net: LocalNet,
        fs: Fs,
        path: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled.

        Raises:
            ConfigError: the socket cannot be made.
        """
        try:
            fs.make_dir(path.parent)
            for left in set(sockets(fs, path.parent)) - set(living(fs, path.parent)) | {path}:
                if fs.exists(left):
                    fs.remove(left)  # of an engine that was killed
            await net.serve_local(self._connection, path, task_status=task_status)
        except OSError as error:
            hint = "name another directory in [operator]; the panic latch needs it too"
            raise ConfigError(
                f"{path}: cannot be made: {error.strerror or error}; {hint}"
            ) from error

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one line of a client."""
        try:
            asked = msgspec.json.decode(line, type=Command)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return _refused(f"expected a command as one JSON object: {error}")
        loop = self.loop
        if loop is None:
            return _refused("the engine is starting; try again in a moment")
        if asked.command == STATUS:
            return {"ok": True, "status": status(loop.state)}
        if asked.command == PARAMETERS:
            return _parameters(loop.state, asked.market)
        if asked.command not in operator.COMMANDS:
            known = ", ".join((*QUESTIONS, *operator.COMMANDS))
            return _refused(f"expected one of {known}, found {asked.command[:40]!r}")
        event = OperatorCommanded(asked.command, asked.market, asked.argument)
        obeyed = await loop.obey(event)
        if obeyed.refused:
            return _refused(obeyed.refused)
        return {"ok": True, "seq": obeyed.seq, "changed": list(obeyed.changed)}

    async def _connection(self, stream: trio.abc.HalfCloseableStream) -> None:
        if self._clients >= CLIENTS_MAX:
            return
        self._clients += 1
        try:
            await self._answer_all(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it did not wait for the answer; what it asked is done
        finally:
            self._clients -= 1

    async def _answer_all(self, stream: trio.abc.HalfCloseableStream) -> None:
        received = bytearray()
        while True:
            with trio.move_on_after(IDLE_S) as idle:
                part = await stream.receive_some(_READ_BYTES)
            if idle.cancelled_caught or not part:
                return
            received += part
            while (end := received.find(b"\n")) >= 0:
                line = bytes(received[:end])
                del received[: end + 1]
                await _send(stream, await self.answer(line))
            if len(received) > LINE_MAX:
                await _send(stream, _refused(f"expected at most {LINE_MAX} bytes in a line"))
                return


async def _send(stream: trio.abc.SendStream, answer: Mapping[str, Any]) -> None:
    with trio.move_on_after(IDLE_S):
        await stream.send_all(msgspec.json.encode(answer) + b"\n")


def _refused(reason: str) -> dict[str, Any]:
    return {"ok": False, "error": reason}


def _parameters(state: State, name: str) -> dict[str, Any]:
    if name and name not in state.markets:
        known = ", ".join(state.markets)
        return _refused(f"expected a market of this run ({known}), found {name[:40]!r}")
    chosen = [name] if name else list(state.markets)
    return {
        "ok": True,
        "safe": {each: current(state.markets[each]) for each in chosen},
        "unsafe": dict(UNSAFE),
    }


def status(state: State) -> dict[str, Any]:
    """Return what a human asks first: is it quoting, and if not, why not?"""
    return {
        "run_id": state.run_id,
        "mode": state.mode,
        "seq": state.seq,
        "halted": state.halted,
        "latched": state.latched,
        "stopping": bool(state.stopping_ns),
        "anomalies": state.anomalies,
        "last_anomaly": state.last_anomaly,
        "markets": {name: _market(state, market) for name, market in state.markets.items()},
    }


def _market(state: State, market: MarketState) -> dict[str, Any]:
    spec = market.quoted.market
    left_ns = max(0, market.kill_switch.armed_until_ns - state.now_ns)
    return {
        "stage": market.stage.name.lower(),
        "held_by": [
            {"rule": hold.rule, "stage": hold.stage.name.lower(), "reason": hold.reason}
            for hold in market.holds
        ],
        "no_quotes": closed_gate(state, market),
        "position": str(from_units(market.position, spec.qty_decimals)),
        "bids": len(market.bids),
        "asks": len(market.asks),
        "kill_switch_s": left_ns // 100_000_000 / 10,
    }
