"""Market data of captured journals as moves: what others rested and traded, without us.

`replay/model/flow.py` takes our recorded orders out of the book and puts everything into the order
of the venue's time; what each frame took to be taken in stays as recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.ports import ReadFs
from engine.errors import ConfigError
from engine.types import BUY, Quoted
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move
from replay.backtest.source import Source, read_journal
from replay.model.flow import Depth, Touch, Trades, flow


def journal_moves(
    fs: ReadFs, journals: Sequence[Source], quoted: Sequence[Quoted], market: int
) -> Iterator[Move]:
    """Yield what journals tell of one market.

    Args:
        fs: Where they are.
        journals: One after the other, the older first.
        quoted: The markets of a plan.
        market: Number of the one among them, which every move carries.

    Raises:
        ConfigError: they are not in the order of time.
        JournalError: one is damaged.
    """
    name, last_ns, number = quoted[market].market.name, 0, 0
    for journal in journals:
        begun = False
        for act in flow(read_journal(fs, journal, quoted)):
            if act.at_ns < last_ns and not begun:
                raise ConfigError(
                    f"--data {journal.shown}: expected a journal that begins after the one before"
                )
            number += 1
            if not isinstance(act, Depth | Touch | Trades):
                continue
            told_ns = 0 if journal.alone else act.told_ns
            if isinstance(act, Depth) and act.market == name:
                sides = list(act.bids.items()), list(act.asks.items())
                yield (act.at_ns, market, DEPTH, told_ns, number, True, *sides)
            elif isinstance(act, Touch) and act.market == name and begun:
                bid, ask = act.bid, act.ask
                yield (act.at_ns, market, TOUCH, told_ns, number, *bid, *ask)
            elif isinstance(act, Trades) and act.event.market == name and begun:
                for trade in act.news:
                    told = (trade.side is BUY, trade.price, trade.qty, trade.rpi)
                    yield (act.at_ns, market, TRADE, told_ns, trade.trade_id, *told)
            else:
                continue
            begun = True
            last_ns = max(last_ns, act.at_ns)
