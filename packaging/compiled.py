"""Compile the core of an installed program with mypyc: `make compiled`.

    python packaging/compiled.py SITE_PACKAGES   # beside the modules that are installed there
    python packaging/compiled.py --check         # into C, and no further; lists the modules

Nothing is compiled that mypyc would change the meaning of. It drops the keywords of a class (of a
Struct: `frozen`, `tag`) and knows no enumerations, so a module that defines such a class stays as
it is, and what it means stays in one place.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution

ROOT = Path(__file__).resolve().parent.parent
CORE = (
    "engine",
    "strategies",
    "replay/backtest",
    "replay/model",
    "adapters/paper/core",
    "adapters/whitebit",
)
"""What is worth it: where a backtest, a replay and a frame spend their time."""
LEFT = {
    "replay/backtest/workers.py": "speaks with libraries that need not be installed",
    "adapters/whitebit/signing.py": "mypyc has no room for the alias `__repr__ = __str__`",
}
"""Exceptions from the rule, with their reasons."""


def compiled_modules() -> list[str]:
    """Return the files that are compiled, relative to the root, in order.

    That is every module with functions whose classes are plain ones, or inherit from such.
    """
    bases: dict[str, dict[str, list[str]]] = {}
    for directory in CORE:
        for path in sorted((ROOT / directory).glob("*.py")):
            name = str(path.relative_to(ROOT))
            found = _plain_classes(ast.parse(path.read_text("utf-8")))
            if found is not None and name not in LEFT:
                bases[name] = found
    while True:
        known = {"Protocol", *(each for classes in bases.values() for each in classes)}
        odd = [
            name
            for name, classes in bases.items()
            if any(base not in known for each in classes.values() for base in each)
        ]
        if not odd:
            return list(bases)
        for name in odd:
            del bases[name]


def _plain_classes(tree: ast.Module) -> dict[str, list[str]] | None:
    # Class -> its bases; None for a module that mypyc would change, or where it has nothing to do.
    nodes = list(ast.walk(tree))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    if any(node.keywords or node.decorator_list for node in classes):
        return None
    if any(isinstance(node, ast.AsyncFunctionDef) for node in nodes):
        return None
    if not any(isinstance(node, ast.FunctionDef) for node in nodes):
        return None
    return {node.name: [ast.unparse(base) for base in node.bases] for node in classes}


def make_extensions(target: Path, modules: Iterable[str]) -> list[object]:
    """Translate modules into C below a directory.

    Raises:
        SystemExit: mypyc finds something in them that it cannot translate, which it prints.
    """
    os.chdir(ROOT)  # mypy names modules by where they are
    with redirect_stdout(sys.stderr):  # its warnings
        return [*mypycify([*modules], opt_level="3", debug_level="0", target_dir=str(target))]


def build(extensions: list[object], target: Path, site: Path) -> None:
    """Compile what was translated, into a directory of installed packages."""
    command = Distribution({"name": "quotefold", "ext_modules": extensions}).get_command_obj(
        "build_ext"
    )
    command.build_lib, command.build_temp = str(site), str(target)
    command.ensure_finalized()
    command.run()


def main() -> None:
    """Compile, or only check that it could be done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument(
        "--check", action="store_true", help="list what can be, once translated into C"
    )
    choice.add_argument("site", nargs="?", type=Path, help="site-packages with the program")
    chosen = parser.parse_args()
    modules = compiled_modules()
    with tempfile.TemporaryDirectory(prefix="quotefold-compile-") as directory:
        extensions = make_extensions(Path(directory), modules)
        if chosen.site is not None:
            build(extensions, Path(directory), chosen.site.resolve())
    if chosen.check:
        print(*modules, sep="\n")
    print(f"{len(modules)} modules {'can be' if chosen.check else 'are'} compiled")


if __name__ == "__main__":
    main()
