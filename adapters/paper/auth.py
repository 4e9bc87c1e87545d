"""Who signed a request: the ten checks of contract section 2, in their order."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import deque
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Literal

import msgspec

from adapters.paper.wire import decode

NS_PER_MS = 1_000_000
NONCE_WINDOW_MS = 5_000
# A nonce older than the window is refused by its age and forgotten, so only this many need be
# remembered (10,000 requests each 10 s and endpoint are allowed; more than that and the oldest are
# dropped, which can only happen past every rate limit).
NONCE_MEMORY = 200_000


# A key with both has WhiteBIT's level "Info + Trading"; deposits and withdrawals are not served.
Permission = Literal["read", "trade"]
ALL_PERMISSIONS: tuple[Permission, ...] = ("read", "trade")
# The number is documented with the keys (section 2).
IPS_MAX = 50
# What changes something, apart from all that is under /order/ and is not a status.
_TRADE_PREFIX = "/api/v4/order/"
_STATUS = "/api/v4/order/kill-switch/status"
_TRADE = frozenset(
    (
        "/api/v4/collateral-account/leverage",
        "/api/v4/collateral-account/hedge-mode/update",
        "/api/v4/collateral-account/position/close",
    )
)


def permission_of(path: str) -> Permission:
    """Permission that a private endpoint needs: `trade` for what changes something [C]."""
    if path in _TRADE or (path.startswith(_TRADE_PREFIX) and path != _STATUS):
        return "trade"
    return "read"


def is_address(text: str) -> bool:
    """Whether a text is one IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def plain_address(address: str) -> str:
    """Write an address in one way; an IPv4 one inside IPv6 as itself, no address as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of an account; from any address while `ips` is empty, `denied` holds paths."""

    account: str
    key: Annotated[str, msgspec.Meta(min_length=1)]
    secret: Annotated[str, msgspec.Meta(min_length=1)]
    enabled: bool = True
    permissions: tuple[Permission, ...] = ALL_PERMISSIONS
    ips: Annotated[tuple[str, ...], msgspec.Meta(max_length=IPS_MAX)] = ()
    denied: tuple[str, ...] = ()

    def allows_address(self, address: str) -> bool:
        return not self.ips or address in map(plain_address, self.ips)

    def allows_path(self, path: str) -> bool:
        return path not in self.denied and permission_of(path) in self.permissions


class AuthRefusal(Exception):
    """A refused request: HTTP status and JSON body."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(body["message"])
        self.status = status
        self.body = body


class Signed(msgspec.Struct, frozen=True):
    """An accepted request: the account that signed and the decoded body."""

    account: str
    body: dict[str, Any]


class Authenticator:
    """Checks signatures and nonces; holds the nonces used so far for each key."""

    def __init__(
        self, keys: Iterable[ApiKey], *, strict_payload: bool = False, nonce_status: int = 429
    ) -> None:
        """Set up the keys.

        Args:
            keys: Every key the venue knows.
            strict_payload: Refuse JSON with spaces between tokens (G-2).
            nonce_status: 429 as seen live, or 401 as documented (G-3).
        """
        self._keys = {key.key: key for key in keys}
        self._strict_payload = strict_payload
        self._nonce_status = nonce_status
        self._nonces = {key.key: _Nonces() for key in keys}

    @property
    def keys(self) -> list[ApiKey]:
        """Every key, in the order of issue."""
        return list(self._keys.values())

    def find(self, key: str) -> ApiKey | None:
        return self._keys.get(key)

    def put(self, key: ApiKey) -> None:
        """Add a key or replace its settings; the nonces it has used stay used."""
        self._keys[key.key] = key
        self._nonces.setdefault(key.key, _Nonces())

    def check(
        self, headers: Mapping[str, str], raw: bytes, path: str, now_ns: int, address: str
    ) -> Signed:
        """Accept or refuse one private request.

        Args:
            headers: Names in lower case.
            raw: The body as received.
            path: The path of the request line, without query.
            now_ns: The venue's clock.
            address: Where the client is, as `plain_address` writes it.

        Raises:
            AuthRefusal: with the answer to send.
        """
        body = self._payload(headers.get("x-txc-payload", ""), raw)
        key = self._signer(headers)
        if not key.enabled or not key.allows_address(address):
            raise _refuse(401, "This action is unauthorized. Enable your key in API settings")
        if "request" not in body:
            raise _refuse(401, "Request not provided.")
        if body["request"] != path:
            raise _refuse_code(400, 9, "Invalid payload.")
        self._nonce(key.key, body, now_ns)
        if not key.allows_path(path):
            raise _refuse(403, "You don't have permission to use this endpoint.")
        return Signed(key.account, body)

    def _payload(self, payload: str, raw: bytes) -> dict[str, Any]:
        if not payload:
            raise _refuse(401, "Payload not provided.")
        try:
            decoded = base64.b64decode(payload, validate=True)
            body = decode(decoded)
        except (binascii.Error, msgspec.DecodeError, ValueError, RecursionError):
            raise _refuse_code(400, 9, "Invalid payload.") from None
        if decoded != raw or not isinstance(body, dict):
            raise _refuse_code(400, 9, "Invalid payload.")
        if self._strict_payload and msgspec.json.format(raw, indent=-1) != raw:
            raise _refuse_code(400, 9, "Invalid payload.")
        return body

    def _signer(self, headers: Mapping[str, str]) -> ApiKey:
        key = self._keys.get(headers.get("x-txc-apikey", ""))
        # An unknown key is signed against too, so both refusals take the same time.
        secret = key.secret if key is not None else "unknown"
        payload = headers["x-txc-payload"]
        expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha512).hexdigest()
        given = headers.get("x-txc-signature", "").encode()
        if not hmac.compare_digest(expected.encode(), given) or key is None:
            raise _refuse_code(401, 10, "Unauthorized request.")
        return key

    def _nonce(self, key: str, body: dict[str, Any], now_ns: int) -> None:
        nonce = _integer(body.get("nonce"))
        if nonce is None:
            raise _refuse(401, "Nonce not provided.")
        windowed = body.get("nonceWindow", False)
        if not isinstance(windowed, bool):
            raise _refuse(401, "Invalid nonceWindow.")
        nonces = self._nonces[key]
        now_ms = now_ns // NS_PER_MS
        if windowed:
            if abs(nonce - now_ms) > NONCE_WINDOW_MS:
                raise _refuse(
                    401, "Your nonce is more than 5 seconds lesser than the current nonce"
                )
            fresh = nonces.take_windowed(nonce, now_ms)
        else:
            fresh = nonces.take_growing(nonce, now_ms)
        if not fresh:
            raise _refuse(self._nonce_status, "Too many requests.")


class _Nonces:
    """The nonces one key has used."""

    def __init__(self) -> None:
        self._highest = -1
        self._used: set[int] = set()
        self._order: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def take_growing(self, nonce: int, now_ms: int) -> bool:
        if nonce <= self._highest:
            return False
        self._remember(nonce, now_ms)
        return True

    def take_windowed(self, nonce: int, now_ms: int) -> bool:
        if nonce in self._used:
            return False
        self._remember(nonce, now_ms)
        return True

    def _remember(self, nonce: int, now_ms: int) -> None:
        used, order = self._used, self._order
        used.add(nonce)
        order.append(nonce)
        while order and (order[0] < now_ms - NONCE_WINDOW_MS or len(order) > NONCE_MEMORY):
            used.remove(order.popleft())
        self._highest = max(self._highest, nonce)


def _integer(value: Any) -> int | None:
    # The venue takes a decimal string too (G-2); bool is an int to Python only.
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    return None


def _refuse(status: int, message: str) -> AuthRefusal:
    return AuthRefusal(status, {"code": 0, "message": message, "errors": {}})


def _refuse_code(status: int, code: int, message: str) -> AuthRefusal:
    # Codes 9 and 10 come without `errors` (section 2).
    return AuthRefusal(status, {"code": code, "message": message})
