"""Whether the account holds one position a perpetual, or two in hedge mode (contract 6.6, 10.9).

The engine quotes one-way accounts: its inventory is one signed position, and its orders carry no
`positionSide`, which hedge mode demands.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.whitebit.requests import encode_hedge_mode
from adapters.whitebit.rest import RestAnswer, RestClient
from adapters.whitebit.signing import NonceSource
from engine.errors import ConfigError
from engine.types import Product, Quoted

REFUSED = (
    "the account is in hedge mode, in which a market has two positions: the engine quotes one-way "
    "accounts. Turn hedge mode off once no position and no order is open, or use a sub-account"
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


async def refuse_hedge_mode(
    rest: RestClient, nonces: NonceSource, quoted: Iterable[Quoted]
) -> bool | None:
    """Refuse to quote perpetuals of an account in hedge mode; return what it answered, if asked.

    It is asked before the journal is opened, as the market list is, since either may forbid the
    run; like that, the answer becomes part of `RunStarted`. An answer that does not tell stops
    nobody: in hedge mode the venue refuses what has no `positionSide` (code 114), and two
    positions stop their market.

    Raises:
        ConfigError: the account is in hedge mode.
    """
    if not concerns(quoted):
        return None
    answer = await rest.send(encode_hedge_mode(nonces.draw()))
    hedged = is_hedged(answer) if isinstance(answer, RestAnswer) else None
    if hedged:
        raise ConfigError(REFUSED)
    return hedged
