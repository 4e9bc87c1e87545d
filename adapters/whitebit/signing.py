"""Signatures, nonces and secrets of the private REST API (contract section 2)."""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Callable
from typing import NoReturn

from engine.errors import LocalProtocolError
from engine.nonces import NONCE_WINDOW_NS

TOKEN_PATH = "/api/v4/profile/websocket_token"

ALLOWED_PATHS: frozenset[str] = frozenset(
    {
        TOKEN_PATH,
        "/api/v4/order/new",
        "/api/v4/order/bulk",
        "/api/v4/order/collateral/limit",
        "/api/v4/order/collateral/bulk",
        "/api/v4/order/modify",
        "/api/v4/order/cancel",
        "/api/v4/order/cancel/all",
        "/api/v4/order/kill-switch",
        "/api/v4/order/kill-switch/status",
        "/api/v4/orders",
        "/api/v4/trade-account/executed-history",
        "/api/v4/trade-account/balance",
        "/api/v4/collateral-account/balance-summary",
        "/api/v4/collateral-account/hedge-mode",
        "/api/v4/collateral-account/positions/open",
        "/api/v4/collateral-account/funding-history",
        "/api/v4/market/fee",
    }
)
"""All that this program may ever sign. It can move no funds, since no such path is here."""

_BLOCK_BYTES = 128
"""Block size of SHA-512, to which HMAC pads its key."""

_WINDOW_MS = NONCE_WINDOW_NS // 1_000_000


class Secret:
    """A text that never prints itself: no repr, format, pickle or exception shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied")


class Signer:
    """Signs exact body bytes with one API key.

    HMAC hashes the padded key before the message and again before the inner digest; both states
    are computed once and copied per call, which halves the cost of `hmac.digest`.
    """

    def __init__(self, key: Secret, secret: Secret) -> None:
        secret_bytes = secret.reveal().encode()
        if len(secret_bytes) > _BLOCK_BYTES:
            secret_bytes = hashlib.sha512(secret_bytes).digest()
        padded = secret_bytes.ljust(_BLOCK_BYTES, b"\0")
        self._key = key
        self._inner = hashlib.sha512(bytes([byte ^ 0x36 for byte in padded]))
        self._outer = hashlib.sha512(bytes([byte ^ 0x5C for byte in padded]))

    def headers(self, path: str, body: bytes) -> list[tuple[bytes, bytes]]:
        """Return the headers that authenticate `body` as a POST to `path`.

        Raises:
            LocalProtocolError: if the path is not one this program may sign.
        """
        if path not in ALLOWED_PATHS:
            raise LocalProtocolError(f"expected a path of the allow-list, found {path!r}")
        payload = b2a_base64(body, newline=False)
        inner = self._inner.copy()
        inner.update(payload)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return [
            (b"Content-Type", b"application/json"),
            (b"X-TXC-APIKEY", self._key.reveal().encode()),
            (b"X-TXC-PAYLOAD", payload),
            (b"X-TXC-SIGNATURE", outer.hexdigest().encode()),
        ]


class NonceSource:
    """The one source of nonces of a key: unique, growing, close to the venue's clock.

    Every caller draws from it, so that no two requests share a nonce; all are sent with
    `nonceWindow`, which asks for the venue's milliseconds within 5 s, in any order.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        """Draw from a clock that never steps back, nanoseconds since the Unix epoch."""
        self._clock_ns = clock_ns
        self._last = 0
        self.offset_ms = 0
        """Venue time less our time, as measured; set by whoever measures it."""

    def draw(self) -> int:
        """Return the next nonce, milliseconds: the venue's time, or one more than the last.

        Where the last is further ahead than the venue's window, the offset was wrong when it was
        drawn: the venue took none from there, and none that went on from there would it take.
        """
        now_ms = self._clock_ns() // 1_000_000 + self.offset_ms
        following = self._last + 1
        self._last = following if now_ms < following <= now_ms + _WINDOW_MS else now_ms
        return self._last
