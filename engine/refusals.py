"""What an explicit refusal by the venue means for us: contract section 9 as data.

Numeric codes collide between endpoints (10, 13, 36, 40-43), so a row is picked by HTTP status,
then code, then the first key of `errors`, then text, and the first row that fits wins. Whatever
no row names is `OTHER`: refused for good, nothing known about how to go on.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.types import Refusal


class RefusalKind(StrEnum):
    """How the engine goes on after a refusal."""

    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    """The order would have taken; normal for a maker: reprice (10.4)."""
    NOT_FOUND = "not_found"
    """No such open order: filled, cancelled and never accepted look alike (5.5)."""
    FUNDS = "funds"
    """Not enough balance, spot or collateral."""
    EXPOSURE = "exposure"
    """A position or the sum of pending orders is too big for the account."""
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    """An order of this client id is open, so an earlier request did arrive (10.6)."""
    MARKET_STOPPED = "market_stopped"
    """Unknown, disabled or forbidden market: stop quoting it."""
    TRY_LATER = "try_later"
    """The venue is busy with itself: back off, then try once more."""
    NONCE = "nonce"
    """Refused before anything was read: sign once more after a time sync (G-3)."""
    AUTH = "auth"
    """Key, signature or permission: stop trading, never retry."""
    OTHER = "other"
    """Ours to fix; repeating it is of no use."""


class Row(msgspec.Struct, frozen=True):
    """One row of the table; an empty field fits everything."""

    kind: RefusalKind
    http_statuses: frozenset[int] = frozenset()
    codes: frozenset[int] = frozenset()
    keys: frozenset[str] = frozenset()
    text: str = ""
    """Lower-case part of the text."""


def _row(
    kind: RefusalKind,
    *,
    http: tuple[int, ...] = (),
    codes: tuple[int, ...] = (),
    keys: tuple[str, ...] = (),
    text: str = "",
) -> Row:
    return Row(kind, frozenset(http), frozenset(codes), frozenset(keys), text)


_ID_KEYS = ("orderId", "clientOrderId", "id", "otoId", "")

# Status first: 10 is both "Unauthorized request." on 401 and "not enough balance" on 422, and
# 429 reaches here only with a JSON body, which is a nonce refusal whatever its text (G-3).
TABLE: tuple[Row, ...] = (
    _row(RefusalKind.NONCE, http=(429,)),
    _row(RefusalKind.NONCE, http=(401,), text="too many requests"),
    _row(RefusalKind.NONCE, http=(401,), text="than the current nonce"),
    _row(RefusalKind.AUTH, http=(401, 403)),
    _row(RefusalKind.AUTH, http=(400,), codes=(9,)),
    _row(RefusalKind.MARKET_STOPPED, http=(451, 453)),
    # The code of missing funds differs by endpoint (5, 10, 17, 32, 153: G-27), the text does not.
    _row(RefusalKind.FUNDS, text="not enough balance"),
    _row(RefusalKind.FUNDS, codes=(5, 10, 17), keys=("amount",)),
    _row(RefusalKind.POST_ONLY_WOULD_TAKE, codes=(13, 14), keys=("postOnly",)),
    _row(RefusalKind.NOT_FOUND, codes=(2, 6, 7), keys=_ID_KEYS),
    _row(RefusalKind.NOT_FOUND, codes=(404,), keys=("orderId",)),
    _row(RefusalKind.DUPLICATE_CLIENT_ID, codes=(36,), keys=("clientOrderId",), text="already"),
    _row(RefusalKind.DUPLICATE_CLIENT_ID, codes=(43,), keys=("clientOrderId",)),
    _row(RefusalKind.MARKET_STOPPED, codes=(10, 19, 31), keys=("market",)),
    _row(RefusalKind.MARKET_STOPPED, codes=(51,), keys=("price",)),
    # The account is in another mode than its orders name positions for (10.9).
    _row(RefusalKind.MARKET_STOPPED, codes=(114,)),
    _row(RefusalKind.EXPOSURE, codes=(111, 112), keys=("amount",)),
    _row(RefusalKind.EXPOSURE, codes=(103, 152)),
    _row(RefusalKind.TRY_LATER, codes=(15, 16, 500), keys=("error",)),
)


def classify(refusal: Refusal) -> RefusalKind:
    """Return the kind of the first row of `TABLE` that fits, `OTHER` when none does."""
    text = refusal.text.lower()
    for row in TABLE:
        if (
            (not row.http_statuses or refusal.http_status in row.http_statuses)
            and (not row.codes or refusal.code in row.codes)
            and (not row.keys or refusal.key in row.keys)
            and row.text in text
        ):
            return row.kind
    return RefusalKind.OTHER
