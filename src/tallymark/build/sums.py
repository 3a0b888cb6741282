"""The reconciliation of a build of some days: the sums so far, less those of the days, plus new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.build.book import Book
from tallymark.build.graph import Model, bound
from tallymark.build.plan import dates
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.parts import PART_DATE
from tallymark.engine.warehouse import Warehouse
from tallymark.ingest.landing_sql import landed_view

__all__ = ["reconcile_days"]

_AMOUNTS = ("amount_in", "amount_out", "explained")
_COUNTS = ("rows_read", "rows_accepted", "rows_quarantined")


def reconcile_days(
    engine: DuckEngine,
    model: Model,
    parameters: Mapping[str, str],
    *,
    warehouse: Warehouse,
    contract: Contract,
    old: Book,
    days: Sequence[str],
    entries: Sequence[Mapping[str, Any]],
) -> None:
    """Make ``reconciliation`` of all days out of that of the last publication.

    Every amount in it is a sum over rows that have a date, or over deliveries. So the same model
    runs twice over the days alone, as they were and as they are; nothing else is read.

    Args:
        engine: It has run the models over a window, and has the published tables in ``old``.
        model: The model of the reconciliation.
        parameters: The named parameters of models.
        warehouse: The last publication.
        contract: What marks events as internal.
        old: The book of the last publication.
        days: The days that were computed anew.
        entries: All deliveries of this build.
    """
    some = dates(days)
    paths = old.files(warehouse.root, days)
    before = {
        "landed": f"select * from ({landed_view(paths, old.days, contract.internal)}) "
        f"where event_date in {some}",
        "event_repeats": "select * from old.event_repeats",
        "fct_sessions": f"select * from old.fct_sessions where session_date in {some}",
        "fct_orders": f"select * from old.fct_orders where order_date in {some}",
        "int_order_identity": "select * from before.fct_orders",
        "fct_attribution": f"select * from old.fct_attribution where {PART_DATE} in {some}",
        "int_credit": "select * from before.fct_attribution",
    }
    after = {
        "landed": f"select * from main.landed where event_date in {some}",
        "fct_sessions": f"select * from main.fct_sessions where session_date in {some}",
        "fct_orders": f"select * from main.fct_orders where order_date in {some}",
        "int_order_identity": "select * from main.int_order_identity as identity "
        "semi join after.landed as landed on identity.event_id = landed.event_id",
        "fct_attribution": "select * from main.fct_attribution as credit "
        "semi join after.fct_orders as orders on credit.order_id = orders.order_id",
        "int_credit": f"select * from main.int_credit where order_date in {some}",
    }
    kept = warehouse.rows(f"select {', '.join(_COUNTS)} from cat.ledger_deliveries")
    counts = [[one[name] for name in _COUNTS] for one in entries]
    sql = bound(model, parameters)
    less = _slice(engine, "before", before, kept, sql)
    _add_up(engine, parameters["run"][1:-1], less, _slice(engine, "after", after, counts, sql))


def _add_up(
    engine: DuckEngine, run: str, less: Sequence[tuple[Any, ...]], more: Sequence[tuple[Any, ...]]
) -> None:
    """Make ``reconciliation``: what was published, less some rows, and some more."""
    engine.execute("create table reconciliation as select * from old.reconciliation limit 0")
    columns = [name for name, _ in engine.columns("reconciliation")]
    rows = engine.rows(f"select {', '.join(columns)} from old.reconciliation")
    sums = {_key(one): one for one in (dict(zip(columns, row, strict=True)) for row in rows)}
    for sign, part in ((-1, less), (1, more)):
        for row in part:
            one = dict(zip(columns, row, strict=True))
            total = sums.setdefault(_key(one), {**one, **dict.fromkeys(_AMOUNTS, 0)})
            for name in _AMOUNTS:
                total[name] += sign * one[name]
    any_credit = engine.rows("select 1 from whole.fct_attribution limit 1")
    for one in sums.values():
        if one["step"].startswith("attribution") and not any_credit:
            continue
        one["run"] = run
        one["difference"] = one["amount_in"] - one["amount_out"]
        marks = ", ".join("?" for _ in columns)
        engine.execute(f"insert into reconciliation values ({marks})", [one[c] for c in columns])


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["place"], row["step"], row["measure"]


def _slice(
    engine: DuckEngine,
    schema: str,
    views: Mapping[str, str],
    counts: Sequence[Sequence[Any]],
    sql: str,
) -> list[tuple[Any, ...]]:
    """The rows of the reconciliation over these tables."""
    engine.execute(f"create schema {schema}")
    for name, view in views.items():
        engine.execute(f"create view {schema}.{name} as {view}")
    engine.execute(f"set search_path = '{schema},main'")
    try:
        columns = {
            name: ("bigint", [row[place] for row in counts]) for place, name in enumerate(_COUNTS)
        }
        engine.values("int_delivery_days", columns)
        return engine.rows(f"select * from ({sql}\n)")
    finally:
        engine.execute("set search_path = 'main'")
