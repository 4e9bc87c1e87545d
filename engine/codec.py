"""Record <-> bytes: MessagePack arrays through one encoder and one decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from engine.errors import JournalError
from engine.events import AnyEvent, Record

_decoder = msgspec.msgpack.Decoder(Record)

encode_record = msgspec.msgpack.Encoder().encode


def decode_record(payload: bytes | memoryview) -> Record:
    """Read one record.

    Raises:
        JournalError: if the bytes are no record of this schema.
    """
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise JournalError(f"not a record of this schema: {error}") from error


def decode_records(payloads: Iterable[bytes]) -> list[Record]:
    """Read records up to the first that is none of this schema: see `decode_record` for that."""
    records: list[Record] = []
    try:
        # Grown in C, and holding what was read before one that cannot be.
        records.extend(map(_decoder.decode, payloads))
    except msgspec.MsgspecError:
        return records
    return records


def schema_hash() -> bytes:
    """Hash the event schema (tags, fields, types), for the segment header; 32 bytes."""
    schema = msgspec.json.schema(AnyEvent)
    return hashlib.sha256(msgspec.json.encode(schema, order="deterministic")).digest()
