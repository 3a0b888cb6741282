"""A small shop for the report's tests: rows made by rule, published as a warehouse or exports."""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Publication, Warehouse

Rows = Sequence[Mapping[str, Any]]

FIRST = dt.date(2026, 3, 2)

_MONEY = "decimal(18,4)"
COLUMNS = {
    "fct_sessions": {
        "session_id": "varchar",
        "session_date": "date",
        "orders": "integer",
        "add_to_carts": "integer",
        "checkouts_started": "integer",
        "referrer_host": "varchar",
        "is_bot": "boolean",
        "is_internal": "boolean",
    },
    "fct_orders": {
        "order_id": "varchar",
        "transaction_id": "varchar",
        "session_id": "varchar",
        "ordered_at": "timestamp",
        "order_date": "date",
        "revenue": _MONEY,
        "currency": "varchar",
        "status": "varchar",
        "id_status": "varchar",
        "is_counted": "boolean",
    },
    "fct_attribution": {
        "order_id": "varchar",
        "model": "varchar",
        "channel": "varchar",
        "revenue": _MONEY,
    },
    "metrics_daily": {
        "date": "date",
        "metric": "varchar",
        "segment": "varchar",
        "value": "double",
        "numerator": _MONEY,
        "denominator": _MONEY,
    },
    "ledger_deliveries": {
        "delivery": "varchar",
        "date": "varchar",
        "score": "integer",
        "rows_read": "bigint",
        "rows_quarantined": "bigint",
    },
    "ledger_findings": {
        "delivery": "varchar",
        "date": "varchar",
        "id": "varchar",
        "severity": "varchar",
        "message": "varchar",
        "since": "varchar",
        "fix": "varchar",
        "layer": "varchar",
    },
}


def session(number: int, date: dt.date, **given: Any) -> dict[str, Any]:
    """A session of a person who looked and left, unless said otherwise."""
    return {
        "session_id": f"s{number}",
        "session_date": date,
        "orders": 0,
        "add_to_carts": 0,
        "checkouts_started": 0,
        "referrer_host": None,
        "is_bot": False,
        "is_internal": False,
        **given,
    }


def order(number: int, date: dt.date, revenue: str, **given: Any) -> dict[str, Any]:
    """A counted order at noon, in session ``s<number>``, unless said otherwise."""
    return {
        "order_id": f"o{number}",
        "transaction_id": f"t{number}",
        "session_id": f"s{number}",
        "ordered_at": dt.datetime.combine(date, dt.time(12)),
        "order_date": date,
        "revenue": Decimal(revenue),
        "currency": "USD",
        "status": "kept",
        "id_status": "unique",
        "is_counted": True,
        **given,
    }


def credit(number: int, model: str, channel: str, revenue: str) -> dict[str, Any]:
    """All of an order's revenue credited to one channel."""
    return {
        "order_id": f"o{number}",
        "model": model,
        "channel": channel,
        "revenue": Decimal(revenue),
    }


def publish(
    root: Path,
    tables: Mapping[str, Rows],
    judgements: Mapping[str, Mapping[str, Any]] | None = None,
) -> Warehouse:
    """A whole warehouse that holds these rows."""
    warehouse = Warehouse(root)
    engine = DuckEngine(threads=1)
    with warehouse.hold("test"):
        files = {}
        for table, rows in tables.items():
            _load(engine, table, rows)
            aside = warehouse.scratch / f"{table}.parquet"
            engine.write(f"select * from {identifier(table)}", aside)
            files[table] = [warehouse.keep(table, aside)]
        warehouse.publish(Publication(files=files), generations=1)
        for day, report in (judgements or {}).items():
            warehouse.record_judgement(day, json.dumps(report))
    engine.close()
    return warehouse


def export(root: Path, tables: Mapping[str, Rows]) -> Warehouse:
    """A folder with nothing but exported CSV files."""
    root.mkdir(parents=True, exist_ok=True)
    engine = DuckEngine(threads=1)
    for table, rows in tables.items():
        _load(engine, table, rows)
        engine.write(
            f"select * from {identifier(table)}", root / f"{table}.csv", "format csv, header"
        )
    engine.close()
    return Warehouse(root)


def _load(engine: DuckEngine, table: str, rows: Rows) -> None:
    columns = COLUMNS[table]
    engine.values(
        table, {name: (kind, [row[name] for row in rows]) for name, kind in columns.items()}
    )


# ---------------------------------------------------------------- a plausible shop

CHANNELS = (
    ("Paid Search", 0.2),
    ("Organic Search", 0.17),
    ("Unknown", 0.16),
    ("Direct", 0.14),
    ("Paid Social", 0.1),
    ("Email", 0.07),
    ("Organic Social", 0.05),
    ("Referral", 0.05),
    ("Unattributed", 0.06),
)


def plausible(days: int = 28, per_day: int = 400, seed: int = 7) -> dict[str, list[dict[str, Any]]]:
    """Tables of a shop that sells a little every day, with the last week's referrer lost."""
    dice = random.Random(seed)  # noqa: S311 -- a shop, not a secret
    names, weights = zip(*CHANNELS, strict=True)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    number = 0
    for n in range(days):
        date = FIRST + dt.timedelta(days=n)
        lost = days - 8 <= n < days - 4
        for _ in range(round(per_day * dice.uniform(0.85, 1.15))):
            number += 1
            cart = dice.random() < 0.09
            start = cart and dice.random() < 0.42
            sold = (start and dice.random() < (0.25 if n == days - 6 else 0.5)) or (
                cart and not start and dice.random() < 0.08
            )
            tables["fct_sessions"].append(
                session(
                    number,
                    date,
                    orders=int(sold),
                    add_to_carts=int(cart),
                    checkouts_started=int(start),
                    referrer_host=None if lost or dice.random() < 0.5 else "search.example",
                    is_bot=dice.random() < 0.04,
                )
            )
            if not sold:
                continue
            revenue = f"{dice.lognormvariate(4.3, 0.6):.2f}"
            tables["fct_orders"].append(order(number, date, revenue))
            last = "Unknown" if lost and dice.random() < 0.5 else dice.choices(names, weights)[0]
            first = last if dice.random() < 0.7 else dice.choices(names, weights)[0]
            tables["fct_attribution"] += [
                credit(number, "first_click", first, revenue),
                credit(number, "last_click", last, revenue),
            ]
        for metric, share in (
            ("identity_coverage", dice.uniform(0.9, 0.97)),
            ("referrer_coverage", 0.0 if lost else dice.uniform(0.45, 0.55)),
        ):
            tables["metrics_daily"].append(
                {
                    "date": date,
                    "metric": metric,
                    "segment": "all",
                    "value": share,
                    "numerator": Decimal(round(share * 1000)),
                    "denominator": Decimal(1000),
                }
            )
        tables["ledger_deliveries"].append(
            {
                "delivery": f"events_{date:%Y%m%d}.csv",
                "date": date.isoformat(),
                "score": 62 if lost else 97,
                "rows_read": per_day * 4,
                "rows_quarantined": int(n == 3),
            }
        )
    _spoil(tables["fct_orders"], number)
    return tables


def _spoil(orders: list[dict[str, Any]], number: int) -> None:
    """Two pairs of different customers under one id, a redelivery and two tests."""
    if len(orders) <= 120:
        return
    for pair in ((10, 40), (70, 120)):
        for place in pair:
            orders[place] |= {"transaction_id": f"x{pair[0]}", "id_status": "id_collision"}
    date = orders[-1]["order_date"]
    orders.append(
        orders[30] | {"order_id": f"o{number + 1}", "status": "redelivery", "is_counted": False}
    )
    orders += [order(number + n, date, "0.00", status="test", is_counted=False) for n in (2, 3)]


def judged(days: int = 28) -> dict[str, dict[str, Any]]:
    """What the watch would say of :func:`plausible`: bad from the day the referrer was lost."""
    found = {}
    lost = FIRST + dt.timedelta(days=days - 8)
    for n in range(days):
        date = FIRST + dt.timedelta(days=n)
        bad = date >= lost
        found[date.isoformat()] = {
            "date": date.isoformat(),
            "status": "RED" if bad else "GREEN",
            "findings": [],
            "incidents": INCIDENTS(lost) if bad else [],
        }
    return found


def INCIDENTS(since: dt.date) -> list[dict[str, Any]]:  # noqa: N802 -- reads as the data it is
    """Incidents as the watch writes them."""
    return [
        {
            "id": "column_missing:referrer",
            "layer": "quality",
            "severity": "P1",
            "message": "column referrer is missing: every landing without a tag reads as Unknown, "
            "so organic search, referrals and social cannot be told apart from Direct",
            "since": f"{since.isoformat()}T00:00:00.000Z",
            "fix": "Restore the referrer in the export; the last delivery that carried it is "
            "named in the evidence",
            "state": "open",
            "money_at_risk": 1204.55,
            "money_formula": "last-click revenue on Unknown since then − the usual share of it",
        },
        {
            "id": "metric:purchase_rate",
            "layer": "business",
            "severity": "P2",
            "message": "checkouts that end in an order fell from 50% to 24%",
            "since": f"{(since + dt.timedelta(days=2)).isoformat()}T14:00:00.000Z",
            "fix": "Look at payment errors of that afternoon",
            "state": "acknowledged",
            "money_at_risk": 640,
            "money_formula": "expected − seen orders × order value",
        },
        {
            "id": "order_id_collision",
            "layer": "quality",
            "severity": "P2",
            "message": "2 transaction ids are shared by different customers (0.3 by chance)",
            "since": f"{since.isoformat()}T00:00:00.000Z",
            "fix": "",
            "state": "open",
        },
    ]


@pytest.fixture(scope="session")
def shop() -> Any:
    """The makers of rows and warehouses above."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The plausible shop as a whole, judged warehouse."""
    return publish(tmp_path_factory.mktemp("full") / "warehouse", plausible(), judged())
