"""`quotefold new strategy`: what it writes passes as written, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli.config import parse_config
from adapters.cli.main import main
from adapters.cli.new import class_name, with_registered, write_strategy
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.source_tree import ROOT


def run_pytest(directory: Path, test: Path) -> subprocess.CompletedProcess[str]:
    """Run a test that was written, with the project on the path after its own directory."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_anywhere_it_writes_a_strategy_whose_test_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "strategy", "my_own", "--directory", str(tmp_path / "mine")]) == 0
    names = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert names == ["my_own.py", "my_own.toml", "test_my_own.py"]
    assert "Not registered" in capsys.readouterr().out
    done = run_pytest(tmp_path / "mine", tmp_path / "mine" / "test_my_own.py")
    assert done.returncode == 0, done.stdout
    assert "14 passed" in done.stdout


def checkout(directory: Path) -> Path:
    """Make what tells a checkout from another directory."""
    for package in ("strategies", "tests/strategies"):
        (directory / package).mkdir(parents=True)
    registry = directory / "strategies" / "__init__.py"
    registry.write_bytes((ROOT / "strategies" / "__init__.py").read_bytes())
    return registry


def test_in_a_checkout_it_is_registered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = checkout(tmp_path)
    arguments = ["new", "strategy", "my_own", "--directory", str(tmp_path), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    written = ["strategies/my_own.py", "tests/strategies/test_my_own.py", "config/my_own.toml"]
    assert told == {"files": [str(tmp_path / name) for name in written], "registered": True}
    text = registry.read_text()
    assert "from strategies.my_own import MyOwn\n" in text
    assert text.endswith('\nregister("my_own", MyOwn)\n')
    assert "register(" not in (tmp_path / written[0]).read_text()
    assert "from strategies.my_own import MyOwn" in (tmp_path / written[1]).read_text()
    assert [path.name for path in registry.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_what_it_writes_is_tidy(tmp_path: Path) -> None:
    checkout(tmp_path)
    write_strategy(SystemFs(), "my_own", tmp_path)
    write_strategy(SystemFs(), "other", tmp_path / "elsewhere")
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml")]
        own = ["--config", "lint.isort.known-first-party=['engine', 'strategies', 'other']"]
        done = subprocess.run(
            [*ruff, *(own if command == ["check"] else []), "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_configuration_is_one(tmp_path: Path) -> None:
    from string import Template

    template = ROOT / "adapters" / "cli" / "new_strategy_config.txt"
    words = {"name": "inventory_skew", "class_name": "X", "config": "x.toml"}
    text = Template(template.read_text("utf-8")).substitute(words)
    ladder = text.replace('qty = "0.01"', 'ladder = [{ qty = "0.01", stp = "cn" }]')
    assert parse_config(ladder.encode(), "x.toml").market["BTC_USDT"].strategy == "inventory_skew"


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_my_own.py").write_text("mine")
    assert main(["new", "strategy", "my_own", "--directory", str(tmp_path)]) == 2
    assert "test_my_own.py: expected no file, found one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_my_own.py"]
    assert (tmp_path / "test_my_own.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MyOwn", "expected lower-case words joined by _"),
        ("my-own", "expected lower-case words joined by _"),
        ("../own", "expected lower-case words joined by _"),
        ("lambda", "expected lower-case words joined by _"),
        ("_own", "expected lower-case words joined by _"),
        ("", "expected lower-case words joined by _"),
        ("o" * 41, "expected 40 letters at most"),
        ("inventory_skew", "there is a strategy 'inventory_skew' already"),
        ("none", "its class would be None, which Python keeps for itself"),
        ("true", "its class would be True, which Python keeps for itself"),
        ("level", "its class would be Level, which its own file imports"),
        ("two_sided_quote", "its class would be TwoSidedQuote, which its own file imports"),
        ("decimal", "there is a module 'decimal', which its file would hide"),
        ("law", "its class would be Law, which its own file imports"),
        ("random", "there is a module 'random', which its file would hide"),
        ("engine", "there is a module 'engine', which its file would hide"),
        ("tests", "pytest would take its class, Tests, for a test"),
    ],
)
def test_what_is_no_name_for_a_strategy_is_refused(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        write_strategy(SystemFs(), name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_strategy(SystemFs(), "my_own", tmp_path / "file")


def test_a_registry_stays_in_order() -> None:
    text = (
        "from engine.strategy import register\n"
        "from strategies.alpha import Alpha\n"
        "from strategies.omega import (\n    Omega,\n)\n"
        "\n"
        'register("alpha", Alpha)\nregister("omega", Omega)\n'
    )
    middle = with_registered(text, "middle").splitlines()
    assert middle[2] == "from strategies.middle import Middle"
    assert middle[-1] == 'register("middle", Middle)'
    last = with_registered(text, "zeta").splitlines()
    assert last[4:6] == [")", "from strategies.zeta import Zeta"]


def test_class_names() -> None:
    assert class_name("wide_quotes") == "WideQuotes"
