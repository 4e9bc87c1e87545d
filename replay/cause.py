"""The chain of causes of a record, back to the frame, timer or command that came from outside."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any

from adapters.ports import Fs
from adapters.runtime.journal_read import JournalReader
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import Decided, Fingerprint, Record, RequestSent
from engine.types import Market
from replay.record_words import record_words

LINKS_MAX = 12
"""Links shown: a fill of an order that was modified, answered and decided on has seven."""
_LOOK_BACK = 4_096
"""Records searched at once for what an order of ours came from."""
_MADE_BY = re.compile(r"[0-9a-z]+-([0-9]+)-[0-9]+-[0-9]+")
"""Our client order ids name the decision that made them (engine/planner.py)."""


class Records:
    """Records of a journal by seq; those around the last one asked for are at hand."""

    def __init__(self, fs: Fs, journal: Path) -> None:
        self._reader = JournalReader(fs, journal)
        self._first = 1
        self._payloads: list[bytes] = []

    def get(self, seq: int) -> Record | None:
        """Return a record; None when the journal does not hold it whole."""
        payloads = self.span(seq, seq + 1)
        try:
            return decode_record(payloads[0]) if payloads else None
        except JournalError:
            return None

    def span(self, first: int, end: int) -> list[bytes]:
        """Return the encoded records from `first` up to before `end`, as far as they are there."""
        if not self._first <= first <= end <= self._first + len(self._payloads):
            self._fill(max(first - _LOOK_BACK, 1), end)
        at = max(first - self._first, 0)
        return self._payloads[at : max(end - self._first, 0)]

    def _fill(self, first: int, end: int) -> None:
        self._first, self._payloads = first, []
        found = islice(self._reader.payloads(first), max(end - first, 0))
        try:
            for seq, payload in found:
                if not self._payloads:
                    self._first = seq  # later than asked for where the oldest records are gone
                self._payloads.append(payload)
        except JournalError:
            return  # what is whole has to do


def chain(records: Records, seq: int, markets: dict[str, Market]) -> list[str]:
    """Say in words what led to a record, the record itself first, a line each."""
    lines: list[str] = []
    record = records.get(seq)
    while record is not None and len(lines) < LINKS_MAX:
        lines.append(record_words(record, markets) + _waited(records, record))
        cause = _cause_seq(records, record)
        record = records.get(cause) if 0 < cause < record.seq else None
    return lines


def _cause_seq(records: Records, record: Record) -> int:
    if record.cause_seq:
        return record.cause_seq
    # What the venue tells of an order of ours follows from the last request that named it.
    client_order_id = _own_order(record.event)
    made_by = _MADE_BY.fullmatch(client_order_id)
    if made_by is None:
        return 0
    needle = client_order_id.encode()
    end, first = record.seq, int(made_by[1])
    while end > first:
        start = max(first, end - _LOOK_BACK, 1)
        payloads = records.span(start, end)
        for offset in range(len(payloads) - 1, -1, -1):
            if needle in payloads[offset]:
                found = decode_record(payloads[offset])
                if isinstance(found.event, RequestSent):
                    return found.seq
        end = start
    return 0


def _own_order(event: Any) -> str:
    inner = getattr(event, "fill", None) or getattr(event, "order", None)
    return getattr(inner, "client_order_id", "")


def _waited(records: Records, record: Record) -> str:
    # Everything that waited was folded before one decision, so more than its cause led to it.
    if not isinstance(record.event, Decided):
        return ""
    first = max(record.seq - _LOOK_BACK, 1)
    payloads = records.span(first, record.seq)
    for offset in range(len(payloads) - 1, -1, -1):
        event = decode_record(payloads[offset]).event
        if isinstance(event, Decided | RequestSent | Fingerprint):
            # Counted from the end: at the beginning records may be gone.
            since = record.seq - len(payloads) + offset + 1
            return f" (on what came since seq {since})" if since < record.seq - 1 else ""
    return ""
