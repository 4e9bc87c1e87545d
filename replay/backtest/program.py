"""Which program a result was made by: the same plan may come to something else by another one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import engine
from adapters.ports import Fs, SystemFs
from adapters.runtime.journal_code import code_hash


@cache
def program() -> bytes:
    """Return a hash of all code that a result depends on."""
    fs = SystemFs()
    root = Path(engine.__path__[0]).parent
    packages = [root / name for name in ("engine", "strategies", "adapters", "replay")]
    return code_hash(fs, chain.from_iterable([_directories(fs, each) for each in packages]))


def _directories(fs: Fs, root: Path) -> Iterator[Path]:
    yield root
    for name in fs.list_dir(root):
        if "." not in name and name != "__pycache__":
            yield from _directories(fs, root / name)
