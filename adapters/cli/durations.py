"""Durations as people write them, exact to the nanosecond: `250ms`, `1.5s`, `10m`, `2h`, `30d`."""

from __future__ import annotations

import re

from engine.errors import ConfigError

NS_PER_S = 1_000_000_000

_DURATION = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?(ms|s|m|h|d)")
_UNIT_NS = {
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}

EXPECTED = "expected a duration above zero such as 250ms, 3s, 10m or 2h"


def parse_duration(text: str) -> int:
    """Return a duration in nanoseconds, > 0.

    Raises:
        ConfigError: if it is no such duration, or not a whole number of nanoseconds.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{EXPECTED}, found {text!r}")
    whole, part = match[1], match[2] or ""
    scale: int = 10 ** len(part)
    duration_ns, rest = divmod(int(whole + part) * _UNIT_NS[match[3]], scale)
    if rest or not duration_ns:
        raise ConfigError(f"{EXPECTED}, found {text!r}")
    return duration_ns


def format_clock(duration_ns: int) -> str:
    """Write a duration as `h:mm:ss`, whole seconds, for people."""
    seconds = max(0, duration_ns) // NS_PER_S
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def format_seconds(duration_ns: int) -> str:
    """Write a duration as seconds with one decimal, rounded down."""
    tenths = max(0, duration_ns) // (NS_PER_S // 10)
    return f"{tenths // 10}.{tenths % 10}s"
