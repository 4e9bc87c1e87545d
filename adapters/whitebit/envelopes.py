"""Read the error envelopes of REST in all their shapes (contract 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapters.whitebit.units import clip
from engine.types import Refusal

_CODE_MAX = 1 << 31
_ENVELOPE_KEYS = frozenset({"code", "errors", "message", "status", "success", "warning"})


def read_refusal(status: int, body: bytes) -> Refusal | None:
    """Read the body of a refusal with this HTTP status; None unless it is a JSON object."""
    try:
        envelope = msgspec.json.decode(body, type=dict[str, object])
    except (ValueError, RecursionError):
        return None
    return refusal_of(status, envelope)


def refusal_of(status: int, envelope: Mapping[str, object]) -> Refusal:
    """Read a decoded envelope; what it lacks is 0 or empty.

    The key and the text are the first of `errors`, since colliding codes are told apart by them;
    without `errors` the text is the message.
    """
    code = envelope.get("code")
    number = code if isinstance(code, int) and 0 <= code < _CODE_MAX else 0
    message = envelope.get("message") or envelope.get("warning")
    for errors in (envelope.get("errors"), message):
        if isinstance(errors, dict) and errors:
            return _refusal(status, number, errors)
    if isinstance(message, str):
        return Refusal(status, number, "", clip(message))
    if not envelope.keys() & _ENVELOPE_KEYS:
        # Public market endpoints answer `{field: [text, ...]}` and nothing around it.
        return _refusal(status, number, envelope)
    return Refusal(status, number, "", "")


def _refusal(status: int, code: int, errors: Mapping[str, object]) -> Refusal:
    for key, texts in errors.items():
        text = texts[0] if isinstance(texts, list) and texts else texts
        return Refusal(status, code, clip(key, 64), clip(text) if isinstance(text, str) else "")
    return Refusal(status, code, "", "")
