"""Checks of the venue that need no key: can it be reached, is it well, what time is it there."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
import trio

from adapters.cli.checks.base import (
    Finding,
    Patient,
    busy,
    failed,
    passed,
    unanswered,
    warned,
)
from adapters.whitebit.urls import is_loopback, parse_url
from engine.errors import RemoteProtocolError
from engine.events import ServerTimeReported
from engine.intents import QueryTime

PINGS = 5
PING_WARN_MS = 250.0
"""From there on a quote is a quarter of a second old before the venue knows of it."""
CLOCK_READINGS = 5
CLOCK_PAUSE_S = 0.23
"""The venue tells whole seconds; readings spread over one second narrow the bounds to this."""
CLOCK_WARN_NS = 1_000_000_000
CLOCK_FAIL_NS = 4_000_000_000
"""The venue refuses nonces that are 5 s off (contract section 2)."""

_NTP = "let the machine keep time by NTP: timedatectl set-ntp true"


class _Status(msgspec.Struct):
    status: str


async def ping(patient: Patient) -> Finding:
    """The way there and back, on a connection that is open."""
    times_ms = []
    for _ in range(PINGS):
        began_ns = patient.clock.now_ns()
        answer = await patient.get("ping")
        if answer.status != HTTPStatus.OK:
            return busy(f"HTTP {answer.status}", "check rest_url")
        times_ms.append((patient.clock.now_ns() - began_ns) / 1e6)
    # The first one opened the connection.
    best = min(times_ms[1:])
    text = f"answers within {best:.1f} ms"
    if best > PING_WARN_MS:
        return warned(text, "a quote this old is often picked off; run nearer to the venue")
    return passed(text)


async def transport(patient: Patient) -> Finding:
    """Keys and orders in clear text must not leave this machine."""
    endpoint = parse_url(patient.ws_url, "ws", "wss")
    if endpoint.tls:
        return passed(f"{endpoint.host} over TLS")
    if is_loopback(endpoint.host):
        return passed("a venue on this machine, so without TLS")
    return failed(f"{endpoint.host} without TLS", "use https:// and wss://")


async def platform(patient: Patient) -> Finding:
    answer = await patient.get("platform/status")
    try:
        status = msgspec.json.decode(answer.body, type=_Status).status
    except (msgspec.MsgspecError, ValueError) as error:
        raise RemoteProtocolError(f"platform status: HTTP {answer.status}, unreadable") from error
    if status != "system operational":
        return busy(f"the venue says: {status}", "wait until its maintenance is over")
    return passed(status)


async def clock(patient: Patient) -> Finding:
    """Bounds of the venue's clock less ours, from several readings of whole seconds."""
    low_ns, high_ns = -(10**18), 10**18
    for reading in range(CLOCK_READINGS):
        if reading:
            await trio.sleep(CLOCK_PAUSE_S)
        sent_ns = patient.clock.now_ns()
        event = await patient.ask(QueryTime())
        received_ns = patient.clock.now_ns()
        if not isinstance(event, ServerTimeReported):
            return unanswered(event, "the venue's time cannot be read")
        server_ns = event.server_s * 10**9
        low_ns = max(low_ns, server_ns - received_ns)
        high_ns = min(high_ns, server_ns + 10**9 - sent_ns)
    if low_ns > high_ns:
        return busy("one of the two clocks jumped during the check", _NTP)
    least_ns = max(low_ns, min(0, high_ns))
    patient.nonces.offset_ms = least_ns // 1_000_000
    text = f"the venue is {low_ns / 1e9:+.2f} to {high_ns / 1e9:+.2f} s ahead"
    if abs(least_ns) > CLOCK_FAIL_NS:
        return failed(text, _NTP)
    if abs(least_ns) > CLOCK_WARN_NS:
        return warned(text, _NTP)
    return passed(text)
