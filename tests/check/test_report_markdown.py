"""The report for people: what matters first, each cause once, and nothing that does something."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from tallymark.check.reports.markdown import markdown
from tallymark.check.words import cell
from tallymark.config import Severity
from tallymark.escaping import escaped, rich
from tallymark.results import Finding, Verdict
from tests.check.reporting import FORMULAS, HOSTILE, a_delivery, a_finding, a_result


def _renamed(day: int) -> Finding:
    return a_finding(
        "column_renamed:client_id", severity=Severity.P0, rows=30, share=1.0,
        message="column client_id is missing; clientId matches it",
        since=f"2031-05-{day:02}T00:00:00.000Z", fix="run `tallymark contract alias a b`",
    )  # fmt: skip


def test_what_matters_most_is_the_first_sentence() -> None:
    """The worst finding, since when and what to do stand before any table."""
    days = [a_delivery(1), a_delivery(2, a_finding()), a_delivery(3, _renamed(3), a_finding())]
    lines = markdown(a_result(days)).splitlines()
    assert lines[0] == "# Data quality: RED"
    assert lines[2] == (
        "**Column client_id is missing; clientId matches it.** "
        "Since 3 May 2031, in `events_20310503.csv`."
    )
    assert lines[4] == "What to do: Run `tallymark contract alias a b`."
    assert "1 error and 1 warning." in lines[6]


def test_what_keeps_a_delivery_out_comes_before_its_equals() -> None:
    """Of two findings of one severity, the one of a refused delivery is told first."""
    early = a_finding("a", severity=Severity.P0, since="2031-05-01T00:00:00.000Z", message="early")
    empty = a_finding("b", severity=Severity.P0, since="2031-05-02T00:00:00.000Z", message="empty")
    days = [a_delivery(1, early), a_delivery(2, empty, verdict=Verdict.STOP, score=0)]
    assert "**Empty.**" in markdown(a_result(days))


def test_clean_deliveries_in_a_row_are_one_line() -> None:
    """Three or more that passed are summed up; one with something to say stands alone."""
    days = [a_delivery(day) for day in range(1, 6)]
    days += [a_delivery(6, a_finding()), a_delivery(7), a_delivery(8)]
    table = [line for line in markdown(a_result(days)).splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in table[1:]] == [
        "5 deliveries, events_20310501.csv to events_20310505.csv",
        "events_20310506.csv", "events_20310507.csv", "events_20310508.csv",
    ]  # fmt: skip
    assert "| PASS | 100 | 150 | 0 | none |" in table[1]


@pytest.mark.parametrize(
    ("bad", "all_days", "told"),
    [
        ((3,), 4, "in `events_20310503.csv`"),
        ((2, 3, 4), 4, "on 3 deliveries from 2 May on"),
        ((2, 3), 4, "on 2 deliveries from 2 May to 3 May"),
        ((1, 4), 4, "on 2 deliveries between 1 May and 4 May"),
    ],
)
def test_a_cause_on_many_days_is_told_once(bad: tuple[int, ...], all_days: int, told: str) -> None:
    """One heading whatever the number of days; the days are said in words."""
    days = [
        a_delivery(day, *([_renamed(day)] if day in bad else [])) for day in range(1, all_days + 1)
    ]
    shown = markdown(a_result(days))
    assert shown.count("### ") == 1
    assert told in shown
    if len(bad) > 1:
        assert f"- Rows: {30 * len(bad)} in all; 30 (100%) on the first" in shown


def test_a_finding_has_all_that_somebody_needs() -> None:
    """Rows, share, money, fix, owner, runbook, evidence, query and a sample."""
    one = a_finding(
        money=Decimal("1234.5"), owner="web team", runbook="https://wiki.example/clients",
        evidence={"threshold": 0.05, "doubt": None}, sample=[{"page": "a|b", "line": 3}],
    )  # fmt: skip
    shown = markdown(a_result([a_delivery(5, one)]))
    for text in (
        "- Since 5 May 2031, 07:00 UTC, in `events_20310505.csv`",
        "- Rows: 12 (40%)",
        "- Money touched: 1,234.50",
        "- Fix: look for pages that fire early",
        "- Owner: web team",
        "- Runbook: <https://wiki.example/clients>",
        "- Evidence: threshold 0.05",
        "- Count it yourself: `select count(*) from landed where client_id is null`",
        "| line | page |\n|---|---|\n| 3 | `a\\|b` |",
    ):
        assert text in shown


def test_information_is_a_line_at_the_end() -> None:
    """P3 has no heading of its own, and nothing is wrong because of it."""
    shown = markdown(a_result([a_delivery(5, a_finding(severity=Severity.P3))]))
    assert "**Nothing is wrong: every delivery passed.**" in shown
    assert "## For information\n\n- 12 of 30 rows" in shown


def test_no_delivery_is_said() -> None:
    """An empty folder is no clean bill."""
    assert "**No delivery was found.**" in markdown(a_result([]))


def test_the_scores_are_reckoned() -> None:
    """Each score below 100 has its arithmetic, equal ones together."""
    days = [a_delivery(day, _renamed(day), a_finding()) for day in range(1, 6)]
    shown = markdown(a_result([*days, a_delivery(6, a_finding())]))
    assert "- 100 - 40 (1 P0) - 5 (1 P2) = 55: 5 deliveries between 1 May and 5 May 2031" in shown
    assert "- 100 - 5 (1 P2) = 95: events_20310506.csv" in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_data_does_anything(text: str) -> None:
    """In whatever place: no link, no mention, no HTML, no heading, no control character."""
    one = a_finding(
        f"x:{text}", message=text, fix=text, owner=text, runbook=text, query=text, since=text,
        evidence={text: text}, sample=[{"page": text, "line": 1}],
    )  # fmt: skip
    told = dataclasses.replace(one, severity=Severity.P3, id=f"y:{text}")
    shown = markdown(a_result([a_delivery(5, one, told, delivery=text, date=None)]))
    outside = "".join(shown.split("`")[::2])
    for mark in ("<script", "<b>", "](", "https://", "http://", "www.e", "@every", "#12", "\x1b"):
        assert mark not in outside, mark
    assert "\u202e" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("# heading")]
    assert shown.count("`") % 2 == 0


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a.example/ <b>", "ftp://x/y"])
def test_only_web_addresses_are_links(address: str) -> None:
    """Any other runbook is shown as text."""
    assert f"- Runbook: `{address}`" in markdown(
        a_result([a_delivery(5, a_finding(runbook=address))])
    )


def test_ordinary_words_stay_readable() -> None:
    """Names and sentences are not littered with backslashes."""
    plain = "column client_id (was clientId) is empty in 3.5% of rows; see quarantine/ + ask"
    assert escaped(plain) == plain
    assert rich("add `aliases: [a]` to *it*") == "add `aliases: [a]` to \\*it\\*"


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_is_no_formula(text: str) -> None:
    """Neither in ASCII nor in full width, whatever stands unseen before it."""
    assert str(cell(text)).startswith("'")


def _wrong(told: str, day: int) -> Finding:
    return a_finding(
        "file_kind", severity=Severity.P0, rows=None, share=None,
        message=f"events_203105{day:02}.csv: {told}",
    )  # fmt: skip


def test_sentences_that_differ_are_all_told() -> None:
    """One finding of several deliveries says of each what it is; alike ones are told once."""
    told = ["it is JSON", "it holds 12 zip archives", "it holds 7 zip archives", "it is HTML"]
    days = [a_delivery(day, _wrong(said, day)) for day, said in enumerate(told, 1)]
    lines = markdown(a_result(days)).splitlines()
    at = lines.index("- What was said:")
    assert lines[at + 1 : at + 4] == [
        "  - `events_20310501.csv`: it is JSON",
        "  - `events_20310502.csv`, `events_20310503.csv`: it holds 12 zip archives",
        "  - `events_20310504.csv`: it is HTML",
    ]


def test_sentences_that_differ_in_numbers_are_one() -> None:
    """Counts and shares of several days are no reason to tell a finding more than once."""
    days = [
        a_delivery(day, a_finding(message=f"{day * 1000:,} of 9,000 rows ({day / 9:.1%}) lack it"))
        for day in range(1, 5)
    ]
    assert "What was said" not in markdown(a_result(days))


def test_many_sentences_are_bounded() -> None:
    """A finding that says something else on each of many days does not fill the report."""
    words = [f"it is {chr(97 + day)}{chr(97 + day)}" for day in range(1, 21)]
    days = [a_delivery(day, _wrong(said, day)) for day, said in enumerate(words, 1)]
    text = markdown(a_result(days))
    assert sum(line.startswith("  - `") for line in text.splitlines()) == 8
    assert "  - and 12 more in dq_report.json" in text


def test_repeated_rows_are_said() -> None:
    """Accepted rows that repeat others exactly are in no number, and the report says so."""
    assert "repeat" not in markdown(a_result([a_delivery(1)])).split("## How")[0]
    days = [a_delivery(1, rows_repeated=1), a_delivery(2)]
    told = markdown(a_result(days))
    assert (
        "1 accepted row is an exact repeat of another and counts in nothing: events_20310501.csv."
        in told
    )
    days = [a_delivery(day, rows_repeated=3) for day in range(1, 6)]
    assert (
        "15 accepted rows are exact repeats of others and count in nothing: 5 deliveries between "
        "1 May and 5 May 2031." in markdown(a_result(days))
    )
