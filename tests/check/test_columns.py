"""Which column plays which role, and when a rename is believed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.check.header.columns import Mapping_, map_columns, name_likeness, shape_likeness
from tallymark.contract import Column, Contract
from tallymark.ingest.header import Head
from tests.ingest.making import COLUMNS, CONTRACT

COUNT = 40
SAMPLES: dict[str, list[str | None]] = {
    "client_id": [f"c-{number * 7919}" for number in range(COUNT)],
    "page_url": [f"https://shop.example/p/{number}" for number in range(COUNT)],
    "referrer": [None, "https://search.example/"] * (COUNT // 2),
    "timestamp": [f"2031-05-05T10:{number:02}:00.000Z" for number in range(COUNT)],
    "event_name": ["page_viewed", "purchase"] * (COUNT // 2),
    "event_data": [None, '{"revenue": 1}'] * (COUNT // 2),
    "user_agent": ["Mozilla/5.0 (X11; Linux x86_64)"] * COUNT,
}


def _mapped(
    columns: Sequence[str], samples: dict[str, list[str | None]] | None = None,
    contract: Contract = CONTRACT,
) -> Mapping_:  # fmt: skip
    given = {**SAMPLES, **(samples or {})}
    head = Head(columns=columns, sample={name: given.get(name, []) for name in columns})
    return map_columns(contract, head)


def _renamed(old: str, new: str, values: list[str | None] | None = None) -> Mapping_:
    columns = [new if name == old else name for name in COLUMNS]
    sample = values if values is not None else SAMPLES[old]
    return _mapped(columns, {new: list(sample)})


def _adopted(mapped: Mapping_) -> dict[str, str]:
    return {one.column.name: one.delivered for one in mapped.renames if one.adopted}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("client_id", "clientId"),
        ("client_id", "ClientID"),
        ("client_id", "client-id"),
        ("client_id", "Client Id"),
        ("client_id", "visitor_id"),
        ("client_id", "clientid"),
        ("user_agent", "userAgent"),
        ("page_url", "pageUrl"),
        ("page_url", "url"),
        ("timestamp", "event_timestamp"),
        ("event_name", "eventName"),
        ("event_data", "eventData"),
        ("referrer", "referer"),
    ],
)
def test_a_rename_in_its_place_is_adopted(old: str, new: str) -> None:
    """Another name for the same values in the same place is read, and told with its evidence."""
    mapped = _renamed(old, new)
    assert _adopted(mapped) == {old: new}
    assert mapped.delivered[old] == new
    assert not mapped.missing
    assert not mapped.unexpected
    assert "same position" in mapped.renames[0].evidence()


def test_a_rename_that_also_moved() -> None:
    """A clear name and the right values are enough at another place."""
    columns = [*[name for name in COLUMNS if name != "client_id"], "clientId"]
    mapped = _mapped(columns, {"clientId": SAMPLES["client_id"]})
    assert _adopted(mapped) == {"client_id": "clientId"}
    assert "other position" in mapped.renames[0].evidence()


def test_two_renames_at_once() -> None:
    """Two columns renamed on one day are two renames, each with its own."""
    columns = [{"client_id": "clientId", "user_agent": "userAgent"}.get(n, n) for n in COLUMNS]
    mapped = _mapped(
        columns,
        {"clientId": SAMPLES["client_id"], "userAgent": SAMPLES["user_agent"]},
    )
    assert _adopted(mapped) == {"client_id": "clientId", "user_agent": "userAgent"}


def test_all_renamed_in_style() -> None:
    """A change of style of the whole header keeps the data flowing."""
    camel = {name: name.title().replace("_", "") for name in COLUMNS}
    mapped = _mapped(list(camel.values()), {camel[name]: list(SAMPLES[name]) for name in COLUMNS})
    assert _adopted(mapped) == camel


def test_a_swap_of_two_columns_is_no_rename() -> None:
    """Columns are found by their names wherever they stand; nothing is missing, nothing renamed."""
    columns = [{"page_url": "referrer", "referrer": "page_url"}.get(n, n) for n in COLUMNS]
    mapped = _mapped(columns)
    assert not mapped.renames
    assert mapped.roles["page_url"] == "page_url"


def test_an_unrelated_column_is_not_adopted() -> None:
    """A column gone and an unrelated one added elsewhere: missing and unexpected."""
    columns = [*[name for name in COLUMNS if name != "client_id"], "warehouse_code"]
    mapped = _mapped(columns, {"warehouse_code": ["EU", "US"] * 20})
    assert not _adopted(mapped)
    assert [one.name for one in mapped.missing] == ["client_id"]
    assert mapped.unexpected == ["warehouse_code"]
    assert mapped.roles["client_id"] is None


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        ("client_id", "clientId", ["https://shop.example/"] * COUNT),
        ("client_id", "client_id_hash_type", ["md5"] * COUNT),
        ("timestamp", "timestamp_type", ["server"] * COUNT),
        ("timestamp", "time_stamp", ["yes", "no"] * 20),
        ("page_url", "page_url_id", [str(number) for number in range(COUNT)]),
    ],
)
def test_a_similar_name_with_other_values_is_not_adopted(
    old: str, new: str, values: list[str | None]
) -> None:
    """The values must have the shape of the column, however alike the names are."""
    assert not _adopted(_renamed(old, new, values))


def test_two_candidates_are_not_decided_between() -> None:
    """Where two columns look alike as the lost one, nobody guesses."""
    columns = [name for name in COLUMNS if name != "client_id"]
    mapped = _mapped(
        [*columns, "client_id_1", "client_id_2"],
        {"client_id_1": SAMPLES["client_id"], "client_id_2": SAMPLES["client_id"]},
    )
    assert not _adopted(mapped)
    assert mapped.roles["client_id"] is None


def test_an_alias_is_no_rename() -> None:
    """A name the contract agrees to is read without a word."""
    columns = tuple(
        one.model_copy(update={"aliases": ("clientId",)}) if one.name == "client_id" else one
        for one in CONTRACT.columns
    )
    agreed = CONTRACT.model_copy(update={"columns": columns})
    mapped = _mapped(
        ["clientId", *COLUMNS[1:]],
        {"clientId": SAMPLES["client_id"]},
        agreed,
    )
    assert (mapped.roles["client_id"], list(mapped.renames)) == ("clientId", [])


@pytest.mark.parametrize(
    ("new", "adopted"), [("EVENT_DATA", True), ("eventData", True), ("payload", False)]
)
def test_a_column_of_few_values_is_known_by_its_very_name(new: str, *, adopted: bool) -> None:
    """Orders may be too few to be among the first rows: their payload is not lost for that."""
    mapped = _renamed("event_data", new, [None] * COUNT)
    assert bool(_adopted(mapped)) == adopted
    moved = [*[name for name in COLUMNS if name != "event_data"], new]
    assert not _adopted(_mapped(moved, {new: [None] * COUNT}))


def test_an_empty_sample_proves_nothing() -> None:
    """A required column is not adopted on its name alone when it holds no value."""
    assert not _adopted(_renamed("client_id", "clientId", [None] * COUNT))


def test_repeated_names_are_told() -> None:
    """A name that stands twice is listed once."""
    assert _mapped(["a", "b", "a"]).repeated == ["a"]


@pytest.mark.parametrize(
    ("old", "new", "low", "high"),
    [
        ("client_id", "clientId", 1.0, 1.0),
        ("client_id", "CLIENT.ID", 1.0, 1.0),
        ("client_id", "client_identifier", 0.6, 0.99),
        ("client_id", "currency", 0.0, 0.6),
        ("client_id", "", 0.0, 0.0),
        ("client_id", "日本", 0.0, 0.0),
    ],
)
def test_names_alike(old: str, new: str, low: float, high: float) -> None:
    """Style does not count; words do."""
    assert low <= name_likeness(old, new) <= high


def test_a_time_must_be_one_that_can_be_read() -> None:
    """A number of seconds has not the shape of a time: landing could not read it."""
    stamp = next(one for one in CONTRACT.columns if one.role == "timestamp")
    assert shape_likeness(stamp, ["1935741600"] * 5) == 0.0
    assert shape_likeness(stamp, ["2031-05-05T10:00:00Z"] * 5) == 1.0


def test_a_pattern_decides_the_shape() -> None:
    """A pattern of the contract replaces the shipped shapes."""
    column = Column(name="a", role="client_id", kind="identifier", pattern="^x-")
    assert shape_likeness(column, ["x-1", "y-1", None]) == 0.5


@settings(max_examples=60)
@given(
    extra=st.lists(st.text(max_size=12), max_size=4, unique=True),
    order=st.permutations(COLUMNS),
    values=st.lists(st.none() | st.text(max_size=8), max_size=4),
)
def test_a_whole_header_never_yields_renames(
    extra: list[str], order: list[str], values: list[str | None]
) -> None:
    """With every column of the contract there, nothing else is ever taken for one of them."""
    columns = [*order, *[name for name in extra if name not in COLUMNS]]
    mapped = _mapped(columns, dict.fromkeys(columns, values))
    assert not mapped.renames
    assert not mapped.missing
    assert mapped.roles == {one.role: one.name for one in CONTRACT.columns}
