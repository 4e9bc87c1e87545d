"""How long a request that was signed may still be accepted (contract section 2).

Apart from what uses it, since a panic cannot wait for the engine to be imported.
"""

from __future__ import annotations

NONCE_WINDOW_NS = 5_000_000_000
"""The venue accepts a nonce this far from its clock."""
SETTLE_MARGIN_NS = 1_000_000_000
"""Added to the nonce window before silence proves that a place was never accepted."""
