"""Request limits: a sliding window of time per address and endpoint (contract 11.1, 13)."""

from __future__ import annotations

from collections import deque

NS_PER_S = 1_000_000_000

# Beginning of an endpoint's path -> (requests, seconds); the first that fits counts. Each endpoint
# has a window of its own.
LIMITS: tuple[tuple[str, int, int], ...] = (
    ("/ws", 1000, 60),
    ("/api/v4/profile/websocket_token", 10, 60),
    ("/api/v4/public/orderbook/depth/", 2000, 10),
    ("/api/v4/public/orderbook/", 600, 10),
    ("/api/v1/public/", 1000, 10),
    ("/api/v2/public/", 1000, 10),
    ("/api/v4/orders", 12000, 10),
    ("/api/v4/oco-orders", 12000, 10),
    ("/api/v4/conditional-orders", 12000, 10),
    ("/api/v4/trade-account/order/history/query", 10000, 10),
    ("/api/v4/trade-account/", 12000, 10),
    ("/api/v4/collateral-account/leverage", 1000, 10),
    ("/api/v4/collateral-account/hedge-mode/update", 1000, 10),
    ("/api/v4/collateral-account/position/close", 10000, 10),
    ("/api/v4/collateral-account/", 12000, 10),
    ("/api/v4/order/", 10000, 10),
    ("/api/v4/market/fee", 10000, 10),
)
# Everything else is public.
PUBLIC_LIMIT = 2000, 10
# Windows that are empty again are forgotten past this many: 50 addresses that ask for everything.
WINDOWS_MAX = 3000


def limit_of(endpoint: str) -> tuple[int, int]:
    """Requests and seconds that section 13 allows for an endpoint."""
    for prefix, count, span_s in LIMITS:
        if endpoint.startswith(prefix):
            return count, span_s
    return PUBLIC_LIMIT


class SlidingWindow:
    """Counts what happened in the last `span_s` seconds and refuses more than `count`."""

    def __init__(self, count: int, span_s: int) -> None:
        self._count = count
        self._span_ns = span_s * NS_PER_S
        self._times: deque[int] = deque()

    def is_empty(self, now_ns: int) -> bool:
        """Whether nothing happened in the last seconds."""
        self._forget(now_ns)
        return not self._times

    def allow(self, now_ns: int) -> bool:
        """Take one place in the window; False when it is full (the refusal takes none)."""
        self._forget(now_ns)
        if len(self._times) >= self._count:
            return False
        self._times.append(now_ns)
        return True

    def _forget(self, now_ns: int) -> None:
        times = self._times
        while times and times[0] <= now_ns - self._span_ns:
            times.popleft()


class RestLimiter:
    """One sliding window per (address, endpoint)."""

    def __init__(self, overrides: dict[str, int]) -> None:
        """Overrides give a count per exact path, over the same seconds."""
        self._overrides = overrides
        self._windows: dict[tuple[str, str], SlidingWindow] = {}

    def allow(self, address: str, endpoint: str, now_ns: int) -> bool:
        """Take one request; `endpoint` is a known route, so the table stays bounded by routes."""
        window = self._windows.get((address, endpoint))
        if window is None:
            if len(self._windows) >= WINDOWS_MAX:
                self._forget_empty(now_ns)
            count, span_s = limit_of(endpoint)
            window = SlidingWindow(self._overrides.get(endpoint, count), span_s)
            self._windows[address, endpoint] = window
        return window.allow(now_ns)

    def _forget_empty(self, now_ns: int) -> None:
        kept = {key: w for key, w in self._windows.items() if not w.is_empty(now_ns)}
        self._windows = kept
