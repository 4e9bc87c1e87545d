"""Take apart the URLs of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from engine.errors import ConfigError

_SCHEMES: Mapping[str, tuple[int, bool]] = {
    "ws": (80, False),
    "http": (80, False),
    "wss": (443, True),
    "https": (443, True),
}


class Endpoint(msgspec.Struct, frozen=True):
    """Where to connect, and what to ask for there."""

    host: str
    port: int
    tls: bool
    path: str
    """With the query, at least `/`."""

    @property
    def host_header(self) -> str:
        """Value of the Host header: with the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_url(url: str, *schemes: str) -> Endpoint:
    """Take a URL apart.

    Args:
        url: With scheme and host; port and path are optional.
        schemes: Those allowed, of ws, wss, http and https; all when empty.

    Raises:
        ConfigError: if it is not such a URL, or holds a user name, a password or a fragment.
    """
    allowed = schemes or tuple(_SCHEMES)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"expected a URL, found {url!r}: {error}") from error
    if parts.scheme not in allowed or not parts.hostname:
        raise ConfigError(f"expected a URL of {', '.join(allowed)} with a host, found {url!r}")
    if parts.username is not None or parts.fragment:
        # Not quoted, since the user part may hold a password.
        raise ConfigError(f"expected a URL without user and fragment, for {parts.hostname}")
    default_port, tls = _SCHEMES[parts.scheme]
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    return Endpoint(parts.hostname, port or default_port, tls, path)


def parse_trusted_url(url: str) -> Endpoint:
    """Take apart a URL that requests with a key go to: TLS, or this machine.

    Raises:
        ConfigError: if it is none.
    """
    endpoint = parse_url(url, "https", "http")
    if not endpoint.tls and not is_loopback(endpoint.host):
        raise ConfigError(
            f"expected https, found {url!r}; only this machine is reached without TLS"
        )
    return endpoint


def is_loopback(host: str) -> bool:
    """Tell whether a host of a URL is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
