"""A part cut out of a journal is a journal: whole, foldable, provable, and of the same states."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from adapters.runtime.journal_base import read_base, write_base
from adapters.runtime.journal_raw import RawReader
from adapters.runtime.journal_start import start_state
from adapters.runtime.journal_verify import verify_journal
from adapters.runtime.snapshots import from_snapshot
from adapters.simulated_fs import SimFs
from engine.errors import ConfigError, JournalError
from engine.events import Fingerprint, RunStarted
from engine.snapshot import encode_state
from engine.state import fingerprint
from replay.cut import Cut, cut
from replay.machine import Journal
from replay.read import read_records
from replay.verify import verify
from tests.replay.cuts import load_cut
from tests.replay.hand_made import hand_made
from tests.replay.recorded import on_disk, opened, recorded

pytestmark = pytest.mark.slow

NEW = Path("/new")


def cut_out(first: int, last: int, *, raw: bool = False) -> tuple[SimFs, Cut]:
    fs = recorded().copy()
    return fs, cut(opened(fs), fs, NEW, first, last, raw=raw)


def second_start() -> int:
    starts = [r.seq for r in recorded().records if isinstance(r.event, RunStarted)]
    assert len(starts) == 2
    return starts[1]


@pytest.mark.parametrize(
    "places",
    [
        lambda: (500, 900),
        lambda: (777, recorded().last),
        lambda: (second_start() - 60, second_start() + 60),
        lambda: (0, 300),
        lambda: (second_start(), second_start() + 1),
    ],
    ids=["a middle", "an end", "over a restart", "a beginning", "one record"],
)
def test_a_cut_is_proved_and_has_the_same_states(places: object) -> None:
    first, last = places()  # type: ignore[operator]
    fs, done = cut_out(first, last)
    assert (done.first_seq, done.last_seq) == (first + 1, last)
    report = verify_journal(fs, NEW)
    assert (report.all_problems, report.unknown_files) == ((), ())
    assert (report.first_seq, report.last_seq) == (first + 1, last)
    start = start_state(fs, NEW)
    assert start == recorded().states[first]
    records = list(read_records(fs, NEW, None, first + 1))
    assert records == recorded().records[first:last]
    proof, state = verify(iter(records), start=start)
    assert (proof.divergences, proof.records) == (0, last - first)
    assert state == recorded().states[last]


def test_raw_bytes_come_along_when_asked_for() -> None:
    fs, done = cut_out(500, 900, raw=True)
    wanted = [r for r in RawReader(fs, JOURNAL).records(501) if r.seq <= 900]
    assert list(RawReader(fs, NEW).records()) == wanted
    assert done.raw == len(wanted) > 50
    assert verify_journal(fs, NEW).all_problems == ()
    fs, done = cut_out(500, 900)
    assert (done.raw, fs.list_dir(NEW / "raw")) == (0, [])


def test_a_cut_is_small() -> None:
    fs, done = cut_out(500, 900)
    assert done.stored < 40_000
    assert done.stored == sum(fs.size(NEW / n) for n in fs.list_dir(NEW) if n.endswith(".zst"))


def test_the_machine_goes_through_a_cut_and_a_cut_of_it() -> None:
    fs, _ = cut_out(500, 900)
    copy = SimFs()
    copy.make_dir(JOURNAL)
    for name in fs.list_dir(NEW):
        copy.overwrite(JOURNAL / name, fs.read(NEW / name))
    journal = opened(copy)
    assert (journal.first_seq, journal.last_seq, journal.start.seq) == (501, 900, 500)
    for seq in (500, 501, 640, 900):
        assert journal.at(seq) == recorded().states[seq]
    cut(journal, copy, NEW, 600, 700)
    assert start_state(copy, NEW) == recorded().states[600]


@pytest.mark.parametrize(("first", "last"), [(10, 10), (10, 5), (10, 10**6)])
def test_places_that_make_no_part_are_refused(first: int, last: int) -> None:
    with pytest.raises(ConfigError, match="expected --from below --to"):
        cut_out(first, last)


def test_a_place_behind_which_the_code_left_is_refused() -> None:
    made = hand_made(wrong_at=40)
    with pytest.raises(JournalError, match="seq 40: expected the recorded fingerprint"):
        cut(opened(made.fs), made.fs, NEW, 60, 100)
    cut(opened(made.fs), made.fs, NEW, 30, 100)
    assert start_state(made.fs, NEW) == made.states[30]
    other = Path("/other")
    cut(opened(made.fs), made.fs, other, 60, 100, anyway=True)
    assert start_state(made.fs, other) == made.states[60]
    assert "by code that left the recording at seq 40" in read_base(made.fs, other).why


def test_the_beginning_of_a_cut_is_where_it_begins() -> None:
    fs, _ = cut_out(500, 900)
    again = Path("/again")
    done = cut(Journal(NEW, fs=fs), fs, again, 0, 600)
    assert (done.first_seq, done.last_seq) == (501, 600)
    assert start_state(fs, again) == recorded().states[500]
    proof, state = verify(read_records(fs, again), start=start_state(fs, again))
    assert (proof.divergences, state) == (0, recorded().states[600])


def test_something_in_the_way_is_refused() -> None:
    fs, _ = cut_out(500, 900)
    with pytest.raises(JournalError, match="expected nothing there"):
        cut(opened(fs), fs, NEW, 500, 900)


def test_a_cut_by_other_code_can_be_looked_at_and_not_traded_on() -> None:
    fs, _ = cut_out(500, 900)
    base = read_base(fs, NEW)
    write_base(fs, NEW, replace(base, fingerprint=bytes(16)))
    assert start_state(fs, NEW) == recorded().states[500]
    with pytest.raises(JournalError, match="has another fingerprint here"):
        from_snapshot(fs, NEW, b"")


def test_a_cut_whose_state_does_not_hold_together_is_refused() -> None:
    fs, _ = cut_out(500, 900)
    base = read_base(fs, NEW)
    state = recorded().states[500]
    wrong = replace(state, decided_seq=501)
    write_base(fs, NEW, replace(base, state=encode_state(wrong)))
    with pytest.raises(JournalError, match="does not hold together: a decision from the future"):
        start_state(fs, NEW)
    write_base(fs, NEW, replace(base, state=encode_state(recorded().states[501])))
    with pytest.raises(JournalError, match="it is of seq 501"):
        start_state(fs, NEW)


def test_a_dropped_beginning_still_needs_its_fingerprint() -> None:
    """Only a cut may begin where the journal has no fingerprint."""
    fs, _ = cut_out(500, 900)
    base = read_base(fs, NEW)
    write_base(fs, NEW, replace(base, fingerprint=b""))
    event = recorded().records[500].event
    assert not isinstance(event, Fingerprint)
    with pytest.raises(JournalError, match="no such fingerprint at seq 501"):
        start_state(fs, NEW)


def test_the_command_cuts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal, new = on_disk(tmp_path), tmp_path / "new"
    arguments = ["journal", "cut", str(journal), str(new), "--from", "500", "--to", "900", "--raw"]
    assert main([*arguments, "--json"]) == 0
    shown = msgspec.json.decode(capsys.readouterr().out)
    assert (shown["first_seq"], shown["last_seq"]) == (501, 900)
    assert main(["replay", str(new), "--verify"]) == 0
    shown = capsys.readouterr().out.splitlines()
    run_id = recorded().states[500].run_id
    assert shown[1] == f"run {run_id} from before seq 501: what it was made with is gone"
    assert main(["journal", "verify", str(new)]) == 0
    assert main(arguments) == 2
    assert "expected nothing there" in capsys.readouterr().err
    loaded = load_cut("new", tmp_path)
    assert fingerprint(loaded.at(900)) == fingerprint(recorded().states[900])
    assert not SystemFs().exists(tmp_path / "new.cache")
