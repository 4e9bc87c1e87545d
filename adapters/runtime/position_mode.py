"""Whether the account holds one position a perpetual, or two in hedge mode (contract 6.6, 10.9).

The mode is configured, since every order depends on it: those of hedge mode name their position,
which no order of a one-way account does. What the account says is compared with it before a run.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.whitebit.requests import encode_hedge_mode
from adapters.whitebit.rest import RestAnswer, RestClient
from adapters.whitebit.signing import NonceSource
from engine.errors import ConfigError
from engine.types import Product, Quoted

WRONGLY_HEDGED = (
    "the account is in hedge mode, in which a market has two positions: set hedge_mode = true in "
    "[engine]; or turn it off once no position and no order is open, or use a sub-account"
)
WRONGLY_ONE_WAY = (
    "the account is not in hedge mode: set hedge_mode = false in [engine], or turn it on once no "
    "position and no order is open"
)


class _HedgeMode(msgspec.Struct):
    hedge_mode: bool = msgspec.field(name="hedgeMode")


def is_hedged(answer: RestAnswer) -> bool | None:
    """Read the account's mode; None when the answer does not tell."""
    try:
        return msgspec.json.decode(answer.body, type=_HedgeMode).hedge_mode
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def concerns(quoted: Iterable[Quoted]) -> bool:
    """Say whether the mode matters: pairs are one-way in any (10.9)."""
    return any(each.market.product is Product.PERPETUAL for each in quoted)


def refusal(quoted: Iterable[Quoted], *, hedged: bool) -> str:
    """Say why perpetuals cannot be quoted in the account's mode; empty when they can.

    Args:
        quoted: The markets of a run.
        hedged: The account's mode.
    """
    wanted = {each.hedged for each in quoted if each.market.product is Product.PERPETUAL}
    if not wanted or wanted == {hedged}:
        return ""
    return WRONGLY_HEDGED if hedged else WRONGLY_ONE_WAY


async def refuse_other_mode(
    rest: RestClient, nonces: NonceSource, quoted: Iterable[Quoted]
) -> bool | None:
    """Refuse to quote perpetuals of an account in another mode than configured; return its answer.

    It is asked before the journal is opened, as the market list is, since either may forbid the
    run; like that, the answer becomes part of `RunStarted`. An answer that does not tell stops
    nobody: in hedge mode the venue refuses what has no `positionSide` (code 114), and positions of
    the other mode stop their market.

    Raises:
        ConfigError: the account is in the other mode.
    """
    quoted = tuple(quoted)
    if not concerns(quoted):
        return None
    answer = await rest.send(encode_hedge_mode(nonces.draw()))
    hedged = is_hedged(answer) if isinstance(answer, RestAnswer) else None
    if hedged is not None and (reason := refusal(quoted, hedged=hedged)):
        raise ConfigError(reason)
    return hedged
