"""Request limits: a sliding window of time per caller and endpoint (contract section 13)."""

from __future__ import annotations

from collections import deque

NS_PER_S = 1_000_000_000

# Endpoint path -> (requests, seconds); the first entry whose prefix fits counts, per endpoint.
REST_LIMITS: tuple[tuple[str, int, int], ...] = (
    ("/api/v4/profile/websocket_token", 10, 60),
    ("/api/v4/public/orderbook/depth/", 2000, 10),
    ("/api/v4/public/orderbook/", 600, 10),
    ("/api/v4/public/", 2000, 10),
    ("/api/v4/orders", 12000, 10),
    ("/api/v4/trade-account/", 12000, 10),
    ("/api/v4/collateral-account/", 12000, 10),
    ("/api/v4/", 10000, 10),
)


def rest_limit(path: str) -> tuple[int, int]:
    """Requests and seconds that section 13 allows for a path."""
    for prefix, count, span_s in REST_LIMITS:
        if path.startswith(prefix):
            return count, span_s
    return 10000, 10


class SlidingWindow:
    """Counts what happened in the last `span_s` seconds and refuses more than `count`."""

    def __init__(self, count: int, span_s: int) -> None:
        self._count = count
        self._span_ns = span_s * NS_PER_S
        self._times: deque[int] = deque()

    def allow(self, now_ns: int) -> bool:
        """Take one place in the window; False when it is full (the refusal takes none)."""
        times = self._times
        while times and times[0] <= now_ns - self._span_ns:
            times.popleft()
        if len(times) >= self._count:
            return False
        times.append(now_ns)
        return True


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
            count, span_s = rest_limit(endpoint)
            window = SlidingWindow(self._overrides.get(endpoint, count), span_s)
            self._windows[address, endpoint] = window
        return window.allow(now_ns)
