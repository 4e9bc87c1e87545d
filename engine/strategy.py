"""The strategy contract: a frozen parameter Struct with pure methods.

A strategy sees a `View` and answers with a `TwoSidedQuote`. It may keep a small memory of its own
(a volatility, an intensity), folded from the market's events. It sees no clock but `view.now_ns`,
so the same view gives the same quote, live, in a replay and in a test:

    quote = strategy.quote(view)

It may say why, as a value: `strategy.reason(view)` is worked out again whenever somebody asks, and
never while quoting; `strategy.follow(view, reasoning)` is the quote that this comes to.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from engine.errors import ConfigError
from engine.events import BestBidOffer, BookDelta, BookSnapshot, FeesListed, Filled, PublicTrades
from engine.types import Market, TwoSidedQuote

MarketEvent = BookSnapshot | BookDelta | BestBidOffer | PublicTrades | Filled


class View(msgspec.Struct, frozen=True, gc=False):
    """What a strategy prices from. Prices in ticks, quantities in lots, net of our own orders."""

    market: Market
    now_ns: int
    bid_price: int
    bid_qty: int
    ask_price: int
    ask_qty: int
    inventory: int
    """Signed lots against the target; positive is long."""
    inventory_max: int
    """The limit either way, lots, > 0."""
    memory: Any = None
    """What `fold` returned last, or `initial_memory()`."""
    fees: FeesListed | None = None
    """What the venue charges this account, asked every ten minutes; None before the answer."""
    funding_rate: Decimal = Decimal(0)
    """Of the next settlement of a perpetual, as the venue told it last: a ratio, positive where who
    is long pays. 0 on other markets."""
    beside: View | None = None
    """The market that `Strategy.beside` names; None while it must not be quoted or has no prices,
    so that nothing is opened that could not be hedged there. It has no memory."""

    @property
    def maker_fee_rate(self) -> Decimal:
        """Ratio of a maker's fill that is paid, negative for a rebate; until the account's own fee
        is known, the market's."""
        return self.market.maker_fee_rate if self.fees is None else self.fees.maker_fee_rate

    @property
    def rpi_fee_rate(self) -> Decimal:
        """As `maker_fee_rate`, of an RPI fill: with the premium (contract section 7)."""
        premium = Decimal(0) if self.fees is None else self.fees.rpi_premium
        return self.maker_fee_rate + premium

    @property
    def taker_fee_rate(self) -> Decimal:
        """As `maker_fee_rate`, of a taker's fill."""
        return self.market.taker_fee_rate if self.fees is None else self.fees.taker_fee_rate


UNITS = ("ticks", "lots", "orders", "bps", "per bps", "s", "per s", "ratio")
"""What figures are measured in: prices in `ticks`, sizes in `lots` or in `orders` of a strategy's
own size; `bps` of price, or what decays `per bps`; seconds, or what comes `per s`."""


class Figure(msgspec.Struct, frozen=True, gc=False):
    """One figure that a strategy came to on its way to a quote."""

    name: str
    value: float
    unit: str
    """One of `UNITS`."""
    words: str
    """What it is, in a few words."""


class Reasoning(msgspec.Struct, frozen=True):
    """Why a strategy wants what it wants; empty where it does not tell."""

    figures: tuple[Figure, ...] = ()
    """In the order in which one follows from the other; each name once."""
    words: tuple[str, ...] = ()
    """What decided: which of several floors, what was cut short and by what."""

    def figure(self, name: str) -> float | None:
        """Return the value of a figure; None if there is none of that name."""
        for figure in self.figures:
            if figure.name == name:
                return figure.value
        return None


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every strategy; its fields are its parameters."""

    def initial_memory(self) -> Any:
        """The memory before the first event; a frozen msgspec Struct, or None."""
        return None

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        """Return the memory after an event of the strategy's market. Pure."""
        return memory

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Say whether a change of the best prices and sizes is worth pricing again at once. Pure.

        What stirs nothing is still seen within a tenth of a second, when the timer fires.
        """
        return True

    def beside(self) -> str:
        """Name another market of the run that the view shall hold too; empty for none. Pure.

        It stirs nothing: what changes there is seen when this market is priced, within a tenth of
        a second.
        """
        return ""

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the orders wanted now. Pure; every bid must be below every ask."""
        raise NotImplementedError

    def reason(self, view: View) -> Reasoning:
        """Return how `quote` comes to its prices in a view. Pure; optional.

        Nothing is stored of it: whoever explains a run works it out again. So it must say what
        `quote` does, which `follow` lets others see.
        """
        return Reasoning()

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        """Return the quote that the figures of a reasoning come to, in the same view. Pure.

        It belongs to `reason`: the law `reasons` and `quotefold explain` hold it against `quote`,
        which this default cannot fail.
        """
        return self.quote(view)


_registry: dict[str, type[Strategy]] = {}


def register(name: str, strategy: type[Strategy]) -> None:
    """Make a strategy known under the name that configurations and journals use."""
    known = _registry.setdefault(name, strategy)
    if known is not strategy:
        raise ValueError(f"strategy name {name!r} is taken by {known.__name__}")


def registered_names() -> list[str]:
    return sorted(_registry)


def strategy_class(name: str) -> type[Strategy]:
    """Return the strategy registered under a name.

    Raises:
        ConfigError: unknown name.
    """
    strategy = _registry.get(name)
    if strategy is None:
        known = ", ".join(registered_names()) or "none"
        raise ConfigError(f"strategy: expected one of {known}, found {name!r}")
    return strategy


def load_strategy(name: str, parameters: str) -> Strategy:
    """Build a strategy from its registered name and its parameters as a JSON object.

    Raises:
        ConfigError: unknown name, unknown or ill-typed parameter.
    """
    try:
        return msgspec.json.decode(parameters, type=strategy_class(name))
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"strategy {name}: parameters: {error}") from error
