"""The flag and the configuration have to agree before money is real."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.config import Config, default_config, parse_config
from adapters.cli.live_mode import check_mode
from adapters.cli.main import main
from adapters.cli.only_engine import only_engine
from adapters.ports import SystemFs
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError
from tests.cli.test_config import GOOD

REAL = '[venue]\nrest_url = "https://whitebit.com"\nws_url = "wss://api.whitebit.com/ws"\n'
HERE = '[venue]\nrest_url = "http://127.0.0.1:1"\nws_url = "ws://127.0.0.1:1/ws"\n'
TUNNEL = HERE + 'mode = "live"\n'
HALF = '[venue]\nrest_url = "http://127.0.0.1:1"\nws_url = "wss://api.whitebit.com/ws"\n'


def config_of(venue: str) -> Config:
    return parse_config((GOOD + venue).encode(), "my.toml")


CASES = [
    ("no venue", "", "paper", ""),
    ("no venue, looked on", "", "observe", ""),
    ("no venue, with the flag", "", "live", "expected a section [venue]"),
    ("this machine", HERE, "paper", ""),
    ("this machine, looked on", HERE, "observe", ""),
    ("this machine, with the flag", HERE, "live", 'set mode = "live" in [venue]'),
    ("this machine, called paper", HERE + 'mode = "paper"\n', "paper", ""),
    ("called paper, with the flag", HERE + 'mode = "paper"\n', "live", "taken for a paper venue"),
    ("the exchange", REAL, "live", ""),
    ("the exchange, looked on", REAL, "observe", ""),
    ("the exchange without the flag", REAL, "paper", "quote there with --live"),
    ("a tunnel to it", TUNNEL, "live", ""),
    ("a tunnel without the flag", TUNNEL, "paper", "quote there with --live"),
    ("one of the two hosts", HALF, "paper", "quote there with --live"),
    ("one of the two hosts, with the flag", HALF, "live", ""),
    ("both flags", REAL, "both", "expected one of them"),
]


@pytest.mark.parametrize(
    ("venue", "how", "problem"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_may_be_run(venue: str, how: str, problem: str) -> None:
    config, live, observe = config_of(venue), how in ("live", "both"), how in ("observe", "both")
    if not problem:
        assert check_mode(config, live=live, observe=observe) == how
        return
    with pytest.raises(ConfigError) as caught:
        check_mode(config, live=live, observe=observe)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_built_in_configuration_is_never_live() -> None:
    with pytest.raises(ConfigError, match="built-in defaults"):
        check_mode(default_config(), live=True, observe=False)


VENUES = [
    ("clear text to another machine", REAL.replace("https", "http"), "expected https"),
    ("clear text of the stream", REAL.replace("wss", "ws"), "expected wss"),
    (
        "clear text to the fallback",
        REAL + 'rest_fallback_url = "http://whitebit.com"\n',
        "venue.rest_fallback_url: expected https",
    ),
    ("paper elsewhere", REAL + 'mode = "paper"\n', 'venue.mode: expected "live", found "paper"'),
    ("paper, and half of it elsewhere", HALF + 'mode = "paper"\n', 'expected "live"'),
    (
        "a mode that is none",
        REAL + 'mode = "test"\n',
        'venue.mode: expected one of "live", "paper", found "test"',
    ),
    ("no market", None, "expected at least one market"),
]


@pytest.mark.parametrize(
    ("venue", "problem"), [case[1:] for case in VENUES], ids=[case[0] for case in VENUES]
)
def test_a_venue_that_is_refused_whatever_the_flag(venue: str | None, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config((REAL if venue is None else GOOD + venue).encode(), "my.toml")
    assert problem in str(caught.value)


def test_accounts_are_all_live_or_none_and_nothing_starts_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ""
    for name, venue in (("one", REAL), ("two", "")):
        (tmp_path / f"{name}.toml").write_text(GOOD + venue)
        key = tmp_path / f"{name}.key"
        key.write_text(f'key = "{name}"\nsecret = "s"')
        key.chmod(0o600)
        text += f'[account.{name}]\nconfig = "{name}.toml"\ncredentials = "{name}.key"\n'
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    for flags, problem in (((), "quote there with --live"), (("--live",), "two.toml: expected")):
        assert main(["run", str(path), "--journal", str(tmp_path / "j"), *flags]) == 2
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "j").exists()


def test_an_account_has_one_live_engine(tmp_path: Path) -> None:
    fs, directory = SystemFs(), tmp_path / "state"
    with only_engine(fs, directory, Secret("one")), only_engine(fs, directory, Secret("two")):
        with (
            pytest.raises(ConfigError, match="an engine of this account runs already"),
            only_engine(fs, directory, Secret("one")),
        ):
            pass
        names = [each.name for each in directory.iterdir()]
        assert len(names) == 2
        assert not any("one" in name or "two" in name for name in names)
    with only_engine(fs, directory, Secret("one")):
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match="cannot be locked"),
        only_engine(fs, tmp_path / "file", Secret("one")),
    ):
        pass
