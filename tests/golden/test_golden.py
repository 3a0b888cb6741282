"""Golden shops: a few deliveries made by hand, and the rows that they must become."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from tallymark.engine.base import identifier
from tests.build.shop import Shop

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/expected.csv"))
# An order is known by the shop's own number in the file of what is expected: ids are hashes.
VIEWS = {
    "fct_attribution": (
        "select fct_attribution.*, fct_orders.transaction_id from fct_attribution "
        "inner join fct_orders on fct_attribution.order_id = fct_orders.order_id"
    )
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_deliveries_become_the_expected_rows(case: Path, tmp_path: Path) -> None:
    """The table has the expected rows, in the columns that the file names."""
    shop = Shop(tmp_path)
    shutil.copytree(case / "raw", shop.raw, dirs_exist_ok=True)
    shop.build()
    with (case / "expected.csv").open(encoding="utf-8", newline="") as stream:
        header, *expected = csv.reader(stream)
    columns = ", ".join(f"coalesce(cast({identifier(one)} as varchar), '')" for one in header)
    table = VIEWS.get(case.name, f"select * from {case.name}")
    found = [list(row) for row in shop.rows(f"select {columns} from ({table})")]
    if case.name == "metrics_daily":  # there are hundreds: the file names those it expects
        named = {tuple(row[:3]) for row in expected}
        found = [row for row in found if tuple(row[:3]) in named]
    assert sorted(found) == sorted(expected)
