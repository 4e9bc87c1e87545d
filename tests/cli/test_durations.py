"""Durations on the command line and in files."""

from __future__ import annotations

import pytest

from adapters.cli.durations import format_clock, format_seconds, parse_duration
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("250ms", 250_000_000),
        ("3s", 3_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1s", 100_000_000),
        ("0.000000001s", 1),
        ("10m", 600_000_000_000),
        ("0.5h", 1_800_000_000_000),
        (" 2h ", 7_200_000_000_000),
    ],
)
def test_duration_is_exact(text: str, expected_ns: int) -> None:
    assert parse_duration(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    ["", "3", "s", "-1s", "0s", "0.0m", "3 s", "1e3s", "3S", "1h30m", ".5s", "1.s", "nan", "٣s",
     "0.0000001ms"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"expected a duration above zero such as 250ms, 3s, 10m or 2h, found {text!r}"
    )


@pytest.mark.parametrize(
    ("duration_ns", "clock", "seconds"),
    [
        (0, "0:00:00", "0.0s"),
        (-5, "0:00:00", "0.0s"),
        (59_990_000_000, "0:00:59", "59.9s"),
        (3_661_000_000_000, "1:01:01", "3661.0s"),
    ],
)
def test_duration_is_written_rounded_down(duration_ns: int, clock: str, seconds: str) -> None:
    assert (format_clock(duration_ns), format_seconds(duration_ns)) == (clock, seconds)
