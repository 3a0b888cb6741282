"""A run that is killed leaves the last good state, and the next run makes the same tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tallymark
from tests.build.shop import HOUR, Event, Shop, cart, order, view

SOURCE = Path(tallymark.__file__).resolve().parents[1]
# Whatever becomes visible does so by a rename, so that these are all the states there are.
CHILD = """
import os, signal, sys
from pathlib import Path
from tallymark.project import Project

home, last = sys.argv[1], int(sys.argv[2])
rename, done = Path.replace, 0

def counted(self, target):
    global done
    done += 1
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.replace = counted
Project.open(home, source=home + "/raw").build()
print(done)
"""

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")


def _days() -> list[list[Event]]:
    return [
        [view(day * 24 * HOUR + HOUR, f"client{number}") for number in range(day, day + 6)]
        + [cart(day * 24 * HOUR + 2 * HOUR), order(day * 24 * HOUR + 3 * HOUR, number=f"L-{day}")]
        for day in range(3)
    ]


def _command(shop: Shop, last: int) -> list[str]:
    return [sys.executable, "-c", CHILD, str(shop.home), str(last)]


def _run(shop: Shop, last: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(shop, last),
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_runs_leave_a_good_state(tmp_path: Path) -> None:
    """Killed before this rename or that, what is published is the old or the new, never a part."""
    days = _days()
    whole, shop = Shop(tmp_path / "whole"), Shop(tmp_path / "shop")
    for day, events in enumerate(days):
        whole.deliver(day, events)
    whole.build()
    shop.deliver(0, days[0])
    shop.build()
    old = shop.rows("from fct_sessions order by all")
    new = whole.rows("from fct_sessions order by all")
    for day in (1, 2):
        shop.deliver(day, days[day])
    counted = Shop(tmp_path / "counted")
    for day, events in enumerate(days):
        counted.deliver(day, events)
    total = int(_run(counted, 0).stdout)
    assert total > 10
    for last in (1, total // 3, total // 2, total - 6, total - 3, total - 1):
        # Later runs have less to do: a run that does not come that far ends well.
        killed = _run(shop, last).returncode
        assert killed in {-signal.SIGKILL, 0}
        assert shop.rows("from fct_sessions order by all") in (old, new)
    shop.build()
    assert shop.exports() == whole.exports()


def test_a_run_killed_at_any_moment_can_be_run_again(tmp_path: Path) -> None:
    """The same by the clock: whenever it is killed, the next run ends as if nothing had been."""
    whole, shop = Shop(tmp_path / "whole"), Shop(tmp_path / "shop")
    for day, events in enumerate(_days()):
        whole.deliver(day, events)
        shop.deliver(day, events)
    whole.build()
    for moment in (0.35, 0.7, 0.9):
        with subprocess.Popen(
            _command(shop, 0),
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            time.sleep(moment)
            child.kill()
    shop.build()
    assert shop.exports() == whole.exports()
