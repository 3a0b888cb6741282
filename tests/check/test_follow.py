"""Following a folder: what is complete is judged, at once and once; what is not waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallymark.check.follow import Folder, Listener, follow
from tallymark.errors import InputError, UsageError, WarehouseBusyError
from tallymark.ingest.deliveries import Delivery
from tallymark.results import CheckResult, DeliveryReport, Finding, Layer, Severity, Status, Verdict

SETTLE = 2


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def _ready(folder: Folder) -> list[str]:
    """What is complete at this look; it is taken for judged."""
    found = folder.look()
    for one in found:
        folder.done(one)
    return [one.key for one in found]


def test_a_file_is_complete_when_it_stays_the_same(raw: Path) -> None:
    """Every byte that is added starts the waiting anew; once judged, it is not ready again."""
    folder, path = Folder(raw, settle=SETTLE), raw / "2031-05-05.csv"
    path.write_bytes(b"a")
    assert _ready(folder) == []
    with path.open("ab") as stream:
        stream.write(b"b")
    assert _ready(folder) == []
    assert _ready(folder) == [path.name]
    assert _ready(folder) == []


@pytest.mark.parametrize(
    "name", ["2031-05-05.csv.tmp", "2031-05-05.csv.part", "x.crdownload", ".2031-05-05.csv"]
)
def test_a_rename_completes_a_file_at_once(name: str, raw: Path) -> None:
    """Under a name of unfinished work a file waits for ever; its new name needs no waiting."""
    folder = Folder(raw, settle=SETTLE)
    (raw / name).write_bytes(b"a")
    assert [_ready(folder) for _ in range(4)] == [[]] * 4
    (raw / name).replace(raw / "2031-05-05.csv")
    assert _ready(folder) == ["2031-05-05.csv"]


def test_a_replaced_file_is_judged_again(raw: Path) -> None:
    """Another file under a known name, of the same size even, is ready when it is complete."""
    folder, path = Folder(raw, settle=SETTLE), raw / "2031-05-05.csv"
    path.write_bytes(b"a")
    assert [_ready(folder) for _ in range(3)] == [[], [path.name], []]
    other = raw / ".other"
    other.write_bytes(b"b")
    os.utime(other, ns=(1, 1))
    assert _ready(folder) == []
    other.replace(path)
    assert _ready(folder) == [path.name]
    path.unlink()
    assert _ready(folder) == []
    assert not folder.has(path.name)


def test_an_empty_file_is_given_more_time(raw: Path) -> None:
    """Most files begin empty; one that stays so is judged in the end."""
    folder = Folder(raw, settle=SETTLE)
    (raw / "2031-05-05.csv").touch()
    looks = [_ready(folder) for _ in range(30)]
    assert looks.index(["2031-05-05.csv"]) > SETTLE * 2


def test_folders_inside_are_looked_at_and_links_are_not_walked(raw: Path) -> None:
    """Deliveries of inner folders, oldest day first; a link that leads back ends nothing."""
    folder = Folder(raw, settle=1)
    for name in ("b/2031-05-06.csv", "2031-05-05.csv", "notes.txt", "_hidden/2031-05-01.csv"):
        path = raw / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a")
    (raw / "b" / "loop").symlink_to(raw, target_is_directory=True)
    assert _ready(folder) == ["2031-05-05.csv", "b/2031-05-06.csv"]


def test_a_name_that_is_no_text_is_said(raw: Path) -> None:
    """A file whose name is not UTF-8 is left where it is, and the others are judged."""
    (raw / "2031-05-05.csv").write_bytes(b"a")
    try:
        (raw / os.fsdecode(b"\xff.csv")).write_bytes(b"a")
    except OSError:
        pytest.skip("file names are text on this file system")
    folder = Folder(raw, settle=1)
    assert _ready(folder) == ["2031-05-05.csv"]
    assert "not UTF-8" in folder.trouble


# ---------------------------------------------------------------- the course


class _Ears:
    """Hears everything, and stops when it has heard enough."""

    def __init__(self, enough: int) -> None:
        self.stop = threading.Event()
        self.heard: list[str] = []
        self.enough = enough
        self.listener = Listener(
            verdict=lambda one: self.hear(f"{one.verdict} {one.delivery}"),
            notify=lambda one: self.hear(f"P0 {one.message}"),
            trouble=lambda text: self.hear(f"trouble {text}"),
        )

    def hear(self, text: str) -> None:
        self.heard.append(text)
        if len(self.heard) >= self.enough:
            self.stop.set()


def _result(deliveries: Sequence[Delivery], severity: Severity) -> CheckResult:
    one = Finding(id="a", layer=Layer.QUALITY, severity=severity, message="it broke", since="")
    reports = [
        DeliveryReport(
            delivery=delivery.key, date=None, version="v", verdict=Verdict.WARN, score=60,
            rows_read=1, rows_accepted=1, rows_quarantined=0, rows_repeated=0, columns=[],
            contract_version="1", findings=[one],
        )
        for delivery in deliveries
    ]  # fmt: skip
    return CheckResult(status=Status.RED, deliveries=reports, contract_version="1")


def test_a_p0_is_said_before_its_verdict(raw: Path) -> None:
    """Who listens hears the P0 at once, and each delivery of a batch by itself."""
    for name in ("2031-05-05.csv", "2031-05-06.csv"):
        (raw / name).write_bytes(b"a")
    ears = _Ears(4)
    status = follow(
        Folder(raw, settle=1), lambda some: _result(some, Severity.P0), ears.listener,
        stop=ears.stop, interval=0,
    )  # fmt: skip
    assert status is Status.RED
    assert ears.heard == [
        "P0 it broke", "WARN 2031-05-05.csv", "P0 it broke", "WARN 2031-05-06.csv"
    ]  # fmt: skip


def test_what_cannot_be_judged_does_not_hold_up_the_rest(raw: Path) -> None:
    """One delivery that fails is said once and tried later; the other one is judged; RED."""
    for name in ("2031-05-05.csv", "2031-05-06.csv"):
        (raw / name).write_bytes(b"a")
    ears = _Ears(2)

    def judge(some: Sequence[Delivery]) -> CheckResult:
        if some[0].key == "2031-05-05.csv":
            raise InputError("cannot be read", where=some[0].key)
        return _result(some, Severity.P3)

    status = follow(Folder(raw, settle=1), judge, ears.listener, stop=ears.stop, interval=0)
    assert ears.heard == ["trouble 2031-05-05.csv: cannot be read", "WARN 2031-05-06.csv"]
    assert status is Status.RED


def test_a_warehouse_that_is_held_is_waited_for(raw: Path) -> None:
    """While another run holds the warehouse the delivery waits; that is said once."""
    (raw / "2031-05-05.csv").write_bytes(b"a")
    ears = _Ears(2)
    tries: list[int] = []

    def judge(some: Sequence[Delivery]) -> CheckResult:
        tries.append(1)
        if len(tries) < 4:
            raise WarehouseBusyError("another run holds it")
        return _result(some, Severity.P3)

    follow(Folder(raw, settle=1), judge, ears.listener, stop=ears.stop, interval=0)
    assert ears.heard == ["trouble another run holds it", "WARN 2031-05-05.csv"]


def test_a_folder_that_goes_away_is_waited_for(raw: Path) -> None:
    """A network that is down is said once; what was there before is not judged again after."""
    (raw / "2031-05-05.csv").write_bytes(b"a")
    ears = _Ears(3)
    away = raw.with_name("away")

    class Shy(Folder):
        """A folder that is away for some looks after the first."""

        looks = 0

        def look(self) -> list[Delivery]:
            self.looks += 1
            if self.looks == 2:
                raw.rename(away)
            if self.looks == 5:
                away.rename(raw)
                (raw / "2031-05-06.csv").write_bytes(b"a")
            return super().look()

    follow(
        Shy(raw, settle=1), lambda some: _result(some, Severity.P3), ears.listener,
        stop=ears.stop, interval=0,
    )  # fmt: skip
    assert [one.split()[0] for one in ears.heard] == ["WARN", "trouble", "WARN"]
    assert ears.heard[2] == "WARN 2031-05-06.csv"


def test_only_a_folder_can_be_followed(raw: Path) -> None:
    """A file or a pattern is refused in a sentence."""
    with pytest.raises(UsageError, match="only a folder"):
        follow(
            Folder(raw / "*.csv"), lambda some: _result(some, Severity.P3), _Ears(1).listener,
            stop=threading.Event(),
        )  # fmt: skip
