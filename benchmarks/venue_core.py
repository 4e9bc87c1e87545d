"""The exchange core alone: no sockets, no JSON, no signatures; commands in a seeded mix."""

from __future__ import annotations

import gc
from random import Random
from time import perf_counter_ns, process_time_ns

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    CancelOrder,
    ExchangeConfig,
    ModifyOrder,
    NewOrder,
    Order,
    Side,
)
from benchmarks.figures import Row
from benchmarks.venue_process import load_rate

MARKET = "BTC_USDT"
START_US = 1_790_000_000_000_000
SIDES = (Side.BUY, Side.SELL)


def measure_core(count: int) -> Row:
    """Send `count` commands of two accounts: 5 places to 4 cancels and a modify.

    What they announce is drained, as the venue does after each.
    """
    mix = _mix(count)
    # As `quotefold paper` does once it has started: what other measurements left is not looked at.
    gc.collect()
    gc.freeze()
    try:
        start, cpu_ns = perf_counter_ns(), process_time_ns()
        _run(mix)
        took_ns, cpu_ns = perf_counter_ns() - start, process_time_ns() - cpu_ns
    finally:
        gc.unfreeze()
    return load_rate("commands to the core", count, took_ns, cpu_ns / 1e9)


def _mix(count: int) -> list[tuple[str, str, NewOrder | None, str]]:
    """Draw (account, what, order, price) once, so that drawing is not measured."""
    rng = Random(1)
    mix: list[tuple[str, str, NewOrder | None, str]] = []
    for _ in range(count):
        account = f"demo-{rng.randint(1, 2)}"
        side = rng.choice(SIDES)
        away = rng.randint(-30, 100)
        ticks = 6_000_000 + (-away if side is Side.BUY else away)
        price = f"{ticks // 100}.{ticks % 100:02}"
        what = rng.choices(("place", "cancel", "modify"), (50, 40, 10))[0]
        order = None
        if what == "place":
            amount = f"0.00{rng.randint(100, 999)}"
            order = NewOrder(market=MARKET, side=side, amount=amount, price=price)
        mix.append((account, what, order, price))
    return mix


def _run(mix: list[tuple[str, str, NewOrder | None, str]]) -> None:
    exchange = Exchange(ExchangeConfig(), START_US)
    placed: dict[str, list[int]] = {"demo-1": [], "demo-2": []}
    now_us = START_US
    for account, what, request, price in mix:
        now_us += 10
        ids = placed[account]
        if request is not None:
            result = exchange.place(account, request, now_us)
        elif what == "cancel":
            gone = CancelOrder(market=MARKET, order_id=ids.pop() if ids else 1)
            exchange.cancel(account, gone, now_us)
            exchange.drain()
            continue
        else:
            change = ModifyOrder(market=MARKET, order_id=ids.pop() if ids else 1, price=price)
            result = exchange.modify(account, change, now_us)
        if isinstance(result, Order) and result.leaves_lots:
            ids.append(result.order_id)
        exchange.drain()
