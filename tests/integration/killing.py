"""Engines that die on one journal, and what must hold after each death."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from adapters.ports import SystemFs
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Damage,
    Kind,
    decode_header,
    segment_name,
)
from adapters.runtime.journal_read import JournalReader, list_segments
from engine.codec import decode_record
from engine.events import (
    BestBidOffer,
    BookDelta,
    Decided,
    PublicTrades,
    Record,
    RunStarted,
    TimerFired,
)
from engine.reduce import reduce
from engine.state import State
from tests.integration.deals import deal_ids
from tests.integration.kit import MARKETS, Engine, Venue, running_engine, wait_until
from tests.integration.truth import assert_agrees

EARLY_SHARE = 0.25
"""Of the kills, those that come while the engine is still finding its feet."""
EARLY_S = 1.5
LATE_S = 2.0
"""How long after its first quotes an engine is killed at the latest."""
TOKENS = 4
TOKEN_S = 15.2
"""The venue gives 10 stream tokens a minute (contract 7); of its share the engine spends 4 at once
and one every 15 s. Who dies more often must wait for the next, so those who die wait here."""
FOLD_S = 600.0
"""A long journal without a snapshot is folded whole."""
ORPHAN_S = 10.0
"""A modify without an outcome is settled after its nonce window, and its order then cancelled."""
SLOW_S = 2.0
"""A start that takes longer to quote is told of, record by record."""
STORY_WIDTH = 200
UNTOLD = (BestBidOffer, BookDelta, PublicTrades, TimerFired)
NOTHING_DECIDED = Decided((), ())
EACH_SIDE = {(market, side) for market in MARKETS for side in ("buy", "sell")}


class Killing:
    """One venue, one journal, and one engine after the other.

    Attributes:
        back_s: From the start of each process that was let to, until it quoted; seconds.
        early: Kills before the engine quoted.
        orphans: Orders of earlier runs that were still at the venue when the new one quoted.
        deals: Of the account at the last comparison.
        state: Of the journal at the last comparison.
    """

    def __init__(self, directory: Path, venue: Venue, seed: int) -> None:
        self.journal = directory / "journal"
        self._directory = directory
        self._venue = venue
        self._rng = random.Random(seed)
        self._fs = SystemFs()
        self._runs = 0
        self._tokens, self._counted = float(TOKENS), time.monotonic()
        self.back_s: list[float] = []
        self.early = self.orphans = self.deals = 0
        self.state = State()

    def kill_one(self) -> None:
        """Start an engine, let it come as far as chance will have it, and kill it."""
        with ExitStack() as stack:
            started, engine, segment = self._start(stack)
            early = self._rng.random() < EARLY_SHARE
            if early:
                self.early += 1
                time.sleep(self._rng.random() * EARLY_S)
            else:
                self._wait_back(started, engine, segment)
                time.sleep(self._rng.random() * LATE_S + self._until_token())
            engine.process.kill()
            engine.wait()
            assert engine.err.read_text() == ""
        if early:
            time.sleep(self._until_token())

    def check(self) -> None:
        """Run once more, end in order, and compare everything with the venue."""
        with ExitStack() as stack:
            started, engine, segment = self._start(stack)
            self._wait_back(started, engine, segment)
            time.sleep(self._until_token())
            summary = engine.finish()
        assert summary["clean"], summary
        assert self._venue.orders() == []
        assert self._venue.timers() == []
        self._fold()
        assert_agrees(self.state, self._venue.account())
        self.deals = 0
        for name, market in self.state.markets.items():
            ids = deal_ids(self._venue, name)
            assert len(ids) == len(set(ids)) == market.inventory.fills, name
            assert all(market.inventory.knows(deal_id) for deal_id in ids), name
            assert (market.breaks, market.halted) == (0, ""), name
            self.deals += len(ids)
        assert (self.state.anomalies, self.state.last_anomaly) == (0, "")

    def _until_token(self) -> float:
        # Seconds until there are two: one for the next engine, and one to spare, since the engine
        # counts from the moment it asks.
        now = self._tokens + (time.monotonic() - self._counted) / TOKEN_S
        return max(0.0, (2 - now) * TOKEN_S)

    def _start(self, stack: ExitStack) -> tuple[float, Engine, int]:
        # With the number of the segment that the new run will begin.
        self._runs += 1
        segments = list_segments(self._fs, self.journal)
        started = time.monotonic()
        self._tokens = min(TOKENS, self._tokens + (started - self._counted) / TOKEN_S) - 1
        self._counted = started
        context = running_engine(
            self._directory, self._venue, name=f"run-{self._runs}", kill_switch_timeout="15s"
        )
        engine = stack.enter_context(context)
        return started, engine, (segments[-1] if segments else 0) + 1

    def _wait_back(self, started: float, engine: Engine, segment: int) -> None:
        prefix = wait_until(lambda: self._prefix(segment), "the new run", FOLD_S)
        wait_until(lambda: self._quoted_by(prefix), "quotes of the new run")
        self.back_s.append(time.monotonic() - started)
        if self.back_s[-1] > SLOW_S:
            sys.stderr.write(
                f"slow: {self.back_s[-1]:.2f} s to quote again\n{self._story(segment)}"
            )
        self.orphans += len(self._left(prefix))
        wait_until(lambda: not self._left(prefix), "no order of an earlier run", ORPHAN_S)

    def _prefix(self, segment: int) -> str:
        # What the client order ids of the run begin with that began this segment.
        for record in self._records(segment):
            if isinstance(record.event, RunStarted):
                return f"{record.event.run_id}-"
        return ""

    def _story(self, segment: int) -> str:
        # What the run did that began this segment, without the market's own news.
        lines: list[str] = []
        begun_ns = 0
        for record in self._records(segment):
            begun_ns = begun_ns or record.recv_ns
            event = record.event
            if not isinstance(event, UNTOLD) and event != NOTHING_DECIDED:
                at_ms = (record.recv_ns - begun_ns) // 1_000_000
                lines.append(f"{at_ms:6} ms  {record.seq}  {str(event)[:STORY_WIDTH]}\n")
        return "".join(lines)

    def _records(self, segment: int) -> Iterator[Record]:
        # From the first of a segment on; none while it has not begun.
        if segment not in list_segments(self._fs, self.journal):
            return
        data = self._fs.read(self.journal / segment_name(segment), 0, HEADER_SIZE)
        header = decode_header(data, segment, Kind.EVENTS)
        if not isinstance(header, Damage):
            for _, payload in JournalReader(self._fs, self.journal).payloads(header.first_seq):
                yield decode_record(payload)

    def _quoted_by(self, prefix: str) -> bool:
        own = [o for o in self._venue.orders() if o["clientOrderId"].startswith(prefix)]
        return {(order["market"], order["side"]) for order in own} == EACH_SIDE

    def _left(self, prefix: str) -> list[str]:
        ids: list[str] = [order["clientOrderId"] for order in self._venue.orders()]
        return [
            client_order_id for client_order_id in ids if not client_order_id.startswith(prefix)
        ]

    def _fold(self) -> None:
        for _, payload in JournalReader(self._fs, self.journal).payloads(self.state.seq + 1):
            self.state = reduce(self.state, decode_record(payload))
