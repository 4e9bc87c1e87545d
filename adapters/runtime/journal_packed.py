"""How a compressed segment looks on disk: pure functions between bytes and bytes.

    lead    skippable frame: magic u32 | size u32 | the segment's header
    frame   the whole segment, header included, as one Zstandard frame
    trail   skippable frame: magic u32 | size u32 | plain size u64 | sha256 of the plain segment 32
            | sha256 of all bytes before 32

Any `zstd -d` gives back the plain segment. The lead lets a reader see the header without
decompressing, the trail lets it prove the chain without; and every byte is covered.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator

import msgspec
import zstandard

from adapters.runtime.journal_format import HEADER_SIZE, Damage

LEVEL = 3  # level 6 saves an eighth more, for several times the work
_SKIPPABLE = struct.Struct("<II")
_LEAD_MAGIC, _TRAIL_MAGIC = 0x184D2A51, 0x184D2A52
_PLAIN = struct.Struct("<Q32s")
_DIGEST_SIZE = 32
_SMALL = 1024
_WINDOW = 1 << 20  # read at once where a piece is wanted: the next one is often right behind it
LEAD_SIZE = _SKIPPABLE.size + HEADER_SIZE
HEADER_AT = _SKIPPABLE.size
_TRAIL_SIZE = _SKIPPABLE.size + _PLAIN.size + _DIGEST_SIZE


class Packed(msgspec.Struct, frozen=True):
    """What the trail of a compressed segment says of the plain one."""

    size: int
    digest: bytes


def pack(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Compress a segment of `size` bytes, given in pieces of which the first holds its header."""
    plain, packed = hashlib.sha256(), hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj(size=size)
    lead = b""
    for piece in pieces:
        plain.update(piece)
        out = compressor.compress(piece)
        if not lead:
            lead = _SKIPPABLE.pack(_LEAD_MAGIC, HEADER_SIZE) + piece[:HEADER_SIZE]
            out = lead + out
        packed.update(out)
        yield out
    trail = _SKIPPABLE.pack(_TRAIL_MAGIC, _TRAIL_SIZE - _SKIPPABLE.size)
    out = compressor.flush() + trail + _PLAIN.pack(size, plain.digest())
    packed.update(out)
    yield out + packed.digest()


def read_trail(data: bytes) -> Packed | Damage:
    """Check every byte of a compressed segment, and return what its trail says."""
    at = len(data) - _TRAIL_SIZE
    if at < LEAD_SIZE:
        least = f"at least {LEAD_SIZE + _TRAIL_SIZE} compressed bytes"
        return Damage(0, 0, least, str(len(data)))
    digest = hashlib.sha256(memoryview(data)[:-_DIGEST_SIZE]).digest()
    if data[-_DIGEST_SIZE:] != digest:
        expected = f"sha256 {data[-_DIGEST_SIZE:].hex()} of the compressed bytes"
        return Damage(0, 0, expected, digest.hex())
    return Packed(*_PLAIN.unpack_from(data, at + _SKIPPABLE.size))


def unpack(data: bytes) -> bytes | Damage:
    """Return the plain segment."""
    trail = read_trail(data)
    if isinstance(trail, Damage):
        return trail
    frame = memoryview(data)[LEAD_SIZE:-_TRAIL_SIZE]
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=trail.size)
    except zstandard.ZstdError as error:
        return Damage(LEAD_SIZE, 0, "a Zstandard frame", str(error))
    found = hashlib.sha256(plain).digest()
    if found != trail.digest:
        return Damage(LEAD_SIZE, 0, f"sha256 {trail.digest.hex()} of the segment", found.hex())
    if plain[:HEADER_SIZE] != data[HEADER_AT:LEAD_SIZE]:
        lead = data[HEADER_AT:LEAD_SIZE].hex()
        return Damage(HEADER_AT, 0, f"the header {plain[:HEADER_SIZE].hex()}", lead)
    return plain


def check(pieces: Iterable[bytes]) -> Packed | Damage:
    """As `unpack`, of compressed bytes in pieces, none of which is kept."""
    packed, plain = hashlib.sha256(), hashlib.sha256()
    frame = zstandard.ZstdDecompressor().decompressobj()
    lead = head = rest = b""
    size, trouble = 0, ""
    for piece in pieces:
        # Only the end tells where the trail begins, which is no part of the frame.
        held = rest + piece
        body, rest = held[:-_TRAIL_SIZE], held[-_TRAIL_SIZE:]
        packed.update(body)
        missing = LEAD_SIZE - len(lead)
        lead, body = lead + body[:missing], body[missing:]
        if not body or trouble:
            continue
        try:
            out = frame.decompress(body)
        except zstandard.ZstdError as error:
            trouble = str(error)
            continue
        plain.update(out)
        size += len(out)
        head += out[: HEADER_SIZE - len(head)]
    if len(lead) < LEAD_SIZE:
        least = f"at least {LEAD_SIZE + _TRAIL_SIZE} compressed bytes"
        return Damage(0, 0, least, str(len(lead) + len(rest)))
    packed.update(rest[:-_DIGEST_SIZE])
    if rest[-_DIGEST_SIZE:] != packed.digest():
        expected = f"sha256 {rest[-_DIGEST_SIZE:].hex()} of the compressed bytes"
        return Damage(0, 0, expected, packed.hexdigest())
    if trouble or not frame.eof:
        return Damage(LEAD_SIZE, 0, "a Zstandard frame", trouble or "a part of one")
    told = Packed(*_PLAIN.unpack_from(rest, _SKIPPABLE.size))
    if told.digest != plain.digest():
        expected = f"sha256 {told.digest.hex()} of the segment"
        return Damage(LEAD_SIZE, 0, expected, plain.hexdigest())
    if lead[HEADER_AT:] != head:
        return Damage(HEADER_AT, 0, f"the header {head.hex()}", lead[HEADER_AT:].hex())
    return Packed(size, told.digest)


def unpack_partly(data: bytes) -> bytes:
    """Return what the compressed bytes still give before their damage."""
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    plain = bytearray()
    try:
        for at in range(LEAD_SIZE, len(data), _SMALL):
            plain += decompressor.decompress(data[at : at + _SMALL])
            if decompressor.eof:
                break
    except zstandard.ZstdError:
        pass  # what came out before is all there is
    return bytes(plain)


def unpack_head(data: bytes, size: int) -> bytes:
    """Return up to `size` bytes from the beginning of a segment; its end may be missing."""
    reader = zstandard.ZstdDecompressor().stream_reader(memoryview(data)[LEAD_SIZE:])
    return reader.read(size)


class PackedReader:
    """Gives pieces of a plain segment out of its compressed bytes, forwards without a new start.

    It proves nothing: whoever reads checks the records themselves.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._restart()

    def _restart(self) -> None:
        self._reader = zstandard.ZstdDecompressor().stream_reader(
            memoryview(self._data)[LEAD_SIZE:]
        )
        self._start, self._window = 0, b""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`; fewer where there are none, or damaged ones."""
        if start < self._start:
            self._restart()
        try:
            self._forward(start, end)
        except zstandard.ZstdError:
            return b""
        return self._window[start - self._start : end - self._start]

    def _forward(self, start: int, end: int) -> None:
        reached = self._start + len(self._window)
        if start > reached:
            self._reader.seek(start)
            self._start, self._window = start, b""
        elif end > reached:
            self._window = self._window[start - self._start :]
            self._start = start
        missing = end - self._start - len(self._window)
        if missing > 0:
            self._window += self._reader.read(max(missing, _WINDOW))
