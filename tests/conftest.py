"""Settings that every test shares."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

# A shell lets what it starts in the background ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONG = ("tests/integration/test_kills.py", "tests/soak/", "tests/integration/")
"""Tests that wait for real processes or take half a minute begin first, so that none is left alone
at the end."""


# How long one example takes depends on what else the machine does, and on coverage's tracing.
# The rest stays as hypothesis chose, which under CI is the same examples at every run.
settings.register_profile(
    "quotefold",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quotefold")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those begin first that take longest."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    for turn, place in enumerate(LONG):
        if item.nodeid.startswith(place):
            return turn
    return len(LONG)
