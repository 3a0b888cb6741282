from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import duckdb
import pytest

from tallymark.cli import _run, cli
from tallymark.project import Project
from tests.cli.calling import call, delivery, start

FAIL_ON = ("error", "warn", "never")
DAYS = {"GREEN": "2026-01-05", "RED": "2026-01-12"}
EXPECTED = {"GREEN": (0, 0, 0), "YELLOW": (0, 1, 0), "RED": (1, 1, 0)}


@pytest.fixture
def inputs(tmp_path: Path, shop: Path) -> dict[str, Path]:
    """A folder of deliveries for each status."""
    for status in ("GREEN", "YELLOW", "RED"):
        delivery(tmp_path / status / "events_20310505.csv")
    path = tmp_path / "YELLOW" / "events_20310505.csv"
    path.write_text(path.read_text("utf-8").replace("2031-05-05T02", "no time "), "utf-8")
    shutil.copy(shop / "raw" / "events_20260110.csv", tmp_path / "RED")
    (tmp_path / "RED" / "events_20310505.csv").unlink()
    return {status: tmp_path / status for status in ("GREEN", "YELLOW", "RED")}


@pytest.mark.parametrize("status", ["GREEN", "YELLOW", "RED"])
def test_check_and_run_exit_by_status_and_option(
    status: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    """0 and 1 follow the table of exit codes, also when the same is run again."""
    for fail_on, code in zip(FAIL_ON, EXPECTED[status], strict=True):
        given = ["--input", inputs[status], "--fail-on", fail_on, "--skip", "report"]
        checked = call("check", *given[:4], "--output", tmp_path / "reports", "--json")
        assert (checked.data["status"], checked.code) == (status, code)
        ran = call("run", *given, "--output", tmp_path / "out", "--json")
        assert (ran.data["monitor"][-1]["status"], ran.code) == (status, code)


@pytest.mark.parametrize("status", ["GREEN", "RED"])
def test_monitor_exits_by_status_and_option(status: str, ran: Path, tmp_path: Path) -> None:
    """The watch follows the same table; the default is to fail on errors."""
    given = ["--warehouse", ran / "warehouse", "--output", tmp_path, "--date", DAYS[status]]
    for fail_on, code in zip(FAIL_ON, EXPECTED[status], strict=True):
        said = call("monitor", *given, "--fail-on", fail_on, "--json")
        assert (said.data["status"], said.code) == (status, code)
    assert call("monitor", *given).code == EXPECTED[status][0]


def test_the_gate_alone_decides_where_the_watch_is_left_out(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    """A run without the watch exits by what the gate found."""
    for status in ("GREEN", "RED"):
        said = call("run", "--input", inputs[status], "--output", tmp_path / f"out{status}",
                    "--skip", "monitor", "--skip", "report")  # fmt: skip
        assert said.code == EXPECTED[status][0]
        assert f"Data quality: {status}" in said.out


def test_older_spellings(shop: Path, ran: Path, tmp_path: Path) -> None:
    """Options as older habits spell them do the same."""
    raw, warehouse = shop / "raw", ran / "warehouse"
    assert call("check", "--input_dir", raw, "--output_dir", tmp_path, "--fail_on_error").code == 1
    assert (tmp_path / "dq_report.json").is_file()
    built = call("build", "--input_dir", raw, "--output_dir", tmp_path / "built")
    assert built.code == 0
    old = ["monitor", "--warehouse_dir", warehouse, "--fail_on_error"]
    assert call(*old, "--output_dir", tmp_path / "a", "--check_date", "2026-01-09").code == 1
    assert call(*old, "--output_dir", tmp_path / "b", "--expected_run_date", "2026-01-13").code == 1
    dates = {
        name: json.loads((tmp_path / name / "monitoring_report.json").read_text("utf-8"))["date"]
        for name in "ab"
    }
    assert dates == {"a": "2026-01-09", "b": "2026-01-13"}
    briefed = call("report", "--warehouse_dir", warehouse, "--output_dir", tmp_path / "c")
    assert briefed.code == 0
    dashed = ["monitor", "--warehouse-dir", warehouse, "--fail-on-error", "--output-dir", tmp_path]
    assert call(*dashed, "--check-date", "2026-01-09").code == 1


def test_the_later_of_two_spellings_wins(shop: Path, tmp_path: Path) -> None:
    """``--fail_on_error`` is ``--fail-on error``, so that the last one given counts."""
    given = ["check", "--input", shop / "raw", "--output", tmp_path]
    assert call(*given, "--fail-on", "never").code == 0
    assert call(*given, "--fail_on_error").code == 1
    assert call(*given, "--fail-on", "never", "--fail_on_error").code == 1


# ---------------------------------------------------------------- variables


def _options(command: click.Command, path: str = "tallymark") -> list[tuple[str, click.Option]]:
    found = [(path, one) for one in command.params if isinstance(one, click.Option)]
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            found += _options(child, f"{path} {name}")
    return found


@pytest.mark.parametrize(
    ("path", "option"), [pytest.param(*one, id=f"{one[0]} {one[1].opts[0]}")
                         for one in _options(cli)],
)  # fmt: skip
def test_every_option_is_a_variable_too(path: str, option: click.Option) -> None:
    """TALLYMARK_ and the option's name; but for what has a fixed meaning or an older spelling."""
    if option.hidden or option.name == "version":
        return
    long = next(name for name in option.opts if name.startswith("--"))
    assert option.envvar == f"TALLYMARK_{long[2:].replace('-', '_').upper()}", path


def test_variables_stand_for_options(shop: Path, ran: Path, tmp_path: Path) -> None:
    """What a variable says counts where the option is not given."""
    raw, warehouse = str(shop / "raw"), str(ran / "warehouse")
    out = {"TALLYMARK_OUTPUT": str(tmp_path / "out"), "TALLYMARK_JSON": "1"}
    said = call("check", **out, TALLYMARK_INPUT=raw, TALLYMARK_FAIL_ON="never")
    assert (said.code, said.data["status"]) == (0, "RED")
    assert call("check", "--fail-on", "error", **out, TALLYMARK_INPUT=raw,
                TALLYMARK_FAIL_ON="never").code == 1  # fmt: skip
    watched = call("monitor", **out, TALLYMARK_WAREHOUSE=warehouse, TALLYMARK_DATE="2026-01-05")
    assert (watched.code, watched.data["date"]) == (0, "2026-01-05")
    expected = call("monitor", **out, TALLYMARK_WAREHOUSE=warehouse,
                    TALLYMARK_EXPECTED_RUN_DATE="2026-01-14")  # fmt: skip
    assert expected.data["findings"][0]["id"] == "delivery_missing"
    ran_twice = call("run", TALLYMARK_INPUT=f"{raw}/*0105.csv", TALLYMARK_OUTPUT=str(tmp_path),
                     TALLYMARK_SKIP="monitor report", TALLYMARK_EXPORT="parquet",
                     TALLYMARK_QUIET="1", TALLYMARK_THREADS="1",
                     TALLYMARK_MEMORY_LIMIT="500MB", TALLYMARK_FULL_REFRESH="1")  # fmt: skip
    assert (ran_twice.code, ran_twice.out) == (0, "")
    assert (tmp_path / "warehouse" / "fct_orders.parquet").is_file()
    assert not (tmp_path / "reports" / "executive-summary.pdf").exists()
    assert call("run", TALLYMARK_THREADS="many").code == 2


# ---------------------------------------------------------------- as a process


def test_codes_of_the_process(shop: Path, tmp_path: Path) -> None:
    """The process itself ends with 0, 1 or 2, and says errors on standard error alone."""
    raw = shop / "raw"
    good = start("check", "--input", raw / "events_20260105.csv", "--output", tmp_path)
    bad = start("check", "--input", raw, "--output", tmp_path)
    none = start("check", "--input", tmp_path / "lost", "--output", tmp_path)
    assert (good.returncode, bad.returncode, none.returncode) == (0, 1, 2)
    assert (good.stderr, bad.stderr, none.stdout) == ("", "", "")
    assert none.stderr.startswith("tallymark: ")


def test_help_and_version() -> None:
    """Help and version end well, and nothing but them is printed."""
    for words in (["--help"], ["--version"], ["run", "-h"], ["demo", "make", "--help"]):
        said = start(*words)
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout
    nothing = start()
    assert nothing.returncode == 2
    assert "Commands:" in nothing.stderr


def test_a_reader_that_leaves_early(shop: Path, tmp_path: Path) -> None:
    """Output into a pipe that is closed ends without a word."""
    words = [sys.executable, "-m", "tallymark", "check", "--json", "--input", str(shop / "raw"),
             "--output", str(tmp_path)]  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), RuntimeError("Query interrupted"), duckdb.InterruptException("INTERRUPT "
     "Error: Interrupted!")],
)  # fmt: skip
def test_an_interrupt_is_no_error(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever stops a run is told that it stopped, and the code is the one that shells use."""

    def interrupted(_self: Project, **_more: object) -> None:
        raise error

    monkeypatch.setattr(Project, "check", interrupted)
    monkeypatch.setattr(sys, "argv", ["tallymark", "check"])
    assert _run() == 130
    said = capsys.readouterr()
    assert (said.out, said.err.strip()) == ("", "tallymark: stopped; run again to go on")


def test_what_nobody_foresaw_is_said_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of the program is one sentence as well; a variable shows where it happened."""

    def broken(_self: Project, **_more: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(Project, "check", broken)
    monkeypatch.setattr(sys, "argv", ["tallymark", "check"])
    assert _run() == 2
    said = capsys.readouterr().err
    assert said.startswith("tallymark: internal error: ZeroDivisionError: by\n  fix: please report")
    assert "Traceback" not in said
    monkeypatch.setenv("TALLYMARK_DEBUG", "1")
    assert _run() == 2
    assert "Traceback" in capsys.readouterr().err
