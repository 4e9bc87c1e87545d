"""URLs of the configuration are taken apart or refused before anything connects."""

from __future__ import annotations

import pytest

from adapters.whitebit.urls import Endpoint, parse_trusted_url, parse_url
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "endpoint", "host_header"),
    [
        (
            "wss://wss.whitebit.com/ws",
            Endpoint("wss.whitebit.com", 443, True, "/ws"),
            "wss.whitebit.com",
        ),
        (
            "ws://127.0.0.1:8080/ws?a=b",
            Endpoint("127.0.0.1", 8080, False, "/ws?a=b"),
            "127.0.0.1:8080",
        ),
        ("https://whitebit.com", Endpoint("whitebit.com", 443, True, "/"), "whitebit.com"),
        ("http://[::1]:8000", Endpoint("::1", 8000, False, "/"), "[::1]:8000"),
        ("HTTP://Example.com:80/", Endpoint("example.com", 80, False, "/"), "example.com"),
    ],
)
def test_url_is_taken_apart(url: str, endpoint: Endpoint, host_header: str) -> None:
    assert parse_url(url) == endpoint
    assert parse_url(url).host_header == host_header


@pytest.mark.parametrize(
    "url",
    [
        "",
        "whitebit.com",
        "ftp://whitebit.com",
        "wss://",
        "http://host:port",
        "http://[::1",
        "http://h/#x",
    ],
)
def test_text_that_is_no_such_url(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL"):
        parse_url(url)


def test_scheme_of_another_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match="ws, wss"):
        parse_url("https://whitebit.com", "ws", "wss")


def test_password_in_a_url_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="without user") as caught:
        parse_url("https://user:hunter2@whitebit.com")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://venue.test", "venue.test"),
        ("http://127.0.0.1:81", "127.0.0.1"),
        ("http://[::1]:81", "::1"),
        ("http://localhost", "localhost"),
    ],
)
def test_a_key_goes_to_this_machine_or_over_tls(url: str, host: str) -> None:
    assert parse_trusted_url(url).host == host


@pytest.mark.parametrize("url", ["http://venue.test", "http://10.0.0.1", "ws://127.0.0.1"])
def test_a_key_goes_nowhere_else(url: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        parse_trusted_url(url)
