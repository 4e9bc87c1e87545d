"""The project's own source as data: files, syntax trees, who imports whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("engine", "strategies", "adapters", "replay")
PACKAGES = (*PRODUCT, "benchmarks", "tests")
_SKIPPED = {".git", ".venv", "__pycache__", "journals", "dist", "build", "htmlcov", "mutants"}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the project by its dotted name."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text("utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return what `module` imports anywhere in it, as the deepest dotted module names known."""
    return frozenset(_imports(tree(module)))


def _imports(root: ast.AST) -> Iterator[str]:
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"line {node.lineno}: a relative import"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield deeper if deeper in modules() else node.module


def package(module: str) -> str:
    return module.partition(".")[0]


def is_own(module: str) -> bool:
    return package(module) in PACKAGES


def is_third_party(module: str) -> bool:
    return not is_own(module) and package(module) not in sys.stdlib_module_names


def reachable(module: str, *, beyond: frozenset[str]) -> frozenset[str]:
    """Return `module` and everything it imports, directly or not, not looking into `beyond`."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in modules() and name not in beyond:
            waiting.extend(imports(name))
    return frozenset(seen)


def text_files() -> list[Path]:
    """Return every file of the project that a person reads, outside caches and journals."""
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        skipped = _SKIPPED & set(parts) or any(part.startswith(".") for part in parts[:-1])
        if parts[0] != ".ci" and (skipped or path.name.startswith(".")):
            continue
        if path.is_file() and b"\0" not in path.read_bytes()[:4096]:
            found.append(path)
    return found
