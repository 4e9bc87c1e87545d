"""What a panic needs of a configuration, and no more.

A panic must not wait for strategies to be imported, nor fail because a parameter of one is wrong:
the venue, the names of the markets and the operator's directory are read, all else is passed over.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ConfigError


class PanicConfig(NamedTuple):
    """Where to cancel what, and where the latch is."""

    rest_url: str | None
    """None when the configuration names no venue: a run's own paper venue is known to it alone."""
    markets: tuple[str, ...]
    directory: Path


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
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a file, found none") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
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
