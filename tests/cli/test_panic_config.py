"""What a panic reads of a configuration, and that it reads the same as a run does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import panic_config
from adapters.cli.config import default_config, load_config, state_directory
from adapters.cli.main import main
from adapters.cli.panic_config import PanicConfig, read_panic_config, read_panic_configs
from adapters.ports import SystemFs
from adapters.runtime.latch import LATCH_NAME
from engine.errors import ConfigError
from tests.source_tree import ROOT

ENV = {"XDG_STATE_HOME": "/state", "HOME": "/h"}
VENUE = '\n[venue]\nrest_url = "https://venue.test"\nws_url = "wss://venue.test/ws"\n'


@pytest.mark.parametrize("directory", ["", '[operator]\ndirectory = "/var/lib/quotefold"\n'])
def test_a_panic_reads_what_a_run_reads(tmp_path: Path, directory: str) -> None:
    path = tmp_path / "my.toml"
    example = (ROOT / "config" / "paper.toml").read_text("utf-8").replace("[operator]\n", "")
    path.write_text(example + VENUE + directory)
    config = load_config(SystemFs(), path)
    assert config.venue is not None
    assert read_panic_config(path, ENV) == PanicConfig(
        config.venue.rest_url, tuple(config.market), state_directory(config, ENV)
    )


@pytest.mark.parametrize(
    ("env", "directory"),
    [(ENV, "/state/quotefold"), ({"HOME": "/h"}, "/h/.local/state/quotefold")],
)
def test_without_a_file_the_latch_is_where_a_run_looks(env: dict[str, str], directory: str) -> None:
    found = read_panic_config(None, env)
    assert found == PanicConfig(None, (), Path(directory))
    assert found.directory == state_directory(default_config(), env)


def test_what_a_panic_does_not_need_may_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('[engine]\nbroken = 1\n[market.BTC_USDT]\nstrategy = "none"\n' + VENUE)
    assert read_panic_config(path, ENV).markets == ("BTC_USDT",)


REFUSALS = [
    ("no TOML", "= 1", "cannot be read"),
    ("not UTF-8", "\udcff", "cannot be read"),
    ("no market", VENUE, "expected venue.rest_url and at least one market"),
    ("no address", "[venue]\n[market.BTC_USDT]\n", "expected venue.rest_url"),
    ("an address that is none", "[venue]\nrest_url = 1\n", "venue.rest_url: expected a text"),
    ("no table", "market = 1\n", "market: expected a table"),
    ("a relative directory", '[operator]\ndirectory = "x"\n', "expected an absolute path"),
]


@pytest.mark.parametrize(
    ("text", "problem"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_it_needs_must_be_right(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=problem):
        read_panic_config(path, ENV)


def test_a_file_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a file, found none"):
        read_panic_config(tmp_path / "none.toml", ENV)


def test_both_mean_the_same_file() -> None:
    assert panic_config.LATCH_NAME == LATCH_NAME


@pytest.mark.parametrize("patience", ["9s", "9999ms", "soon"])
def test_too_little_patience_is_refused_before_anything_is_done(
    patience: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["panic", "--patience", patience]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_latch_that_cannot_be_written_is_said_and_lifting_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "quotefold").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["panic"]) == 1
    assert "an engine may place again" in capsys.readouterr().err
    assert main(["panic", "--lift"]) == 1
    assert "still set" in capsys.readouterr().err


def test_a_latch_is_set_and_lifted_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["panic", "--lift"]) == 0
    assert "no latch to lift" in capsys.readouterr().out
    assert main(["panic"]) == 1
    assert (tmp_path / "quotefold" / LATCH_NAME).exists()
    assert "no venue in the configuration" in capsys.readouterr().out
    assert main(["panic"]) == 1
    assert "was set already" in capsys.readouterr().out
    assert main(["panic", "--lift"]) == 0
    assert "latch lifted" in capsys.readouterr().out


# --- several accounts ---------------------------------------------------------------------------


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two accounts on paper venues of their own, where nothing can be cancelled from here."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "accounts.toml"
    text = ""
    for name in ("main", "hedge"):
        (tmp_path / f"{name}.toml").write_text("[market.BTC_USDT]\n")
        text += f'[account.{name}]\nconfig = "{name}.toml"\n'
    path.write_text(text)
    return path


def latches(directory: Path) -> list[str]:
    return sorted(each.name for each in (directory / "quotefold").glob("*"))


def test_a_panic_reads_every_account_and_where_its_key_is(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    (tmp_path / "one.toml").write_text("[market.BTC_USDT]\n" + VENUE)
    path.write_text(
        '[account.one]\nconfig = "one.toml"\ncredentials = "one.key"\n'
        '[account.two]\nconfig = "two.toml"\n'
    )
    one, two = read_panic_configs(path, None, ENV)
    assert (one.account, one.markets, one.rest_url) == ("one", ("BTC_USDT",), "https://venue.test")
    assert one.credentials == tmp_path / "one.key"
    assert one.latch == two.latch == Path("/state/quotefold/panic-latch")
    assert (two.account, two.markets) == ("two", ())
    assert two.problem == f"{tmp_path / 'two.toml'}: expected a file, found none"
    (alone,) = read_panic_configs(path, "one", ENV)
    assert alone == one._replace(alone=True)
    assert alone.latch == Path("/state/quotefold/panic-latch-one")


@pytest.mark.parametrize("words", [(), ("my.toml",)], ids=["no file", "a file of one account"])
def test_an_account_that_nobody_names_is_refused(
    accounts: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    directory = accounts.parent
    given = [str(directory / "main.toml") for _ in words]
    for command in ("panic", "run", "doctor"):
        assert main([command, *given, "--account", "main"]) == 2
        assert "--account: expected one of the accounts (none: " in capsys.readouterr().err
        assert main([command, str(accounts), "--account", "other"]) == 2
        assert "expected one of the accounts (main, hedge)" in capsys.readouterr().err
    assert latches(directory) == []


def test_one_account_is_latched_and_lifted_alone_and_all_of_them_together(
    accounts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def panic(*words: str) -> tuple[int, Any]:
        code = main(["panic", str(accounts), "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    code, report = panic("--account", "main")
    assert (code, report["latched"], report["clear"]) == (1, True, False)
    assert latches(tmp_path) == ["panic-latch-main"]
    code, report = panic()
    assert set(report["accounts"]) == {"main", "hedge"}
    assert latches(tmp_path) == ["panic-latch", "panic-latch-main"]
    code, report = panic("--lift")
    own = str(tmp_path / "quotefold" / "panic-latch-main")
    assert (code, report["lifted"], report["still_set"]) == (0, True, [own])
    code, report = panic("--lift", "--account", "hedge")
    assert (code, report["lifted"], report["still_set"]) == (0, False, [own])
    assert main(["panic", str(accounts), "--lift", "--account", "main"]) == 0
    assert "latch lifted" in capsys.readouterr().out
    assert latches(tmp_path) == []


def test_an_account_that_cannot_be_read_keeps_no_other_from_being_latched(
    accounts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hedge.toml").write_text("= 1")
    assert main(["panic", str(accounts)]) == 1
    out = capsys.readouterr().out
    assert "account.hedge: NOT PROVED CLEAR: " in out
    assert "account.main: no venue in the configuration" in out
    assert "clear: " not in out
    assert latches(tmp_path) == ["panic-latch"]
