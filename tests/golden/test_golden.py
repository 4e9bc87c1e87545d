"""Journals of every generation, read, checked, folded and compared with what they came to then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.journal_verify import verify_journal
from tests.golden.facts import facts
from tests.golden.make import CORPUS, GENERATION, MAKERS
from tests.golden.schema import load_samples
from tests.replay.cuts import load_cut, loaded

KEPT = sorted(path for path in CORPUS.glob("*/*") if (path / "00000001.qfj.zst").exists())
pytestmark = pytest.mark.slow


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_every_generation_is_complete() -> None:
    names = {path.name for path in KEPT if path.parent.name == GENERATION}
    assert names == set(MAKERS), "make what is missing: python -m tests.golden.make"


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_every_byte_is_as_it_was(path: Path) -> None:
    report = verify_journal(SystemFs(), path)
    assert report.all_problems == ()
    assert (report.torn, report.unknown_files) == (None, ())


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_it_comes_to_what_it_came_to_then(path: Path) -> None:
    """Folded by today's code: every record fits, every invariant holds, every request is the same.

    What it is worth was worked out when it was made. A change of the code that gives other deals,
    inventory or P&L for old records is wrong, whatever it is right about.
    """
    expected = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
    assert facts(loaded(path), path) == expected


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_any_place_of_it_can_be_reached(path: Path) -> None:
    journal = load_cut(path.name, path.parent)
    middle = journal.at(len(journal) // 2)
    middle.check()
    assert journal.at(journal.last_seq).seq == journal.last_seq
    assert journal.problem is None


def test_the_corpus_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000 * int(GENERATION)


def test_the_corpus_knows_most_kinds_of_records() -> None:
    kinds: set[str] = set()
    for path in KEPT:
        found = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
        kinds.update(found["records"])
    assert len(kinds) >= 44
    assert kinds < set(load_samples()), "the others are in samples.json"
