"""A release that is killed at any rename is finished by doing it again, or by the next run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tallymark
from tallymark.project import Project
from tests.build.shop import HOUR, Shop, order, view

SOURCE = Path(tallymark.__file__).resolve().parents[1]
REFUSED = "events_20310506.csv"
# Whatever becomes visible does so by a rename or a link, so that these are all states there are.
CHILD = """
import os, signal, sys
from pathlib import Path
from tallymark.project import Project

home, last, act = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rename, link, done = Path.replace, Path.hardlink_to, 0

def counted(self, target, of):
    global done
    done += 1
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return of(self, target)

Path.replace = lambda self, target: counted(self, target, rename)
Path.hardlink_to = lambda self, target: counted(self, target, link)
with Project.open(home, source=home + "/raw").desk() as desk:
    getattr(desk, act)("events_20310506.csv", rules=["column_unusable"])
print(done)
"""

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here"),
    pytest.mark.slow,
]


def _shop(home: Path) -> Shop:
    shop = Shop(home)
    shop.deliver(0, [view(HOUR), order(2 * HOUR)])
    late = [view(25 * HOUR), order(26 * HOUR, number="L-2")]
    shop.deliver(1, late, without=["client_id"])
    shop.build()
    return shop


def _run(shop: Shop, last: int, act: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(shop.home), str(last), act],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("act", ["release", "discard"])
def test_a_killed_decision_is_finished_by_the_next_run(act: str, tmp_path: Path) -> None:
    """Whenever it is killed, the next build gives the tables, and keeps out what it should."""
    whole = _shop(tmp_path / "whole")
    before = whole.exports()
    made = Path(shutil.copytree(whole.home, tmp_path / "made"))
    total = int(_run(whole, 0, act).stdout)
    wanted, kept = whole.exports(), whole.home / "quarantine"
    assert (wanted != before) == (act == "release")
    assert total > 4
    for last in sorted({1, 2, 4, total // 2, total - 1}):
        shop = Shop(tmp_path / f"shop{last}")
        shutil.copytree(made, shop.home, dirs_exist_ok=True)
        assert _run(shop, last, act).returncode == -signal.SIGKILL
        decided = list((shop.home / "decisions").glob("*.yml"))
        shop.build()
        assert shop.exports() == (wanted if decided else before)
        if decided:
            assert not Project.open(shop.home).quarantine().notes()
        again = _run(shop, 0, act)
        assert again.returncode == 0, again.stderr
        assert shop.exports() == wanted
        files = {one.relative_to(kept) for one in kept.rglob("*") if one.is_file()}
        mine = shop.home / "quarantine"
        assert files <= {one.relative_to(mine) for one in mine.rglob("*") if one.is_file()}
