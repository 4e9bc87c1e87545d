"""What others do at the venue, as plain tuples: the fastest thing that Python takes apart.

A move begins with (time in ns, number of its market, kind, when the engine is told in ns or 0 for
what the latency model says), and goes on by kind:

    TOUCH  update id, bid ticks, bid lots, ask ticks, ask lots
    DEPTH  update id, is a snapshot, [(bid ticks, lots)...], [(ask ticks, lots)...], 0 lots removes
    TRADE  trade id, taker buys, ticks, lots, taker is retail
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from engine.errors import ConfigError

TOUCH, DEPTH, TRADE = range(3)
Move = tuple[Any, ...]


def together(
    sources: Sequence[Iterator[Move]], names: Sequence[str], *, to_the_last: bool = False
) -> tuple[Iterator[Move], int]:
    """Return the moves of all markets in the order of time, and when the last of them begins.

    Args:
        sources: Of each market, in order.
        names: Of the markets, for messages.
        to_the_last: They end with the last market that ends, not with the first: what is quoted
            needs a market, but for what one run saw of all of them.

    Raises:
        ConfigError: a market has no moves, or they are of times that do not overlap.
    """
    heads = [next(source, None) for source in sources]
    begin_ns = 0
    for name, head in zip(names, heads, strict=True):
        if head is None:
            raise ConfigError(f"{name}: expected market data, found none: give it with --data")
        begin_ns = max(begin_ns, head[0])
    found = [head for head in heads if head is not None]
    if len(found) == 1:
        return chain(found, sources[0]), begin_ns
    merged = _merged(list(sources), found, to_the_last=to_the_last)
    return _overlapping(merged, begin_ns, names), begin_ns


def until(moves: Iterator[Move], end_ns: int) -> Iterator[Move]:
    """Yield what happens before a time."""
    for move in moves:
        if move[0] >= end_ns:
            return
        yield move


def _merged(
    sources: list[Iterator[Move]], heads: list[Move], *, to_the_last: bool
) -> Iterator[Move]:
    while heads:
        index = min(range(len(heads)), key=lambda n: heads[n][0])
        yield heads[index]
        following = next(sources[index], None)
        if following is not None:
            heads[index] = following
        elif to_the_last:
            del sources[index], heads[index]
        else:
            return


def _overlapping(moves: Iterator[Move], begin_ns: int, names: Sequence[str]) -> Iterator[Move]:
    last_ns = 0
    for move in moves:
        last_ns = move[0]
        yield move
    if last_ns <= begin_ns:
        raise ConfigError(
            f"expected market data of {' and '.join(names)} at the same time, found times that do"
            " not overlap: quote one market at a time, or give other files with --data"
        )
