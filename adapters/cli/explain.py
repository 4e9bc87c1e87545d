"""`quotefold explain`: the story of one fill, for whoever asks why, and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.cli.places import (
    journal_argument,
    json_option,
    open_journal,
    print_json,
    tell_notes,
)
from engine.errors import ConfigError

if TYPE_CHECKING:
    from adapters.cli.pictures import Signs


@click.command()
@journal_argument
@click.argument("deal_id", metavar="DEAL_ID", type=int)
@click.option("--market", "market", default="", metavar="M", help="Where two have that deal id.")
@click.option("--svg", "svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw it, too.")
@json_option
def explain(journal: Path, deal_id: int, market: str, svg: Path | None, as_json: bool) -> None:
    """Explain one fill of JOURNAL: why there, at that price, at that moment, and what it cost.

    The book, the strategy's reasoning and the order are shown side by side at the decision, when
    it was sent, when the venue had it, and at the fill; then the planner's decisions in between,
    the queue, every event of the order, the market around the fill, and what would have kept us
    out. `quotefold fills` lists the deal ids; docs/debugging-a-fill.md walks through one.

    Exit codes: 0 explained, 1 the journal is damaged there, 2 could not run.
    """
    from replay.explain import explain as find

    opened = open_journal(journal, as_json=as_json)
    story = find(opened, deal_id, market, progress=not as_json)
    if svg is not None:
        from adapters.cli.explain_svg import picture

        _write(svg, picture(story))
    if as_json:
        from adapters.cli.explain_json import to_object

        print_json({"journal": str(journal), **to_object(story)})
        return
    from adapters.cli.explain_text import page

    tell_notes(opened)
    for line in page(story, _signs()):
        click.echo(line)
    if svg is not None:
        click.echo(f"note: drawn in {svg}", err=True)


def _signs() -> Signs:
    # A terminal that shows the signs gets them; a file, a pipe, and NO_COLOR get plain ASCII.
    from rich.console import Console

    from adapters.cli.pictures import ASCII, UNICODE

    console = Console()
    fancy = console.is_terminal and not console.is_dumb_terminal and not console.no_color
    return UNICODE if fancy and console.encoding.startswith("utf") else ASCII


def _write(path: Path, text: str) -> None:
    from adapters.cli.whole_file import whole_file
    from adapters.ports import SystemFs

    fs = SystemFs()
    if fs.exists(path):
        raise ConfigError(f"--svg: {path}: expected no file, found one")
    with whole_file(fs, path) as file:
        file.write(text.encode())
