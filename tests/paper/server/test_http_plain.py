"""The short way through HTTP against h11: the same requests, the same bytes of every answer."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.paper import http, http_plain
from adapters.paper.http import Request, Response

NAMES = st.sampled_from(("host", "Host", "X-A", "x-a", "Accept", "Connection", "Content-Length"))
VALUES = st.sampled_from(("v", "keep-alive", "close", "3", "0", "a b", "a,b;c", "x" * 300, " s "))
TARGETS = st.sampled_from(
    ("/", "/api/v4/public/ping", "/a?b=c&d", "/%41%2f?x=%20", "/a#b", "*", "")
)
BODIES = st.sampled_from((b"", b"abc", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))


def by_h11(data: bytes) -> Request | None:
    """What h11 makes of bytes that are one whole request and nothing more."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        head = connection.next_event()
        if not isinstance(head, h11.Request):
            return None
        body = b""
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return None
    whole = isinstance(event, h11.EndOfMessage) and not connection.trailing_data[0]
    return http._request(head, body) if whole else None


@given(
    st.sampled_from(("GET", "POST", "PUT", "get")),
    TARGETS,
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.sampled_from(("\r\n", "\n")),
    BODIES,
)
def test_whatever_is_plain_is_the_same_to_h11(
    method: str, target: str, headers: list[tuple[str, str]], line: str, body: bytes
) -> None:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    data = line.join([*lines, "", ""]).encode() + body
    plain = http_plain.parse(data)
    assert plain is None or plain == by_h11(data)


@given(st.binary(max_size=80), st.integers(0, 90))
def test_a_broken_request_is_never_read_otherwise(noise: bytes, at: int) -> None:
    data = b"POST /a?b HTTP/1.1\r\nHost: v\r\nContent-Length: 3\r\nX-B: c d\r\n\r\nabc"
    broken = data[:at] + noise + data[at:]
    plain = http_plain.parse(broken)
    assert plain is None or plain == by_h11(broken)


PLAIN = b"POST /a%20b?c=d HTTP/1.1\r\nHost: v\r\nX-B:c d\r\nContent-Length: 3\r\n\r\nabc"


def test_a_plain_request_is_read() -> None:
    headers = {"host": "v", "x-b": "c d", "content-length": "3"}
    assert http_plain.parse(PLAIN) == Request("POST", "/a b", "c=d", headers, b"abc")


@pytest.mark.parametrize(
    ("sentence", "data"),
    [
        ("part of the body is missing", PLAIN[:-1]),
        ("something follows", PLAIN + b"G"),
        ("the connection is to close", PLAIN.replace(b"X-B:c d", b"Connection: close")),
        ("a WebSocket is wanted", PLAIN.replace(b"X-B:c d", b"Upgrade: websocket")),
        ("the body comes in chunks", PLAIN.replace(b"X-B:c d", b"Transfer-Encoding: chunked")),
        ("a go-ahead is expected", PLAIN.replace(b"X-B:c d", b"Expect: 100-continue")),
        ("a header comes twice", PLAIN.replace(b"X-B:c d", b"host: w")),
        ("there is no host", PLAIN.replace(b"Host", b"Hos")),
        ("it is HTTP/1.0", PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0")),
        ("a header is folded", PLAIN.replace(b"c d", b"c\r\n d")),
        ("the head is too long", PLAIN.replace(b"c d", b"c" * http.HEADER_MAX)),
    ],
)
def test_everything_else_is_for_h11(sentence: str, data: bytes) -> None:
    assert http_plain.parse(data) is None, sentence


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b'["pong"]'),
        Response(200, b"<html>", "text/html"),
        Response(404),
        Response(405),
        Response(429, b"{}"),
        Response(453, b"{}"),
    ],
)
def test_answers_have_the_bytes_of_h11(response: Response) -> None:
    connection = http._Connection(None)  # type: ignore[arg-type]
    connection._h11.receive_data(b"GET / HTTP/1.1\r\nHost: v\r\n\r\n")
    connection._h11.next_event()
    assert http_plain.encode(response) == connection._encode(response)
