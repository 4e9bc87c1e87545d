"""Events rebuilt from raw bytes: the same, or each difference named; and a journal made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.simulate import JOURNAL
from adapters.runtime.journal_base import read_base
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import Kind
from adapters.runtime.journal_raw import RawReader
from adapters.runtime.journal_read import read_headers
from adapters.runtime.journal_start import start_state
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated_fs import SimFs
from adapters.whitebit.normalise import Normaliser
from engine import events as e
from engine.codec import encode_record
from engine.errors import ConfigError, JournalError
from replay import renormalize as renormalizing
from replay.cut import cut
from replay.machine import Journal
from replay.read import read_records
from replay.renormalize import Difference, Rebuilt, rebuild, renormalize
from replay.verify import verify
from tests.golden.make import CORPUS
from tests.replay.cuts import loaded
from tests.replay.recorded import opened, recorded

pytestmark = pytest.mark.slow

NEW = Path("/new")


def compared(journal: Journal, fs: SimFs) -> tuple[Rebuilt, list[Difference]]:
    differences: list[Difference] = []
    return renormalize(journal, fs, differences.append), differences


def rebuilt(fs: SimFs) -> tuple[Rebuilt, list[Difference]]:
    differences: list[Difference] = []
    return rebuild(opened(fs), fs, NEW, "rebuilt by a test", differences.append), differences


def with_mistake(change: Callable[[e.Record], e.AnyEvent]) -> SimFs:
    """The recorded journal as an older normaliser would have made some of its events."""
    fs = recorded().copy()
    headers = list(read_headers(fs, JOURNAL))
    for name in fs.list_dir(JOURNAL):
        if ".qfj" in name or ".qfs" in name:
            fs.remove(JOURNAL / name)
    fs.make_dir(Path("/made"))
    copy = JournalCopy(fs, Path("/made"), Kind.EVENTS, read_base(fs, JOURNAL))
    ends = [header.first_seq for header in headers[1:]] + [recorded().last + 1]
    for header, end in zip(headers, ends, strict=True):
        records = recorded().records[header.first_seq - 1 : end - 1]
        copy.add(header, [(r.seq, encode_record(replace(r, event=change(r)))) for r in records])
    for name in fs.list_dir(Path("/made")):
        fs.rename(Path("/made") / name, JOURNAL / name)
    return fs


def nth(kind: type, number: int) -> int:
    found = [r.seq for r in recorded().records if isinstance(r.event, kind)]
    return found[number]


def test_a_run_comes_out_the_same() -> None:
    fs = recorded().copy()
    found, differences = compared(opened(fs), fs)
    raw = len(list(RawReader(fs, JOURNAL).records()))
    assert (found.compared, found.differences, differences) == (raw, 0, [])
    assert raw > 200


@pytest.mark.parametrize("name", ["synthetic", "faults", "margin"])
def test_the_golden_journals_come_out_the_same(name: str) -> None:
    """The normaliser of today reads the bytes of then as it did, or there is a reason to say."""
    path = CORPUS / "1" / name
    fs = loaded(path)
    found, differences = compared(Journal(path, fs=fs), fs)
    assert differences == []
    assert found.compared > 150


def test_a_cut_comes_out_the_same_though_its_requests_were_sent_before() -> None:
    fs = recorded().copy()
    for first in (200, 333, 500):
        target = Path(f"/cut{first}")
        cut(opened(fs), fs, target, first, first + 300, raw=True)
        found, differences = compared(Journal(target, fs=fs), fs)
        assert differences == []
        assert found.compared > 20


def test_each_event_that_differs_is_named_with_its_bytes_and_fields() -> None:
    frame, answer = nth(e.BestBidOffer, 5), nth(e.FillsListed, 2)

    def mistake(record: e.Record) -> e.AnyEvent:
        if record.seq == frame:
            return replace(record.event, bid_qty=1)
        if record.seq == answer:
            return e.OutcomeUnknown("not understood")
        return record.event

    fs = with_mistake(mistake)
    found, (first, second) = compared(opened(fs), fs)
    assert found.differences == 2
    assert {first.seq, second.seq} == {frame, answer}
    by_seq = {one.seq: one for one in (first, second)}
    quote = recorded().records[frame - 1].event
    assert isinstance(quote, e.BestBidOffer)
    (change,) = by_seq[frame].changes
    assert (change.path, change.old, change.new) == ("bid_qty", 1, quote.bid_qty)
    assert by_seq[frame].stream == quote.market
    assert b"bookTicker_update" in by_seq[frame].data
    (change,) = by_seq[answer].changes
    assert change.old["type"] == "OutcomeUnknown"
    assert change.new["type"] == "FillsListed"
    assert by_seq[answer].stream == "rest 200"


def assert_whole(fs: SimFs) -> None:
    report = verify_journal(fs, NEW)
    assert (report.all_problems, report.unknown_files) == ((), ())
    found, differences = compared(Journal(NEW, fs=fs), fs)
    assert differences == []
    assert found.compared


def test_a_journal_rebuilt_without_a_difference_is_the_same_and_says_so() -> None:
    fs = recorded().copy()
    found, _ = rebuilt(fs)
    assert (found.differences, found.decisions, found.last_seq) == (0, 0, recorded().last)
    assert_whole(fs)
    for old, new in zip(recorded().records, read_records(fs, NEW), strict=True):
        if isinstance(old.event, e.RunStarted):
            assert new == replace(old, event=replace(old.event, rebuilt="rebuilt by a test"))
        else:
            assert new == old
    proof, state = verify(read_records(fs, NEW))
    assert proof.divergences == 0
    assert state == recorded().states[-1]


def test_a_fix_gives_the_journal_that_there_should_have_been() -> None:
    """What the older normaliser got wrong changed no decision here, only what was known."""
    wrong = nth(e.MarkPrice, 3)

    def mistake(record: e.Record) -> e.AnyEvent:
        event = record.event
        if record.seq == wrong:
            assert isinstance(event, e.MarkPrice)
            return e.FrameRefused("BTC_PERP", "BTC_PERP", "no such field")
        return event

    fs = with_mistake(mistake)
    found, differences = rebuilt(fs)
    assert [one.seq for one in differences] == [wrong]
    assert_whole(fs)
    _, state = verify(read_records(fs, NEW))
    assert replace(state, run_id="") == replace(recorded().states[-1], run_id="")
    assert found.decisions == 0


def test_a_decision_that_would_now_be_another_is_kept_and_counted() -> None:
    """The bytes always said so: it is the older code that saw another market and sent orders."""
    quotes = [
        r.seq
        for r in recorded().records
        if isinstance(r.event, e.BestBidOffer) and r.event.market == "BTC_USDT"
    ]
    chosen = set(quotes[len(quotes) // 2 :])

    def shifted(self: Normaliser, update: Any) -> e.AnyEvent:
        event = original(self, update)
        assert isinstance(event, e.BestBidOffer)
        return replace(
            event, bid_price=event.bid_price - 20_000, ask_price=event.ask_price - 20_000
        )

    original = Normaliser._book_ticker
    fs = recorded().copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Normaliser, "_book_ticker", shifted)
        found, differences = rebuilt(fs)
    assert chosen <= {one.seq for one in differences}
    assert found.decisions > 0
    kept = list(read_records(fs, NEW))
    assert kept[found.first_decision - 1] == recorded().records[found.first_decision - 1]
    sent = [r for r in kept if isinstance(r.event, e.RequestSent)]
    assert sent == [r for r in recorded().records if isinstance(r.event, e.RequestSent)]
    proof, _ = verify(iter(kept))
    assert proof.first is not None
    assert (proof.first.seq, proof.first.level) == (found.first_decision, "intents")
    assert proof.divergences == found.decisions
    assert verify_journal(fs, NEW).all_problems == ()


def test_a_cut_is_rebuilt_and_says_so_at_its_beginning() -> None:
    fs = recorded().copy()
    target = Path("/cut")
    cut(opened(fs), fs, target, 333, 700, raw=True)
    journal = Journal(target, fs=fs)
    found = rebuild(journal, fs, NEW, "rebuilt by a test", lambda one: None)
    assert found.differences == 0
    assert read_base(fs, NEW).why == "cut out of journal after seq 333; rebuilt by a test"
    assert start_state(fs, NEW) == recorded().states[333]
    assert list(read_records(fs, NEW, None, 334)) == recorded().records[333:700]
    assert_whole(fs)


def test_long_raw_bytes_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renormalizing, "SEGMENT_BYTES", 20_000)
    fs = recorded().copy()
    rebuilt(fs)
    assert len(list(read_headers(fs, NEW / "raw", Kind.RAW))) > 3
    assert list(RawReader(fs, NEW).records()) == list(RawReader(fs, JOURNAL).records())
    assert_whole(fs)


def test_without_raw_bytes_nothing_is_proved() -> None:
    fs = recorded().copy()
    for name in fs.list_dir(JOURNAL / "raw"):
        fs.remove(JOURNAL / "raw" / name)
    with pytest.raises(ConfigError, match="expected the bytes as received"):
        compared(opened(fs), fs)


def test_an_answer_to_nothing_is_refused() -> None:
    asked = nth(e.FillsListed, 0)
    fs = with_mistake(lambda record: record.event)
    records = list(read_records(fs, JOURNAL))
    records[asked - 1] = replace(records[asked - 1], cause_seq=2)
    headers = list(read_headers(fs, JOURNAL))
    copy = JournalCopy(fs, NEW, Kind.EVENTS, read_base(fs, JOURNAL))
    copy.add(headers[0], [(r.seq, encode_record(r)) for r in records])
    fs.make_dir(NEW / "raw")
    for name in fs.list_dir(JOURNAL / "raw"):
        fs.overwrite(NEW / "raw" / name, fs.read(JOURNAL / "raw" / name))
    with pytest.raises(JournalError, match=f"seq {asked}: expected an answer to a request"):
        compared(Journal(NEW, fs=fs), fs)


def test_the_command_says_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = nth(e.BestBidOffer, 5)

    def mistake(record: e.Record) -> e.AnyEvent:
        return replace(record.event, bid_qty=1) if record.seq == wrong else record.event

    fs, journal = with_mistake(mistake), tmp_path / "old"
    for folder in (JOURNAL, JOURNAL / "raw"):
        for name in fs.list_dir(folder):
            if name not in ("raw", "lock"):
                path = journal / (folder / name).relative_to(JOURNAL)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(fs.read(folder / name))
    command = ["journal", "renormalize", str(journal)]
    assert main(command) == 1
    text = capsys.readouterr().out
    assert text.startswith(f"seq {wrong} on BTC_")
    assert "    raw {" in text
    assert "    bid_qty: 1 -> " in text
    assert "1 of " in text
    assert main([*command, "--limit", "0", "--json"]) == 1
    shown = msgspec.json.decode(capsys.readouterr().out)
    assert (shown["differences"], shown["shown"]) == (1, [])
    new = tmp_path / "new"
    assert main([*command, "-o", str(new)]) == 0
    assert "every decision asks for what was sent" in capsys.readouterr().out
    assert main([*command, "-o", str(new)]) == 2
    assert main(["journal", "renormalize", str(new), "--json"]) == 0
    capsys.readouterr()
    assert main(["journal", "cat", str(new), "--until", "1"]) == 0
    assert "rebuilt from raw bytes by quotefold" in capsys.readouterr().out
