"""The venue's clock against ours: bounds of the difference, and what they forbid.

`public/time` has whole seconds, so every answer gives a bound below and above; both narrow with
each further one. Offsets are the venue's clock minus ours, nanoseconds.
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000
UNKNOWN = "our clock was not compared with the venue's yet"
WRONG = "our clock and the venue's differ by more than 4 s"
OFFSET_WARN_NS = 1 * NS_PER_S
OFFSET_MAX_NS = 4 * NS_PER_S
"""The venue refuses nonces 5 s off (contract section 2)."""
ASK_EVERY_NS = 30 * NS_PER_S
ASK_AGAIN_NS = 1 * NS_PER_S
"""After an answer that never came."""


def narrowed(
    low_ns: int, high_ns: int, server_s: int, sent_ns: int, recv_ns: int
) -> tuple[int, int]:
    """Return the bounds after one more answer of `public/time`.

    Args:
        low_ns: Lower bound so far; both 0 before the first answer.
        high_ns: Upper bound so far.
        server_s: The answer: the venue's time at a moment between sending and receiving, floored.
        sent_ns: When we asked, by our clock.
        recv_ns: When the answer came.
    """
    low, high = server_s * NS_PER_S - recv_ns, (server_s + 1) * NS_PER_S - sent_ns
    if low_ns < high_ns and max(low, low_ns) <= min(high, high_ns):
        return max(low, low_ns), min(high, high_ns)
    # The first answer, or one of the clocks has moved.
    return low, high


def clock_fault(low_ns: int, high_ns: int) -> str:
    """Return why these bounds of the offset allow no quotes; empty when they do."""
    if not (low_ns or high_ns):
        return UNKNOWN
    if low_ns > OFFSET_MAX_NS or high_ns < -OFFSET_MAX_NS:
        return WRONG
    return ""


def clock_warning(low_ns: int, high_ns: int) -> str:
    """Say that the clocks differ by more than a second for certain; empty when they may not."""
    if low_ns > OFFSET_WARN_NS:
        return f"our clock is at least {low_ns / NS_PER_S:.1f} s behind the venue's"
    if high_ns < -OFFSET_WARN_NS:
        return f"our clock is at least {-high_ns / NS_PER_S:.1f} s ahead of the venue's"
    return ""
