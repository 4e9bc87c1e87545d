"""What the doctor says of journals: in use, damaged, torn, too large to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from adapters.cli.checks import files
from adapters.cli.checks.base import Status
from adapters.ports import SystemFs
from adapters.runtime.journal_format import segment_name
from adapters.runtime.journal_read import list_segments
from tests.doctor.kit import Ward, diagnose
from tests.integration.world import copied, run_quiet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a short run's journal, by their path below its directory."""
    directory = copied(run_quiet(3).fs, tmp_path_factory.mktemp("recorded"))
    files_of = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files_of}


def journal(ward: Ward, recorded: dict[str, bytes], name: str = "20260101T000000Z-aa") -> Path:
    directory = Path(ward.patient.config.journal.directory) / name
    for path, data in recorded.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return directory


def segment(directory: Path) -> Path:
    return directory / segment_name(list_segments(SystemFs(), directory)[-1])


async def test_a_whole_journal_passes(
    tmp_path: Path, autojump_clock: MockClock, recorded: dict[str, bytes]
) -> None:
    found = await diagnose(tmp_path, lambda ward: journal(ward, recorded) and None)
    assert found["journal"].status is Status.PASS
    assert "all whole" in found["journal"].text
    assert found["lock"].status is Status.PASS


async def test_a_flipped_bit_is_found_with_its_place(
    tmp_path: Path, autojump_clock: MockClock, recorded: dict[str, bytes]
) -> None:
    def spoil(ward: Ward) -> None:
        path = segment(journal(ward, recorded))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    result = (await diagnose(tmp_path, spoil))["journal"]
    assert result.status is Status.FAIL
    assert "offset" in result.text
    assert "quotefold journal verify" in result.hint


async def test_a_torn_end_is_what_a_crash_leaves(
    tmp_path: Path, autojump_clock: MockClock, recorded: dict[str, bytes]
) -> None:
    def spoil(ward: Ward) -> None:
        path = segment(journal(ward, recorded))
        path.write_bytes(path.read_bytes()[:-200] + b"\1")  # never whole

    result = (await diagnose(tmp_path, spoil))["journal"]
    assert (result.status, "torn end" in result.text) == (Status.PASS, True)


async def test_a_journal_in_use_is_told(
    tmp_path: Path, autojump_clock: MockClock, recorded: dict[str, bytes]
) -> None:
    locks = []

    def spoil(ward: Ward) -> None:
        locks.append(SystemFs().lock(journal(ward, recorded) / "lock"))
        journal(ward, recorded, "20260102T000000Z-bb")

    result = (await diagnose(tmp_path, spoil))["lock"]
    locks[0].release()
    assert result.status is Status.WARN
    assert "20260101T000000Z-aa" in result.text
    assert "20260102T000000Z-bb" not in result.text


async def test_a_journal_too_large_for_a_moment_is_named(
    tmp_path: Path,
    autojump_clock: MockClock,
    recorded: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "VERIFY_BYTES_MAX", 1_000)
    result = (await diagnose(tmp_path, lambda ward: journal(ward, recorded) and None))["journal"]
    assert (result.status, "journal verify" in result.text) == (Status.SKIPPED, True)
