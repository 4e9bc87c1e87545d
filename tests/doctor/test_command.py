"""`quotefold doctor` as a program: its table, its JSON, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.cli.checks.table import CHECKS
from tests.integration.kit import environment, quotefold, running_venue, settings

pytestmark = pytest.mark.slow


def test_without_a_configuration_it_checks_a_paper_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = quotefold("doctor", "--json", env={"XDG_STATE_HOME": str(tmp_path)})
    report = json.loads(out)
    assert (code, err, report["ok"], report["failed"]) == (0, "", True, 0)
    assert [check["name"] for check in report["checks"]] == [check.name for check in CHECKS]
    assert (report["venue"], report["config"]) == ("paper", "built-in defaults")
    counted = sum(report[key] for key in ("passed", "warned", "failed", "skipped"))
    assert counted == len(CHECKS)


def test_what_init_writes_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    assert quotefold("init", str(path))[0] == 0
    code, out, _ = quotefold("doctor", str(path), "--json", env={"XDG_STATE_HOME": str(tmp_path)})
    assert (code, json.loads(out)["config"]) == (0, str(path))


def test_a_failed_check_is_in_the_table_with_its_hint(tmp_path: Path) -> None:
    with running_venue() as venue:
        path = tmp_path / "my.toml"
        path.write_text(settings(venue))
        path.chmod(0o644)
        env = {**environment(tmp_path, venue), "QUOTEFOLD_SECRET": "CANARY-not-the-secret"}
        code, out, err = quotefold("doctor", str(path), env=env)
        assert venue.timers() == []
    assert (code, err) == (1, "")
    words = " ".join(out.split())
    assert "FAIL authentication refused with HTTP 401" in words
    assert "-> compare key and secret with the venue's API settings" in words
    assert "- nonce needs authentication" in words
    assert "1 failed" in words
    assert "CANARY" not in out


def test_without_credentials_everything_else_is_checked(tmp_path: Path) -> None:
    with running_venue() as venue:
        path = tmp_path / "my.toml"
        path.write_text(settings(venue))
        path.chmod(0o644)
        code, out, _ = quotefold(
            "doctor", str(path), "--json", env={"XDG_CONFIG_HOME": str(tmp_path)}
        )
    status = {check["name"]: check["status"] for check in json.loads(out)["checks"]}
    assert (code, status["credentials"], status["authentication"]) == (1, "fail", "skipped")
    assert (status["markets"], status["public_stream"]) == ("pass", "pass")


def test_the_journal_of_a_run_is_checked_where_it_is(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    directory = str(tmp_path / "journal")
    assert quotefold("run", "--for", "1s", "--json", "--journal", directory, env=env)[0] == 0
    code, out, _ = quotefold("doctor", "--json", "--journal", directory, env=env)
    texts = {check["name"]: check["text"] for check in json.loads(out)["checks"]}
    assert code == 0
    assert texts["journal"].startswith(directory)
    assert texts["journal"].endswith("all whole")


def test_a_configuration_that_is_wrong_could_not_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[enigne]\n")
    code, out, err = quotefold("doctor", str(path), "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["kind"] == "ConfigError"
