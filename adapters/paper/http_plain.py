"""Plain HTTP requests read and answered the short way, in a fifth of the time that h11 takes.

Plain is one whole GET or POST of HTTP/1.1 that arrived in one piece, with one host, no header twice
and none that changes how a message is read. Everything else, wrong or only unusual, is h11's to
judge; a test compares both on whatever is plain.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote

import msgspec

# The request line and all headers. A signed body travels in a header too, a third longer: this much
# leaves room for a cancel of 100 orders by their longest client ids, the largest of all requests.
HEADER_MAX = 16 * 1024
BODY_MAX = 1024 * 1024
# Only for people who read along; 453 is WhiteBIT's own (section 1).
REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}

_HEAD = re.compile(
    rb"(GET|POST) (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: ?[!-~](?:[ !-~]*[!-~])?\r\n)+)\r\n"
)
_LENGTH = re.compile(r"0|[1-9][0-9]{0,6}")
_CHANGES_READING = frozenset(("transfer-encoding", "upgrade", "expect"))


class Request(msgspec.Struct, frozen=True):
    """One received request; header names are lower case, of repeated headers the last counts."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Response(msgspec.Struct, frozen=True):
    """One answer; an empty body is sent without content type."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    # More than one only where a plan of faults wants it.
    copies: int = 1


def parse(data: bytes) -> Request | None:
    """Read one plain request that is all of `data`; None: ask h11."""
    head = _HEAD.match(data)
    if head is None or head.end() > HEADER_MAX:
        return None
    lines = head[3].decode("ascii").split("\r\n")
    pairs = [line.partition(":") for line in lines[:-1]]
    headers = {name.lower(): value.strip(" ") for name, _, value in pairs}
    if len(headers) != len(pairs) or "host" not in headers:
        return None
    if not _CHANGES_READING.isdisjoint(headers):
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("content-length", "0")
    body = data[head.end() :]
    if not _LENGTH.fullmatch(length) or int(length) != len(body) or len(body) > BODY_MAX:
        return None
    path, _, query = head[2].decode("ascii").partition("?")
    return Request(head[1].decode("ascii"), unquote(path), query, headers, body)


def encode(response: Response) -> bytes:
    """Write the answer to a plain request."""
    body = response.body
    kind = b"content-type: %b\r\n" % response.content_type.encode() if body else b""
    allow = b"allow: GET, POST\r\n" if response.status == 405 else b""
    reason = REASONS.get(response.status, b"")
    head = b"HTTP/1.1 %d %b\r\ncontent-length: %d\r\n" % (response.status, reason, len(body))
    return b"%b%b%b\r\n%b" % (head, kind, allow, body)
