"""Files in another encoding, and files that are no text: said as such, first, and once."""

from __future__ import annotations

import random

import pytest

from tallymark.config import Severity
from tallymark.results import DeliveryReport, Verdict
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event

AGENT = "Mözilla/5.0 (Fußgänger) Gecko/20100101 Firefox/140.0"
PLAIN = "Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0"


def _day(odd: int, of: int = 48, *, also: str = "", **changed: str) -> bytes:
    """Rows of a day, the first of them with something changed."""
    made = [
        event(**{
            "client_id": f"c-{number}", "user_agent": PLAIN,
            "timestamp": f"2031-05-05T{number % 24:02}:{number // 24:02}:00Z",
            **(changed if number < odd else {}),
            **({also: "https://shop.example/größe/ä"} if also and number < odd else {}),
        })
        for number in range(of)
    ]  # fmt: skip
    return as_csv(made)


def _latin(content: bytes) -> bytes:
    return content.decode().encode("latin-1")


def _adds_up(report: DeliveryReport, shop: Shop) -> None:
    assert report.rows_read == report.rows_accepted + report.rows_quarantined
    assert len(shop.kept_out()) == report.rows_quarantined


@pytest.mark.parametrize(
    ("odd", "severity"), [(1, Severity.P2), (4, Severity.P2), (6, Severity.P1), (40, Severity.P1)]
)
def test_lines_of_another_encoding_by_their_share(odd: int, severity: Severity, shop: Shop) -> None:
    """Said as what they are; from a tenth of the lines on it is an error. Rows stay row-exact."""
    report = shop.one(_latin(_day(odd, user_agent=AGENT)))
    (found,) = report.findings
    assert (found.id, found.severity, found.rows) == ("broken_row:encoding", severity, odd)
    assert f"in {odd} of 48 lines the text is not UTF-8, probably Latin-1" in found.message
    assert "UTF-8" in found.fix
    assert [one["line"] for one in found.sample or ()] == [2, 3, 4][:odd]
    assert (report.verdict, report.rows_quarantined) == (Verdict.QUARANTINE, odd)
    _adds_up(report, shop)
    assert all(AGENT in one[4].encode(errors="surrogateescape").decode("latin-1")
               for one in shop.kept_out())  # fmt: skip


def test_one_line_of_few_stays_a_warning(shop: Shop) -> None:
    """A single line is an accident, whatever share of a tiny file it is."""
    (found,) = shop.one(_latin(_day(1, of=4, user_agent=AGENT))).findings
    assert found.severity is Severity.P2


def test_a_file_of_another_encoding_is_refused(shop: Shop) -> None:
    """Where hardly a line can be read the file is wrong, not its lines; its bytes are kept."""
    content = _latin(_day(47, user_agent=AGENT))
    report = shop.one(content)
    (found,) = report.findings
    assert (report.verdict, found.id) == (Verdict.STOP, "file_encoding")
    assert found.severity is Severity.P0
    assert "in 47 of 48 lines the text is not UTF-8, probably Latin-1" in found.message
    (kept,) = (shop.quarantine / "files").iterdir()
    assert kept.read_bytes() == content
    assert not list((shop.warehouse.root / "data").rglob("*.parquet"))
    shop.check()
    assert shop.judged == 0


def test_the_encoding_and_other_damage_are_told_apart(shop: Shop) -> None:
    """Each with its own lines, its own sample, and a way to count them again."""
    content = _latin(_day(3, user_agent=AGENT)) + b"no row\n"
    report = shop.one(content)
    encoding, other = report.findings
    assert (encoding.id, encoding.rows) == ("broken_row:encoding", 3)
    assert (other.id, other.rows) == ("broken_row", 1)
    assert "encoding" not in other.message
    assert [one["line"] for one in other.sample or ()] == [50]
    assert "not UTF-8" in str(encoding.sample)
    assert encoding.query
    assert "tallymark check" in encoding.query
    _adds_up(report, shop)


@pytest.mark.parametrize("column", ["page_url", "referrer", "client_id", "event_name"])
def test_a_column_is_not_blamed_for_the_encoding(column: str, shop: Shop) -> None:
    """Values that no reader can read say nothing about their column."""
    report = shop.one(_latin(_day(40, also=column)))
    assert report.findings[0].id == "broken_row:encoding"
    assert not [one for one in report.findings if one.id.startswith("column_")]


def test_json_lines_of_another_encoding(shop: Shop) -> None:
    """The same of JSON lines."""
    line = '{"client_id": "c-%d", "page_url": "https://shop.example/", "referrer": null, '
    line += '"timestamp": "2031-05-05T10:%02d:00Z", "event_name": "page_viewed", '
    line += '"event_data": null, "user_agent": "%s"}\n'
    made = "".join(line % (number, number, AGENT if number < 4 else PLAIN) for number in range(30))
    report = shop.one(made.encode("latin-1"), "2031-05-05.jsonl")
    assert [(one.id, one.rows) for one in report.findings] == [("broken_row:encoding", 4)]


@pytest.mark.parametrize("seed", range(5))
def test_binary_data_is_one_finding(seed: int, shop: Shop) -> None:
    """Random bytes give one sentence without a single one of them."""
    content = b"a,b\n" * (seed % 2) + random.Random(seed).randbytes(5000)  # noqa: S311 -- no secret
    (found,) = shop.one(content).findings
    assert (found.id, found.severity) == ("file_kind", Severity.P0)
    assert "binary, not text" in found.message
    assert found.message.isascii()


@pytest.mark.parametrize(
    "agent", ["Браузер Москва", "浏览器 北京", "دليل المتصفح", "🛒 ブラウザ", "Größe"]
)
def test_text_in_any_script_passes(agent: str, shop: Shop) -> None:
    """UTF-8 is text, whoever writes it."""
    report = shop.one(_day(48, user_agent=f"Mozilla/5.0 ({agent})"))
    assert (report.rows_accepted, report.findings) == (48, [])


def test_a_name_of_a_column_is_never_shown_raw(shop: Shop) -> None:
    """Control characters, bytes that are no text and the sign for them are spelled out."""
    odd = b"a\x07b\x1b[31m\xe2\x80\xae \xdf \xef\xbf\xbd" + b"x" * 200
    header, rest = _day(0).split(b"\n", 1)
    rows = b"".join(line + b",1\n" for line in rest.splitlines())
    report = shop.one(header + b"," + odd + b"\n" + rows)
    said = [one.message for one in report.findings if one.rule == "column_unexpected"]
    assert len(said) == 1
    assert "a\\x07b\\x1b[31m\\u202e \\xdf \\ufffd" in said[0]
    assert len(said[0]) < 120
    told = str([(one.id, one.evidence, one.fix) for one in report.findings])
    assert not any(mark in told for mark in "\x07\x1b\u202e\ufffd")
