"""The quarantine: no byte is lost, whatever comes after."""

from __future__ import annotations

import io
import json
import os
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallymark.check.quarantined import quarantine
from tallymark.check.quarantined.quarantine import Quarantine, Row, hopeless
from tallymark.check.quarantined.rowfile import RowFile, read_records
from tallymark.config import Quarantine as Kept
from tallymark.engine.digest import file_digest
from tallymark.results import Verdict
from tests.check.judging import Shop
from tests.ingest.making import COLUMNS, as_csv, as_parquet, event

DAY = "2031-05-05.csv"
SOUND = [event(client_id=f"c-{number}") for number in range(6)]
LATE = event(timestamp="soon")


def _quarantine(shop: Shop) -> Quarantine:
    return Quarantine(shop.quarantine)


def _rows(shop: Shop, key: str = DAY) -> list[Row]:
    return list(_quarantine(shop).read_rows(key))


def _files(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


# ---------------------------------------------------------------- bytes


@given(st.lists(st.tuples(st.binary(max_size=80), st.text(max_size=20)), min_size=1, max_size=8))
@example([(b'\xff\x00",\n"\r\r\n', 'the "reason", here\n')])
def test_every_byte_can_be_read_back(rows: list[tuple[bytes, str]]) -> None:
    """Rows of any bytes at all come back as they were written, with their reasons."""
    with TemporaryDirectory() as folder:
        file = RowFile(Path(folder) / "rows.csv", 'a "key", of\nodd signs')
        for line, (original, reason) in enumerate(rows, start=2):
            file.add(line, "broken_row", reason, original)
        file.close()
        found = list(read_records(io.BytesIO(file.path.read_bytes())))
    assert [(line, original) for line, _, _, original in found] == [
        (line, original) for line, (original, _) in enumerate(rows, start=2)
    ]
    assert [reason for _, _, reason, _ in found] == [reason for _, reason in rows]
    assert file.count == len(rows)


@settings(max_examples=12)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), st.integers(0, 5))
@example([b"\xff,\x00", b'"', b"a,b\r\r"], 2)
def test_the_gate_keeps_the_bytes_of_every_bad_line(lines: list[bytes], place: int) -> None:
    """Whatever stands in the way of the rows is in quarantine to the byte, and all rows add up."""
    sound = as_csv(SOUND).splitlines(keepends=True)
    bad = [line.replace(b"\n", b"|") + b"\n" for line in lines]
    content = b"".join([*sound[: place + 1], *bad, *sound[place + 1 :]])
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        report = shop.one(content)
        assert report.rows_read == report.rows_accepted + report.rows_quarantined
        kept = _rows(shop)
    assert len(kept) == report.rows_quarantined
    physical = content.split(b"\n")
    for row in kept:
        rest = b"\n".join(physical[row.line - 1 :])
        assert rest.startswith(row.original)
        assert rest.removeprefix(row.original).startswith((b"\n", b"\r\n"))


def test_rows_that_run_over_lines_are_whole(shop: Shop) -> None:
    """A rejected record with line ends, quotes and a bare carriage return in it is kept exactly."""
    odd = event(timestamp="soon", user_agent='one "x"\r\ntwo\nthree')
    content = as_csv([SOUND[0], odd, SOUND[1]], end="\r\n") + b"broken\r\r\n"
    shop.one(content)
    first, second = _rows(shop)
    assert content.split(as_csv(SOUND[:1], end="\r\n"))[1].startswith(first.original + b"\r\n")
    assert first.original.endswith(b'three"')
    assert second.original == b"broken\r"


def test_rows_of_a_parquet_file_keep_their_values(shop: Shop, tmp_path: Path) -> None:
    """A row of a Parquet file has no bytes of its own; its values are kept as JSON."""
    values = ", ".join(f"'{LATE[name]}' as {name}" for name in COLUMNS)
    sound = ", ".join(f"'{SOUND[0][name]}' as {name}" for name in COLUMNS)
    shop.one(as_parquet(tmp_path, f"select {sound} union all select {values}"), "d.parquet")
    (row,) = _rows(shop, "d.parquet")
    assert json.loads(row.original)["timestamp"] == "soon"
    assert row.rule == "time_unparseable"


def test_a_rule_can_be_asked_for_alone(shop: Shop) -> None:
    """Rows by rule, and none of a delivery that has none."""
    shop.one(as_csv([*SOUND, LATE, event(event_name="")]))
    quarantine = _quarantine(shop)
    assert [row.line for row in quarantine.read_rows(DAY, "event_name_missing")] == [9]
    assert list(quarantine.read_rows("nothing.csv")) == []


# ---------------------------------------------------------------- whole deliveries


def test_a_refused_delivery_is_copied(shop: Shop) -> None:
    """Overwritten in place, then deleted: the refused bytes are still here."""
    bad = as_csv(SOUND, [name for name in COLUMNS if name != "client_id"])
    delivery = shop.put(bad)
    shop.check()
    delivery.path.write_bytes(b"something else")
    delivery.path.unlink()
    note = _quarantine(shop).note(DAY)
    assert note is not None
    copy = _quarantine(shop).kept_copy(note)
    assert copy is not None
    assert copy.read_bytes() == bad
    assert note["refusals"][0]["rule"] == "column_unusable"
    assert not note["refusals"][0].get("hopeless")


def test_a_large_delivery_is_noted_only(shop: Shop) -> None:
    """Above the limit there is no copy, and the note says so and how large it was."""
    delivery = shop.put(b"x" * 50)
    quarantine = Quarantine(shop.quarantine, keep_up_to=49)
    quarantine.keep_delivery(delivery, "v" * 64, [])
    note = quarantine.note(DAY)
    assert note is not None
    assert note.get("file") is None
    assert "only this note: the file has 50 bytes" in note["kept"]
    assert _files(shop.quarantine) == [f"deliveries/{DAY}.json"]


@pytest.mark.parametrize(("text", "size"), [("256MB", 256_000_000), ("1.5 GiB", 1_610_612_736)])
def test_the_limit_is_a_size(text: str, size: int) -> None:
    """Sizes are written as the engine's memory limit is."""
    assert Kept(keep_files_up_to=text).keep_bytes == size


# ---------------------------------------------------------------- history


def test_what_a_corrected_delivery_replaces_is_history(shop: Shop) -> None:
    """Rows, notes and copies of earlier versions move to the history; not one of them vanishes."""
    shop.one(as_csv([*SOUND, LATE]))
    first = (shop.quarantine / "rows" / DAY).with_suffix(".csv.csv").read_bytes()
    assert shop.one(as_csv(SOUND)).verdict is Verdict.PASS
    assert _rows(shop) == []
    assert _quarantine(shop).notes() == []
    shop.one(b"")
    shop.one(as_csv(SOUND))
    past = [one for one in _files(shop.quarantine) if one.startswith("history/")]
    assert sorted(Path(one).name for one in past) == ["delivery.json", "rows.csv", "rows.json"]
    assert any((shop.quarantine / one).read_bytes() == first for one in past)
    assert [one for one in _files(shop.quarantine) if one.startswith("files/")]


@pytest.mark.parametrize("content", [b"", as_csv([*SOUND, LATE])])
def test_another_process_may_be_faster(
    content: bytes, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check beside a run moves the same files to the history: neither trips over the other."""
    shop.one(content)
    there = {one for one in _files(shop.quarantine) if not one.startswith("files/")}

    def moved(path: Path) -> str:
        digest = file_digest(path)
        path.unlink()
        return digest

    monkeypatch.setattr(quarantine, "file_digest", moved)
    assert shop.one(as_csv(SOUND)).verdict is Verdict.PASS
    assert there.isdisjoint(_files(shop.quarantine))


@pytest.mark.parametrize("content", [b"", as_csv([*SOUND, LATE])])
def test_a_quarantine_that_cannot_be_written_is_named(content: bytes, shop: Shop) -> None:
    """Not the delivery, which is fine."""
    shop.quarantine.write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match=re.escape(str(shop.quarantine))):
        shop.one(content)


@pytest.mark.parametrize("content", [b"\xda", b"{", b""])
def test_a_note_that_was_written_into_is_written_anew(shop: Shop, content: bytes) -> None:
    """Whatever stands in the file of a note, the next check makes it what it was."""
    shop.put(as_csv(SOUND) + b"x\n", "2031-05-05.csv")
    shop.check()
    (note,) = (shop.quarantine / "rows").glob("*.json")
    before = note.read_bytes()
    note.write_bytes(content)
    shop.check()
    assert note.read_bytes() == before


def test_what_a_killed_run_left_unfinished_goes(shop: Shop) -> None:
    """A day later nobody writes there any more; what was begun just now is somebody else's."""
    shop.one(as_csv(SOUND))
    aside = shop.quarantine / ".unfinished"
    aside.mkdir(parents=True)
    for name, age in (("1-old.csv", 2 * 86_400), ("1-new.csv", 60)):
        (aside / name).write_text("c-1001")
        then = time.time() - age
        os.utime(aside / name, (then, then))
    shop.check()
    assert [one.name for one in aside.iterdir()] == ["1-new.csv"]


def test_judging_again_leaves_the_quarantine_alone(shop: Shop) -> None:
    """The same rows kept out for the same reasons: the same files, and no history."""
    shop.one(as_csv([*SOUND, LATE]))
    before = _files(shop.quarantine)
    assert shop.check(program="1").judged_now == 1
    assert _files(shop.quarantine) == before


@pytest.mark.parametrize("content", [b"", as_csv([*SOUND, LATE])])
def test_a_quarantine_that_is_gone_is_made_again(shop: Shop, content: bytes) -> None:
    """Somebody deletes the files: the next run notices, and writes them again."""
    shop.one(content)
    before = {one: (shop.quarantine / one).read_bytes() for one in _files(shop.quarantine)}
    for one in before:
        (shop.quarantine / one).unlink()
    assert shop.check().judged_now == 1
    assert before == {one: (shop.quarantine / one).read_bytes() for one in _files(shop.quarantine)}
    assert shop.check().judged_now == 0


def test_a_damaged_note_is_no_note(shop: Shop) -> None:
    """Half a note, or something else, is not believed; the next run writes it anew."""
    shop.one(as_csv([*SOUND, LATE]))
    note = shop.quarantine / "rows" / f"{DAY}.json"
    for text in ("{", "[]", '{"delivery": 1}'):
        note.write_text(text, encoding="utf-8")
        assert _quarantine(shop).notes() == []
        assert shop.check().judged_now == 1
        assert len(_quarantine(shop).notes()) == 1


@pytest.mark.parametrize(
    ("check", "roles", "never"),
    [
        ("file_empty", (), True), ("file_day", (), False), ("broken_row", (), True),
        ("column_unusable", ("timestamp",), True), ("column_unusable", ("client_id",), False),
        ("event_name_missing", (), False),
    ],
)  # fmt: skip
def test_what_can_never_be_let_in(check: str, roles: tuple[str, ...], *, never: bool) -> None:
    """What has no rows, or rows without a time, stays out, with the reason as a sentence."""
    assert bool(hopeless(check, roles)) == never
