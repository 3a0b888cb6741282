from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tallymark.engine.warehouse import Warehouse
from tests.cli.calling import call, contents, delivery, project

COLUMN = "columns:\n  - name: id\n    role: client_id\n    kind: identifier\n"
RULE = "rules:\n  - id: one\n    severity: P1\n    "


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project folder with a sound delivery and no settings."""
    delivery(tmp_path / "shop" / "raw" / "events_20310505.csv")
    return tmp_path / "shop"


def refused(home: Path, command: str = "check", **files: str) -> str:
    """The sentence with which a command refuses these files; nothing may be written."""
    project(home, **files)
    before = contents(home)
    said = call(command, "--project", home, *_given(command, home))
    assert said.code == 2
    assert contents(home) == before
    return said.err.removeprefix(f"tallymark: {home}/")


def _given(command: str, home: Path) -> list[object]:
    return ["--warehouse", home] if command == "monitor" else ["--input", home / "raw"]


# ---------------------------------------------------------------- YAML

# Each line says the one above it ten times over: eight lines are a hundred million values.
_REPEATED = "".join(
    f"{name}: &{name} [{', '.join([above] * 10)}]\n"
    for above, name in zip(["x", *(f"*{one}" for one in "abcdefg")], "abcdefgh", strict=True)
)
BROKEN = [
    ("version: 1\nshop:\n  name: [a\n", ":4:1: is not YAML: expected ',' or ']'"),
    ("version: 1\n\tshop: 3\n", ":2:1: is not YAML: found character '\\t'"),
    ('input: "raw\nversion: 1\n', ":3:1: is not YAML: found unexpected end of stream"),
    ("version: 1\nversion: 1\n", ":2:1: is not YAML: found duplicate key"),
    ("version: 1\n---\nversion: 1\n", ":2:1: is not YAML: but found another document"),
    ("input: raw\nshop: a\x01b\n", ":2:8: is not YAML: unacceptable character"),
    ("input: " + "[" * 500, ": is nested too deeply"),
    ("".join(f"{' ' * depth}a:\n" for depth in range(300)), ": is nested too deeply"),
    (_REPEATED, ": its anchors repeat each other until there are too many values"),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
@pytest.mark.parametrize("file", ["tallymark", "contracts__events", "rules__check"])
def test_broken_yaml_is_refused_with_line_and_column(
    file: str, text: str, sentence: str, home: Path
) -> None:
    """Whichever file it is, the place is one that an editor can jump to."""
    said = refused(home, **{file: text})
    assert said.startswith(f"{file.replace('__', '/')}.yml{sentence}")


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_broken_rules_of_the_watch(text: str, sentence: str, ran: Path, tmp_path: Path) -> None:
    """The rules of the watch are refused in the same way, by file and place."""
    rules = tmp_path / "rules.yml"
    rules.write_text(text, encoding="utf-8")
    said = call(
        "monitor", "--warehouse", ran / "warehouse", "--rules", rules, "--output", tmp_path / "out"
    )
    assert said.code == 2
    assert said.err.startswith(f"tallymark: {rules}{sentence}")
    assert not (tmp_path / "out").exists()


MISTAKES = [
    ("tallymark", "version: 1\nsession:\n  gap_minutes: 3\n",
     ":2:1: unknown key 'session'\n  fix: did you mean 'sessions'?"),
    ("tallymark", "shop:\n  name: a\n  currncy: USD\n",
     ":3:3: unknown key 'currncy'\n  fix: did you mean 'currency'?"),
    ("tallymark", "zzz: 1\n", ":1:1: unknown key 'zzz'\n  fix: known keys: alerts"),
    ("tallymark", "shop: {timezone: Mars/Olympus}\n",
     ":1:8: shop.timezone: 'Mars/Olympus' is no IANA time zone"),
    ("tallymark", "shop: {timezone: localtime}\n",
     ":1:8: shop.timezone: 'localtime' is no IANA time zone"),
    ("tallymark", "sessions: {gap_minutes: 0}\n", ":1:12: sessions.gap_minutes: "),
    ("tallymark", "version: 2\n", ":1:1: version: should be 1 (got 2)"),
    ("tallymark", "- a\n", ":1:1: the file: keys and values are needed here"),
    ("tallymark", "just a text\n", ":1:1: the file: keys and values are needed here"),
    ("tallymark", "input: raw\ncontract: lost.yml\n",
     ":2:1: contract: no such file: lost.yml\n  fix: mend the path"),
    ("contracts/events", f"{COLUMN}    aliasses: [a]\n",
     ":5:5: unknown key 'aliasses'\n  fix: did you mean 'aliases'?"),
    ("contracts/events", COLUMN, ":1:1: columns: no column has the role 'event_name'"),
    ("contracts/events", COLUMN.replace("client_id", "client"),
     ":3:5: column 'id', role: should be 'client_id', "),
    ("rules/check", f"{RULE}check: file_emty\n",
     ":4:5: rule 'one': unknown check 'file_emty'\n  fix: did you mean 'file_empty'?"),
    ("rules/check", f"{RULE}chek: file_empty\n",
     ":4:5: unknown key 'chek'\n  fix: did you mean 'check'?"),
    ("rules/check", f"{RULE}check: client_missing\n    action: quarantine_rows\n",
     ":5:5: rule 'one': client_missing cannot quarantine rows"),
    ("rules/check", "rules:\n  - id: one\n    check: file_empty\n",
     ":2:5: rule 'one', severity: is required"),
    ("rules/check", RULE.replace("P1", "P9") + "check: file_empty\n",
     ":3:5: rule 'one', severity: should be 'P0', 'P1', 'P2' or 'P3' (got 'P9')"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "text", "sentence"), MISTAKES)
def test_a_mistake_is_refused_where_it_stands(
    file: str, text: str, sentence: str, home: Path
) -> None:
    """Unknown keys and wrong values are named by file, line and column, with the likely cure."""
    said = refused(home, **{file.replace("/", "__"): text})
    assert said.startswith(f"{file}.yml{sentence}"), said


SOUND = "    layer: health\n    method: count\n    metric: sessions\n"
WATCH_MISTAKES = [
    ("    layer: helth\n", ":4:5: rule 'one', layer: should be 'health', 'quality' or 'business'"),
    ("    layer: health\n    methd: count\n",
     ":5:5: unknown key 'methd'\n  fix: did you mean 'method'?"),
    ("    layer: health\n    method: count\n",
     ":2:5: rule 'one' judges by count but names no metric"),
    ("    layer: health\n    method: count\n    metric: sesions\n",
     ":6:5: rule 'one': there is no metric 'sesions'\n  fix: did you mean 'sessions'?"),
    (f"{SOUND}    depends_on: [rows, page_view, purchase.tax, client_id, refferer]\n",
     ":7:60: rule 'one': there is no metric, column or field 'refferer'\n  fix: did you mean 'ref"),
    ("    layer: health\n    metric: sessions\n",
     ":2:5: rule 'one' is deterministic but has no metric and threshold"),
    (f"{SOUND}promotions: [{{name: sale, start: '2031-05-09', end: '2031-05-02'}}]\n",
     ":7:48: promotion 'sale' ends before it starts"),
    (f"{SOUND}promotions: [{{name: sale, start: 'soon', end: '2031-05-02'}}]\n",
     ":7:27: promotion 'sale': "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WATCH_MISTAKES)
def test_a_mistake_in_the_rules_of_the_watch(
    text: str, sentence: str, ran: Path, tmp_path: Path
) -> None:
    """No rule of the watch is skipped in silence: what it cannot mean is refused."""
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE.rstrip(" ") + text, encoding="utf-8")
    said = call(
        "monitor", "--warehouse", ran / "warehouse", "--rules", rules, "--output", tmp_path / "out"
    )
    assert said.code == 2
    assert said.err.startswith(f"tallymark: {rules}{sentence}"), said.err


def test_settings_in_another_encoding(home: Path) -> None:
    """A file that is not UTF-8 is named, with the cure."""
    (home / "tallymark.yml").write_bytes("shop: {name: Café}\n".encode("latin-1"))
    said = refused(home)
    assert said.startswith("tallymark.yml: cannot be read: ")
    assert said.endswith("  fix: save it as UTF-8 text\n")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--rules", "no such rules file"),
        ("--config", "no such configuration file"),
        ("--project", "no such project folder"),
    ],
)
def test_a_file_that_was_asked_for_must_be_there(
    option: str, sentence: str, home: Path, tmp_path: Path
) -> None:
    """What is given by name is never replaced by a default in silence."""
    said = call("check", "--input", home / "raw", option, tmp_path / "lost.yml")
    assert said.code == 2
    assert said.err == f"tallymark: {tmp_path / 'lost.yml'}: {sentence}\n"


# ---------------------------------------------------------------- the command line

USAGE = [
    (["runn"], "No such command 'runn'. Did you mean 'run'?", "tallymark"),
    (["chek", "--input", "x"], "No such command 'chek'. Did you mean 'check'?", "tallymark"),
    (["zzzzzz"], "No such command 'zzzzzz'.", "tallymark"),
    (["demo", "mak", "x"], "No such command 'mak'. Did you mean 'make'?", "tallymark demo"),
    (["run", "--threds", "2"], "No such option '--threds'. Did you mean '--threads'?",
     "tallymark run"),
    (["run", "extra"], "Got unexpected extra argument (extra)", "tallymark run"),
    (["run", "--fail-on", "maybe"], "'maybe' is not one of 'error', 'warn', 'never'.",
     "tallymark run"),
    (["run", "--threads", "0"], "0 is not in the range 1<=x<=256.", "tallymark run"),
    (["run", "--memory-limit", "lots"], "'lots' is no amount of memory; write it as 500MB or 2GB",
     "tallymark run"),
    (["monitor", "--date", "2031-02-31"], "'2031-02-31' is no day; write it as 2026-01-31",
     "tallymark monitor"),
    (["monitor", "--date", "yesterday"], "'yesterday' is no day", "tallymark monitor"),
    (["report", "--date", "05/05/2031"], "'05/05/2031' is no day", "tallymark report"),
    (["monitor", "--expected-run-date", ""], "'' is no day", "tallymark monitor"),
    (["init"], "Missing argument 'DIRECTORY'.", "tallymark init"),
    (["init", "x"], "Missing option '--from'.", "tallymark init"),
    (["demo", "make", "x", "--days", "0"], "0 is not in the range 1<=x<=1000.",
     "tallymark demo make"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence", "command"), USAGE)
def test_a_wrong_command_line(
    words: list[str], sentence: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one sentence in the form of every other error, and where to look."""
    monkeypatch.chdir(tmp_path)
    said = call(*words)
    assert said.code == 2
    first, second = said.err.splitlines()
    assert sentence in first
    assert second == f"  fix: see `{command} --help`"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("incident", "sentence"),
    [
        ("colum_renamed@2", "did you mean 'column_renamed'?"),
        ("outage@9", "the shop has no day 9"),
        ("outage", "the day is missing"),
    ],
)
def test_an_incident_that_cannot_be_planted(incident: str, sentence: str, tmp_path: Path) -> None:
    """The simulator says which incident it could not understand, and writes nothing."""
    said = call("demo", "make", tmp_path / "shop", "--days", 3, "--incident", incident)
    assert said.code == 2
    assert f"--incident {incident}" in said.err
    assert sentence in said.err
    assert not (tmp_path / "shop").exists()


# ---------------------------------------------------------------- warehouses


@pytest.mark.parametrize("command", ["monitor", "report"])
@pytest.mark.parametrize("kind", ["missing", "empty", "a-file"])
def test_no_warehouse_there(command: str, kind: str, tmp_path: Path) -> None:
    """Without a catalog or exports there is nothing to judge, and what to run first is said."""
    folder = tmp_path / "warehouse"
    if kind == "empty":
        folder.mkdir()
    if kind == "a-file":
        folder.write_text("mine", encoding="utf-8")
    said = call(command, "--warehouse", folder, "--output", tmp_path / "reports")
    assert said.code == 2
    assert said.err == (
        f"tallymark: {folder}: no warehouse here\n  fix: run `tallymark build` first\n"
    )
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("command", ["monitor", "report", "build"])
def test_a_catalog_that_is_none(command: str, ran: Path, home: Path) -> None:
    """A damaged catalog is named, and a build that would need it says how to get over it."""
    folder = home / "warehouse"
    shutil.copytree(ran / "warehouse", folder)
    (folder / "tallymark.duckdb").write_bytes(b"junk" * 1000)
    where = ["--output", folder] if command == "build" else ["--warehouse", folder]
    given = ["--input", home / "raw"] if command == "build" else ["--output", home / "reports"]
    said = call(command, *given, *where)
    assert said.code == 2
    assert "the catalog cannot be read" in said.err
    assert "fix: delete it and run `tallymark build` again" in said.err
    (folder / "tallymark.duckdb").unlink()
    assert call("build", "--input", home / "raw", "--output", folder).code == 0


@pytest.mark.parametrize("command", ["monitor", "report"])
def test_exports_that_are_none(command: str, tmp_path: Path) -> None:
    """Tables that a build did not write are refused in a sentence that names the folder."""
    for name in ("sessions", "orders", "attribution"):
        (tmp_path / f"fct_{name}.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    said = call(command, "--warehouse", tmp_path, "--output", tmp_path / "reports")
    assert said.code == 2
    assert said.err.startswith(f"tallymark: {tmp_path}: these exports cannot be read: ")
    (tmp_path / "fct_orders.csv").unlink()
    assert call("monitor", "--warehouse", tmp_path, "--output", tmp_path / "reports").code == 2


def test_a_day_before_the_first(ran: Path, tmp_path: Path) -> None:
    """A day that nothing is known of is refused by the watch and by the brief alike."""
    given = ["--warehouse", ran / "warehouse", "--output", tmp_path, "--date", "2020-01-01"]
    watch, brief = call("monitor", *given), call("report", *given)
    assert (watch.code, brief.code) == (2, 2)
    assert "2020-01-01 lies before the first day, 2026-01-05" in watch.err
    assert "there is nothing to report up to 2020-01-01" in brief.err
    assert not list(tmp_path.iterdir())


def test_a_day_in_the_future(ran: Path, tmp_path: Path) -> None:
    """A day that has no delivery yet is a finding: the delivery is missing."""
    said = call(
        "monitor", "--warehouse", ran / "warehouse", "--output", tmp_path, "--date", "2030-01-01"
    )
    assert said.code == 1
    assert "There is no delivery for Tue 1 Jan 2030" in said.out
    report = json.loads((tmp_path / "monitoring_report.json").read_text(encoding="utf-8"))
    assert (report["date"], report["status"]) == ("2030-01-01", "RED")


@pytest.mark.parametrize("command", ["run", "build"])
def test_two_runs_at_once(command: str, home: Path) -> None:
    """The second is told who holds the warehouse and changes nothing; the first goes on."""
    warehouse = Warehouse(home / "warehouse")
    output = home if command == "run" else home / "warehouse"
    with warehouse.hold("run"):
        before = contents(home)
        said = call(command, "--input", home / "raw", "--output", output)
        assert contents(home) == before
    assert said.code == 2
    assert "another run holds this warehouse (`tallymark run`, process " in said.err
    assert "fix: wait for it to end, then run again; nothing was changed" in said.err
    assert call(command, "--input", home / "raw", "--output", output).code == 0
    read = ["--warehouse", home / "warehouse", "--output", home / "reports"]
    with warehouse.hold("run"):
        assert call("monitor", *read).code == 0


def test_memory_that_does_not_suffice(home: Path) -> None:
    """Too small a limit is said in a sentence that names the limit."""
    said = call("run", "--input", home / "raw", "--output", home / "out", "--memory-limit", "1MB")
    assert said.code == 2
    assert said.err.startswith("tallymark: the work does not fit into the memory limit\n")
