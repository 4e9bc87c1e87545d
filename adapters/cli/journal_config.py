"""The [journal] section of the configuration."""

from __future__ import annotations

import re

from msgspec import Struct

from adapters.cli.config_errors import refused, shown
from adapters.cli.durations import NS_PER_S, parse_duration
from adapters.runtime.journal_format import SEGMENT_BYTES
from adapters.runtime.journal_keep import Keep
from engine.errors import ConfigError

KEEP_MIN_NS = 3_600 * NS_PER_S
KEEP_MIN_BYTES = 4 * SEGMENT_BYTES
"""The segments at work, one of events and one of raw bytes, never go."""
_SIZE = re.compile(r"([0-9]{1,6})(MB|GB|TB)")
_UNIT_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class JournalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the journal goes, and what of it stays."""

    directory: str = "journals"
    """Where a run without --journal begins its own journal, in a directory named by the run."""
    raw: bool = True
    """Keep the bytes as received beside the journal."""
    compress: bool = True
    """Compress segments that are closed."""
    keep: str | None = None
    """A duration such as `30d`; closed segments that are older go. None: none goes by its age."""
    keep_bytes: str | None = None
    """A size such as `50GB`; the oldest closed segments go beyond it. None: without a limit."""


def to_keep(config: JournalConfig, source: str) -> Keep:
    """Return how much of the journal is kept.

    Raises:
        ConfigError: a duration or a size that is none, or too small.
    """
    for_ns = bytes_max = None
    if config.keep is not None:
        try:
            for_ns = parse_duration(config.keep)
        except ConfigError as error:
            raise refused(source, "journal.keep", str(error)) from error
        if for_ns < KEEP_MIN_NS:
            problem = f"expected at least 1h, found {shown(config.keep)}"
            raise refused(source, "journal.keep", problem)
    if config.keep_bytes is not None:
        match = _SIZE.fullmatch(config.keep_bytes)
        bytes_max = 0 if match is None else int(match[1]) * _UNIT_BYTES[match[2]]
        if bytes_max < KEEP_MIN_BYTES:
            problem = f"expected at least 269MB, found {shown(config.keep_bytes)}"
            raise refused(source, "journal.keep_bytes", problem, "write a size such as 50GB")
    return Keep(for_ns, bytes_max)
