"""A venue of the busy flow at twenty times its pace, with a client that quotes: what it keeps.

`.venv/bin/python -m tests.paper.memory --minutes 60` plays an hour on virtual time in some six
minutes and prints the resident set as it goes. The venue is whole but for its sockets: requests
are signed, checked, limited and answered, and the flow is that of
`quotefold paper --flow synthetic:busy --speed 20`.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from random import Random
from typing import Any

from adapters.paper.config import VenueConfig, with_flow_accounts
from adapters.paper.core.ledger import Account
from adapters.paper.flow.source import flow_maker
from adapters.paper.http import Response
from adapters.paper.rest.routes import respond
from adapters.paper.venue import Venue
from adapters.simulated import SimFs
from benchmarks.memory import resident_mib
from tests.paper.exchange_kit import PERP, SPOT
from tests.paper.server.test_garbage import signed
from tests.paper.venue_client import START_NS, CountingIds

MS = 1_000_000
REQUESTS_A_SECOND = 200
PLACE = {SPOT: "/api/v4/order/new", PERP: "/api/v4/order/collateral/limit"}
# Market, side and level of a quote, and its distance from the touch in ticks.
SLOTS = [(m, s, t) for m in (SPOT, PERP) for s in ("buy", "sell") for t in (0, 60)]
SHOWN = (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 60)


class HandClock:
    """Time that `Busy` moves."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


class Busy:
    """The venue and its client, which takes a quote away or shows it again with each request."""

    def __init__(self, config: VenueConfig) -> None:
        config = with_flow_accounts(config)
        self._clock = HandClock()
        self.venue = Venue(config, clock=self._clock, ids=CountingIds())
        make = flow_maker(config, "synthetic:busy", seed=1, speed="20", fs=SimFs())
        self.venue.flow = make(self.venue.exchange, self.venue.start_us)
        self.account: Account = self.venue.exchange.accounts[self.venue.accounts[0].account]
        self._random = Random(1)
        self._open: dict[tuple[str, str, int], int] = {}
        self._nonce = 0
        self.venue.step()

    def run(self, seconds: int) -> None:
        """Let so much virtual time pass."""
        for number in range(seconds * REQUESTS_A_SECOND):
            self._clock.ns += 1000 * MS // REQUESTS_A_SECOND
            self._act()
            if number % 2:
                self.venue.step()

    @property
    def requests(self) -> int:
        return self._nonce

    def _act(self) -> None:
        slot = self._random.choice(SLOTS)
        market, side, away = slot
        if slot in self._open:
            # Refused when it was filled meanwhile.
            self._ask("/api/v4/order/cancel", {"market": market, "orderId": self._open.pop(slot)})
            return
        held = self.venue.exchange.markets[market]
        bid, _, ask, _ = held.best()
        price = held.spec.price_text(bid - away if side == "buy" else ask + away)
        client_id = f"quote-{self._nonce:020}"
        body = {"market": market, "side": side, "amount": "0.005", "price": price}
        answer = self._ask(PLACE[market], {**body, "postOnly": True, "clientOrderId": client_id})
        if answer.status == 200:
            self._open[slot] = json.loads(answer.body)["orderId"]

    def _ask(self, path: str, body: dict[str, Any]) -> Response:
        self._nonce += 1
        # A path of its own, as one that was read from a socket.
        request = signed(self.venue, "".join(path), {**body, "nonce": self._nonce})
        return respond(self.venue, "here", request)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.paper.memory", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=int, default=60, help="of virtual time; 60")
    busy = Busy(VenueConfig())
    for minute in range(1, parser.parse_args().minutes + 1):
        busy.run(60)
        if minute in SHOWN:
            gc.collect()
            kept = f"{len(busy.account.deals):,} deals, {len(busy.account.finished):,} orders kept"
            print(
                f"minute {minute:2}: {resident_mib():.1f} MiB, {kept}, {busy.requests:,} requests"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
