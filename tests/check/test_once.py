"""One cause is told once, and a second one beside it is told as well."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tallymark.check.once import told_once
from tallymark.config import Severity
from tallymark.results import Finding, Layer
from tests.check.days_made import Row, findings, made_day, made_days
from tests.check.judging import RULES, Shop
from tests.ingest.making import COLUMNS, CONTRACT, as_csv

Change = Callable[[list[Row]], list[Row]]


def _each(column: str, value: str, wanted: Callable[[Row], bool] = lambda _: True) -> Change:
    return lambda rows: [
        {**row, column: value} if wanted(row) else row for row in rows
    ]  # fmt: skip


def _late(row: Row) -> bool:
    return row["timestamp"][11:13] >= "14"


def _ids(shop: Shop, change: Change | None = None) -> list[str]:
    """What is said of the fifth day, but for what is only information."""
    found = findings(made_days(shop, range(1, 6), change))
    return [one.id for one in found if one.severity is not Severity.P3]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_each("client_id", "", _late), "client_ids_lost"),
        (_each("client_id", ""), "column_emptied:client_id"),
        (_each("user_agent", "", _late), "column_partly_empty:user_agent"),
        (_each("page_url", "", _late), "column_partly_empty:page_url"),
        (_each("page_url", "none"), "column_type_changed:page_url"),
        (_each("referrer", "none"), "column_type_changed:referrer"),
        (
            _each("referrer", "undefined", lambda row: row["timestamp"][11:13] >= "21"),
            "referrer_invalid",
        ),
        (_each("timestamp", "soon"), "column_type_changed:timestamp"),
        (_each("timestamp", "", _late), "time_unparseable"),
        (_each("event_name", "", _late), "event_name_missing"),
        (lambda rows: [row for row in rows if not _late(row)], "file_ends_early"),
    ],
)
def test_one_fault_is_one_sentence(shop: Shop, change: Change, told: str) -> None:
    """Rows without a value, a column that lost it and hours that are empty are one thing."""
    assert _ids(shop, change) == [told]


def test_two_faults_are_two_sentences(shop: Shop) -> None:
    """Client ids lost in the afternoon, and agents all day long."""
    ids = _each("client_id", "", _late)
    agents = _each("user_agent", "")
    both = _ids(shop, lambda rows: agents(ids(rows)))
    assert set(both) == {"column_emptied:user_agent", "client_ids_lost"}


def test_rows_that_are_left_over_are_told() -> None:
    """Where the rule would fire without the rows of those hours, too, neither hides the other."""
    lost = _finding("client_ids_lost", Severity.P1, rows=26, evidence={"rows_with_it": 26})
    for rows, number in ((42, 2), (41, 1)):  # 16 and 15 rows more; a twentieth of 300 is 15
        missing = _finding("client_missing", Severity.P2, rows=rows)
        assert len(told_once([missing, lost], RULES, CONTRACT, 300)) == number


def test_what_is_usual_beside_lost_ids_is_not_told_again() -> None:
    """Where a third of the rows never had an id, as many of the others are nothing new."""
    lost = _finding(
        "client_ids_lost", Severity.P1, rows=26,
        evidence={"rows_with_it": 26, "share": 26 / 30, "usual_share": 1 / 3},
    )  # fmt: skip
    # Of the other hours' 270 rows 90 are usual, and a twentieth more is within what is tolerated.
    for besides, number in ((90, 1), (103, 1), (104, 2)):
        missing = _finding("client_missing", Severity.P2, rows=26 + besides)
        assert len(told_once([missing, lost], RULES, CONTRACT, 300)) == number


def test_the_header_again_is_no_time(shop: Shop) -> None:
    """A header in the middle of a file, as joined files have it, is one finding with its fix."""
    lines = as_csv(made_day(5)).splitlines(keepends=True)
    report = shop.one(b"".join([*lines[:50], lines[0], *lines[50:90], lines[0], *lines[90:]]))
    found = [one for one in report.findings if one.severity is not Severity.P3]
    assert [one.id for one in found] == ["time_unparseable"]
    assert found[0].message.startswith("2 of 314 rows (0.6%) are the header again")
    assert "write the header once" in found[0].fix
    assert [row["line"] for row in found[0].sample or ()] == [51, 92]


def test_half_the_rows_kept_out_is_an_error(shop: Shop) -> None:
    """As many as a tenth of the rows without a time are P1, a few are P2."""
    few = _each("timestamp", "?", lambda row: row["timestamp"][11:13] == "02")
    (found,) = findings(made_days(shop, [1], few), "time_unparseable")
    assert (found.severity, found.rows) == (Severity.P2, 13)
    *_, found = findings(made_days(shop, [2], _each("timestamp", "")), "time_unparseable")
    assert (found.severity, found.rows) == (Severity.P1, 312)


def test_another_file_is_one_sentence(shop: Shop) -> None:
    """Where no needed column is there, they are not listed one by one."""
    report = shop.one(b"sku,stock\n1,2\n")
    ids = [one.id for one in report.findings]
    assert "column_unusable" in ids
    assert not {f"column_missing:{name}" for name in ("client_id", "timestamp")} & set(ids)


def test_a_column_that_is_gone_explains_its_rows(shop: Shop) -> None:
    """Its purchases' worth is said of it."""
    shop.put(as_csv(made_day(5), [name for name in COLUMNS if name != "page_url"]))
    (found,) = [one for one in findings(shop.check()) if one.severity is not Severity.P3]
    assert found.id == "column_missing:page_url"
    assert found.evidence["explains"] == ["column_unusable", "page_invalid"]
    assert found.money == Decimal(300)


def _finding(identifier: str, severity: Severity, **more: object) -> Finding:
    one = Finding(id=identifier, layer=Layer.QUALITY, severity=severity, message="m", since="",
                  rule=identifier.partition(":")[0], rows=10)  # fmt: skip
    return type(one)(**{**{k: getattr(one, k) for k in one.__slots__}, **more})


def test_nothing_worse_is_explained_away() -> None:
    """A rule that somebody made graver than what would explain it is told all the same."""
    mild = _finding("column_emptied:user_agent", Severity.P2)
    grave = _finding("agent_missing", Severity.P1)
    assert told_once([grave, mild], RULES, CONTRACT, 10) == [grave, mild]
    found = told_once([_finding("agent_missing", Severity.P2), mild], RULES, CONTRACT, 10)
    assert [one.id for one in found] == ["column_emptied:user_agent"]


def test_what_was_decided_is_told() -> None:
    """A rule that was overridden keeps its own sentence."""
    gone = _finding("column_missing:client_id", Severity.P0)
    let_in = _finding("column_unusable", Severity.P2, evidence={
        "roles": ["client_id"], "decision": "released",
    })  # fmt: skip
    assert told_once([gone, let_in], RULES, CONTRACT, 10) == [gone, let_in]


def test_a_sample_is_of_the_hours_that_are_meant() -> None:
    """Rows of the usual kind, from before it began, would show something else."""
    times = ("2031-05-05T01:00:00.000Z", "2031-05-05T08:00:00.000Z", "2031-05-05T21:00:00.000Z")
    counted = _finding("client_missing", Severity.P2, sample=[{"time": one} for one in times])
    began = {"rows_with_it": 10, "from": "2031-05-05T07:00:00.000Z", "until": None}

    def sample(**more: object) -> object:
        cause = _finding("anonymous_rows", Severity.P2, evidence=began | more)
        (found,) = told_once([counted, cause], RULES, CONTRACT, 10)
        return found.sample and [one["time"] for one in found.sample]

    assert sample() == list(times[1:])
    assert sample(until="2031-05-05T09:00:00.000Z") == [times[1]]
    assert sample(**{"from": "2031-05-05T22:00:00.000Z"}) is None
    assert sample(**{"from": None}) == list(times)
