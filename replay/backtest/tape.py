"""Market data of captured journals as moves: what others rested and traded, without us.

`replay/model/flow.py` takes our recorded orders out of the book and puts everything into the order
of the venue's time; what each frame took to be taken in stays as recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.ports import Fs
from engine.errors import ConfigError
from engine.types import BUY
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move
from replay.model.flow import Depth, Touch, Trades, flow
from replay.read import read_records


def journal_moves(fs: Fs, journals: Sequence[Path], name: str, market: int) -> Iterator[Move]:
    """Yield what journals tell of one market.

    Args:
        fs: Where they are.
        journals: One after the other, the older first.
        name: Of the market.
        market: Number that every move carries.

    Raises:
        ConfigError: they are not in the order of time.
        JournalError: one is damaged.
    """
    last_ns = number = 0
    for journal in journals:
        begun = False
        for act in flow(read_records(fs, journal)):
            if act.at_ns < last_ns and not begun:
                raise ConfigError(f"{journal}: expected a journal that begins after the one before")
            number += 1
            if isinstance(act, Depth) and act.market == name:
                sides = list(act.bids.items()), list(act.asks.items())
                yield (act.at_ns, market, DEPTH, act.told_ns, number, True, *sides)
            elif isinstance(act, Touch) and act.market == name and begun:
                bid, ask = act.bid, act.ask
                yield (act.at_ns, market, TOUCH, act.told_ns, number, *bid, *ask)
            elif isinstance(act, Trades) and act.event.market == name and begun:
                for trade in act.news:
                    told = (trade.side is BUY, trade.price, trade.qty, trade.rpi)
                    yield (act.at_ns, market, TRADE, act.told_ns, trade.trade_id, *told)
            else:
                continue
            begun = True
            last_ns = max(last_ns, act.at_ns)
