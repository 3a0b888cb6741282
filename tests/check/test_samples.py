"""Samples: the first rows of a finding, and nobody can be recognised in any report."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallymark.check.counting.samples import SHOWN, masked, masked_id, masked_url, private
from tallymark.check.reports.report import SCHEMA, as_json, write_reports
from tests.check.judging import RULES, Shop
from tests.check.reporting import a_finding
from tests.ingest.making import as_csv, event, purchase

HASH = hashlib.sha256(b"jo@mail.example").hexdigest()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("cid_4f9a21c07be84d6e9a10", "cid_…(24 chars)"),
        ("GA1.2.1234567890.1700000000", "…(27 chars)"),
        ("8172", "…(4 chars)"),
        ("jo@mail.example", "…(15 chars)"),
        ("x", "…(1 chars)"),
    ],
)
def test_an_id_is_its_prefix_and_length(value: str, shown: str) -> None:
    """Enough to see which kind of id it is, and no more."""
    assert masked_id(value) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/p/1", "https://a.example/p/1"),
        ("https://a.example/?utm_source=news&uid=77&x", "https://a.example/?utm_source=news&uid=…&…"),
        ("https://jo:pw@a.example/u/jo@mail.example#t",
         "https://a.example/u/e-mail…(15 chars)#…"),
        (f"https://a.example/reset/{HASH}", "https://a.example/reset/hash…(64 chars)"),
        ("https://a.example/?utm_campaign=jo%40mail.example",
         "https://a.example/?utm_campaign=e-mail…(15 chars)"),
    ],
)  # fmt: skip
def test_a_url_keeps_its_page_and_campaign(url: str, shown: str) -> None:
    """Values of other parameters, users and fragments go; the names of parameters stay."""
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "jo@mail.example", "JO%40MAIL.example", HASH, "10.20.30.40", "2001:db8:0:1:1:1:1:1",
        "123e4567-e89b-12d3-a456-426614174000", "GA1.2.123456789.170000000", "4f9a21c07be84d6e9a10",
        "https://a.example/?token=abc",
    ],
)  # fmt: skip
def test_personal_texts_are_masked_anywhere(text: str) -> None:
    """Inside of a sentence too; what is about it stays."""
    shown = masked(f"before {text} after")
    assert text not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "column client_id is missing; clientId matches it (names 100% alike)",
        "12,345 of 1,234,567 rows (1.0%) are not of 2031-05-05",
        "events_20310505.csv came at 2031-05-05T10:00:00.000Z",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/141.0.0.0",
        "product_added_to_cart", "items[].item_price", "version 1.2.3",
    ],
)  # fmt: skip
def test_ordinary_texts_stay(text: str) -> None:
    """Names, numbers, days and browsers are nobody."""
    assert masked(text) == text


def test_a_hostile_length_is_cut() -> None:
    """A value of a megabyte is not searched whole, and no half e-mail is left."""
    text = f"{'a ' * 990}{'x' * 15}jo@mail.example{'y' * 1_000_000}"
    assert "jo@" not in masked(text)
    assert len(masked("1a" * 500_000)) < 3000


def test_a_finding_is_made_private() -> None:
    """Words, facts and the id of a finding are masked; its query counts on."""
    one = private(a_finding(f"column_unexpected:{HASH}", message=f"column {HASH} is new",
                            evidence={"columns": [HASH], HASH: {"a": HASH}}))  # fmt: skip
    assert HASH not in json.dumps([one.id, one.message, dict(one.evidence)])
    assert one.query == a_finding().query


def test_the_first_rows_are_shown(shop: Shop) -> None:
    """The first three lines that have the fault, in their order, with the columns that matter."""
    rows = [event(client_id="" if line % 2 else "c-1001") for line in range(20)]
    report = shop.one(as_csv(rows))
    one = next(one for one in report.findings if one.rule == "client_missing")
    assert one.sample is not None
    assert [row["line"] for row in one.sample] == [3, 5, 7]
    assert len(one.sample) == SHOWN
    assert one.sample[0] == {
        "line": 3, "time": "2031-05-05T10:00:00.000Z", "event": "page_viewed", "client": None,
        "page": "https://shop.example/p/1", "agent": event()["user_agent"],
    }  # fmt: skip


def test_orders_and_broken_lines_have_samples(shop: Shop) -> None:
    """An order by its number and revenue, a broken line by its reason alone."""
    content = as_csv([
        purchase({"transaction_id": "T1", "revenue": -5, "items": [{"item_name": "a"}]}),
        *(event() for _ in range(20)),
    ]) + b'c-1002,"https://shop.example/\n'  # fmt: skip
    found = {one.rule: one for one in shop.one(content).findings}
    (row,) = found["order_negative_revenue"].sample or ()
    assert (row["line"], row["order"], row["revenue"], row["items"]) == (2, "T1", "-5.00", 1)
    (line,) = found["broken_row"].sample or ()
    assert set(line) == {"line", "reason"}


def _person(seed: int) -> tuple[str, str, str]:
    chance = random.Random(seed)  # noqa: S311 -- a test's own people
    digits = "".join(chance.choices("0123456789abcdef", k=20))
    number = chance.randrange(10**8, 10**9)
    client = chance.choice([
        f"cid_{digits}", digits,
        f"{digits[:8]}-{digits[:4]}-{digits[4:8]}-{digits[8:12]}-{digits[:12]}",
        f"GA1.2.{number}.{number + 7}", str(number), f"u{number}",
    ])  # fmt: skip
    return (
        client,
        f"{digits[:6]}.x@mail{seed % 9}.example",
        hashlib.sha256(digits.encode()).hexdigest(),
    )


def _delivered(people: list[tuple[str, str, str]], *, header: bool) -> bytes:
    rows = []
    for client, mail, digest in people:
        url = f"https://shop.example/u/{mail}?uid={client}&h={digest}"
        rows += [
            event(client_id="", page_url=url, referrer=url),
            event(client_id=client, page_url=f"/relative/{client}?e={mail}"),
            event(client_id=client, timestamp=client),
            event(client_id=client, event_name="", page_url=url),
            event(client_id=client, user_agent="", timestamp="2031-05-07T10:00:00.000Z"),
            purchase({"revenue": -1, "user_email": digest, "items": []}, client_id=client),
            purchase({"transaction_id": client, "user_email": mail, "revenue": "x"},
                     client_id=client, page_url=url),
            purchase(f"no json {mail}", client_id=client),
        ]  # fmt: skip
    text = as_csv([*rows, *rows[:2]])
    broken = "".join(f'{mail},"{client}\n' for client, mail, _ in people).encode()
    return (text if header else text.split(b"\n", 1)[1]) + broken


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
       header=st.booleans())  # fmt: skip
def test_nobody_is_named_in_any_report(*, seeds: list[int], header: bool) -> None:
    """No client id, e-mail or hash of a delivery stands in any file of the reports."""
    people = [_person(seed) for seed in seeds]
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.put(_delivered(people, header=header))
        result = shop.check()
        assert result.deliveries[0].findings
        paths = write_reports(result, Path(folder) / "out", formats=("junit", "sarif"), rules=RULES)
        jsonschema.validate(json.loads(as_json(result)), SCHEMA)
        for path in paths:
            text = path.read_text(encoding="utf-8").lower()
            for secret in {one.lower() for person in people for one in person}:
                assert secret not in text, path.name
                assert secret.replace("@", "%40") not in text, path.name
