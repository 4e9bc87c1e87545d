"""Checks of this machine and this installation; nothing leaves it."""

from __future__ import annotations

import os
import platform
import resource
import sys

from adapters.cli.checks.base import Finding, Host, Patient, failed, passed, skipped, warned
from adapters.whitebit.signing import Secret, Signer

OPEN_FILES_MIN = 256
"""32 lanes to the venue, streams, journal segments, and as many again."""
PYTHON_MIN = (3, 11)

# Contract 2.1, the worked vector.
_KEY = "test-api-key-0000000000000000"
_SECRET = "test-api-secret-1111111111111111"
_PATH = "/api/v4/order/new"
_BODY = (
    b'{"market":"BTC_USDT","side":"buy","amount":"0.01","price":"60000","clientOrderId":'
    b'"quote-bid-1","postOnly":true,"stp":"cn","request":"/api/v4/order/new",'
    b'"nonce":1700000000001}'
)
_SIGNATURE = (
    "5f35945b991921c7c537ad51b91c267494b6ec85fa9b8e6ce5023ae8c122f269"
    "69a20a52ff8434d20b005fd329cae38ae26d2ef9367b9a8370e453208e6cb58a"
)


def this_host() -> Host:
    """Return what this process runs in."""
    return Host(
        python=sys.version_info[:3],
        uid=os.geteuid(),
        open_files_max=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        core_bytes_max=resource.getrlimit(resource.RLIMIT_CORE)[0],
    )


async def python(patient: Patient) -> Finding:
    """Older interpreters lack what this is written in."""
    found = ".".join(map(str, patient.host.python))
    if patient.host.python < PYTHON_MIN:
        return failed(f"Python {found}", "install Python 3.11 or newer")
    return passed(f"{platform.python_implementation()} {found}")


async def user(patient: Patient) -> Finding:
    """Whoever breaks into the engine should find no more than the engine needs."""
    if patient.host.uid == 0:
        return warned("runs as root", "give it a user of its own; see docs/deploying.md")
    return passed(f"runs as user {patient.host.uid}")


async def open_files(patient: Patient) -> Finding:
    most = patient.host.open_files_max
    if 0 <= most < OPEN_FILES_MIN:
        what = f"{most} open files are allowed, {OPEN_FILES_MIN} are needed"
        return failed(what, "raise it with ulimit -n, or LimitNOFILE= in the unit")
    return passed(f"{'any number of' if most < 0 else most} open files are allowed")


async def core_dumps(patient: Patient) -> Finding:
    """A core dump is a copy of the memory, and so of the secret."""
    if patient.host.core_bytes_max:
        hint = "forbid them with ulimit -c 0, or LimitCORE=0 in the unit"
        return warned("a crash could write a core dump, and with it the secret", hint)
    return passed("a crash leaves no core dump")


async def service(patient: Patient) -> Finding:
    """Under systemd, a loop that hangs should be noticed."""
    if "INVOCATION_ID" not in patient.env:
        return skipped("not started by systemd")
    if "WATCHDOG_USEC" not in patient.env or "NOTIFY_SOCKET" not in patient.env:
        hint = "use Type=notify and WatchdogSec= as packaging/quotefold.service does"
        return warned("systemd does not watch this service", hint)
    return passed(f"systemd expects a pulse every {patient.env['WATCHDOG_USEC']} µs")


async def signing(patient: Patient) -> Finding:
    """Sign the documented example (contract 2.1) and compare."""
    headers = dict(Signer(Secret(_KEY), Secret(_SECRET)).headers(_PATH, _BODY))
    if headers[b"X-TXC-SIGNATURE"].decode() != _SIGNATURE:
        return failed("the documented example is signed wrongly", "this installation is damaged")
    return passed("the documented example is signed as documented")
