"""Prove records as they come: a process of its own that verifies what it reads on stdin."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import msgspec

from engine.codec import decode_record, encode_record
from engine.events import Record
from engine.state import State
from replay.verify import verify

_SIZE = struct.Struct("<I")
_BLOCK_BYTES = 1 << 18


class Verdict(msgspec.Struct, frozen=True):
    """What the prover found."""

    records: int
    divergences: int
    first: str
    fingerprint: str


class Prover:
    """Sends every record to a child process; as an observer it costs its encoding."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.prove"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = bytearray()

    def observe(self, _state: State, record: Record) -> None:
        """Take a record."""
        data = encode_record(record)
        self._buffer += _SIZE.pack(len(data))
        self._buffer += data
        if len(self._buffer) > _BLOCK_BYTES:
            self._send()

    def finish(self) -> Verdict:
        """Return what was found, after the last record."""
        self._send()
        out, _ = self._child.communicate()
        return msgspec.json.decode(out, type=Verdict)

    def _send(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(self._buffer)
        self._buffer.clear()


def read_records(source: IO[bytes]) -> Iterator[Record]:
    """Yield the records that a `Prover` sent."""
    while head := source.read(_SIZE.size):
        yield decode_record(source.read(_SIZE.unpack(head)[0]))


def main() -> None:
    """Verify stdin."""
    proof, _ = verify(read_records(sys.stdin.buffer))
    first = "" if proof.first is None else f"seq {proof.first.seq}: {proof.first.difference}"
    verdict = Verdict(proof.records, proof.divergences, first, proof.fingerprint.hex())
    sys.stdout.buffer.write(msgspec.json.encode(verdict))


if __name__ == "__main__":
    main()
