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
    for block in blocks_with_progress(([record] for record in records), enabled=True):
        yield from block


def blocks_with_progress(
    blocks: Iterator[list[Record]], *, enabled: bool
) -> Iterator[list[Record]]:
    """Pass blocks of records through, counting them on a terminal; costs less a record."""
    if not enabled or not sys.stderr.isatty():
        yield from blocks
        return
    count = told = 0
    for block in blocks:
        count += len(block)
        yield block
        if count - told >= EVERY:
            told = count
            print(f"\r{count:,} records", end="", file=sys.stderr, flush=True)
    if told:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
