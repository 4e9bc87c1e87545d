"""Why a fill of one journal has no counterpart in the other: a small list that leaves nothing out.

One of the two journals has the fill, the other has none such. A cause is a fact of the two, mostly
of the other one: what its quotes did at the moment of the fill. Where several hold, the first of
this list counts; what none of them explains is unknown, and says so.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Cause(StrEnum):
    """In the order in which they are looked for."""

    FOREIGN = "foreign"
    """A deal of the account that no engine made."""
    UNRECORDED = "unrecorded"
    """Of a live fill: no trade that reached its price was recorded, so no backtest can have it."""
    SPAN = "span"
    """The other one was not quoting yet, was stopping, or was over."""
    QUEUE = "queue"
    """The other one's quote rested at that price, and others were before it."""
    OPERATOR = "operator"
    """A command of the operator, or another configuration than the first."""
    RISK = "risk"
    """A limit held its quotes back, or it or the venue refused them."""
    LINK = "link"
    """Its quotes were pulled: a stream, the book, the clock or an order was in doubt."""
    INVENTORY = "inventory"
    """It held another inventory; with the same one it would have wanted that price."""
    TIMING = "timing"
    """It stood at that price a moment later, or until a moment before; or it had just been filled,
    or was being moved, and nothing stood yet."""
    PRICE = "price"
    """It stood at another price."""
    SIZE = "size"
    """Both were filled at that price, by different quantities."""
    FEES = "fees"
    """Both were filled alike, and charged differently."""
    UNKNOWN = "unknown"
    """None of these."""


class Restraint(msgspec.Struct, frozen=True, gc=False):
    """What kept a quote away."""

    cause: Cause
    words: str
