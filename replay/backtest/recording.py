"""Recorded market data as rows, read in blocks: a backtest lives through hours in seconds.

The format is that of `adapters/paper/flow/rows.py`, with which the tests compare this reader.
Numbers become floats while they are decoded; `rows.py` proves each to be a whole number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
import zstandard

from engine.errors import ConfigError

_READ_BYTES = 1 << 17
"""Compressed, at once: about a megabyte of lines."""
_BLOCK_BYTES = 1 << 16
"""Decompressed at once: its rows and moves are gone before they have left the processor's cache."""
_LINE_MAX = 8 << 20
"""As the other reader: a full snapshot of a deep book is some 200 kB."""

Pair = tuple[float, float]


class SnapshotRow(msgspec.Struct, tag_field="k", tag="snapshot", frozen=True, gc=False):
    """The whole book as of update id `seq`."""

    t: int
    seq: int
    bids: list[Pair]
    asks: list[Pair]


class DeltaRow(msgspec.Struct, tag_field="k", tag="delta", frozen=True, gc=False):
    """Absolute sizes of changed levels; 0 removes."""

    t: int
    seq: int
    bids: list[Pair]
    asks: list[Pair]
    first: int | None = None
    prev: int | None = None


class BboRow(msgspec.Struct, tag_field="k", tag="bbo", frozen=True, gc=False):
    """Best bid and offer."""

    t: int
    seq: int
    bid: Pair
    ask: Pair


class TradeRow(msgspec.Struct, tag_field="k", tag="trade", frozen=True, gc=False):
    """A trade; `side` is the aggressor's."""

    t: int
    id: int
    p: float
    q: float
    side: Literal["buy", "sell"]


Row = SnapshotRow | DeltaRow | BboRow | TradeRow
_DECODER: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row, strict=False)


def read_blocks(name: str, data: bytes) -> Iterator[list[Row]]:
    """Yield the rows of a file in blocks.

    Raises:
        ConfigError: it is no recording, with its name and line.
    """
    for done, block in _blocks(name, data):
        yield _decoded(block, name, done)


def ends_of(name: str, data: bytes) -> tuple[int, int]:
    """Return the times of the first and the last row of a file, in ns; both 0 for none.

    Raises:
        ConfigError: as `read_blocks`, but for what lies between them.
    """
    first, last = b"", b""
    for _, block in _blocks(name, data):
        first = first or block[: block.find(b"\n") + 1]
        last = block[block.rfind(b"\n", 0, -1) + 1 :]
    if not first:
        return 0, 0
    return _decoded(first, name, 0)[0].t, _decoded(last, name, 0)[0].t


def _blocks(name: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    # Whole lines, as many as fit, and how many there were before.
    done, rest = 0, b""
    try:
        for read in _decompressed(name, data):
            read = rest + read
            begin, last = 0, read.rfind(b"\n") + 1
            while begin < last:
                # Up to the first end of a line behind so many bytes.
                end = read.find(b"\n", min(begin + _BLOCK_BYTES, last - 1)) + 1
                yield done, read[begin:end]
                done += read.count(b"\n", begin, end)
                begin = end
            rest = read[last:]
            if len(rest) > _LINE_MAX:
                raise ConfigError(f"{name}:{done + 1}: expected lines of at most 8 MiB")
    except zstandard.ZstdError as error:
        raise ConfigError(
            f"{name}:{done + 1}: expected zstandard-compressed lines, found {error}; compress the"
            " recording with `zstd`"
        ) from error
    if rest:
        raise ConfigError(
            f"{name}:{done + 1}: expected a whole line, found a cut one; the file is truncated,"
            " copy it again"
        )


def _decompressed(name: str, data: bytes) -> Iterator[bytes]:
    # Several frames may follow each other; one that does not end was cut, be it between two lines.
    decompressor = zstandard.ZstdDecompressor()
    frame, at = None, 0
    while at < len(data):
        frame = frame or decompressor.decompressobj()
        part = data[at : at + _READ_BYTES]
        at += len(part)
        if read := frame.decompress(part):
            yield read
        if frame.eof:
            at -= len(frame.unused_data)
            frame = None
    if frame is not None:
        raise ConfigError(
            f"{name}: expected a whole file, found one that breaks off; it is truncated, copy it"
            " again"
        )


def _decoded(block: bytes, name: str, before: int) -> list[Row]:
    try:
        return _DECODER.decode_lines(block)
    except msgspec.DecodeError:
        # Once more line by line, to name the one.
        for number, line in enumerate(block.splitlines(), start=before + 1):
            try:
                _DECODER.decode(line)
            except msgspec.DecodeError as error:
                raise ConfigError(
                    f"{name}:{number}: {error}; each line must be a snapshot, delta, bbo or trade"
                    " object"
                ) from error
        raise
