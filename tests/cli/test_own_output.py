"""A run never reads what a run wrote, though it lies in the folder of the deliveries."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallymark.check.follow import Folder, Listener, follow
from tallymark.errors import UsageError
from tallymark.ingest.deliveries import Delivery
from tallymark.results import CheckResult
from tests.cli.calling import call, delivery

DAYS = ("2031-05-05", "2031-05-06", "2031-05-07")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: three days of deliveries, one of them with a bad row."""
    for day in DAYS:
        delivery(tmp_path / f"{day}.csv", day)
    with (tmp_path / f"{DAYS[0]}.csv").open("a", encoding="utf-8") as stream:
        stream.write("no row at all\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _keys(found: dict[str, object]) -> list[str]:
    reports = found["deliveries"]
    assert isinstance(reports, list)
    return [one["delivery"] for one in reports]


@pytest.mark.parametrize(
    "words",
    [("--input", "."), ("--input", ".", "--output", "out"), ("--input", "**/*.csv")],
)
def test_running_again_where_the_output_lies_inside_the_input(
    words: Sequence[str], here: Path
) -> None:
    """The second run sees the deliveries of the first and no more, and says nothing odd."""
    for judged in (3, 0):
        said = call("run", *words, "--skip", "report", "--fail-on", "never", "--json")
        assert said.code == 0
        assert _keys(said.data["check"]) == [f"{day}.csv" for day in DAYS]
        assert said.data["check"].get("judged_now", 0) == judged
        assert said.err == ""
    assert any((here / "out" if "--output" in words else here).glob("warehouse/fct_*.csv"))


def test_a_project_whose_input_is_its_own_folder(here: Path) -> None:
    """What `init p --from p` writes can be run as often as one likes."""
    call("init", here, "--from", here)
    for _ in range(2):
        said = call("run", "--project", here, "--skip", "report", "--fail-on", "never", "--json")
        assert len(said.data["check"]["deliveries"]) == len(DAYS)
    assert call("init", here, "--from", here, "--force").err == ""


def test_reports_among_the_deliveries(here: Path) -> None:
    """The gate's own table is no delivery, in a folder of its own or right beside them."""
    for output in ("reports", "."):
        for _ in range(2):
            words = ("--input", ".", "--output", output, "--fail-on", "never", "--json")
            said = call("check", *words)
            assert _keys(said.data) == [f"{day}.csv" for day in DAYS]
    assert (here / "dq_report.csv").is_file()


def test_what_another_run_wrote_is_said_once_on_stderr(here: Path) -> None:
    """A warehouse that lies in the input is left out, and that is said; not when quiet."""
    call("run", "--input", ".", "--output", "first", "--skip", "report", "--fail-on", "never")
    words = ("run", "--input", ".", "--output", "second", "--skip", "report", "--fail-on", "never")
    said = call(*words, "--json")
    assert _keys(said.data["check"]) == [f"{day}.csv" for day in DAYS]
    assert said.err.count("is a warehouse of Tallymark") == 1
    assert said.err.count("is a quarantine of Tallymark") == 1
    assert call(*words, "--quiet").err == ""
    assert here.is_dir()


def test_an_input_of_outputs_alone_is_refused(here: Path) -> None:
    """A sentence and exit code 2 instead of a shop without deliveries."""
    call("run", "--input", ".", "--skip", "report", "--fail-on", "never")
    for source in ("warehouse", "quarantine", "reports"):
        said = call("run", "--input", source, "--skip", "report")
        assert said.code == 2
        assert "--input" in said.err
    assert (here / "warehouse").is_dir()


def test_following_a_folder_into_which_it_writes(tmp_path: Path) -> None:
    """Folders that come while it follows are left out from then on."""
    delivery(tmp_path / "2031-05-05.csv")
    own = (tmp_path / "warehouse", tmp_path / "reports")
    folder = Folder(tmp_path, settle=1, own=own)
    assert [one.key for one in folder.look()] == ["2031-05-05.csv"]
    delivery(tmp_path / "warehouse" / "fct_orders.csv")
    delivery(tmp_path / "reports" / "dq_report.csv")
    assert [one.key for one in folder.look()] == ["2031-05-05.csv"]


def test_following_the_quarantine_is_refused(here: Path) -> None:
    """The same sentence as for a run."""

    def judge(_some: Sequence[Delivery]) -> CheckResult:
        raise AssertionError

    call("check", "--input", ".", "--output", "reports", "--fail-on", "never")
    ears = Listener(verdict=lambda _: None, notify=lambda _: None, trouble=lambda _: None)
    folder = Folder(here / "quarantine", own=(here / "quarantine",))
    with pytest.raises(UsageError, match="quarantine"):
        follow(folder, judge, ears, stop=threading.Event())


@pytest.mark.parametrize(
    ("command", "name"),
    [("check", "--output"), ("check", "--input"), ("check", "--warehouse"), ("run", "--output"),
     ("build", "--output"), ("monitor", "--output"), ("report", "--output"), ("run", "--project"),
     ("init", "--from")],
)  # fmt: skip
def test_an_empty_path_is_refused(command: str, name: str, here: Path) -> None:
    """An empty variable in a script must not fill the current folder with reports."""
    before = sorted(here.iterdir())
    words = [command, "--input", "."] if command in {"check", "run", "build"} else [command]
    words += ["p"] if command == "init" else []
    said = call(*words, name, "")
    assert said.code == 2
    assert name in said.err
    assert "a path is needed here" in said.err
    assert sorted(here.iterdir()) == before


def test_an_empty_variable_is_none(here: Path) -> None:
    """In the environment nothing is the same as not set."""
    said = call("check", "--input", ".", "--fail-on", "never", TALLYMARK_OUTPUT="")
    assert said.code == 0
    assert (here / "reports" / "dq_report.md").is_file()
