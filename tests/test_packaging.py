"""The systemd units and the image: what can be checked of them without installing them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from adapters.cli.checks.table import CHECKS
from adapters.cli.config import load_config
from adapters.cli.run import EXIT_UNCLEAN
from adapters.ports import SystemFs
from adapters.runtime.latch import LATCH_NAME
from adapters.runtime.metrics import Metrics
from adapters.runtime.metrics_text import RunCollector
from engine.types import Settings
from tests.source_tree import ROOT
from tests.test_readme import parsed

PACKAGING = ROOT / "packaging"
UNITS = ("quotefold", "quotefold-doctor", "quotefold-panic")
STATE = "/var/lib/quotefold"
INSTALLED = "/opt/quotefold/.venv/bin/quotefold"
EXPOSURE_MAX = 30
"""Tenths of systemd's own scale of 10, where a plain service has 9.6."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed here"
)


def unit(name: str) -> dict[str, list[str]]:
    """Parse a unit: key -> its values in order; sections do not share a key here."""
    found: dict[str, list[str]] = {}
    for line in (PACKAGING / f"{name}.service").read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyzed(tmp_path: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on a unit whose program is one that exists here."""
    text = (PACKAGING / f"{name}.service").read_text("utf-8")
    path = tmp_path / f"{name}.service"
    path.write_text(text.replace(INSTALLED, sys.executable).replace("=quotefold\n", "=daemon\n"))
    command = ["systemd-analyze", *arguments, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_to_say_against_a_unit(tmp_path: Path, name: str) -> None:
    done = analyzed(tmp_path, name, "verify", "--recursive-errors=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_a_service_is_exposed_to_little(tmp_path: Path, name: str) -> None:
    arguments = ("security", "--offline=true", f"--threshold={EXPOSURE_MAX}")
    done = analyzed(tmp_path, name, *arguments)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_calls_a_command_that_exists_with_its_options(name: str) -> None:
    (line,) = unit(name)["ExecStart"]
    program, *words = shlex.split(line)
    assert program == INSTALLED
    assert parsed(tuple(words)).command.callback is not None


@pytest.mark.parametrize("name", UNITS)
def test_a_service_has_no_rights_and_its_credentials_from_systemd(name: str) -> None:
    keys = unit(name)
    assert keys["User"] == keys["Group"] == ["quotefold"]
    assert [value.partition(":")[0] for value in keys["LoadCredential"]] == [
        "quotefold-key",
        "quotefold-secret",
    ]
    assert keys["NoNewPrivileges"] == ["yes"]
    assert keys["CapabilityBoundingSet"] == [""]
    assert keys["LimitCORE"] == ["0"]
    assert not any("KEY" in value or "SECRET" in value for value in keys["Environment"])
    user = (PACKAGING / "sysusers.conf").read_text("utf-8")
    assert re.search(rf'^u quotefold - ".*" {STATE} /usr/sbin/nologin$', user, re.MULTILINE)


def test_a_loop_that_hangs_is_noticed_and_what_ended_well_stays_down() -> None:
    keys = unit("quotefold")
    assert (keys["Type"], keys["NotifyAccess"]) == (["notify"], ["main"])
    assert 0 < int(keys["WatchdogSec"][0]) <= 15
    assert keys["Restart"] == ["on-failure"]
    # A refusal is a ConfigError, and so is the latch; an unclean end is to be started again.
    assert keys["RestartPreventExitStatus"] == ["2"]
    assert EXIT_UNCLEAN not in (0, 2)
    assert keys["ConditionPathExists"] == [f"!{STATE}/{LATCH_NAME}"]
    assert keys["KillMode"] == ["mixed"]


def test_a_start_waits_for_the_kill_switch_and_outlasts_a_venue_that_is_down() -> None:
    keys = unit("quotefold")
    pause_s, burst = int(keys["RestartSec"][0]), int(keys["StartLimitBurst"][0])
    assert pause_s > Settings().kill_switch_timeout_s
    assert 600 <= pause_s * burst < int(keys["StartLimitIntervalSec"][0])


def test_a_stop_has_more_time_than_the_engine_takes() -> None:
    slowest_s = 8 + 10
    assert int(unit("quotefold")["TimeoutStopSec"][0]) > slowest_s


def test_every_unit_is_looked_at_here() -> None:
    assert {path.stem for path in PACKAGING.glob("*.service")} == set(UNITS)


def test_the_doctor_looks_at_the_journal_of_the_engine() -> None:
    lines = [unit(name)["ExecStart"][0] for name in ("quotefold", "quotefold-doctor")]
    journals = {re.findall(r"--journal (\S+)", line)[0] for line in lines}
    assert journals == {f"{STATE}/journal"}


def test_the_service_goes_live_by_a_flag_and_has_a_journal_of_its_own() -> None:
    (line,) = unit("quotefold")["ExecStart"]
    assert " --live " in line
    assert parsed(tuple(shlex.split(line)[1:])).params["live"] is True
    # The image quotes on paper.
    assert load_config(SystemFs(), PACKAGING / "container.toml").venue is None
    assert "--live" not in (PACKAGING / "Dockerfile").read_text("utf-8")


def test_engine_and_panic_meet_in_one_directory() -> None:
    for name in UNITS:
        assert unit(name)["Environment"] == [f"XDG_STATE_HOME={Path(STATE).parent}"]
        assert unit(name)["StateDirectory"] == [Path(STATE).name]
    config = load_config(SystemFs(), PACKAGING / "container.toml")
    assert config.operator.directory == STATE


# --- the image --------------------------------------------------------------------------------

INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK"),
    *("ENTRYPOINT", "CMD"),
}
"""All that the Dockerfile uses: no ADD, which fetches, and no ARG, which keeps what it is given."""


def stages() -> list[list[tuple[str, str]]]:
    """Parse the Dockerfile: a list of (instruction, arguments) a stage."""
    text = (PACKAGING / "Dockerfile").read_text("utf-8")
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def given(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def test_the_dockerfile_is_made_of_known_instructions() -> None:
    build, final = stages()
    assert {name for stage in (build, final) for name, _ in stage} <= INSTRUCTIONS
    for stage in (build, final):
        (base,) = given(stage, "FROM")
        assert re.match(r"python:3\.\d+-slim-\w+( AS \w+)?$", base), base


def test_the_image_installs_from_the_lock_with_hashes_and_nothing_else() -> None:
    installs = [
        part for rest in given(stages()[0], "RUN") for part in rest.split("&&") if "pip" in part
    ]
    assert len(installs) == 3
    for command in installs:
        if "--requirement" in command:
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command
        else:
            assert "--no-deps" in command
            assert "--no-index" in command
    assert not any("pip" in rest for rest in given(stages()[1], "RUN"))


def test_the_image_runs_without_rights_and_without_a_shell() -> None:
    final = stages()[1]
    assert given(final, "USER") == ["10001:10001"]
    names = [name for name, _ in final]
    assert names.index("USER") < names.index("ENTRYPOINT")
    for name in ("ENTRYPOINT", "CMD"):
        (words,) = given(final, name)
        assert isinstance(json.loads(words), list)
    (entry,), (command,) = given(final, "ENTRYPOINT"), given(final, "CMD")
    assert json.loads(entry) == ["quotefold"]
    assert parsed(tuple(json.loads(command))).command.callback is not None
    assert given(final, "STOPSIGNAL") == ["SIGTERM"]
    assert given(final, "VOLUME") == [STATE]


def test_the_health_check_asks_where_the_image_serves() -> None:
    (check,) = given(stages()[1], "HEALTHCHECK")
    port = load_config(SystemFs(), PACKAGING / "container.toml").metrics.port
    assert f"http://127.0.0.1:{port}/healthz" in check
    script = json.loads(check[check.index("[") :])
    assert script[:2] == ["python", "-c"]
    compile(script[2], "healthcheck", "exec")


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    ignore = (PACKAGING / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    let_through = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    copied = set()
    for stage in stages():
        for rest in given(stage, "COPY"):
            if not rest.startswith("--from"):
                copied |= {source.rstrip("/") for source in rest.split()[:-1]}
    assert copied == let_through
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


@pytest.mark.slow
def test_an_installed_program_has_the_example_that_init_writes(tmp_path: Path) -> None:
    build = ROOT / ".venv" / "build"
    if not build.is_dir():
        pytest.skip("the build backend is not installed beside the environment")
    command = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    env = {"PYTHONPATH": str(build), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=env)
    (wheel,) = tmp_path.glob("quotefold-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        example = archive.read("adapters/cli/paper.toml")
    assert example == (ROOT / "config" / "paper.toml").read_bytes()


# --- docs/deploying.md ------------------------------------------------------------------------


def documentation() -> str:
    return (ROOT / "docs" / "deploying.md").read_text("utf-8")


def test_the_documented_checks_are_those_there_are() -> None:
    table = documentation().partition("| check |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert named == [check.name for check in CHECKS]


def test_the_documented_metrics_are_those_there_are() -> None:
    table = documentation().partition("| metric (")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert {f"quotefold_{name}" for name in named} == metrics()


def metrics() -> set[str]:
    collector = RunCollector(Metrics(), lambda: 0, lambda: 0)
    families = collector.collect()
    return {each.name + ("_total" if each.type == "counter" else "") for each in families}


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    text = (PACKAGING / "alerts.yml").read_text("utf-8")
    rules = YAML(typ="safe").load(text)["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        asked = set(re.findall(r"quotefold_\w+", rule["expr"]))
        assert asked <= metrics(), rule["alert"]
        assert asked or "up{" in rule["expr"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_the_documented_commands_parse() -> None:
    for words in re.findall(r"`quotefold ([^`]+)`", documentation()):
        if not words.isupper() and "FILE" not in words:
            assert parsed(tuple(words.replace("cat", "cat x").split())).command is not None
    for program, words in re.findall(r"^\$ (quotefold) (.*)$", documentation(), re.MULTILINE):
        assert parsed(tuple(words.split())).command is not None, program


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:packaging|adapters|tests)/[\w./]*)`", documentation())
    assert [path for path in named if not (ROOT / path).exists()] == []
