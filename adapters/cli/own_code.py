"""What the program is made of, as hashes of its own files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import adapters.whitebit
import engine
import strategies
from adapters.ports import Fs
from adapters.runtime.journal_code import code_hash
from adapters.runtime.run import versions
from engine.codec import schema_hash
from replay.manifest import Made

_ENGINE, _STRATEGIES, _WHITEBIT = (
    Path(package.__path__[0]) for package in (engine, strategies, adapters.whitebit)
)
_ENCODER = ("frames.py", "outbound.py", "requests.py")
"""Of `adapters/whitebit`: what makes the bytes of a request."""
_HEX = 16
"""Characters kept of a hash: it tells versions apart, and nobody forges his own code."""


def core_hash(fs: Fs) -> bytes:
    """Return the `code_hash` of this program, by which snapshots know theirs."""
    return code_hash(fs, [_ENGINE, _STRATEGIES])


def part_hashes(fs: Fs) -> tuple[tuple[str, str], ...]:
    """Return a hash of each part of the code that a proof depends on."""
    return (
        ("engine", _hashed(fs, [_ENGINE / name for name in fs.list_dir(_ENGINE)])),
        ("strategies", _hashed(fs, [_STRATEGIES / name for name in fs.list_dir(_STRATEGIES)])),
        ("requests", _hashed(fs, [_WHITEBIT / name for name in _ENCODER])),
    )


def made_now(fs: Fs) -> Made:
    """Return what this program is made of."""
    return Made(versions(), part_hashes(fs), schema_hash())


def _hashed(fs: Fs, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.suffix in (".py", ".so") and fs.exists(path):
            data = fs.read(path)
            digest.update(f"{path.name} {len(data)} ".encode() + data)
    return digest.hexdigest()[:_HEX]
