"""Put REST requests on the wire: sign, send, hand back what came; decides nothing.

A call is never cancelled from outside, since httpcore leaks the place in the pool of a cancelled
call: a journaled deadline declares the outcome unknown, and the answer counts when it comes.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec
import trio

from adapters.whitebit import lanes
from adapters.whitebit.envelopes import read_refusal
from adapters.whitebit.lanes import Lanes, Withheld
from adapters.whitebit.requests import Request, encode_token
from adapters.whitebit.signing import TOKEN_PATH, Secret, Signer
from adapters.whitebit.wire import TokenAnswer
from engine.types import Refusal


class RestAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer as received, decompressed."""

    status: int
    body: bytes


class RestFailure(msgspec.Struct, frozen=True):
    """No answer: nothing is known about what the venue did."""

    reason: str
    refusal: Refusal | None = None
    """Of a token that was refused for certain; None for everything else."""


class RestWithheld(msgspec.Struct, frozen=True):
    """Placing was forbidden at the last moment: it is certain that nothing was sent."""

    reason: str = "placing is forbidden"


_ADDS_NO_ORDER: frozenset[str] = frozenset(
    {
        TOKEN_PATH,
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
"""What may always be asked; every other path, one added later too, is taken for placing."""

COLOCATED: frozenset[str] = frozenset(
    {
        *(f"/api/v4/{path}" for path in ("orders", "oco-orders", "market/fee")),
        TOKEN_PATH,
        "/api/v4/public/ping",
        "/api/v4/public/time",
        *(
            f"/api/v4/order/{path}"
            for path in (
                *("new", "bulk", "modify", "cancel", "market", "stock_market"),
                *("stop_limit", "stop_market", "kill-switch", "kill-switch/status"),
                *("collateral/limit", "collateral/bulk", "collateral/market", "collateral/oco"),
                *("collateral/stop-limit", "collateral/trigger-market"),
            )
        ),
        *(
            f"/api/v4/trade-account/{path}"
            for path in ("balance", "executed-history", "order", "order/history")
        ),
        *(
            f"/api/v4/collateral-account/{path}"
            for path in (
                *("balance", "balance-summary", "summary", "leverage"),
                *("positions/open", "positions/history", "funding-history"),
            )
        ),
    }
)
"""The 33 endpoints of a colocated host (contract 1.1); everything else is asked elsewhere."""

TOKEN_DEADLINE_S = 10.0
"""As for each other step of opening a stream."""
_NO_TOKEN = RestFailure(f"no answer within {TOKEN_DEADLINE_S:g} s")

_NETWORK_ERRORS = (httpx.HTTPError, httpx.StreamError, *lanes.ERRORS)


class RestClient:
    """One base URL and one key; any number of calls at once, as the connections allow."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        lanes: Lanes,
        base_url: str,
        signer: Signer,
        forbidden: Callable[[], bool] | None = None,
        fallback: RestClient | None = None,
    ) -> None:
        """Ask public data through `http` and everything signed through `lanes`.

        Args:
            http: The connection pool (`http_backend.make_http_client`); closed by its owner.
            lanes: Connections to the host of `base_url`; closed by their owner.
            base_url: Scheme and host, like `https://whitebit.com`, without a path.
            signer: Signs every POST.
            forbidden: Says whether placing is forbidden; asked before each byte that could place.
            fallback: Asked for all but `COLOCATED`; None when this one serves everything.
        """
        self._http = http
        self._lanes = lanes
        self._base_url = base_url.rstrip("/")
        self._signer = signer
        self._forbidden = forbidden
        self._fallback = fallback

    async def send(self, request: Request) -> RestAnswer | RestFailure | RestWithheld:
        """Send one request; whatever happens on the network is a value, never an exception.

        Raises:
            LocalProtocolError: before anything is sent, if the signer refuses the path.
        """
        if self._fallback is not None and request.path.partition("?")[0] not in COLOCATED:
            return await self._fallback.send(request)
        try:
            if request.method == "POST":
                path, content = request.path, request.body
                headers = self._signer.headers(path, content)
                forbidden = None if path in _ADDS_NO_ORDER else self._forbidden
                status, body = await self._lanes.post(path, headers, content, forbidden)
                return RestAnswer(status, body)
            response = await self._http.get(self._base_url + request.path)
        except Withheld:
            return RestWithheld()
        except _NETWORK_ERRORS as error:
            # The name alone: texts of these errors can quote headers, and so the key.
            return RestFailure(f"no answer: {type(error).__name__}")
        if len(response.content) > lanes.ANSWER_MAX:
            return RestFailure(f"an answer of more than {lanes.ANSWER_MAX} bytes")
        return RestAnswer(response.status_code, response.content)

    async def token(self, nonce: int) -> Secret | RestFailure:
        """Fetch a WebSocket token (contract section 7); at most 10 a minute are given."""
        answer: RestAnswer | RestFailure | RestWithheld = _NO_TOKEN
        # Another one is asked for instead, so nothing hangs on its answer; a lane can be cut.
        with trio.move_on_after(TOKEN_DEADLINE_S):
            answer = await self.send(encode_token(nonce))
        if not isinstance(answer, RestAnswer):
            return RestFailure(f"websocket token: {answer.reason}")
        if answer.status == 200:
            try:
                decoded = msgspec.json.decode(answer.body, type=TokenAnswer)
            except (ValueError, RecursionError):
                # Not the error's text, which may quote the body.
                return RestFailure("websocket token: HTTP 200 without a token")
            return Secret(decoded.websocket_token)
        refusal = read_refusal(answer.status, answer.body)
        text = f" {refusal.text}" if refusal is not None else ""
        # A 5xx is no refusal, whatever its body says.
        certain = refusal if answer.status < 500 else None
        return RestFailure(f"websocket token: HTTP {answer.status}{text}", certain)
