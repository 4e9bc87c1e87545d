"""Large blocks of memory go back to the system once they are freed.

glibc maps a large block by itself, and freeing it gives it back. But each one that is freed raises
the size from which it does so, up to 32 MiB; what is smaller comes from the heap of the thread, and
a few small blocks above it keep it there. An engine that compresses segments of its journal, whose
pieces are a few mebibytes, grew by 30 MiB in its first minutes. A size that is set does not rise.
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # of malloc.h
BYTES = 1 << 18
"""From here on a block is mapped by itself: far above what a frame or a record takes."""


def give_back_big_blocks() -> bool:
    """Set the size for this process; False where the C library is not glibc and nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, BYTES) == 1
