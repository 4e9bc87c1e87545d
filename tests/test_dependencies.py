"""What is installed: declared, justified in docs/dependencies.md, locked with hashes, and few."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

from tests.source_tree import PRODUCT, ROOT, imports, is_third_party, modules, package

CORE_DISTRIBUTIONS_MAX = 24
LOCKS = (
    "core",
    "dev",
    "build",
    "analysis",
    "sweep",
    "thirdparty",
    "mutants",
    "hftbacktest",
    "nautilus",
)


@cache
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def runtime_dependencies() -> set[str]:
    return {_canonical(name) for name in project()["dependencies"]}


def analysis_dependencies() -> set[str]:
    return {_canonical(name) for name in project()["optional-dependencies"]["analysis"]}


def extra(name: str) -> set[str]:
    """Distributions of an optional part of the product."""
    return {_canonical(each) for each in project()["optional-dependencies"][name]}


def _canonical(name: str) -> str:
    """Return a distribution's name as registries compare it, without a version."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;]", name)[0]).lower()


def pins(lock: str) -> dict[str, str]:
    """Return distribution -> version of a lock file."""
    return {_canonical(name): version for name, version in _pinned(lock)}


def _pinned(lock: str) -> list[tuple[str, str]]:
    # Names as they stand there, extras included.
    return re.findall(r"^(\S+)==(\S+)", _text(f"requirements/{lock}.lock"), re.MULTILINE)


def _text(path: str) -> str:
    return (ROOT / Path(path)).read_text("utf-8")


@pytest.mark.slow
def test_every_third_party_import_of_the_product_is_declared() -> None:
    imported = {
        _canonical(package(name))
        for module in modules()
        if package(module) in PRODUCT
        for name in imports(module)
        if is_third_party(name)
    }
    assert imported - runtime_dependencies() == analysis_dependencies() | extra("sweep")


def test_every_runtime_dependency_is_justified_in_one_line() -> None:
    section = _text("docs/dependencies.md").partition("## Runtime\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^- `([^`]+)`: \S.{20,}\.$", section, re.MULTILINE)
    assert listed == sorted(runtime_dependencies())


def test_core_install_is_small() -> None:
    assert len(pins("core")) <= CORE_DISTRIBUTIONS_MAX


def test_core_lock_holds_every_runtime_dependency() -> None:
    assert runtime_dependencies() <= set(pins("core"))


def test_development_runs_the_versions_that_users_run() -> None:
    development = pins("dev")
    assert {name: development.get(name) for name in pins("core")} == pins("core")


def test_the_mutation_tester_shares_the_versions_of_development() -> None:
    development, mutants = pins("dev"), pins("mutants")
    shared = mutants.keys() & development.keys()
    assert {name: mutants[name] for name in shared} == {n: development[n] for n in shared}


def test_sweep_lock_adds_that_extra_to_the_versions_of_development() -> None:
    core, development, sweep = pins("core"), pins("dev"), pins("sweep")
    assert extra("sweep") | core.keys() <= sweep.keys()
    shared = sweep.keys() & development.keys()
    assert {name: sweep[name] for name in shared} == {n: development[n] for n in shared}
    section = _text("docs/dependencies.md").partition("## Sweep\n")[2].partition("\n## ")[0]
    assert re.findall(r"^- `([^`]+)`: \S.{20,}$", section, re.MULTILINE) == sorted(extra("sweep"))


def test_development_lock_holds_every_development_dependency() -> None:
    wanted = {_canonical(name) for name in project()["optional-dependencies"]["dev"]}
    assert wanted <= set(pins("dev"))


def test_analysis_lock_holds_that_extra_and_what_the_core_has_not() -> None:
    wanted = analysis_dependencies()
    assert {_canonical(name) for name in _text("requirements/analysis.in").split()} == wanted
    assert wanted <= set(pins("analysis"))
    assert set(pins("analysis")).isdisjoint(pins("core"))
    section = _text("docs/dependencies.md").partition("## Analysis\n")[2].partition("\n## ")[0]
    assert re.findall(r"^- `([^`]+)`: \S.{20,}$", section, re.MULTILINE) == sorted(wanted)


def test_build_lock_holds_the_build_backend() -> None:
    system = tomllib.loads(_text("pyproject.toml"))["build-system"]
    assert {_canonical(name) for name in system["requires"]} <= set(pins("build"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_distribution_has_hashes_and_nothing_else(lock: str) -> None:
    # One requirement is a pin, then its hashes, then comments that say who asked for it.
    joined = _text(f"requirements/{lock}.lock").replace("\\\n", "")
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    name, hashes = (
        r"[a-z0-9][a-z0-9.-]*(?:\[[a-z0-9,-]+\])?",
        r"(\s+--hash=sha256:[0-9a-f]{64})+\s*",
    )
    pattern = name + r"==\S+( *;[^#]*?)?" + hashes
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []
    assert len(lines) == len(pins(lock)) > 0


@pytest.mark.parametrize("lock", ["core", "dev"])
def test_every_extra_that_a_locked_distribution_asks_for_is_pinned_as_such(lock: str) -> None:
    # To pip, coverage[toml] is not coverage: unpinned, it takes the newest, which has no hash here.
    names = {name for name, _ in _pinned(lock)}
    asked = {
        requirement.partition(" ")[0]
        for name in pins(lock)
        for requirement in requires(name) or []
        if re.match(r"[\w.-]+\[[^;]*$", requirement)
    }
    wanted = {re.split(r"[<>=!~(]", requirement)[0].strip() for requirement in asked}
    assert wanted <= names
