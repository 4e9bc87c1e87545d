"""`quotefold init`: what it writes, and what it will not overwrite."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import pytest

from adapters.cli.config import MetricsConfig, default_config, load_config, parse_config
from adapters.cli.init import TEMPLATE, write_config
from adapters.cli.main import main
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.source_tree import ROOT


def test_what_it_writes_is_the_example_of_the_documentation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "my.toml"
    assert main(["init", str(path)]) == 0
    assert path.read_bytes() == (ROOT / "config" / "paper.toml").read_bytes()
    assert f"quotefold doctor {path}" in capsys.readouterr().out
    assert [each.name for each in path.parent.iterdir()] == ["my.toml"]
    assert load_config(SystemFs(), path).market == default_config().market


def test_every_key_stands_below_a_comment() -> None:
    # A section, a key or a rung of the ladder: a comment is nearer than the last empty line.
    blocks = TEMPLATE.read_text("utf-8").split("\n\n")
    bare = [block for block in blocks if "#" not in block]
    assert [block.splitlines()[0] for block in bare] == [
        "[[market.BTC_USDT.parameters.ladder]]",
        "[market.BTC_PERP.parameters]",
        "[[market.BTC_PERP.parameters.ladder]]",
        "[[market.BTC_PERP.parameters.ladder]]",
    ]


def test_without_a_path_it_writes_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": "quotefold.toml"}
    assert (tmp_path / "quotefold.toml").is_file()


def test_a_file_that_exists_is_kept_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.toml"
    path.write_text("mine")
    assert main(["init", str(path)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["init", str(path), "--force"]) == 0
    assert path.read_bytes() == TEMPLATE.read_bytes()


class FullDisk(SystemFs):
    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_costs_nothing_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"my\.toml: cannot be written: No space left on device"):
        write_config(FullDisk(), path, force=True)
    assert path.read_text() == "mine"


def test_the_metrics_section_of_the_example_is_what_it_says() -> None:
    text = TEMPLATE.read_text("utf-8")
    shown = re.sub(r"^# (\[metrics\]|port = |host = )", r"\1", text, flags=re.MULTILINE)
    assert parse_config(shown.encode(), "my.toml").metrics == MetricsConfig(port=9464)
    assert parse_config(text.encode(), "my.toml").metrics.port is None


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("port = 0", "metrics.port: expected an integer >= 1, found 0"),
        ("port = 65536", "metrics.port: expected an integer <= 65535, found 65536"),
        ('host = "everywhere"', "metrics.host: expected an address such as 127.0.0.1"),
    ],
)
def test_a_metrics_section_that_cannot_be_served_is_refused(keys: str, problem: str) -> None:
    text = TEMPLATE.read_text("utf-8") + f"\n[metrics]\n{keys}\n"
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parse_config(text.encode(), "my.toml")
