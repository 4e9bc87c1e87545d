"""Find the API key and its secret: systemd credentials, a 0600 file, the environment.

The first place that has them wins; a place that has half of them, or that others may read, is
refused rather than passed over. They are never in the configuration file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from adapters.ports import Fs
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError

KEY_NAME = "quotefold-key"
SECRET_NAME = "quotefold-secret"
KEY_VARIABLE = "QUOTEFOLD_KEY"
SECRET_VARIABLE = "QUOTEFOLD_SECRET"
FILE_VARIABLE = "QUOTEFOLD_CREDENTIALS"

_OTHERS = 0o077
"""Permission bits of everybody but the owner."""


class Credentials(Struct, frozen=True):
    key: Secret
    secret: Secret
    source: str
    """Where they were found, for people."""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    secret: str


def load_credentials(fs: Fs, env: Mapping[str, str] = os.environ) -> Credentials:
    """Find the account's credentials.

    Args:
        fs: Where files are read.
        env: The environment: `CREDENTIALS_DIRECTORY` is set by systemd, `QUOTEFOLD_CREDENTIALS`
            names the file (default `quotefold/credentials.toml` under `XDG_CONFIG_HOME`).

    Raises:
        ConfigError: nowhere found, half found, not to be read, or readable for others. No message
            shows them.
    """
    try:
        found = _from_systemd(env, fs) or _from_file(env, fs) or _from_environment(env)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
        raise ConfigError(f"credentials: {error.filename or 'a file'}: {problem}") from error
    if found is None:
        raise ConfigError(
            f"credentials: expected the systemd credentials {KEY_NAME} and {SECRET_NAME}, "
            f"or {_file_path(env)} (mode 0600, with key and secret), "
            f"or {KEY_VARIABLE} and {SECRET_VARIABLE} in the environment; found none of them"
        )
    return found


def _from_systemd(env: Mapping[str, str], fs: Fs) -> Credentials | None:
    directory = env.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    present = set(fs.list_dir(Path(directory))) & {KEY_NAME, SECRET_NAME}
    if not present:
        return None
    if len(present) == 1:
        raise ConfigError(
            f"credentials: {directory}: expected both {KEY_NAME} and {SECRET_NAME}, "
            f"found only {present.pop()}"
        )
    key, secret = (fs.read(Path(directory, name)) for name in (KEY_NAME, SECRET_NAME))
    # systemd keeps the directory to the service's own user, so modes need no check.
    return _checked(_text(key, directory), _text(secret, directory), directory)


def _from_file(env: Mapping[str, str], fs: Fs) -> Credentials | None:
    path = _file_path(env)
    try:
        mode = fs.mode(path)
    except FileNotFoundError:
        if FILE_VARIABLE in env:
            raise ConfigError(
                f"credentials: {FILE_VARIABLE} names {path}, and there is no such file"
            ) from None
        return None
    if mode & _OTHERS:
        raise ConfigError(
            f"credentials: {path}: expected mode 0600, found {mode:04o}; "
            f"run chmod 600 on it, and replace the key if others may have read it"
        )
    try:
        content = msgspec.toml.decode(fs.read(path), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The parser's own words, and its traceback, could show the secret.
        raise ConfigError(
            f'credentials: {path}: expected two lines of TOML, key = "..." and secret = "..."'
        ) from None
    return _checked(content.key, content.secret, str(path))


def _file_path(env: Mapping[str, str]) -> Path:
    named = env.get(FILE_VARIABLE)
    if named is not None:
        return Path(named)
    config_home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "/"), ".config"))
    return Path(config_home, "quotefold", "credentials.toml")


def _from_environment(env: Mapping[str, str]) -> Credentials | None:
    key, secret = env.get(KEY_VARIABLE), env.get(SECRET_VARIABLE)
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        missing = KEY_VARIABLE if key is None else SECRET_VARIABLE
        raise ConfigError(f"credentials: environment: {missing} is missing")
    return _checked(key, secret, "environment")


def _text(content: bytes, where: str) -> str:
    if not content.isascii():
        raise ConfigError(f"credentials: {where}: expected ASCII text, found other bytes")
    return content.decode("ascii")


def _checked(key: str, secret: str, where: str) -> Credentials:
    # Both end up in headers and hashes, where a stray line break would be a riddle.
    texts = (key.strip(), secret.strip())
    for name, text in zip(("key", "secret"), texts, strict=True):
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ConfigError(
                f"credentials: {where}: the {name} is empty or has characters that none can have"
            )
    return Credentials(Secret(texts[0]), Secret(texts[1]), where)
