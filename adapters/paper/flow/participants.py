"""Participants of the synthetic flow beside its makers and noise takers.

Each draws from a generator of its own, seeded by its name, so that adding one leaves what the
others do as it was. All of them act at `due_ms` of flow time and set the next one.
"""

from __future__ import annotations

from random import Random
from typing import Protocol

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.market import Market
from adapters.paper.core.model import Side
from adapters.paper.flow.config import SyntheticConfig

_PRICE_DECIMALS = 2
_QTY_DECIMALS = 6


class Units:
    """Converts cents and millionths to the ticks and lots of one market, exactly."""

    def __init__(self, market: Market) -> None:
        self._money_prec = market.spec.money_prec
        self._stock_prec = market.spec.stock_prec

    def ticks(self, cents: int, *, up: bool = False) -> int:
        """Ticks of a price; where a tick is more than a cent it is rounded as told."""
        if self._money_prec >= _PRICE_DECIMALS:
            return int(cents * 10 ** (self._money_prec - _PRICE_DECIMALS))
        step = int(10 ** (_PRICE_DECIMALS - self._money_prec))
        return -(-cents // step) if up else cents // step

    def cents(self, ticks: int) -> int:
        """Cents of a price, rounded down."""
        return int(ticks * 10**_PRICE_DECIMALS // 10**self._money_prec)

    def lots(self, micros: int) -> int:
        """Lots of a quantity, at least one."""
        return max(1, int(micros * 10**self._stock_prec // 10**_QTY_DECIMALS))


class Scene(Protocol):
    """What participants see of their market: the makers that lead it."""

    mid: int
    storm_until_ms: int

    def pull(self, until_ms: int, now_us: int) -> None:
        """Leave the nearest levels until `until_ms`."""


class Participant(Protocol):
    """Somebody who acts now and then."""

    due_ms: int

    def act(self, now_us: int) -> None:
        """Do what is due at `due_ms` and say when the next thing is."""


class Rival:
    """A maker of its own with one quote a side, replaced in its own rhythm; storms chase it off."""

    def __init__(
        self, background: Background, scene: Scene, config: SyntheticConfig, rng: Random
    ) -> None:
        self._background = background
        self._units = Units(background.market)
        self._scene = scene
        self._config = config
        self._rng = rng
        self._shown: list[tuple[Side, int]] = []
        self.due_ms = rng.randint(*config.rival_gap_ms)

    def act(self, now_us: int) -> None:
        """Take the old quote away and, unless there is a storm, show a new one."""
        config, rng = self._config, self._rng
        changes = [(side, ticks, 0) for side, ticks in self._shown]
        self._shown = []
        half = rng.randint(*config.rival_half_spread_cents)
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            lots = self._units.lots(rng.randint(*config.rival_qty))
            ticks = self._units.ticks(self._scene.mid + sign * half, up=side is Side.SELL)
            if self._scene.storm_until_ms <= self.due_ms:
                self._shown.append((side, ticks))
                changes.append((side, ticks, lots))
        self._background.set_levels(changes, now_us)
        self.due_ms += rng.randint(*config.rival_gap_ms)


class Momentum:
    """A taker who follows moves of the mid."""

    def __init__(
        self, background: Background, scene: Scene, config: SyntheticConfig, rng: Random
    ) -> None:
        self._background = background
        self._units = Units(background.market)
        self._scene = scene
        self._config = config
        self._rng = rng
        self._seen = scene.mid
        self.due_ms = rng.randint(*config.momentum_gap_ms)

    def act(self, now_us: int) -> None:
        """Buy after a rise since the last look, sell after a fall, else wait."""
        config, rng = self._config, self._rng
        move, self._seen = self._scene.mid - self._seen, self._scene.mid
        if abs(move) >= config.momentum_cents:
            side = Side.BUY if move > 0 else Side.SELL
            lots = self._units.lots(rng.randint(*config.momentum_qty))
            self._background.take(side, lots, now_us)
        self.due_ms += rng.randint(*config.momentum_gap_ms)


class Storm:
    """Makes all makers of a market pull their nearest levels for a moment."""

    def __init__(self, scene: Scene, config: SyntheticConfig, rng: Random) -> None:
        self._scene = scene
        self._config = config
        self._rng = rng
        self.due_ms = rng.randint(*config.storm_gap_ms)

    def act(self, now_us: int) -> None:
        """Let a storm break loose."""
        until_ms = self.due_ms + self._rng.randint(*self._config.storm_ms)
        self._scene.pull(until_ms, now_us)
        self.due_ms = until_ms + self._rng.randint(*self._config.storm_gap_ms)


def participants_of(
    exchange: Exchange, market: str, scene: Scene, config: SyntheticConfig, seed: int
) -> list[Participant]:
    """Everyone that a configuration asks for, in the order in which they act at one time."""

    def rng(name: str) -> Random:
        return Random(f"{seed}/{market}/{name}")

    chosen: list[Participant] = []
    if config.storm_percent:
        chosen.append(Storm(scene, config, rng("storm")))
    for number in range(config.rivals):
        background = Background(exchange, market)
        chosen.append(Rival(background, scene, config, rng(f"rival-{number}")))
    if config.momentum_cents:
        background = Background(exchange, market)
        chosen.append(Momentum(background, scene, config, rng("momentum")))
    return chosen
