"""How long a request that was signed may still be accepted (contract section 2).

Apart from what uses it, since a panic cannot wait for the engine to be imported.
"""

from __future__ import annotations

NONCE_WINDOW_NS = 5_000_000_000
"""The venue accepts a nonce this far from its clock."""
SETTLE_MARGIN_NS = 1_000_000_000
"""Added to the nonce window before silence proves that a place was never accepted."""


def is_over(nonce: int, at_ns: int, offset_low_ns: int) -> bool:
    """Say whether what was signed with a nonce can no longer be accepted.

    Only the nonce tells: our clock may have been another one when it was drawn, in a run before
    for example, and nonces run ahead of it where it was found to be ahead of the venue's.

    Args:
        nonce: Milliseconds of the venue's clock.
        at_ns: A moment by our clock.
        offset_low_ns: The venue's clock is ahead of ours by at least this.
    """
    return at_ns + offset_low_ns >= nonce * 1_000_000 + NONCE_WINDOW_NS + SETTLE_MARGIN_NS
