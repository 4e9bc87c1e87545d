"""`inspect`, `step`, `search` and `diff` as they are typed."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.cli.ladder import ladder
from adapters.cli.main import main
from adapters.cli.state_text import state_text
from adapters.cli.words import sentence
from engine import events as e
from engine.inventory import pnl
from engine.orders import Pending
from engine.state import State, fingerprint
from engine.top import mid2
from engine.types import Side
from replay.fields import find
from tests.cli.kit import NOON, S, order, quoting
from tests.replay.recorded import Recorded, on_disk, recorded
from tests.source_tree import ROOT
from tests.test_readme import parsed


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return on_disk(tmp_path_factory.getbasetemp())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object, code: int = 0) -> str:
        assert main([str(argument) for argument in arguments]) == code
        captured = capsys.readouterr()
        return captured.out or captured.err

    return call


def a_fill(data: Recorded) -> e.Record:
    return next(r for r in data.records if isinstance(r.event, e.Filled))


# --- words --------------------------------------------------------------------------------------


def test_the_book_is_drawn_with_our_orders_in_it() -> None:
    state = quoting(
        order(Side.BUY, 6_179_900, level=1),
        order(Side.BUY, 6_180_000),
        order(Side.SELL, 6_180_200, pending=Pending.CANCEL, unknown=True),
    )
    assert [line.split() for line in ladder(state.markets["BTC_USDT"], state.now_ns)] == [
        ["ask", "61802.00", "-", "<==", "ours", "0.005", "#0", "(cancel", "UNKNOWN)"],
        ["ask", "61801.00", "0.012055", "########################"],
        ["--------", "mid", "61800.5"],
        ["bid", "61800.00", "0.004000", "########", "<==", "ours", "0.005", "#0"],
        ["bid", "61799.00", "-", "<==", "ours", "0.005", "#1"],
    ]


def test_a_state_is_told_with_exact_money_and_why_it_is_not_quoted() -> None:
    state = quoting(order(Side.BUY, 6_180_000))
    text = "\n".join(state_text(state))
    market = state.markets["BTC_USDT"]
    found = pnl(market.inventory, market.quoted.market, mid2(market))
    assert f"{found.total:f} USDT = spread {found.spread:f} + inventory" in text
    assert "BTC_USDT  quoted" in text
    assert "buy  #0 61800.00 x 0.005, filled 0, open, no request  BUY-0 = 1200" in text
    blind = state.markets["BTC_USDT"].recon
    market = msgspec.structs.replace(
        market, recon=msgspec.structs.replace(blind, blind=True, reason="a gap")
    )
    text = "\n".join(state_text(msgspec.structs.replace(state, markets={"BTC_USDT": market})))
    assert "BTC_USDT  NOT QUOTED: reconciling: a gap" in text


def test_an_empty_state_can_be_told() -> None:
    assert next(iter(state_text(State()))).startswith("seq 0 at")


@pytest.mark.slow
def test_every_record_of_a_run_has_a_sentence() -> None:
    data = recorded()
    kinds = set()
    for record, before in zip(data.records, data.states, strict=False):
        words = sentence(record, before)
        kinds.add(type(record.event))
        assert words
        assert "\n" not in words
        assert sentence(record, State())
    assert len(kinds) > 25


# --- commands -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_inspect_tells_the_state_at_a_seq_and_at_a_time(run: Any, journal: Path) -> None:
    record = a_fill(recorded())
    text = run("inspect", journal, "--at", record.seq)
    assert text.startswith(f"seq {record.seq} at")
    assert "BTC_USDT" in text
    assert "BTC_PERP" in text
    assert "kill-switch" in text
    only = run("inspect", journal, "--at", record.recv_ns, "--market", "BTC_PERP")
    assert "BTC_USDT  " not in only
    end = run("inspect", journal)
    assert end.startswith(f"seq {recorded().last} at")


@pytest.mark.slow
def test_times_are_given_in_several_ways(run: Any, journal: Path) -> None:
    first_ns = recorded().records[0].recv_ns
    wanted = max(r.seq for r in recorded().records if r.recv_ns <= first_ns + 5 * S)
    of_day = first_ns % (86_400 * S) + 5 * S
    seconds, rest = divmod(of_day, S)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:09d}"
    for place in ("+5s", clock, f"2026-01-01T{clock}Z", str(first_ns + 5 * S)):
        shown = msgspec.json.decode(run("inspect", journal, "--at", place, "--json"))
        assert shown["seq"] == wanted, place


@pytest.mark.slow
def test_inspect_prints_one_object(run: Any, journal: Path) -> None:
    seq = a_fill(recorded()).seq
    shown = msgspec.json.decode(run("inspect", journal, "--at", seq, "--json"))
    state = recorded().states[seq]
    assert shown["fingerprint"] == fingerprint(state).hex()
    assert shown["seq"] == seq
    assert list(shown["state"]["markets"]) == ["BTC_USDT", "BTC_PERP"]
    assert set(shown["not_quoted"]) == {"BTC_USDT", "BTC_PERP"}
    one = msgspec.json.decode(
        run("inspect", journal, "--at", seq, "--json", "--market", "BTC_USDT")
    )
    assert list(one["state"]["markets"]) == ["BTC_USDT"]


@pytest.mark.slow
def test_inspect_prints_one_part(run: Any, journal: Path) -> None:
    seq = a_fill(recorded()).seq
    path = "markets.BTC_USDT.feed.book.bid_prices"
    prices = find(recorded().states[seq], path)
    assert msgspec.json.decode(run("inspect", journal, "--at", seq, "--path", path)) == [*prices]
    both = run("inspect", journal, "--at", seq, "--path", path, "--json")
    assert msgspec.json.decode(both)["value"] == [*prices]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inspect", "--at", "99999"), "expected a seq from 1 to"),
        (("inspect", "--at", "noon"), "expected a seq such as 1204, a time such as"),
        (("inspect", "--at", "25:10"), "found '25:10'"),
        (("inspect", "--at", "10:60"), "found '10:60'"),
        (("inspect", "--at", "2026-11-27T10:10:61Z"), "found '2026-11-27T10:10:61Z'"),
        (("inspect", "--at", "2026-13-01T00:00:00"), "expected a seq such as"),
        (("inspect", "--at", "2020-01-01T00:00:00"), "expected a time from"),
        (("inspect", "--market", "ETH_USDT"), "expected one of BTC_USDT, BTC_PERP"),
        (("inspect", "--path", "nothing"), "expected one of seq, now_ns"),
        (("search",), "expected --order, --price"),
        (("search", "--price", "1"), "expected --market with it"),
        (("search", "--price", "1", "--market", "X"), "expected one that the journal quotes"),
        (("search", "--price", "1.234", "--market", "BTC_USDT"), "more than 2 decimals"),
        (("search", "--breach", "--kind", "fi"), "leave the other filters out"),
        (("step", "--at", "0"), "expected a seq from 1"),
    ],
)
def test_what_cannot_be_done_is_refused(
    run: Any, journal: Path, arguments: tuple[str, ...], said: str
) -> None:
    command, *rest = arguments
    assert said in run(command, journal, *rest, code=2)


def test_no_journal_is_refused(run: Any, tmp_path: Path) -> None:
    assert "found none" in run("inspect", tmp_path / "none", code=2)
    assert not (tmp_path / "none.cache").exists()


@pytest.mark.slow
def test_step_tells_records_and_what_they_changed(run: Any, journal: Path) -> None:
    record = a_fill(recorded())
    text = run("step", journal, "--at", record.seq - 1, "-n", 3)
    assert text.count(" (from ") <= 3
    name = record.event.fill.market  # type: ignore[union-attr]
    assert f"{name} {'bought' if record.event.fill.side is Side.BUY else 'sold'}" in text  # type: ignore[union-attr]
    assert f"    markets.{name}.inventory.cash: " in text
    shown = msgspec.json.decode(run("step", journal, "--at", record.seq, "-n", 1, "--json"))
    (one,) = shown["steps"]
    assert one["event"]["type"] == "Filled"
    before, after = recorded().states[record.seq - 1], recorded().states[record.seq]
    for change in one["changes"]:
        if change["path"].endswith("inventory.cash"):
            path = f"markets.{name}.inventory.cash"
            assert (change["old"], change["new"]) == (find(before, path), find(after, path))


@pytest.mark.slow
def test_diff_names_what_is_different(run: Any, journal: Path) -> None:
    record = a_fill(recorded())
    text = run("diff", journal, record.seq - 1, record.seq)
    assert f"fields differ between seq {record.seq - 1} and {record.seq}" in text
    assert "inventory.cash: " in text
    shown = msgspec.json.decode(run("diff", journal, record.seq - 1, record.seq, "--json"))
    assert f"{len(shown['changes'])} fields differ" in text
    part = run("diff", journal, record.seq - 1, record.seq, "--path", "markets.BTC_USDT.feed")
    assert part.startswith("0 fields")


@pytest.mark.slow
def test_search_tells_what_it_found(run: Any, journal: Path) -> None:
    fills = [r for r in recorded().records if isinstance(r.event, e.Filled)]
    text = run("search", journal, "--kind", "Filled", "--limit", len(fills))
    assert len(text.splitlines()) == len(fills)
    shown = msgspec.json.decode(run("search", journal, "--kind", "fi", "--limit", 1, "--json"))
    assert [r["seq"] for r in shown["records"]] == [fills[0].seq]
    assert shown["more"] == (len(fills) > 1)
    first = fills[0].event.fill  # type: ignore[union-attr]
    decimals = {"BTC_USDT": 2, "BTC_PERP": 1}[first.market]
    price = f"{first.price // 10**decimals}.{first.price % 10**decimals:0{decimals}d}"
    text = run("search", journal, "--price", price, "--market", first.market)
    assert f"{fills[0].seq} " in text
    assert "nothing found" in run("search", journal, "--text", "no such", code=1)


@pytest.mark.slow
def test_search_checks_every_invariant(run: Any, journal: Path) -> None:
    assert "every invariant holds" in run("search", journal, "--breach", "--until", 400)
    shown = msgspec.json.decode(run("search", journal, "--breach", "--until", 50, "--json"))
    assert shown["breach"] is None


@pytest.mark.slow
def test_damage_is_never_passed_over_in_silence(
    run: Any, journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = Path(shutil.copytree(journal, tmp_path / "damaged"))
    file = damaged / "00000002.qfj"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for arguments in (["--breach"], ["--kind", "Filled"]):
        shown = msgspec.json.decode(run("search", damaged, *arguments, "--json"))
        assert "expected frame crc" in shown["problem"]
        assert main(["search", str(damaged), *arguments]) == 0
        assert "note: damaged behind seq" in capsys.readouterr().err
    assert main(["journal", "cut", str(damaged), str(tmp_path / "new"), "--from", "0"]) == 0
    assert "note: damaged behind seq" in capsys.readouterr().err


@pytest.mark.slow
def test_a_breach_is_told(run: Any, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(state: State) -> None:
        raise AssertionError("it never holds")

    monkeypatch.setattr(State, "check", never)
    text = run("search", journal, "--breach", "--from", 30, "--until", 60, code=1)
    assert text.startswith("BREACH at seq 30: it never holds (replay/test_looking.py:")


@pytest.mark.slow
def test_nothing_is_written_into_the_journal(run: Any, tmp_path: Path) -> None:
    journal = on_disk(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in sorted(journal.rglob("*"))}
    run("inspect", journal)
    assert {path: path.stat().st_mtime_ns for path in sorted(journal.rglob("*"))} == before
    assert (journal.parent / f"{journal.name}.cache").is_dir()


def typed() -> list[tuple[str, ...]]:
    """Return the commands that docs/time-machine.md shows."""
    text = (ROOT / "docs" / "time-machine.md").read_text("utf-8")
    lines = [line.split("   ")[0] for line in text.splitlines() if line.startswith("quotefold ")]
    return [tuple(shlex.split(line)[1:]) for line in lines]


@pytest.mark.parametrize("words", typed(), ids=" ".join)
def test_every_command_of_the_documentation_parses(words: tuple[str, ...]) -> None:
    assert parsed(words).command.callback is not None


def test_noon_is_noon() -> None:
    assert NOON % (86_400 * S) == 43_200 * S
