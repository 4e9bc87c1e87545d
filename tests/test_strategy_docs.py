"""docs/write-a-strategy.md is followed word for word, in a copy of the checkout."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_tree import PRODUCT, ROOT
from tests.test_readme import RUN_TIME, parsed, program

PAGE = ROOT / "docs" / "write-a-strategy.md"
COPIED = (*PRODUCT, "tests/strategies", "tests/engine")
DEAL = "6290000000135"
"""The deal of the page's own run."""


def blocks() -> list[tuple[str, str]]:
    """Return (kind, text) of every block that a reader types or edits by, in order."""
    pattern = r"^```(console|diff)\n(.*?)^```"
    return re.findall(pattern, PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def typed() -> list[str]:
    return [each for kind, text in blocks() if kind == "console" for each in commands(text)]


def edit(directory: Path, diff: str) -> None:
    """Replace, in the one file that has them, the lines before by the lines after."""
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if line[:1] != "+") + "\n"
    after = "\n".join(line[1:] for line in lines if line[:1] != "-") + "\n"
    paths = [directory / "strategies" / "wide.py", directory / "tests/strategies/test_wide.py"]
    (path,) = (path for path in paths if path.read_text("utf-8").count(before) == 1)
    path.write_text(path.read_text("utf-8").replace(before, after))


def copied(directory: Path) -> Path:
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, directory / name, ignore=ignored)
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py"):
        shutil.copyfile(ROOT / name, directory / name)
    return directory


def arguments(command: str) -> list[str]:
    """Return what the command of a reader is in a copy that has no environment of its own."""
    words = shlex.split(command)
    if words[:2] == ["make", "test"]:
        tests = [word.removeprefix("ARGS=") for word in words[2:]]
        return ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    if words[0] == ".venv/bin/python":
        return words[1:]
    assert words[0] == ".venv/bin/quotefold", f"{command}: not known here"
    return ["-m", "adapters.cli.main", *words[1:]]


def run(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments(command)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", typed())
def test_every_command_parses(command: str) -> None:
    words = program(command)
    if words is not None:
        assert parsed(tuple(words)).command.callback is not None


def test_every_page_and_file_that_is_named_exists() -> None:
    text = PAGE.read_text("utf-8")
    made = re.compile(r"wide\.(py|toml)|test_wide\.py")
    names = [PAGE.parent / name for name in re.findall(r"\]\(([^)#]+)\)", text)]
    names += [ROOT / name for name in re.findall(r"`([\w/]+/[\w]+\.\w+)`", text)]
    assert [str(path) for path in names if not (path.exists() or made.search(path.name))] == []


@pytest.mark.slow
def test_a_stranger_gets_a_tested_strategy_that_quotes(tmp_path: Path) -> None:
    checkout = copied(tmp_path)
    for kind, text in blocks():
        if kind == "diff":
            edit(checkout, text)
            continue
        for command in commands(text):
            command = command.replace("--for 30s", f"--for {RUN_TIME}")
            if DEAL in command:
                # So short a run may have no fill to ask about.
                fills = run(checkout, ".venv/bin/quotefold fills journals/wide --json").stdout
                deals = [str(fill["deal_id"]) for fill in json.loads(fills)["fills"]]
                if not deals:
                    continue
                command = command.replace(DEAL, deals[0])
            done = run(checkout, command)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            assert done.stdout, f"{command} printed nothing"
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "strategies", "tests/strategies"]
    assert subprocess.run(ruff, cwd=checkout, check=False).returncode == 0
