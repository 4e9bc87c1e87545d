"""Mutation testing: `make mutants` asks of every small change to a module whether a test notices.

mutmut makes the mutants, finds out which tests reach which function, and forks a process for each
mutant. It would collect the tests anew in each, which took 0.4 s of 0.7; here they are collected
once, before the forks, and those that killed before go first. `mutmut` itself can show what a run
left in `mutants/`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from itertools import zip_longest

import pytest
from _pytest.config import _prepareconfig
from _pytest.main import Session
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import change_cwd, walk_mutatable_files
from mutmut.workers import isolation

SCORE_MIN = 90.0
KILLED = ("killed", "timeout")


class Collected(PytestRunner):  # type: ignore[misc]  # mutmut is not in the environment of mypy
    """Runs tests in a fork of a process that has collected them."""

    def run_forced_fail(self) -> int:
        code: int = super().run_forced_fail()
        # The last thing done before the forks.
        with change_cwd("mutants"):
            self._items = {item.nodeid: item for item in _collect().items}
        # Shared with the forks, and nobody else's.
        self._kills, path = tempfile.mkstemp()
        os.unlink(path)
        return code

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        if mutant_name is None:
            code: int = super().run_tests(mutant_name=None, tests=tests)
            return code
        os.chdir("mutants")
        kills = Counter(os.pread(self._kills, 1 << 30, 0).decode().splitlines())
        durations = state().duration_by_test
        ranked = sorted(tests, key=lambda test: (-kills[test], durations[test], test))
        items = [self._items[test] for test in ranked]
        items[0].config.pluginmanager.register(_Judge(self._kills))
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return 0


class _Judge:
    """Ends the process at the first failure, and notes which test it was."""

    def __init__(self, kills: int) -> None:
        self._kills = kills

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._kills, f"{report.nodeid}\n".encode())
            os._exit(1)


def _collect() -> Session:
    # pytest has no public way to collect now and run later; pytest-xdist's workers do it like this.
    options, chosen = config().pytest_add_cli_args, config().pytest_add_cli_args_test_selection
    settings = _prepareconfig(["--rootdir=.", "--tb=no", "-q", "-s", *options, *chosen], None)
    settings._do_configure()
    session = Session.from_config(settings)
    settings.hook.pytest_sessionstart(session=session)
    settings.hook.pytest_collection(session=session)
    return session


def report() -> bool:
    """Print each module's score and its survivors, and return whether every score is enough."""
    enough = True
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        tried = {name: code for name, code in data.exit_code_by_key.items() if code is not None}
        if not tried:
            continue
        left = [name for name, code in tried.items() if status_by_exit_code[code] not in KILLED]
        score = 100 * (len(tried) - len(left)) / len(tried)
        enough = enough and score >= SCORE_MIN
        print(f"{path!s:<40} {len(tried):5} mutants {len(left):4} left {score:6.1f} %")
        for name in left:
            print(f"    {name}: {status_by_exit_code[tried[name]]}")
    return enough


def main(paths: list[str]) -> int:
    """Test the mutants of some modules, or of all that pyproject.toml names."""
    isolation.PytestRunner = Collected
    mutmut._run(tuple(f"{path.removesuffix('.py').replace('/', '.')}.*" for path in paths), 1)
    return 0 if report() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
