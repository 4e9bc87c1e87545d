"""Going live, walked from `init` to the last order, against a venue as if it were the exchange."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.main import main
from engine.events import RunStarted
from tests.integration.kit import (
    Engine,
    Venue,
    proved,
    quotefold,
    running_venue,
    wait_until,
)
from tests.integration.truth import assert_agrees_with_venue

pytestmark = pytest.mark.slow

SMALL = {
    "kill_switch_timeout": '"5s"',
    "kill_switch_refresh": '"1250ms"',
    "order_notional_max": '"100"',
    "fills_per_minute_max": "600",
    "loss_day_max": '"20"',
    "drawdown_max": '"20"',
}
"""What a human changes in the file that `init` wrote, beside the sizes of each market."""
SIZES = {"BTC_USDT": ("0.0015", "0.0002"), "BTC_PERP": ("0.004", "0.001")}
"""Market -> largest position, quantity of an order: BTC."""


class Human:
    """Somebody who goes live: one directory, one configuration, one file with the key."""

    def __init__(self, directory: Path, venue: Venue) -> None:
        self.directory = directory
        self.config = directory / "my.toml"
        self.journal = directory / "journal"
        self.key = directory / "secret" / "credentials.toml"
        self.key.parent.mkdir()
        self.key.write_text(f'key = "{venue.key}"\nsecret = "{venue.secret}"\n')
        self.key.chmod(0o600)
        self.env = {
            "QUOTEFOLD_CREDENTIALS": str(self.key),
            "XDG_CONFIG_HOME": str(directory),
            "XDG_STATE_HOME": str(directory),
        }

    def writes_configuration(self, venue: Venue) -> None:
        assert main(["init", str(self.config)]) == 0
        text = self.config.read_text("utf-8")
        for key, value in SMALL.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        spot, perpetual = text.split("\n[market.BTC_PERP]\n")
        parts = {"BTC_USDT": spot, "BTC_PERP": perpetual}
        for name, (position, qty) in SIZES.items():
            most = f'position_max = "{position}"'
            part = re.sub(r'^position_max = ".*"$', most, parts[name], flags=re.MULTILINE)
            parts[name] = re.sub(r'^qty = ".*"$', f'qty = "{qty}"', part, flags=re.MULTILINE)
        text = "\n[market.BTC_PERP]\n".join(parts.values())
        text += f'\n[venue]\nrest_url = "{venue.rest}"\nws_url = "{venue.ws}"\nmode = "live"\n'
        self.config.write_text(text)
        self.config.chmod(0o644)

    def command(self, *words: str) -> tuple[int, Any]:
        """Run a command that reports, with its exit code and its object."""
        code, out, err = quotefold(*words, "--json", env=self.env)
        assert err == "", err
        return code, json.loads(out)

    def starts(self, name: str, *arguments: str) -> Engine:
        log = ("--log", str(self.directory / f"{name}.log"))
        given = (str(self.config), "--live", *log, *arguments)
        return Engine(self.directory, name, *given, env=self.env)

    def noted(self, name: str) -> list[dict[str, Any]]:
        lines = (self.directory / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with running_venue() as running:
        yield running


@pytest.fixture
def human(tmp_path: Path, venue: Venue) -> Human:
    found = Human(tmp_path, venue)
    found.writes_configuration(venue)
    return found


def filled(venue: Venue) -> bool:
    """True once both markets have moved what the account holds."""
    account = venue.account()
    return bool(account["positions"]) and account["spot"]["BTC"]["available"] != "10"


def test_a_human_goes_live_stops_panics_and_goes_live_again(human: Human, venue: Venue) -> None:
    code, report = human.command("doctor", str(human.config), "--journal", str(human.journal))
    assert (code, report["failed"]) == (0, 0), report
    checks = {check["name"]: check["status"] for check in report["checks"]}
    assert checks["small_limits"] == "pass"
    assert venue.timers() == []

    engine = human.starts("first", "--for", "60s")
    try:
        walk(human, venue, engine)
    finally:
        engine.process.kill()
    assert (venue.orders(), venue.timers()) == ([], [])
    state = assert_agrees_with_venue(human.journal, venue)
    assert state.mode == "live"

    code, report = human.command("panic", str(human.config))
    assert (code, report["clear"], report["latched"]) == (0, True, True), report
    refused = human.starts("refused")
    assert refused.wait() == 2
    assert "--live: refused: latch: panic latch: set by" in refused.summary()["error"]
    assert human.command("panic", "--lift", str(human.config))[1]["lifted"]
    again = human.starts("again", "--for", "1500ms")
    assert again.wait() == 0
    assert again.summary()["clean"]
    assert (venue.orders(), venue.timers()) == ([], [])
    assert_agrees_with_venue(human.journal, venue)

    # Paper and money are not told apart by their figures, so their journals never mix.
    human.config.write_text(human.config.read_text().replace('\nmode = "live"', ""))
    code, refusal = human.command("run", str(human.config), "--journal", str(human.journal))
    assert (code, "found one of a live run" in refusal["error"]) == (2, True), refusal
    assert human.command("journal", "verify", str(human.journal))[0] == 0
    assert proved(human.journal)["runs"] == 2
    assert_nothing_of_the_key(human, venue)


def walk(human: Human, venue: Venue, engine: Engine) -> None:
    """From the first quote over an operator's pause to the end of a run."""
    venue.wait_quotes()
    assert {timer["market"] for timer in venue.timers()} == set(SIZES)
    wait_until(lambda: filled(venue), "fills on both markets")
    noted = human.noted("first")
    told = [line["text"] for line in noted if line["event"] == "going_live"]
    assert told[0].startswith(f"LIVE: real orders on {venue.rest} ")
    assert "BTC_USDT (spot) by inventory_skew: position at most 0.0015 BTC" in told[1]
    assert "those of other programs and by hand included" in told[3]
    assert {line["check"] for line in noted if line["event"] == "check_warned"} >= {"fees"}
    code, refusal = human.command("run", str(human.config), "--live")
    assert (code, "an engine of this account runs already" in refusal["error"]) == (2, True)
    assert human.command("ctl", "cancel", "all")[0] == 0
    wait_until(lambda: not venue.orders(), "nothing rests")
    assert venue.timers(), "held back, and still guarded"
    assert human.command("ctl", "resume", "all")[0] == 0
    venue.wait_quotes()
    summary = engine.finish()
    assert (summary["mode"], summary["clean"], summary["anomalies"]) == ("live", True, 0)
    (started,) = [r.event for r in engine.records() if isinstance(r.event, RunStarted)]
    assert {quoted.market.name for quoted in started.quoted} == set(SIZES)
    assert human.command("journal", "verify", str(human.journal))[0] == 0
    for name, (position, _) in SIZES.items():
        assert abs(float(summary["markets"][name]["position"])) <= float(position)


def assert_nothing_of_the_key(human: Human, venue: Venue) -> None:
    for path in human.directory.rglob("*"):
        if path.is_file() and path != human.key:
            data = path.read_bytes()
            assert venue.key.encode() not in data, path
            assert venue.secret.encode() not in data, path


# --- refusals ---------------------------------------------------------------------------------


def refused(human: Human, monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: str) -> str:
    """Start a run in this process that is to be refused; returns what it says."""
    for key, value in human.env.items():
        monkeypatch.setenv(key, value)
    capsys.readouterr()
    code = main(["run", str(human.config), "--journal", str(human.journal), *words])
    out, err = capsys.readouterr()
    assert code == 2, out + err
    assert not human.journal.exists()
    (line,) = err.splitlines()
    return str(line)


Edit = tuple[str, str]

REFUSALS: list[tuple[str, Edit | None, tuple[str, ...], str]] = [
    ("no flag", None, (), "quote there with --live"),
    ("paper", ('^mode = "live"', 'mode = "paper"'), ("--live",), "taken for a paper venue"),
    ("both flags", None, ("--live", "--observe"), "--live, --observe: expected one of them"),
    ("a flow", None, ("--live", "--flow", "synthetic"), "only for a paper venue"),
    ("http to another machine", ("127.0.0.1", "venue.test"), ("--live",), "expected https"),
    (
        "the EU",
        ('^mode = "live"', 'region = "eu"\nmode = "live"'),
        ("--live",),
        "no quote can rest",
    ),
    (
        *("others may write the limits, and no such market", ("BTC_PERP", "DOGE_PERP")),
        *(("--live",), "config_mode: "),
    ),
    (
        *("limits that are none", ('loss_day_max = "20"', 'loss_day_max = "1000000"')),
        *(("--live",), "small_limits: BTC_USDT: loss_day_max of 1000000 USDT is no limit"),
    ),
]


@pytest.mark.parametrize(
    ("edit", "words", "part"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_is_no_safe_start_is_refused(
    human: Human,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    edit: Edit | None,
    words: tuple[str, ...],
    part: str,
) -> None:
    if edit is not None:
        text = re.sub(*edit, human.config.read_text(), flags=re.MULTILINE)
        human.config.write_text(text)
    if part.startswith("config_mode"):
        human.config.chmod(0o666)
    line = refused(human, monkeypatch, capsys, *words)
    assert part in line
    if part.startswith("config_mode"):
        assert "markets: DOGE_PERP is not listed -> correct [market.*]" in line


def test_a_key_that_others_may_read_is_refused(
    human: Human, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    human.key.chmod(0o640)
    assert "expected mode 0600, found 0640" in refused(human, monkeypatch, capsys, "--live")


def test_a_key_that_the_venue_does_not_know_is_refused(
    human: Human, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], venue: Venue
) -> None:
    human.key.write_text(f'key = "{venue.key}"\nsecret = "no-such-secret"\n')
    line = refused(human, monkeypatch, capsys, "--live")
    assert "authentication: refused with HTTP 401" in line
    assert "-> compare key and secret" in line
    assert "no-such-secret" not in line


def test_without_the_flag_nothing_reads_a_key_and_a_venue_that_is_down_may_be_tried_again(
    human: Human, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], venue: Venue
) -> None:
    human.key.unlink()
    assert "--live" in refused(human, monkeypatch, capsys)
    human.key.write_text('key = "a"\nsecret = "b"\n')
    human.key.chmod(0o600)
    human.config.write_text(human.config.read_text().replace(venue.rest, "http://127.0.0.1:1"))
    words = ["run", str(human.config), "--journal", str(human.journal), "--live"]
    assert main(words) == 1, "a service manager starts it again"
    out, err = capsys.readouterr()
    assert "--live: refused: ping: " in err
    assert "FAIL" in out
    assert not human.journal.exists()
