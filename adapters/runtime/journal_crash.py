"""Whether the end of a segment is what a crash leaves, or damage; a pure function of bytes."""

from __future__ import annotations

import struct

from crc32c import crc32c

_SECTOR = 512  # what a disk writes whole or not at all
_ZEROS_MIN = 8  # a record may well end in fewer
_CRC = struct.Struct("<I")


def is_crash_trace(data: bytes, pos: int, head: int) -> bool:
    """Say whether a crash explains that the frame at `pos` does not fit its length and CRC.

    A crash cuts a file off, or leaves zeros for what was not written: sectors, or all up to the
    end of the file. Any other bytes were damaged later, and perhaps synced before.

    Args:
        data: A segment.
        pos: Offset of the frame, which begins with its length and its CRC.
        head: Bytes of the frame before its payload.
    """
    size = len(data)
    if pos + head > size:
        return True
    (length,) = _CRC.unpack_from(data, pos)
    end = pos + head + length
    if end > size:
        return not _is_length_damaged(data, pos, length, head)
    written = pos + len(data[pos:].rstrip(b"\0"))
    if written < end and size - written >= _ZEROS_MIN:
        return True
    while pos < end:
        stop = min((pos // _SECTOR + 1) * _SECTOR, size)
        if stop - pos >= _ZEROS_MIN and not any(data[pos:stop]):
            return True
        pos = stop
    return False


def _is_length_damaged(data: bytes, pos: int, length: int, head: int) -> bool:
    # A frame cut off by the end of the file, or a whole one with one byte of its length changed?
    crc = _CRC.unpack_from(data, pos + _CRC.size)[0]
    view, rest = memoryview(data)[pos + 8 :], len(data) - pos - head
    for shift in (0, 8, 16, 24):
        for change in range(1, 256):
            other = length ^ change << shift
            if other <= rest and crc32c(view[: other + 8], other) == crc:
                return True
    return False
