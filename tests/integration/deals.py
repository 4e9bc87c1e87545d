"""The deals of the demo account as its own REST API tells them, asked without the engine."""

from __future__ import annotations

import json
import urllib.request

from adapters.ports import SystemClock
from adapters.whitebit.requests import PAGE_LIMIT, encode
from adapters.whitebit.signing import NonceSource, Secret, Signer
from engine.intents import QueryFills
from tests.integration.kit import PATIENCE_S, Venue

NONCES = NonceSource(SystemClock().now_ns)
"""One for the process: an answer may come within the millisecond that the nonce was drawn in, and
the next question would repeat it."""


def deal_ids(venue: Venue, market: str) -> list[int]:
    """Return the ids of all deals of a market, newest first (contract 5.8)."""
    signer = Signer(Secret(venue.key), Secret(venue.secret))
    found: list[int] = []
    while True:
        request = encode(QueryFills(market, len(found)), None, NONCES.draw())
        headers = {
            key.decode(): value.decode()
            for key, value in signer.headers(request.path, request.body)
        }
        asked = urllib.request.Request(venue.rest + request.path, request.body, headers)
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            page = [int(deal["id"]) for deal in json.load(answer)]
        found += page
        if len(page) < PAGE_LIMIT:
            return found
