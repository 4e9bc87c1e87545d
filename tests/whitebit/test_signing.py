"""Signatures agree with the worked vectors, secrets stay secret, nonces grow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.whitebit.signing import ALLOWED_PATHS, TOKEN_PATH, NonceSource, Secret, Signer
from engine.errors import LocalProtocolError
from tests.whitebit.venue import SHARED, needs_shared, steady

KEY = Secret("test-api-key-0000000000000000")
SECRET = Secret("test-api-secret-1111111111111111")

# Made-up key and secret; contract 2.1.
VECTORS = [
    (
        '{"ticker":"BTC","request":"/api/v4/trade-account/balance","nonce":1594297865000,'
        '"nonceWindow":true}',
        "f4806687c66976df0935e55030341b89ee3f0a89ba0cfe10da71466f47018ca8"
        "15428f65de83bf232122ad2799d8072724e80df93e0e634ddbff35e5d62ffea7",
    ),
    (
        '{"market":"BTC_USDT","side":"buy","amount":"0.01","price":"60000",'
        '"clientOrderId":"quote-bid-1","postOnly":true,"stp":"cn",'
        '"request":"/api/v4/order/new","nonce":1700000000001}',
        "5f35945b991921c7c537ad51b91c267494b6ec85fa9b8e6ce5023ae8c122f269"
        "69a20a52ff8434d20b005fd329cae38ae26d2ef9367b9a8370e453208e6cb58a",
    ),
    (
        '{"request":"/api/v4/profile/websocket_token","nonce":1700000000002,"nonceWindow":true}',
        "0f5d72dfb492eb4d8b4cb40cf26ada49263cd94d2e97ce6edadf8943b3d3f506"
        "09c386457054e74242b307e18807637592c0648508448b2d100fdc713a3593ef",
    ),
]


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_worked_vector(body: str, signature: str) -> None:
    path = json.loads(body)["request"]
    headers = dict(Signer(KEY, SECRET).headers(path, body.encode()))
    assert headers == {
        b"Content-Type": b"application/json",
        b"X-TXC-APIKEY": KEY.reveal().encode(),
        b"X-TXC-PAYLOAD": base64.b64encode(body.encode()),
        b"X-TXC-SIGNATURE": signature.encode(),
    }


@needs_shared
def test_every_documented_vector() -> None:
    vectors = json.loads((SHARED / "examples" / "signing.json").read_text())["vectors"]
    for vector in vectors:
        signer = Signer(Secret(vector["apiKey"]), Secret(vector["apiSecret"]))
        headers = dict(signer.headers(TOKEN_PATH, vector["body"].encode()))
        assert headers[b"X-TXC-PAYLOAD"].decode() == vector["payload"], vector["name"]
        assert headers[b"X-TXC-SIGNATURE"].decode() == vector["signature"], vector["name"]


@steady
@given(st.text(string.printable + "äπ€", min_size=1, max_size=200), st.binary(max_size=400))
def test_signature_equals_the_library_for_any_secret_and_body(secret: str, body: bytes) -> None:
    signer = Signer(KEY, Secret(secret))
    for _ in range(2):
        headers = dict(signer.headers(TOKEN_PATH, body))
        expected = hmac.new(secret.encode(), base64.b64encode(body), hashlib.sha512).hexdigest()
        assert headers[b"X-TXC-SIGNATURE"].decode() == expected


@pytest.mark.parametrize(
    "path", ["/api/v4/main-account/withdraw", "/api/v4/order/market", "", "/api/v4/order/new/"]
)
def test_path_outside_the_allow_list_is_not_signed(path: str) -> None:
    with pytest.raises(LocalProtocolError, match="allow-list"):
        Signer(KEY, SECRET).headers(path, b"{}")


def test_no_allowed_path_moves_funds() -> None:
    words = ("main-account", "withdraw", "transfer", "code", "sub-account")
    assert not [path for path in ALLOWED_PATHS if any(word in path for word in words)]


def test_secret_never_prints_itself() -> None:
    secret = Secret("hunter2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr([secret]), f"{secret!r}"]
    assert not [text for text in shown if "hunter2" in text]
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(secret)
    assert "hunter2" not in repr(Signer(secret, secret)) + str(vars(Signer(secret, secret)))


def test_nonce_follows_the_clock_and_grows_when_it_does_not() -> None:
    now_ns = 1_700_000_000_000_900_000
    nonces = NonceSource(lambda: now_ns)
    assert nonces.draw() == 1_700_000_000_000
    assert nonces.draw() == 1_700_000_000_001
    now_ns += 5_000_000
    assert nonces.draw() == 1_700_000_000_005
    now_ns -= 3_000_000_000
    assert nonces.draw() == 1_700_000_000_006


def test_nonce_is_shifted_to_the_clock_of_the_venue() -> None:
    nonces = NonceSource(lambda: 1_700_000_000_000_000_000)
    nonces.offset_ms = -2_500
    assert nonces.draw() == 1_699_999_997_500
    nonces.offset_ms = 0
    assert nonces.draw() == 1_700_000_000_000
    nonces.offset_ms = -2_500
    assert nonces.draw() == 1_700_000_000_001


def test_nonces_come_back_from_a_future_in_which_none_was_taken() -> None:
    now_ns = 1_700_000_000_000_000_000
    nonces = NonceSource(lambda: now_ns)
    nonces.offset_ms = 5_000
    assert nonces.draw() == 1_700_000_005_000
    nonces.offset_ms = 0
    now_ns += 1_000_000
    assert nonces.draw() == 1_700_000_005_001, "the venue may have taken the last one"
    nonces.offset_ms = 3_600_000
    assert nonces.draw() == 1_700_003_600_001
    nonces.offset_ms = 0
    assert nonces.draw() == 1_700_000_000_001
    assert nonces.draw() == 1_700_000_000_002
