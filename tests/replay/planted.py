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
    words: str
    """What the first difference says, among other things."""
    patch: Patch | None = None
    edit: Edit | None = None
