"""Who watches a run: the display, the log, the metrics and the service manager.

Each is an observer of the sequencer. What they make of it is shown and written by one task beside
the loop, a few times a second, so none of them can keep the loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
import trio

from adapters.cli.config import MetricsConfig
from adapters.cli.display import Display
from adapters.cli.log_sinks import FileSink, Sink, StreamSink
from adapters.ports import Clock, Net, SystemDatagrams, SystemFs
from adapters.runtime.sequencer import Observer
from adapters.runtime.service import Service, service_manager
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError, QuotefoldError
from engine.events import Record
from engine.state import State

if TYPE_CHECKING:
    from adapters.cli.going_live import Cleared
    from adapters.cli.run_log import RunLog

REFRESH_S = 0.25
STANDARD_ERROR = "-"


class WatchPlan(msgspec.Struct, frozen=True):
    """What is to be shown, written and served."""

    journal: Path
    screen: bool
    log: str | None
    """A file, `-` for standard error, or None."""
    log_level: str
    metrics: MetricsConfig
    secrets: tuple[Secret, ...] = ()
    """Blotted out of the log should one ever come up."""


class Watchers:
    """All that watches one run; `observe` is the observer of its sequencer."""

    def __init__(
        self, plan: WatchPlan, fs: SystemFs, clock: Clock, env: Mapping[str, str] = os.environ
    ) -> None:
        """Open what must be open before the run begins.

        Raises:
            ConfigError: the log cannot be written.
        """
        self._plan = plan
        self._fs = fs
        self._clock = clock
        self._files = ExitStack()
        self._display = Display(enabled=plan.screen)
        self._observers: list[Observer] = []
        if plan.screen:
            self._observers.append(self._display.observe)
        self._log = None if plan.log is None else self._open_log(plan.log)
        if self._log is not None:
            self._observers.append(self._log.observe)
        self._add_service(env)

    def __enter__(self) -> Self:
        self._files.enter_context(self._display)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show and write what is left, and say what ended the run if it was an error."""
        if self._log is not None:
            if error is not None:
                self._log.note("error", "crashed", self._clock.now_ns(), **_words(error))
            self._log.flush()
        self._files.close()

    @property
    def observe(self) -> Observer | None:
        """The observer of all of them; None when nobody watches."""
        if len(self._observers) < 2:
            return self._observers[0] if self._observers else None
        observers = tuple(self._observers)

        def tell(state: State, record: Record) -> None:
            for observer in observers:
                observer(state, record)

        return tell

    def note_cleared(self, cleared: Cleared) -> None:
        """Write into the log what was said of a run before it went live."""
        if self._log is None:
            return
        now_ns = self._clock.now_ns()
        for line in cleared.words:
            self._log.note("info", "going_live", now_ns, text=line)
        for each in cleared.warnings:
            self._log.note(
                "warning", "check_warned", now_ns, check=each.name, text=each.text, hint=each.hint
            )

    async def start(self, nursery: trio.Nursery, net: Net) -> None:
        """Serve the metrics, if the configuration asks for it, and begin to show and write.

        Raises:
            ConfigError: the port of the metrics cannot be bound.
        """
        config = self._plan.metrics
        if config.port is not None:
            # Slow to import, and few runs need them.
            from adapters.runtime.journal_size import JournalSize
            from adapters.runtime.metrics import Metrics
            from adapters.runtime.metrics_server import MetricsServer

            metrics = Metrics()
            self._observers.append(metrics.observe)
            size = JournalSize(self._fs, self._plan.journal)
            server = MetricsServer(metrics, self._clock.now_ns, size)
            await nursery.start(server.serve, net, config.host, config.port)
        if self._plan.screen or self._log is not None:
            nursery.start_soon(self._refresh)

    async def _refresh(self) -> None:
        while True:
            self._display.refresh(self._clock.now_ns())
            if self._log is not None:
                self._log.flush()
            await trio.sleep(REFRESH_S)

    def _open_log(self, where: str) -> RunLog:
        # Slow to import, and few runs need it.
        from adapters.cli.run_log import RunLog

        if where == STANDARD_ERROR:
            sink: Sink = StreamSink(sys.stderr.buffer)
        else:
            try:
                file = self._fs.open_append(Path(where))
            except OSError as error:
                raise ConfigError(f"--log {where}: cannot be opened: {error.strerror}") from error
            self._files.callback(file.close)
            sink = FileSink(file)
        return RunLog(sink, self._plan.log_level, self._plan.secrets)

    def _add_service(self, env: Mapping[str, str]) -> None:
        manager = service_manager(env, os.getpid())
        if manager is not None:
            socket = SystemDatagrams(manager.address)
            self._files.callback(socket.close)
            self._observers.append(Service(socket.send, manager.timeout_ns).observe)


def _words(error: BaseException) -> dict[str, str]:
    # The first of a group. Texts of our own errors hold no secret; of others, the name is enough.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = {"error": type(error).__name__}
    return words | {"text": str(error)} if isinstance(error, QuotefoldError) else words
