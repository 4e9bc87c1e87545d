"""Journals cut out of runs and kept as tests: `quotefold journal cut RUN tests/replay/cuts/NAME`.

def test_the_fill_that_came_after_its_cancel() -> None:
    journal = load_cut("fill_after_cancel")
    state = journal.at(journal.last_seq)
"""

from __future__ import annotations

from pathlib import Path

from adapters.ports import SystemFs
from adapters.simulated_fs import SimFs
from replay.machine import Journal

CUTS = Path(__file__).with_name("cuts")


def load_cut(name: str, where: Path = CUTS) -> Journal:
    """Open a cut that is kept in `tests/replay/cuts`; what makes it quick stays in memory.

    Args:
        name: Of its directory.
        where: Where that is.
    """
    return Journal(where / name, fs=loaded(where / name))


def loaded(directory: Path) -> SimFs:
    """Return the files of a journal on a machine of their own, so that nothing is written here."""
    disk, fs = SystemFs(), SimFs()
    for folder in (directory, directory / "raw"):
        for name in disk.list_dir(folder):
            if name != "raw":
                fs.make_dir(folder)
                fs.overwrite(folder / name, disk.read(folder / name))
    return fs
