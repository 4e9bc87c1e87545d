"""What hftbacktest makes of the pairs of `fixed_quotes.py`, run by `make fill-vectors`.

`.venv/hftbacktest/bin/python -m tests.backtest.hftbacktest_fills FEED ORDERS` prints, for each
order of a JSON file, whether it was refused, and its fill as [ns, lots], whole or none: its
exchange without partial fills is used, as for the queue models (`tests/replay/queue_vectors.py`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import hftbacktest as hft
import numpy as np
from hftbacktest import types

LATENCY_NS = 5_000_000
TAIL_NS = 1_000_000_000


def main() -> None:
    """Play the orders on the feed."""
    orders = json.loads(Path(sys.argv[2]).read_bytes())
    # hftbacktest reads it in place, so it must outlive the run.
    feed = _feed(sys.argv[1])
    asset = (
        hft.BacktestAsset()
        .data(feed)
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .no_partial_fill_exchange()
        .risk_adverse_queue_model()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.000001)
    )
    backtest = hft.HashMapMarketDepthBacktest([asset])
    # Before this its clock has no time.
    backtest.elapse(0)
    wanted = {order["id"]: order for order in orders}
    steps = [(order["arrives_ns"], "place", number) for number, order in wanted.items()]
    steps += [(order["leaves_ns"], "cancel", number) for number, order in wanted.items()]
    for arrives_ns, step, number in sorted(steps):
        backtest.elapse(arrives_ns - LATENCY_NS - backtest.current_timestamp)
        if step == "place":
            _place(backtest, wanted[number])
        elif backtest.orders(0).get(number).cancellable:
            backtest.cancel(0, number, False)
    backtest.elapse(TAIL_NS)
    found = {number: _fate(backtest.orders(0).get(number), wanted[number]) for number in wanted}
    backtest.close()
    print(json.dumps(found))


def _place(backtest: Any, order: dict[str, Any]) -> None:
    submit = backtest.submit_buy_order if order["buys"] else backtest.submit_sell_order
    price, qty = order["ticks"] / 100, order["lots"] / 1_000_000
    assert submit(0, order["id"], price, qty, hft.GTX, hft.LIMIT, False) == 0


def _fate(order: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    status = int(order.status)
    assert status in (hft.FILLED, hft.EXPIRED, hft.CANCELED), f"{wanted}: status {status}"
    filled = status == hft.FILLED
    fills = [(int(order.exch_timestamp), wanted["lots"])] if filled else []
    return {"refused": status == hft.EXPIRED, "fills": fills}


def _feed(path: str) -> Any:
    seen = types.EXCH_EVENT | types.LOCAL_EVENT
    sides = {1: types.BUY_EVENT, -1: types.SELL_EVENT}
    rows: list[tuple[int, int, int, int]] = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            at_ns, kind, *told = json.loads(line)
            if kind == "trade":
                _, buys, ticks, lots = told
                rows.append((types.TRADE_EVENT | sides[1 if buys else -1], at_ns, ticks, lots))
            else:
                for sign, ticks, lots in told[0]:
                    rows.append((types.DEPTH_EVENT | sides[sign], at_ns, ticks, lots))
    # Time goes on after the last one, so that the last answers arrive.
    kind, at_ns, ticks, lots = rows[-1]
    rows.append((types.DEPTH_EVENT | sides[1], at_ns + 2 * TAIL_NS, 1, 1))
    feed = np.zeros(len(rows), types.event_dtype)
    for index, (kind, at_ns, ticks, lots) in enumerate(rows):
        units = ticks / 100, lots / 1_000_000
        feed[index] = (kind | seen, at_ns, at_ns + LATENCY_NS, *units, 0, 0, 0.0)
    return feed


if __name__ == "__main__":
    main()
