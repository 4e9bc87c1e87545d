"""Volumes and changes for public/ticker, counted since the venue started (contract 4) [C]."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.paper.market import Market
from adapters.paper.model import Notice, PublicTrade, scaled_text


class _Totals:
    def __init__(self, first_ticks: int) -> None:
        self.first_ticks = first_ticks
        self.lots = 0
        self.money = 0


class Tickers:
    """Running totals per market."""

    def __init__(self) -> None:
        self._totals: dict[str, _Totals] = {}

    def count(self, notices: Iterable[Notice]) -> None:
        """Add the trades among the notices."""
        for notice in notices:
            if isinstance(notice, PublicTrade):
                totals = self._totals.setdefault(notice.market, _Totals(notice.ticks))
                totals.lots += notice.lots
                totals.money += notice.lots * notice.ticks

    def ticker(self, market: Market) -> dict[str, str | int | bool]:
        """One value of public/ticker; `change` is in percent, cut to two decimals."""
        spec = market.spec
        last = market.last_ticks or 0
        totals = self._totals.get(spec.name) or _Totals(last)
        moved = last - totals.first_ticks
        change = 0 if not totals.first_ticks else abs(moved) * 10_000 // totals.first_ticks
        return {
            "base_id": 0,
            "quote_id": 0,
            "last_price": spec.price_text(last),
            "quote_volume": scaled_text(totals.money, spec.money_prec + spec.stock_prec),
            "base_volume": spec.qty_text(totals.lots),
            "isFrozen": False,
            "change": scaled_text(-change if moved < 0 else change, 2),
        }
