"""Each check of the doctor, with a case that it must find and the healthy one that it must not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.cli.checks import machine
from adapters.cli.checks.base import Status
from adapters.cli.checks.table import CHECKS
from adapters.cli.credentials import Credentials
from adapters.paper.config import VenueConfig
from adapters.paper.faults.plan import Kind, Plan, Rule
from adapters.whitebit.rest import _ADDS_NO_ORDER
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError
from tests.doctor.kit import Spoil, Ward, diagnose

pytestmark = pytest.mark.slow

SKIPPED_WHEN_HEALTHY = {"service", "journal", "rpi"}
"""Nothing to look at: not under systemd, no journal yet, no RPI level."""


async def test_a_healthy_patient_passes_and_nothing_is_left_behind(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def after(ward: Ward) -> None:
        signed = [request.path for request in ward.rest.asked if request.method == "POST"]
        assert set(signed) <= _ADDS_NO_ORDER
        exchange, account = ward.bench.handle.exchange, ward.bench.handle.accounts[0].account
        assert exchange.open_orders(account) == []
        assert exchange.kill_switches(account) == []
        assert sum(path.endswith("/websocket_token") for path in signed) <= 1
        assert len(ward.rest.asked) < 60

    found = await diagnose(tmp_path, after=after)
    assert list(found) == [check.name for check in CHECKS]
    assert len(found) >= 25
    for name, result in found.items():
        expected = Status.SKIPPED if name in SKIPPED_WHEN_HEALTHY else Status.PASS
        assert result.status is expected, result
        assert bool(result.hint) is False, result
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]


def _host(**fields: Any) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.host = replace(ward.patient.host, **fields)

    return spoil


def _env(**variables: str) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.env = variables

    return spoil


def _config_mode(ward: Ward) -> None:
    Path(ward.patient.config.source).chmod(0o666)


def _no_credentials(ward: Ward) -> None:
    def refuse() -> Credentials:
        raise ConfigError("credentials: my.toml: expected mode 0600, found 0644")

    ward.patient.credentials = refuse


def _from_environment(ward: Ward) -> None:
    ward.patient.credentials = lambda: Credentials(Secret("k"), Secret("s"), "environment")


def _latched(ward: Ward) -> None:
    state = Path(str(ward.patient.config.operator.directory))
    state.mkdir()
    (state / "panic-latch").write_text("set by quotefold panic")


def _journals(ward: Ward) -> Path:
    directory = Path(ward.patient.config.journal.directory)
    directory.mkdir()
    return directory


def _open_to_all(ward: Ward) -> None:
    _journals(ward).chmod(0o777)


def _file_in_its_place(ward: Ward) -> None:
    Path(ward.patient.config.journal.directory).write_text("")


def _disk(**fields: Any) -> Spoil:
    def spoil(ward: Ward) -> None:
        for name, value in fields.items():
            setattr(ward.fs, name, value)

    return spoil


def _ws(url: str) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.ws_url = url

    return spoil


def _clock(seconds: float) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.clock.shift_ns = int(seconds * 1e9)

    return spoil


def _answer(path: str, status: int, body: bytes) -> Spoil:
    return lambda ward: ward.answer(path, status, body)


def _change(market: str = "BTC_USDT", **fields: Any) -> Spoil:
    return lambda ward: ward.change(market, **fields)


def _tune(**parameters: Any) -> Spoil:
    return lambda ward: ward.tune(**parameters)


def _rename(ward: Ward) -> None:
    config = ward.patient.config
    ward.patient.config = replace(config, market={"DOGE_USDT": config.market["BTC_USDT"]})


async def _listed(ward: Ward, old: bytes, new: bytes) -> None:
    answer = await ward.patient.get("markets")
    assert old in answer.body
    ward.answer("public/markets", 200, answer.body.replace(old, new))


async def _no_book(ward: Ward) -> None:
    await ward.bench.bob.ok("order/cancel/all", market="BTC_USDT")


def _key(**settings: Any) -> Spoil:
    return lambda ward: ward.admin("/keys/settings", key=ward.key, **settings)


class Stuck:
    """Gives the same nonce for ever."""

    offset_ms = 0

    def __init__(self, nonce: int) -> None:
        self._nonce = nonce

    def draw(self) -> int:
        return self._nonce


def _old_nonce(ward: Ward) -> None:
    ward.patient.nonces = Stuck(ward.clock.now_ns() // 1_000_000 - 60_000)  # type: ignore[assignment]


class Repeating(Stuck):
    """Gives each nonce twice, as two programs with one key would."""

    _draws = 0

    def draw(self) -> int:
        self._draws += 1
        return self._nonce + self._draws // 2


def _shared_key(ward: Ward) -> None:
    start = ward.clock.now_ns() // 1_000_000
    ward.patient.nonces = Repeating(start)  # type: ignore[assignment]


def _rpi(ward: Ward) -> None:
    ladder = [{"qty": "0.005", "stp": "cn", "rpi": True}]
    ward.tune(ladder=ladder)


def _rpi_allowed(ward: Ward) -> None:
    _rpi(ward)
    account = ward.bench.handle.accounts[0].account
    ward.admin("/accounts/settings", name=account, rpi_maker_premium="0.0001")


def _withdrawn(ward: Ward, asset: str, amount: str, wallet: str = "spot") -> None:
    account = ward.bench.handle.accounts[0].account
    ward.admin("/withdraw", account=account, asset=asset, amount=amount, wallet=wallet)


async def _armed(ward: Ward) -> None:
    await ward.bench.alice.ok("order/kill-switch", market="BTC_USDT", timeout="60")


async def _resting(ward: Ward) -> None:
    await ward.bench.alice.limit("buy", "50000")


async def _armed_everywhere(ward: Ward) -> None:
    for market in ("BTC_USDT", "BTC_PERP"):
        await ward.bench.alice.ok("order/kill-switch", market=market, timeout="600")


def _never_disarmed(ward: Ward) -> None:
    ward.rest.broken = lambda request: b'"timeout":null' in request.body


def _fault(*rules: Rule) -> VenueConfig:
    return VenueConfig(faults=Plan(rules=rules))


ARM = "/api/v4/order/kill-switch"
LOST = Rule(kind=Kind.CLOSE, path=ARM)

CASES: list[tuple[str, str, Status, str, Spoil | None, VenueConfig | None]] = [
    ("python", "too old", Status.FAIL, "Python 3.10.9", _host(python=(3, 10, 9)), None),
    ("user", "root", Status.WARN, "runs as root", _host(uid=0), None),
    ("open_files", "few", Status.FAIL, "64 open files", _host(open_files_max=64), None),
    ("open_files", "no limit", Status.PASS, "any number", _host(open_files_max=-1), None),
    ("core_dumps", "allowed", Status.WARN, "core dump", _host(core_bytes_max=-1), None),
    ("service", "no watchdog", Status.WARN, "does not watch", _env(INVOCATION_ID="1"), None),
    (
        *("service", "watched", Status.PASS, "a pulse every 9 µs"),
        _env(INVOCATION_ID="1", WATCHDOG_USEC="9", NOTIFY_SOCKET="/s"),
        None,
    ),
    ("config_mode", "writable", Status.FAIL, "mode 0666", _config_mode, None),
    ("credentials", "readable", Status.FAIL, "expected mode 0600", _no_credentials, None),
    ("credentials", "environment", Status.WARN, "environment", _from_environment, None),
    ("latch", "set", Status.FAIL, "set by quotefold panic", _latched, None),
    ("journal_directory", "open to all", Status.FAIL, "mode 0777", _open_to_all, None),
    ("journal_directory", "a file", Status.FAIL, "journals", _file_in_its_place, None),
    ("disk_space", "full", Status.FAIL, "0.1 GiB free", _disk(free=100 << 20), None),
    ("disk_space", "nearly full", Status.WARN, "1.0 GiB free", _disk(free=1 << 30), None),
    ("disk_sync", "slow", Status.WARN, "takes 6.00 ms", _disk(syncs_ms=[6.0]), None),
    ("disk_sync", "hangs", Status.FAIL, "120.00 ms", _disk(syncs_ms=[0.1, 120.0, 0.1]), None),
    ("transport", "clear text", Status.FAIL, "without TLS", _ws("ws://example.com/ws"), None),
    (
        *("ping", "not up", Status.FAIL, "HTTP 503", None),
        _fault(Rule(kind=Kind.ANSWER, path="/api/v4/public/ping", status=503)),
    ),
    (
        *("ping", "far away", Status.WARN, "answers within 4", None),
        _fault(Rule(kind=Kind.DELAY, path="/api/v4/public/ping", seconds=0.4)),
    ),
    (
        *("platform", "maintenance", Status.FAIL, "system maintenance"),
        _answer("public/platform/status", 200, b'{"status":"system maintenance"}'),
        None,
    ),
    (
        *("platform", "unreadable", Status.FAIL, "unreadable"),
        _answer("public/platform/status", 200, b"<html>"),
        None,
    ),
    ("clock", "behind", Status.WARN, "ahead", _clock(-2.5), None),
    ("clock", "far behind", Status.FAIL, "ahead", _clock(-6), None),
    ("clock", "far ahead", Status.FAIL, "ahead", _clock(+6), None),
    ("clock", "unreadable", Status.FAIL, "", _answer("public/time", 200, b"{}"), None),
    ("markets", "unknown", Status.FAIL, "DOGE_USDT is not listed", _rename, None),
    (
        *("markets", "disabled", Status.FAIL, "BTC_USDT is disabled"),
        lambda ward: _listed(ward, b'"tradesEnabled":true', b'"tradesEnabled":false'),
        None,
    ),
    (
        *("markets", "ends", Status.WARN, "to be delisted at 1800000000"),
        lambda ward: _listed(ward, b'"delistedAt":null', b'"delistedAt":1800000000'),
        None,
    ),
    (
        "precision",
        "too fine",
        Status.FAIL,
        "position_max",
        _change(position_max="0.00000001"),
        None,
    ),
    ("book", "one-sided", Status.FAIL, "BTC_USDT has no two-sided book", _no_book, None),
    (
        *("order_minimums", "too small", Status.FAIL, "USDT is below the minimum"),
        _tune(ladder=[{"qty": "0.00001", "stp": "cn"}]),
        None,
    ),
    ("limits", "order", Status.FAIL, "order_notional_max", _change(order_notional_max="100"), None),
    ("limits", "position", Status.FAIL, "position_max", _change(position_max="0.012"), None),
    ("limits", "count", Status.FAIL, "open_orders_max", _change(open_orders_max=3), None),
    ("limits", "collar", Status.FAIL, "further than 10 bps", _change(collar_bps=10), None),
    ("authentication", "disabled", Status.FAIL, "HTTP 401", _key(enabled=False), None),
    ("authentication", "old nonce", Status.FAIL, "5 seconds", _old_nonce, None),
    ("nonce", "shared key", Status.FAIL, "HTTP 429", _shared_key, None),
    ("permission", "read only", Status.FAIL, "order/cancel", _key(permissions=["read"]), None),
    ("fees", "too thin", Status.WARN, "0.3 bps", _tune(half_spread_bps=0.3), None),
    (
        *("fees", "denied", Status.FAIL, "HTTP 403"),
        _key(denied=["/api/v4/market/fee"]),
        None,
    ),
    ("rpi", "not enabled", Status.WARN, "no RPI premium", _rpi, None),
    ("rpi", "enabled", Status.PASS, "RPI premium 0.01 %", _rpi_allowed, None),
    (
        *("funds", "no base", Status.WARN, "the asks need 0.015 BTC"),
        lambda ward: _withdrawn(ward, "BTC", "9.99"),
        None,
    ),
    (
        *("funds", "no collateral", Status.WARN, "nothing is available"),
        _answer("collateral-account/balance-summary", 200, b"[]"),
        None,
    ),
    ("timers", "armed", Status.WARN, "BTC_USDT until", _armed, None),
    ("open_orders", "foreign", Status.WARN, "1 on BTC_USDT", _resting, None),
    (
        *("kill_switch", "arming is lost", Status.FAIL, "no answer", None),
        _fault(replace(LOST, times=1)),
    ),
    (
        *("kill_switch", "disarming is lost once", Status.PASS, "seen gone", None),
        _fault(Rule(kind=Kind.ANSWER, path=ARM, status=503, accepted=False, nth=2)),
    ),
    ("kill_switch", "disarming fails", Status.FAIL, "not be proved", _never_disarmed, None),
    ("kill_switch", "armed by another", Status.SKIPPED, "left alone", _armed_everywhere, None),
    ("kill_switch", "orders rest", Status.PASS, "BTC_PERP: armed", _resting, None),
    (
        *("public_stream", "refused", Status.FAIL, "HTTP 503", None),
        _fault(Rule(kind=Kind.ANSWER, path="/ws", status=503)),
    ),
    (
        *("private_stream", "no token", Status.FAIL, "websocket token: HTTP 403"),
        _key(denied=["/api/v4/profile/websocket_token"]),
        None,
    ),
]


@pytest.mark.parametrize(
    ("check", "status", "text", "spoil", "venue"),
    [pytest.param(case[0], *case[2:], id=f"{case[0]}: {case[1]}") for case in CASES],
)
async def test_what_is_spoilt_is_found(
    tmp_path: Path,
    autojump_clock: MockClock,
    check: str,
    status: Status,
    text: str,
    spoil: Spoil | None,
    venue: VenueConfig | None,
) -> None:
    result = (await diagnose(tmp_path, spoil, venue=venue))[check]
    assert result.status is status, result
    assert text in result.text, result
    assert "\n" not in result.text


async def test_a_timer_that_cannot_be_removed_is_told_with_what_it_will_do(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    result = (await diagnose(tmp_path, _never_disarmed))["kill_switch"]
    assert "a timer of 600 s may be armed on BTC_USDT" in result.hint


async def test_timers_and_orders_of_others_are_left_as_they_were(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def spoil(ward: Ward) -> None:
        await _armed_everywhere(ward)
        await _resting(ward)
        seen.append(look(ward))

    async def after(ward: Ward) -> None:
        seen.append(look(ward))

    def look(ward: Ward) -> object:
        exchange, account = ward.bench.handle.exchange, ward.bench.handle.accounts[0].account
        return exchange.open_orders(account), exchange.kill_switches(account)

    seen: list[object] = []
    await diagnose(tmp_path, spoil, after=after)
    assert seen[0] == seen[1]


async def test_a_signature_that_is_wrong_is_found_without_the_venue(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_SIGNATURE", "0" * 128)
    result = (await diagnose(tmp_path))["signing"]
    assert (result.status, result.text) == (Status.FAIL, "the documented example is signed wrongly")


async def test_without_a_venue_the_machine_is_checked_all_the_same(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def spoil(ward: Ward) -> None:
        ward.rest.broken = lambda request: True

    found = await diagnose(tmp_path, spoil)
    assert found["ping"].status is Status.FAIL
    assert found["markets"].text == "needs ping"
    assert found["private_stream"].text == "needs authentication"
    assert found["disk_sync"].status is Status.PASS


def test_every_check_has_a_case_that_it_finds() -> None:
    found = {case[0] for case in CASES if case[2] is not Status.PASS}
    # These have tests of their own in test_files.py and below.
    elsewhere = {"signing", "lock", "journal"}
    assert found | elsewhere == {check.name for check in CHECKS}
    assert max(Counter(check.name for check in CHECKS).values()) == 1
