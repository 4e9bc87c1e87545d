"""The tables of docs/venue.md name every endpoint and channel that the venue serves."""

from __future__ import annotations

from pathlib import Path

from adapters.paper.rest.routes import PRIVATE, PUBLIC, PUBLIC_MARKET
from adapters.paper.ws.socket import METHODS

TEXT = (Path(__file__).parents[2] / "docs" / "venue.md").read_text("utf-8")
SERVED = TEXT[TEXT.index("## What it serves") : TEXT.index("## Choices where")]


def test_every_endpoint_has_a_row() -> None:
    paths = [*PRIVATE, *PUBLIC, *(f"{prefix}{{market}}" for prefix in PUBLIC_MARKET)]
    names = [path.split("/public/")[-1].removeprefix("/api/v4/") for path in paths]
    assert [name for name in names if f"`{name}`" not in SERVED] == []


def test_every_channel_has_a_row() -> None:
    rows = [line.split("|")[1] for line in SERVED.splitlines() if line.startswith("|")]
    named = {name.strip(" `") for row in rows for name in row.split(",")}
    channels = {method.rsplit("_", 1)[0] for method in METHODS}
    assert channels <= named
