"""In which currency a warehouse's amounts are, and how many digits its unit has."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tallymark.engine.base import Engine, literal

__all__ = ["Stated", "currency_until", "digits_of", "stated_currency"]

_USUAL_DIGITS = 2
_DIGITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
         "VUV", "XAF", "XOF", "XPF"), 0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
_ORDERS = "fct_orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The one currency that all counted orders are in which state any.

    Attributes:
        code: The currency, as ISO 4217 writes it.
        since: The date of the first such order.
    """

    code: str
    since: dt.date


def digits_of(currency: str) -> int:
    """How many digits after the point the smallest unit of a currency has (ISO 4217).

    >>> digits_of("EUR"), digits_of("JPY"), digits_of("KWD")
    (2, 0, 3)
    """
    return _DIGITS.get(currency, _USUAL_DIGITS)


def stated_currency(engine: Engine, until: dt.date | None = None) -> Stated | None:
    """What the orders of an opened warehouse, or of its exports, say; None if nothing, or several.

    Orders all in one currency are taken as they are, whatever the settings call the shop's own; of
    several each is converted to that.

    Args:
        engine: One in which the tables can be read.
        until: Orders after this date do not count.
    """
    columns = {
        str(row[0])
        for row in engine.rows(
            f"select column_name from information_schema.columns where table_name = '{_ORDERS}'"
        )
    }
    if not columns >= {"currency", "is_counted", "order_date"}:
        return None
    said = "delivered_currency" if "delivered_currency" in columns else "currency"
    before = f" and order_date <= date {literal(until.isoformat())}" if until is not None else ""
    least, most, since = engine.rows(
        "select min(code), max(code), cast(min(order_date) as varchar) from (select "
        "cast(currency as varchar) as code, cast(order_date as date) as order_date from "
        f"{_ORDERS} where cast(is_counted as boolean) "
        f"and nullif(cast({said} as varchar), '') is not null) where code <> ''{before}"
    )[0]
    if most is None or least != most or since is None:
        return None
    return Stated(code=str(most), since=dt.date.fromisoformat(str(since)[:10]))


def currency_until(engine: Engine, own: str, until: dt.date | None = None) -> str:
    """The currency of amounts up to a date: that of all orders, else the shop's own."""
    found = stated_currency(engine, until)
    return own if found is None else found.code
