from __future__ import annotations

import datetime as dt
import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.report import text


@pytest.mark.parametrize(
    ("value", "style", "words"),
    [
        (Decimal("287712.345"), "exact", "$287,712.35"),
        (Decimal("287712.345"), "whole", "$287,712"),
        (Decimal("287712.345"), "short", "$287.7k"),
        (999_960, "short", "$1.0M"),
        (999.4, "short", "$999"),
        (999.6, "short", "$1.0k"),
        (Decimal("-12.5"), "exact", "−$12.50"),
        (Decimal("-0.001"), "exact", "$0.00"),
        (3.2e9, "short", "$3.2B"),
        (0, "short", "$0"),
    ],
)
def test_money(value: Decimal | float, style: str, words: str) -> None:
    """Amounts round half up, and nothing is never negative."""
    assert text.money(value, "USD", style) == words


def test_money_of_other_currencies() -> None:
    """A currency without a sign shows its code; one without minor units no decimals."""
    assert text.money(Decimal("12.50"), "CHF", "exact") == "CHF\u200912.50"
    assert text.money(Decimal("1250.4"), "JPY", "exact") == "¥1,250"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0%"),
        (0.00761, "0.76%"),
        (0.0341, "3.4%"),
        (0.0999, "10%"),
        (0.52, "52%"),
        (0.9999, "99.9%"),
        (1.0, "100%"),
    ],
)
def test_percent(share: float, words: str) -> None:
    """About two digits, and nearly all is not all."""
    assert text.percent(share) == words


def test_ends_of_a_range_differ() -> None:
    """A narrow interval gets the digits it needs; one without width does not look for any."""
    assert text.percent_range(0.0078, 0.0098) == "0.78 to 0.98%"
    assert text.percent_range(0.02282, 0.02321) == "2.28 to 2.32%"
    assert text.percent_range(0.29, 0.44) == "29 to 44%"
    assert text.percent_range(0.0, 0.0) == "0 to 0%"


def test_moments() -> None:
    """Times are dated to the hour, with a year when it is another; the rest stays as it is."""
    near = dt.date(2025, 3, 8)
    assert text.moment("2025-03-02T00:00:00.000Z", near) == "2 Mar"
    assert text.moment("2025-03-02T14:00:00+02:00", near) == "2 Mar 12:00"
    assert text.moment("2024-12-31", near) == "31 Dec 2024"
    assert text.moment("last week", near) == "last week"
    assert text.moment(None, near) == "not known"
    assert text.moment("2025-03-02T00:02:11.448Z", near) == "2 Mar", "its first event"
    assert text.moment("2025-03-02T00:05:00.000Z", near) == "2 Mar 00:05"


@given(st.text(max_size=400))
def test_any_text_can_be_shown(given_text: str) -> None:
    """Whatever comes in, every character that goes out has a glyph, on one line, within limits."""
    found = text.shown(given_text, 80)
    assert all(ord(character) in text.covered() for character in found)
    assert len(found.replace("\u200b", "")) <= 80
    assert not set(found) & set("\n\r\t\0\u202e")


def test_plain_text_is_not_touched() -> None:
    """Markup of the typesetter is text like any other."""
    plain = "#eval $x$ *b* <l> \\ ` @ref // " + string.punctuation
    assert text.shown(plain).replace("\u200b", "") == plain


def test_long_words_may_break() -> None:
    """A word without a space can be broken into lines."""
    assert "\u200b" in text.shown("x" * 60)


COMMAND = "`tallymark contract alias client_id clientId`"


@pytest.mark.parametrize("limit", range(20, 120))
def test_a_sentence_is_cut_between_what_belongs_together(limit: int) -> None:
    """Never inside a word, a command, or between a number and its sign."""
    sentence = f"beyond the usual 25.9 % = $3,204.50; agree with {COMMAND}, or restore it"
    found = text.shown(sentence, limit)
    assert len(found) <= limit
    if found != sentence:
        begun = found.removesuffix("…")
        assert sentence.startswith(begun)
        rest = sentence[len(begun) :]
        assert not rest[0].isalnum()
        assert not rest.startswith((" %", "."))
        assert begun.count("`") != 1
        assert begun[-1] not in " =;,"


def test_shorter_ways_to_say_it() -> None:
    """Of a fix the command is left, of a formula what it is made of, of a fault what it is."""
    fix = f"agree to the new name with {COMMAND}, which adds it, or restore client_id"
    assert text.alternatives(fix) == (fix, f"agree to the new name with {COMMAND}")
    assert text.alternatives("restore it at the source") == ("restore it at the source",)
    fault = "a is missing; b matches it (names alike, 100% fit). It explains x, y"
    assert text.alternatives(fault)[-1] == "a is missing; b matches it"
