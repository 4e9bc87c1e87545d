"""What the venue's operator does to accounts: opening, funding, and what they are allowed.

Deposits and withdrawals are the only things that change totals; `Ledger.deposits` says by how much.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from adapters.paper.core.collateral import CollateralActions
from adapters.paper.core.ledger import Account, Ledger, Seat
from adapters.paper.core.model import AccountSpec
from engine.errors import ConfigError

Wallet = Literal["spot", "collateral"]


class AccountActions(CollateralActions):
    """The part of the exchange that no client of WhiteBIT's API can reach."""

    ledger: Ledger

    def open_account(self, spec: AccountSpec, now_us: int) -> None:
        """Open an account while the exchange runs; its first funds count as deposits.

        Raises:
            ConfigError: if the name is taken, or names something that does not exist.
        """
        self.advance(now_us)
        account = self._add_account(spec)
        for asset in spec.spot:
            self._count("spot", asset, account.spot[asset].available)
        for asset in spec.collateral:
            self._count("collateral", asset, account.collateral[asset])

    def change_account(self, spec: AccountSpec, now_us: int) -> None:
        """Replace what an account pays and may do; its funds, leverage and orders stay.

        Open orders pay the new fees when they are filled.

        Raises:
            ConfigError: if the fees name a market that does not exist.
        """
        self.advance(now_us)
        self.check_account(spec)
        account = self.accounts[spec.name]
        account.spec = spec
        for seat in account.seats.values():
            seat.set_rates()

    def check_account(self, spec: AccountSpec) -> None:
        """Raise ConfigError where a specification names what does not exist; changes nothing."""
        Account(spec, self.config)

    def deposit(self, account: str, wallet: Wallet, asset: str, units: int, now_us: int) -> None:
        """Add funds; raises KeyError for an asset that the wallet does not hold."""
        self.advance(now_us)
        self._credit(account, wallet, asset, units)

    def _credit(self, account: str, wallet: Wallet, asset: str, units: int) -> None:
        held = self.accounts[account]
        if wallet == "spot":
            held.spot[asset].available += units
            held.dirty_spot[asset] = None
        else:
            held.collateral[asset] += units
            held.dirty_collateral = True
        self._count(wallet, asset, units)

    def withdraw(self, account: str, wallet: Wallet, asset: str, units: int, now_us: int) -> bool:
        """Take available funds; False if there are fewer, KeyError for an unknown asset."""
        self.advance(now_us)
        if wallet == "spot":
            available = self.accounts[account].spot[asset].available
        else:
            available = self.collateral(account)[asset].available
        if units > available:
            return False
        self._credit(account, wallet, asset, -units)
        return True

    def _add_account(self, spec: AccountSpec) -> Account:
        if spec.name in self.accounts:
            raise ConfigError(f"account {spec.name} exists already; choose another name")
        account = Account(self._of_main(spec), self.config)
        for name, market in self.markets.items():
            seat = Seat(account, market)
            account.seats[name] = self.matcher.seats[spec.name, name] = seat
        self.accounts[spec.name] = account
        return account

    def _of_main(self, spec: AccountSpec) -> AccountSpec:
        """Give a sub-account the fees of its main account, where it has none of its own [C]."""
        if not spec.main:
            return spec
        main = self.accounts.get(spec.main)
        if main is None or main.spec.main:
            raise ConfigError(
                f"account {spec.name}: main expected a main account given before, was {spec.main}"
            )
        return msgspec.structs.replace(spec, fees={**main.spec.fees, **spec.fees})

    def _count(self, wallet: Wallet, asset: str, units: int) -> None:
        key = wallet, asset
        self.ledger.deposits[key] = self.ledger.deposits.get(key, 0) + units
