"""`quotefold new strategy`: write a strategy with its test and a configuration that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from adapters.ports import SystemFs

NAME_LETTERS_MAX = 40
"""It stands in file names, and in every journal that the strategy is run in."""
PACKAGES = ("adapters", "engine", "replay", "strategies")
_HERE = Path(__file__).parent


@click.group()
def new() -> None:
    """Write something new to begin with."""


@new.command()
@click.argument("name")
@click.option(
    "--directory",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    help="A checkout of Quotefold, or any other directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more.")
def strategy(name: str, directory: Path, as_json: bool) -> int:
    """Write a small, complete strategy NAME, with its test and a paper configuration.

    In a checkout (here, by default) they go to strategies/, tests/strategies/ and config/, and the
    strategy is registered, so that it runs at once. Anywhere else all three go to the directory,
    where the test passes; to be run, the strategy has to be in the package. Nothing is overwritten.

    Exit codes: 0 written, 2 refused: no name for a strategy, or a file exists.
    """
    import json

    from adapters.ports import SystemFs

    written, registry = write_strategy(SystemFs(), name, directory)
    if as_json:
        names = [str(path) for path in written]
        click.echo(json.dumps({"files": names, "registered": registry is not None}))
        return 0
    for path in written:
        click.echo(f"{path} written")
    code, test, config = written
    if registry is None:
        click.echo(f"Not registered: {directory} is no checkout. Test it: python -m pytest {test}")
    else:
        click.echo(
            f"{registry} registers it\n"
            f"  .venv/bin/python -m pytest {test}   tests it, as it is\n"
            f"  .venv/bin/quotefold run {config}   quotes by it on a paper market\n"
            f"Edit {code}; docs/write-a-strategy.md goes on from here."
        )
    return 0


def write_strategy(fs: SystemFs, name: str, directory: Path) -> tuple[list[Path], Path | None]:
    """Write the files of a new strategy; returns code, test and configuration, and the registry.

    Raises:
        ConfigError: the name is none for a strategy, a file exists, or cannot be written.
    """
    from engine.errors import ConfigError

    _check_name(name)
    registry = directory / "strategies" / "__init__.py"
    if fs.exists(registry) and fs.exists(directory / "tests" / "strategies"):
        paths = [
            directory / "strategies" / f"{name}.py",
            directory / "tests" / "strategies" / f"test_{name}.py",
            directory / "config" / f"{name}.toml",
        ]
        registered = with_registered(fs.read(registry).decode(), name)
        texts = _texts(name, f"strategies.{name}", paths[2])
    else:
        paths = [
            directory / f"{name}.py",
            directory / f"test_{name}.py",
            directory / f"{name}.toml",
        ]
        registered = ""
        texts = _texts(name, name, paths[2])
        texts[0] = _registering_itself(texts[0], name)
    for path in paths:
        if fs.exists(path):
            raise ConfigError(f"{path}: expected no file, found one; nothing was written")
    try:
        for path, text in zip(paths, texts, strict=True):
            _write(fs, path, text)
        if registered:
            # Last: what is registered has to be there.
            beside = registry.with_name(".__init__.py.new")
            _write(fs, beside, registered)
            fs.rename(beside, registry)
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: cannot be written: {error}") from error
    return paths, registry if registered else None


def _check_name(name: str) -> None:
    import keyword
    import re

    # Importing the package registers what there is.
    import strategies as _strategies  # noqa: F401
    from engine.errors import ConfigError
    from engine.strategy import registered_names

    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        problem = "expected lower-case words joined by _, such as wide_quotes"
        raise ConfigError(f"name: {problem}, found {name!r}")
    if len(name) > NAME_LETTERS_MAX:
        raise ConfigError(f"name: expected {NAME_LETTERS_MAX} letters at most, found {len(name)}")
    if name in registered_names():
        raise ConfigError(f"name: there is a strategy {name!r} already; choose another")
    if clash := _clash(name):
        raise ConfigError(f"name: {clash}; choose another")


def _clash(name: str) -> str:
    # What its files could not be imported with; empty for nothing.
    import keyword
    import sys

    called = class_name(name)
    if keyword.iskeyword(called):
        return f"its class would be {called}, which Python keeps for itself"
    if called.startswith("Test"):
        return f"pytest would take its class, {called}, for a test"
    if called in _imported():
        return f"its class would be {called}, which its own file imports"
    if name in sys.stdlib_module_names or name in PACKAGES:
        return f"there is a module {name!r}, which its file would hide"
    return ""


def _imported() -> set[str]:
    # What the strategy and its test import by name.
    import ast

    code, test, _ = _texts("own", "own", Path())
    return {
        alias.name
        for text in (code, test)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module != "own"
        for alias in node.names
    }


def class_name(name: str) -> str:
    """Return the name of the class: `wide_quotes` is `WideQuotes`."""
    return "".join(word.capitalize() for word in name.split("_"))


def _texts(name: str, module: str, config: Path) -> list[str]:
    from string import Template

    words = {"name": name, "class_name": class_name(name), "module": module, "config": config}
    files = ("new_strategy.txt", "new_strategy_test.txt", "new_strategy_config.txt")
    return [Template((_HERE / file).read_text("utf-8")).substitute(words) for file in files]


def _registering_itself(code: str, name: str) -> str:
    code = code.replace("Strategy, View\n", "Strategy, View, register\n", 1)
    return f'{code}\n\nregister("{name}", {class_name(name)})\n'


def with_registered(text: str, name: str) -> str:
    """Return the source of a registry of strategies with one more in it.

    Args:
        text: What imports each strategy, in the order of their modules, and registers it.
        name: Of the new one, which is also its module's.
    """
    import ast

    lines, at = text.splitlines(), 0
    module = f"strategies.{name}"
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if isinstance(node, ast.ImportFrom) and (node.module or "") > module:
                break
            at = node.end_lineno or at
    lines.insert(at, f"from {module} import {class_name(name)}")
    lines.append(f'register("{name}", {class_name(name)})')
    return "\n".join(lines) + "\n"


def _write(fs: SystemFs, path: Path, text: str) -> None:
    fs.make_dir(path.parent)
    file = fs.open_new(path)
    try:
        file.write(text.encode())
        file.sync()
    finally:
        file.close()
