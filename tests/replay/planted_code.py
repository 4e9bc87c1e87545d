"""Changes to plant in the code, by patching what is imported."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import floor, sqrt
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import strategies.inventory_skew as skew
import strategies.ladder as ladder
from adapters.whitebit import frames, outbound, requests
from engine import (
    events,
    kill_switch,
    planner,
    reduce_failures,
    reduce_limits,
    risk,
    step,
)
from engine.events import Record
from engine.intents import ArmKillSwitch, CancelAll, ModifyOrder
from engine.reduce import HANDLERS
from engine.state import advance
from engine.top import merged_top, mid2, view_of
from engine.types import Market
from tests.replay.journals import FAULTY, RECORDED, SYNTHETIC
from tests.replay.planted import Patch, Plant


def constant(module: Any, name: str, value: Any) -> Patch:
    return lambda patched: patched.setattr(module, name, value)


def handler(kind: type, changed: Callable[..., Any]) -> Patch:
    """Fold one kind of event otherwise; `changed` gets the right handler first."""
    right = HANDLERS[kind]

    def patch(patched: pytest.MonkeyPatch) -> None:
        patched.setitem(HANDLERS, kind, lambda *given: changed(right, *given))

    return patch


# --- code -----------------------------------------------------------------------------------------


def rounded_up_mark(right: Any, state: Any, record: Record, event: events.MarkPrice) -> Any:
    after = right(state, record, event)
    market = after.markets[event.market]
    feed = replace(market.feed, mark2=market.feed.mark2 + (market.feed.mark2 > 0))
    return replace(after, markets={**after.markets, event.market: replace(market, feed=feed)})


def fee_left_out(right: Any, state: Any, record: Record, event: events.Filled) -> Any:
    return right(state, record, replace(event, fill=replace(event.fill, fee=Decimal(0))))


def with_own_orders(market: Any, now_ns: int) -> Any:
    """As `view_of`, of a market that is not net of our own orders."""
    bid, bid_qty, ask, ask_qty = merged_top(market.feed)
    view = view_of(market, now_ns)
    if view is None:
        return None
    return replace(view, bid_price=bid, bid_qty=bid_qty, ask_price=ask, ask_qty=ask_qty)


def tighter_size(patched: pytest.MonkeyPatch) -> None:
    right = risk.Exposure.approve

    def approve(self: risk.Exposure, side: Any, price: int, qty: int, added: int) -> Any:
        if qty > 700:
            return self._refuse("order_qty", f"qty {qty} lots, limit 700", qty, 700)
        return right(self, side, price, qty, added)

    patched.setattr(risk.Exposure, "approve", approve)


def other_middle(patched: pytest.MonkeyPatch) -> None:
    """A tenth above the market, beyond any collar."""
    patched.setattr(risk, "mid2", lambda market: mid2(market) * 11 // 10)


def eager_tolerance(patched: pytest.MonkeyPatch) -> None:
    right = planner._due
    patched.setattr(
        planner, "_due", lambda o, w, tolerance, *more: right(o, w, tolerance // 2, *more)
    )


def cancel_before_place(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(planner, "other_kind", lambda order, want: True)
    patched.setattr(planner, "_due", lambda *given: None)


def nonce_first(path: str, members: str, nonce: int) -> requests.Request:
    body = f'{{{members}"nonce":{nonce},"request":"{path}","nonceWindow":true}}'
    return requests.Request("POST", path, body.encode())


def padded(units: int, decimals: int) -> str:
    scale = 10**decimals
    return f"{units // scale}.{units % scale:0{decimals}d}"


def amount_last(intent: ModifyOrder, market: Market | None, nonce: int) -> requests.Request:
    """Price before amount: every member is there, in another order."""
    right = requests._modify(intent, market, nonce)
    found = msgspec.json.decode(right.body)
    keys = [*found]
    at, to = keys.index("amount"), keys.index("price")
    keys[at], keys[to] = keys[to], keys[at]
    body = msgspec.json.encode({key: found[key] for key in keys})
    return requests.Request(right.method, right.path, body)


def timeout_as_number(intent: ArmKillSwitch, market: Market | None, nonce: int) -> requests.Request:
    right = requests._arm(intent, market, nonce)
    text = f'"{intent.timeout_s}"'.encode()
    return requests.Request(right.method, right.path, right.body.replace(text, text[1:-1]))


def encoder(kind: type, changed: Any) -> Patch:
    return lambda patched: patched.setitem(requests.ENCODERS, kind, changed)


def other_path(patched: pytest.MonkeyPatch) -> None:
    right = requests._cancel_all

    def cancel_all(*given: Any) -> requests.Request:
        return replace(right(*given), path="/api/v4/order/cancel/everything")

    patched.setitem(requests.ENCODERS, CancelAll, cancel_all)


def without_stp(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(requests, "_STP", dict.fromkeys(requests._STP, ""))


def shallow_depth(patched: pytest.MonkeyPatch) -> None:
    right = frames.subscriptions

    def subscriptions(stream: str, markets: Any, settings: Any) -> tuple[bytes, ...]:
        return right(stream, markets, replace(settings, depth_limit=5))

    patched.setattr(outbound, "subscriptions", subscriptions)


CODE = [
    Plant(
        "the strategy's basis point is a thousandth",
        RECORDED,
        "intents",
        "price",
        constant(skew, "BPS", 1_000.0),
    ),
    Plant(
        "the strategy rounds quotes towards the market",
        RECORDED,
        "intents",
        "price",
        constant(ladder, "ceil", floor),
    ),
    Plant(
        "the strategy takes variance for deviation",
        SYNTHETIC,
        "intents",
        "price",
        constant(skew, "sqrt", lambda x: sqrt(x) * 2.0),
    ),
    Plant(
        "the strategy samples its volatility twice a second",
        RECORDED,
        "intents|state",
        "price|fingerprint",
        constant(skew, "NS_PER_S", 500_000_000),
    ),
    Plant(
        "the strategy is stirred by sizes in narrower spreads",
        RECORDED,
        "intents|state",
        "modify order|fingerprint",
        constant(skew, "NARROW", -1.0),
    ),
    Plant(
        "the strategy prices from our own orders too",
        RECORDED,
        "intents",
        "price",
        constant(step, "view_of", with_own_orders),
    ),
    Plant(
        "the planner places one order a request",
        RECORDED,
        "intents",
        "order",
        constant(planner, "BULK_MAX", 1),
    ),
    Plant(
        "the planner names orders otherwise",
        SYNTHETIC,
        "intents",
        "order",
        constant(planner, "client_order_id", lambda run, seq, n, i: f"{run}-{seq}-{i}-{n}x"),
    ),
    Plant(
        "the planner moves orders at half the tolerance",
        RECORDED,
        "intents",
        "modify",
        eager_tolerance,
    ),
    Plant(
        "the planner cancels where it modified",
        SYNTHETIC,
        "intents",
        "cancel order",
        cancel_before_place,
    ),
    Plant(
        "risk takes no order above 700 lots",
        RECORDED,
        "intents",
        "order",
        tighter_size,
    ),
    Plant(
        "risk measures prices against another middle",
        SYNTHETIC,
        "intents",
        "only recomputed: risk refusal collar",
        other_middle,
    ),
    Plant(
        "risk allows a position of one lot",
        SYNTHETIC,
        "intents",
        "qty: recorded 0.005 BTC (5 lots)",
        constant(reduce_limits, "position_most", lambda limits, mid2: 1),
    ),
    Plant(
        "the kill-switch is refreshed later",
        SYNTHETIC,
        "intents",
        "only recorded: arm kill switch",
        constant(kill_switch, "refresh_ns", lambda settings: 2_000_000_000),
    ),
    Plant(
        "the kill-switch is checked less often",
        FAULTY,
        "intents",
        "query kill switch",
        constant(kill_switch, "CHECK_EVERY_NS", 25_000_000_000),
    ),
    Plant(
        "a refused order is held back for longer",
        FAULTY,
        "intents|state",
        "order|fingerprint",
        constant(reduce_failures, "HOLD_NS", 900_000_000),
    ),
    Plant(
        "the mark is rounded up",
        SYNTHETIC,
        "state",
        "fingerprint",
        handler(events.MarkPrice, rounded_up_mark),
    ),
    Plant(
        "fees of deals are left out",
        SYNTHETIC,
        "intents|state",
        "price|query|fingerprint",
        handler(events.Filled, fee_left_out),
    ),
    Plant(
        "last trades are not folded",
        RECORDED,
        "state",
        "fingerprint",
        handler(events.PublicTrades, lambda right, state, record, event: advance(state, record)),
    ),
    Plant(
        "a best bid and offer of size 0 breaks the fold",
        FAULTY,
        "fold",
        "ZeroDivisionError",
        handler(
            events.BestBidOffer,
            lambda right, state, record, event: (
                1 // (record.seq < 900) and right(state, record, event)
            ),
        ),
    ),
    Plant(
        "bodies have the nonce before the request",
        SYNTHETIC,
        "request",
        "order of members: recorded request, nonce, nonceWindow; recomputed nonce, request,",
        constant(requests, "_post", nonce_first),
    ),
    Plant(
        "a modify has the price before the amount",
        RECORDED,
        "request",
        "order of members",
        encoder(ModifyOrder, amount_last),
    ),
    Plant(
        "prices keep their trailing zeros",
        SYNTHETIC,
        "request",
        "price",
        constant(requests, "_decimal", padded),
    ),
    Plant(
        "the timeout is sent as a number",
        SYNTHETIC,
        "request",
        'body, timeout: recorded "5", recomputed 5',
        encoder(ArmKillSwitch, timeout_as_number),
    ),
    Plant(
        "listings ask for half a page",
        FAULTY,
        "request",
        "body, limit: recorded 100, recomputed 50",
        constant(requests, "PAGE_LIMIT", 50),
    ),
    Plant(
        "self-trade prevention is left out",
        RECORDED,
        "request",
        'stp: recorded "cn"',
        without_stp,
    ),
    Plant(
        "post-only is left out",
        SYNTHETIC,
        "request",
        "postOnly: recorded true",
        constant(requests, "_FLAGS", dict.fromkeys(requests._FLAGS, "")),
    ),
    Plant(
        "the market is cancelled at another path",
        FAULTY,
        "request",
        "path: recorded '/api/v4/order/cancel/all'",
        other_path,
    ),
    Plant(
        "fewer levels are subscribed",
        FAULTY,
        "request",
        "body: from byte",
        shallow_depth,
    ),
]
