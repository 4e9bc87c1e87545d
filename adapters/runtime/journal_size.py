"""How large a journal is on the disk, for who asks again and again while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_format import segment_number
from adapters.runtime.journal_read import RAW_DIR
from adapters.runtime.snapshots import snapshot_seq


class JournalSize:
    """Adds up the files of a journal, of which there may be thousands.

    The size of a segment is asked for until another follows it, and that of a snapshot likewise:
    under its name neither changes from then on.
    """

    def __init__(self, fs: Fs, journal: Path) -> None:
        self._fs = fs
        self._settled: dict[Path, dict[str, int]] = {journal: {}, journal / RAW_DIR: {}}

    def __call__(self) -> int:
        """Return the bytes of all files, those of the raw capture included."""
        return sum(map(self._total, tuple(self._settled)))

    def _total(self, directory: Path) -> int:
        settled, new = self._settled[directory], dict[str, int]()
        still, total = dict[str, int](), 0
        for name in self._fs.list_dir(directory):
            size = settled.get(name)
            if size is not None:
                still[name] = size
            else:
                try:
                    size = new[name] = self._fs.size(directory / name)
                except FileNotFoundError:
                    continue  # retention has just removed it
            total += size
        still.update((name, new[name]) for name in _followed(new))
        self._settled[directory] = still
        return total


def _followed(names: Iterable[str]) -> Iterator[str]:
    # Of names in their order, the segments and snapshots that another one follows.
    segment = snapshot = ""
    for name in names:
        if segment_number(name) is not None:
            if segment:
                yield segment
            segment = name
        elif snapshot_seq(name) is not None:
            if snapshot:
                yield snapshot
            snapshot = name
