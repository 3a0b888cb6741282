"""How the last run ended is kept: finished, failed, or killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallymark.engine.outcome import LastRun, last_run
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import ModelError

CHILD = """
import os, signal, sys
from pathlib import Path
from tallymark.engine.warehouse import Warehouse

with Warehouse(Path(sys.argv[1])).hold("run"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_came_to_its_end(tmp_path: Path) -> None:
    """Nothing is to be said of it, nor of a folder where nothing ever ran."""
    assert last_run(tmp_path) is None
    with Warehouse(tmp_path).hold("run"):
        assert last_run(tmp_path) is None  # under way
    assert last_run(tmp_path) is None


def test_a_run_that_failed(tmp_path: Path) -> None:
    """The kind of its error is kept, and no row that it shows, until a run ends well."""
    with pytest.raises(ModelError), Warehouse(tmp_path).hold("build"):
        raise ModelError("a test found rows, such as ('client-1', 'a@x.example')")
    failed = LastRun(command="build", killed=False, error="a model or one of its tests")
    assert last_run(tmp_path) == failed
    assert "client-1" not in (tmp_path / "ledger" / "last_run.json").read_text("utf-8")
    with Warehouse(tmp_path).hold("monitor"):
        pass
    assert last_run(tmp_path) == failed
    with Warehouse(tmp_path).hold("run"):
        pass
    assert last_run(tmp_path) is None


def test_a_run_that_was_stopped(tmp_path: Path) -> None:
    """Who stops a run by hand is told that it never came to its end."""
    with pytest.raises(KeyboardInterrupt), Warehouse(tmp_path).hold("run"):
        raise KeyboardInterrupt
    assert last_run(tmp_path) == LastRun(command="run", killed=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """It could say nothing itself."""
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=False, timeout=60)
    assert last_run(tmp_path) == LastRun(command="run", killed=True)


def test_a_record_that_says_nothing(tmp_path: Path) -> None:
    """What somebody wrote into it, or an older version, is no reason to fail."""
    place = tmp_path / "ledger" / "last_run.json"
    place.parent.mkdir()
    for text in ("", "[]", '{"command": "run"}', '{"command": "run", "outcome": "new"}'):
        place.write_text(text, encoding="utf-8")
        assert last_run(tmp_path) is None
