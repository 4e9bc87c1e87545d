"""Laws that every strategy keeps, checked in one line:

    check_laws(MyStrategy(half_spread_bps=5))

or a test each: `@pytest.mark.parametrize("law", laws(MyStrategy(...)), ids=str)`, then `law()`.
A strategy that means to break one says so and why: `except_for={"mirrors": "it only buys"}`. An
exception that is not needed fails, so that none is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from engine.strategy import Strategy
from engine.testing import quoting_laws, running_laws
from engine.testing.quoting_laws import FAULTS
from engine.testing.situations import MID, Situation, situations
from engine.testing.values import SPOT
from engine.types import Market

Check = Callable[[Strategy, tuple[Situation, ...]], None]

LAWS: Mapping[str, Check] = {
    "pure": running_laws.pure,
    "answers": quoting_laws.answers,
    "wants": quoting_laws.wants,
    "rests": quoting_laws.rests,
    "fits": quoting_laws.fits,
    "mirrors": quoting_laws.mirrors,
    "skews": quoting_laws.skews,
    "reasons": quoting_laws.reasons,
    "repeats": running_laws.repeats,
    "remembers": running_laws.remembers,
    "parameters": running_laws.parameters,
    "pauses": running_laws.pauses,
}
"""Name -> what asserts it; the first line of its docstring says what it asks.

Purity stands first: what a strategy works out once and keeps is worked out there.
"""


class Law(Struct, frozen=True):
    """A law, ready to be called for one strategy on one market."""

    name: str
    strategy: Strategy
    market: Market
    excuse: str = ""
    """Why the strategy breaks it on purpose; empty when it must keep it."""
    mid: str = MID
    """Where the market trades, quote asset."""

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Assert the law.

        Raises:
            AssertionError: the law, the parameters, and the first situation in which it is broken,
                with the quotes in prices and sizes; or an exception that is not needed.
        """
        __tracebackhide__ = True
        self.judge(situations(self.market, self.mid))

    def judge(self, cases: tuple[Situation, ...]) -> None:
        """Assert the law in situations of one's own."""
        __tracebackhide__ = True
        check = LAWS[self.name]
        try:
            check(self.strategy, cases)
        except AssertionError as error:
            if not self.excuse:
                # What it says is all there is to know.
                raise AssertionError(self._broken(str(error))) from None
        except FAULTS as error:
            if not self.excuse:
                told = [f"it raises {type(error).__name__}: {error}"]
                told += getattr(error, "__notes__", [])
                raise AssertionError(self._broken("\n".join(told))) from error
        else:
            if self.excuse:
                raise AssertionError(
                    f"{self.strategy} keeps the law {self.name!r}, from which it is excepted "
                    f"({self.excuse}): take the exception away"
                )

    def _broken(self, told: str) -> str:
        says = (LAWS[self.name].__doc__ or "").partition("\n")[0]
        return f"{self.strategy} breaks the law {self.name!r}: {says}\n{told}"


def laws(
    strategy: Strategy,
    market: Market = SPOT,
    *,
    except_for: Mapping[str, str] | None = None,
    mid: str = MID,
) -> list[Law]:
    """Return every law, ready for a strategy.

    Args:
        strategy: With parameters that fit the market.
        market: Whose precision and minimums the situations have.
        except_for: Name of a law that it breaks on purpose -> why.
        mid: Where the market trades, quote asset, such as "0.000012".

    Raises:
        ValueError: an exception from no law, or without a reason.
    """
    excuses = except_for or {}
    for name, why in excuses.items():
        if name not in LAWS or not why.strip():
            known = ", ".join(LAWS)
            raise ValueError(
                f"except_for: expected one of {known} and why, found {name!r}: {why!r}"
            )
    return [Law(name, strategy, market, excuses.get(name, ""), mid) for name in LAWS]


def check_laws(
    strategy: Strategy,
    market: Market = SPOT,
    *,
    except_for: Mapping[str, str] | None = None,
    mid: str = MID,
) -> None:
    """Assert every law for a strategy: see `laws`.

    Raises:
        AssertionError: every law that is broken, each with its first example.
    """
    __tracebackhide__ = True
    broken: list[str] = []
    for law in laws(strategy, market, except_for=except_for, mid=mid):
        try:
            law()
        except AssertionError as error:
            broken.append(str(error))
    if broken:
        raise AssertionError("\n\n".join(broken))
