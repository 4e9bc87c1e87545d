"""Journals in memory for the tests."""

from __future__ import annotations

from pathlib import Path

from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_raw import RawWriter
from adapters.runtime.journal_read import JournalReader
from adapters.simulated import SimFs

JOURNAL = Path("/journals/run")
RAW = JOURNAL / "raw"
SCHEMA = bytes(range(32))
CONFIG = bytes(range(32, 64))
FIRST = JOURNAL / "00000001.qfj"
SECOND = JOURNAL / "00000002.qfj"


def payload(seq: int) -> bytes:
    """A payload that differs for each seq, from 1 to 40 bytes long."""
    return (b"%d:" % seq + bytes((seq * 7 + i) % 256 for i in range(40)))[: 1 + seq * 11 % 40]


def open_writer(fs: SimFs, segment_bytes: int = 1 << 20) -> JournalWriter:
    writer, _ = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG, segment_bytes=segment_bytes)
    return writer


def append(writer: JournalWriter, records: int) -> None:
    for seq in range(writer.next_seq, writer.next_seq + records):
        writer.append(seq, payload(seq))


def read_all(fs: SimFs) -> list[tuple[int, bytes]]:
    return list(JournalReader(fs, JOURNAL).payloads())


def records(first_seq: int, last_seq: int) -> list[tuple[int, bytes]]:
    """What a reader has to yield for these seqs, both included."""
    return [(seq, payload(seq)) for seq in range(first_seq, last_seq + 1)]


def closed_journal() -> SimFs:
    """A journal of two runs and a roll-over, with raw capture, everything closed."""
    fs = SimFs()
    for _ in range(2):
        writer = open_writer(fs, segment_bytes=500)
        raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=writer.next_seq)
        for _ in range(3):
            raw.append(writer.next_seq, "public", b"bytes of %d" % writer.next_seq)
            append(writer, 5)
            writer.sync()
        raw.close()
        writer.close()
    return fs
