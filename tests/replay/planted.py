"""A planted change, and how a proof has to name it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from engine.events import Record

Patch = Callable[[pytest.MonkeyPatch], None]
Edit = Callable[[list[Record]], tuple[int, list[Record]]]
"""Gives the seq of the first record that is not what it was, and all records."""


class Plant(msgspec.Struct, frozen=True):
    """One change, and how a proof has to name it."""

    what: str
    journal: str
    level: str
    """Or several, parted by |, where what the market does next decides which comes first."""
    words: str
    """What the first divergence says, among other things; or one of several, parted by |."""
    patch: Patch | None = None
    edit: Edit | None = None
