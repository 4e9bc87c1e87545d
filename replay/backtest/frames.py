"""A raw capture that lost its journal: frames as received, and nothing that says when or why.

Each frame of the market has the venue's own time, so the capture is played by that; how long a
frame took to us is for the latency model to say. Answers to requests cannot be read, since nobody
knows what was asked: of our own orders, only what the private stream told is taken out of the book.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.ports import ReadFs
from adapters.runtime.journal_raw import RawReader
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.responses import REST
from engine import events as e
from engine.types import Quoted, Settings

NS_PER_US = 1_000


def read_frames(fs: ReadFs, directory: Path, quoted: Sequence[Quoted]) -> Iterator[e.Record]:
    """Yield what the frames of a capture tell, as the records of one run.

    Args:
        fs: Where it is.
        directory: That its `raw/` is in.
        quoted: The markets whose frames are read; of others, they are refused.

    Raises:
        JournalError: the capture is damaged.
    """
    normaliser = Normaliser({each.market.name: each.market for each in quoted})
    seq = now_ns = 0
    for raw in RawReader(fs, directory).records():
        if raw.stream.startswith(REST):
            continue
        event = normaliser.frame(raw.stream, raw.data)
        now_ns = max(now_ns, _venue_us(event) * NS_PER_US)
        if not now_ns:
            # Nothing was told yet that has a time.
            continue
        if not seq:
            seq = 1
            yield e.Record(seq, now_ns, 0, _start(quoted))
        seq += 1
        yield e.Record(seq, now_ns, 0, event)


def _venue_us(event: e.AnyEvent) -> int:
    if isinstance(event, e.PublicTrades):
        return max([trade.venue_us for trade in event.trades], default=0)
    venue_us: int = getattr(event, "venue_us", 0)
    return venue_us


def _start(quoted: Sequence[Quoted]) -> e.RunStarted:
    return e.RunStarted(
        run_id="",
        mode="frames",
        versions=(),
        config="{}",
        settings=Settings(),
        quoted=tuple(quoted),
        hedge_mode=False,
    )
