"""One pass over one journal: its fills, its inventory over time, and answers about the other's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine import events as e
from engine.errors import ConfigError
from engine.reduce import HANDLERS
from engine.state import State
from replay.parity.fills import Fill, Fills
from replay.parity.looks import Look, Looker, Question
from replay.tracer import Tracer

Path = list[tuple[int, int]]
"""(when, inventory against the target from then on), in the order of time."""


class Follower:
    """Follows a journal, record by record.

    Attributes:
        state: After the last record.
        runs: Begun so far.
        changed: Times that the configuration of a market changed after it was first quoted.
        stop_ns: When the last run was told to stop; 0 if it was not.
        began_ns: First record.
        paths: Inventory of each market since it was known.
    """

    def __init__(self, questions: Sequence[Question] = ()) -> None:
        """Begin; `questions` are in the order of time."""
        self.state = State()
        self.runs = self.changed = 0
        self.began_ns = self.stop_ns = 0
        self.paths: dict[str, Path] = {}
        self._tracer = Tracer()
        self._looker = Looker(questions, self._tracer)
        self._fills = Fills()

    @property
    def fills(self) -> list[Fill]:
        """In the order in which they were counted."""
        return self._fills.found

    @property
    def looks(self) -> dict[int, Look]:
        """What was seen, by the number of the question."""
        return self._looker.looks

    def take(self, records: Iterable[e.Record]) -> None:
        """Fold records that follow those before.

        Raises:
            ConfigError: a later run quotes other markets, which the totals cannot tell apart.
        """
        state, tracer, looker, fills = self.state, self._tracer, self._looker, self._fills
        for record in records:
            before, event = state, record.event
            if isinstance(event, e.RunStarted):
                self._started(before, record, event)
            elif isinstance(event, e.StopRequested):
                self.stop_ns = record.recv_ns
            state = HANDLERS[type(event)](before, record, event)
            looker.observe(before, record, state)
            tracer.observe(before, record, state)
            tracer.finished.clear()
            fills.observe(before, record, state, is_changed=self._is_changed(before, event))
            if state.markets is not before.markets:
                self._follow(before, record, state)
        self.state = state

    def end(self) -> None:
        """The journal is over."""
        self._looker.end()
        self._fills.end()

    def _started(self, state: State, record: e.Record, event: e.RunStarted) -> None:
        self.runs += 1
        if record.recv_ns < state.now_ns:
            raise ConfigError(
                f"seq {record.seq}: expected a run that begins after the one before, found a clock"
                " that was set back: cut the journal there (quotefold journal cut)"
            )
        self.stop_ns = 0
        self.began_ns = self.began_ns or record.recv_ns
        before, after = sorted(state.markets), sorted(q.market.name for q in event.quoted)
        if self.runs > 1 and before != after:
            raise ConfigError(
                f"seq {record.seq}: expected a run that quotes {', '.join(before)} like the first,"
                f" found one of {', '.join(after)}: cut the journal there (quotefold journal cut)"
            )

    def _is_changed(self, state: State, event: e.AnyEvent) -> bool:
        if isinstance(event, e.Filled):
            name = event.fill.market
        elif isinstance(event, e.FillsListed):
            name = event.market
        else:
            return False
        market = state.markets.get(name)
        return market is not None and self._looker.is_changed(market)

    def _follow(self, before: State, record: e.Record, after: State) -> None:
        for name, market in after.markets.items():
            known = before.markets.get(name)
            if known is market or market.inventory.baseline is None:
                continue
            if known is not None and known.quoted != market.quoted:
                self.changed += 1
            if name not in self.paths or known is None or known.position != market.position:
                self.paths.setdefault(name, []).append((record.recv_ns, market.position))


def questions_of(fills: Iterable[Fill]) -> list[Question]:
    """Return fills as questions, in their order."""
    return [Question(f.market, f.side, f.price, f.level, f.at_ns, f.position) for f in fills]


def apart(one: Path, other: Path, until_ns: int) -> tuple[int, float | None]:
    """Compare two inventories from when both are known.

    Returns:
        (the greatest difference either way, lots; the mean one by time, a statistic, None where
        they were never known together).
    """
    if not one or not other:
        return 0, None
    begin_ns = max(one[0][0], other[0][0])
    steps = sorted([(at_ns, 0, lots) for at_ns, lots in one])
    steps = sorted([*steps, *[(at_ns, 1, lots) for at_ns, lots in other]], key=_when)
    now, at_ns, greatest, area = [0, 0], begin_ns, 0, 0
    for step_ns, which, lots in [*steps, (until_ns, 2, 0)]:
        if step_ns > at_ns:
            area += abs(now[0] - now[1]) * (step_ns - at_ns)
            greatest = max(greatest, abs(now[0] - now[1]))
            at_ns = step_ns
        if which < 2:
            now[which] = lots
    return greatest, area / (until_ns - begin_ns) if until_ns > begin_ns else None


def _when(step: tuple[int, int, int]) -> int:
    return step[0]
