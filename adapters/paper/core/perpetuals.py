"""What happens to positions by the clock: marks each second, and all that follows from them.

Everything is done at whole seconds of the epoch, one by one, however rarely the exchange is
called, so the outcome does not depend on how often it is.
"""

from __future__ import annotations

from adapters.paper.core.funding import Funding
from adapters.paper.core.ledger import Account, Ledger
from adapters.paper.core.lending import Lender
from adapters.paper.core.liquidation import Liquidator
from adapters.paper.core.market import Market
from adapters.paper.core.marks import Mark
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import US_PER_S, ExchangeConfig
from engine.errors import ConfigError

# A clock that jumps further leaves the time before the last day out: nobody traded in it.
_CATCH_UP_S = 86_400


class Perpetuals:
    """The clockwork of all perpetuals and margin pairs of an exchange."""

    def __init__(
        self,
        config: ExchangeConfig,
        markets: dict[str, Market],
        accounts: dict[str, Account],
        ledger: Ledger,
        matcher: Matcher,
    ) -> None:
        """Give every perpetual its mark; raises ConfigError for an unknown index market."""
        self._markets = [m for m in markets.values() if m.has_positions]
        self._accounts = accounts
        self._matcher = matcher
        self.funding: dict[str, Funding] = {}
        for market in self._markets:
            if not market.spec.is_perpetual:
                continue
            market.mark = Mark(market, _index_market(market, markets), config.mark_window_s)
            funding = Funding(config, market, market.mark, matcher.now_us)
            self.funding[market.spec.name] = funding
        # The marks at which all accounts were judged, None while one is being liquidated.
        self._judged: list[int | None] | None = None
        self._lender = Lender(config, accounts)
        self._liquidator = Liquidator(config, accounts, ledger, matcher)
        first_s = matcher.now_us // US_PER_S + 1
        self.next_us: int | None = first_s * US_PER_S if self._markets else None

    def tick(self, *, acted: bool) -> None:
        """Do what is due at `next_us`, which is the present time of the engine.

        `acted` says that anything may have happened since the last tick. Otherwise accounts are
        judged again only when a mark moved or money was paid, which makes long waits cheap.
        """
        now_us = self._matcher.now_us
        for funding in self.funding.values():
            funding.sample(now_us)
            if now_us >= funding.next_us:
                funding.settle(self._accounts, now_us)
                acted = True
        acted |= self._lender.sample(now_us)
        marks = [market.mark_ticks() for market in self._markets]
        if acted or marks != self._judged:
            self._judged = None if self._liquidator.check() else marks
        self.next_us = now_us + US_PER_S

    def skip_to(self, now_us: int) -> None:
        """Leave out the time that is too long ago to be lived through."""
        if self.next_us is not None:
            first_us = (now_us // US_PER_S - _CATCH_UP_S) * US_PER_S
            self.next_us = max(self.next_us, first_us)
            for funding in self.funding.values():
                funding.skip_to(self.next_us)


def _index_market(market: Market, markets: dict[str, Market]) -> Market | None:
    spec = market.spec
    if spec.index_market:
        found = markets.get(spec.index_market)
        if found is None or found.spec.is_perpetual:
            raise ConfigError(
                f"{spec.name}: index_market {spec.index_market} is no spot market; name one"
            )
        return found
    assets = (spec.base_asset, spec.quote_asset)
    for other in markets.values():
        same = (other.spec.base_asset, other.spec.quote_asset) == assets
        if same and not other.spec.is_perpetual:
            return other
    return None
