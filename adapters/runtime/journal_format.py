"""How a journal looks on disk: pure functions between bytes and values.

A segment file is one header and then frames, all integers little-endian:

    header  magic 8 | version u16 | kind u8 | rolled u8 | number u32 | first_seq u64
            | schema hash 32 | config hash 32 | hash of the segment before 32 | crc32c u32
    frame   length u32 | crc32c u32 | seq u64 | payload (`length` bytes)

The CRC of a frame runs over seq and payload and starts from the length, so it covers all three.
Two frames carry a magic number in the place of seq, far above any real one: a durable mark
(own offset, offset up to which everything is durable) and the closing frame (number of records,
sha256 of all bytes before it, end magic). Both magics of a closing frame lie at fixed distances
from the end of the file: one damaged byte cannot make a closed segment look like an open one.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Iterator

import msgspec
from crc32c import crc32c

from adapters.runtime.journal_crash import is_crash_trace

FORMAT_VERSION = 1
FIRST_SEQ = 1  # 0 is left free, to mean "no record"
SEGMENT_BYTES = 64 << 20  # read and hashed in one piece, so it has to fit in memory with ease
PAYLOAD_MAX = 16 << 20  # far above the largest venue answer seen (the market list, about 1 MiB)
NO_HASH = bytes(32)
PACKED_SUFFIX = ".zst"
"""Follows the name of a segment that was compressed."""

_HEADER_MAGIC = b"\x89QFJ\r\n\x1a\n"
_MARK_MAGIC = b"QFmark\r\xf1"
_CLOSE_MAGIC = b"QFclos\r\xf2"
_END_MAGIC = b"QFend\r\n\xf3"
_MARK = int.from_bytes(_MARK_MAGIC, "little")
_CLOSE = int.from_bytes(_CLOSE_MAGIC, "little")
_SEQ_LIMIT = 1 << 63  # both magics lie above

_HEADER = struct.Struct("<8sHBBIQ32s32s32s")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<IIQ")
_MARK_BODY = struct.Struct("<QQ")
_MARK_SIZE = _MARK_BODY.size
_CLOSE_BODY = struct.Struct("<Q32s8s")
HEADER_SIZE = _HEADER.size + _CRC.size
FRAME_SIZE = _FRAME.size
CLOSE_SIZE = FRAME_SIZE + _CLOSE_BODY.size

pack_frame = struct.Struct("<II").pack  # length, CRC
pack_seq = struct.Struct("<Q").pack
_pack_mark = struct.Struct("<QQQ").pack


class Kind(enum.IntEnum):
    """What the records of a segment are."""

    EVENTS = 1
    RAW = 2


class Header(msgspec.Struct, frozen=True):
    """The first bytes of a segment.

    `rolled` tells a segment begun because the one before was full from one begun by a new writer.
    `first_seq` is the lowest seq the segment may hold, and for events exactly that of its first.
    """

    number: int
    kind: Kind
    rolled: bool
    first_seq: int
    schema_hash: bytes
    config_hash: bytes
    prev_hash: bytes


class Damage(msgspec.Struct, frozen=True):
    """The first place in a segment that is not what the format demands."""

    offset: int
    seq: int
    expected: str
    found: str


class TornTail(msgspec.Struct, frozen=True):
    """Bytes at the end of a segment whose writing a crash interrupted."""

    segment: str
    offset: int
    bytes_cut: int


def segment_name(number: int) -> str:
    return f"{number:08d}.qfj"


def segment_number(name: str) -> int | None:
    """Read the number out of a segment's file name; None if it is another kind of file."""
    plain = name.removesuffix(PACKED_SUFFIX)
    stem = plain.removesuffix(".qfj")
    if stem == plain or len(stem) != 8 or not (stem.isascii() and stem.isdigit()):
        return None
    return int(stem)


def encode_header(header: Header) -> bytes:
    body = _HEADER.pack(
        _HEADER_MAGIC,
        FORMAT_VERSION,
        header.kind,
        header.rolled,
        header.number,
        header.first_seq,
        header.schema_hash,
        header.config_hash,
        header.prev_hash,
    )
    return body + _CRC.pack(crc32c(body))


def decode_header(data: bytes, number: int, kind: Kind) -> Header | Damage:
    """Read the header of segment `number` of a journal of that kind, or say what is wrong."""
    if len(data) < HEADER_SIZE:
        return Damage(0, 0, f"a header of {HEADER_SIZE} bytes", f"{len(data)} bytes")
    fields = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    found = crc32c(memoryview(data)[: _HEADER.size])
    if fields[0] != _HEADER_MAGIC:
        return Damage(0, 0, f"magic {_HEADER_MAGIC.hex()}", str(fields[0].hex()))
    if crc != found:
        return Damage(0, 0, f"header crc {crc:08x}", f"{found:08x}")
    if fields[1] != FORMAT_VERSION:
        return Damage(8, 0, f"format version {FORMAT_VERSION}", str(fields[1]))
    if fields[2] != kind:
        return Damage(10, 0, f"kind {int(kind)} ({kind.name.lower()})", str(fields[2]))
    if fields[4] != number:
        return Damage(12, 0, f"segment number {number}", str(fields[4]))
    return Header(number, kind, bool(fields[3]), *fields[5:])


def encode_record_frame(seq: int, payload: bytes) -> bytes:
    """Frame one record."""
    body = pack_seq(seq) + payload
    return pack_frame(len(payload), crc32c(body, len(payload))) + body


def frame_at(data: bytes, pos: int) -> int | None:
    """Return the seq of the whole record at an offset; None if there is none."""
    if pos + FRAME_SIZE > len(data):
        return None
    length, crc, seq = _FRAME.unpack_from(data, pos)
    end = pos + FRAME_SIZE + length
    if end > len(data) or not FIRST_SEQ <= seq < _SEQ_LIMIT:
        return None
    return int(seq) if crc32c(memoryview(data)[pos + 8 : end], length) == crc else None


def whole_records(data: bytes, seq: int) -> Iterator[tuple[int, bytes]]:
    """Yield the whole records of a piece of an event segment that begins at a frame.

    Marks are stepped over. Where a frame is not what follows, the records simply end: whoever asks
    knows how many there have to be.

    Args:
        data: The piece.
        seq: Of the first record in it.
    """
    pos, size, unpack, crc_of = 0, len(data), _FRAME.unpack_from, crc32c
    while pos + FRAME_SIZE <= size:
        length, crc, found = unpack(data, pos)
        end = pos + FRAME_SIZE + length
        body = data[pos + 8 : end]
        if end > size or crc_of(body, length) != crc:
            return
        if found == seq:
            seq += 1
            yield found, body[8:]
        elif found != _MARK:
            return
        pos = end


def encode_mark(offset: int, durable_to: int) -> bytes:
    """Frame the statement that bytes before `durable_to` are durable, to be written at `offset`."""
    body = _pack_mark(_MARK, offset, durable_to)
    return pack_frame(_MARK_SIZE, crc32c(body, _MARK_SIZE)) + body


def encode_close(records: int, digest: bytes) -> bytes:
    """Frame the end of a segment: its number of records, and the sha256 of all bytes before."""
    body = pack_seq(_CLOSE) + _CLOSE_BODY.pack(records, digest, _END_MAGIC)
    return pack_frame(_CLOSE_BODY.size, crc32c(body, _CLOSE_BODY.size)) + body


def durable_bound(data: bytes) -> int:
    """Offset up to which a segment vouches for itself: damage before it is not a torn tail.

    Looks for marks by their magic rather than by walking, so marks behind the damage count too.
    """
    if has_close_trace(data):
        return len(data) - CLOSE_SIZE  # a closing frame is only written after a sync of the rest
    at = data.rfind(_MARK_MAGIC, HEADER_SIZE)
    while at != -1:
        offset = at - 8
        frame = data[offset : offset + FRAME_SIZE + _MARK_BODY.size]
        if len(frame) == FRAME_SIZE + _MARK_BODY.size:
            own, durable_to = _MARK_BODY.unpack_from(frame, FRAME_SIZE)
            if own == offset and frame == encode_mark(own, durable_to):
                return int(durable_to)
        at = data.rfind(_MARK_MAGIC, HEADER_SIZE, at)
    return HEADER_SIZE  # the header is synced before anything follows it


def has_close_trace(data: bytes) -> bool:
    """Say whether a closing frame, intact or damaged, stands at the end of the file."""
    at = len(data) - CLOSE_SIZE + 8
    return data.endswith(_END_MAGIC) or (at > HEADER_SIZE and data[at : at + 8] == _CLOSE_MAGIC)


def is_at_close(data: bytes, offset: int) -> bool:
    """Say whether an offset is that of the closing frame, intact or damaged."""
    return has_close_trace(data) and offset == len(data) - CLOSE_SIZE


class Walk:
    """One pass over the frames of a segment; the results are complete once `records` ends.

    Attributes:
        end: Offset behind the last good frame.
        next_seq: Lowest seq a record behind `end` may have.
        count: Records so far.
        closed: Whether a good closing frame was seen.
        damage: What stopped the walk before the end of the file.
    """

    def __init__(self, data: bytes, header: Header, *, check_digest: bool) -> None:
        self.data = data
        self.header = header
        self.base = 0  # where in the segment `data` begins
        self._check_digest = check_digest  # a third of the time, and the CRCs say the same
        self.end = HEADER_SIZE
        self.next_seq = header.first_seq
        self.count = 0
        self.closed = False
        self.damage: Damage | None = None
        self._cut_short = False  # the damage is a frame that does not fit its length and CRC

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield seq and payload of each record until the file, or what is good of it, ends."""
        data, size, unpack, crc_of = self.data, len(self.data), _FRAME.unpack_from, crc32c
        strict = self.header.kind is Kind.EVENTS
        step = 1 if strict else 0  # raw records may share a seq, and may leave some out
        pos, expected = self.end, self.next_seq
        while pos < size:
            length, crc, seq = unpack(data, pos) if pos + FRAME_SIZE <= size else (size, 0, 0)
            end = pos + FRAME_SIZE + length
            body = data[pos + 8 : end]
            if end > size or crc_of(body, length) != crc:
                self.damage = self._bad_frame(pos)
                self._cut_short = True
                return
            if seq == expected or (not strict and expected < seq < _SEQ_LIMIT):
                self.next_seq = expected = seq + step
                self.count += 1
                self.end = pos = end
                yield seq, body[8:]
            else:
                self.damage = self._special(pos, end, seq)
                if self.damage is not None:
                    return
                self.end = pos = end

    def take(self, most: int) -> list[bytes]:
        """Return the payloads of the next events, at most so many; fewer only where they end."""
        data, size, unpack, crc_of = self.data, len(self.data), _FRAME.unpack_from, crc32c
        pos, expected = self.end, self.next_seq
        last, stop = size - FRAME_SIZE, expected + most
        payloads: list[bytes] = []
        add = payloads.append
        while expected < stop and pos < size:
            if pos <= last:
                length, crc, seq = unpack(data, pos)
                end = pos + FRAME_SIZE + length
                body = data[pos + 8 : end]
                if seq == expected and end <= size and crc_of(body, length) == crc:
                    add(body[8:])
                    expected += 1
                    pos = end
                    continue
            self._note(pos, expected)
            if not self._step(pos):
                return payloads
            pos = self.end
        self._note(pos, expected)
        return payloads

    def _note(self, end: int, next_seq: int) -> None:
        self.count += next_seq - self.next_seq
        self.end, self.next_seq = end, next_seq

    def _step(self, pos: int) -> bool:
        # Over a frame that is no record, unless it is damaged.
        has_head = pos + FRAME_SIZE <= len(self.data)
        length, crc, seq = _FRAME.unpack_from(self.data, pos) if has_head else (0, 0, 0)
        end = pos + FRAME_SIZE + length
        if end > len(self.data) or crc32c(self.data[pos + 8 : end], length) != crc:
            self.damage, self._cut_short = self._bad_frame(pos), True
        else:
            self.damage = self._special(pos, end, seq)
        if self.damage is None:
            self.end = end
        return self.damage is None

    @classmethod
    def onward(cls, data: bytes, header: Header, base: int, next_seq: int) -> Walk:
        """Begin in the middle of a segment of events: at offset `base`, with record `next_seq`."""
        walk = cls(data, header, check_digest=False)
        walk.base, walk.end = base, 0
        walk.next_seq, walk.count = next_seq, next_seq - header.first_seq
        return walk

    @property
    def is_cut_short(self) -> bool:
        """Say whether the walk ended at a frame that does not fit its length and CRC."""
        return self._cut_short

    def resume(self, pos: int, seq: int) -> None:
        """Go on behind damage, at a whole frame."""
        self.end, self.next_seq = pos, seq
        self.damage, self._cut_short = None, False

    @property
    def last_seq(self) -> int:
        """The seq of the last good record; 0 if there is none."""
        step = 1 if self.header.kind is Kind.EVENTS else 0
        return self.next_seq - step if self.count else 0

    def finish(self) -> Walk:
        """Walk to the end without looking at the payloads."""
        for _ in self.records():
            pass
        return self

    def is_torn(self) -> bool:
        """Say whether the damage can be the trace of an interrupted write, and nothing else."""
        return (
            self._cut_short
            and self.end >= durable_bound(self.data)
            and is_crash_trace(self.data, self.end, FRAME_SIZE)
        )

    def _bad_frame(self, pos: int) -> Damage:
        size = len(self.data)
        if pos + FRAME_SIZE > size:
            found = f"{size - pos} bytes"
            return Damage(pos, self.next_seq, f"a frame head of {FRAME_SIZE} bytes", found)
        length, crc, _ = _FRAME.unpack_from(self.data, pos)
        end = pos + FRAME_SIZE + length
        if end > size:
            found = f"{size - pos - FRAME_SIZE} bytes"
            return Damage(pos, self.next_seq, f"a payload of {length} bytes", found)
        actual = crc32c(memoryview(self.data)[pos + 8 : end], length)
        return Damage(pos, self.next_seq, f"frame crc {crc:08x}", f"{actual:08x}")

    def _special(self, pos: int, end: int, seq: int) -> Damage | None:
        body = self.data[pos + FRAME_SIZE : end]
        if seq == _MARK and len(body) == _MARK_BODY.size:
            own, durable_to = _MARK_BODY.unpack(body)
            at = self.base + pos
            if own == at and durable_to <= at:
                return None
            return Damage(pos, self.next_seq, f"a mark of offset {at}", f"{own}, {durable_to}")
        if seq == _CLOSE and len(body) == _CLOSE_BODY.size:
            return self._closing(pos, end, *_CLOSE_BODY.unpack(body))
        return Damage(pos, self.next_seq, f"seq {self.next_seq}", f"seq {seq}")

    def _closing(
        self, pos: int, end: int, records: int, digest: bytes, magic: bytes
    ) -> Damage | None:
        if records != self.count:
            return Damage(pos, self.next_seq, f"{records} records as closed", str(self.count))
        if magic != _END_MAGIC:
            return Damage(pos, self.next_seq, f"end magic {_END_MAGIC.hex()}", magic.hex())
        if self._check_digest:
            found = hashlib.sha256(memoryview(self.data)[:pos]).digest()
            if digest != found:
                return Damage(pos, self.next_seq, f"sha256 {digest.hex()}", found.hex())
        self.closed = True
        if end < len(self.data):
            found_more = f"{len(self.data) - end} bytes more"
            return Damage(end, self.next_seq, "nothing behind the closing frame", found_more)
        return None
