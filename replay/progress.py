"""A line of progress on long work, on stderr, only where a person looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from engine.events import Record

EVERY = 100_000
"""Records between two updates, about a second of work."""


def with_progress(records: Iterator[Record], *, enabled: bool) -> Iterator[Record]:
    """Pass records through, counting them on a terminal."""
    if not enabled or not sys.stderr.isatty():
        yield from records
        return
    count = 0
    for record in records:
        yield record
        count += 1
        if count % EVERY == 0:
            print(f"\r{count:,} records", end="", file=sys.stderr, flush=True)
    if count >= EVERY:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
