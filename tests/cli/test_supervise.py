"""Several accounts: what is refused, what is started again, and the one exit code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from adapters.cli import supervise
from adapters.cli.supervise import (
    Ended,
    Supervisor,
    choose,
    commands_of,
    exit_code,
    load_accounts,
    pause_after,
)
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.cli.test_config import GOOD

IN_ORDER = {"run_id": "a", "clean": False}
REFUSAL = {"error": "the latch is set", "kind": "ConfigError"}

VENUE = """
[venue]
rest_url = "http://127.0.0.1:1"
ws_url = "ws://127.0.0.1:1/ws"
"""


@pytest.mark.parametrize(
    ("ended", "lived_s", "before_s", "pause_s"),
    [
        pytest.param(Ended(0, IN_ORDER, 1), 9, 0, None, id="the end it was to come to"),
        pytest.param(Ended(1, IN_ORDER, 1), 9, 0, None, id="an end without proof"),
        pytest.param(Ended(2, REFUSAL, 1), 9, 0, None, id="refused: latch, key or configuration"),
        pytest.param(Ended(2, None, 1), 9, 0, None, id="refused, whatever it said"),
        pytest.param(Ended(1, REFUSAL, 1), 9, 0, 1, id="the venue was not there"),
        pytest.param(Ended(-9, None, 1), 9, 0, 1, id="killed"),
        pytest.param(Ended(-9, None, 2), 599, 1, 2, id="once more"),
        pytest.param(Ended(-9, None, 9), 9, 32, 60, id="no longer than a minute"),
        pytest.param(Ended(-9, None, 9), 9, 60, 60, id="for ever"),
        pytest.param(Ended(-9, None, 9), 600, 60, 1, id="after ten minutes of quiet"),
    ],
)
def test_when_an_engine_is_started_again(
    ended: Ended, lived_s: float, before_s: float, pause_s: float | None
) -> None:
    assert pause_after(ended, lived_s, before_s) == pause_s


@pytest.mark.parametrize(
    ("codes", "code"),
    [((), 0), ((0, 0), 0), ((0, 2), 2), ((2, 1, 0), 1), ((-9, 2), 1), ((130, 0), 1)],
)
def test_one_exit_code_for_all(codes: tuple[int, ...], code: int) -> None:
    assert exit_code(codes) == code


# --- the file ---------------------------------------------------------------------------------


def written(directory: Path, text: str, **accounts: str) -> Path:
    """Write a file of accounts; `accounts` are configurations by file name."""
    for name, config in accounts.items():
        (directory / f"{name}.toml").write_text(config)
    for name in ("one", "two", "same"):
        path = directory / f"{name}.key"
        path.write_text(f'key = "{name[0] if name == "same" else name}"\nsecret = "s"')
        path.chmod(0o600)
    path = directory / "accounts.toml"
    path.write_text(text)
    return path


ONE = '[account.one]\nconfig = "one.toml"\n'
TWO = '[account.two]\nconfig = "two.toml"\n'


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, ONE + 'credentials = "one.key"\n' + TWO, one=GOOD + VENUE, two=GOOD)
    found = load_accounts(SystemFs(), path)
    assert [each.config for each in found.values()] == [
        tmp_path / "one.toml",
        tmp_path / "two.toml",
    ]
    assert [each.credentials for each in found.values()] == [tmp_path / "one.key", None]


def test_a_configuration_of_one_account_names_none(tmp_path: Path) -> None:
    assert load_accounts(SystemFs(), written(tmp_path, GOOD)) == {}
    assert load_accounts(SystemFs(), written(tmp_path, "no = toml")) == {}
    assert load_accounts(SystemFs(), tmp_path / "missing.toml") == {}


METRICS = "[metrics]\nport = 9464\n"
KEYED = 'credentials = "one.key"\n'


@pytest.mark.parametrize(
    ("text", "one", "two", "problem"),
    [
        (ONE + VENUE, GOOD, GOOD, "venue: expected nothing beside accounts"),
        ("[account]\n", GOOD, GOOD, "account: expected at least one account"),
        (ONE.replace("account.one", 'account."a/b"'), GOOD, GOOD, "expected a name of letters"),
        (ONE + 'size = "1"\n', GOOD, GOOD, "account.one"),
        (ONE, GOOD.replace("inventory_skew", "none"), GOOD, "market.BTC_USDT.strategy"),
        (ONE, GOOD + VENUE, GOOD, "account.one.credentials: expected a file"),
        (ONE + TWO, GOOD + METRICS, GOOD + METRICS, "another metrics.port than account.one"),
        (ONE + KEYED + TWO + KEYED, GOOD + VENUE, GOOD + VENUE, "another key than account.one"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, one: str, two: str, problem: str) -> None:
    path = written(tmp_path, text, one=one, two=two)
    with pytest.raises(ConfigError) as caught:
        load_accounts(SystemFs(), path)
    assert problem in str(caught.value)


def test_one_account_has_its_own_key_and_no_other_keeps_it_from_a_start(tmp_path: Path) -> None:
    path = written(tmp_path, ONE + KEYED + TWO, one=GOOD + VENUE, two="= 1")
    config, env = choose(SystemFs(), path, "one")
    assert config == tmp_path / "one.toml"
    assert env == {"QUOTEFOLD_CREDENTIALS": str(tmp_path / "one.key")}
    assert choose(SystemFs(), path, None) == (path, os.environ)
    command = commands_of(path, ["one"], tmp_path / "j", ["--live"])["one"]
    assert command[3:] == [
        *("run", str(path), "--account", "one", "--journal", str(tmp_path / "j" / "one")),
        *("--json", "--exit-with-parent", "--live"),
    ]


# --- processes --------------------------------------------------------------------------------

FAILS_ONCE = """
import json, os, sys
path = sys.argv[1]
if os.path.exists(path):
    print(json.dumps({"run_id": "a"}))
else:
    open(path, "w").close()
    sys.exit(3)
"""


@pytest.mark.slow
async def test_each_account_ends_as_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "PAUSE_S", (0.01, 0.01))
    commands = {
        "good": [
            sys.executable,
            "-c",
            'print(\'{"run_id": "good"}\')',
        ],
        "refused": [sys.executable, "-c", 'print(\'{"error": "no"}\'); raise SystemExit(2)'],
        "fails": [sys.executable, "-c", FAILS_ONCE, str(tmp_path / "marker")],
    }
    told: list[str] = []
    supervisor = Supervisor(commands, told.append)
    assert await supervisor.run() == 2
    assert supervisor.ended == {
        "good": Ended(0, {"run_id": "good"}, 1),
        "refused": Ended(2, {"error": "no"}, 1),
        "fails": Ended(0, {"run_id": "a"}, 2),
    }
    assert "account.fails: ended with code 3, started again in 0.01 s" in told


@pytest.mark.slow
async def test_a_signal_reaches_an_engine_that_is_just_being_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = trio.lowlevel.open_process

    async def interrupted(*args: Any, **options: Any) -> trio.Process:
        process = await start(*args, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked(0.01)
        return process

    monkeypatch.setattr(trio.lowlevel, "open_process", interrupted)
    supervisor = Supervisor({"one": [sys.executable, "-c", "import time; time.sleep(60)"]}, print)
    with trio.fail_after(10):
        assert await supervisor.run() == 1
    assert supervisor.ended["one"] == Ended(-signal.SIGTERM, None, 1)
