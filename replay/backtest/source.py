"""What a backtest is made from: recordings and journals, told apart by their bytes.

Where they lie is nobody's business but the reader's: on a disk, or at a URL. A plan holds the
digest of each, and whoever plays it, here or on another machine, plays those bytes or refuses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from adapters.ports import ReadFs
from adapters.ports_urls import UrlFs, is_url, name_of, without_secrets
from adapters.runtime.journal_read import (
    RAW_DIR,
    JournalReader,
    load_segment,
    read_headers,
    segment_paths,
)
from engine.codec import decode_record
from engine.errors import ConfigError
from engine.events import Record
from engine.types import Quoted
from replay.backtest.frames import read_frames
from replay.backtest.made import LatencySpec
from replay.read import read_records
from replay.renormalize import read_rebuilt

RAW = "raw:"
"""Before a journal: its bytes as received are read again."""


class Source(msgspec.Struct, frozen=True):
    """A recording or a journal."""

    place: str
    """Path or URL."""
    name: str
    """What it is called wherever it lies."""
    sha256: str
    """Of a recording's bytes; of a journal's last segment, whose header has the hash of the one
    before, and so on to the first."""
    raw: bool = False
    """Of a journal: its events are made again from the bytes as received."""
    alone: bool = False
    """Of those: there are no events beside them, which would say when they came."""

    @property
    def shown(self) -> str:
        """Its place, for people."""
        return (RAW if self.raw else "") + without_secrets(self.place)


def is_journal(fs: ReadFs, text: str) -> bool:
    """Say whether `--data` names a journal; raises ConfigError where nobody tells."""
    if text.startswith(RAW):
        return True
    where, path = _opened(fs, text)
    try:
        return bool(where.list_dir(path))
    except OSError as error:
        raise _unread(text, error) from error


def find_recording(fs: ReadFs, place: str) -> Source:
    """Find a recording, and the digest of its bytes.

    Raises:
        ConfigError: it cannot be read.
    """
    return Source(place, name_of(place), hashlib.sha256(_read(fs, place)).hexdigest())


def find_journal(fs: ReadFs, text: str) -> Source:
    """Find a journal, and its digest.

    Args:
        fs: Where it is, if not at a URL.
        text: Its directory, with `raw:` in front where its events are to be made again.

    Raises:
        ConfigError: there is none, or no bytes as received beside it.
        JournalError: it cannot be read.
    """
    place = text.removeprefix(RAW)
    raw = place != text
    where, path = _opened(fs, place)
    found = Source(place, name_of(place), "", raw, raw and not segment_paths(where, path))
    return replace(found, sha256=_journal_digest(fs, found))


def find_timed(fs: ReadFs, latency: LatencySpec) -> Source | None:
    """Find the journal that latencies are taken from; None where they are of none.

    Raises:
        ConfigError: there is no such journal.
        JournalError: it cannot be read.
    """
    if not latency.journal:
        return None
    try:
        return find_journal(fs, latency.journal)
    except ConfigError as error:
        raise ConfigError(
            f"--latency {without_secrets(latency.journal)}: expected a journal, found none"
        ) from error


def read_recording(fs: ReadFs, source: Source) -> bytes:
    """Return the bytes of a recording.

    Raises:
        ConfigError: they cannot be read, or are others by now.
    """
    data = _read(fs, source.place)
    _check(source, hashlib.sha256(data).hexdigest())
    return data


def read_journal(fs: ReadFs, source: Source, quoted: Sequence[Quoted]) -> Iterator[Record]:
    """Yield the records of a journal.

    Args:
        fs: Where it is, if not at a URL.
        source: The journal.
        quoted: The markets of a plan: what frames alone do not tell.

    Raises:
        ConfigError: it is another one by now.
        JournalError: it is damaged.
    """
    _check(source, _journal_digest(fs, source))
    where, path = _opened(fs, source.place)
    if source.alone:
        yield from read_frames(where, path, quoted)
    else:
        yield from read_rebuilt(where, path) if source.raw else read_records(where, path)


def journal_ends(fs: ReadFs, source: Source) -> tuple[int, int]:
    """Return when the first and the last record of a journal were taken in, in ns.

    Both are 0 where no events say.

    Raises:
        JournalError: a segment is damaged.
    """
    if source.alone:
        return 0, 0
    where, path = _opened(fs, source.place)
    reader = JournalReader(where, path)
    _, first = next(reader.payloads(), (0, b""))
    header = max(read_headers(where, path), key=lambda header: header.number)
    last = first
    for _, payloads in reader.blocks(header.first_seq):
        last = payloads[-1]
    return (decode_record(first).recv_ns, decode_record(last).recv_ns) if first else (0, 0)


def _opened(fs: ReadFs, place: str) -> tuple[ReadFs, Path]:
    # The file system that a place is in, and its path there.
    if not is_url(place):
        return fs, Path(place)
    try:
        found = UrlFs(place)
    except OSError as error:
        raise _unread(place, error) from error
    return found, found.path


def _read(fs: ReadFs, place: str) -> bytes:
    where, path = _opened(fs, place)
    try:
        return where.read(path)
    except OSError as error:
        raise _unread(place, error) from error


def _unread(place: str, error: OSError) -> ConfigError:
    reason = error.strerror or type(error).__name__
    return ConfigError(
        f"--data {without_secrets(place)}: expected a recording or a journal, found: {reason}"
    )


def _journal_digest(fs: ReadFs, source: Source) -> str:
    where, path = _opened(fs, source.place)
    events = () if source.alone else (path,)
    raw = (path / RAW_DIR,) if source.raw else ()
    digest = hashlib.sha256()
    for directory in (*events, *raw):
        segments = segment_paths(where, directory)
        if not segments:
            what = f"bytes as received in {RAW_DIR}/" if source.raw else "a journal"
            raise ConfigError(f"{source.shown}: expected {what}, found none")
        digest.update(load_segment(where, segments[max(segments)]))
    return digest.hexdigest()


def _check(source: Source, sha256: str) -> None:
    if sha256 != source.sha256:
        raise ConfigError(
            f"{source.shown}: expected the bytes of the plan (SHA-256 {source.sha256[:12]}),"
            f" found others ({sha256[:12]}): it changed meanwhile, or is another on this machine;"
            " play a copy that nobody writes, the same everywhere"
        )
