"""Keep the layout and the style honest: imports, names the core must not use, lengths, leaks.

Every exception stands in a table with its reason, and an exception nobody needs any more fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.source_tree import (
    PRODUCT,
    ROOT,
    imports,
    is_own,
    modules,
    package,
    reachable,
    text_files,
    tree,
)

pytestmark = pytest.mark.slow
"""The first test of a process reads and parses every file."""

LAYERS: dict[str, tuple[str, ...]] = {
    "engine": (),
    "strategies": ("engine",),
    "adapters.ports": ("engine.errors",),
    "adapters.simulated": ("engine", "adapters.ports"),
    "adapters.whitebit": ("engine", "adapters.ports"),
    "adapters.paper": ("engine", "adapters.ports"),
    "adapters.runtime": ("engine", "adapters.ports", "adapters.whitebit"),
    "replay": ("engine", "strategies", "adapters.ports", "adapters.runtime", "pure"),
    "adapters.cli": ("engine", "strategies", "adapters", "replay"),
    "benchmarks": ("engine", "strategies", "adapters", "replay"),
    "tests": ("engine", "strategies", "adapters", "replay", "benchmarks"),
}
"""Layer -> the packages it may import beside itself, by dotted prefix.

`pure` stands for the modules of `adapters/whitebit` and `adapters/paper` that do no I/O.
"""

IO_LIBRARIES = {"trio", "trio_websocket", "httpx", "httpcore", "h11", "wsproto", "socket", "ssl"}
"""What a pure module does not reach, however indirectly, except behind `adapters/ports.py`."""

CORE_MAY_IMPORT = {
    *("__future__", "bisect", "collections", "decimal", "enum", "functools", "hashlib"),
    *("itertools", "math", "operator", "typing", "msgspec", "sortedcontainers"),
}
"""Nothing here reads a clock, draws a number, or touches a file, a socket or a log."""

CORE_DOORS = {
    ("engine.testing.purity", "sys"): "sets a profile function, which sees calls; no run loads it",
}
"""Reviewed exceptions: core module and what it imports -> why it may."""

CORE_MUST_NOT_CALL = {"open", "print", "input", "id", "hash", "sum", "eval", "exec", "breakpoint"}

SUMS_OF_INTEGERS = {
    "engine.state": "adds lots, which are integers",
    "engine.account": "adds lots, which are integers",
    "engine.debts": "adds lots, which are integers",
    "engine.hedge": "adds lots, which are integers",
    "engine.legs": "adds lots, which are integers",
    "engine.losses": "adds P&L in units, which are integers",
    "engine.risk": "counts intents",
}
"""Core modules whose `sum()` was read and adds no float: 3.11 and 3.12 round those differently."""

WORLD = {"time", "secrets", "socket", "uuid", "subprocess", "threading", "tempfile", "asyncio"}
"""Only `adapters/ports.py` may import these: the four ports are the only doors to the world."""

DOORS = {
    ("adapters.cli.child", "subprocess"): "starts the venue of `run` as a process of its own",
    ("adapters.cli.supervise", "subprocess"): "starts an engine for each account of a file",
}
"""Reviewed exceptions: module and what it imports -> why no port serves it."""

PORTS = ("adapters.ports", "adapters.simulated")
"""The real doors, and the seeded ones, which also seed what the libraries draw."""

LONG_FILES = {
    "engine.events": "the union of events is one list, and a reader wants it on one page",
}
LONG_FUNCTIONS: dict[str, str] = {}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def _within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith((f"{prefix}.", f"{prefix}_"))


def _layer(module: str) -> str:
    layers = [layer for layer in LAYERS if _within(module, layer)]
    assert layers or module == "adapters", f"{module} is in no layer: add it to LAYERS"
    return layers[0] if layers else "adapters.ports"


def _is_pure(module: str) -> bool:
    reached = reachable(module, beyond=frozenset({"adapters.ports"}))
    return IO_LIBRARIES.isdisjoint(package(name) for name in reached)


def _may_import(layer: str, imported: str) -> bool:
    if _within(imported, layer):
        return True
    if layer == "replay" and _within(imported, "adapters.runtime"):
        # Snapshots are files of a journal too.
        return imported.startswith(("adapters.runtime.journal", "adapters.runtime.snapshots"))
    if "pure" in LAYERS[layer] and imported.startswith(("adapters.whitebit.", "adapters.paper.")):
        return _is_pure(imported)
    return any(_within(imported, prefix) for prefix in LAYERS[layer])


def core_modules() -> list[str]:
    return [module for module in modules() if package(module) in ("engine", "strategies")]


def product_modules() -> list[str]:
    return [module for module in modules() if package(module) in PRODUCT]


def _calls(module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def test_every_module_imports_only_the_layers_below_it() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in sorted(imports(module))
        if is_own(imported) and not _may_import(_layer(module), imported)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("layer", "imported"),
    [
        ("engine", "strategies.inventory_skew"),
        ("engine", "adapters.ports"),
        ("strategies", "adapters.whitebit.units"),
        ("adapters.whitebit", "adapters.paper.core.matching"),
        ("adapters.paper", "adapters.whitebit.requests"),
        ("adapters.runtime", "strategies.inventory_skew"),
        ("adapters.runtime", "adapters.paper.venue"),
        ("replay", "adapters.runtime.live"),
        ("replay", "adapters.whitebit.streams"),
        ("replay", "adapters.paper.server"),
        ("replay", "adapters.cli.main"),
    ],
)
def test_the_layer_rule_refuses(layer: str, imported: str) -> None:
    assert imported in modules(), "the example is gone: name another module of its kind"
    assert not _may_import(layer, imported)


@pytest.mark.parametrize(
    "imported",
    ["adapters.whitebit.normalise", "adapters.whitebit.requests", "adapters.paper.core.book"],
)
def test_replay_may_import_the_pure_parts_of_the_adapters(imported: str) -> None:
    assert _may_import("replay", imported)


def test_core_imports_nothing_that_does_io() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in core_modules()
        for imported in sorted(imports(module))
        if not is_own(imported)
        and package(imported) not in CORE_MAY_IMPORT
        and (module, imported) not in CORE_DOORS
    ]
    assert wrong == []


def test_no_program_loads_the_kit_of_strategy_authors() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in product_modules()
        if not _within(module, "engine.testing")
        for imported in sorted(imports(module))
        if _within(imported, "engine.testing")
    ]
    assert wrong == []


def test_core_is_synchronous() -> None:
    kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    wrong = [
        f"{module}:{node.lineno}"
        for module in core_modules()
        for node in ast.walk(tree(module))
        if isinstance(node, kinds)
    ]
    assert wrong == []


def test_core_calls_nothing_that_could_differ_between_two_runs() -> None:
    wrong = [
        f"{module}:{line} calls {name}()"
        for module in core_modules()
        for name, line in _calls(module)
        if name in CORE_MUST_NOT_CALL and not (name == "sum" and module in SUMS_OF_INTEGERS)
    ]
    assert wrong == []


def test_engine_makes_no_float() -> None:
    wrong = [
        f"{module}:{line}"
        for module in core_modules()
        if package(module) == "engine"
        for name, line in _calls(module)
        if name == "float"
    ]
    assert wrong == []


def _makes_a_set(node: ast.AST | None, names: set[str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub):
        return _makes_a_set(node.left, names) or _makes_a_set(node.right, names)
    return isinstance(node, ast.Set | ast.SetComp) or (
        isinstance(node, ast.Name) and node.id in names
    )


def _set_names(function: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _makes_a_set(node.value, names):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            target = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            if re.match(r"(frozen)?set\b|AbstractSet\b", ast.unparse(node.annotation)):
                names.add(target)
    return names


def set_iterations(root: ast.Module) -> Iterator[int]:
    """Yield the lines where a set, as far as the text shows one, decides an order."""
    functions = [node for node in ast.walk(root) if isinstance(node, ast.FunctionDef)]
    for scope in functions:
        names = _set_names(scope)
        for node in ast.walk(scope):
            walked: ast.AST | None = None
            if isinstance(node, ast.For | ast.comprehension):
                walked = node.iter
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                walked = node.args[0] if node.func.id in ("list", "tuple", "iter") else None
            if _makes_a_set(walked, names):
                assert walked is not None
                yield walked.lineno  # type: ignore[attr-defined]  # only expressions get here


def test_core_never_takes_an_order_from_a_set() -> None:
    wrong = [
        f"{module}:{line}" for module in core_modules() for line in set_iterations(tree(module))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "body",
    ["for x in {1, 2}: pass", "y = set(a); [x for x in y]", "tuple({x for x in a})"],
)
def test_iterating_a_set_is_seen(body: str) -> None:
    assert list(set_iterations(ast.parse(f"def f(a):\n    {body}")))


def test_sorting_a_set_is_allowed() -> None:
    assert not list(set_iterations(ast.parse("def f(a: set[int]):\n    return sorted(a)")))


def test_nobody_swallows_every_exception() -> None:
    wrong = []
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                everything = not caught or re.search(r"\b(Base)?Exception\b", caught)
                if everything and not raises:
                    wrong.append(f"{module}:{node.lineno} except {caught}")
    assert wrong == []


def test_only_the_ports_reach_the_world() -> None:
    wrong = []
    for module in product_modules():
        if any(_within(module, port) for port in PORTS):
            continue
        named = {package(name) for name in imports(module)} & WORLD
        wrong += [
            f"{module} imports {name}" for name in sorted(named) if (module, name) not in DOORS
        ]
        wrong += [
            f"{module}:{line} opens a file" for name, line in _calls(module) if name == "open"
        ]
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if re.fullmatch(r"random\.(?!Random$)\w+|(\w+\.)*(utc)?now|os\.urandom", text):
                    wrong.append(f"{module}:{node.lineno} uses {text}")
    assert wrong == []


def test_files_are_short_or_have_a_reason() -> None:
    long = {
        module
        for module, path in modules().items()
        if len(path.read_text("utf-8").splitlines()) > FILE_LINES_MAX
    }
    assert long == set(LONG_FILES)


def test_functions_are_short_or_have_a_reason() -> None:
    long = {
        f"{module}.{node.name}"
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long == set(LONG_FUNCTIONS)


def test_reviewed_exceptions_are_still_needed() -> None:
    summing = {module for module in core_modules() if "sum" in {name for name, _ in _calls(module)}}
    assert set(SUMS_OF_INTEGERS) == summing
    doors = [*DOORS, *CORE_DOORS]
    assert [door for door in doors if door[1] not in imports(door[0])] == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of somebody's machine", r"(?<![\w.<])/(?:work|root|Users|home)/\w"),
        (
            "a package registry's host",
            r"py(?:pi)\.(?:org|io)|python(?:hosted)|npm(?:js)\.",
        ),
        ("unfinished work", r"\b(?:TO)DO\b|\b(?:FIX)ME\b|\b(?:X)XX\b"),
    ],
)
def test_no_file_mentions(what: str, pattern: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number} {what}"
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert wrong == []


def test_only_tests_look_beside_the_checkout() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in text_files()
        if path.relative_to(ROOT).parts[0] != "tests"
        and re.search(r"\.\./shared|\bshared/(?:data|whitebit)", path.read_text("utf-8", "replace"))
    ]
    assert wrong == []
