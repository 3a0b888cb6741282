"""Letting in and leaving out: without loss, without doubles, and the same however it came about."""

from __future__ import annotations

import contextlib
import csv
import random
import shutil
from pathlib import Path

import pytest

from tallymark.check.quarantined.held import Held, held
from tallymark.check.quarantined.quarantine import Quarantine
from tallymark.check.quarantined.release import Outcome
from tallymark.check.quarantined.settle import DISCARD, RELEASE, Settlements, lines_of
from tallymark.check.quarantined.shown import escaped, shown
from tallymark.decisions import append, read
from tallymark.errors import ConfigError, UsageError
from tallymark.ingest.landing_sql import REJECTED, rows_of
from tallymark.package import shipped
from tallymark.project import Project
from tallymark.results import DeliveryReport, Severity, Verdict
from tests.build.shop import COLUMNS, HOUR, Event, Shop, cart, order, view
from tests.cli.calling import call
from tests.ingest.making import queried

ROWS, WHOLE, EMPTY = "events_20310505.csv", "events_20310506.csv", "events_20310507.csv"
REFUSED, NAMELESS, TIMELESS = "column_unusable", "event_name_missing", "time_unparseable"
DAY = 24 * HOUR


def _events(day: int) -> list[Event]:
    start = day * DAY
    return [view(start + HOUR * number, f"client{number % 4}") for number in range(8)] + [
        cart(start + 9 * HOUR), order(start + 10 * HOUR, number=f"L-{day}"),
    ]  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Three days: rows without a name or a time, a file without client ids, an empty file."""
    return _filled(Shop(tmp_path / "shop"))


def _filled(shop: Shop) -> Shop:
    path = shop.deliver(0, _events(0))
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        for number in range(3):
            writer.writerow({**view(11 * HOUR + number, "late").cells(), "event_name": ""})
        writer.writerow({**view(12 * HOUR).cells(), "timestamp": "soon"})
    shop.deliver(1, _events(1), without=["client_id"])
    (shop.raw / EMPTY).write_bytes(b"")
    return shop


def _quarantine(shop: Shop) -> Quarantine:
    return Project.open(shop.home).quarantine()


def _open(shop: Shop) -> list[tuple[str, str, int | None]]:
    return [(one.delivery, one.rule, one.rows) for one in held(_quarantine(shop))]


def _project(shop: Shop) -> Project:
    return Project.open(shop.home, source=str(shop.raw))


def _release(shop: Shop, key: str, *rules: str, **more: tuple[int, int]) -> Outcome:
    with _project(shop).desk() as desk:
        return desk.release(key, rules=rules, lines=more.get("lines"))


def _discard(shop: Shop, key: str, *rules: str) -> Outcome:
    with _project(shop).desk() as desk:
        return desk.discard(key, rules=rules)


def _judge(shop: Shop) -> dict[str, DeliveryReport]:
    """Judge and land everything; no tables are made, unless there are some already."""
    result = _project(shop).check(keep=True)
    return {one.delivery: one for one in result.deliveries}


def _landed(shop: Shop, key: str) -> list[int]:
    """The lines of a delivery that would enter the tables."""
    (entry,) = [one for one in shop.warehouse.deliveries() if one["delivery"] == key]
    if entry["file"] is None:
        return []
    path = shop.warehouse.root / entry["file"]
    kept = f"faults & {REJECTED.value} = 0"
    rows = queried(f"select line_number from {rows_of([path])} where {kept} order by line_number")
    return [int(row[0]) for row in rows]


def _adds_up(shop: Shop) -> None:
    """Accepted and quarantined rows are all rows, in the reports and on the disk."""
    quarantine = _quarantine(shop)
    for one in _judge(shop).values():
        assert one.rows_read == one.rows_accepted + one.rows_quarantined
        kept = list(quarantine.read_rows(one.delivery))
        lines = {row.line for row in kept}
        assert len(lines) == len(kept) <= one.rows_quarantined
        there = _landed(shop, one.delivery)
        assert len(there) == len(set(there)) == one.rows_accepted
        assert not lines & set(there)


def test_the_list_says_what_why_and_how(shop: Shop) -> None:
    """One item a delivery and rule, with the day, the reason and what lets it in."""
    _judge(shop)
    items = held(_quarantine(shop))
    assert [(one.delivery, one.rule, one.rows) for one in items] == [
        (ROWS, NAMELESS, 3), (ROWS, TIMELESS, 1), (WHOLE, REFUSED, None),
        (EMPTY, "file_empty", None),
    ]  # fmt: skip
    nameless = items[0]
    assert nameless == Held(
        delivery=ROWS, date="2031-05-05", rule=NAMELESS, rows=3, why="the event has no name",
        since="2031-05-05T11:00:00.000Z",
        release=f"tallymark quarantine release {ROWS} --rule {NAMELESS}",
    )  # fmt: skip
    assert "deliver it again" in items[1].release
    _adds_up(shop)


# ---------------------------------------------------------------- fixing


def test_a_fix_of_the_rules_lets_the_delivery_in(shop: Shop, tmp_path: Path) -> None:
    """Mended rules need no decision, and the tables are those of a shop that always had them."""
    shop.build()
    for one in (shop, _filled(Shop(tmp_path / "fresh"))):
        rules = one.home / "rules" / "check.yml"
        rules.parent.mkdir()
        rules.write_text(
            shipped("rules/check.yml").replace("action: quarantine_delivery", "action: warn"),
            encoding="utf-8",
        )
    done = _release(shop, WHOLE)
    assert (done.decision, done.rows_let_in, done.rows_quarantined) == (None, 10, 0)
    assert done.left == []
    assert (WHOLE, REFUSED, None) not in _open(shop)
    fresh = Shop(tmp_path / "fresh")
    fresh.build()
    assert shop.exports() == fresh.exports()
    _adds_up(shop)


def test_without_a_fix_what_failed_stays(shop: Shop) -> None:
    """Releasing without naming a rule judges again and lets nothing broken in."""
    _judge(shop)
    done = _release(shop, WHOLE)
    assert (done.decision, done.rows_let_in) == (None, 0)
    assert [one.rule for one in done.left] == [REFUSED]
    _adds_up(shop)
    assert not (shop.home / "decisions").exists()


# ---------------------------------------------------------------- deciding


def test_a_whole_delivery_is_released_by_decision(shop: Shop) -> None:
    """The rule still fires, as a warning; the rows are in, once; asking twice changes nothing."""
    _judge(shop)
    done = _release(shop, WHOLE, REFUSED)
    assert (done.rows_let_in, done.rows_accepted, done.left) == (10, 10, [])
    assert done.decision is not None
    (known,) = read(shop.home / "decisions", RELEASE)
    assert known.facts["rules"] == [REFUSED]
    report = _judge(shop)[WHOLE]
    found = {one.rule: one for one in report.findings}
    assert report.verdict is Verdict.WARN
    assert found[REFUSED].severity is Severity.P2
    assert found[REFUSED].evidence["decision"] == "released"
    again = _release(shop, WHOLE, REFUSED)
    assert (again.decision, again.rows_let_in, again.rows_accepted) == (None, 0, 10)
    _adds_up(shop)


def test_rows_are_released_by_their_lines(shop: Shop) -> None:
    """Some of the rows that a rule keeps out, then the others; the rest stays."""
    _judge(shop)
    lines = [row.line for row in _quarantine(shop).read_rows(ROWS, NAMELESS)]
    assert _release(shop, ROWS, NAMELESS, lines=(lines[0], lines[1])).rows_let_in == 2
    assert (ROWS, NAMELESS, 1) in _open(shop)
    _adds_up(shop)
    assert _release(shop, ROWS, NAMELESS).rows_let_in == 1
    assert _open(shop)[0] == (ROWS, TIMELESS, 1)
    found = {one.id: one for one in _judge(shop)[ROWS].findings}
    assert found[f"quarantine_released:{NAMELESS}"].rows == 3
    assert NAMELESS not in found
    _adds_up(shop)


def test_rows_that_an_own_rule_keeps_out_are_released(shop: Shop) -> None:
    """What the shop's own rule keeps out can be let in like anything else."""
    rules = shop.home / "rules" / "check.yml"
    rules.parent.mkdir()
    own = (
        "  - {id: no_carts, check: expression, severity: P2, action: quarantine_rows,\n"
        "     expression: \"event_name <> 'product_added_to_cart'\"}\n"
    )
    rules.write_text(f"{shipped('rules/check.yml')}\n{own}", encoding="utf-8")
    _judge(shop)
    assert (ROWS, "no_carts", 1) in _open(shop)
    assert _release(shop, ROWS, "no_carts").rows_let_in == 1
    _adds_up(shop)


def test_what_is_left_out_is_settled(shop: Shop) -> None:
    """Discarded: not listed, information only, bytes in the history; a release takes it back."""
    _judge(shop)
    done = _discard(shop, ROWS)
    assert done.left == []
    assert done.rows_quarantined == 4
    _discard(shop, WHOLE)
    _discard(shop, EMPTY)
    assert _open(shop) == []
    reports = _judge(shop)
    for key in (ROWS, WHOLE, EMPTY):
        kept_out = {NAMELESS, TIMELESS, REFUSED, "file_empty"}
        found = [one for one in reports[key].findings if one.rule in kept_out]
        assert found
        assert {one.severity for one in found} == {Severity.P3}
    past = {path.name for path in (shop.home / "quarantine" / "history").rglob("*.*")}
    assert {"rows.csv", "rows.json", "delivery.json"} <= past
    numbers = [one.number for one in read(shop.home / "decisions", DISCARD)]
    assert numbers == [1, 2, 3]
    assert _discard(shop, EMPTY).decision is None
    _adds_up(shop)
    with contextlib.suppress(UsageError):
        _release(shop, WHOLE)
    assert _judge(shop)[WHOLE].rows_accepted == 0


def test_discarding_takes_a_release_back(shop: Shop) -> None:
    """The last word counts, and both words stay written."""
    _judge(shop)
    assert _release(shop, WHOLE, REFUSED).rows_accepted == 10
    with pytest.raises(UsageError, match="is let in by decision, and nothing is kept") as caught:
        _discard(shop, WHOLE)
    assert f"--rule {REFUSED}" in str(caught.value.fix)
    assert _discard(shop, WHOLE, REFUSED).rows_accepted == 0
    assert _discard(shop, WHOLE).rows_accepted == 0
    assert _landed(shop, WHOLE) == []
    assert _discard(shop, ROWS, NAMELESS).decision is not None
    assert _release(shop, ROWS).rows_let_in == 0
    assert len(read(shop.home / "decisions")) == 3


def test_releasing_takes_a_discard_back(shop: Shop) -> None:
    """Whether other rules keep something out or none does; what can never be let in stays out."""
    _judge(shop)
    _discard(shop, ROWS, NAMELESS)
    assert NAMELESS not in [rule for _, rule, _ in _open(shop)]
    with pytest.raises(UsageError, match=f"'{REFUSED}' keeps nothing"):
        _release(shop, ROWS, REFUSED)
    assert _release(shop, ROWS, NAMELESS).rows_let_in == 3
    _adds_up(shop)
    _discard(shop, WHOLE)
    assert _release(shop, WHOLE).rows_accepted == 0
    assert _release(shop, WHOLE, REFUSED).rows_accepted == 10
    _discard(shop, ROWS, TIMELESS)
    with pytest.raises(UsageError, match="belongs to no day"):
        _release(shop, ROWS, TIMELESS)
    _adds_up(shop)


def test_what_has_no_rows_cannot_be_released(shop: Shop) -> None:
    """An empty file, a row without a time: refused in a sentence, and nothing is decided."""
    _judge(shop)
    for key, rule, why in (
        (EMPTY, "file_empty", "nothing in it can be read"),
        (ROWS, TIMELESS, "belongs to no day"),
    ):
        with pytest.raises(UsageError, match=why):
            _release(shop, key, rule)
    with pytest.raises(UsageError, match="no lines to choose"):
        _release(shop, WHOLE, REFUSED, lines=(1, 2))
    with pytest.raises(UsageError, match="which rows"):
        _release(shop, ROWS, lines=(1, 2))
    assert not (shop.home / "decisions").exists()


def test_what_is_not_there_is_said(shop: Shop) -> None:
    """A delivery that was never kept out, a rule that keeps nothing out: the nearest is named."""
    _judge(shop)
    with pytest.raises(UsageError, match="nothing of") as told:
        _release(shop, "events_20310508.csv")
    assert "did you mean" in told.value.fix
    with pytest.raises(UsageError, match="keeps nothing of"):
        _discard(shop, ROWS, "broken_row")


def test_corrected_bytes_are_judged_afresh(shop: Shop) -> None:
    """A decision is about the bytes that were seen; others are judged by the rules alone."""
    _judge(shop)
    _release(shop, WHOLE, REFUSED)
    shop.deliver(1, _events(1)[:5], without=["client_id"])
    assert _judge(shop)[WHOLE].rows_accepted == 0
    assert (WHOLE, REFUSED, None) in _open(shop)


def test_a_delivery_whose_file_is_gone(shop: Shop) -> None:
    """From the kept copy it is judged and let in; what has no copy can be left out at least."""
    _judge(shop)
    for key in (WHOLE, EMPTY, ROWS):
        (shop.raw / key).unlink()
    shop.deliver(3, _events(3))
    assert _release(shop, WHOLE, REFUSED).rows_let_in == 10
    copies = shop.home / "quarantine" / "files"
    shutil.rmtree(copies)
    assert _discard(shop, EMPTY).left == []
    assert _discard(shop, ROWS, NAMELESS).left[0].rule == TIMELESS
    assert _discard(shop, ROWS).left == []
    assert _open(shop) == []
    found = {one.rule: one.severity for one in _judge(shop)[EMPTY].findings}
    assert found["file_empty"] is Severity.P3


def test_rows_of_a_file_that_is_gone_wait_for_it(shop: Shop, tmp_path: Path) -> None:
    """Nobody is told to do again what was just done; put back, the delivery is let in."""
    shop.build()
    (shop.raw / ROWS).rename(tmp_path / ROWS)
    done = _release(shop, ROWS, NAMELESS)
    assert (done.rows_let_in, done.waiting) == (0, [NAMELESS])
    said = call("quarantine", "release", ROWS, "--rule", NAMELESS, "--project", shop.home,
                "--input", shop.raw)  # fmt: skip
    assert "is not in the input any more" in said.out
    assert f"--rule {NAMELESS}" not in said.out
    (tmp_path / ROWS).rename(shop.raw / ROWS)
    assert _judge(shop)[ROWS].rows_quarantined == 1
    assert (ROWS, NAMELESS, 3) not in _open(shop)


def test_a_decision_that_was_written_is_obeyed_by_the_next_run(shop: Shop) -> None:
    """Killed after the decision and before anything else: the next build finishes it."""
    _judge(shop)
    version = _judge(shop)[WHOLE].version
    facts = {"delivery": WHOLE, "version": version, "rules": [REFUSED]}
    append(shop.home / "decisions", RELEASE, facts)
    assert _judge(shop)[WHOLE].rows_accepted == 10
    assert (WHOLE, REFUSED, None) not in _open(shop)


def test_releasing_without_a_warehouse(shop: Shop) -> None:
    """Where deliveries are only judged, the decision changes the verdict and makes no tables."""
    _project(shop).check()
    assert _release(shop, WHOLE, REFUSED).rows_accepted == 10
    assert not (shop.home / "warehouse").exists()
    assert (WHOLE, REFUSED, None) not in _open(shop)


def _course(shop: Shop, seed: int, steps: int) -> None:
    """Decide this and that; rows add up after each step."""
    chance = random.Random(seed)  # noqa: S311 -- a course of events, no secret
    choices: list[tuple[str, tuple[str, ...]]] = [
        (WHOLE, (REFUSED,)), (ROWS, (NAMELESS,)), (WHOLE, ()), (ROWS, ()), (EMPTY, ()),
    ]  # fmt: skip
    for _ in range(steps):
        key, rules = chance.choice(choices)
        with contextlib.suppress(UsageError):
            if rules and chance.random() < 0.6:
                _release(shop, key, *rules)
            else:
                _discard(shop, key, *rules)
        _adds_up(shop)


@pytest.mark.parametrize(("seed", "steps"), [(1, 4), pytest.param(2, 12, marks=pytest.mark.slow)])
def test_any_course_of_decisions_ends_as_if_it_had_been_so_from_the_start(
    seed: int, steps: int, shop: Shop, tmp_path: Path
) -> None:
    """A new shop with the same deliveries and decisions has the same tables, byte for byte."""
    _judge(shop)
    _course(shop, seed, steps)
    shop.build()
    fresh = _filled(Shop(tmp_path / "fresh"))
    shutil.copytree(shop.home / "decisions", fresh.home / "decisions")
    fresh.build()
    assert fresh.exports() == shop.exports()
    assert _open(fresh) == _open(shop)


# ---------------------------------------------------------------- reading decisions


def test_decisions_are_read_in_their_order(tmp_path: Path) -> None:
    """Ranges of lines are joined; what was discarded last is discarded."""
    about = {"delivery": "a", "version": "v"}
    for kind, more in (
        (RELEASE, {"rules": ["one"], "lines": "5-9"}), (RELEASE, {"rules": ["one"], "lines": "10"}),
        (DISCARD, {"rules": ["two"]}), (RELEASE, {"rules": ["two"]}), (DISCARD, {"rules": ["six"]}),
    ):  # fmt: skip
        append(tmp_path, kind, {**about, **more})
    found = Settlements(tmp_path).of("a", "v")
    assert found.released["one"] == ((5, 10),)
    assert found.releases("two")
    assert not found.releases("one")
    assert found.discarded == {"six"}
    assert Settlements(tmp_path).of("a", "w").text == ""


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "v", "rules": ["r"]}, {"delivery": "a", "version": "v", "rules": "r"},
        {"delivery": "a", "version": "v", "rules": ["r"], "lines": "nine"},
        {"delivery": "a", "version": "v", "rules": ["r"], "lines": "9-1"},
    ],
)  # fmt: skip
def test_a_decision_that_says_nothing_is_refused(facts: dict[str, object], tmp_path: Path) -> None:
    """A file somebody wrote by hand, with something left out or wrong: the file is named."""
    path = append(tmp_path, RELEASE, facts)
    with pytest.raises(ConfigError) as told:
        Settlements(tmp_path)
    assert path.name in told.value.where


def test_lines_are_written_as_a_range() -> None:
    """One line or two with a dash between."""
    assert lines_of("7") == (7, 7)
    assert lines_of(" 12 - 40 ") == (12, 40)
    with pytest.raises(ConfigError):
        lines_of("9" * 5000)


# ---------------------------------------------------------------- showing


@pytest.fixture
def personal(tmp_path: Path) -> Quarantine:
    """A quarantine of one row full of what is nobody's business."""
    shop = Shop(tmp_path / "shop")
    path = shop.deliver(0, _events(0))
    payload = (
        '{""user_email"": ""jo@mail.example"", ""name"": ""Jo Poe"", ""phone"": ""07700900123""}'
    )
    with path.open("a", encoding="utf-8") as stream:
        stream.write(
            f'cid-4711-0815,https://x.example/?mail=jo%40mail.example,,soon,x,"{payload}"\x1b[31m,A\n'
        )
    _project(shop).check()
    return _quarantine(shop)


def test_what_is_personal_is_hidden(personal: Quarantine) -> None:
    """No e-mail, name, number or id of a person, and nothing that a terminal would act on."""
    found = shown(personal, ROWS, rule=None, limit=5, raw=False)
    (row,) = found.rows
    for secret in ("jo@", "jo%40", "Jo Poe", "07700900123", "4711"):
        assert secret not in row.text
    assert row.base64 is None
    assert "soon" in row.text


def test_raw_rows_are_whole_and_harmless(personal: Quarantine) -> None:
    """With `raw` everything is there, escape characters spelled out, bytes to be had exactly."""
    (row,) = shown(personal, ROWS, rule=None, limit=5, raw=True).rows
    assert "jo@mail.example" in row.text
    assert r"\x1b[31m" in row.text
    assert row.text.isprintable()
    assert shown(personal, ROWS, rule=None, limit=0, raw=True).more == 1


def test_the_copy_of_a_delivery_is_shown(shop: Shop) -> None:
    """Of a delivery that was refused whole, the first lines of its copy, and where that is."""
    _judge(shop)
    found = shown(_quarantine(shop), WHOLE, rule=None, limit=2, raw=True)
    assert [row.line for row in found.rows] == [1, 2]
    assert found.rows[0].text.startswith("page_url,")
    assert found.file is not None


@pytest.mark.parametrize(
    ("original", "text"),
    [(b"a\\b", r"a\\b"), (b"\xff\x00", r"\xff\x00"), ("ü\u202e".encode(), "ü\\u202e")],
)
def test_bytes_are_escaped(original: bytes, text: str) -> None:
    """What is no text, or would change what is read, is spelled out."""
    assert escaped(original) == text
