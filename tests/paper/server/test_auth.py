"""The ten refusals of contract section 2, their order, and the official signing vectors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.paper.auth import (
    ApiKey,
    Authenticator,
    AuthRefusal,
    Permission,
    permission_of,
    plain_address,
)

PATH = "/api/v4/orders"
NOW_MS = 1_700_000_000_000
NOW_NS = NOW_MS * 1_000_000
KEYS = [
    ApiKey("alice", "key-a", "secret-a"),
    ApiKey("bob", "key-b", "secret-b", enabled=False),
    ApiKey("carol", "key-c", "secret-c", denied=(PATH,)),
    ApiKey("dave", "key-d", "secret-d", ips=("192.0.2.1", "2001:db8:0::1")),
    ApiKey("erin", "key-e", "secret-e", permissions=("trade",)),
    ApiKey("frank", "key-f", "secret-f", permissions=("read",)),
]
HERE = "127.0.0.1"
VECTORS = Path(__file__).parents[3].parent / "shared" / "whitebit" / "examples" / "signing.json"


def signed(body: bytes, key: str = "key-a", secret: str = "secret-a") -> dict[str, str]:
    payload = base64.b64encode(body).decode()
    signature = hmac.new(secret.encode(), payload.encode(), hashlib.sha512).hexdigest()
    return {"x-txc-apikey": key, "x-txc-payload": payload, "x-txc-signature": signature}


def body(**members: Any) -> bytes:
    return json.dumps({"request": PATH, "nonce": NOW_MS, **members}).encode()


def refusal(
    raw: bytes,
    headers: dict[str, str],
    checker: Authenticator | None = None,
    now_ms: int = NOW_MS,
) -> tuple[int, dict[str, Any]]:
    with pytest.raises(AuthRefusal) as caught:
        (checker or Authenticator(KEYS)).check(headers, raw, PATH, now_ms * 1_000_000, HERE)
    return caught.value.status, dict(caught.value.body)


def plain(text: str) -> dict[str, Any]:
    return {"code": 0, "message": text, "errors": {}}


INVALID_PAYLOAD = (400, {"code": 9, "message": "Invalid payload."})
UNAUTHORIZED = (401, {"code": 10, "message": "Unauthorized request."})
OUTSIDE = "Your nonce is more than 5 seconds lesser than the current nonce"
ONLY_NONCE = json.dumps({"nonce": NOW_MS}).encode()
ONLY_REQUEST = json.dumps({"request": PATH}).encode()

CASES: list[tuple[str, bytes, dict[str, str], tuple[int, dict[str, Any]]]] = [
    ("no payload header", body(), {}, (401, plain("Payload not provided."))),
    ("payload is not base64", body(), {"x-txc-payload": "%%%"}, INVALID_PAYLOAD),
    ("payload is not text", body(), {"x-txc-payload": "é"}, INVALID_PAYLOAD),
    ("payload differs from the body", body(a=1), signed(body()), INVALID_PAYLOAD),
    ("payload is not JSON", b"{", signed(b"{"), INVALID_PAYLOAD),
    ("payload is not an object", b"[]", signed(b"[]"), INVALID_PAYLOAD),
    ("request of another path", body(request="/x"), signed(body(request="/x")), INVALID_PAYLOAD),
    ("unknown key", body(), signed(body(), key="nobody"), UNAUTHORIZED),
    ("signed with another secret", body(), signed(body(), secret="wrong"), UNAUTHORIZED),
    ("no signature", body(), {"x-txc-payload": base64.b64encode(body()).decode()}, UNAUTHORIZED),
    (
        "disabled key",
        body(),
        signed(body(), "key-b", "secret-b"),
        (401, plain("This action is unauthorized. Enable your key in API settings")),
    ),
    (
        "key bound to other addresses",
        body(),
        signed(body(), "key-d", "secret-d"),
        (401, plain("This action is unauthorized. Enable your key in API settings")),
    ),
    ("no request", ONLY_NONCE, signed(ONLY_NONCE), (401, plain("Request not provided."))),
    ("no nonce", ONLY_REQUEST, signed(ONLY_REQUEST), (401, plain("Nonce not provided."))),
    (
        "nonce is no number",
        body(nonce="soon"),
        signed(body(nonce="soon")),
        (401, plain("Nonce not provided.")),
    ),
    (
        "nonceWindow is no boolean",
        body(nonceWindow=1),
        signed(body(nonceWindow=1)),
        (401, plain("Invalid nonceWindow.")),
    ),
    (
        "nonce too old for the window",
        body(nonceWindow=True, nonce=NOW_MS - 5001),
        signed(body(nonceWindow=True, nonce=NOW_MS - 5001)),
        (401, plain(OUTSIDE)),
    ),
    (
        "nonce too far ahead of the window",
        body(nonceWindow=True, nonce=NOW_MS + 5001),
        signed(body(nonceWindow=True, nonce=NOW_MS + 5001)),
        (401, plain(OUTSIDE)),
    ),
    (
        "endpoint not permitted",
        body(),
        signed(body(), "key-c", "secret-c"),
        (403, plain("You don't have permission to use this endpoint.")),
    ),
    (
        "key that may not read",
        body(),
        signed(body(), "key-e", "secret-e"),
        (403, plain("You don't have permission to use this endpoint.")),
    ),
]


@pytest.mark.parametrize(("name", "raw", "headers", "expected"), CASES, ids=[c[0] for c in CASES])
def test_refusals(
    name: str, raw: bytes, headers: dict[str, str], expected: tuple[int, dict[str, Any]]
) -> None:
    assert refusal(raw, headers) == expected


def accept(checker: Authenticator, **members: Any) -> None:
    raw = body(**members)
    assert checker.check(signed(raw), raw, PATH, NOW_NS, HERE).account == "alice"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_key_bound_to_addresses_is_good_there(address: str) -> None:
    headers = signed(body(), "key-d", "secret-d")
    assert Authenticator(KEYS).check(headers, body(), PATH, NOW_NS, address).account == "dave"


@pytest.mark.parametrize(
    ("written", "plain_form"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "2001:db8::1"), ("local", "local")],
)
def test_an_address_is_written_in_one_way(written: str, plain_form: str) -> None:
    assert plain_address(written) == plain_form


PERMISSIONS: list[tuple[Permission, str]] = [
    ("read", "orders trade-account/order trade-account/order/history oco-orders market/fee"),
    ("read", "order/kill-switch/status profile/websocket_token trade-account/balance"),
    ("read", "collateral-account/positions/open collateral-account/hedge-mode"),
    ("trade", "order/new order/cancel order/cancel/all order/kill-switch order/collateral/oco"),
    ("trade", "order/conditional-cancel collateral-account/leverage"),
    ("trade", "collateral-account/hedge-mode/update collateral-account/position/close"),
]


@pytest.mark.parametrize(("permission", "names"), PERMISSIONS)
def test_what_changes_something_needs_to_trade(permission: Permission, names: str) -> None:
    for name in names.split():
        assert permission_of(f"/api/v4/{name}") == permission


def test_a_reading_key_is_refused_before_it_can_trade() -> None:
    checker, path = Authenticator(KEYS), "/api/v4/order/new"
    raw = body(request=path)
    headers = signed(raw, "key-f", "secret-f")
    with pytest.raises(AuthRefusal) as caught:
        checker.check(headers, raw, path, NOW_NS, HERE)
    assert caught.value.status == 403
    raw = body(nonce=NOW_MS + 1)
    headers = signed(raw, "key-f", "secret-f")
    assert checker.check(headers, raw, PATH, NOW_NS, HERE).account == "frank"


def test_a_key_can_be_switched_off_and_on_and_keeps_its_nonces() -> None:
    checker = Authenticator(KEYS)
    accept(checker, nonce=7)
    checker.put(msgspec.structs.replace(KEYS[0], enabled=False))
    assert refusal(body(), signed(body()), checker)[0] == 401
    checker.put(KEYS[0])
    assert refusal(body(nonce=7), signed(body(nonce=7)), checker) == REUSED
    accept(checker, nonce=8)


REUSED = (429, plain("Too many requests."))


def test_nonces_must_grow_without_a_window() -> None:
    checker = Authenticator(KEYS)
    accept(checker, nonce=5)
    for nonce in (5, 4):
        raw = body(nonce=nonce)
        assert refusal(raw, signed(raw), checker) == REUSED
    accept(checker, nonce="6")


def test_windowed_nonces_come_in_any_order_but_once() -> None:
    checker = Authenticator(KEYS)
    for nonce in (NOW_MS + 5000, NOW_MS - 5000, NOW_MS):
        accept(checker, nonceWindow=True, nonce=nonce)
    raw = body(nonceWindow=True)
    assert refusal(raw, signed(raw), checker) == REUSED
    raw = body(nonce=NOW_MS + 5000)
    assert refusal(raw, signed(raw), checker) == REUSED


def test_a_refused_nonce_is_not_used_up() -> None:
    checker = Authenticator(KEYS)
    raw = body(nonceWindow="yes")
    refusal(raw, signed(raw), checker)
    accept(checker, nonceWindow=True)


def test_nonces_too_old_for_the_window_are_forgotten() -> None:
    checker = Authenticator(KEYS)
    for step in range(3):
        now_ms = NOW_MS + step * 6_000
        for nonce in range(now_ms, now_ms + 100):
            raw = body(nonceWindow=True, nonce=nonce)
            checker.check(signed(raw), raw, PATH, now_ms * 1_000_000, HERE)
            assert refusal(raw, signed(raw), checker, now_ms) == REUSED
    assert len(checker._nonces["key-a"]) == 100
    # What grows without a window never comes again, however old.
    accept(checker, nonce=NOW_MS * 2)
    raw = body(nonce=NOW_MS + 1)
    assert refusal(raw, signed(raw), checker) == REUSED


def test_nonce_refusal_status_is_a_switch() -> None:
    checker = Authenticator(KEYS, nonce_status=401)
    accept(checker)
    raw = body()
    assert refusal(raw, signed(raw), checker)[0] == 401


def test_strict_payload_refuses_spaces_between_tokens() -> None:
    checker = Authenticator(KEYS, strict_payload=True)
    spaced = body(text="a b")
    assert refusal(spaced, signed(spaced), checker) == INVALID_PAYLOAD
    compact = json.dumps(json.loads(spaced), separators=(",", ":")).encode()
    assert checker.check(signed(compact), compact, PATH, NOW_NS, HERE).account == "alice"


@pytest.mark.skipif(not VECTORS.exists(), reason="official signing vectors are not present")
def test_official_vectors_are_accepted() -> None:
    vectors = json.loads(VECTORS.read_text())["vectors"]
    assert len(vectors) == 4
    for vector in vectors:
        checker = Authenticator([ApiKey("demo", vector["apiKey"], vector["apiSecret"])])
        raw = vector["body"].encode()
        members = json.loads(raw)
        headers = {
            "x-txc-apikey": vector["apiKey"],
            "x-txc-payload": vector["payload"],
            "x-txc-signature": vector["signature"],
        }
        now_ns = members["nonce"] * 1_000_000
        result = checker.check(headers, raw, members["request"], now_ns, HERE)
        assert result.body == members
        broken = {**headers, "x-txc-signature": vector["signature"].upper()}
        with pytest.raises(AuthRefusal):
            checker.check(broken, raw, members["request"], now_ns, HERE)
