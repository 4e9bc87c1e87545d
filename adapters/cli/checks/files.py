"""Checks of what lies on the disk: credentials, configuration, journals, the latch."""

from __future__ import annotations

from pathlib import Path

from adapters.cli.checks.base import Finding, Patient, busy, each, failed, passed, skipped, warned
from adapters.cli.config import BUILT_IN, state_directory
from adapters.runtime.journal_read import LOCK_NAME, RAW_DIR, list_segments
from adapters.runtime.journal_verify import verify_journal
from adapters.runtime.latch import Latch

FREE_BYTES_FAIL = 200 << 20
FREE_BYTES_WARN = 2 << 30
"""A busy market writes about 1 GB of events and raw bytes a day."""
SYNCS = 16
SYNC_WARN_MS = 5.0
SYNC_FAIL_MS = 100.0
"""Every decision waits for one sync, and at half a second the loop counts as stalled."""
VERIFY_BYTES_MAX = 256 << 20
"""A larger journal takes more than seconds to read whole."""
JOURNALS_MAX = 50
"""Newest journals that are looked at for a lock."""

_GROUP_AND_OTHERS_WRITE = 0o022
_OTHERS_WRITE = 0o002
_PROBE = ".doctor"


async def credentials(patient: Patient) -> Finding:
    """Found, whole, and readable for their owner alone; refused otherwise."""
    found = patient.credentials()
    if found.source == "environment":
        hint = "a 0600 file or systemd credentials are not inherited by every child process"
        return warned("found in the environment", hint)
    return passed(f"found in {found.source}")


async def config_mode(patient: Patient) -> Finding:
    """Who can write the configuration can set the limits."""
    if patient.config.source == BUILT_IN:
        return skipped("the built-in configuration is used")
    path = Path(patient.config.source)
    mode = patient.fs.mode(path)
    if mode & _GROUP_AND_OTHERS_WRITE:
        return failed(
            f"{path} has mode {mode:04o}: others can set your limits", f"chmod 644 {path}"
        )
    return passed(f"{path} has mode {mode:04o}")


async def journal_directory(patient: Patient) -> Finding:
    """Files can be made in it, or where it will be made, by us and not by everybody."""
    directory, place = _directory(patient), _place(patient)
    mode = patient.fs.mode(place)
    if place == directory and mode & _OTHERS_WRITE:
        return failed(f"{directory} has mode {mode:04o}: anybody can write there", "chmod o-w it")
    probe = place / _PROBE
    patient.fs.open_append(probe).close()
    patient.fs.remove(probe)
    if place == directory:
        return passed(f"{directory} can be written")
    return passed(f"{directory} will be made by the first run")


async def disk_space(patient: Patient) -> Finding:
    """A full disk stops the run."""
    free = patient.fs.free_bytes(_place(patient))
    text = f"{free / (1 << 30):.1f} GiB free"
    if free < FREE_BYTES_FAIL:
        return failed(text, "free some: a run stops, orders cancelled, when the disk is full")
    if free < FREE_BYTES_WARN:
        return warned(text, "a busy day writes about 1 GB")
    return passed(text)


async def disk_sync(patient: Patient) -> Finding:
    """No order leaves before its record is on the disk."""
    probe = _place(patient) / _PROBE
    times_ms = []
    file = patient.fs.open_append(probe)
    try:
        for _ in range(SYNCS):
            file.write(bytes(512))
            began_ns = patient.clock.now_ns()
            file.sync()
            times_ms.append((patient.clock.now_ns() - began_ns) / 1e6)
    finally:
        file.close()
        patient.fs.remove(probe)
    middle, worst = sorted(times_ms)[SYNCS // 2], max(times_ms)
    text = f"a sync takes {middle:.2f} ms, {worst:.2f} ms at worst"
    if middle > SYNC_FAIL_MS:
        return busy(text, "put the journal on a local SSD; every decision waits for one sync")
    if middle > SYNC_WARN_MS or worst > SYNC_FAIL_MS:
        return warned(text, "every decision waits for one sync; a local SSD takes 0.1 ms")
    return passed(text)


async def lock(patient: Patient) -> Finding:
    """One engine per account and market: a second one would count the other's orders as foreign."""
    held = []
    for journal in _journals(patient)[-JOURNALS_MAX:]:
        if LOCK_NAME not in patient.fs.list_dir(journal):
            continue
        try:
            patient.fs.lock(journal / LOCK_NAME).release()
        except BlockingIOError:
            held.append(str(journal))
    if held:
        return warned(f"an engine is running on {each(held)}", "one engine per account and market")
    return passed("no engine is running here")


async def journal(patient: Patient) -> Finding:
    """Every byte of the newest journal, as `quotefold journal verify` would look at it."""
    journals = _journals(patient)
    if not journals:
        return skipped("there is no journal yet")
    newest = journals[-1]
    size = _size(patient, newest) + _size(patient, newest / RAW_DIR)
    if size > VERIFY_BYTES_MAX:
        return skipped(f"{newest} has {size >> 20} MiB; run quotefold journal verify {newest}")
    report = verify_journal(patient.fs, newest)
    if report.all_problems:
        hint = f"quotefold journal verify {newest} lists all damage"
        return failed(str(report.all_problems[0]), hint)
    if report.torn is not None:
        return passed(f"{newest}: {report.records:,} records, a torn end that opening it repairs")
    return passed(f"{newest}: {report.records:,} records, all whole")


async def latch(patient: Patient) -> Finding:
    """A panic forbids placing until a human lifts it."""
    directory = state_directory(patient.config, patient.env)
    found = Latch(patient.fs, directory, patient.account)
    if found.is_set():
        hint = f"once you know that it is safe to quote again: {found.how_to_lift()}"
        return failed(f"{found.reason()} ({found.where()})", hint)
    return passed("no panic latch is set")


def _directory(patient: Patient) -> Path:
    return Path(patient.config.journal.directory).absolute()


def _place(patient: Patient) -> Path:
    # The directory itself, or the nearest above it that exists: a check leaves nothing behind.
    directory = _directory(patient)
    return next(place for place in (directory, *directory.parents) if patient.fs.exists(place))


def _journals(patient: Patient) -> list[Path]:
    # By name, which begins with the moment of the run; the directory may also be a journal itself.
    fs, directory = patient.fs, _directory(patient)
    found = [directory / name for name in fs.list_dir(directory)]
    return [path for path in (*found, directory) if list_segments(fs, path)]


def _size(patient: Patient, directory: Path) -> int:
    names = patient.fs.list_dir(directory)
    return sum(patient.fs.size(directory / name) for name in names)
