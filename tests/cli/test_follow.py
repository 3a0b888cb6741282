"""`tallymark check --follow` as a process of its own, with files that others write and rename."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.calling import call, delivery

DAYS = [f"events_2031050{day}.csv" for day in range(5, 9)]
FAST = ("--poll-interval", "0.02", "--poll-settle", "2", "--json")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")


@contextmanager
def _following(
    raw: Path, *more: object, called: Sequence[object] = ()
) -> Iterator[subprocess.Popen[str]]:
    folder = called or ("--follow", raw)
    words = ("check", *folder, "--output", raw.parent / "reports", *FAST, *more)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tallymark", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            child.kill()


def _next(child: subprocess.Popen[str], event: str) -> Any:
    """The next line of a kind that the process says; it is waited for as long as it takes."""
    stream: IO[str] | None = child.stdout
    assert stream is not None
    for line in stream:
        told = json.loads(line)
        if told["event"] == event:
            return told.get("report") or told.get("finding")
    message = f"it ended: {child.stderr.read() if child.stderr else ''}"
    raise AssertionError(message)


def _end(child: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    child.send_signal(number)
    _, err = child.communicate()
    return child.returncode, err


def test_files_are_judged_as_they_become_complete(tmp_path: Path) -> None:
    """Written slowly, renamed, replaced, broken: each is judged whole; a P0 is said at once."""
    raw = tmp_path / "raw"
    delivery(raw / DAYS[0])
    whole = delivery(tmp_path / "whole.csv", "2031-05-06").read_bytes()
    with _following(raw) as child:
        assert _next(child, "verdict")["delivery"] == DAYS[0]
        with (raw / DAYS[1]).open("wb") as stream:
            for byte in range(0, len(whole), 200):
                stream.write(whole[byte : byte + 200])
                stream.flush()
            # Under a name of unfinished work another file waits for its turn.
            delivery(raw / "events.part", "2031-05-07")
        # A reader of half a file would have judged it more than once.
        report = _next(child, "verdict")
        while report["rows_read"] < 12:
            report = _next(child, "verdict")
        assert (report["delivery"], report["verdict"]) == (DAYS[1], "PASS")
        (raw / "events.part").replace(raw / DAYS[2])
        assert _next(child, "verdict")["delivery"] == DAYS[2]
        (raw / ".broken").write_bytes(b"PK\x03\x04 no csv")
        (raw / ".broken").replace(raw / DAYS[3])
        alert = _next(child, "alert")
        assert (alert["severity"], alert["rule"]) == ("P0", "file_kind")
        assert _next(child, "verdict")["verdict"] == "STOP"
        known = json.loads((tmp_path / "reports" / "dq_report.json").read_text(encoding="utf-8"))
        assert [one["delivery"] for one in known["deliveries"]] == DAYS
        code, err = _end(child)
    assert code == 1
    assert "P0 " in err
    assert "Traceback" not in err


def test_following_ends_with_the_code_of_what_was_seen(tmp_path: Path) -> None:
    """Nothing wrong so far: stopping it is no failure, whichever signal it is."""
    raw = tmp_path / "raw"
    delivery(raw / DAYS[0])
    with _following(raw, called=("--input", raw, "--follow")) as child:
        assert _next(child, "verdict")["verdict"] == "PASS"
        assert _end(child, signal.SIGTERM) == (0, "")


def test_followed_deliveries_land_as_a_build_would_land_them(tmp_path: Path) -> None:
    """With a warehouse the rows are kept: the build that follows judges nothing again."""
    raw, warehouse = tmp_path / "raw", tmp_path / "warehouse"
    delivery(raw / DAYS[0])
    with _following(raw, "--warehouse", warehouse) as child:
        assert _next(child, "verdict")["delivery"] == DAYS[0]
        assert _end(child)[0] == 0
    ledger = list((warehouse / "ledger" / "deliveries").iterdir())
    before = [path.read_bytes() for path in ledger]
    assert call("build", "--input", raw, "--output", warehouse).code == 0
    assert [path.read_bytes() for path in ledger] == before


def test_only_a_folder_is_followed(tmp_path: Path) -> None:
    """A file is refused in a sentence."""
    path = delivery(tmp_path / DAYS[0])
    said = call("check", "--input", path, "--output", tmp_path / "reports", "--follow")
    assert said.code == 2
    assert "only a folder can be followed" in said.err
    again = call("check", "--follow", path, "--output", tmp_path / "reports")
    assert (again.code, again.err) == (2, said.err)


@pytest.mark.parametrize(("given", "code"), [("0", 0), ("no", 0), ("1", 2), ("true", 2)])
def test_following_may_be_switched_on_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, code: int
) -> None:
    """In the environment it is a switch, or a folder: a single file is judged, not followed."""
    path = delivery(tmp_path / DAYS[0])
    monkeypatch.setenv("TALLYMARK_FOLLOW", given)
    assert call("check", "--input", path, "--output", tmp_path / "reports").code == code
