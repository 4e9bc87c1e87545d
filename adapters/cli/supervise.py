"""Several accounts from one configuration: an engine, a process and a journal for each.

The file names accounts, each with a configuration of its own and the file that holds its key.
`run`, `doctor` and `panic` take one of them by `--account`:

    [account.main]
    config = "main.toml"
    credentials = "/etc/quotefold/main.credentials.toml"

Engines share nothing. One that fails is started again after a pause, on its journal; one that was
refused (its configuration, its key, a panic latch) or came to an orderly end is not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from adapters.cli.config import load_config
from adapters.cli.config_errors import convert, refused
from adapters.cli.credentials import FILE_VARIABLE, load_credentials
from adapters.ports import Fs
from engine.errors import ConfigError

EXIT_REFUSED = 2
PAUSE_S = (1.0, 60.0)
"""First and longest pause before a start, doubling between."""
CALM_S = 600.0
"""An engine that lived for so long begins anew with the first pause."""
NAME_MAX = 32


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    config: str
    credentials: str | None = None


class Account(msgspec.Struct, frozen=True):
    """One account; in the file, paths are relative to it."""

    config: Path
    credentials: Path | None
    """Of mode 0600, with key and secret; None for a paper account of a venue of its own."""

    def environment(self) -> Mapping[str, str]:
        """Return where its credentials are looked for: in its own file and nowhere else."""
        return {FILE_VARIABLE: str(self.credentials)} if self.credentials else {}


class Ended(msgspec.Struct, frozen=True):
    """How the last process of an account ended."""

    code: int
    summary: dict[str, Any] | None
    """What the run printed at its end, in order or not; None for nothing that can be read."""
    starts: int

    @property
    def in_order(self) -> bool:
        """True when a run came to its own end, clean or not."""
        return self.summary is not None and "run_id" in self.summary


def load_accounts(fs: Fs, path: Path) -> dict[str, Account]:
    """Return the accounts that a file names; empty for a configuration of one account.

    Raises:
        ConfigError: the file, or the configuration of an account, is refused; or two accounts
            have the same key or a place in common.
    """
    accounts = _named(fs, path)
    _check_apart(fs, str(path), accounts)
    return accounts


def _named(fs: Fs, path: Path) -> dict[str, Account]:
    try:
        raw = msgspec.toml.decode(fs.read(path))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}  # told by who reads it as a configuration
    if "account" not in raw:
        return {}
    source = str(path)
    for other in raw:
        if other != "account":
            hint = "each account has a configuration of its own"
            raise refused(source, other, "expected nothing beside accounts", hint)
    accounts = {}
    for name, section in convert(raw["account"], dict[str, Any], source, "account").items():
        if not name.isascii() or not name.replace("-", "").isalnum() or len(name) > NAME_MAX:
            raise refused(source, f"account.{name}", "expected a name of letters, digits and -")
        found = convert(section, _Section, source, f"account.{name}")
        key = None if found.credentials is None else path.parent / found.credentials
        accounts[name] = Account(path.parent / found.config, key)
    if not accounts:
        raise refused(source, "account", "expected at least one account, found none")
    return accounts


def choose(fs: Fs, path: Path | None, account: str | None) -> tuple[Path | None, Mapping[str, str]]:
    """Return the configuration to use, and where its credentials are looked for.

    What is wrong with another account keeps this one from nothing.

    Args:
        fs: Where files are read.
        path: A configuration, or a file of accounts; None for the built-in one.
        account: Which of the accounts; None for a configuration of one.

    Raises:
        ConfigError: the file is refused, or names no such account.
    """
    if account is None:
        return path, os.environ
    accounts = {} if path is None else _named(fs, path)
    if account not in accounts:
        known = ", ".join(accounts) or "none: no file of accounts was given"
        raise ConfigError(f"--account: expected one of the accounts ({known}), found {account}")
    return accounts[account].config, accounts[account].environment()


def _check_apart(fs: Fs, source: str, accounts: Mapping[str, Account]) -> None:
    taken: dict[tuple[str, object], str] = {}
    for name, account in accounts.items():
        config = load_config(fs, account.config)
        claims: list[tuple[str, object]] = []
        if config.metrics.port is not None:
            claims.append(("metrics.port", config.metrics.port))
        if config.venue is not None:
            if account.credentials is None:
                raise refused(source, f"account.{name}.credentials", "expected a file, found none")
            credentials = load_credentials(fs, account.environment())
            claims.append(("key", credentials.key.reveal()))
        for claim in claims:
            other = taken.setdefault(claim, name)
            if other != name:
                problem = f"expected another {claim[0]} than account.{other}"
                raise refused(source, f"account.{name}", problem)


def pause_after(ended: Ended, lived_s: float, before_s: float) -> float | None:
    """Return the seconds to wait before an engine is started again; None for never.

    Args:
        ended: How it ended.
        lived_s: How long it ran.
        before_s: The pause before this start; 0 for the first.
    """
    if ended.in_order or ended.code == EXIT_REFUSED:
        return None
    first_s, longest_s = PAUSE_S
    if not before_s or lived_s >= CALM_S:
        return first_s
    return min(2 * before_s, longest_s)


def exit_code(codes: Sequence[int]) -> int:
    """Return one code for all: 1 if any engine ended without proof, else 2 if any was refused."""
    if any(code not in (0, EXIT_REFUSED) for code in codes):
        return 1
    return max(codes, default=0)


class Supervisor:
    """Starts engines, passes signals on, and starts again what failed."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        tell: Callable[[str], None],
    ) -> None:
        """Run `commands`, by account."""
        self._commands = commands
        self._tell = tell
        self._running: dict[str, trio.Process] = {}
        self._stopping = trio.Event()
        self._received = 0
        self.ended: dict[str, Ended] = {}

    async def run(self) -> int:
        """Run until every engine has ended for good; return the exit code."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with trio.open_signal_receiver(*signals) as received:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, received)
                async with trio.open_nursery() as engines:
                    for name in self._commands:
                        engines.start_soon(self._keep, name)
                nursery.cancel_scope.cancel()
        return exit_code([ended.code for ended in self.ended.values()])

    async def _pass_on(self, received: Any) -> None:
        async for number in received:
            # A second one is passed on too: each engine leaves at once, its timer armed.
            self._stopping.set()
            self._received = number
            for process in self._running.values():
                process.send_signal(number)

    async def _keep(self, name: str) -> None:
        pause_s: float | None = 0.0
        starts = 0
        while pause_s is not None and not self._stopping.is_set():
            with trio.move_on_after(pause_s):
                await self._stopping.wait()
                return
            starts += 1
            began = trio.current_time()
            ended = self.ended[name] = await self._once(name, starts)
            pause_s = pause_after(ended, trio.current_time() - began, pause_s)
            if self._stopping.is_set():
                pause_s = None
            self._tell(f"account.{name}: ended with code {ended.code}{_next(pause_s)}")

    async def _once(self, name: str, starts: int) -> Ended:
        process = await trio.lowlevel.open_process(
            list(self._commands[name]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C reaches it through us, and once.
            start_new_session=True,
        )
        self._running[name] = process
        if self._stopping.is_set():
            # It came while this one was being started, and could not be told.
            process.send_signal(self._received)
        try:
            assert process.stdout is not None
            out = b"".join([part async for part in process.stdout])
            code = await process.wait()
        finally:
            del self._running[name]
            assert process.stdin is not None
            # Whatever ends us ends its input, on which the engine stops in good order.
            await process.stdin.aclose()
        try:
            summary = msgspec.json.decode(out, type=dict[str, Any])
        except msgspec.DecodeError:
            summary = None
        return Ended(code, summary, starts)


def _next(pause_s: float | None) -> str:
    return "" if pause_s is None else f", started again in {pause_s:g} s"


def commands_of(
    path: Path, names: Iterable[str], journal: Path, options: Sequence[str]
) -> dict[str, list[str]]:
    """Return the command of each account's engine.

    Args:
        path: The file of accounts.
        names: Of the accounts.
        journal: Each engine's journal is the directory of its account's name in here.
        options: Of `run`, for all of them.
    """
    run = [sys.executable, "-m", "adapters.cli.main", "run", str(path)]
    commands = {}
    for name in names:
        own = ["--account", name, "--journal", str(journal / name)]
        commands[name] = [*run, *own, "--json", "--exit-with-parent", *options]
    return commands
