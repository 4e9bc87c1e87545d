"""`ctl` and a running engine, each a real process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.events import OperatorCommanded
from tests.integration.kit import (
    MARKETS,
    environment,
    proved,
    quotefold,
    running_engine,
    running_venue,
    wait_until,
)

pytestmark = pytest.mark.slow


class Ctl:
    """Calls `quotefold ctl` as the user of one operator directory."""

    def __init__(self, directory: Path) -> None:
        self._env = environment(directory, None)

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        code, out, err = quotefold("ctl", *words, "--json", env=self._env)
        assert err == ""
        answer: dict[str, Any] = json.loads(out)
        return code, answer

    def plain(self, *words: str) -> tuple[int, str, str]:
        return quotefold("ctl", *words, env=self._env)


def test_an_operator_holds_a_run_back_changes_it_and_lets_it_go(tmp_path: Path) -> None:
    ctl = Ctl(tmp_path)
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        code, cancelled = ctl("cancel", "BTC_USDT")
        assert (code, cancelled["ok"]) == (0, True)
        wait_until(lambda: not venue.orders("BTC_USDT"), "nothing rests on the one market")
        assert venue.orders("BTC_PERP")
        code, out, _ = ctl.plain("status")
        assert code == 0
        assert "BTC_USDT: cancel, " in out
        assert "cancel by operator: cancel, by command" in out
        assert ctl("set", "BTC_USDT", "ladder.0.qty=0.004", "position_max=0.4")[0] == 0
        assert ctl("side", "BTC_USDT", "sell")[0] == 0
        wait_until(lambda: venue.orders("BTC_USDT"), "one side is quoted")
        assert {order["side"] for order in venue.orders("BTC_USDT")} == {"sell"}
        assert ctl.plain("note", "going", "home")[1].startswith("done, journaled as seq ")
        assert ctl.plain("resume", "all")[0] == 0
        venue.wait_quotes()
        code, refused = ctl("set", "all", "strategy=other")
        assert (code, refused["ok"]) == (1, False)
        assert "not safe to change while running" in refused["error"]
        code, out, err = ctl.plain("pause", "DOGE_USDT")
        assert (code, out) == (1, "")
        assert err.startswith("refused: expected a market of this run")
        assert "limits.loss_day_max = " in ctl.plain("parameters")[1]
        summary = engine.finish()
        commands = [r.event for r in engine.records() if isinstance(r.event, OperatorCommanded)]
    assert [event.command for event in commands] == ["cancel", "set", "side", "note", "resume"]
    assert summary["anomalies"] == 0
    proved(engine.journal)
    code, nobody = ctl("status")
    assert (code, nobody["kind"]) == (2, "ConfigError")
    assert "found none" in nobody["error"]


def test_where_several_engines_run_one_has_to_be_named(tmp_path: Path) -> None:
    ctl = Ctl(tmp_path)
    with running_engine(tmp_path, None, name="first"):
        directory = tmp_path / "quotefold"
        (first,) = wait_until(lambda: list(directory.glob("control-*.sock")), "a socket")
        second = directory / "control-1.sock"
        second.touch()
        code, answer = ctl("status")
        assert (code, answer["kind"]) == (2, "ConfigError")
        assert str(first) in answer["error"]
        wait_until(lambda: ctl("status", "--socket", str(first))[1].get("ok"), "it has begun")
        status = ctl("status", "--socket", str(first))[1]["status"]
        assert set(status["markets"]) == set(MARKETS)
        code, answer = ctl("status", "--socket", str(second))
        assert (code, answer["kind"]) == (1, "RemoteProtocolError")
        assert "no engine answers" in answer["error"]


@pytest.mark.parametrize("changes", [["half_spread_bps"], ["=1"], ["a=1", "a=2"], []])
def test_changes_that_are_no_changes_are_a_matter_of_usage(
    tmp_path: Path, changes: list[str]
) -> None:
    code, _, err = Ctl(tmp_path).plain("set", "BTC_USDT", *changes)
    assert code == 2
    assert "KEY=VALUE" in err
