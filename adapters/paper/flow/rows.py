"""Read recorded market data: JSON lines, zstandard-compressed, one market a file.

Rows have a kind `k`: `snapshot`, `delta`, `bbo` or `trade`, the local receive time `t` in ns, and
prices and quantities as decimal text. Only `t` is used: the exchange's own clock (`x`) may run
ahead of it. Every complaint is one line with file, line number, what was expected and a hint.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import zstandard

from adapters.ports import Fs
from engine.errors import ConfigError

# Opens the lines of a recording from its start, each time anew.
Lines = Callable[[], Iterator[bytes]]
# The name that messages call it, and its lines.
Recording = tuple[str, Lines]
Pair = tuple[str, str]

# A full snapshot of a deep book is some 200 kB; beyond this the file is not a recording.
_LINE_MAX = 8 << 20


class SnapshotRow(msgspec.Struct, tag_field="k", tag="snapshot", frozen=True, gc=False):
    """The whole book as of update id `seq`."""

    t: int
    seq: int
    bids: list[Pair]
    asks: list[Pair]


class DeltaRow(msgspec.Struct, tag_field="k", tag="delta", frozen=True, gc=False):
    """Absolute sizes of changed levels, "0" removes; `first`..`seq` are its update ids.

    Futures chain by `prev`, the last id of the delta before; spot by `first`.
    """

    t: int
    seq: int
    bids: list[Pair]
    asks: list[Pair]
    first: int | None = None
    prev: int | None = None


class BboRow(msgspec.Struct, tag_field="k", tag="bbo", frozen=True, gc=False):
    """Best bid and offer as of update id `seq`, often ahead of the deltas."""

    t: int
    seq: int
    bid: Pair
    ask: Pair


class TradeRow(msgspec.Struct, tag_field="k", tag="trade", frozen=True, gc=False):
    """A trade; `side` is the aggressor's."""

    t: int
    id: int
    p: str
    q: str
    side: Literal["buy", "sell"]


Row = SnapshotRow | DeltaRow | BboRow | TradeRow
_DECODER: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row)
_SHAPE = "each line must be a snapshot, delta, bbo or trade object, see data/README.md"


def lines_of(open_file: Callable[[], BinaryIO], name: str) -> Lines:
    """Make a source of decompressed lines; memory is bounded by one line.

    Args:
        open_file: opens the compressed file at its start.
        name: what messages call the file.
    """

    def read() -> Iterator[bytes]:
        number = 0
        try:
            with open_file() as file:
                stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
                while line := stream.readline(_LINE_MAX):
                    number += 1
                    if not line.endswith(b"\n"):
                        raise ConfigError(
                            f"{name}:{number}: expected a whole line of at most {_LINE_MAX} bytes, "
                            "found a cut one; the file is truncated, copy it again"
                        )
                    yield line
        except zstandard.ZstdError as error:
            raise ConfigError(
                f"{name}:{number + 1}: expected zstandard-compressed lines, found {error}; "
                "compress the recording with `zstd`"
            ) from error

    return read


def open_recording(fs: Fs, path: Path) -> Lines:
    """Open a recording through the Fs port; its compressed bytes are kept in memory.

    Raises:
        ConfigError: if the file cannot be read.
    """
    try:
        data = fs.read(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{path}: expected a recording, found: {reason}; check the path given to --flow"
        ) from error
    return lines_of(lambda: io.BytesIO(data), str(path))


def read_rows(lines: Lines, name: str) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row), checking shape and order of time."""
    latest_ns = 0
    for number, line in enumerate(lines(), start=1):
        try:
            row = _DECODER.decode(line)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{name}:{number}: {error}; {_SHAPE}") from error
        if row.t < latest_ns:
            raise ConfigError(
                f"{name}:{number}: expected t >= {latest_ns}, was {row.t}; sort the rows by t"
            )
        latest_ns = row.t
        yield number, row


def to_steps(text: str, decimals: int, where: str) -> int:
    """Convert decimal text to whole steps of 10^-`decimals`.

    Raises:
        ConfigError: if it is no plain decimal or has more decimals than the market; names `where`.
    """
    steps = _steps(text, decimals)
    if steps is not None:
        return steps
    if not _is_decimal(text):
        raise ConfigError(f"{where}: expected a positive decimal, was {text!r}; {_SHAPE}")
    raise ConfigError(
        f"{where}: expected at most {decimals} decimals, was {text!r}; "
        "this recording does not fit the market's precision"
    )


def _is_decimal(text: str) -> bool:
    digits = text.replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


# The same few thousand prices and sizes come again and again.
@lru_cache(maxsize=1 << 16)
def _steps(text: str, decimals: int) -> int | None:
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals or not _is_decimal(text):
        return None
    return int(whole + fraction) * int(10 ** (decimals - len(fraction)))
