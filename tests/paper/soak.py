"""Random commands through the exchange core against the reference book, without an end.

    make venue-soak                              # a million commands, all processors
    make venue-soak ARGS="--commands 20000"      # fewer
    make venue-soak ARGS="--seed 17 --rounds 1"  # the round that failed, again

It plays the rules of the stateful tests' machines with a plain generator, which costs a tenth of
what hypothesis does for each step, and checks every invariant after each command. A round is a
fresh exchange, so that the reference, which sorts everything at every step, stays small.
"""

from __future__ import annotations

import argparse
import inspect
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

from hypothesis.stateful import RuleBasedStateMachine

from adapters.paper.core.model import PositionSide, Side, Stp
from tests.paper.core import test_margin_stateful as margin
from tests.paper.core import test_pairs_stateful as pairs
from tests.paper.core import test_stateful as matching

ROUND_COMMANDS = 250
_FLAGS = ("", "", "", "post_only", "ioc", "rpi", "retail")

Draw = Callable[[random.Random], Any]


def _bulk(rng: random.Random) -> list[tuple[Side, int, int, str, Stp]]:
    names = ("side", "price", "qty", "flag", "stp")
    return [tuple(MATCHING[name](rng) for name in names) for _ in range(rng.randrange(6))]


# What each parameter of a rule is drawn from, by its name: the same choices as the tests'.
MATCHING: dict[str, Draw] = {
    "user": lambda rng: rng.choice(matching.USERS).name,
    "product": lambda rng: rng.choice(list(matching.PRODUCTS)),
    "market": lambda rng: rng.choice((matching.SPOT.name, matching.PERP.name)),
    "side": lambda rng: rng.choice(list(Side)),
    "price": lambda rng: rng.randint(95, 105),
    "qty": lambda rng: rng.randint(1, 6),
    "flag": lambda rng: rng.choice(_FLAGS),
    "stp": lambda rng: rng.choice(list(Stp)),
    "data": _bulk,
    "index": lambda rng: rng.randint(0, 50),
    "timeout": lambda rng: rng.randint(5, 9),
    "step": lambda rng: rng.randint(0, 6),
    "trigger": lambda rng: rng.randint(95, 105),
    "in_stock": lambda rng: rng.random() < 0.5,
    "limited": lambda rng: rng.random() < 0.5,
    "retail": lambda rng: rng.random() < 0.5,
}
MARGIN: dict[str, Draw] = {
    "user": lambda rng: rng.choice(margin.NAMES),
    "side": lambda rng: rng.choice(list(Side)),
    "price": lambda rng: rng.randint(80, 120),
    "qty": lambda rng: rng.randint(1, 100),
    "position": lambda rng: rng.choice(list(PositionSide)),
    "flag": lambda rng: rng.choice(("", "", "post_only", "ioc", "reduce_only")),
    "market": lambda rng: rng.random() < 0.5,
    "leverage": lambda rng: rng.choice((1, 2, 5, 10, 20, 50)),
    "wanted": lambda rng: rng.random() < 0.5,
    "seconds": lambda rng: rng.choice((1, 2, 5, 30)),
    "depth": lambda rng: rng.randint(0, 60),
}


# What a wrong exchange or a failed comparison raises.
BROKEN = (AssertionError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError)


class Difference(Exception):
    """The exchange and the reference disagree, or an invariant broke."""


class Game(NamedTuple):
    """A machine of a stateful test, and what its rules are drawn from."""

    machine: type[RuleBasedStateMachine]
    draws: dict[str, Draw]

    def members(self, marker: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return name and parameters of each `rule` or `invariant`."""
        found = []
        for name, member in inspect.getmembers(self.machine, inspect.isfunction):
            if hasattr(member, f"hypothesis_stateful_{marker}"):
                found.append((name, tuple(inspect.signature(member).parameters)[1:]))
        return found


GAMES = (
    Game(matching.ExchangeMachine, MATCHING),
    Game(margin.MarginMachine, MARGIN),
    Game(pairs.PairMachine, MARGIN),
)
# Which of them a seed plays, by what it leaves when divided by the length.
_TURNS = (1, 0, 2, 0, 0)


def play_round(seed: int, commands: int = ROUND_COMMANDS) -> Counter[str]:
    """Play one round; returns how often each rule was played.

    Raises:
        Difference: with the seed, the step and what broke.
    """
    rng, game = random.Random(seed), GAMES[_TURNS[seed % len(_TURNS)]]
    rules, invariants = game.members("rule"), [name for name, _ in game.members("invariant")]
    tested: Any = game.machine()
    played: Counter[str] = Counter()
    for step in range(commands):
        name, parameters = rng.choice(rules)
        arguments = {parameter: game.draws[parameter](rng) for parameter in parameters}
        try:
            getattr(tested, name)(**arguments)
            for invariant in invariants:
                getattr(tested, invariant)()
        except BROKEN as error:
            trace = traceback.format_exc(limit=-3)
            where = f"seed {seed}, step {step}: {name}({arguments})"
            raise Difference(f"{where}\n{type(error).__name__}: {error}\n{trace}") from None
        played[f"{game.machine.__name__}.{name}"] += 1
    return played


def soak(commands: int, first_seed: int, jobs: int) -> Counter[str]:
    """Play rounds until that many commands were played; progress goes to stderr.

    Raises:
        Difference: as in `play_round`.
    """
    rounds = -(-commands // ROUND_COMMANDS)
    played: Counter[str] = Counter()
    started = shown = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(play_round, first_seed + number) for number in range(rounds)]
        try:
            for future in as_completed(futures):
                played += future.result()
                if time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    done, rate = played.total(), played.total() / (shown - started)
                    print(f"{done:,} of {commands:,} commands, {rate:,.0f}/s", file=sys.stderr)
        except Difference:
            pool.shutdown(cancel_futures=True)
            raise
    return played


def main() -> int:
    """Run from the command line; exit 1 at the first difference."""
    parser = argparse.ArgumentParser(prog="make venue-soak ARGS=...", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many; 1,000,000")
    parser.add_argument("--rounds", type=int, help=f"instead: rounds of {ROUND_COMMANDS} commands")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; then up by one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    commands = options.commands if options.rounds is None else options.rounds * ROUND_COMMANDS
    try:
        played = soak(commands, options.seed, options.jobs)
    except Difference as difference:
        print(difference)
        return 1
    for name, count in sorted(played.items()):
        print(f"{name:36}{count:>12,}")
    print(f"{played.total():,} commands, 0 differences, 0 conservation errors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
