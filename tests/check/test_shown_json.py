"""Rows in quarantine that came as JSON or in Parquet: shown by name, and nobody in them known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tallymark.check.quarantined.quarantine import Quarantine
from tallymark.check.quarantined.shown import shown
from tests.check.judging import Shop
from tests.ingest.making import as_parquet, event, purchase

_PAYLOAD = {"transaction_id": "T-1", "buyer": 'Anna "Q" Smith', "revenue": 5}


def _row() -> dict[str, str]:
    return purchase(_PAYLOAD, timestamp="not a time", client_id="c-1007123", user_agent="a\x1b[31m")


def _lines(*rows: dict[str, str]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_row_of_names_and_values(tmp_path: Path, form: str) -> None:
    """What is wrong with the row is there; ids, texts of the payload and controls are not."""
    shop = Shop(tmp_path)
    selects = " union all ".join(
        "select " + ", ".join(f"'{value}' as {name}" for name, value in row.items())
        for row in (event(), _row())
    )
    lines = form == "jsonl"
    content = _lines(event(), _row()) if lines else as_parquet(tmp_path, selects)
    shop.one(content, f"2031-05-05.{form}")
    (row,) = shown(
        Quarantine(shop.quarantine), f"2031-05-05.{form}", rule=None, limit=5, raw=False
    ).rows
    assert "timestamp: not a time, event_name: checkout_completed" in row.text
    assert "Anna" not in row.text
    assert "Smith" not in row.text
    assert "1007123" not in row.text
    assert "\x1b" not in row.text


def test_a_line_that_was_cut(tmp_path: Path) -> None:
    """A quote behind a backslash ends no text: what stands behind it is hidden, too."""
    shop = Shop(tmp_path)
    shop.one(_lines(event()) + _lines(_row())[:-20] + b"\n" + _lines(event()), "2031-05-05.jsonl")
    (row,) = shown(
        Quarantine(shop.quarantine), "2031-05-05.jsonl", rule=None, limit=5, raw=False
    ).rows
    assert "Smith" not in row.text
