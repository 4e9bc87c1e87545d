"""The progress bar of long work: how much is done, since when, and how long it will take."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress_bar(counted: ProgressColumn, *, auto_refresh: bool = True) -> Progress:
    """Return a bar on stderr that is gone once the work is done.

    Args:
        counted: What of the work is shown beside the bar.
        auto_refresh: Drawn by a thread now and then, not only when told.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        counted,
        TimeElapsedColumn(),
        TextColumn("passed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=auto_refresh,
    )
