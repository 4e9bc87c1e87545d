"""Which host answers which path: one for everything, or a colocated one and a standard one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from adapters.ports import Net
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.rest import RestClient
from adapters.whitebit.signing import Signer
from adapters.whitebit.urls import parse_url


@asynccontextmanager
async def open_rest(
    net: Net,
    http: httpx.AsyncClient,
    rest_url: str,
    fallback_url: str | None,
    signer: Signer,
    forbidden: Callable[[], bool] | None = None,
) -> AsyncIterator[RestClient]:
    """Open the REST API; what is kept open ends with it.

    Args:
        net: Where connections are opened.
        http: For public data.
        rest_url: Of the host that trades.
        fallback_url: Of the host for all that a colocated one does not serve (contract 1.1); None
            where `rest_url` serves everything.
        signer: Signs every POST.
        forbidden: As for `RestClient`.
    """
    async with AsyncExitStack() as stack:
        lanes = await stack.enter_async_context(Lanes(net, parse_url(rest_url, "https", "http")))
        fallback = None
        if fallback_url is not None:
            rest_lanes = Lanes(net, parse_url(fallback_url, "https", "http"))
            await stack.enter_async_context(rest_lanes)
            fallback = RestClient(http, rest_lanes, fallback_url, signer, forbidden)
        yield RestClient(http, lanes, rest_url, signer, forbidden, fallback)
