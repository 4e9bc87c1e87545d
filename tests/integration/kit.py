"""Real processes for the tests: a venue, engines, and what the venue tells of itself.

Waiting is for a condition, never for a time; the patience is far beyond what a loaded machine
needs, so that a test fails for a reason.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from adapters.ports import SystemFs
from adapters.runtime.journal_read import list_segments
from engine.events import Record
from replay.read import read_records
from tests.source_tree import ROOT

PROGRAM = [sys.executable, "-m", "adapters.cli.main"]
ACCOUNT = "demo-1"
MARKETS = ("BTC_USDT", "BTC_PERP")
PATIENCE_S = 30.0
POLL_S = 0.02


def wait_until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until `condition` gives something true, and return that."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"{what}: not within {patience_s:g} s")


class Venue:
    """A running `quotefold paper` and its admin port."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        self.process = process
        self.rest: str = ready["rest"]
        self.ws: str = ready["ws"]
        self._admin: dict[str, str] = ready["admin"]
        account = next(a for a in ready["accounts"] if a["name"] == ACCOUNT)
        self.keys = {each["name"]: (each["key"], each["secret"]) for each in ready["accounts"]}
        self.key: str = account["key"]
        self.secret: str = account["secret"]

    def ask(self, method: str, path: str) -> Any:
        """Ask the admin port."""
        headers = {"Authorization": f"Bearer {self._admin['token']}"}
        request = Request(self._admin["url"] + path, method=method, headers=headers)
        with urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def orders(self, market: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/orders")[ACCOUNT]
        return [order for order in found if market in ("", order["market"])]

    def timers(self) -> list[dict[str, Any]]:
        """Kill-switch timers that are armed."""
        found: list[dict[str, Any]] = self.ask("GET", "/timers")[ACCOUNT]
        return found

    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/accounts")[ACCOUNT]
        return found

    def quotes_both_sides(self) -> bool:
        """True when an own order rests on each side of each market."""
        found = {(order["market"], order["side"]) for order in self.orders()}
        return found == {(market, side) for market in MARKETS for side in ("buy", "sell")}

    def wait_quotes(self) -> None:
        wait_until(self.quotes_both_sides, "quotes on both sides of both markets")


@contextmanager
def running_venue(*arguments: str) -> Iterator[Venue]:
    process = subprocess.Popen(
        [*PROGRAM, "paper", "--exit-with-parent", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield Venue(process)
        finally:
            process.terminate()


def settings(venue: Venue | None = None, **engine: str) -> str:
    """Return the configuration of `config/paper.toml`, for a venue and with a short timer.

    Args:
        venue: Where to quote; None leaves it to `run` to start one.
        engine: Keys of [engine] to change.
    """
    text = (ROOT / "config" / "paper.toml").read_text("utf-8")
    short = {"kill_switch_timeout": "5s", "kill_switch_refresh": "1250ms"}
    for key, value in {**short, **engine}.items():
        text, found = re.subn(rf'^{key} = ".*"$', f'{key} = "{value}"', text, flags=re.MULTILINE)
        assert found == 1, key
    if venue is not None:
        text += f'\n[venue]\nrest_url = "{venue.rest}"\nws_url = "{venue.ws}"\n'
    return text


class Engine:
    """A `quotefold run`; its output goes to files, which no reader has to empty."""

    def __init__(self, directory: Path, name: str, *arguments: str, env: dict[str, str]) -> None:
        self.journal = directory / "journal"
        self.out = directory / f"{name}.out"
        self.err = directory / f"{name}.err"
        command = [*PROGRAM, "run", "--json", "--journal", str(self.journal), *arguments]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **env},
            )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(patience_s)

    def summary(self) -> dict[str, Any]:
        """Return what the run printed: one JSON object and nothing else."""
        lines = self.out.read_text().splitlines()
        assert len(lines) == 1, lines
        found: dict[str, Any] = json.loads(lines[0])
        return found

    def finish(self) -> dict[str, Any]:
        """Ask it to stop, expect a clean end, and return its summary."""
        self.send(signal.SIGTERM)
        code = self.wait()
        assert code == 0, (code, self.out.read_text(), self.err.read_text())
        assert self.err.read_text() == ""
        return self.summary()

    def records(self) -> list[Record]:
        return read(self.journal)


@contextmanager
def running_engine(
    directory: Path,
    venue: Venue | None,
    *arguments: str,
    name: str = "run",
    text: str = "",
    **engine_keys: str,
) -> Iterator[Engine]:
    """Run the engine against a venue with the demo account; killed if the test leaves it.

    `text` is added to the configuration, and `engine_keys` change its [engine].
    """
    config = directory / "quotefold.toml"
    config.write_text(settings(venue, **engine_keys) + text)
    env = environment(directory, venue)
    engine = Engine(directory, name, str(config), *arguments, env=env)
    try:
        yield engine
    finally:
        if engine.process.poll() is None:
            engine.process.kill()
            engine.process.wait()


def environment(directory: Path, venue: Venue | None) -> dict[str, str]:
    """Return what sets commands of a test apart from those of the user, with the demo account."""
    env = {"XDG_CONFIG_HOME": str(directory), "XDG_STATE_HOME": str(directory)}
    if venue is not None:
        env |= {"QUOTEFOLD_KEY": venue.key, "QUOTEFOLD_SECRET": venue.secret}
    return env


def read(journal: Path) -> list[Record]:
    """Return the records of a journal, also of one that is being written or has just begun."""
    if not list_segments(SystemFs(), journal):
        return []
    return list(read_records(SystemFs(), journal))


def quotefold(
    *arguments: str, env: dict[str, str] | None = None, patience_s: float = PATIENCE_S
) -> tuple[int, str, str]:
    """Run a command to its end; returns exit code, stdout and stderr."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr


def proved(journal: Path, *, hash_seed: str = "0") -> dict[str, Any]:
    """Prove a journal in another process and return the proof."""
    code, out, err = quotefold(
        "replay", str(journal), "--verify", "--json", env={"PYTHONHASHSEED": hash_seed}
    )
    proof: dict[str, Any] = json.loads(out)
    assert (code, proof["divergences"], err) == (0, 0, ""), proof
    return proof
