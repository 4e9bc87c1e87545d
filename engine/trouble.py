"""What the state remembers of trouble with the venue."""

from __future__ import annotations

import msgspec

from engine.types import Side


class Circuit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Trouble of one endpoint group of the venue (`engine.rates`)."""

    trouble: str = ""
    """What the last failure was."""
    in_row: int = 0
    """Failures since a request was answered."""
    failed_ns: tuple[int, ...] = ()
    """When requests failed lately, newest last."""
    retry_at_ns: int = 0
    """No request of the group before this."""
    is_open: bool = False
    """One request at a time, until one is answered."""

    def check(self) -> None:
        """Assert every invariant."""
        assert self.failed_ns, "a circuit without a failure"
        assert list(self.failed_ns) == sorted(self.failed_ns), "failures out of order"
        assert self.in_row or not self.is_open, "open, but nothing failed"


class WouldTake(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The venue refused to let a post-only order rest, as it would have taken (`repricing`)."""

    side: Side
    """Ours."""
    price: int
    """Least eager price that was refused, ticks."""
    count: int
    """Refusals in a row."""
    request_seq: int
    """The last request that was refused so."""
    at_ns: int


class Mismatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A balance or position report that differs from the fold, waiting for a deal to explain it."""

    since_ns: int = 0
    """0 when reports and fold agree."""
    reported: str = ""
    fills: int = 0
    """Deals counted when it was seen."""
