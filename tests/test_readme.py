"""Every command the README names exists, with its options, and the quick ones do run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest

from adapters.cli.main import cli
from tests.source_tree import ROOT

RUN_TIME = "3s"
"""How long a test lets `run` quote, in place of the README's longer time."""


@cache
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def typed() -> list[str]:
    """Return the commands that a reader is told to type: lines after `$` in a console block."""
    blocks = re.findall(r"^```console\n(.*?)^```", readme(), re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def named() -> list[str]:
    """Return the commands of the README, typed ones and those named in its sentences."""
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", readme())]
    return [*typed(), *(span for span in spans if re.match(r"(make|quotefold) ", span))]


def program(command: str) -> list[str] | None:
    """Return the arguments that a command hands to `quotefold`, None when it hands none."""
    words = shlex.split(command)
    if words[:2] == ["make", "run"]:
        given = [word.removeprefix("ARGS=") for word in words[2:] if word.startswith("ARGS=")]
        return ["run", *shlex.split(" ".join(given))]
    return words[1:] if Path(words[0]).name == "quotefold" else None


def programs() -> list[tuple[str, ...]]:
    found = (program(command) for command in named())
    return list(dict.fromkeys(tuple(words) for words in found if words is not None))


def parsed(words: tuple[str, ...]) -> click.Context:
    """Parse as click does, down to the last subcommand, and run nothing."""
    context = cli.make_context("quotefold", list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def run_program(words: list[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    start = "import sys; from adapters.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", start, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_readme_names_commands() -> None:
    assert {"make run", "make test"} <= {" ".join(command.split()[:2]) for command in typed()}
    assert len(programs()) >= 5


def test_every_make_target_exists() -> None:
    named_targets = {words[1] for words in map(str.split, named()) if words[0] == "make"}
    assert named_targets - make_targets() == set()


def test_every_file_that_is_named_exists() -> None:
    spans = re.findall(r"`([\w./]+/[\w./]*|[\w]+\.toml)`|\]\(([^)#]+)\)", readme())
    paths = {first or second for first, second in spans} - {"my.toml"}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("words", programs(), ids=" ".join)
def test_every_program_command_parses(words: tuple[str, ...]) -> None:
    assert parsed(words).command.callback is not None


def test_make_alone_lists_every_target() -> None:
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z]+) +\S", listing, re.MULTILINE)) == make_targets()


@pytest.mark.slow
def test_the_typed_commands_run_in_their_order(tmp_path: Path) -> None:
    # Journals go where the test can throw them away, and `run` stops early.
    for words in filter(None, map(program, typed())):
        given = [re.sub(r"^journals/", f"{tmp_path}/", word) for word in words]
        if words[0] == "run":
            assert "--for" in words, "a run the README shows has an end"
            given[given.index("--for") + 1] = RUN_TIME
        done = run_program(given, timeout_s=60)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert done.stdout, f"{words} printed nothing"
