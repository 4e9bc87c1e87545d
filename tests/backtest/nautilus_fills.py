"""What nautilus_trader makes of the pairs of `fixed_quotes.py`, run by `make fill-vectors`.

`.venv/nautilus/bin/python -m tests.backtest.nautilus_fills FEED ORDERS` prints, for each order of
a JSON file, whether it was refused, and its fills as [ns, lots].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nautilus_trader.model.enums import OrderSide
from nautilus_trader.trading.strategy import Strategy

from benchmarks.nautilus_data import INSTRUMENT, make_engine, price_of, qty_of, read_feed

LATENCY_NS = 5_000_000


class FixedOrders(Strategy):  # type: ignore[misc]
    """Sends orders and their cancels so that they arrive when they are to."""

    def __init__(self, orders: list[dict[str, Any]]) -> None:
        super().__init__()
        self.refused: set[int] = set()
        self.fills: dict[int, list[tuple[int, int]]] = {order["id"]: [] for order in orders}
        self._wanted = {order["id"]: order for order in orders}
        self._placed: dict[int, Any] = {}
        self._numbers: dict[Any, int] = {}

    def on_start(self) -> None:
        """Set the alarms; the exchange looks at what has arrived at every alarm, too."""
        for number, order in self._wanted.items():
            for name, call, arrives_ns in (
                ("place", self._place, order["arrives_ns"]),
                ("cancel", self._cancel, order["leaves_ns"]),
            ):
                sent_ns = arrives_ns - LATENCY_NS
                self.clock.set_time_alert_ns(f"{name} {number}", sent_ns, call)
                self.clock.set_time_alert_ns(f"{name} {number} arrives", arrives_ns, _nothing)

    def _place(self, alarm: Any) -> None:
        number = int(alarm.name.split()[1])
        order = self._wanted[number]
        side = OrderSide.BUY if order["buys"] else OrderSide.SELL
        qty, price = qty_of(order["lots"]), price_of(order["ticks"])
        new = self.order_factory.limit(INSTRUMENT, side, qty, price, post_only=True)
        self._placed[number], self._numbers[new.client_order_id] = new, number
        self.submit_order(new)

    def _cancel(self, alarm: Any) -> None:
        order = self._placed[int(alarm.name.split()[1])]
        if order.is_open:
            self.cancel_order(order)

    def on_order_rejected(self, event: Any) -> None:
        self.refused.add(self._numbers[event.client_order_id])

    def on_order_denied(self, event: Any) -> None:
        raise RuntimeError(f"its own risk engine refused an order: {event.reason}")

    def on_order_filled(self, event: Any) -> None:
        lots = round(event.last_qty.as_double() * 1_000_000)
        self.fills[self._numbers[event.client_order_id]].append((event.ts_event, lots))


def _nothing(alarm: Any) -> None:
    pass


def main() -> None:
    """Play the orders on the feed."""
    feed, orders = read_feed(sys.argv[1]), json.loads(Path(sys.argv[2]).read_bytes())
    engine, strategy = make_engine(feed, LATENCY_NS, "0", ""), FixedOrders(orders)
    engine.add_strategy(strategy)
    engine.run()
    found = {
        number: {"refused": number in strategy.refused, "fills": fills}
        for number, fills in strategy.fills.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
