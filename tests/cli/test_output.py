from __future__ import annotations

import dataclasses
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tallymark import terminal
from tallymark.results import (
    FIRST_BUILD,
    NOTHING_CHANGED,
    BuildResult,
    CheckResult,
    DeliveryReport,
    Finding,
    Incident,
    Layer,
    MonitorResult,
    RunResult,
    Severity,
    Status,
    Verdict,
)
from tests.cli.calling import Said, call, delivery

WIDTH = 80
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
COLOUR = re.compile(r"(^|;)(3[0-7]|9[0-7]|38)(;|$)")


@pytest.fixture
def here(tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the shop's deliveries under ``raw``, so that paths are short."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").symlink_to(shop / "raw")
    return tmp_path


@pytest.mark.usefixtures("here")
def test_json_is_all_there_is_on_standard_output() -> None:
    """Every command prints one JSON document with ``--json``, and says nothing else."""
    commands = [
        ["check", "--input", "raw"],
        ["run", "--input", "raw"],
        ["build", "--input", "raw"],
        ["monitor"],
        ["report"],
        ["init", "shop", "--from", "raw"],
        ["demo", "make", "made", "--days", "2", "--events-per-day", "100"],
    ]
    found = {}
    for words in commands:
        said = call(*words, "--json")
        assert said.err == ""
        assert said.code in {0, 1}
        assert said.out == json.dumps(said.data, indent=2, ensure_ascii=False) + "\n"
        found[words[0]] = said.data
    assert found["check"]["deliveries"][0]["delivery"] == "events_20260105.csv"
    assert found["build"]["tables"]["fct_orders"] == 15
    assert found["monitor"]["status"] == "RED"
    assert found["report"]["paths"][0].endswith("reports/executive-summary.pdf")
    assert set(found["run"]) == {
        "check", "build", "monitor", "report", "paths", "days", "over", "unchanged",
    }  # fmt: skip
    assert found["init"][0] == "shop/tallymark.yml"
    assert len(found["demo"]["files"]) == 2


@pytest.mark.usefixtures("here")
def test_an_error_leaves_standard_output_empty() -> None:
    """With ``--json`` as without, an error is a sentence on standard error."""
    said = call("run", "--input", "lost", "--json")
    assert (said.code, said.out) == (2, "")


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration finds what it planted, ends well, and tells it as JSON too."""
    monkeypatch.setattr("tallymark.showcase.DEMO_INCIDENTS", ("column_renamed@3",))
    monkeypatch.setattr("tallymark.showcase.DEMO_DAYS", 4)
    said = call("demo", "--output", tmp_path / "demo")
    assert (said.code, said.err) == (0, "")
    assert "column client_id is missing; clientId matches it" in " ".join(said.out.split())
    again = call("demo", "--output", tmp_path / "demo", "--json", "--quiet")
    assert again.data["monitor"][-1]["status"] == "RED"


@pytest.mark.usefixtures("here")
def test_quiet_says_nothing_but_data_and_errors() -> None:
    """``--quiet`` leaves the exit code, the files, the JSON and the errors."""
    assert call("check", "--input", "raw", "--quiet") == Said(1, "", "")
    assert Path("reports/dq_report.md").is_file()
    assert call("check", "--input", "raw", "--quiet", "--json").data["status"] == "RED"
    assert call("check", "--input", "lost", "-q").err.startswith("tallymark: lost: no such file")
    assert call("init", "shop", "--from", "raw", "-q") == Said(0, "", "")


SAME = "Nothing has changed since the last run; this is how it stands.\n\n"


@pytest.mark.usefixtures("here")
def test_the_same_state_is_told_in_the_same_words() -> None:
    """A second run tells of all days and of what is over, and that nothing has changed."""
    first, second = (call("run", "--input", "raw") for _ in range(2))
    assert "over by now\n" in first.out
    assert re.search(r"days judged  \d+ GREEN, (\d+ YELLOW, )?\d+ RED\n", first.out)
    assert SAME not in first.out
    assert second.out.count(SAME) == 1
    assert second.out.replace(SAME, "") == first.out
    third = call("run", "--input", "raw", "--json").data
    assert third["unchanged"]
    assert (len(third["monitor"]), len(third["days"])) == (1, 8)
    assert third["days"]["2026-01-12"] == "RED"
    assert {one["state"] for one in third["over"]} == {"resolved"}


def test_what_is_quiet_is_not_called_over(capsys: pytest.CaptureFixture[str]) -> None:
    """An incident that was not found on the latest day is told, as what it is."""
    built = BuildResult(
        rebuilt=False, reason="why", tables={"fct_sessions": 1}, counted_orders=1,
        counted_revenue=Decimal(5), reconciliation=(),
    )  # fmt: skip
    day = MonitorResult(date="2031-05-06", status=Status.GREEN, headline="GREEN: fine",
                        findings=(), incidents=())  # fmt: skip
    over = [Incident(**{**dataclasses.asdict(_finding(number)), "layer": Layer.QUALITY,
                        "severity": Severity.P2}, state=state)
            for number, state in ((1, "quiet"), (2, "resolved"))]  # fmt: skip
    paths = {"reports": Path("reports"), "warehouse": Path("warehouse")}
    terminal.ran(RunResult(
        check=_check(_delivery()), build=built, monitor=(day,), report=None, paths=paths,
        days={"2031-05-05": Status.RED, "2031-05-06": Status.GREEN}, over=over,
    ))  # fmt: skip
    said = capsys.readouterr().out
    assert "quiet, not over yet: finding 1\n" in said
    assert " finding 2\n" in said
    assert "days judged  1 GREEN, 1 RED\n" in said


@pytest.mark.usefixtures("here")
def test_a_hurt_ledger_is_healed_not_counted() -> None:
    """Unreadable judgements are made anew, or left out where the watch does not run."""
    first = call("run", "--input", "raw")
    for name in ("incidents", "2026-01-12"):
        Path("warehouse", "ledger", "days", f"{name}.json").write_text("{", encoding="utf-8")
    skipped = call("run", "--input", "raw", "--skip", "monitor", "--skip", "report", "--json")
    assert skipped.err == ""
    assert (len(skipped.data["days"]), skipped.data["over"]) == (7, [])
    assert call("run", "--input", "raw").out == first.out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "content"),
    [("state", b"{"), ("state", b"[]"), ("2026-01-09", b"\xff"), ("2026-01-09", b'{"a": 1}')],
)
def test_whatever_stands_in_a_judgement(name: str, content: bytes) -> None:
    """A file of the ledger that was cut or edited, also that of an earlier day, is made anew."""
    first = call("run", "--input", "raw")
    path = Path("warehouse", "ledger", "days", f"{name}.json")
    before = path.read_bytes()
    path.write_bytes(content)
    assert call("report").code == 0
    assert call("export", "prometheus").code == 0
    again = call("run", "--input", "raw").out
    same = "Nothing has changed since the last run; this is how it stands.\n\n"
    assert again.replace(same, "") == first.out
    assert path.read_bytes() == before


@pytest.mark.usefixtures("here")
def test_what_has_changed_is_not_called_the_same(shop: Path, tmp_path: Path) -> None:
    """A decision, a delivery or another judgement is a change; a deleted report is none."""
    raw = tmp_path / "some"
    raw.mkdir()
    files = sorted((shop / "raw").iterdir())
    for one in files[:-1]:
        (raw / one.name).symlink_to(one)
    given = ("run", "--input", raw)
    call(*given)
    (tmp_path / "reports" / "monitoring_report.md").unlink()
    assert SAME in call(*given).out
    named = call("incidents", "list", "--json").data["incidents"][0]["id"]
    assert call("incidents", "ack", named).code == 0
    assert SAME not in call(*given).out
    assert SAME in call(*given).out
    (raw / files[-1].name).symlink_to(files[-1])
    assert SAME not in call(*given).out


# ---------------------------------------------------------------- width and colour


@pytest.mark.usefixtures("here")
def test_nothing_is_wider_than_80_columns() -> None:
    """However wide the terminal is, the summaries keep to 80 columns and end without blanks."""
    for words in (
        ["run", "--input", "raw"], ["check", "--input", "raw"], ["build", "--input", "raw"],
        ["monitor"], ["report"], ["demo", "make", "made", "--days", "3", "--incident", "outage@2"],
        ["init", "shop", "--from", "raw"],
    ):  # fmt: skip
        said = call(*words, COLUMNS="200")
        assert said.out
        for line in said.out.splitlines():
            assert len(line) <= WIDTH, line
            assert line == line.rstrip(), words
    assert call("monitor").out == call("monitor", COLUMNS="80").out


def test_a_narrow_terminal_cuts_nothing_off(ran: Path, tmp_path: Path) -> None:
    """On 50 columns the sentences break earlier and are all there."""
    given = ["monitor", "--warehouse", ran / "warehouse", "--output", tmp_path]
    wide, narrow = (call(*given, COLUMNS=columns) for columns in ("80", "50"))
    assert max(map(len, narrow.out.splitlines())) <= 50
    assert narrow.out.split() == wide.out.split()


def _on_a_terminal(here: Path, **variables: str) -> str:
    """What a run writes to a real terminal, standard error included."""
    words = [sys.executable, "-m", "tallymark", "check", "--input", "raw"]
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    try:
        process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=here,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "80", **variables},
        )  # fmt: skip
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                break
            if not piece:
                break
            text += piece
        process.wait()
    finally:
        os.close(ours)
    return text.decode()


def test_colour_and_progress_on_a_terminal_only(here: Path) -> None:
    """A terminal gets colours and a line of progress; NO_COLOR takes the colours away."""
    shown = _on_a_terminal(here)
    assert any(COLOUR.search(code) for code in ESCAPE.findall(shown))
    assert "\r\x1b[2Kchecked events_20260105.csv" in shown
    plain = _on_a_terminal(here, NO_COLOR="1")
    assert not any(COLOUR.search(code) for code in ESCAPE.findall(plain))
    piped = call("check", "--input", "raw")
    assert "\x1b" not in piped.out + piped.err
    assert "checked events" not in piped.out + piped.err


# ---------------------------------------------------------------- words


def _finding(number: int = 1, **more: object) -> Finding:
    given = {
        "id": f"rule_{number}", "layer": Layer.QUALITY, "severity": Severity.P2,
        "message": f"finding {number}", "since": "2031-05-05T07:00:00.000Z", **more,
    }  # fmt: skip
    return Finding(**given)  # type: ignore[arg-type]


def _delivery(name: str = "events_20310505.csv", **more: object) -> DeliveryReport:
    given = {
        "delivery": name, "date": "2031-05-05", "version": "0", "verdict": Verdict.PASS,
        "score": 100, "rows_read": 10, "rows_accepted": 10, "rows_quarantined": 0,
        "rows_repeated": 0, "columns": (), "contract_version": "1", **more,
    }  # fmt: skip
    return DeliveryReport(**given)  # type: ignore[arg-type]


def _check(*deliveries: DeliveryReport, status: Status = Status.GREEN) -> CheckResult:
    return CheckResult(status=status, deliveries=deliveries, contract_version="1")


def test_one_is_not_many(capsys: pytest.CaptureFixture[str]) -> None:
    """One delivery, one row, one order: the words follow the number."""
    terminal.checked(_check(_delivery(rows_read=1)))
    built = BuildResult(
        rebuilt=True, reason="why", tables={"fct_sessions": 1}, counted_orders=1,
        counted_revenue=Decimal(5), reconciliation=(), currency="EUR",
    )  # fmt: skip
    terminal.built(built)
    paths = {"reports": Path("reports"), "warehouse": Path("warehouse")}
    terminal.ran(
        RunResult(check=_check(_delivery()), build=built, monitor=(), report=None, paths=paths)
    )
    said = capsys.readouterr().out
    assert "1 row in 1 delivery" in said
    assert "1 counted order, €5.00" in said
    assert "1 session, 1 counted order;" in said


@pytest.mark.parametrize(
    ("reason", "days", "said"),
    [
        ("all days: the shop settings changed", None, True),
        ("held at generation 3 by `tallymark rollback`; nothing changed since", None, True),
        ("2031-05-05: delivery a.csv came, changed or went", ("2031-05-05",), False),
        (f"all days: {FIRST_BUILD}", None, False),
        (NOTHING_CHANGED, None, False),
    ],
)
def test_a_run_says_why_everything_was_built_or_nothing(
    reason: str, days: Sequence[str] | None, *, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rebuild after a change of settings, and tables that somebody went back to, are told."""
    built = BuildResult(
        rebuilt=True, reason=reason, tables={"fct_sessions": 1}, counted_orders=1,
        counted_revenue=Decimal(5), reconciliation=(), currency="EUR", days=days,
    )  # fmt: skip
    paths = {"reports": Path("reports"), "warehouse": Path("warehouse")}
    terminal.ran(RunResult(check=_check(), build=built, monitor=(), report=None, paths=paths))
    assert (reason in " ".join(capsys.readouterr().out.split())) is said


def test_a_year_of_deliveries_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of very many deliveries those with something to say are listed, clean ones summed up."""
    many = [_delivery(f"{number}.csv") for number in range(364)]
    odd = _delivery("odd.csv", verdict=Verdict.WARN, findings=(_finding(),))
    terminal.checked(_check(*many, odd, status=Status.YELLOW))
    said = capsys.readouterr().out
    assert len(said.splitlines()) < 15
    assert "odd.csv" in said
    assert "364 deliveries" in said
    assert " 3,640 " in said


def test_a_narrow_table_has_what_matters_most(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 64 columns: the delivery, its verdict and its score, none of them cut."""
    monkeypatch.setenv("COLUMNS", "44")
    terminal.checked(_check(_delivery(verdict=Verdict.QUARANTINE, score=7)))
    said = capsys.readouterr().out
    assert said.splitlines()[1] == "events_20310505.csv  QUARANTINE      7"


def test_of_many_bad_deliveries_the_latest_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Forty lines are enough; the others are counted, with the file that has them."""
    found = (_finding(),)
    many = [_delivery(f"{number}.csv", verdict=Verdict.WARN, findings=found)
            for number in range(50)]  # fmt: skip
    terminal.checked(_check(*many, status=Status.YELLOW))
    said = capsys.readouterr().out
    assert "and 10 more in dq_report.md" in said
    assert "\n9.csv" not in said
    assert "\n49.csv" in said
    assert said.count("finding 1") == 1
    assert "on 50 deliveries" in said


@pytest.mark.parametrize(
    ("currency", "said"), [("EUR", "€30.00 in the orders"), ("USD", "on 2 deliveries")]
)
def test_money_is_of_all_the_deliveries_named(
    currency: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands beside several deliveries is of all of them; other money is not added to it."""
    worth = [(Decimal(10), "EUR"), (Decimal(20), currency)]
    days = [
        _delivery(f"{at}.csv", verdict=Verdict.WARN,
                  findings=(_finding(money=money, evidence={"currency": stated}),))
        for at, (money, stated) in enumerate(worth)
    ]  # fmt: skip
    terminal.checked(_check(*days, status=Status.YELLOW))
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert ("in the orders" in shown) is (currency == "EUR")


def test_clean_deliveries_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Days in a row on which nothing was wrong are one line with their days and rows."""
    days = [_delivery(f"{day}.csv", date=f"2031-05-{day:02}") for day in range(1, 6)]
    terminal.checked(_check(*days), Path("out"), ("md", "junit"))
    said = capsys.readouterr().out
    assert "5 deliveries, 1 to 5 May  PASS       100    50" in said
    assert "report   out/dq_report.md\n  junit    out/dq_report.junit.xml\n" in said


def test_many_findings_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Six are shown, the worst first; of the others it says how many and where they are."""
    found = [_finding(number) for number in range(8)] + [_finding(9, severity=Severity.P0)]
    terminal.checked(_check(_delivery(findings=tuple(found)), status=Status.RED))
    said = capsys.readouterr().out
    assert said.index("finding 9") < said.index("finding 0")
    assert "and 3 more in dq_report.md" in said


def test_a_good_day_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Without incidents the headline of the day is what is said."""
    day = MonitorResult(
        date="2031-05-05", status=Status.GREEN, headline="GREEN: 5 sessions, $10 revenue",
        findings=(), incidents=(), notes=("a note",),
    )  # fmt: skip
    terminal.monitored(day)
    said = capsys.readouterr().out
    assert said.split("\n")[0] == " GREEN   Monday 5 May 2031"
    assert "\n5 sessions, $10 revenue.\n" in said
    assert said.endswith("a note\n")


def test_long_words_and_markup_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes from data is neither markup nor a command to the terminal, and not cut off."""
    hostile = f"[bold]{'x' * 200}[/bold]\x1b]0;title\x07\u202eend"
    incident = Incident(
        **{**dataclasses.asdict(_finding(message=hostile, fix=hostile)), "layer": Layer.QUALITY,
           "severity": Severity.P0},
        money_at_risk=Decimal("1234.5"),
    )  # fmt: skip
    day = MonitorResult(date="2031-05-05", status=Status.RED, headline=hostile, findings=(),
                        incidents=(incident,), notes=(hostile,))  # fmt: skip
    terminal.monitored(day)
    terminal.checked(_check(_delivery(hostile, findings=(_finding(delivery=hostile),))))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) <= WIDTH
    squeezed = re.sub(r"\s", "", said)
    assert squeezed.count(f"[bold]{'x' * 200}[/bold]") >= 4
    assert "$1,234.50 at stake" in said


def test_ids_of_findings_are_put_into_words(capsys: pytest.CaptureFixture[str]) -> None:
    """A message that names other findings by id is read out without underscores."""
    terminal.checked(_check(_delivery(findings=(
        _finding(message="it broke. It explains cart_rate, payload_coverage:purchase.a"),
    ))))  # fmt: skip
    assert "it broke. It explains cart rate, payload coverage\n" in capsys.readouterr().out


def test_text_that_the_terminal_cannot_say(tmp_path: Path) -> None:
    """Where standard output is no UTF-8, what it cannot say is a question mark."""
    delivery(tmp_path / "raw" / "événements_20310505.csv")
    words = [sys.executable, "-m", "tallymark", "check", "--input", "raw"]
    done = subprocess.run(words, capture_output=True, check=False, cwd=tmp_path,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?v?nements_20310505.csv" in done.stdout
