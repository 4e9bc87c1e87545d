"""The program itself: lazy commands, one-line errors, exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import click
import pytest

from adapters.cli import main as program
from adapters.cli.main import COMMANDS, main
from engine.errors import ConfigError, JournalError


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: quotefold {name}" in capsys.readouterr().out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, text) in COMMANDS.items():
        assert f"  {name:<8}  {text}" in shown


@pytest.mark.slow
def test_help_imports_no_command_and_nothing_slow() -> None:
    script = (
        "import sys; from adapters.cli.main import main; main(['--help']); "
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    commands = {module.partition(":")[0] for module, _ in COMMANDS.values()}
    assert "adapters.cli.main" in loaded
    assert loaded.isdisjoint({*commands, "trio", "msgspec", "rich", "httpx", "decimal"})


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("quotefold ")


def test_misspelt_command_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panik"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "No such command 'panik'. Did you mean 'panic'?" in shown.err


def test_usage_error_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panik", "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "error": "No such command 'panik'. Did you mean 'panic'?",
        "kind": "usage",
    }


def test_a_sign_that_the_reader_cannot_show_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # A venue's words come as they are, and a locale of before Unicode lacks most signs.
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="latin-1"))
    assert main(["pani\N{KELVIN SIGN}\N{LATIN SMALL LETTER E WITH ACUTE}", "--json"]) == 2
    assert b"pani\\u212a\xe9" in shown.getvalue()


STOPS: list[tuple[str, BaseException, int, str, str]] = [
    ("a configuration error", ConfigError("no\n  such key"), 2, "ConfigError", "no such key"),
    ("a journal error", JournalError("a gap"), 1, "JournalError", "a gap"),
    (
        "one error in the groups of nurseries",
        ExceptionGroup("outer", [ExceptionGroup("inner", [JournalError("a gap")])]),
        1,
        "JournalError",
        "a gap",
    ),
    ("an interrupt", KeyboardInterrupt(), 130, "interrupted", "interrupted"),
    (
        "an interrupt in the groups of nurseries",
        BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [KeyboardInterrupt()])]),
        130,
        "interrupted",
        "interrupted",
    ),
]


def _stop_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def stopping(as_json: bool) -> None:
        raise error

    monkeypatch.setattr(program, "COMMANDS", {"stopping": (f"{__name__}:stopping", "Stops.")})
    monkeypatch.setattr(sys.modules[__name__], "stopping", stopping, raising=False)


@pytest.mark.parametrize(
    ("error", "code", "kind", "message"), [pytest.param(*case[1:], id=case[0]) for case in STOPS]
)
def test_error_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    kind: str,
    message: str,
) -> None:
    _stop_with(monkeypatch, error)
    assert main(["stopping"]) == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err.strip()) == ("", f"error: {message}")
    assert main(["stopping", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {"error": message, "kind": kind}


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ZeroDivisionError(), id="alone"),
        pytest.param(ExceptionGroup("", [JournalError("a"), ZeroDivisionError()]), id="in company"),
    ],
)
def test_bug_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    _stop_with(monkeypatch, error)
    with pytest.raises(type(error)):
        main(["stopping"])


@pytest.mark.slow
def test_reader_that_went_away_leaves_no_noise() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb") as broken:
        done = subprocess.run(
            [sys.executable, "-m", "adapters.cli.main", "--help"],
            stdout=broken,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "adapters.cli.main", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "error: standard output: no space is left for what is printed\n"
