"""A canary key goes through everything, and is then looked for in every byte that was written.

Key and secret come by environment or from a directory that is not searched. What is searched is
all that the programs print and every file they leave: journal, raw capture, snapshots, logs,
metrics, latch, the configuration of `init`. The venue itself is asked for its keys, so its ready
line and its own state are not.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from adapters.ports import SystemFs
from replay.read import read_records
from tests.integration.kit import (
    ACCOUNT,
    Venue,
    environment,
    quotefold,
    running_engine,
    running_venue,
    wait_until,
)
from tests.integration.test_watchers import free_port
from tests.integration.world import run_quiet
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow

KEY = "canary-key-5ca1ab1e-0123456789abcdef"
SECRET = "canary-secret-0b501e7e-fedcba9876543210"
WRONG = "canary-wrong-secret-deadbeef"

SIGNATURE = re.compile(rb"(?<![0-9a-f])[0-9a-f]{128}(?![0-9a-f])")
"""SHA-512 as it stands in a header."""


def forms(text: str) -> list[bytes]:
    """Return how a text may turn up: as it is, and in the usual encodings."""
    plain = text.encode()
    return [plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode(), plain[::-1]]


SOUGHT = [form for text in (KEY, SECRET, WRONG) for form in forms(text)]


def assert_silent(data: bytes, where: str) -> None:
    for form in SOUGHT:
        assert form not in data, f"{form!r} in {where}"
    assert not SIGNATURE.search(data), f"a signature in {where}"
    assert b"X-TXC-" not in data.upper(), f"a header in {where}"


def assert_nothing_tells(directory: Path, *, least: int = 1) -> None:
    """Look into every file below a directory, and at every record of its journals."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    assert len(paths) >= least, paths
    for path in paths:
        assert_silent(path.read_bytes(), str(path))
        assert_silent(str(path).encode(), "a file name")
    # Once more as values: segments may be compressed.
    for lock in directory.rglob("journal*/lock"):
        if lock.parent.name != "raw":
            for record in read_records(SystemFs(), lock.parent):
                assert_silent(repr(record).encode(), f"a record of {lock.parent}")


@pytest.fixture
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A venue that knows the canary key; its own files lie elsewhere."""
    config = tmp_path_factory.mktemp("venue") / "venue.toml"
    config.write_text(f'[[keys]]\naccount = "{ACCOUNT}"\nkey = "{KEY}"\nsecret = "{SECRET}"\n')
    with running_venue("--config", str(config)) as running:
        assert (running.key, running.secret) == (KEY, SECRET)
        yield running


def test_the_search_would_find_it(tmp_path: Path) -> None:
    for number, form in enumerate(SOUGHT):
        (tmp_path / "file").write_bytes(b"\0" + form + b"\n" + str(number).encode())
        with pytest.raises(AssertionError, match=r"in .*file"):
            assert_nothing_tells(tmp_path)
    (tmp_path / "file").write_text("a" * 128)
    with pytest.raises(AssertionError, match="a signature"):
        assert_nothing_tells(tmp_path)


def test_a_run_with_everything_on_tells_nothing(tmp_path: Path, venue: Venue) -> None:
    port = free_port()
    arguments = ("--log", str(tmp_path / "run.log"), "--log-level", "debug")
    metrics = f"\n[metrics]\nport = {port}\n"
    with running_engine(tmp_path, venue, *arguments, text=metrics) as engine:
        venue.wait_quotes()
        for page in ("metrics", "healthz"):
            with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:
                (tmp_path / page).write_bytes(answer.read())
        environ = Path(f"/proc/{engine.process.pid}/cmdline").read_bytes()
        assert_silent(environ, "the command line")
        engine.finish()
    for words in (("journal", "cat"), ("replay",), ("journal", "ls")):
        code, out, err = quotefold(*words, str(engine.journal))
        assert code == 0
        (tmp_path / f"{words[-1]}.txt").write_text(out + err)
    assert_nothing_tells(tmp_path, least=10)


CRASHES = {
    "kill -9": signal.SIGKILL,
    "an abort with a dump of every stack": signal.SIGABRT,
}


@pytest.mark.parametrize("number", CRASHES.values(), ids=CRASHES.keys())
def test_a_crash_tells_nothing(
    tmp_path: Path, venue: Venue, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    with running_engine(tmp_path, venue, "--log", str(tmp_path / "log")) as engine:
        venue.wait_quotes()
        engine.send(number)
        assert engine.wait() == -number
    assert_nothing_tells(tmp_path, least=5)


BUG = """
import sys
from adapters.cli.main import main
from adapters.whitebit.rest import RestClient
send, calls = RestClient.send, []
async def broken(self, request):
    calls.append(request)
    if len(calls) > 12:
        signer = self._signer
        raise RuntimeError(f"a bug {vars(self)} {signer} {vars(signer)} {signer._key!r}")
    return await send(self, request)
RestClient.send = broken
sys.exit(main(sys.argv[1:]))
"""


def test_a_bug_whose_traceback_quotes_everything_tells_nothing(
    tmp_path: Path, venue: Venue
) -> None:
    with running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        engine.finish()
    words = ("run", str(tmp_path / "quotefold.toml"), "--journal", str(tmp_path / "journal2"))
    done = subprocess.run(
        [sys.executable, "-c", BUG, *words, "--log", str(tmp_path / "log")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment(tmp_path, venue)},
    )
    assert done.returncode != 0
    assert b"RuntimeError: a bug" in done.stderr
    assert b"Secret(...)" in done.stderr
    last = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (last["event"], last["error"]) == ("crashed", "RuntimeError")
    (tmp_path / "out").write_bytes(done.stdout + done.stderr)
    assert_nothing_tells(tmp_path, least=8)


def test_a_key_that_is_refused_is_not_told_either(tmp_path: Path, venue: Venue) -> None:
    venue.secret = WRONG
    log = tmp_path / "run.log"
    with running_engine(tmp_path, venue, "--log", str(log)) as engine:
        wait_until(lambda: log.exists() and b'"halted"' in log.read_bytes(), "the halt")
        engine.send(signal.SIGTERM)
        engine.wait()
    assert_nothing_tells(tmp_path, least=5)


@pytest.mark.parametrize("secret", [SECRET, WRONG], ids=["good", "refused"])
def test_doctor_and_panic_tell_nothing(tmp_path: Path, venue: Venue, secret: str) -> None:
    venue.secret = secret
    config = tmp_path / "quotefold.toml"
    assert quotefold("init", str(config))[0] == 0
    with config.open("a") as file:
        file.write(f'\n[venue]\nrest_url = "{venue.rest}"\nws_url = "{venue.ws}"\n')
    env = environment(tmp_path, venue)
    commands = [("doctor",), ("doctor", "--json"), ("panic", "--patience", "10s")]
    for number, words in enumerate([*commands, ("panic", "--lift")]):
        code, out, err = quotefold(words[0], str(config), *words[1:], env=env)
        assert code in (0, 1)
        (tmp_path / f"{number}.txt").write_text(out + err)
    assert_nothing_tells(tmp_path, least=5)


@pytest.mark.parametrize("place", ["a file", "a file of systemd", "half a pair", "no TOML"])
def test_credentials_that_are_read_or_refused_are_not_told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, venue: Venue, place: str
) -> None:
    hidden = tmp_path_factory.mktemp("hidden")
    path = hidden / "credentials.toml"
    env = {"QUOTEFOLD_CREDENTIALS": str(path)}
    if place == "a file of systemd":
        (hidden / "quotefold-key").write_text(KEY)
        (hidden / "quotefold-secret").write_text(SECRET)
        env = {"CREDENTIALS_DIRECTORY": str(hidden)}
    elif place == "a file":
        path.write_text(f'key = "{KEY}"\nsecret = "{SECRET}"\n')
    elif place == "half a pair":
        path.write_text(f'key = "{KEY}"\n')
    else:
        path.write_text(f"key = {KEY}\nsecret = {SECRET}\n")
    path.touch(mode=0o600)
    path.chmod(0o600)
    config = tmp_path / "my.toml"
    text = (ROOT / "config" / "paper.toml").read_text("utf-8")
    config.write_text(f'{text}\n[venue]\nrest_url = "{venue.rest}"\nws_url = "{venue.ws}"\n')
    given = ("run", str(config), "--for", "2s", "--journal", str(tmp_path / "journal"))
    code, out, err = quotefold(*given, env={**environment(tmp_path, None), **env})
    assert code == (0 if place in ("a file", "a file of systemd") else 2), err
    (tmp_path / "out").write_text(out + err)
    assert_nothing_tells(tmp_path, least=2)


def test_what_the_venue_notes_of_requests_holds_no_key(tmp_path: Path) -> None:
    bodies = tmp_path / "bodies"
    with running_venue("--body-hashes", str(bodies)) as venue:
        env = environment(tmp_path, venue)
        path = tmp_path / "my.toml"
        path.write_text(f'[venue]\nrest_url = "{venue.rest}"\nws_url = "{venue.ws}"\n')
        with path.open("a") as file:
            file.write((ROOT / "config" / "paper.toml").read_text("utf-8"))
        quotefold("doctor", str(path), env=env)
        data = bodies.read_bytes()
    assert data
    for text in (venue.key, venue.secret):
        for form in forms(text):
            assert form not in data


def test_no_token_of_a_stream_is_written() -> None:
    run = run_quiet(10)
    tokens = list(run.venue.venue.tokens._issued)
    assert tokens
    written = b"".join(run.fs.read(path) for path in sorted(run.fs._files))
    assert len(written) > 10_000
    for token in tokens:
        for form in forms(token):
            assert form not in written
