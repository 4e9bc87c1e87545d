"""The hash of the code that makes a state of a journal: what a kept state is worth to a program."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from adapters.ports import Fs


def code_hash(fs: Fs, directories: Iterable[Path]) -> bytes:
    """Hash the code that makes a state of a journal: the modules in some directories; 32 bytes."""
    digest = hashlib.sha256(f"{sys.version} msgspec {msgspec.__version__}".encode())
    for directory in directories:
        for name in fs.list_dir(directory):
            if name.endswith((".py", ".so")):
                data = fs.read(directory / name)
                digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.digest()
