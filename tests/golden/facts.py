"""What a journal comes to that no change of the code may change: deals, inventory, P&L, records.

Fingerprints are not among it, nor what is decided: the state may get new fields, and the strategy
better ones. What was dealt and sent stays what it was.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from adapters.ports import Fs
from adapters.whitebit.outbound import outbound
from engine.events import Decided, Filled, Record, RequestSent
from engine.intents import Intent
from engine.inventory import base_total, pnl, quote_total
from engine.reduce import reduce
from engine.state import MarketState, State
from replay.read import read_records

CHECK_EVERY = 50
"""Records between two looks at every invariant of the state."""


def facts(fs: Fs, journal: Path) -> dict[str, Any]:
    """Fold a journal by the code as it is, and return what it comes to.

    Raises:
        AssertionError: an invariant does not hold, or a request would get other bytes.
    """
    state = State()
    kinds: Counter[str] = Counter()
    fills = hashlib.sha256()
    intents: tuple[Intent, ...] = ()
    for record in read_records(fs, journal):
        kinds[type(record.event).__name__] += 1
        if isinstance(record.event, Decided):
            intents = record.event.intents
        elif isinstance(record.event, RequestSent):
            _check_request(state, record, record.event, intents)
        elif isinstance(record.event, Filled):
            fill = record.event.fill
            told = (
                fill.market,
                fill.deal_id,
                fill.side.name,
                fill.price,
                fill.qty,
                f"{fill.fee:f}",
            )
            fills.update(f"{told}".encode())
        state = reduce(state, record)
        if record.seq % CHECK_EVERY == 0:
            state.check()
    state.check()
    return {
        "last_seq": state.seq,
        "last_ns": state.now_ns,
        "run_id": state.run_id,
        "records": dict(sorted(kinds.items())),
        "fills": fills.hexdigest(),
        "markets": {name: _market(market) for name, market in state.markets.items()},
    }


def _check_request(
    state: State, record: Record, sent: RequestSent, intents: tuple[Intent, ...]
) -> None:
    markets = {name: market.quoted.market for name, market in state.markets.items()}
    request = outbound(intents[sent.index], sent.nonce, markets, state.settings)
    again = RequestSent(sent.index, sent.nonce, request.method, request.path, request.body)
    assert again == sent, f"seq {record.seq}: the request would be {again}"


def _market(market: MarketState) -> dict[str, Any]:
    spec, inventory = market.quoted.market, market.inventory
    total, quote = base_total(inventory, spec), quote_total(inventory, spec)
    book = market.feed.book
    # Marked at the last book, so that no later notion of the mid changes it.
    mid2 = book.bid_prices[0] + book.ask_prices[0] if book.bid_prices and book.ask_prices else 0
    found = pnl(inventory, spec, mid2)
    return {
        "base_total": None if total is None else f"{total:f}",
        "quote_total": None if quote is None else f"{quote:f}",
        "position": market.position,
        "bought": inventory.bought_qty,
        "sold": inventory.sold_qty,
        "cash": inventory.cash,
        "spread": inventory.spread,
        "maker_fills": inventory.maker_fills,
        "taker_fills": inventory.taker_fills,
        "base_fees": f"{inventory.base_fees:f}",
        "quote_fees": f"{inventory.quote_fees:f}",
        "mid2": mid2,
        "pnl": f"{found.total:f}",
        "live_orders": len(market.orders),
        "breaks": market.breaks,
    }
