"""The venue of a backtest: the exchange core with funding, kill-switch timers and request limits.

Its markets are those of the paper venue, or of the journal that is played.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

import msgspec

from adapters.paper.core import model as core
from adapters.paper.limits import RestLimiter
from engine import events as e
from engine import intents as i
from engine.errors import ConfigError
from engine.money import EXACT, canonical, from_units, parse, to_units
from engine.types import (
    FundingPayment,
    KillSwitchTimer,
    Market,
    Product,
    Quoted,
    VenueFill,
)
from replay.model.survey import Survey
from replay.model.venue import (
    ACCOUNT,
    NS_PER_US,
    PAGE_MAX,
    ModelVenue,
    account_of,
    amount_of,
    spec_of,
    venue_fill,
)

FUNDS = Decimal(1_000_000)
"""Of every quote asset, as the paper venue's demo accounts have."""
_KNOWN = {spec.name: spec for spec in core.ExchangeConfig().markets}
_HERE = "backtest"


def known_markets() -> dict[str, Market]:
    """Return the paper venue's markets as a live run is told of them."""
    return {name: _market(spec) for name, spec in _KNOWN.items()}


def funded(quoted: Iterable[Quoted], told: Survey, *, as_run: bool) -> Survey:
    """Return markets and the account that a backtest begins with, with plenty to buy.

    Args:
        quoted: What is quoted.
        told: Of the journal that is played, for its fees; an empty one by default.
        as_run: It holds what that journal's run began with, else its inventory targets.
    """
    found = Survey(fees=told.fees, mids2=told.mids2)
    held: dict[str, Decimal] = {}
    for each in quoted:
        market, asset = each.market, each.market.base_asset
        found.markets[market.name] = market
        if as_run and market.name in told.baselines:
            baseline = told.baselines[market.name]
            if market.product is Product.SPOT:
                # Markets of one asset share it.
                held[asset] = baseline
            else:
                found.baselines[market.name] = baseline
            continue
        target = from_units(each.inventory_target, market.qty_decimals)
        found.spot[asset] = found.spot.get(asset, Decimal(0)) + target
    found.spot |= held
    for market in found.markets.values():
        found.spot[market.quote_asset] = found.collateral[market.quote_asset] = FUNDS
    return found


class BacktestVenue(ModelVenue):
    """Answers intents as the paper venue would."""

    def __init__(self, found: Survey, now_ns: int) -> None:
        """Build it, funded as `found` says; `baselines` are positions that it begins with."""
        specs = [_spec(market, found.fees.get(name)) for name, market in found.markets.items()]
        account = msgspec.structs.replace(account_of(found), leverage=10)
        config = core.ExchangeConfig(markets=tuple(specs), accounts=(account, *core.FLOW_ACCOUNTS))
        super().__init__(found, now_ns, config)
        for name, baseline in found.baselines.items():
            if baseline and name in found.mids2:
                lots = to_units(baseline, found.markets[name].qty_decimals)
                ticks = found.mids2[name] // 2
                self.exchange.begin_position(ACCOUNT, name, lots, ticks, now_ns // NS_PER_US)
        self._limiter = RestLimiter({})
        self._made: dict[int, VenueFill] = {}

    def answer(self, intent: i.Intent, path: str, now_ns: int) -> e.AnyEvent | None:
        """Do what a request asks, unless it is one too many; returns its answer."""
        if not self._limiter.allow(_HERE, path, now_ns):
            return e.RequestThrottled()
        return self.ask(intent, now_ns)

    def query(self, intent: i.Intent, now_ns: int) -> e.AnyEvent | None:
        """Answer what the model does not know of; else as that."""
        now_us, exchange = now_ns // NS_PER_US, self.exchange
        match intent:
            case i.ArmKillSwitch(market, timeout_s):
                timer = exchange.set_kill_switch(ACCOUNT, market, timeout_s, None, now_us)
                assert isinstance(timer, core.KillSwitch), timer
                return e.KillSwitchArmed(_timer(timer))
            case i.DisarmKillSwitch(market):
                exchange.set_kill_switch(ACCOUNT, market, None, None, now_us)
                return e.KillSwitchDisarmed(market)
            case i.QueryKillSwitch(market):
                timers = self.account.timers.values()
                return e.KillSwitchesListed(
                    tuple(_timer(timer) for timer in timers if market in ("", timer.market))
                )
            case i.QueryFills(market, offset):
                return self._fills(market, offset)
            case i.QueryFunding(market, offset):
                paid = exchange.funding_payments(ACCOUNT, market)
                page = tuple(self._payment(each) for each in paid[offset : offset + PAGE_MAX])
                return e.FundingListed(market, offset, page, offset + PAGE_MAX >= len(paid))
        return super().query(intent, now_ns)

    def mark(self, name: str) -> e.MarkPrice | None:
        """Return what the venue tells of a perpetual's mark; None before it has one."""
        view, decimals = self.exchange.perpetual(name), self.markets[name].price_decimals
        if view.mark_ticks is None or view.index_ticks is None:
            return None
        return e.MarkPrice(
            name,
            from_units(view.mark_ticks, decimals),
            from_units(view.index_ticks, decimals),
            from_units(view.rate, core.RATE_DECIMALS),
            view.next_funding_us // 1000,
        )

    def _fills(self, market: str, offset: int) -> e.FillsListed:
        # The same newest deals are asked for again and again, so what was made of them is kept.
        deals = filter(lambda deal: deal.market == market, reversed(self.account.deals))
        # One more than the page tells whether there are more.
        found = list(islice(deals, offset, offset + PAGE_MAX + 1))
        made = self._made
        kept: dict[int, VenueFill] = {}
        for deal in found[:PAGE_MAX]:
            kept[deal.deal_id] = made.get(deal.deal_id) or venue_fill(deal)
        self._made = kept
        return e.FillsListed(market, offset, tuple(kept.values()), len(found) <= PAGE_MAX)

    def _payment(self, paid: core.FundingPayment) -> FundingPayment:
        market, event = self.markets[paid.event.market], paid.event
        return FundingPayment(
            event.time_us // core.US_PER_S,
            amount_of(paid.amount),
            from_units(event.rate, core.RATE_DECIMALS),
            from_units(paid.lots, market.qty_decimals),
            from_units(event.settlement_ticks, market.price_decimals),
        )


def _timer(timer: core.KillSwitch) -> KillSwitchTimer:
    return KillSwitchTimer(timer.market, timer.start_s, timer.cancellation_s)


def _spec(market: Market, fees: e.FeesListed | None) -> core.MarketSpec:
    spec, known = spec_of(market, fees), _KNOWN.get(market.name, core.BTC_PERP)
    if market.product is not Product.PERPETUAL:
        return spec
    return msgspec.structs.replace(
        spec, funding_cap=known.funding_cap, funding_floor=known.funding_floor
    )


def _market(spec: core.MarketSpec) -> Market:
    notional_decimals = spec.money_prec + spec.stock_prec
    return Market(
        name=spec.name,
        base_asset=spec.base_asset,
        quote_asset=spec.quote_asset,
        product=Product.PERPETUAL if spec.is_perpetual else Product.SPOT,
        price_decimals=spec.money_prec,
        qty_decimals=spec.stock_prec,
        qty_min=to_units(parse(spec.qty_min), spec.stock_prec),
        notional_min=to_units(parse(spec.total_min), notional_decimals),
        notional_max=to_units(parse(spec.total_max), notional_decimals),
        maker_fee_rate=canonical(EXACT.create_decimal(spec.maker_rate)),
        taker_fee_rate=canonical(EXACT.create_decimal(spec.taker_rate)),
        collateral=spec.is_margin,
    )


def market_named(markets: dict[str, Market], name: str) -> Market:
    """Return a market that is known.

    Raises:
        ConfigError: it is not.
    """
    if name not in markets:
        known = ", ".join(markets)
        raise ConfigError(
            f"market.{name}: expected a market of the paper venue or of a journal given with"
            f" --data, one of {known}"
        )
    return markets[name]
