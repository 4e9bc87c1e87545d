"""What of a journal is kept, as the configuration says."""

from __future__ import annotations

import pytest

from adapters.cli.journal_config import JournalConfig, to_keep
from adapters.runtime.journal_keep import Keep
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "keep"),
    [
        (JournalConfig(), Keep()),
        (JournalConfig(keep="1h"), Keep(for_ns=3_600 * 10**9)),
        (JournalConfig(keep="30d"), Keep(for_ns=30 * 86_400 * 10**9)),
        (JournalConfig(keep_bytes="269MB"), Keep(bytes_max=269 * 10**6)),
        (JournalConfig(keep="2d", keep_bytes="1TB"), Keep(2 * 86_400 * 10**9, 10**12)),
    ],
)
def test_a_duration_and_a_size_are_read(config: JournalConfig, keep: Keep) -> None:
    assert to_keep(config, "my.toml") == keep


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (JournalConfig(keep="30"), "my.toml: journal.keep: expected a duration above zero"),
        (JournalConfig(keep="59m"), 'my.toml: journal.keep: expected at least 1h, found "59m"'),
        (
            JournalConfig(keep_bytes="268MB"),
            'keep_bytes: expected at least 269MB, found "268MB"',
        ),
        (JournalConfig(keep_bytes="50 GB"), "write a size such as 50GB"),
    ],
)
def test_what_is_no_duration_or_size_is_refused(config: JournalConfig, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        to_keep(config, "my.toml")
    assert message in str(caught.value)
