"""Places in a journal as people write them: a seq, or a time in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.cli.places import SEQ_MAX
from engine.errors import ConfigError

EXPECTED = "expected a seq, or a time in UTC such as 2026-11-22T02:15:30.250Z"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_moment(option: str, text: str | None) -> tuple[int, int]:
    """Return a seq and 0, or 0 and nanoseconds since the Unix epoch; both 0 for no text.

    Args:
        option: Named in the error.
        text: What was given; a time without a zone is UTC.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return 0, 0
    if text.isascii() and text.isdigit():
        number = int(text)
        if not number:
            raise ConfigError(f"{option}: {EXPECTED}, found {text!r}: seqs begin with 1")
        return (number, 0) if number < SEQ_MAX else (0, number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {EXPECTED}, found {text!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return 0, (moment - _EPOCH) // _MICROSECOND * 1000


def format_moment(time_ns: int) -> str:
    """Write a time as `parse_moment` reads it, to the microsecond."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
