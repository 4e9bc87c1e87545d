"""Run a function with every door to the world shut, and say which one it tried.

A profile function sees each call that Python code makes, however the thing called was imported, and
stops it before it happens. What C code calls by itself (`map(time.time_ns, ...)`) it does not see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

WORLD = {
    "a clock": ("time", "zoneinfo"),
    "randomness": ("random", "_random", "secrets", "uuid", "_uuid", "numpy.random"),
    "input or output": (
        *("io", "_io", "os", "posix", "shutil", "tempfile", "logging", "sqlite3"),
        *("socket", "_socket", "ssl", "_ssl", "select", "subprocess", "_posixsubprocess"),
        *("http", "urllib.request", "httpx", "trio", "trio_websocket", "asyncio", "importlib"),
    ),
    "another thread": ("threading", "_thread", "multiprocessing", "concurrent"),
}
"""What a strategy must not reach, and the modules that lead there."""

BUILTINS = {
    "print": "input or output",
    "input": "input or output",
    "breakpoint": "input or output",
    "id": "an address, which no replay repeats",
    "hash": "a hash, which is salted anew by each process",
    "eval": "code that no journal names",
    "exec": "code that no journal names",
    "sum": "a sum of floats that Python 3.12 rounds otherwise than 3.11: add in a loop, or use "
    "math.fsum (whole numbers too: what is added cannot be seen here)",
}
CLOCKS = {"now", "utcnow", "today"}
"""Methods of the classes of `datetime`."""


class ForbiddenCall(AssertionError):
    """A pure function reached for the world."""


def run_shut(function: Callable[[], T]) -> T:
    """Call a function; what it returns is returned.

    Raises:
        ForbiddenCall: it called a clock, randomness, input or output, or whatever else two runs of
            the same journal would answer differently; names what, and the line.
    """
    before = sys.getprofile()
    sys.setprofile(_watch)
    try:
        return function()
    finally:
        sys.setprofile(before)


def _watch(frame: Any, event: str, called: Any) -> None:
    if event == "c_call":
        owner, name = _owner(called), getattr(called, "__name__", "")
        if owner == "builtins" and name in BUILTINS:
            _stop(frame, f"{name}()", BUILTINS[name])
        if owner == "datetime" and name in CLOCKS:
            _stop(frame, f"datetime.{name}()", "a clock")
        if kind := _forbidden(owner):
            _stop(frame, f"{owner}.{name}()", kind)
    elif event == "call":
        module = frame.f_globals.get("__name__") or ""
        if kind := _forbidden(module):
            _stop(frame.f_back or frame, f"{module}.{frame.f_code.co_qualname}()", kind)


def _owner(called: Any) -> str:
    # The module of a built-in function, or of the class whose method it is.
    holder = getattr(called, "__self__", None)
    if isinstance(holder, type):
        return holder.__module__
    return getattr(called, "__module__", None) or type(holder).__module__


def _forbidden(module: str) -> str:
    for kind, names in WORLD.items():
        for name in names:
            if module == name or module.startswith(f"{name}."):
                return kind
    return ""


def _stop(frame: Any, name: str, kind: str) -> NoReturn:
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    raise ForbiddenCall(
        f"{name} is {kind}; called at {where}. A strategy has only what it is given"
    )
