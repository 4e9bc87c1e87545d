"""A strategy that keeps every law, and one for each way to break them."""

from __future__ import annotations

import random
import time
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from engine.events import BestBidOffer
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import Level, Stp, TwoSidedQuote

BPS = 10_000


class Seen(Struct, frozen=True, array_like=True):
    """Memory of the strategy that keeps every law."""

    mid2: int = 0
    moves: int = 0


class Lawful(Strategy, frozen=True, forbid_unknown_fields=True):
    """One level a side, at a distance in whole basis points, leaning against the inventory."""

    distance_bps: int = 10
    size: int = 10_000
    """Lots."""
    lean_bps: int = 5

    def initial_memory(self) -> Any:
        return Seen()

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        if type(event) is not BestBidOffer:
            return memory
        return Seen(event.bid_price + event.ask_price, memory.moves + 1)

    def quote(self, view: View) -> TwoSidedQuote:
        mid2 = view.bid_price + view.ask_price
        lean = self.lean_bps * mid2 * view.inventory // (2 * BPS * view.inventory_max)
        away = self.distance_bps * mid2 // (2 * BPS)
        bid = min(mid2 // 2 - away - lean, view.ask_price - 1)
        ask = max(-(-mid2 // 2) + away - lean, view.bid_price + 1, bid + 1)
        return TwoSidedQuote(self.side(view, bid, 1), self.side(view, ask, -1))

    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        size = min(self.size, view.inventory_max - sign * view.inventory)
        least = max(view.market.qty_min, 1)
        if size < least or price * size < view.market.notional_min:
            return ()
        return (Level(price, size, Stp.CANCEL_NEW),)


class ReadsAClock(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        time.time_ns()
        return super().quote(view)


class AsksTheDate(Lawful, frozen=True, forbid_unknown_fields=True):
    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        datetime.now()
        return super().fold(memory, event, now_ns)


class Draws(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        random.random()
        return super().quote(view)


_numbers = random.Random(1)


class DrawsFromASeed(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        _numbers.random()
        return super().quote(view)


class LooksAtAClockToBeStirred(Lawful, frozen=True, forbid_unknown_fields=True):
    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        return time.monotonic() > 0


class Prints(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        print("quoting")
        return super().quote(view)


class ReadsAFile(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        with open("parameters.txt") as file:
            file.read()
        return super().quote(view)


class AddsFloats(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        sum([0.1, 0.2])
        return super().quote(view)


class Hashes(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        hash(view.market.name)
        return super().quote(view)


class Fails(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        per_lot = self.size // (view.inventory_max - 1)
        return super().quote(view) if per_lot >= 0 else TwoSidedQuote()


class ForgetsToAnswer(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return super().quote(view) if view.inventory else None  # type: ignore[return-value]


class LevelsInAList(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> Any:
        return list(super().side(view, price, sign))


class HalfTicks(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        return tuple(
            replace(level, price=level.price / 1) for level in super().side(view, price, sign)
        )


class StirredByANumber(Lawful, frozen=True, forbid_unknown_fields=True):
    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> Any:
        return after.bid_price - before.bid_price


class Takes(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote(self.side(view, view.ask_price, 1))


class SellsIntoTheBid(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote((), self.side(view, view.bid_price, -1))


class MeetsItself(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        mid = (view.bid_price + view.ask_price) // 2
        return TwoSidedQuote(self.side(view, mid, 1), self.side(view, mid, -1))


class WorstFirst(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        found = super().side(view, price, sign)
        return tuple(replace(level, price=level.price - sign, qty=1_000) for level in found) + found


class PricesAtNothing(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        return (Level(0, 10_000, Stp.NO),) if sign > 0 and view.inventory < 0 else ()


class TooSmall(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        room = view.inventory_max - sign * view.inventory
        return (Level(price, min(9, room), Stp.NO),) if room > 0 else ()


class WorthTooLittle(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        room = view.inventory_max - sign * view.inventory
        return (Level(max(price, 1), 10, Stp.NO),) if room >= 10 else ()


class GoesBeyondItsLimit(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        return super().side(replace(view, inventory=0), price, sign)


class AsksBeyondAnyRecord(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote(super().quote(view).bids, self.side(view, 2**63, -1))


class WantsNothing(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote()


class FailsHoldingHalf(Lawful, frozen=True, forbid_unknown_fields=True):
    """Only where the law itself changes the inventory."""

    def quote(self, view: View) -> TwoSidedQuote:
        if 10 * view.inventory == 7 * view.inventory_max:
            raise KeyError("seven tenths")
        return super().quote(view)


class OnlyBids(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote(super().quote(view).bids)


class LeansToOneSide(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        found = super().quote(view)
        bids = tuple(replace(level, price=max(1, level.price - 5)) for level in found.bids)
        return replace(found, bids=bids)


class BiddingMoreHoldingMore(Lawful, frozen=True, forbid_unknown_fields=True):
    def side(self, view: View, price: int, sign: int) -> tuple[Level, ...]:
        size = min(10_000 + sign * view.inventory // 1_000, view.inventory_max)
        return super().side(replace(view, inventory_max=size, inventory=0), price, sign)


CALLS: list[int] = []


class CountsItsCalls(Lawful, frozen=True, forbid_unknown_fields=True):
    def quote(self, view: View) -> TwoSidedQuote:
        CALLS.append(1)
        found = super().quote(view)
        return found if len(CALLS) % 2 else TwoSidedQuote(found.bids)


class Loose(Struct, array_like=True):
    mid2: int = 0
    moves: int = 0


class ChangesItsMemory(Lawful, frozen=True, forbid_unknown_fields=True):
    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        force_setattr(memory, "moves", memory.moves + 1)
        return memory


class MutableMemory(Lawful, frozen=True, forbid_unknown_fields=True):
    def initial_memory(self) -> Any:
        return Loose()

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        return Loose(memory.mid2, memory.moves + 1)


class MemoryInAList(Lawful, frozen=True, forbid_unknown_fields=True):
    def initial_memory(self) -> Any:
        return ([1],)

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        return memory


class ChangesTheKindOfItsMemory(Lawful, frozen=True, forbid_unknown_fields=True):
    def initial_memory(self) -> Any:
        return None


class RemembersEverything(Lawful, frozen=True, forbid_unknown_fields=True):
    def initial_memory(self) -> Any:
        return ()

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        return (*memory, now_ns, now_ns, now_ns)


class RemembersEveryTicker(Lawful, frozen=True, forbid_unknown_fields=True):
    """Slowly: what it holds after three thousand events is not large yet."""

    def initial_memory(self) -> Any:
        return ()

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        return (*memory, event.bid_price) if type(event) is BestBidOffer else memory


class FoldsByItsCalls(Lawful, frozen=True, forbid_unknown_fields=True):
    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        CALLS.append(1)
        return Seen(memory.mid2, len(CALLS))


class RemembersNoNumber(Lawful, frozen=True, forbid_unknown_fields=True):
    def initial_memory(self) -> Any:
        return (0.0,)

    def fold(self, memory: Any, event: MarketEvent, now_ns: int) -> Any:
        return (float("nan"),)


class NotFrozen(Struct, forbid_unknown_fields=True):
    """As a strategy that somebody wrote without its base."""

    initial_memory = Strategy.initial_memory
    reason = Strategy.reason
    follow = Strategy.follow
    fold = Strategy.fold
    beside = Strategy.beside
    is_stirred = Strategy.is_stirred

    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote()


class TakesAnyParameter(Lawful, frozen=True, forbid_unknown_fields=False):
    pass


class LosesAParameter(Lawful, frozen=True, forbid_unknown_fields=True):
    rest: Any = partial(int)


class HasAParameterOfAnyType(Lawful, frozen=True, forbid_unknown_fields=True):
    """Given a tuple, of which JSON makes a list."""

    rest: Any = (1, 2)


class SaysItTwice(Lawful, frozen=True, forbid_unknown_fields=True):
    def reason(self, view: View) -> Reasoning:
        return Reasoning((Figure("mid", 1.0, "ticks", "the mid"),) * 2)


class SaysItInYards(Lawful, frozen=True, forbid_unknown_fields=True):
    def reason(self, view: View) -> Reasoning:
        return Reasoning((Figure("mid", 1.0, "yards", "the mid"),))


class SaysNoNumber(Lawful, frozen=True, forbid_unknown_fields=True):
    def reason(self, view: View) -> Reasoning:
        return Reasoning((Figure("mid", float("nan"), "ticks", "the mid"),))


class SaysOtherwise(Lawful, frozen=True, forbid_unknown_fields=True):
    """Its reasoning forgets the inventory, of which its quote takes account."""

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        return self.quote(replace(view, inventory=0))


BREAKERS: list[tuple[str, Any, str]] = [
    ("pure", ReadsAClock(), "time.time_ns() is a clock"),
    ("pure", AsksTheDate(), "datetime.now() is a clock"),
    ("pure", Draws(), "random() is randomness"),
    ("pure", DrawsFromASeed(), "random() is randomness"),
    ("pure", LooksAtAClockToBeStirred(), "time.monotonic() is a clock"),
    ("pure", Prints(), "print() is input or output"),
    ("pure", ReadsAFile(), "open() is input or output"),
    ("pure", AddsFloats(), "that Python 3.12 rounds otherwise"),
    ("pure", Hashes(), "salted anew by each process"),
    ("answers", Fails(), "it raises ZeroDivisionError"),
    ("answers", ForgetsToAnswer(), "expected a TwoSidedQuote, found None"),
    ("answers", LevelsInAList(), "expected a tuple of levels"),
    ("answers", HalfTicks(), "expected whole ticks and lots"),
    ("answers", StirredByANumber(), "is_stirred: expected True or False, found"),
    ("wants", WantsNothing(), "it wants no order in any of 37 ordinary situations"),
    ("wants", Lawful(size=9), "expected sizes from 0.00001 BTC"),
    ("rests", Takes(), "a bid that must rest reaches the best ask"),
    ("rests", SellsIntoTheBid(), "an ask that must rest reaches the best bid"),
    ("rests", MeetsItself(), "an own bid meets an own ask"),
    ("rests", WorstFirst(), "levels are not best first"),
    ("fits", PricesAtNothing(), "a price of nothing"),
    ("fits", TooSmall(), "a size below the least, 0.00001 BTC"),
    ("fits", WorthTooLittle(), "a level worth less or more than the venue takes"),
    ("fits", GoesBeyondItsLimit(), "bids of 0.01 BTC, with room for 0 BTC"),
    ("fits", AsksBeyondAnyRecord(), "a price or a size that no record can hold"),
    ("mirrors", OnlyBids(), "the mirror of its quote in the mirror differs"),
    ("mirrors", LeansToOneSide(), "the mirror of its quote in the mirror differs"),
    ("skews", Lawful(lean_bps=-5), "rises with the inventory"),
    ("skews", BiddingMoreHoldingMore(), "it bids for more, holding more"),
    ("skews", FailsHoldingHalf(), "inventory 0.7 of 1"),
    ("reasons", SaysItTwice(), "a figure of its reasoning stands twice: mid, mid"),
    ("reasons", SaysItInYards(), "expected a number of ticks, lots, orders, bps"),
    ("reasons", SaysNoNumber(), "found Figure(name='mid', value=nan"),
    ("reasons", SaysOtherwise(), "its quote is not what its reasoning comes to"),
    ("repeats", CountsItsCalls(), "asked again it answers otherwise"),
    ("remembers", ChangesItsMemory(), "fold changed the memory it was given"),
    ("remembers", MutableMemory(), "memory: Loose is not frozen: class Loose(Struct, frozen=True)"),
    ("remembers", MemoryInAList(), "memory[0]: expected a frozen Struct, a tuple or a scalar"),
    ("remembers", ChangesTheKindOfItsMemory(), "it raises AttributeError"),
    ("remembers", RemembersEverything(), "keep sums, or drop what is old"),
    ("remembers", RemembersEveryTicker(), "grows with every event: keep sums"),
    ("remembers", FoldsByItsCalls(), "fold answers otherwise when asked again"),
    ("remembers", RemembersNoNumber(), "a snapshot does not give back the memory"),
    ("pauses", CountsItsCalls(), "the engine wants another quote than the strategy"),
    ("parameters", NotFrozen(), "the class is not frozen"),
    ("parameters", TakesAnyParameter(), "forbid_unknown_fields=True"),
    ("parameters", HasAParameterOfAnyType(), "a journal gives back other parameters"),
    ("parameters", LosesAParameter(), "it raises TypeError"),
]
"""The law that is broken, who breaks it, and what the author is told."""
