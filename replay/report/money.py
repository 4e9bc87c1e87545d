"""What the report says of money: P&L and inventory of each market, and of each quote asset."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.events import Record
from engine.money import ZERO, format_units, from_units, subtract
from engine.state import State
from replay.fill_rows import plain
from replay.money import PARTS, Parts, Sample, Sampler, mark_of
from replay.thinning import Row, Series

TOTAL, POSITION = 0, 1 + len(PARTS)
COLUMNS = ("total", *PARTS, "position", "mark")
"""Of a market's series; that of an asset has the first ones only."""
POINTS = 6_000
"""Of all series together: about 0.6 MB of the page."""


class Range:
    """Lowest and highest P&L, and the furthest fall from a high."""

    def __init__(self) -> None:
        self.low = self.high = self.drawdown = ZERO

    def add(self, total: Decimal) -> None:
        self.low, self.high = min(self.low, total), max(self.high, total)
        self.drawdown = max(self.drawdown, subtract(self.high, total))


class Money:
    """P&L and inventory while a journal is folded."""

    def __init__(self, start: State) -> None:
        """Begin to count at a state."""
        self.sampler = Sampler(start)
        self._series: dict[str, Series] = {}
        self._ranges: dict[str, Range] = {}
        self._assets: dict[str, str] = {
            name: market.quoted.market.quote_asset for name, market in start.markets.items()
        }
        self._last: dict[str, Sample] = {}

    def observe(self, before: State, record: Record, after: State) -> None:
        """Follow a timer, a deal or a start of a run."""
        for sample in self.sampler.observe(before, record, after):
            self._take(sample)

    def end(self, record: Record, state: State) -> None:
        """The last moment is always a sample."""
        for sample in self.sampler.look(record, state):
            self._take(sample)

    def _take(self, sample: Sample) -> None:
        spec = sample.market.quoted.market
        name, parts, total = spec.name, sample.parts, sample.parts.total
        self._assets[name] = spec.quote_asset
        self._last[name] = sample
        if sample.position is None and name not in self._series:
            return
        position = from_units(sample.position or 0, spec.qty_decimals)
        each = [getattr(parts, part) for part in PARTS]
        self._add(name, sample.at_ns, (total, *each, position, mark_of(sample.market) or ZERO))
        markets = [key for key, asset in self._assets.items() if asset == spec.quote_asset]
        if len(markets) > 1:
            whole = self._whole(markets)
            each = [getattr(whole, part) for part in PARTS]
            self._add(_all(spec.quote_asset), sample.at_ns, (whole.total, *each))

    def _add(self, name: str, at_ns: int, values: tuple[Decimal, ...]) -> None:
        if name not in self._series:
            keys = (TOTAL,) if len(values) <= POSITION else (TOTAL, POSITION)
            self._series[name], self._ranges[name] = Series(keys), Range()
        self._series[name].add(at_ns, values)
        self._ranges[name].add(values[TOTAL])

    def _whole(self, markets: list[str]) -> Parts:
        parts = Parts()
        for name in markets:
            purse = self.sampler.purses.get(name)
            if purse is not None:
                parts = parts.plus(purse.parts)
        return parts

    @property
    def markets(self) -> list[str]:
        """Names, as they came."""
        return list(self._assets)

    def asset(self, market: str) -> str:
        """Return the quote asset of a market."""
        return self._assets[market]

    def figures(self) -> dict[str, Any]:
        """Return P&L by market and by quote asset, and what is held, exact."""
        markets = {name: self._market(name) for name in self._assets}
        totals = {}
        for asset in dict.fromkeys(self._assets.values()):
            names = [name for name, of in self._assets.items() if of == asset]
            key = names[0] if len(names) == 1 else _all(asset)
            totals[asset] = {"markets": len(names), **_parts(self._whole(names)), **self._span(key)}
        return {"markets": markets, "all": totals}

    def _market(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"quote_asset": self._assets[name]}
        purse = self.sampler.purses.get(name)
        found |= _parts(Parts() if purse is None else purse.parts) | self._span(name)
        sample = self._last.get(name)
        if sample is not None:
            spec, inventory = sample.market.quoted.market, sample.market.inventory
            position = sample.position
            funding = inventory.funding
            found |= {
                "base_asset": spec.base_asset,
                "product": spec.product.value,
                "position": None if position is None else format_units(position, spec.qty_decimals),
                "mark": plain(mark_of(sample.market)),
                "unknown_funding_s": funding.settled_s if funding.unknown else None,
                "unknown_fees": {asset: plain(fee) for asset, fee in inventory.other_fees},
            }
        return found

    def _span(self, key: str) -> dict[str, Any]:
        span = self._ranges.get(key, Range())
        return {
            "low": plain(span.low),
            "high": plain(span.high),
            "drawdown": plain(span.drawdown),
        }

    def charts(self) -> dict[str, list[Row | None]]:
        """Return the rows of each series: of markets by name, of several by `all ASSET`."""
        most = POINTS // max(1, len(self._series))
        return {name: series.rows(most) for name, series in self._series.items()}


def _all(asset: str) -> str:
    # No market has a blank in its name.
    return f"all {asset}"


def _parts(parts: Parts) -> dict[str, Any]:
    each = {part: plain(getattr(parts, part)) for part in PARTS}
    return {"total": plain(parts.total), **each}
