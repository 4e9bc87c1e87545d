"""Journals made by hand, small enough to be damaged, cut and grown in a test."""

from __future__ import annotations

from adapters.cli.simulate import JOURNAL
from adapters.runtime.journal import JournalWriter
from adapters.runtime.snapshots import SnapshotKeeper
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record
from engine.reduce import reduce
from engine.state import State, fingerprint
from engine.types import Settings
from tests.engine.builders import T0, quoted


class HandMade:
    """Journals of timers, with a fingerprint every tenth record."""

    def __init__(self, segment_bytes: int, wrong_at: int, records: int) -> None:
        self.fs = SimFs()
        self.states = [State()]
        keeper = SnapshotKeeper(self.fs, JOURNAL, b"code", 0)
        writer, _ = JournalWriter.open(
            self.fs, JOURNAL, bytes(32), bytes(32), segment_bytes=segment_bytes
        )
        self.records: list[e.Record] = []
        with writer:
            for seq in range(1, records + 1):
                event: e.AnyEvent = e.TimerFired()
                if seq == 1:
                    event = e.RunStarted("r1", "paper", (), "{}", Settings(), (quoted(),))
                elif seq % 10 == 0:
                    digest = fingerprint(self.states[-1])
                    event = e.Fingerprint(bytes(16) if seq == wrong_at else digest)
                    keeper.keep(self.states[-1])
                self.records.append(record := e.Record(seq, T0 + seq, 0, event))
                writer.append(seq, encode_record(record))
                writer.sync()
                self.states.append(reduce(self.states[-1], record))


def hand_made(segment_bytes: int = 1 << 20, wrong_at: int = 0, records: int = 120) -> HandMade:
    return HandMade(segment_bytes, wrong_at, records)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 8]) + data[middle + 1 :]
