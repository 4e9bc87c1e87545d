"""What a service manager is told: ready, alive, stopping (sd_notify, without a library).

The pulse is given by the fold of the loop's own timer, so a loop that hangs, in a decision, in a
disk or in anything else, falls silent, and the manager kills it. The venue's kill-switch then
clears what was left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from engine.events import Record, RunEnded, RunStarted, StopRequested, TimerFired
from engine.gates import closed_gate
from engine.state import State

PULSES_PER_TIMEOUT = 4
"""The manager asks for two; with four, a stall that the engine itself survives kills nothing."""
STATUS_EVERY_NS = 5_000_000_000
_NS_PER_US = 1_000


class Manager(msgspec.Struct, frozen=True):
    """What the service manager left in the environment."""

    address: str
    """Of its socket: a path, or an abstract name beginning with `@`."""
    timeout_ns: int
    """How long it lets the service be silent; 0 when it does not watch."""


def service_manager(env: Mapping[str, str], pid: int) -> Manager | None:
    """Return what the environment says of a service manager; None when there is none.

    Args:
        env: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are read.
        pid: Of this process: a pulse asked of another one is not ours to give.
    """
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    timeout_us = env.get("WATCHDOG_USEC", "")
    watched = env.get("WATCHDOG_PID", str(pid)) == str(pid)
    if not (watched and timeout_us.isascii() and timeout_us.isdigit()):
        return Manager(address, 0)
    return Manager(address, int(timeout_us) * _NS_PER_US)


class Service:
    """Tells the service manager; `observe` is an observer of the sequencer."""

    def __init__(self, send: Callable[[bytes], None], timeout_ns: int) -> None:
        """Tell through `send`, which may raise OSError.

        Args:
            send: One datagram to the manager, without waiting.
            timeout_ns: After so long a silence the manager acts; 0 when it does not watch.
        """
        self._send = send
        self._pulse_every_ns = timeout_ns // PULSES_PER_TIMEOUT
        self._pulse_due_ns = self._status_due_ns = 0

    def observe(self, state: State, record: Record) -> None:
        """Tell what a record says of the service, right after it was folded into `state`."""
        event = record.event
        if type(event) is TimerFired:
            self._alive(state, record.recv_ns)
        elif type(event) is RunStarted:
            self._tell("READY=1", _status(state))
        elif type(event) is StopRequested:
            self._tell("STOPPING=1", f"STATUS=stopping: {event.reason}")
        elif type(event) is RunEnded:
            clean = "clean" if event.clean else "NOT CLEAN"
            self._tell(f"STATUS=ended {clean}: {event.reason}")

    def _alive(self, state: State, now_ns: int) -> None:
        lines = []
        if self._pulse_every_ns and now_ns >= self._pulse_due_ns:
            self._pulse_due_ns = now_ns + self._pulse_every_ns
            lines.append("WATCHDOG=1")
        if now_ns >= self._status_due_ns and not state.stopping_ns:
            self._status_due_ns = now_ns + STATUS_EVERY_NS
            lines.append(_status(state))
        if lines:
            self._tell(*lines)

    def _tell(self, *lines: str) -> None:
        try:
            self._send("\n".join(lines).replace("\0", "").encode())
        except OSError:
            # A manager that does not listen will do what it does without us; the next pulse is
            # due soon, and trading does not depend on it.
            return


def _status(state: State) -> str:
    if state.halted:
        return f"STATUS=HALTED: {state.halted}"
    quoting = [name for name, market in state.markets.items() if not closed_gate(state, market)]
    return f"STATUS={state.mode}: quoting {len(quoting)} of {len(state.markets)} markets"
