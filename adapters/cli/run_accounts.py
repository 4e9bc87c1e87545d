"""`quotefold run` with a file of accounts: an engine of its own for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click
import trio

from adapters.cli.config import default_config, load_config
from adapters.cli.live_mode import check_mode
from adapters.cli.run import new_journal
from adapters.cli.summary import print_summary
from adapters.cli.supervise import Account, Supervisor, commands_of
from adapters.ports import Fs, SystemClock, SystemIds


class Shared(NamedTuple):
    """What is said to every account's engine."""

    duration: str | None
    observe: bool
    live: bool
    flow: str | None
    seed: int | None
    log: str | None
    log_level: str

    def options(self) -> list[str]:
        """Return it as options of `run`."""
        given = {"--for": self.duration, "--flow": self.flow, "--seed": self.seed}
        given |= {"--log": self.log, "--log-level": self.log_level}
        options = [
            str(each) for key, value in given.items() if value is not None for each in (key, value)
        ]
        return options + ["--observe"] * self.observe + ["--live"] * self.live


def run_accounts(
    fs: Fs,
    path: Path,
    accounts: Mapping[str, Account],
    journal: Path | None,
    shared: Shared,
    *,
    as_json: bool,
) -> int:
    """Run every engine of the file at `path` to its end; returns the exit code.

    Raises:
        ConfigError: `--live` and the configuration of an account disagree; nothing was started.
    """
    for account in accounts.values():
        check_mode(load_config(fs, account.config), live=shared.live, observe=shared.observe)
    directory = journal or new_journal(default_config(), SystemClock(), SystemIds())
    commands = commands_of(path, accounts, directory, shared.options())
    supervisor = Supervisor(commands, lambda text: click.echo(text, err=True))
    code = trio.run(supervisor.run)
    if as_json:
        found = {
            name: {"code": ended.code, "starts": ended.starts, "summary": ended.summary}
            for name, ended in supervisor.ended.items()
        }
        click.echo(json.dumps({"journal": str(directory), "accounts": found}))
        return code
    for name, ended in supervisor.ended.items():
        click.echo(f"account.{name}:")
        if ended.in_order and ended.summary is not None:
            print_summary(ended.summary, as_json=False)
        elif ended.summary is not None:
            click.echo(f"error: {ended.summary.get('error', '')}")
    return code
