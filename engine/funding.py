"""Funding of one perpetual: what its settlements paid, by the venue's own history.

Theory of operation. The venue settles funding to the collateral balance at each interval and tells
nobody (contract 10.11); its history does, to who asks (6.5). It is asked once a run begins, after
each time at which the venue said that it would settle, and each hour in case that was never said.
A payment counts once: those of settlements up to `counted_s` are counted already. From the moment
at which a settlement has passed with something held until its payment is listed, what it paid is
unknown, and the limits count what the last told rate lets expect, if that is a cost.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from engine.money import ZERO, add
from engine.types import FundingPayment

NS_PER_S = 1_000_000_000
PAGE = 100
"""Payments asked for per page, the most that the venue allows (contract 6.5)."""
SETTLING_NS = 1 * NS_PER_S
"""A settlement is asked for so long after its time, which is the venue's."""
EVERY_NS = 3_600 * NS_PER_S
"""The history is asked this often, at the least."""
RETRY_NS = 2 * NS_PER_S
"""First wait for a payment that is not listed yet, or after a failure; doubles each time."""
RETRY_MAX_NS = 60 * NS_PER_S
LATE_S = 600
"""A settlement whose payment is still not listed so long after it paid nothing."""


class Funding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Fold of the payments of one market since its baseline. Times are the venue's."""

    received: Decimal = ZERO
    """Received less paid, quote asset."""
    counted_s: int = 0
    """Payments up to this time are counted, or from before the baseline; 0 before that."""
    next_s: int = 0
    """When the venue settles next, Unix seconds; 0 when it has not said."""
    rate: Decimal = ZERO
    """What it said last of that settlement's rate; positive is paid by who is long."""
    settled_s: int = 0
    """The last settlement that is known to have passed."""
    unknown: bool = False
    """Whether it, or one before it, paid something that is not told yet."""
    foretold: Decimal = ZERO
    """What is expected of the unknown, quote asset, as far as it is a cost, >= 0."""
    request_seq: int = 0
    """Query without an answer; 0 for none."""
    ask_at_ns: int = 0
    """When the history is asked next."""
    tries: int = 0
    """Queries in a row that failed, or that did not list what is unknown."""
    offset: int = 0
    payments: tuple[FundingPayment, ...] = ()
    """On the pages so far, newest first; as many as there were since the last complete answer."""

    def check(self) -> None:
        """Assert every invariant."""
        assert self.foretold >= 0, "a foretold gain"
        assert self.unknown or not self.foretold, "something is foretold, though all is known"
        assert self.next_s == 0 or self.next_s > self.settled_s, "the next settlement has passed"


def begun(funding: Funding, now_s: int) -> Funding:
    """A run starts on what an earlier one has counted; payments count from now if none have."""
    return replace(
        funding,
        counted_s=funding.counted_s or now_s,
        request_seq=0,
        ask_at_ns=0,
        tries=0,
        offset=0,
        payments=(),
    )


def settled(funding: Funding, cost: Decimal, now_ns: int, *, held: bool) -> Funding:
    """The time of the next settlement has passed.

    Args:
        funding: Before.
        cost: What it will have cost by the last told rate, quote asset; negative when received.
        now_ns: State time.
        held: Whether anything was held, so that there is a payment.
    """
    return replace(
        funding,
        settled_s=funding.next_s,
        next_s=0,
        unknown=funding.unknown or held,
        foretold=add(funding.foretold, max(cost, ZERO)) if held else funding.foretold,
        ask_at_ns=now_ns + SETTLING_NS,
        tries=0,
    )


def listed(
    funding: Funding, payments: tuple[FundingPayment, ...], now_ns: int, now_s: int, *, last: bool
) -> Funding:
    """Count the payments of a page that are new, once all pages down to the counted are there.

    Args:
        funding: Before.
        payments: Of the page, newest first.
        now_ns: State time.
        now_s: The venue's time, Unix seconds.
        last: Whether no further page follows.
    """
    pages = funding.payments + payments
    reached = bool(payments) and payments[-1].time_s <= funding.counted_s
    if not (last or reached):
        return replace(funding, request_seq=0, offset=funding.offset + PAGE, payments=pages)
    # A settlement between two pages shows a row on both; the same row is the same payment.
    new = dict.fromkeys([paid for paid in pages if paid.time_s > funding.counted_s])
    received, counted_s = funding.received, funding.counted_s
    for paid in new:
        received, counted_s = add(received, paid.amount), max(counted_s, paid.time_s)
    missing = counted_s < funding.settled_s and now_s < funding.settled_s + LATE_S
    after = replace(
        funding,
        received=received,
        counted_s=counted_s,
        request_seq=0,
        offset=0,
        payments=(),
    )
    if funding.unknown and missing:
        return tried(after, now_ns)
    # A settlement that passed while this was asked has set its own time to ask again.
    ask_at_ns = funding.ask_at_ns if funding.ask_at_ns > now_ns else now_ns + EVERY_NS
    return replace(after, unknown=False, foretold=ZERO, ask_at_ns=ask_at_ns, tries=0)


def tried(funding: Funding, now_ns: int) -> Funding:
    """It was asked in vain: ask again from the first page, later each time."""
    wait_ns = min(RETRY_NS << min(funding.tries, 10), RETRY_MAX_NS)
    return replace(
        funding,
        request_seq=0,
        offset=0,
        payments=(),
        tries=funding.tries + 1,
        ask_at_ns=now_ns + wait_ns,
    )
