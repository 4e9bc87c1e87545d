"""The strategy author's kit: values from text, assertions that show ladders, and ready laws.

    from engine.testing import assert_quote, check_laws, remembered, view

    def test_it_keeps_the_laws():
        check_laws(MyStrategy(half_spread_bps=5))

    def test_it_quotes_around_the_mid():
        found = MyStrategy(half_spread_bps=5).quote(view(bid="60000.00", ask="60000.10"))
        assert_quote(found, bids="0.01@59970.01", asks="0.01@60030.06")

It needs nothing but the core, so tests of a strategy run wherever the engine does, and nothing of
the engine needs it. `docs/write-a-strategy.md` goes through it.
"""

from engine.testing.ladders import assert_quote as assert_quote
from engine.testing.ladders import assert_same as assert_same
from engine.testing.ladders import ladder as ladder
from engine.testing.ladders import side_by_side as side_by_side
from engine.testing.laws import LAWS as LAWS
from engine.testing.laws import Law as Law
from engine.testing.laws import check_laws as check_laws
from engine.testing.laws import laws as laws
from engine.testing.purity import ForbiddenCall as ForbiddenCall
from engine.testing.purity import run_shut as run_shut
from engine.testing.situations import Situation as Situation
from engine.testing.situations import mirrored as mirrored
from engine.testing.situations import situations as situations
from engine.testing.situations import walk as walk
from engine.testing.values import PERPETUAL as PERPETUAL
from engine.testing.values import SPOT as SPOT
from engine.testing.values import T0 as T0
from engine.testing.values import best as best
from engine.testing.values import book as book
from engine.testing.values import fees as fees
from engine.testing.values import fill as fill
from engine.testing.values import inventory as inventory
from engine.testing.values import levels as levels
from engine.testing.values import price as price
from engine.testing.values import qty as qty
from engine.testing.values import quote as quote
from engine.testing.values import remembered as remembered
from engine.testing.values import trade as trade
from engine.testing.values import view as view
