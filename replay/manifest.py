"""What a run was made with, against what replays it: which differences are to be expected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    NO_HASH,
    Header,
    Kind,
    Walk,
    decode_header,
)
from adapters.runtime.journal_packed import unpack_head
from adapters.runtime.journal_read import damage_error, is_packed, packed_path, segment_paths
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import RunStarted

Pairs = tuple[tuple[str, str], ...]

HEAD_BYTES = 1 << 20
"""Read of a segment to find the record that starts its run, one of its first two."""
_BEFORE = 2
_ENGINE, _STRATEGIES, _REQUESTS = "engine", "strategies", "requests"
WORDS_OF_CODE = {
    _ENGINE: "engine code changed: states and decisions may differ",
    _STRATEGIES: "strategy code changed: decisions may differ",
    _REQUESTS: "the encoder of requests changed: request bytes may differ",
}
WORDS_OF_VERSIONS = {
    "python": "decisions may differ, where floats are added or printed otherwise",
    "msgspec": "fingerprints may differ, which are hashes of the bytes that it writes",
}
"""Of the packages that states and decisions are made with; others only carry bytes."""


class Made(msgspec.Struct, frozen=True):
    """What a program is made of."""

    versions: Pairs
    """Of the project, Python and its packages."""
    code: Pairs
    """Hashes of the code that decides and encodes, by part; empty where none were recorded."""
    schema_hash: bytes
    """Of the events."""


class RunManifest(msgspec.Struct, frozen=True):
    """What one run was made with."""

    run_id: str
    seq: int
    """Of the record that starts it."""
    made: Made
    config_hash: str
    """sha256 of its configuration, hexadecimal."""
    config_agrees: bool
    """Whether the segment's header has the same."""
    markets: tuple[str, ...] = ()
    """Names of those it quotes."""


def read_manifests(fs: Fs, journal: Path) -> Iterator[RunManifest]:
    """Yield the manifest of each run in a journal, oldest first, from the heads of its segments.

    Raises:
        JournalError: a header is damaged or cannot be read.
    """
    paths = segment_paths(fs, journal)
    for number, path in paths.items():
        data = _head(fs, path)
        header = decode_header(data, number, Kind.EVENTS)
        if not isinstance(header, Header):
            if number == max(paths) and len(data) <= HEADER_SIZE:
                continue  # being born
            raise damage_error(path, header)
        if not header.rolled:
            yield from _started(data, header)


def _head(fs: Fs, path: Path) -> bytes:
    try:
        try:
            data = fs.read(path, 0, HEAD_BYTES)
        except FileNotFoundError:
            path = packed_path(path)  # compressed this very moment
            data = fs.read(path, 0, HEAD_BYTES)
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error}") from error
    return unpack_head(data, HEAD_BYTES) if is_packed(path) else data


def _started(data: bytes, header: Header) -> Iterator[RunManifest]:
    walk = Walk(data, header, check_digest=False)
    for seq, payload in islice(walk.records(), _BEFORE):
        event = decode_record(payload).event
        if isinstance(event, RunStarted):
            digest = hashlib.sha256(event.config.encode()).digest()
            yield RunManifest(
                event.run_id,
                seq,
                Made(event.versions, event.code, header.schema_hash),
                digest.hex(),
                header.config_hash in (digest, NO_HASH),
                tuple(quoted.market.name for quoted in event.quoted),
            )
            return


def expected(run: RunManifest, now: Made) -> list[str]:
    """Say which differences the change from then to now explains; empty when none is expected."""
    then = run.made
    found = [WORDS_OF_CODE.get(part, f"{part} changed") for part in _changed(then.code, now.code)]
    for name in _changed(then.versions, now.versions):
        if name in WORDS_OF_VERSIONS:
            found.append(f"{_step(name, then, now)}: {WORDS_OF_VERSIONS[name]}")
    return found


def remarks(run: RunManifest, now: Made) -> list[str]:
    """Say what else is not as it was: nothing that a proof should differ by."""
    then, found = run.made, []
    for name in _changed(then.versions, now.versions):
        if name not in WORDS_OF_VERSIONS:
            found.append(_step(name, then, now))
    if then.schema_hash != now.schema_hash:
        found.append("the schema of events was another; fields are only ever appended")
    if not run.config_agrees:
        found.append("its configuration is not the one that its segment was begun with")
    return found


def _changed(then: Pairs, now: Pairs) -> list[str]:
    known = dict(now)
    return [name for name, value in then if known.get(name) != value]


def _step(name: str, then: Made, now: Made) -> str:
    was, is_now = dict(then.versions)[name], dict(now.versions).get(name, "not installed")
    return f"{'Python' if name == 'python' else name} {was} -> {is_now}"


def manifest_lines(runs: list[RunManifest], now: Made) -> list[str]:
    """Say of each run what is to be expected of its proof; runs alike in a row share a line."""
    lines: list[str] = []
    before: tuple[str, list[str], str] | None = None
    for run in runs:
        text, noted = _expectation(run, now), remarks(run, now)
        here = (text, noted, run.config_hash)
        if here == before:
            continue
        if before is not None and before[2] != run.config_hash:
            noted = [*noted, "another configuration than the run before"]
        extra = f" (note: {'; '.join(noted)})" if noted else ""
        lines.append(f"run {run.run_id} from seq {run.seq}: {text}{extra}")
        before = here
    return lines


def _expectation(run: RunManifest, now: Made) -> str:
    if differing := expected(run, now):
        return f"expect differences: {'; '.join(differing)}"
    if not run.made.code:
        return "what to expect is not known: its code was not recorded"
    return "no difference is expected"
