"""The dates a shop has data of, and the holes between them: what is not known is not zero."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallymark.engine.base import Engine

__all__ = ["Day", "days_with_data", "gaps"]

LONGEST_GAP = 31  # days without data that are told one by one; more is a wrong clock
# Rows of a day that nobody delivered come late, in the files of others: a few, or the hours by
# which the shop's day and that of the files differ. Half of a usual day is more than either.
ENOUGH_OF_A_DAY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One date with data: counted revenue, its orders' squared values, sessions that bought."""

    date: dt.date
    revenue: Decimal
    orders: int
    squares: float
    sessions: int
    converted: int


def days_with_data(engine: Engine) -> tuple[Day, ...]:
    """The dates with data, oldest first.

    A date that was delivered has data, be it of nothing sold. One between delivered dates that was
    not has none, though some rows of it may have come with another day. Where no ledger tells what
    was delivered, a date has data if there is anything of it.
    """
    seen = _seen(engine)
    given = {date for (date,) in engine.rows("select date from report_delivered")}
    if not given:
        return seen
    first, last = min(given), max(given)
    usual = statistics.median(day.sessions for day in seen if day.date in given)
    return tuple(
        day
        for day in seen
        if day.date in given
        or not first < day.date < last
        or day.sessions > ENOUGH_OF_A_DAY * usual
    )


def _seen(engine: Engine) -> tuple[Day, ...]:
    """Every date that was delivered, or has a session or an order."""
    found = engine.rows(
        """
        with sold as (
            select date, sum(revenue) as revenue,
                count(case when coalesce(status, '') <> 'refund' then 1 end) as orders,
                sum(cast(revenue as double) * cast(revenue as double)) as squares
            from report_orders where is_counted group by 1
        ), seen as (
            select date, count(*) as sessions, count(case when orders > 0 then 1 end) as converted
            from report_sessions where not outside group by 1
        ), every as (
            select date from report_orders
            union select date from report_sessions
            union select date from report_delivered
        )
        select e.date, coalesce(o.revenue, 0), coalesce(o.orders, 0), coalesce(o.squares, 0),
            coalesce(s.sessions, 0), coalesce(s.converted, 0)
        from every as e
        left join sold as o on e.date = o.date
        left join seen as s on e.date = s.date
        where e.date is not null
        order by e.date
        """
    )
    return tuple(
        Day(
            date=row[0],
            revenue=Decimal(row[1]),
            orders=row[2],
            squares=round(float(row[3]), 4),  # the order in which a sum is made must not show
            sessions=row[4],
            converted=row[5],
        )
        for row in found
    )


def gaps(days: Sequence[Day]) -> tuple[dt.date, ...]:
    """The dates between these that are not among them; holes of more than a month are left out."""
    return tuple(
        before.date + dt.timedelta(days=n)
        for before, after in itertools.pairwise(days)
        if (after.date - before.date).days <= LONGEST_GAP
        for n in range(1, (after.date - before.date).days)
    )
