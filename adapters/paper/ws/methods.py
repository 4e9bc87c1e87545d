"""The vocabulary of WebSocket methods: answers, errors and checked params (contract 9.1, 11.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from adapters.paper.venue import Venue
from adapters.paper.ws.session import Session

INVALID_ARGUMENT = 1
INTERNAL_ERROR = 2
SERVICE_UNAVAILABLE = 3
METHOD_NOT_FOUND = 4
SERVICE_TIMEOUT = 5
REQUIRE_AUTHENTICATION = 6
TOO_MANY_REQUESTS = 7
UNKNOWN_MARKET = 9
MESSAGES = {
    INVALID_ARGUMENT: "invalid argument",
    # This, the next and the timeout are only ever answered by a plan of faults.
    INTERNAL_ERROR: "internal error",
    SERVICE_UNAVAILABLE: "service unavailable",
    METHOD_NOT_FOUND: "method not found",
    SERVICE_TIMEOUT: "service timeout",
    REQUIRE_AUTHENTICATION: "require authentication",
    TOO_MANY_REQUESTS: "too many requests",
}
PAGE_MAX = 100
SUCCESS = {"status": "success"}


class WsError(Exception):
    """A refused WebSocket request."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.message = MESSAGES[code] if message is None else message
        super().__init__(code, self.message)


def error_reply(request_id: int | None, code: int, message: str | None = None) -> dict[str, Any]:
    """Answer to a refused request, with the contract's text where none is given (3.1, 9.1)."""
    text = MESSAGES[code] if message is None else message
    return {"id": request_id, "result": None, "error": {"code": code, "message": text}}


class Answer(msgspec.Struct, frozen=True):
    """Result of a request, and the frames that follow its confirmation."""

    result: Any
    pushes: tuple[bytes, ...] = ()


Method = Callable[[Venue, Session, list[Any]], Answer]
CONFIRMED = Answer(SUCCESS)


def invalid() -> WsError:
    return WsError(INVALID_ARGUMENT)


def market(venue: Venue, name: Any) -> str:
    """A market that exists, else code 9 with the name as sent."""
    if not isinstance(name, str):
        raise invalid()
    if name not in venue.exchange.markets:
        raise WsError(UNKNOWN_MARKET, f"market {name} does not exist")
    return name


def markets(venue: Venue, names: Any) -> tuple[str, ...]:
    """A list of markets, each once; empty means all where the channel allows it."""
    if not isinstance(names, list):
        raise invalid()
    return tuple(dict.fromkeys(market(venue, name) for name in names))


def page(offset: Any, limit: Any) -> tuple[int, int]:
    """Offset and limit of a query, the limit at most 100."""
    if integer(offset) < 0 or not 0 < integer(limit) <= PAGE_MAX:
        raise invalid()
    return offset, limit


def integer(value: Any) -> int:
    """A JSON integer; 1.0 and true equal one but are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid()
    return value


def expect(params: list[Any], *sizes: int) -> None:
    """Refuse params of another length."""
    if len(params) not in sizes:
        raise invalid()
