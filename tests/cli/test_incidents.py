"""Incidents and alerts, from the command line and end to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tallymark.cli.options import tell
from tallymark.demo.shop import make_shop
from tests.cli.calling import Said, call, contents
from tests.notify.servers import Service, service

RENAMED = "column_renamed:client_id"
KEY = f"{RENAMED}@2026-01-08"
LAST = "2026-01-09"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days of a shop; the client id is renamed on the fourth."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, days=5, events_per_day=300, seed=2, incidents=["column_renamed@4"])
    return folder / "raw"


class Home:
    """A project folder with one channel, a run away from its reports."""

    def __init__(self, folder: Path, raw: Path, there: Service) -> None:
        self.folder, self.there = folder, there
        folder.mkdir()
        (folder / "tallymark.yml").write_text(
            f"input: {raw}\nshop: {{name: My shop}}\nalerts:\n  timeout_seconds: 5\n"
            "  attempts: 1\n  channels:\n    - {name: hook, service: webhook, env: HOOK}\n",
            encoding="utf-8",
        )

    def call(self, *words: object) -> Said:
        """A command on this project, with the secret in the environment."""
        return call(*words, "--project", self.folder, HOOK=self.there.url)

    def run(self) -> Said:
        """A run without the brief."""
        return self.call("run", "--skip", "report", "--json")

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the service has heard: event and incident."""
        return [(one["event"], one["key"]) for one in self.there.taken]


@pytest.fixture(scope="module")
def _ran(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran") / "home"
    with service(500) as there:
        home = Home(folder, raw, there)
        assert home.run().code == 1
    return folder


@pytest.fixture
def home(_ran: Path, raw: Path, tmp_path: Path) -> Iterator[Home]:
    """A project that was run while the service was down."""
    with service() as there:
        found = Home(tmp_path / "home", raw, there)
        shutil.copytree(_ran, found.folder, dirs_exist_ok=True)
        yield found


def test_what_could_not_be_sent_is_sent_by_the_next_run(home: Home) -> None:
    """The first run said so and kept its code; the next one sends, the one after sends nothing."""
    listed = home.call("alerts", "list", "--json").data
    assert [(one["state"], one["trouble"]) for one in listed] == [("pending", "answered 500")]
    dry = home.call("alerts", "send", "--dry-run", "--json").data
    assert [one["message"]["key"] for one in dry] == [KEY]
    assert home.told == []
    for _ in range(2):
        assert home.run().code == 1
    assert home.told == [("opened", KEY)]
    assert home.call("alerts", "list", "--json").data == []
    assert len(home.call("alerts", "list", "--all", "--json").data) == 1
    assert home.call("alerts", "send", "--json").data["sent"] == 0


def test_a_service_that_is_down_changes_no_code(raw: Path, tmp_path: Path) -> None:
    """It is said on standard error, without the address."""
    with service(500) as there:
        said = Home(tmp_path / "home", raw, there).run()
    assert said.code == 1
    assert "alerts: channel hook: answered 500; 1 message waits for the next run" in said.err
    assert "s3cret" not in said.err


def test_the_incident_is_in_the_book_and_in_the_catalog(home: Home) -> None:
    """The list, one incident, and a table that any tool reads."""
    listed = home.call("incidents", "list", "--json").data
    assert listed["day"] == LAST
    assert [(one["key"], one["state"]) for one in listed["incidents"]] == [(KEY, "open")]
    assert home.call("incidents", "show", RENAMED, "--json").data["opened"] == "2026-01-08"
    assert KEY in home.call("incidents", "list").out
    assert "fix:" in home.call("incidents", "show", KEY).out
    with duckdb.connect(home.folder / "warehouse" / "tallymark.duckdb", read_only=True) as base:
        rows = base.execute("select key, state, severity from ledger_incidents").fetchall()
    assert rows == [(KEY, "open", "P0")]


@pytest.mark.parametrize(
    ("words", "code", "state"),
    [
        (("ack", RENAMED, "--reason", "on it"), 1, "acknowledged"),
        (("mute", KEY, "--until", LAST), 0, "muted"),
        (("resolve", KEY), 0, "resolved"),
    ],
)
def test_decisions_count_from_the_next_run_on(
    home: Home, words: tuple[str, ...], code: int, state: str
) -> None:
    """Nobody is told of what was decided about; a muted incident fails no run, and says so."""
    decided = home.call("incidents", *words, "--json").data
    assert decided["incident"]["state"] == state
    (path,) = (home.folder / "decisions").glob("*.yml")
    assert KEY in path.read_text(encoding="utf-8")
    # The message that waited is taken back: whoever decided knows.
    assert home.run().code == code
    assert home.told == []
    report = json.loads((home.folder / "reports" / "monitoring_report.json").read_text("utf-8"))
    assert [one["state"] for one in report["incidents"]] == [state]
    assert any(RENAMED in note for note in report["notes"])
    files = contents(home.folder)
    assert home.run().code == code
    assert contents(home.folder) == files


def test_a_mended_file_ends_the_incident(home: Home, raw: Path, tmp_path: Path) -> None:
    """Delivered again under the old name: over, and told once."""
    assert home.run().code == 1
    mended = Path(shutil.copytree(raw, tmp_path / "raw"))
    for path in mended.glob("*2026010[89]*"):
        text = path.read_text(encoding="utf-8").replace("clientId", "client_id", 1)
        path.write_text(text, encoding="utf-8")
    for _ in range(2):
        assert home.call("run", "--input", mended, "--skip", "report").code == 0
    assert home.told == [("opened", KEY), ("resolved", KEY)]
    assert home.call("incidents", "list", "--all", "--json").data["incidents"] == []


def test_looking_back_tells_nobody(home: Home) -> None:
    """A past day and a replay write nothing and send nothing."""
    before = contents(home.folder)
    assert home.call("monitor", "--date", "2026-01-08").code == 1
    replay = home.call("monitor", "--replay", "2026-01-06..", "--json").data
    assert [(one["fired"], one["id"]) for one in replay["fired"]] == [("2026-01-08", RENAMED)]
    assert len(replay["days"]) == 4
    assert f"2026-01-08  P0  {RENAMED}" in home.call("monitor", "--replay", "..").out
    assert contents(home.folder) == before
    assert home.told == []


def test_monitor_tells_of_the_latest_day_and_writes_junit(home: Home) -> None:
    """Called alone it sends as a run does, and writes the form that CI reads."""
    assert home.call("monitor", "--report", "junit").code == 1
    assert home.told == [("opened", KEY)]
    suites = ET.parse(home.folder / "reports" / "monitoring_report.junit.xml").getroot()  # noqa: S314
    failed = [one.get("name") for one in suites.iterfind(".//testcase[failure]")]
    assert failed == ["column_renamed"]


def test_a_test_message(home: Home) -> None:
    """It goes to every channel, past the outbox; a channel that fails is named, with code 1."""
    assert home.call("alerts", "test", "--dry-run").code == 0
    assert home.told == []
    assert home.call("alerts", "test", "--json").data[0]["sent"] is True
    assert home.told == [("test", "test")]
    home.there.answers = [403]
    failed = home.call("alerts", "test")
    assert (failed.code, "answered 403" in failed.out) == (1, True)
    home.there.answers = [200]
    home.call("alerts", "test")
    ids = [one["id"] for one in home.there.taken]
    assert len(set(ids)) == len(ids) == 2


def test_what_a_service_refuses_is_listed_and_sent_on_request(home: Home) -> None:
    """The run goes on, the list says why, and `--refused` sends it again."""
    home.there.answers = [400]
    assert "answered 400; 1 message was refused and kept" in home.run().err
    assert home.run().err.count("answered 400") == 0
    listed = home.call("alerts", "list").out
    assert listed.startswith("refused ")
    assert "(2 attempts; answered 400)" in listed
    home.there.answers = [200]
    assert "Kept: 1 refused; `tallymark alerts list` shows them." in home.call("alerts", "send").out
    assert home.told == []
    assert home.call("alerts", "send", "--refused").out == "1 sent, 0 waiting.\n"
    assert home.told == [("opened", KEY)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("incidents", "show", "column_renamd:client_id"), f"did you mean '{RENAMED}'?"),
        (("incidents", "ack", "zzz"), "there is no incident 'zzz'"),
        (("incidents", "mute", KEY, "--until", "2026-01-01"), "lies before the latest judged day"),
        (("incidents", "mute", KEY), "--until"),
        (("alerts", "test", "--channel", "pager"), "there is no channel 'pager'"),
        (("monitor", "--replay", "2026-01-09"), "no span of days"),
        (("monitor", "--replay", "2026-01-09..2026-01-01"), "ends before it begins"),
        (("monitor", "backtest"), "5 days are too few"),
    ],
)
def test_mistakes_are_told_in_a_sentence(home: Home, words: tuple[str, ...], said: str) -> None:
    """With code 2 and the cure."""
    found = home.call(*words)
    assert found.code == 2
    assert said in found.err


def test_where_nothing_ran_there_is_no_book(tmp_path: Path) -> None:
    """One sentence says what to run first."""
    said = call("incidents", "list", "--warehouse", tmp_path)
    assert (said.code, "the watch has kept no incidents here" in said.err) == (2, True)
    said = call("alerts", "test", "--warehouse", tmp_path)
    assert (said.code, "no channel is configured" in said.err) == (2, True)


def test_a_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    """With file, line and column; the secret is an environment variable's business."""
    (tmp_path / "tallymark.yml").write_text(
        "alerts:\n  channels:\n    - name: hook\n      service: slack\n"
        "      env: https://hooks.slack.com/services/T0/B0/xyz\n", encoding="utf-8",
    )  # fmt: skip
    said = call("alerts", "test", "--project", tmp_path)
    assert said.code == 2
    assert "tallymark.yml:5:" in said.err
    assert "the name of an environment variable, not the secret\n  fix: put the value" in said.err
    assert "hooks.slack.com" not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://evil.example/s3cret", "`channels`, a list; this is a single value"),
        ("{channels: 'https://evil.example/s3cret'}", "`channels`, a list; this is a single value"),
        ("{channels: ['https://evil.example/s3cret']}", "this is a single value"),
        (
            "{channels: [{name: a, service: webhook, url: 'https://evil.example/s3cret'}]}",
            "`url` is no key of a channel",
        ),
        ("{channels: [{name: a, service: slak, env: HOOK}]}", "did you mean 'slack'?"),
    ],
)
def test_mistakes_about_channels(tmp_path: Path, text: str, said: str) -> None:
    """Each in a sentence, and none of them shows an address."""
    (tmp_path / "tallymark.yml").write_text(f"alerts: {text}\n", encoding="utf-8")
    found = call("alerts", "test", "--project", tmp_path)
    assert found.code == 2
    assert said in found.err
    assert "s3cret" not in found.out + found.err


def test_a_run_that_is_killed_while_it_tells_tells_once(home: Home) -> None:
    """The service itself kills the run as soon as it has the message; the next run is silent."""
    environment = {**os.environ, "HOOK": home.there.url}
    child = subprocess.Popen(
        [sys.executable, "-m", "tallymark", "alerts", "send", "--project", home.folder],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    take = home.there.take

    def kill(body: bytes, headers: dict[str, str]) -> int:
        home.there.take = take  # type: ignore[method-assign]
        status = take(body, headers)
        child.send_signal(signal.SIGKILL)
        child.wait()
        return status

    home.there.take = kill  # type: ignore[method-assign]
    child.wait()
    for _ in range(2):
        home.run()
    keys = {one["id"] for one in home.there.taken}
    assert len(keys) == 1
    assert {one["Idempotency-Key"] for one in home.there.headers} == keys


def test_a_followed_p0_is_told_at_once(raw: Path, tmp_path: Path) -> None:
    """Within seconds of the file, through the same outbox: the run after it says nothing anew."""
    with service() as there:
        inbox = tmp_path / "raw"
        inbox.mkdir()
        home = Home(tmp_path / "home", inbox, there)
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tallymark", "check", "--follow",
             "--poll-interval", "0.02", "--poll-settle", "2", "--project", home.folder],
            env={**os.environ, "HOOK": there.url}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        ) as child:  # fmt: skip
            for path in sorted(raw.iterdir()):
                shutil.copy(path, inbox / f".{path.name}")
                (inbox / f".{path.name}").rename(inbox / path.name)
            told = there.first.wait(60)
            child.send_signal(signal.SIGINT)
            _, err = child.communicate()
        assert told, err
        assert "Traceback" not in err
        home.run()
        assert {key.partition("@")[0] for _, key in home.told} == {RENAMED}
        assert [event for event, _ in home.told] == ["opened"]


def test_long_lines_break_where_a_terminal_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal a sentence goes on below itself; a program gets it in one line."""
    text = "P1 orders@2031-05-05 " + "word " * 30
    tell(text)
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    tell(text, 3)
    first, *rest = capsys.readouterr().out.splitlines()
    assert len(rest) >= 2
    assert all(len(line) <= 60 for line in (first, *rest))
    assert all(line.startswith("   word") for line in rest)
