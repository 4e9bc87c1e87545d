"""What a panic needs of a configuration, and no more.

A panic must not wait for strategies to be imported, nor fail because a parameter of one is wrong:
the venue, the names of the markets and the operator's directory are read, all else is passed over.
Of several accounts, one that cannot be read does not keep the others from being cleared.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ConfigError

LATCH_NAME = "panic-latch"
"""As `adapters.runtime.latch.LATCH_NAME`, which a test compares."""


class PanicConfig(NamedTuple):
    """Where to cancel what, and where the latch is."""

    rest_url: str | None
    """None when the configuration names no venue: a run's own paper venue is known to it alone."""
    markets: tuple[str, ...]
    directory: Path
    account: str | None = None
    """Its name among several."""
    alone: bool = False
    """True where this account was named, so that the others go on."""
    credentials: Path | None = None
    """The file of the account's key; None looks where a run of one account does."""
    problem: str = ""
    """Why nothing more is known of the account."""

    @property
    def latch(self) -> Path:
        """What forbids placing: to the account that was named, or to everybody."""
        return self.directory / (f"{LATCH_NAME}-{self.account}" if self.alone else LATCH_NAME)


def default_directory(env: Mapping[str, str] = os.environ) -> Path:
    """Return the operator's directory where the configuration names none."""
    home = env.get("XDG_STATE_HOME") or str(Path(env.get("HOME", "/"), ".local", "state"))
    return Path(home, "quotefold")


def read_panic_config(path: Path | None, env: Mapping[str, str] = os.environ) -> PanicConfig:
    """Read a configuration as far as a panic needs it; None stands for the built-in one.

    Raises:
        ConfigError: what is needed cannot be read.
    """
    if path is None:
        return PanicConfig(None, (), default_directory(env))
    return _of_one(path, _read(path), env)


def read_panic_configs(
    path: Path | None, account: str | None, env: Mapping[str, str] = os.environ
) -> tuple[PanicConfig, ...]:
    """Read what is to be cleared: one configuration, all accounts of a file, or one of them.

    Raises:
        ConfigError: as `read_panic_config`, or the account is not among them.
    """
    raw = {} if path is None else _read(path)
    accounts = {} if path is None else _table(path, raw, "account")
    if account is not None and account not in accounts:
        known = ", ".join(accounts) or "none: no file of accounts was given"
        raise ConfigError(f"--account: expected one of the accounts ({known}), found {account}")
    if path is None or not accounts:
        return (read_panic_config(path, env),)
    names = accounts if account is None else (account,)
    return tuple(_of_account(path, accounts, name, env, alone=bool(account)) for name in names)


def _of_account(
    path: Path, accounts: dict[str, Any], name: str, env: Mapping[str, str], *, alone: bool
) -> PanicConfig:
    try:
        section = _table(path, accounts, name)
        config = _text(path, f"account.{name}", section, "config")
        credentials = _text(path, f"account.{name}", section, "credentials")
        if config is None:
            raise ConfigError(f"{path}: account.{name}.config: expected a file, found none")
        found = _of_one(path.parent / config, _read(path.parent / config), env)
    except ConfigError as error:
        # Its directory is not known: where all the others are told, it may be told as well.
        unknown = PanicConfig(None, (), default_directory(env), name, alone)
        return unknown._replace(problem=str(error))
    key = None if credentials is None else path.parent / credentials
    return found._replace(account=name, alone=alone, credentials=key)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a file, found none") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _of_one(path: Path, raw: dict[str, Any], env: Mapping[str, str]) -> PanicConfig:
    venue, markets = _table(path, raw, "venue"), tuple(_table(path, raw, "market"))
    directory = _text(path, "operator", _table(path, raw, "operator"), "directory")
    if directory is not None and not Path(directory).is_absolute():
        raise ConfigError(f"{path}: operator.directory: expected an absolute path")
    rest_url = _text(path, "venue", venue, "rest_url")
    # A colocated host does not cancel all (contract 1.1); the standard one serves everything.
    rest_url = _text(path, "venue", venue, "rest_fallback_url") or rest_url
    if "venue" in raw and (rest_url is None or not markets):
        raise ConfigError(f"{path}: expected venue.rest_url and at least one market")
    return PanicConfig(
        rest_url, markets, default_directory(env) if directory is None else Path(directory)
    )


def _table(path: Path, raw: dict[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name, {})
    if isinstance(found, dict):
        return found
    raise ConfigError(f"{path}: {name}: expected a table")


def _text(path: Path, section: str, table: dict[str, Any], key: str) -> str | None:
    found = table.get(key)
    if found is None or isinstance(found, str):
        return found
    raise ConfigError(f"{path}: {section}.{key}: expected a text")
