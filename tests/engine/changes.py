"""Hold all that one event changes in a state against the fields that a test names."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.events import AnyEvent
from tests.engine.builders import MS, NAME, Run


def next_at(run: Run) -> tuple[int, int]:
    """Seq and time of the record that the next event of a run becomes."""
    return run.state.seq + 1, run.now_ns + MS


def fold(
    run: Run,
    event: AnyEvent,
    cause: int = 0,
    *,
    feed: dict[str, Any] | None = None,
    market: dict[str, Any] | None = None,
    **state: Any,
) -> None:
    """Fold an event and assert that it changed these fields, and nothing else but the time.

    Args:
        run: Its last record is `MS` old.
        event: What happens.
        cause: The seq of its cause.
        feed: Fields of the feed of the first market.
        market: Fields of the first market.
        state: Fields of the state.
    """
    before, (seq, now_ns) = run.state, next_at(run)
    quoted = replace(run.market, feed=replace(run.market.feed, **(feed or {})), **(market or {}))
    markets = {**before.markets, NAME: quoted}
    wanted = replace(before, **{"seq": seq, "now_ns": now_ns, "markets": markets, **state})
    run.push(event, cause)
    assert run.state == wanted


def nothing_changes(run: Run, event: AnyEvent, cause: int = 0) -> None:
    """Fold an event that only moves the time on."""
    fold(run, event, cause)
