"""Swapped columns, changed types, columns under two names, and what the gate says of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest

from tallymark.check.header import column_words
from tallymark.check.header.columns import Mapping_, map_columns
from tallymark.config import Config, Severity
from tallymark.contract import Contract
from tallymark.ingest.header import Head
from tallymark.results import Finding, Verdict
from tests.check.judging import Shop
from tests.ingest.making import COLUMNS, CONTRACT, as_csv, event, purchase

COUNT = 60
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"
SAMPLES: dict[str, list[str | None]] = {
    "client_id": [f"c-{number % 23 * 7919}" for number in range(COUNT)],
    "page_url": [f"https://shop.example/p/{number % 9}" for number in range(COUNT)],
    "referrer": [None, "https://www.google.com/", "https://shop.example/p/1"] * (COUNT // 3),
    "timestamp": [f"2031-05-05T10:{number:02}:00.000Z" for number in range(COUNT)],
    "event_name": ["page_viewed", "page_viewed", "add_to_cart"] * (COUNT // 3),
    "event_data": [None, None, '{"revenue": 1}'] * (COUNT // 3),
    "user_agent": [AGENT, AGENT.replace("140", "141")] * (COUNT // 2),
}
PAIRS = list(itertools.combinations(COLUMNS, 2))


def _mapped(
    changed: Mapping[str, Sequence[str | None]] | None = None,
    columns: Sequence[str] = COLUMNS,
    contract: Contract = CONTRACT,
) -> Mapping_:
    known = {**SAMPLES, **(changed or {})}
    return map_columns(contract, Head(columns=columns, sample={n: known[n] for n in columns}))


def _rows(number: int) -> dict[str, str]:
    """A row of a delivery that is large enough to judge."""
    return event(
        client_id=f"c-{number % 23 * 7919}", page_url=f"https://shop.example/p/{number % 9}",
        referrer=("", "https://www.google.com/", "https://shop.example/")[number % 3],
        timestamp=f"2031-05-05T{number % 24:02}:{number % 60:02}:00.000Z",
    )  # fmt: skip


DAY = [*map(_rows, range(72)), purchase({"transaction_id": "T-1", "revenue": 5})]


def _swapped(first: str, second: str) -> bytes:
    return as_csv([{**row, first: row[second], second: row[first]} for row in DAY])


def _said(findings: Sequence[Finding]) -> list[tuple[str, Severity]]:
    return [(one.id, one.severity) for one in findings]


# ---------------------------------------------------------------- swaps


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_any_two_columns_swapped_are_read_crosswise(first: str, second: str) -> None:
    """Values under each other's names: read for what they hold, and told as one swap."""
    mapped = _mapped({first: SAMPLES[second], second: SAMPLES[first]})
    (swap,) = mapped.swaps
    assert swap.adopted
    assert mapped.adopted
    assert not swap.moved
    assert mapped.delivered == {n: {first: second, second: first}.get(n, n) for n in COLUMNS}
    assert [*mapped.renames, *mapped.changes, *mapped.doubles, *mapped.missing] == []


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_names_swapped_in_the_header(first: str, second: str) -> None:
    """Names that changed places over their values are told as such."""
    other = {first: second, second: first}
    columns = [other.get(name, name) for name in COLUMNS]
    mapped = _mapped({first: SAMPLES[second], second: SAMPLES[first]}, columns)
    assert [swap.moved for swap in mapped.swaps] == [True]


def test_columns_that_moved_with_their_values_are_no_swap() -> None:
    """Another order of whole columns is nothing: they are found by their names."""
    mapped = _mapped(columns=COLUMNS[::-1])
    assert [*mapped.swaps, *mapped.changes, *mapped.renames] == []


def test_three_columns_that_went_round() -> None:
    """Values that are off by one column are one finding."""
    moved = {
        "client_id": SAMPLES["timestamp"], "timestamp": SAMPLES["user_agent"],
        "user_agent": SAMPLES["client_id"],
    }  # fmt: skip
    (swap,) = _mapped(moved).swaps
    assert [one.name for one in swap.columns] == ["client_id", "timestamp", "user_agent"]
    assert swap.reads["timestamp"] == "client_id"


def test_pages_with_gaps_and_own_referrers_are_no_swap() -> None:
    """Lost pages beside referrers that are all of the shop itself prove no swap."""
    pages = [None if number % 2 else value for number, value in enumerate(SAMPLES["page_url"])]
    mapped = _mapped({"page_url": pages, "referrer": SAMPLES["page_url"]})
    assert not mapped.adopted


def test_a_swap_that_only_half_fits_is_suggested() -> None:
    """Where the values do not fit well crosswise either, nobody guesses."""
    names = ["GB", "DE", "c-1", "page_viewed", "add_to_cart", "c-2"] * 10
    mapped = _mapped({"client_id": SAMPLES["event_name"], "event_name": names})
    assert not mapped.adopted
    assert mapped.roles["client_id"] == "client_id"
    for swap in mapped.swaps:
        assert "not sure enough" in column_words.swapped(swap)["message"]


def test_a_swapped_delivery_keeps_flowing_or_stops(shop: Shop) -> None:
    """Adopted by default with a P0 and every value in its place; on_rename: stop refuses it."""
    shop.put(as_csv(DAY), "2031-05-04.csv")
    report = shop.one(_swapped("page_url", "referrer"))
    (found,) = [one for one in report.findings if one.severity is Severity.P0]
    assert (report.verdict, report.rows_accepted, found.id) == (
        Verdict.WARN, 73, "column_swapped:page_url",
    )  # fmt: skip
    assert found.message.startswith("columns page_url and referrer are swapped: ")
    assert found.evidence["column"] == "referrer"
    assert not [one for one in report.findings if one.id.startswith("page_invalid")]
    stopped = shop.check(config=Config(on_rename="stop")).deliveries[-1]
    assert (stopped.verdict, stopped.rows_accepted) == (Verdict.STOP, 0)


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("column", "value", "severity", "seen"),
    [
        ("timestamp", "1935741600000", "P0", "milliseconds since 1970"),
        ("timestamp", "2031-05-05", "P1", "a day without a time of day"),
        ("referrer", "www.google.com", "P1", "a URL without https://"),
        ("event_data", "revenue=1", "P0", "a query string"),
        ("user_agent", "Firefox", "P2", "the name of a browser or device"),
        ("client_id", "jo@mail.example", "P0", "an e-mail address"),
        ("client_id", "two words", "P0", "values such as xxx xxxxx"),
        ("event_name", "17", "P0", "values such as 99"),
    ],
)
def test_a_changed_type_is_told(column: str, value: str, severity: str, seen: str) -> None:
    """What was expected, what was seen without showing a value, and how bad it is by role."""
    (change,) = _mapped({column: [value] * COUNT}).changes
    words = column_words.changed(change)
    assert words["message"].startswith(f"column {column} changed its type: ")
    assert seen in words["message"]
    assert value not in words["message"]
    assert (words["severity"], words["subject"]) == (Severity(severity), column)
    assert change.expected in words["fix"]


def test_ids_with_another_prefix() -> None:
    """Where the contract has a pattern, ids that do not match it are a change, P1 at most."""
    columns = tuple(
        one.model_copy(update={"pattern": "^v-"}) if one.name == "client_id" else one
        for one in CONTRACT.columns
    )
    (change,) = _mapped(contract=CONTRACT.model_copy(update={"columns": columns})).changes
    words = column_words.changed(change)
    assert words["severity"] is Severity.P1
    assert "values like ^v-" in words["message"]
    assert "change `pattern` of client_id" in words["fix"]


def test_a_rename_with_another_type_is_both() -> None:
    """A new name over other values: named as a rename, and its type told; unreadable: not read."""
    columns = ["ts" if name == "timestamp" else name for name in COLUMNS]
    stamps: list[str | None] = ["05.05.2031 10:00"] * COUNT
    mapped = _mapped({"ts": stamps}, columns)
    (rename,) = mapped.renames
    assert (rename.column.name, rename.delivered, rename.adopted) == ("timestamp", "ts", False)
    assert "its values cannot be read as they are" in column_words.renamed(rename)["message"]
    (change,) = mapped.changes
    assert "(delivered as ts)" in column_words.changed(change)["message"]


# ---------------------------------------------------------------- two names, and none


def test_old_and_new_name_both_filled() -> None:
    """The old one is read, and one warning says how far they agree."""
    mapped = _mapped({"clientId": SAMPLES["client_id"]}, [*COLUMNS, "clientId"])
    assert mapped.roles["client_id"] == "client_id"
    (double,) = mapped.doubles
    assert (double.read, double.also, double.same) == ("client_id", "clientId", 1.0)
    assert (
        "client_id is read; 100% of the sampled values are equal"
        in (column_words.doubled(double)["message"])
    )
    assert not mapped.renames


@pytest.mark.parametrize(("old", "new"), [("client_id", "clientId"), ("referrer", "referer")])
def test_the_old_name_is_there_and_empty(old: str, new: str) -> None:
    """A column emptied in favour of another of nearly the same name is a rename."""
    empty: list[str | None] = [None] * COUNT
    mapped = _mapped({old: empty, new: SAMPLES[old]}, [*COLUMNS, new])
    (rename,) = mapped.renames
    assert (rename.adopted, mapped.roles[old]) == (True, new)
    assert column_words.renamed(rename)["message"].startswith(f"column {old} is empty; {new} ")
    assert [*mapped.doubles, *mapped.missing, *mapped.unexpected] == []


def test_an_agreed_alias_takes_over_from_an_empty_column() -> None:
    """Once the new name is in the contract, nothing is said and the filled one is read."""
    columns = tuple(
        one.model_copy(update={"aliases": ("clientId",)}) if one.name == "client_id" else one
        for one in CONTRACT.columns
    )
    agreed = CONTRACT.model_copy(update={"columns": columns})
    given: dict[str, Sequence[str | None]] = {
        "client_id": [None] * COUNT, "clientId": SAMPLES["client_id"],
    }  # fmt: skip
    mapped = _mapped(given, [*COLUMNS, "clientId"], agreed)
    assert (mapped.roles["client_id"], list(mapped.renames), mapped.doubles) == ("clientId", [], [])
    both = _mapped({"clientId": SAMPLES["client_id"]}, [*COLUMNS, "clientId"], agreed)
    assert [one.also for one in both.doubles] == ["clientId"]


def test_rivals_are_named() -> None:
    """Two columns that may be the lost one: one suggestion, which names both."""
    columns = [*[name for name in COLUMNS if name != "client_id"], "client_id_1", "client_id_2"]
    ids = SAMPLES["client_id"]
    mapped = _mapped({"client_id_1": ids, "client_id_2": ids}, columns)
    (rename,) = mapped.renames
    assert not rename.adopted
    assert {rename.delivered, *rename.rivals} == {"client_id_1", "client_id_2"}
    assert "; not sure enough" in column_words.renamed(rename)["message"]


def test_another_meaning_is_never_adopted() -> None:
    """A session id in the very place of the client id is not read as it without a word."""
    columns = ["session_id" if name == "client_id" else name for name in COLUMNS]
    mapped = _mapped({"session_id": SAMPLES["client_id"]}, columns)
    assert not mapped.adopted
    assert [one.name for one in mapped.missing] == ["client_id"]


def test_wholly_new_names_are_told_by_place_and_values() -> None:
    """Names that say nothing: place and values alone name all of them."""
    columns = [f"c{number}" for number in range(len(COLUMNS))]
    given = {new: SAMPLES[old] for new, old in zip(columns, COLUMNS, strict=True)}
    mapped = _mapped(given, columns)
    assert {one.column.name: one.delivered for one in mapped.renames} == dict(
        zip(COLUMNS, columns, strict=True)
    )


def test_a_hostile_name_is_quoted_in_the_fix() -> None:
    """A name from outside cannot run in the command, or break the YAML, that is proposed."""
    name = "client_id`$(touch x)`; '"
    columns = [name if one == "client_id" else one for one in COLUMNS]
    (rename,) = _mapped({name: SAMPLES["client_id"]}, columns).renames
    fix = column_words.renamed(rename)["fix"]
    assert "'client_id`$(touch x)`; '\"'\"''" in fix
    assert 'aliases: ["client_id`$(touch x)`; \'"]' in fix


def test_a_column_without_a_role_is_mapped_too() -> None:
    """Columns that only the gate knows are missed, renamed and checked like the others."""
    columns = (
        *CONTRACT.columns,
        CONTRACT.columns[0].model_copy(
            update={"name": "loyalty_points", "role": None, "kind": "integer", "why": ""}
        ),
    )
    wider = CONTRACT.model_copy(update={"columns": columns})
    points = [str(number % 50) for number in range(COUNT)]
    mapped = _mapped({"loyaltyPoints": points}, [*COLUMNS, "loyaltyPoints"], wider)
    assert mapped.delivered["loyalty_points"] == "loyaltyPoints"
    assert set(mapped.roles) == set(COLUMNS)
    (missing,) = _mapped(contract=wider).missing
    said = column_words.missing(missing, [], "")["message"]
    assert said == "column loyalty_points was not delivered"


# ---------------------------------------------------------------- earlier deliveries


def _with_ids(make: str, day: int) -> bytes:
    return as_csv([
        {**row, "client_id": make.format(number * 7919), "timestamp": f"2031-05-{day:02}T10:00:00Z"}
        for number, row in enumerate(DAY)
    ])  # fmt: skip


def test_ids_after_days_of_few_rows(shop: Shop) -> None:
    """Days too small to tell how ids begin, together large enough to compare: nothing is said."""
    for day in (5, 6, 7):
        rows = _with_ids("cid_{}", day).splitlines(keepends=True)
        shop.one(b"".join(rows[:31]), f"2031-05-{day:02}.csv")
    larger = shop.one(_with_ids("cid_{}", 8), "2031-05-08.csv")
    assert "column_type_changed" not in {one.rule for one in larger.findings}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("c-{}x", "{}", "were letters and digits with - in earlier deliveries and are whole numb"),
        ("cid_{}", "vid_{}", "began with cid_ in earlier deliveries and begin with vid_"),
    ],
)  # fmt: skip
def test_ids_of_another_form_than_before(shop: Shop, before: str, after: str, said: str) -> None:
    """Without a pattern only earlier deliveries show it: told on the day it changes, as P1."""
    for day in (3, 4):
        shop.put(_with_ids(before, day), f"2031-05-{day:02}.csv")
    shop.put(_with_ids(after, 5), "2031-05-05.csv")
    shop.put(_with_ids(after, 6), "2031-05-06.csv")
    reports = shop.check().deliveries
    told = [
        [one for one in report.findings if one.id == "column_type_changed:client_id"]
        for report in reports
    ]
    assert [len(one) for one in told] == [0, 0, 1, 0]
    assert said in told[2][0].message
    assert told[2][0].severity is Severity.P1


def test_times_that_lost_their_zone(shop: Shop) -> None:
    """Times without a zone are read as UTC; that they had one before is a warning."""
    shop.put(as_csv(DAY), "2031-05-05.csv")
    bare = [
        {**row, "timestamp": row["timestamp"].replace("05T", "06 ").removesuffix("Z")}
        for row in DAY
    ]
    report = shop.one(as_csv(bare), "2031-05-06.csv")
    assert ("column_type_changed:timestamp", Severity.P2) in _said(report.findings)


def test_another_order_than_before_is_information(shop: Shop) -> None:
    """The same columns in a new order: P3 on that day, once, and nothing else."""
    shop.put(as_csv(DAY), "2031-05-05.csv")
    for day in (6, 7):
        rows = [{**row, "timestamp": row["timestamp"].replace("05T", f"0{day}T")} for row in DAY]
        shop.put(as_csv(rows, COLUMNS[::-1]), f"2031-05-0{day}.csv")
    reports = shop.check().deliveries
    told = [
        [one.severity for one in report.findings if one.rule == "column_reordered"]
        for report in reports
    ]
    assert told == [[], [Severity.P3], []]
