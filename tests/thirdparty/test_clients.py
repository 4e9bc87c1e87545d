"""Clients that others wrote agree with the venue, value by value (`make thirdparty`)."""

from __future__ import annotations

import subprocess

import pytest

from tests.thirdparty.kit import ROOT

PYTHON = ROOT / ".venv" / "thirdparty" / "bin" / "python"
# Two clients and a venue start in about 2 s; a script that waits for a push which never comes
# would wait for ever.
TIMEOUT_S = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no clients installed: run `make thirdparty`"),
]


@pytest.mark.parametrize("script", ["ccxt_rest", "ccxt_pro", "official_sdk"])
def test_every_value_agrees(script: str) -> None:
    command = [str(PYTHON), "-m", f"tests.thirdparty.{script}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("values agree\n")
