"""A shop whose orders all state one currency that no setting names: each part says that one."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pypdf
import pytest

from tallymark.engine.currency import Stated, stated_currency
from tallymark.engine.warehouse import Warehouse
from tallymark.project import Project
from tests.cli.calling import call
from tests.ingest.making import COLUMNS, event, purchase
from tests.project.shops import EXPORTS, run

FIRST = dt.date(2031, 5, 5)


def _shop(folder: Path, currencies: Sequence[str | None]) -> Path:
    """One order a day, each in its currency; none on a day of None, which only has views."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for number, currency in enumerate(currencies):
        day = FIRST + dt.timedelta(days=number)
        at = f"{day}T10:00:00.000Z"
        rows = [event(timestamp=at, client_id=f"c-{number}-{one}") for one in range(30)]
        if currency is not None:
            paid = {"transaction_id": f"T-{number}", "revenue": 1000, "items": []}
            paid |= {"currency": currency} if currency else {}
            later = at.replace("10:00", "10:10")
            rows.append(purchase(paid, timestamp=later, client_id=f"c-{number}-0"))
        with (raw / f"{day}.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    return raw


def _headline(folder: Path) -> str:
    return str(json.loads((folder / "monitoring_report.json").read_text("utf-8"))["headline"])


def _page(folder: Path) -> str:
    return "\n".join(
        page.extract_text() for page in pypdf.PdfReader(folder / "executive-summary.pdf").pages
    )


def test_a_shop_of_yen_reads_yen_everywhere(tmp_path: Path) -> None:
    """Watch, brief and terminal say the orders' currency, with the digits that it has."""
    raw = _shop(tmp_path, ["JPY", "JPY", "", "JPY"])
    run(raw, tmp_path / "out")
    reports = tmp_path / "out" / "reports"
    assert "¥1,000 revenue" in _headline(reports)
    page = _page(reports)
    assert "Revenue, JPY" in page
    assert "$" not in page
    assert "other currencies" not in page
    shown = call("run", "--input", raw, "--output", tmp_path / "again")
    assert "JPY 4,000 counted" in shown.out
    # The exports alone say it as well.
    folder = tmp_path / "exports"
    folder.mkdir()
    for name in EXPORTS:
        shutil.copy(tmp_path / "out" / "warehouse" / name, folder)
    call("monitor", "--warehouse", folder, "--output", tmp_path / "more")
    assert "¥1,000 revenue" in _headline(tmp_path / "more")


def test_a_day_before_the_first_order_is_as_it_was(tmp_path: Path) -> None:
    """What is known of a day then, without an order yet, does not say what came later."""
    raw = _shop(tmp_path, [None, "EUR"])
    run(raw, tmp_path / "out", "report")
    then = tmp_path / "out" / "reports" / "days" / str(FIRST)
    shutil.rmtree(tmp_path / "raw")
    _shop(tmp_path, [None])
    run(raw, tmp_path / "early", "report")
    assert _headline(tmp_path / "early" / "reports") == _headline(then)


@pytest.mark.parametrize(
    ("currencies", "stated"),
    [
        (["", "EUR"], Stated(code="EUR", since=FIRST + dt.timedelta(days=1))),
        (["USD", "EUR"], Stated(code="USD", since=FIRST)),  # converted: all are in one
        (["", ""], None),
    ],
)
def test_what_orders_state(
    tmp_path: Path, currencies: Sequence[str | None], stated: Stated | None
) -> None:
    """The currency that amounts are in, and since when an order says so."""
    raw = _shop(tmp_path, currencies)
    (tmp_path / "tallymark.yml").write_text("orders: {currency_rates: {EUR: 1.1}}\n")
    one_currency = len(set(currencies) - {""}) == 1
    if one_currency:
        (tmp_path / "tallymark.yml").unlink()
    Project.open(tmp_path, source=str(raw)).build()
    engine = Warehouse(tmp_path / "warehouse").open()
    try:
        assert stated_currency(engine) == stated
    finally:
        engine.close()
