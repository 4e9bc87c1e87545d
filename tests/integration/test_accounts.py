"""Two accounts of one venue, each with an engine of its own, under one command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.kit import (
    PROGRAM,
    Venue,
    environment,
    proved,
    quotefold,
    running_venue,
    settings,
    wait_until,
)
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow
NAMES = ("demo-1", "demo-2")


def quoting(venue: Venue, name: str) -> bool:
    return (
        len({(order["market"], order["side"]) for order in venue.ask("GET", "/orders")[name]}) == 4
    )


def children(pid: int) -> list[int]:
    # Each thread of a process has its own.
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(each) for each in " ".join(found).split()]


def replaced(pid: int, killed: int) -> bool:
    running = children(pid)
    return len(running) == len(NAMES) and killed not in running


def ids(venue: Venue, name: str) -> set[str]:
    return {str(order["clientOrderId"]) for order in venue.ask("GET", "/orders")[name]}


def renewed(venue: Venue, before: dict[str, set[str]]) -> bool:
    """True once one account's orders are all of a new run, and both are quoted."""
    runs = {
        name: {text.partition("-")[0] for text in ids(venue, name)}
        - {text.partition("-")[0] for text in before[name]}
        for name in NAMES
    }
    return any(runs.values()) and all(quoting(venue, name) for name in NAMES)


def panic_of_one(directory: Path, venue: Venue) -> None:
    """One account is cleared and stays so, while the other is quoted; then it comes back."""
    words = ("panic", str(directory / "accounts.toml"), "--account", NAMES[0], "--json")
    env = environment(directory, None)
    code, out, _ = quotefold(*words, env=env)
    report = json.loads(out)
    assert (code, list(report["accounts"])) == (0, [NAMES[0]]), report
    assert ids(venue, NAMES[0]) == set()
    wait_until(lambda: quoting(venue, NAMES[1]), "the other account's quotes")
    assert ids(venue, NAMES[0]) == set()
    assert quotefold(*words, "--lift", env=env)[0] == 0
    wait_until(lambda: quoting(venue, NAMES[0]), "quotes of the account that was lifted")


def test_two_accounts_are_quoted_one_is_killed_and_both_end_clean(tmp_path: Path) -> None:
    with running_venue() as venue:
        text = ""
        for name in NAMES:
            key, secret = venue.keys[name]
            (tmp_path / f"{name}.toml").write_text(settings(venue))
            credentials = tmp_path / f"{name}.key"
            credentials.write_text(f'key = "{key}"\nsecret = "{secret}"')
            credentials.chmod(0o600)
            text += f'[account.{name}]\nconfig = "{name}.toml"\ncredentials = "{name}.key"\n'
        (tmp_path / "accounts.toml").write_text(text)
        journal = tmp_path / "journal"
        command = [*PROGRAM, "run", str(tmp_path / "accounts.toml"), "--json"]
        process = subprocess.Popen(
            [*command, "--journal", str(journal)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment(tmp_path, None)},
        )
        with process:
            try:
                wait_until(lambda: all(quoting(venue, name) for name in NAMES), "quotes of both")
                before = {name: ids(venue, name) for name in NAMES}
                killed = children(process.pid)[0]
                os.kill(killed, signal.SIGKILL)
                wait_until(lambda: replaced(process.pid, killed), "a new engine in its place")
                wait_until(lambda: renewed(venue, before), "quotes of the new engine")
                panic_of_one(tmp_path, venue)
            finally:
                process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "ended with code -9, started again in 1 s" in err.decode()
        found = json.loads(out)["accounts"]
        assert sorted(each["starts"] for each in found.values()) == [1, 2]
        assert all(each["summary"]["clean"] for each in found.values())
        orders = venue.ask("GET", "/orders")
        assert [orders[name] for name in NAMES] == [[], []]
    for name in NAMES:
        proved(journal / name)
