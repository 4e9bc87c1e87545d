"""Each check of the doctor, with a case that it must find and the healthy one that it must not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from adapters.cli.checks import machine
from adapters.cli.checks.base import Status
from adapters.cli.checks.table import CHECKS, GO_LIVE
from adapters.paper.config import VenueConfig
from adapters.ports import SystemFs
from adapters.whitebit.requests import Request
from adapters.whitebit.rest import _ADDS_NO_ORDER
from tests.doctor.cases import CASES, armed_everywhere, never_disarmed, resting
from tests.doctor.kit import Spoil, Ward, diagnose

pytestmark = pytest.mark.slow

SKIPPED_WHEN_HEALTHY = {"service", "journal", "rpi", "small_limits"}
"""Nothing to look at: not under systemd, no journal yet, no RPI level, no real money."""
PASSING = {
    ("disk_sync", "takes 120.00 ms"),
    ("ping", "HTTP 503"),
    ("platform", "system maintenance"),
    ("platform", "unreadable"),
    ("clock", ""),
    ("markets", "BTC_USDT is disabled"),
    ("book", "BTC_USDT has no two-sided book"),
}
"""Failures that may be well a minute later, so that a service manager is to try again."""


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
    assert SystemFs().list_dir(tmp_path) == ["my.toml"]


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
    assert bool(result.hint) is (status in (Status.WARN, Status.FAIL)), result
    assert result.passing is ((check, text) in PASSING), result


async def test_a_timer_that_cannot_be_removed_is_told_with_what_it_will_do(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    result = (await diagnose(tmp_path, never_disarmed))["kill_switch"]
    assert "a timer of 600 s may be armed on BTC_USDT" in result.hint


async def test_timers_and_orders_of_others_are_left_as_they_were(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def spoil(ward: Ward) -> None:
        await armed_everywhere(ward)
        await resting(ward)
        seen.append(look(ward))

    async def after(ward: Ward) -> None:
        seen.append(look(ward))

    def look(ward: Ward) -> object:
        exchange, account = ward.bench.handle.exchange, ward.bench.handle.accounts[0].account
        return exchange.open_orders(account), exchange.kill_switches(account)

    seen: list[object] = []
    await diagnose(tmp_path, spoil, after=after)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("part", [b'"timeout":"600"', b'"timeout":null'], ids=["arm", "disarm"])
async def test_an_interrupted_round_trip_leaves_no_timer(
    tmp_path: Path, autojump_clock: MockClock, part: bytes
) -> None:
    interrupted = trio.CancelScope()
    timers: list[object] = []

    def spoil(ward: Ward) -> None:
        def interrupt(request: Request) -> bool:
            if part in request.body:
                interrupted.cancel()
            return False

        ward.rest.broken = interrupt

    async def after(ward: Ward) -> None:
        account = ward.bench.handle.accounts[0].account
        timers.append(ward.bench.handle.exchange.kill_switches(account))

    await diagnose(tmp_path, spoil, after=after, within=interrupted)
    assert interrupted.cancelled_caught
    assert timers == [[]]


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


def test_a_run_proves_before_it_goes_live_what_it_does_not_do_itself() -> None:
    assert [check for check in CHECKS if check not in GO_LIVE] == [
        check
        for check in CHECKS
        if check.name in ("kill_switch", "public_stream", "private_stream")
    ]
    assert not {need for check in GO_LIVE for need in check.needs} - {c.name for c in GO_LIVE}
