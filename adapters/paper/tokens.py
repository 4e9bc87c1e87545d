"""WebSocket tokens: one account each, first use within a minute (contract 11.2, G-11)."""

from __future__ import annotations

from adapters.ports import NS_PER_S, Ids

# The endpoint gives 10 a minute and address; the oldest of so many have long been replaced.
TOKENS_MAX = 1000


class Tokens:
    """Issued tokens; one that was used in time stays valid for reconnects [C]."""

    def __init__(self, ids: Ids, first_use_s: int, lifetime_s: int) -> None:
        """Tokens may first be used within `first_use_s`, and live `lifetime_s` in all."""
        self._ids = ids
        self._first_use_ns = min(first_use_s, lifetime_s) * NS_PER_S
        self._lifetime_ns = lifetime_s * NS_PER_S
        # Token -> (account, time of issue, last moment at which it may be used).
        self._issued: dict[str, tuple[str, int, int]] = {}

    def issue(self, account: str, now_ns: int) -> str:
        token = self._ids.token(32)
        self._issued[token] = (account, now_ns, now_ns + self._first_use_ns)
        if len(self._issued) > TOKENS_MAX:
            del self._issued[next(iter(self._issued))]
        return token

    def expire_all(self) -> None:
        """Forget every token; connections that are authorized stay so."""
        self._issued.clear()

    def redeem(self, token: str, now_ns: int) -> str | None:
        """Account that a token stands for, None when it is unknown or came too late."""
        found = self._issued.get(token)
        if found is None:
            return None
        account, issued_ns, deadline_ns = found
        if now_ns > deadline_ns:
            del self._issued[token]
            return None
        self._issued[token] = (account, issued_ns, issued_ns + self._lifetime_ns)
        return account
