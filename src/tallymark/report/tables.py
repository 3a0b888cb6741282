"""The three gold tables under one set of types, whether from a warehouse or from exports."""

from __future__ import annotations

import datetime as dt

from tallymark.engine.base import Engine, literal

__all__ = ["prepare", "present"]

# Exports are text until cast, and a table that is missing is an empty one.
_SOURCES = {
    "fct_sessions": (
        "report_sessions",
        "cast(session_date as date)",
        {
            "session_id": "cast(session_id as varchar)",
            "date": "cast(session_date as date)",
            "orders": "cast(orders as bigint)",
            "carts": "cast(add_to_carts as bigint)",
            "checkouts": "cast(checkouts_started as bigint)",
            "has_referrer": "coalesce(cast(referrer_host as varchar), '') <> ''",
            "outside": "coalesce(cast(is_bot as boolean), false)"
            " or coalesce(cast(is_internal as boolean), false)",
        },
    ),
    "fct_orders": (
        "report_orders",
        "cast(order_date as date)",
        {
            "order_id": "cast(order_id as varchar)",
            "transaction_id": "cast(transaction_id as varchar)",
            "session_id": "cast(session_id as varchar)",
            "ordered_at": "cast(ordered_at as timestamp)",
            "date": "cast(order_date as date)",
            "revenue": "cast(revenue as decimal(18,4))",
            "currency": "cast(currency as varchar)",
            "status": "cast(status as varchar)",
            "id_status": "cast(id_status as varchar)",
            "is_counted": "coalesce(cast(is_counted as boolean), false)",
        },
    ),
    "fct_attribution": (
        "report_credit",
        "null",
        {
            "order_id": "cast(order_id as varchar)",
            "model": "cast(model as varchar)",
            "channel": "cast(channel as varchar)",
            "revenue": "cast(revenue as decimal(18,4))",
        },
    ),
}
_TYPES = {
    "date": "date",
    "ordered_at": "timestamp",
    "revenue": "decimal(18,4)",
    "orders": "bigint",
    "carts": "bigint",
    "checkouts": "bigint",
    "has_referrer": "boolean",
    "outside": "boolean",
    "is_counted": "boolean",
}


# Without a ledger nobody knows what was delivered.
_DELIVERED = """
    select distinct try_cast(date as date) as date from ledger_deliveries
    where rows_read > rows_quarantined and try_cast(date as date) <= cast({bound} as date)
"""


def present(engine: Engine) -> set[str]:
    """The names of all tables and views there are."""
    return {
        str(name) for (name,) in engine.rows("select table_name from information_schema.tables")
    }


def prepare(engine: Engine, tables: set[str], through: dt.date | None) -> None:
    """Make ``report_sessions``, ``report_orders`` and ``report_credit``, up to a day.

    And ``report_delivered``: the dates of which a delivery was read, if only in part.
    """
    bound = through.isoformat() if through else "9999-12-31"
    for table, (view, dated, columns) in _SOURCES.items():
        if table in tables:
            picks = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
            limit = "" if dated == "null" else f" where {dated} <= cast({literal(bound)} as date)"
            engine.execute(
                f"create or replace temp view {view} as select {picks} from {table}{limit}"
            )
        else:
            nothing = ", ".join(
                f"cast(null as {_TYPES.get(name, 'varchar')}) as {name}" for name in columns
            )
            engine.execute(f"create or replace temp view {view} as select {nothing} where 1 = 0")
    known = _DELIVERED.format(bound=literal(bound))
    nothing = "select cast(null as date) as date where 1 = 0"
    query = known if "ledger_deliveries" in tables else nothing
    engine.execute(f"create or replace temp view report_delivered as {query}")
