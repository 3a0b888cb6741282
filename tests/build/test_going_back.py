"""Going back to an earlier publication: what readers see, what the next run does, and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

import tallymark
from tallymark.engine.generations import NOTE, held, put_back
from tallymark.errors import UsageError, WarehouseError
from tallymark.project import Project
from tests.build.shop import HOUR, Shop, order, view
from tests.cli.calling import call

SOURCE = Path(tallymark.__file__).resolve().parents[1]
CHILD = """
import os, signal, sys
from pathlib import Path
from tallymark.project import Project

rename, done = Path.replace, 0

def counted(self, target):
    global done
    done += 1
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.replace = counted
Project.open(sys.argv[1]).rollback()
print(done)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days, built one after the other: two generations."""
    shop = Shop(tmp_path_factory.mktemp("made"))
    shop.deliver(0, [view(HOUR), order(2 * HOUR)])
    shop.build()
    shop.deliver(1, [view(25 * HOUR), order(26 * HOUR, number="L-2")])
    shop.build()
    return shop.home


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Shop:
    """A copy of that shop."""
    import shutil  # noqa: PLC0415 -- only here

    return Shop(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


def _state(shop: Shop) -> tuple[int, Mapping[str, bytes]]:
    return shop.values("select count(*) from fct_orders")[0], shop.exports()


def test_readers_and_exports_go_back_and_stay(shop: Shop) -> None:
    """One generation back: tables, exports and the list say so; an unchanged build keeps it."""
    newest = _state(shop)
    found = Project.open(shop.home).rollback()
    assert (found.number, found.current, found.counted_revenue) == (1, True, Decimal(20))
    earlier = _state(shop)
    assert earlier[0] == 1
    assert earlier[1] != newest[1]
    again = shop.build()
    assert not again.rebuilt
    assert again.reason.startswith("held at generation 1")
    assert _state(shop) == earlier
    assert [one.current for one in Project.open(shop.home).generations()] == [False, True]


def test_a_change_publishes_again(shop: Shop) -> None:
    """A new delivery ends it: the build makes everything, also what was gone back from."""
    Project.open(shop.home).rollback()
    shop.deliver(2, [view(49 * HOUR)])
    assert shop.build().rebuilt
    assert _state(shop)[0] == 2
    assert not shop.build().rebuilt
    assert [one.number for one in Project.open(shop.home).generations()] == [3, 2, 1]


def test_a_full_refresh_publishes_again(shop: Shop) -> None:
    """Whoever asks for it gets the newest state without a change."""
    newest = _state(shop)
    Project.open(shop.home).rollback()
    assert shop.build(full=True).rebuilt
    assert _state(shop) == newest


def test_back_and_forth(shop: Shop) -> None:
    """A number names any generation, the newest too; a second step back holds just as well."""
    project = Project.open(shop.home)
    newest = _state(shop)
    shop.deliver(2, [view(49 * HOUR)])
    shop.build()
    project.rollback(to=2)
    assert _state(shop) == newest
    project.rollback()
    assert _state(shop)[0] == 1
    assert shop.build().reason.startswith("held at generation 1")
    project.rollback(to=3)
    assert shop.build().reason == "nothing changed since the last build"


def test_the_state_before_a_corrected_delivery_comes_back_whole(shop: Shop) -> None:
    """The landed rows of what was redelivered stay as long as a generation needs them."""
    shop.deliver(1, [view(25 * HOUR)])
    shop.build()
    assert shop.values("select count(*) from events") == [3]
    Project.open(shop.home).rollback()
    assert shop.values("select count(*) from events") == [4]
    assert shop.values("select count(*) from fct_orders") == [2]


def test_watch_and_brief_read_what_was_gone_back_to(shop: Shop) -> None:
    """The stages after the build know nothing newer."""
    project = Project.open(shop.home)
    project.rollback()
    assert project.monitor().date == "2031-05-05"


def test_what_cannot_be_gone_back_to(shop: Shop, tmp_path: Path) -> None:
    """A number that is not there, the first of all, an empty folder, and files that are gone."""
    project = Project.open(shop.home)
    with pytest.raises(UsageError, match="no generation 7"):
        project.rollback(to=7)
    with pytest.raises(UsageError, match="no earlier generation"):
        Project.open(shop.home, warehouse=tmp_path / "none").rollback()
    before = shop.warehouse.catalog.read_bytes()
    for path in (shop.home / "warehouse" / "data" / "fct_orders").iterdir():
        path.unlink()
    with pytest.raises(WarehouseError, match="are gone"):
        project.rollback()
    assert shop.warehouse.catalog.read_bytes() == before
    (shop.home / "warehouse" / "catalogs" / "000001.duckdb").write_bytes(b"half a catalog")
    with pytest.raises(UsageError, match="no earlier"):
        project.rollback()


def test_a_broken_note_holds_nothing(shop: Shop) -> None:
    """Without a note that can be read a build does what it always does."""
    Project.open(shop.home).rollback()
    for text in ("{", "{}"):
        (shop.home / "warehouse" / NOTE).write_text(text)
        assert held(shop.warehouse, "any") is None
    assert shop.build().rebuilt


def test_stopped_at_the_rename_and_after_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before the swap nothing is different; stopped after it the next build exports."""
    newest = _state(shop)
    rename = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if target == shop.warehouse.catalog:
            raise KeyboardInterrupt
        return rename(self, target)

    project = Project.open(shop.home)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            project.rollback()
    assert _state(shop) == newest
    assert shop.build().reason == "nothing changed since the last build"
    with shop.warehouse.hold("rollback"):
        put_back(shop.warehouse)
    assert _state(shop) == (1, newest[1])
    assert shop.build().reason.startswith("held at generation 1")
    assert _state(shop)[1] != newest[1]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_while_going_back(shop: Shop, tmp_path: Path) -> None:
    """Killed before any of its renames, it is done or not, and the next build mends the rest."""
    newest = _state(shop)
    clean = Shop(tmp_path / "clean")
    clean.deliver(0, [view(HOUR), order(2 * HOUR)])
    clean.build()
    earlier = _state(clean)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    for last in range(1, 20):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(shop.home), str(last)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shop.values("select count(*) from fct_orders")[0] in {1, 2}
        shop.build()
        assert _state(shop) in (newest, earlier)
        if done.returncode == 0:
            break
        Project.open(shop.home).rollback(to=2)
        shop.build()
        assert _state(shop) == newest
    assert done.returncode == 0
    assert _state(shop) == earlier


def test_the_command(shop: Shop) -> None:
    """It lists, goes back, and says so, for people and as JSON."""
    listed = call("rollback", "--list", "--project", shop.home)
    assert len(listed.out.splitlines()) == 2
    assert "now shown" in listed.out.splitlines()[0]
    assert call("rollback", "--project", shop.home).out.startswith("Generation 1 is shown now: 1 ")
    told = call("rollback", "--list", "--json", "--project", shop.home).data
    assert [one["number"] for one in told] == [2, 1]
    assert told[1]["current"]
    assert json.loads((shop.home / "warehouse" / NOTE).read_text())["generation"] == 1
    assert call("rollback", "--project", shop.home).code == 2
    assert call("rollback", "--list", "--warehouse", shop.home / "none").out.startswith("Nothing")
