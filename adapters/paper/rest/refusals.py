"""Requests that the server refuses before the exchange sees them (contract sections 3.1, 9)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core.model import Reject
from adapters.paper.core.rejects import reject

VALIDATION = 30
MARKET = 31
CLIENT_ID = 36


class ApiError(Exception):
    """A request refused with the texts per field."""

    def __init__(self, refused: Reject) -> None:
        super().__init__(refused.code, refused.errors)
        self.reject = refused


def refuse(code: int, errors: dict[str, list[str]]) -> ApiError:
    """Refuse for what the request itself says."""
    return ApiError(reject(code, errors))


def error_body(refused: Reject) -> dict[str, Any]:
    """The private error envelope, also of a bulk item (3.1)."""
    return {"code": refused.code, "message": refused.message, "errors": refused.errors}
