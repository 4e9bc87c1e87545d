"""Frames of the live wire, and what is compared with them: members and types, not values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FRAMES = Path(__file__).parents[2].parent / "shared" / "whitebit" / "frames"
needs_the_captures = pytest.mark.skipif(not FRAMES.exists(), reason="the captures are not present")


def frame(name: str) -> Any:
    """Read one capture."""
    return json.loads((FRAMES / f"{name}.json").read_text("utf-8"))["frame"]


def shape(value: Any) -> Any:
    """Replace values by their types; whole seconds and fractions are one type."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, str | bool) or value is None:
        return type(value).__name__
    return "number"
