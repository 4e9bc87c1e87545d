"""Settings of the venue's server and its accounts' keys; every [C] rule of the wire is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from adapters.paper.auth import ApiKey, is_address
from adapters.paper.core.model import FLOW_ACCOUNTS, ExchangeConfig
from adapters.paper.faults.plan import Plan
from adapters.paper.flow.config import SyntheticConfig
from adapters.paper.flow.view import RecordedConfig
from adapters.ports import Fs, Ids
from engine.errors import ConfigError


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a venue is started with; the defaults are the documented behaviour."""

    exchange: ExchangeConfig = ExchangeConfig()
    # Keys of accounts; an account without one gets a key drawn at start.
    keys: tuple[ApiKey, ...] = ()
    # Refuse JSON bodies with spaces between tokens (G-2).
    strict_payload: bool = False
    # Status of a nonce that does not grow: 429 as seen live, 401 as documented (G-3).
    nonce_status: int = 429
    # Exceptions to the limits of section 13: path -> requests in that path's span.
    rest_limits: dict[str, int] = {}
    # Requests per minute and connection (G-56).
    ws_requests_per_minute: int = 200
    # Seconds without a client message after which a WebSocket is closed (11.1).
    ws_inactivity_s: int = 60
    # Seconds in which a token must be used for the first time (11.2) [C].
    token_first_use_s: int = 60
    # Seconds in which a token that was used may be used again; undocumented (G-11) [C].
    token_lifetime_s: int = 86_400
    # What goes wrong, None for nothing; see `faults_check.py` for the names in it.
    faults: Plan | None = None
    # False as where margin trading is forbidden: public futures and collateral/markets answer 451.
    collateral_available: bool = True
    # Public answers as old as documented (4). Off, so that what a client did shows at once [C].
    public_cache: bool = False
    # Seconds of flow that were traded before anyone could look, for candles and statistics. An
    # hour of the synthetic flow takes about four seconds to start.
    history_s: Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)] = 0
    # Rates and sizes of the synthetic flow, choices of the recorded one.
    synthetic: SyntheticConfig = SyntheticConfig()
    recorded: RecordedConfig = RecordedConfig()


def with_fresh_deals(config: VenueConfig, now_ns: int) -> VenueConfig:
    """Return the settings of a venue that remembers nothing: its deals have ids of their own.

    Whoever goes on with a journal on a new venue would else take its deals for those of the last
    one. Ids begin 10,000 a second further on, which is more than any venue deals.
    """
    exchange = config.exchange
    first = exchange.first_deal_id + now_ns // 100_000
    return msgspec.structs.replace(
        config, exchange=msgspec.structs.replace(exchange, first_deal_id=first)
    )


def in_hedge_mode(config: VenueConfig) -> VenueConfig:
    """Put every account into hedge mode (10.9), but for those that the flow trades with."""
    flow = {account.name for account in FLOW_ACCOUNTS}
    accounts = tuple(
        account if account.name in flow else msgspec.structs.replace(account, hedge_mode=True)
        for account in config.exchange.accounts
    )
    exchange = msgspec.structs.replace(config.exchange, accounts=accounts)
    return msgspec.structs.replace(config, exchange=exchange)


def with_flow_accounts(config: VenueConfig) -> VenueConfig:
    """Add the accounts that the market flow trades with, where a file left them out."""
    present = {account.name for account in config.exchange.accounts}
    missing = tuple(account for account in FLOW_ACCOUNTS if account.name not in present)
    accounts = (*config.exchange.accounts, *missing)
    exchange = msgspec.structs.replace(config.exchange, accounts=accounts)
    return msgspec.structs.replace(config, exchange=exchange)


def problem(config: VenueConfig) -> str | None:
    """What is wrong with a configuration that has the right types, None for nothing."""
    accounts = [account.name for account in config.exchange.accounts]
    markets = [market.name for market in config.exchange.markets]
    keys = [key.key for key in config.keys]
    for what, names in (("account", accounts), ("market", markets), ("key", keys)):
        for name in names:
            if names.count(name) > 1:
                return f"{what} {name!r} is given twice"
    for key in config.keys:
        if key.account not in accounts:
            return f"keys: account {key.account!r} does not exist"
        for address in key.ips:
            if not is_address(address):
                return f"keys: expected an IP address, found {address!r}"
    if config.nonce_status not in (401, 429):
        return f"nonce_status: expected 401 or 429, found {config.nonce_status}"
    return None


def load(fs: Fs, path: Path) -> VenueConfig:
    """Read a configuration from TOML; raises ConfigError with the path and what to do."""
    hint = "see docs/venue.md for the settings"
    try:
        config = msgspec.toml.decode(fs.read(path), type=VenueConfig)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; check --config") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; {hint}") from error
    wrong = problem(config)
    if wrong is not None:
        raise ConfigError(f"{path}: {wrong}; {hint}")
    return config


def keys_of(config: VenueConfig, ids: Ids) -> list[ApiKey]:
    """Configured keys, and a drawn one for every trading account that has none."""
    keys = list(config.keys)
    owners = {key.account for key in keys}
    for account in config.exchange.accounts:
        if not account.background and account.name not in owners:
            keys.append(ApiKey(account.name, ids.token(16), ids.token(32)))
    return keys
