"""Where credentials are found, in which order, and when they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.credentials import load_credentials
from adapters.ports import SystemFs
from engine.errors import ConfigError

ENVIRONMENT = {"QUOTEFOLD_KEY": "env-key", "QUOTEFOLD_SECRET": "env-secret"}


def _systemd(tmp_path: Path, *, names: tuple[str, ...] = ("key", "secret")) -> dict[str, str]:
    directory = tmp_path / "systemd"
    directory.mkdir()
    for name in names:
        (directory / f"quotefold-{name}").write_text(f"systemd-{name}\n")
    return {"CREDENTIALS_DIRECTORY": str(directory)}


def _file(tmp_path: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = tmp_path / "home" / "quotefold" / "credentials.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return {"XDG_CONFIG_HOME": str(tmp_path / "home")}


GOOD = 'key = "file-key"\nsecret = "file-secret"\n'


def test_systemd_wins_over_file_and_environment(tmp_path: Path) -> None:
    env = {**_systemd(tmp_path), **_file(tmp_path, GOOD), **ENVIRONMENT}
    found = load_credentials(SystemFs(), env)
    assert (found.key.reveal(), found.secret.reveal()) == ("systemd-key", "systemd-secret")


def test_file_wins_over_environment(tmp_path: Path) -> None:
    env = {**_systemd(tmp_path, names=()), **_file(tmp_path, GOOD), **ENVIRONMENT}
    found = load_credentials(SystemFs(), env)
    assert (found.key.reveal(), found.secret.reveal()) == ("file-key", "file-secret")
    assert found.source.endswith("credentials.toml")


def test_environment_is_the_last_resort(tmp_path: Path) -> None:
    found = load_credentials(SystemFs(), {**ENVIRONMENT, "HOME": str(tmp_path)})
    assert (found.key.reveal(), found.secret.reveal()) == ("env-key", "env-secret")


def test_credentials_never_print_themselves(tmp_path: Path) -> None:
    found = load_credentials(SystemFs(), {**ENVIRONMENT, "HOME": str(tmp_path)})
    assert "env-secret" not in repr(found)
    assert "env-key" not in repr(found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_file_that_others_may_read_is_refused_not_passed_over(tmp_path: Path, mode: int) -> None:
    env = {**_file(tmp_path, GOOD, mode), **ENVIRONMENT}
    with pytest.raises(ConfigError, match=f"expected mode 0600, found {mode:04o}; run chmod 600"):
        load_credentials(SystemFs(), env)


def test_half_of_the_systemd_credentials_is_refused(tmp_path: Path) -> None:
    env = {**_systemd(tmp_path, names=("key",)), **ENVIRONMENT}
    with pytest.raises(ConfigError, match=r"found only quotefold-key$"):
        load_credentials(SystemFs(), env)


def test_half_of_the_environment_is_refused(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "QUOTEFOLD_KEY": "env-key"}
    with pytest.raises(ConfigError, match=r"environment: QUOTEFOLD_SECRET is missing$"):
        load_credentials(SystemFs(), env)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('key = "file-key"\nsecret = file-secret\n', id="no TOML"),
        pytest.param('key = "file-key"\nsecrets = "file-secret"\n', id="a misspelt key"),
        pytest.param('key = "file-key"\nsecret = "file secret"\n', id="a space within"),
        pytest.param('key = "file-key"\nsecret = " "\n', id="an empty secret"),
    ],
)
def test_bad_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_credentials(SystemFs(), _file(tmp_path, text))
    assert "file-" not in str(caught.value)
    assert "file secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_named_file_must_exist(tmp_path: Path) -> None:
    env = {"QUOTEFOLD_CREDENTIALS": str(tmp_path / "none.toml"), **ENVIRONMENT}
    with pytest.raises(ConfigError, match=r"names .*none.toml, and there is no such file$"):
        load_credentials(SystemFs(), env)


class Unreadable(SystemFs):
    """A disk that shows credentials and does not give them."""

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))


def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    for env in (_systemd(tmp_path), _file(tmp_path, GOOD)):
        with pytest.raises(ConfigError, match=r"credentials: .*: cannot be read: Perm"):
            load_credentials(Unreadable(), env)
    directory = tmp_path / "a-directory"
    directory.mkdir(0o700)
    with pytest.raises(ConfigError, match="a-directory: cannot be read: Is a directory"):
        load_credentials(SystemFs(), {"QUOTEFOLD_CREDENTIALS": str(directory)})


def test_nothing_found_names_all_three_places(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_credentials(SystemFs(), {"HOME": str(tmp_path)})
    assert str(caught.value) == (
        "credentials: expected the systemd credentials quotefold-key and quotefold-secret, or "
        f"{tmp_path}/.config/quotefold/credentials.toml (mode 0600, with key and secret), or "
        "QUOTEFOLD_KEY and QUOTEFOLD_SECRET in the environment; found none of them"
    )
