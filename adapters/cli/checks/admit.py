"""Make a patient of a configuration: real files, the real machine, and a client of the venue."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapters.cli.checks.base import Patient
from adapters.cli.checks.machine import this_host
from adapters.cli.child import VenueAddress
from adapters.cli.config import Config
from adapters.cli.credentials import Credentials
from adapters.ports import Clock, Ids, SystemFs, SystemNet
from adapters.runtime.run import HTTP_LIMITS
from adapters.whitebit.hosts import open_rest
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.signing import NonceSource, Signer


@asynccontextmanager
async def admitted(
    config: Config,
    address: VenueAddress,
    credentials: Callable[[], Credentials],
    *,
    fs: SystemFs,
    clock: Clock,
    ids: Ids,
    nonces: NonceSource,
    account: str | None = None,
) -> AsyncIterator[Patient]:
    """Open what the checks look at.

    Args:
        config: What is to be run.
        address: Where, and the key that requests are signed with.
        credentials: Loads the credentials, or raises ConfigError, for the check of them.
        fs, clock, ids: The ports.
        nonces: The one source of nonces of the key.
        account: Its name among several; None where there is one.
    """
    net = SystemNet()
    signer = Signer(address.key, address.secret)
    fallback_url = None if config.venue is None else config.venue.rest_fallback_url
    async with (
        make_http_client(net, limits=HTTP_LIMITS) as http,
        open_rest(net, http, address.rest_url, fallback_url, signer) as rest,
    ):
        yield Patient(
            config=config,
            fs=fs,
            clock=clock,
            ids=ids,
            net=net,
            env=os.environ,
            host=this_host(),
            rest=rest,
            ws_url=address.ws_url,
            nonces=nonces,
            credentials=credentials,
            account=account,
        )
