"""Every finding that counts rows can be counted again with the query it carries."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from tallymark.check import rules as gate_rules
from tallymark.check.counting.queries import without_column
from tallymark.check.reports.report import SCHEMA, as_json
from tallymark.demo.shop import make_shop
from tallymark.project import Project
from tallymark.results import Finding
from tests.ingest.making import as_csv, event, purchase

INCIDENTS = (
    "column_renamed@2", "orders_redelivered@3", "anonymous_rows@4", "column_gone@5:column=referrer",
)  # fmt: skip


def _items(*names: str) -> list[dict[str, Any]]:
    return [{"item_id": name, "item_name": name, "quantity": 1, "item_price": 5} for name in names]


def _order(number: str | None, client: str, minute: int, **more: Any) -> dict[str, str]:
    payload = {"revenue": 5, "items": _items("a"), "user_email": f"{client}-hash", **more}
    if number is not None:
        payload["transaction_id"] = number
    return purchase(payload, client_id=client, timestamp=f"2031-05-05T11:{minute:02}:00.000Z")


def _faulty() -> bytes:
    """A delivery with at least one row of each fault that a row can have."""
    rows = [event(client_id=f"c-{row}", timestamp=f"2031-05-05T0{row % 9}:00:00.000Z")
            for row in range(40)]  # fmt: skip
    rows += [event(client_id="") for _ in range(10)]
    rows += [event(client_id="", timestamp="never"), event(timestamp="never")]
    rows += [event(event_name=""), event(page_url="/p"), event(page_url="/q")]
    rows += [event(referrer=one) for one in ("null", "www.search.example", "", "(direct)")]
    rows += [event(user_agent="", client_id=f"c-{row}") for row in range(9)]
    rows += [event(client_id=f"d-{row}", timestamp="2031-05-08T10:00:00.000Z") for row in range(3)]
    rows += [event(client_id="r-1", timestamp="2031-05-05T12:00:00.000Z")] * 4
    rows += [
        purchase("no json", client_id="b-1"),
        _order(None, "b-2", 1), _order("T1", "b-3", 2, revenue="much"),
        _order("T2", "b-4", 3, revenue=-3),
        _order("T3", "b-5", 4, revenue=0, items=[]),
        _order("T4", "b-6", 5), _order("T4", "b-6", 6),
        _order("T5", "b-7", 7), _order("T5", "b-8", 8),
        _order("T6", "b-9", 9), _order("T6", "b-9", 10, revenue=9),
    ]  # fmt: skip
    return as_csv(rows) + b'c-1,"https://shop.example/\n'


def _built(root: Path, raw: Path) -> tuple[Sequence[Finding], duckdb.DuckDBPyConnection]:
    project = Project.open(source=str(raw), output=root)
    project.build()
    assert project.checked is not None
    jsonschema.validate(json.loads(as_json(project.checked)), SCHEMA)
    found = [one for report in project.checked.deliveries for one in report.findings]
    return found, duckdb.connect(str(root / "warehouse" / "tallymark.duckdb"), read_only=True)


def _holds(found: Sequence[Finding], warehouse: duckdb.DuckDBPyConnection) -> set[str]:
    counted = set()
    for one in found:
        if one.rows is None:
            continue
        assert one.query, f"{one.id} has no query"
        if one.query.startswith("tallymark "):
            continue
        rows = warehouse.execute(one.query).fetchall()
        assert rows == [(one.rows,)], (one.id, one.rows, one.query, rows)
        counted.add(str(one.rule))
    return counted


def test_each_row_fault_can_be_counted_again(tmp_path: Path) -> None:
    """A hand-made delivery with every fault of a row: query for query the gate's own count."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "o'brien_2031-05-05.csv").write_bytes(_faulty())
    found, warehouse = _built(tmp_path, tmp_path / "raw")
    with warehouse:
        counted = _holds(found, warehouse)
    assert counted >= {
        "broken_row", "time_unparseable", "event_name_missing", "client_missing", "page_invalid",
        "agent_missing", "referrer_invalid", "time_future", "repeated_rows", "payload_invalid",
        "order_without_id", "order_revenue_not_a_number", "order_negative_revenue", "order_test",
        "order_redelivered", "order_id_collision", "order_conflict",
    }  # fmt: skip


def test_findings_of_a_simulated_shop_can_be_counted_again(tmp_path: Path) -> None:
    """A week with incidents: columns, orders and rows, against the built warehouse."""
    make_shop(tmp_path, days=6, events_per_day=1500, seed=5, incidents=INCIDENTS)
    found, warehouse = _built(tmp_path, tmp_path / "raw")
    with warehouse:
        counted = _holds(found, warehouse)
    assert counted >= {"column_renamed", "column_missing", "order_redelivered", "anonymous_rows"}


def test_a_column_that_is_there_is_not_missing() -> None:
    """The query of a missing column looks for that very column."""
    with duckdb.connect() as session:
        session.execute(
            "create table ledger_deliveries as "
            """select 'a' as delivery, 3 as rows_read, '["cl\\"ient", "b"]' as columns"""
        )
        for name, rows in (("b", []), ('cl"ient', []), ("c", [(3,)])):
            assert session.execute(without_column("a", name)).fetchall() == rows


def _hits() -> list[ast.Call]:
    tree = ast.parse(Path(str(gate_rules.__file__)).read_text(encoding="utf-8"))
    return [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Hit"
    ]  # fmt: skip


@pytest.mark.parametrize("call", _hits(), ids=lambda call: f"line {call.lineno}")
def test_no_hit_counts_rows_without_a_query(call: ast.Call) -> None:
    """In the code of the checks: whoever says how many rows says how to count them."""
    given = {keyword.arg for keyword in call.keywords}
    assert "rows" not in given or {"query", None} & given, f"line {call.lineno}"
