"""Public answers as old as the documentation says (contract 4, "Cache"); a switch turns it on."""

from __future__ import annotations

from collections.abc import Callable

from adapters.paper.http import Response

NS_PER_MS = 1_000_000
# Beginning of a path -> milliseconds that an answer stands; the first that fits counts.
AGES_MS = (
    ("/api/v4/public/markets", 10_000),
    ("/api/v4/public/collateral/markets", 10_000),
    ("/api/v4/public/assets", 60_000),
    ("/api/v4/public/fee", 60_000),
    ("/api/v4/public/ticker", 1_000),
    ("/api/v4/public/futures", 1_000),
    ("/api/v4/public/trades/", 1_000),
    ("/api/v4/public/orderbook/depth/", 1_000),
    ("/api/v4/public/orderbook/", 100),
    ("/api/v1/", 5_000),
    ("/api/v2/", 5_000),
)
# Every market with a few limits and levels; past it all are made anew.
ANSWERS_MAX = 1_000


def age_ns(path: str) -> int:
    """Return how long an answer stands, 0 where each is made anew."""
    return next((age for prefix, age in AGES_MS if path.startswith(prefix)), 0) * NS_PER_MS


class PublicCache:
    """Answers by path and query, the same for all callers; time alone makes them old."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], tuple[int, Response]] = {}

    def answer(self, path: str, query: str, now_ns: int, make: Callable[[], Response]) -> Response:
        """Return the answer that still stands, or a new one."""
        stands_ns = age_ns(path)
        if not stands_ns:
            return make()
        found = self._answers.get((path, query))
        if found is not None and now_ns < found[0]:
            return found[1]
        if len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
        made = make()
        self._answers[path, query] = (now_ns + stands_ns, made)
        return made
