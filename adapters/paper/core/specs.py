"""What an exchange is made of, as configuration: markets, accounts, choices marked [C]."""

from __future__ import annotations

from typing import Annotated

import msgspec

from adapters.paper.core.units import scaled_text

# Checked when a configuration file is read, so that a bad number is refused with its place.
Precision = Annotated[int, msgspec.Meta(ge=0, le=10)]
Leverage = Annotated[int, msgspec.Meta(ge=1, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[str, msgspec.Meta(pattern=r"^\d{1,20}(\.\d{1,18})?$")]
Share = Annotated[str, msgspec.Meta(pattern=r"^0(\.\d{1,8})?$")]
Brackets = dict[
    Annotated[str, msgspec.Meta(pattern=r"^[1-9]\d{0,2}$")], Annotated[int, msgspec.Meta(ge=0)]
]
Ratio = Annotated[str, msgspec.Meta(pattern=r"^\d{1,3}(\.\d{1,8})?$")]
Rate = Annotated[str, msgspec.Meta(pattern=r"^-?0(\.\d{1,8})?$")]


class MarketSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One market as data (4.1). A perpetual settles in `quote_asset` and is traded on collateral.

    `money_prec` and `stock_prec` are decimals of price and quantity; their sum is at most 10, so
    that a fee still fits in units.
    """

    name: str
    base_asset: str
    quote_asset: str
    money_prec: Precision
    stock_prec: Precision
    fee_prec: Precision = 6
    qty_min: Amount
    total_min: Amount
    total_max: Amount = "0"
    is_perpetual: bool = False
    # A spot market whose book collateral orders may trade in too, on borrowed funds (6).
    is_margin: bool = False
    maker_rate: Rate = "0.001"
    taker_rate: Rate = "0.001"
    # Margin on a spot market never has more than 10 (10.9).
    leverage_max: Leverage = 100
    # What follows is of perpetuals only. The index is the last price of this spot market; without
    # a name, of the one with the same assets [C].
    index_market: str = ""
    # Leverage -> largest position with its open orders in the quote asset, 0 for no limit; a
    # leverage between two keys has the limit of the higher one, above all none [C].
    brackets: Brackets = {}
    funding_interval_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 480
    funding_cap: Rate = "0.0075"
    funding_floor: Rate = "-0.0075"

    def price_text(self, ticks: int) -> str:
        return scaled_text(ticks, self.money_prec)

    def qty_text(self, lots: int) -> str:
        return scaled_text(lots, self.stock_prec)

    @property
    def tick_size(self) -> str:
        return scaled_text(1, self.money_prec)

    @property
    def lot_size(self) -> str:
        return scaled_text(1, self.stock_prec)


class FeeOverride(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fee ratios of one account on one market (`custom_fee` of `market/fee`, section 7)."""

    maker: Rate
    taker: Rate


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account as configuration; amounts are decimal text, ratios as in `MarketSpec`.

    A sub-account names its `main` account, which stands before it, and pays that one's fees where
    it has none of its own; for matching it is an account like any other (G-52). A `background`
    account belongs to the market flow: it trades without funds or margin checks and gets no private
    notices, but its books are kept, so totals stay conserved.
    """

    name: str
    main: str = ""
    spot: dict[str, Amount] = {}
    collateral: dict[str, Amount] = {}
    leverage: Leverage = 10
    hedge_mode: bool = False
    fees: dict[str, FeeOverride] = {}
    rpi_maker_premium: Rate = "0"
    futures_rpi_maker_premium: Rate = "0"
    rpi_allowed: bool = True
    retail_allowed: bool = False
    # A B2B account: its order history keeps no cancelled orders (5.8).
    institutional: bool = False
    background: bool = False


BTC_USDT = MarketSpec(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=2,
    stock_prec=6,
    qty_min="0.00001",
    total_min="5.05",
    is_margin=True,
)
BTC_PERP = MarketSpec(
    name="BTC_PERP",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=1,
    stock_prec=3,
    qty_min="0.001",
    total_min="5.05",
    is_perpetual=True,
    maker_rate="0.0001",
    taker_rate="0.00055",
    brackets={"1": 0, "2": 0, "3": 0, "5": 0, "10": 0, "20": 0, "50": 1_000_000, "100": 200_000},
)
FUNDS = {"BTC": "10", "USDT": "1000000"}
DEMO_ACCOUNTS = (
    AccountSpec(name="demo-1", spot=FUNDS, collateral={"USDT": "1000000"}),
    AccountSpec(name="demo-2", spot=FUNDS, collateral={"USDT": "1000000"}, retail_allowed=True),
)
FLOW_MAKER = "flow-maker"
FLOW_TAKER = "flow-taker"
FLOW_ACCOUNTS = (
    AccountSpec(name=FLOW_MAKER, background=True),
    AccountSpec(name=FLOW_TAKER, background=True, retail_allowed=True),
)


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of the exchange core; every one marked [C] is our choice, not documented.

    Choices without a setting, kept here so that they are found in one place, all [C]:
    margin of a position = worst notional / leverage, where the worst notional is the larger
    of |position cost + open buys| and |position cost - open sells| at order prices; a new order
    that does not raise it is always accepted, otherwise balance + P&L at the mark price must
    cover the margin of all positions (10.9); the cost of a part of a position is its share
    rounded towards zero at 10^-18, the rest stays with the position; each side of a trade has
    a deal id of its own, so that a self-trade is two deals (10.4) and deals are unique by id;
    the notices of a bulk request come item by item.
    """

    markets: tuple[MarketSpec, ...] = (BTC_USDT, BTC_PERP)
    accounts: tuple[AccountSpec, ...] = (*DEMO_ACCOUNTS, *FLOW_ACCOUNTS)
    # [C, G-13] retail takers only, or every taker, may match RPI orders.
    rpi_match_all: bool = False
    # [C, 10.3] a market order stops this far (ratio) from the best opposite price.
    taker_band: Share = "0.05"
    # [C, G-19] refuse an order that would flip a one-way position with code 115.
    refuse_flip: bool = False
    # [C, G-17] refuse LONG and SHORT on a one-way account with code 114 instead of ignoring them.
    strict_position_side: bool = False
    # [C, 6.6] refuse a new leverage with code 113 while positions or collateral orders are open.
    refuse_leverage_change: bool = False
    # [C, 10.12] seconds over which the basis of the mark price is smoothed.
    mark_window_s: Count = 30
    # [C, 10.11] quote notional of the impact prices, sampled each whole minute.
    impact_notional: Amount = "10000"
    # [C, 10.11] how far the rate is pulled towards the interest of 8 hours, as ratios.
    funding_clamp: Share = "0.0005"
    funding_interest: Rate = "0.0001"
    # [C, 10.12] equity over maintenance at which positions get a margin call, and the share of a
    # position that one liquidation order closes; there is one such order a second.
    margin_call_ratio: Ratio = "1.25"
    liquidation_step: Share = "0.25"
    # [G-22] what is charged a day for borrowed funds, as a ratio: 0.0585 % says the help centre.
    # It is of the entry value, accrues each whole minute, and is paid at the next fill [C].
    borrow_rate: Share = "0.000585"
    # [C] waiting collateral stops of an account on one market, then code 103 (152 for an OCO);
    # 0 is no limit. WhiteBIT has one but does not say how high.
    margin_stops_max: Annotated[int, msgspec.Meta(ge=0)] = 0
    # First order and deal ids lie above 2^32 (contract 3); the spaces are separate.
    first_order_id: int = 1_212_901_344_783
    first_deal_id: int = 6_290_000_000_001
    first_trade_id: int = 7_310_000_000_001
    first_conditional_id: int = 117_703_764_513
    first_position_id: int = 5_000_000_001
    # Bounds of the per-account histories, the newest are kept: as many as a client can page through
    # where the contract limits that (6.5). Full they take 6, 5 and 3 MB, which a busy maker's do
    # within minutes; then memory stays as it is [C].
    deals_max: Count = 10_000
    finished_max: Count = 10_000
    position_changes_max: Count = 10_000
    # Payments per account and settled rates per market: a year of three a day.
    funding_max: Count = 1_100
    # The trades channel never shows more (11.5).
    trades_max: Count = 100
