"""A delivery that changes while it is read is read again, never judged by half."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.check.counting.facts import measure
from tallymark.check.steady import TRIES, Changed, Witness
from tallymark.engine.digest import file_digest
from tallymark.results import Severity, Verdict
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event

DAY = "2031-05-05.csv"
OLD, NEW = as_csv([event()] * 3), as_csv([event(client_id="c-2")] * 5)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallymark.check.gate.PAUSE", 0)


def _meddle(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, int], None]) -> None:
    """Have somebody write to the delivery each time right after it was read."""
    times = [0]

    def meddled(engine: Any, delivery: Any, *rest: Any) -> Any:
        times[0] += 1
        change(delivery.path, times[0])
        return measure(engine, delivery, *rest)

    monkeypatch.setattr("tallymark.check.gate.measure", meddled)


def _rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(".aside")
    aside.write_bytes(content)
    aside.replace(path)


@pytest.mark.parametrize("how", [_rewrite, _replace])
def test_a_delivery_replaced_while_it_is_read_is_judged_again(
    how: Callable[[Path, bytes], None], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overwritten or replaced once: the verdict is on the new bytes alone."""

    def once(path: Path, times: int) -> None:
        if times == 1:
            how(path, NEW)

    _meddle(monkeypatch, once)
    report = shop.one(OLD)
    assert report.rows_read == 5
    assert report.version == file_digest(shop.raw / DAY)
    assert shop.check().judged_now == 0


def test_half_a_delivery_leaves_no_trace(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows kept out of bytes that were gone a moment later are in no quarantine."""

    def once(path: Path, times: int) -> None:
        if times == 1:
            _rewrite(path, NEW)

    _meddle(monkeypatch, once)
    shop.one(as_csv([event(timestamp="soon")]))
    assert not shop.quarantine.exists()


def test_a_delivery_that_never_stays_the_same_is_a_finding(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries it is refused with a P0 that says why, and judged again the next time."""
    seen: list[int] = []

    def always(path: Path, times: int) -> None:
        seen.append(times)
        with path.open("ab") as stream:
            stream.write(as_csv([event()]).split(b"\n", 1)[1])

    _meddle(monkeypatch, always)
    report = shop.one(OLD)
    assert len(seen) == TRIES
    assert report.verdict is Verdict.STOP
    (found,) = report.findings
    assert (found.id, found.severity) == ("file_changing", Severity.P0)
    monkeypatch.undo()
    (after,) = shop.check().deliveries
    assert (after.rows_accepted, after.version) == (3 + TRIES, file_digest(shop.raw / DAY))
    assert not (shop.quarantine / "files").exists()


def test_a_change_that_leaves_no_mark_is_seen_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the clock's coarsest step a file of the same size is compared by its bytes."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"one")
    place = "tallymark.check.steady"
    monkeypatch.setattr(f"{place}._marks", lambda _path: (1, 3, path.stat().st_mtime_ns, 0))
    monkeypatch.setattr(f"{place}.time.time_ns", lambda: path.stat().st_mtime_ns)
    witness = Witness(path)
    witness.version = file_digest(path)
    witness.sure()
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Changed):
        witness.sure()


def test_a_delivery_that_is_gone_has_changed(tmp_path: Path) -> None:
    """A file that vanished is not the same any more."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"one")
    witness = Witness(path)
    path.unlink()
    with pytest.raises(Changed):
        witness.sure()
