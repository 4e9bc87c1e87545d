"""Every check of `quotefold doctor`, in the order in which it runs them; and those of `--live`."""

from __future__ import annotations

from adapters.cli.checks import account, files, kill_switch, machine, markets, streams, venue
from adapters.cli.checks.base import Check

CHECKS: tuple[Check, ...] = (
    Check("python", machine.python),
    Check("user", machine.user),
    Check("open_files", machine.open_files),
    Check("core_dumps", machine.core_dumps),
    Check("service", machine.service),
    Check("signing", machine.signing),
    Check("config_mode", files.config_mode),
    Check("credentials", files.credentials),
    Check("latch", files.latch),
    Check("journal_directory", files.journal_directory),
    Check("disk_space", files.disk_space, ("journal_directory",)),
    Check("disk_sync", files.disk_sync, ("journal_directory",)),
    Check("lock", files.lock, ("journal_directory",)),
    Check("journal", files.journal, ("journal_directory",)),
    Check("transport", venue.transport),
    Check("ping", venue.ping),
    Check("platform", venue.platform, ("ping",)),
    Check("clock", venue.clock, ("ping",)),
    Check("markets", markets.markets, ("ping",)),
    Check("precision", markets.precision, ("markets",)),
    Check("book", markets.book, ("markets",)),
    Check("order_minimums", markets.order_minimums, ("precision", "book")),
    Check("limits", markets.limits, ("precision", "book")),
    Check("small_limits", markets.small_limits, ("precision", "book")),
    Check("authentication", account.authentication, ("credentials", "markets")),
    Check("nonce", account.nonce, ("authentication",)),
    Check("permission", account.permission, ("authentication",)),
    Check("fees", account.fees, ("authentication", "precision", "book")),
    Check("rpi", account.rpi, ("authentication", "precision", "book")),
    Check("funds", account.funds, ("authentication", "precision", "book")),
    Check("position_mode", account.position_mode, ("authentication", "precision")),
    Check("timers", account.timers, ("authentication",)),
    Check("open_orders", account.open_orders, ("authentication",)),
    Check("kill_switch", kill_switch.kill_switch, ("permission", "timers", "open_orders")),
    Check("public_stream", streams.public_stream, ("markets",)),
    Check("private_stream", streams.private_stream, ("authentication",)),
)

_THE_RUN_ITSELF = frozenset({"kill_switch", "public_stream", "private_stream"})
"""No order leaves before the run has done these: the timer is armed and each stream subscribed. A
token more at every start would also count against the ten that a minute has."""
GO_LIVE: tuple[Check, ...] = tuple(each for each in CHECKS if each.name not in _THE_RUN_ITSELF)
"""What `run --live` proves before it begins."""
