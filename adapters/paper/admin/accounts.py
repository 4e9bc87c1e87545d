"""Admin commands about accounts and keys: open, fund, allow, issue (see docs/venue.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from adapters.paper.admin.routes import CommandError, Route, command, show
from adapters.paper.auth import ALL_PERMISSIONS, IPS_MAX, ApiKey, Permission, is_address
from adapters.paper.core.account_actions import Wallet
from adapters.paper.core.model import AccountSpec, FeeOverride, Reject, to_units, units_text
from adapters.paper.core.specs import Amount, Leverage, Rate
from adapters.paper.server import VenueHandle
from engine.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HIDDEN = ("spot", "collateral", "background")
_IpList = Annotated[tuple[str, ...], msgspec.Meta(max_length=IPS_MAX)]


class AccountSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /accounts/settings`: what is named changes; `fees` replace those of their markets."""

    name: str
    rpi_allowed: bool | UnsetType = UNSET
    retail_allowed: bool | UnsetType = UNSET
    institutional: bool | UnsetType = UNSET
    rpi_maker_premium: Rate | UnsetType = UNSET
    futures_rpi_maker_premium: Rate | UnsetType = UNSET
    fees: dict[str, FeeOverride] | UnsetType = UNSET
    leverage: Leverage | UnsetType = UNSET
    hedge_mode: bool | UnsetType = UNSET


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /deposit` and `POST /withdraw`."""

    account: str
    asset: str
    amount: Amount
    wallet: Wallet = "spot"


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /keys`: key and secret are drawn where none are given."""

    account: str
    key: str = ""
    secret: str = ""
    enabled: bool = True
    permissions: tuple[Permission, ...] = ALL_PERMISSIONS
    ips: _IpList = ()
    denied: tuple[str, ...] = ()


class KeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /keys/settings`: what is named changes."""

    key: str
    enabled: bool | UnsetType = UNSET
    permissions: tuple[Permission, ...] | UnsetType = UNSET
    ips: _IpList | UnsetType = UNSET
    denied: tuple[str, ...] | UnsetType = UNSET


def _open(handle: VenueHandle, spec: AccountSpec) -> Any:
    if spec.background:
        raise CommandError("background accounts belong to the flow; leave `background` out")
    if not _NAME.fullmatch(spec.name):
        raise CommandError(f"name: expected 1 to 64 of A-Z a-z 0-9 _ . -, was {spec.name!r}")
    try:
        handle.exchange.open_account(spec, handle.venue.now_us())
    except ConfigError as error:
        raise CommandError(str(error)) from error
    return _issue(handle, NewKey(spec.name))


def _settings(handle: VenueHandle) -> Any:
    """Everything about each account but its funds."""
    shown = {}
    for name, held in handle.exchange.accounts.items():
        if not held.background:
            now = replace(held.spec, leverage=held.leverage, hedge_mode=held.hedge_mode)
            fields = msgspec.structs.asdict(now)
            shown[name] = {field: fields[field] for field in fields if field not in _HIDDEN}
    return shown


def _change(handle: VenueHandle, body: AccountSettings) -> Any:
    exchange, now_us = handle.exchange, handle.venue.now_us()
    spec = exchange.accounts[_known(handle, body.name)].spec
    if body.fees is not UNSET:
        spec = replace(spec, fees={**spec.fees, **body.fees})
    wanted = _named(body)
    changes = {f: v for f, v in wanted.items() if f not in ("fees", "leverage", "hedge_mode")}
    try:
        # The fees are checked first, so that a refused command has changed nothing.
        exchange.check_account(replace(spec, **changes))
    except ConfigError as error:
        raise CommandError(str(error)) from error
    was_hedged = exchange.hedge_mode(body.name)
    if body.hedge_mode is not UNSET:
        _accepted(exchange.set_hedge_mode(body.name, body.hedge_mode, now_us))
    if body.leverage is not UNSET:
        refused = exchange.set_leverage(body.name, body.leverage, now_us)
        if refused is not None:
            exchange.set_hedge_mode(body.name, was_hedged, now_us)
        _accepted(refused)
    exchange.change_account(replace(spec, **changes), now_us)
    return _settings(handle)[body.name]


def _accepted(refused: Reject | None) -> None:
    if refused is not None:
        texts = ", ".join(text for field in refused.errors.values() for text in field)
        raise CommandError(f"code {refused.code}: {texts}")


def _deposit(handle: VenueHandle, body: Transfer) -> Any:
    units = _units(handle, body)
    now_us = handle.venue.now_us()
    handle.exchange.deposit(body.account, body.wallet, body.asset, units, now_us)
    return _available(handle, body)


def _withdraw(handle: VenueHandle, body: Transfer) -> Any:
    units = _units(handle, body)
    now_us = handle.venue.now_us()
    if not handle.exchange.withdraw(body.account, body.wallet, body.asset, units, now_us):
        available = _available(handle, body)["available"]
        raise CommandError(f"expected at most the available {available}, was {body.amount}")
    return _available(handle, body)


def _units(handle: VenueHandle, body: Transfer) -> int:
    held = handle.exchange.accounts[_known(handle, body.account)]
    wallet = held.spot if body.wallet == "spot" else held.collateral
    if body.asset not in wallet:
        expected = ", ".join(wallet) or "no asset"
        raise CommandError(f"{body.wallet} holds {expected}, not {body.asset!r}")
    units = to_units(body.amount)
    if not units:
        raise CommandError("expected an amount above 0")
    return units


def _available(handle: VenueHandle, body: Transfer) -> dict[str, str]:
    if body.wallet == "spot":
        units = handle.exchange.spot_balances(body.account)[body.asset].available
    else:
        units = handle.exchange.collateral(body.account)[body.asset].available
    return {"available": units_text(units)}


def _keys(handle: VenueHandle) -> Any:
    return handle.accounts


def _issue(handle: VenueHandle, body: NewKey) -> ApiKey:
    _known(handle, body.account)
    _check_addresses(body.ips)
    ids = handle.venue.ids
    fields = msgspec.structs.asdict(body)
    fields["key"] = body.key or ids.token(16)
    fields["secret"] = body.secret or ids.token(32)
    key = ApiKey(**fields)
    if handle.venue.authenticator.find(key.key) is not None:
        raise CommandError(f"key {key.key!r} exists already")
    handle.venue.authenticator.put(key)
    return key


def _change_key(handle: VenueHandle, body: KeySettings) -> ApiKey:
    key = handle.venue.authenticator.find(body.key)
    if key is None:
        raise CommandError(f"key {body.key!r} does not exist")
    if body.ips is not UNSET:
        _check_addresses(body.ips)
    key = replace(key, **_named(body))
    handle.venue.authenticator.put(key)
    return key


def _known(handle: VenueHandle, name: str) -> str:
    held = handle.exchange.accounts.get(name)
    if held is None or held.background:
        raise CommandError(f"account {name!r} does not exist")
    return name


def _check_addresses(ips: tuple[str, ...]) -> None:
    for address in ips:
        if not is_address(address):
            raise CommandError(f"expected an IP address, was {address!r}")


def _named(body: msgspec.Struct) -> dict[str, Any]:
    fields = msgspec.structs.asdict(body)
    return {name: value for name, value in fields.items() if value is not UNSET}


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/accounts"): command(AccountSpec, _open),
    ("GET", "/accounts/settings"): show(_settings),
    ("POST", "/accounts/settings"): command(AccountSettings, _change),
    ("POST", "/deposit"): command(Transfer, _deposit),
    ("POST", "/withdraw"): command(Transfer, _withdraw),
    ("GET", "/keys"): show(_keys),
    ("POST", "/keys"): command(NewKey, _issue),
    ("POST", "/keys/settings"): command(KeySettings, _change_key),
}
# What a venue that keeps its state has to keep.
CHANGES = frozenset(route for route in ROUTES if route[0] != "GET")
