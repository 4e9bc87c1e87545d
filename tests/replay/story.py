"""Journals by hand: a run whose every record is kept, and written by the real journal writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.runtime.journal import JournalWriter
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record, schema_hash
from engine.types import Quoted, Side
from replay.tracer import Tracer, trails
from replay.trails import FillTrail
from tests.engine.builders import MS, NAME, Run, accepted, fixed, quoted, snapshot

JOURNAL = Path("/journals/story")


class Story(Run):
    """A run that keeps its records; a tick is 0.01 USDT, a lot 0.001 BTC."""

    def __init__(self, *markets: Quoted, **more: Any) -> None:
        self.records: list[e.Record] = []
        super().__init__(*markets, **more)

    def push(self, event: e.AnyEvent, cause: int = 0, after_ns: int = MS) -> int:
        seq = super().push(event, cause, after_ns)
        self.records.append(e.Record(seq, self.now_ns, cause, event))
        return seq

    def at(self, at_ns: int, event: e.AnyEvent) -> int:
        """Fold one event at a time that is still to come."""
        return self.push(event, after_ns=at_ns - self.now_ns)

    def snapshot(self, bid: int, ask: int, after_ns: int = MS, update_id: int = 100) -> int:
        """A book of one level a side with 50 lots each, stamped by the venue now."""
        at_ns = self.now_ns + after_ns
        book = snapshot((bid, 50), (ask, 50), update_id, at_ns=at_ns)
        return self.push(book, after_ns=after_ns)

    def delta(self, update_id: int, *, bids: tuple[int, ...] = (), after_ns: int = MS) -> int:
        """The delta after `update_id - 1`, stamped by the venue now."""
        venue_us = (self.now_ns + after_ns) // 1000
        delta = e.BookDelta(NAME, update_id, update_id - 1, venue_us, bids, ())
        return self.push(delta, after_ns=after_ns)

    def trade(self, trade_id: int, price: int, qty: int, taker: Side, *, rpi: bool = False) -> int:
        """One public trade, now."""
        venue_us = (self.now_ns + MS) // 1000
        trade = e.PublicTrade(trade_id, price, qty, taker, rpi, venue_us)
        return self.push(e.PublicTrades(NAME, (trade,)))

    def trails(self) -> tuple[list[FillTrail], Tracer]:
        """Trace the records, as they are read."""
        tracer = Tracer()
        return list(trails(iter(self.records), tracer=tracer)), tracer

    def write(self, fs: SimFs, path: Path = JOURNAL) -> None:
        """Write the records as a journal."""
        writer, _ = JournalWriter.open(fs, path, schema_hash(), bytes(32))
        for record in self.records:
            writer.append(record.seq, encode_record(record))
        writer.sync()
        writer.close()


def quoting_story(*, bid: int = 990, ask: int = 1010) -> Story:
    """10 lots rest on each side, behind the 50 that were there; order ids 1 (bid) and 2 (ask)."""
    story = Story(quoted(parameters=fixed(((bid, 10),), ((ask, 10),))))
    story.settle()
    story.push(snapshot(at_ns=story.now_ns))
    story.trade(1, 1000, 1, Side.SELL)
    for seq, intent in story.act():
        orders: Any = intent
        story.push(e.OrdersPlaced(NAME, accepted(orders.orders)), seq, after_ns=3 * MS)
    return story


def names(story: Story) -> tuple[str, str]:
    """Client order ids of the bid and of the ask."""
    return story.market.bids[0].client_order_id, story.market.asks[0].client_order_id


def restarted(story: Story, run_id: str, *markets: Quoted) -> None:
    """A run begins that goes on with the journal."""
    story.push(e.RunStarted(run_id, "paper", (), "{}", story.state.settings, markets))
