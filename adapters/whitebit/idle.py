"""Tell whether a kept connection is still one; apart from httpx, which is slow to import."""

from __future__ import annotations

from typing import Any

import trio


def is_readable(stream: trio.abc.Stream) -> bool:
    """True if bytes, or the end, wait on an idle connection: then its server has closed it."""
    layer: Any = stream
    while isinstance(layer, trio.SSLStream):
        layer = layer.transport_stream
    if isinstance(layer, trio.SocketStream):
        return bool(layer.socket.is_readable())
    return bool(layer.is_readable())
