"""Refusals of the engine say what the official documentation says for their code and field."""

from __future__ import annotations

import json

from adapters.paper.core import rejects
from adapters.paper.core.model import Reject
from tests.paper.conformance_kit import EXAMPLES, needs_the_schemas

pytestmark = needs_the_schemas
# General validation has many texts a code; the tests of each endpoint compare them one by one.
GENERAL = range(30, 37)


def test_engine_texts_are_verbatim() -> None:
    documented: dict[tuple[int, str], set[str]] = {}
    for error in json.loads((EXAMPLES / "errors.json").read_bytes())["values"]:
        for field, texts in (error["value"].get("errors") or {}).items():
            documented.setdefault((error["value"]["code"], field), set()).update(texts)
    checked = 0
    for name, refused in vars(rejects).items():
        if not isinstance(refused, Reject) or refused.code in GENERAL:
            continue
        for field, texts in refused.errors.items():
            if (refused.code, field) in documented:
                checked += 1
                assert set(texts) <= documented[refused.code, field], name
    assert checked >= 15
