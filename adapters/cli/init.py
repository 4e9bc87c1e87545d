"""`quotefold init`: write a configuration to begin with, every key of it explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from adapters.ports import SystemFs

DEFAULT_PATH = Path("quotefold.toml")
TEMPLATE = Path(__file__).with_name("paper.toml")
"""The example of `config/`, under a name that an installed program has too."""

_NEXT = """{path} written. It quotes on a paper venue until you name another.
  quotefold doctor {path}   checks it, the account and this machine
  quotefold run {path}      quotes
  quotefold run {path} --live   trades with real money, once [venue] is the exchange and the
      limits are small (README.md, "Going live, safely")"""


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more.")
def init(path: Path | None, force: bool, as_json: bool) -> int:
    """Write a configuration with a comment on each key to PATH (quotefold.toml).

    `run` and `doctor` take it as it is: it quotes two markets of a paper venue. It holds no key and
    no secret, and has no place for them.

    Exit codes: 0 written, 2 refused: the file exists, or cannot be written.
    """
    import json
    import shlex

    from adapters.ports import SystemFs

    target = path or DEFAULT_PATH
    write_config(SystemFs(), target, force=force)
    shown = shlex.quote(str(target))
    click.echo(json.dumps({"path": str(target)}) if as_json else _NEXT.format(path=shown))
    return 0


def write_config(fs: SystemFs, path: Path, *, force: bool) -> None:
    """Write the example configuration, whole or not at all.

    Raises:
        ConfigError: the file exists and `force` is not given, or it cannot be written.
    """
    from adapters.cli.whole_file import whole_file
    from engine.errors import ConfigError

    if path.exists() and not force:
        raise ConfigError(f"{path}: expected no file, found one; --force replaces it")
    try:
        fs.make_dir(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    with whole_file(fs, path) as file:
        file.write(fs.read(TEMPLATE))
