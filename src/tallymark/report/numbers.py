"""Every number the executive summary states, computed once, with its interval and denominator.

All of it comes from the three gold tables, so that a folder of exports is enough; what only a
whole warehouse knows (coverage, delivery scores) is None without one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallymark.engine.base import Engine, literal
from tallymark.report.days import Day, days_with_data, gaps
from tallymark.report.tables import prepare, present
from tallymark.stats.intervals import none_seen, wilson
from tallymark.stats.resampling import (
    Interval,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_total,
)

__all__ = [
    "NO_CHANNEL",
    "POLICIES",
    "ChannelCredit",
    "Coverage",
    "Deliveries",
    "Money",
    "Numbers",
    "Orders",
    "Rate",
    "Sessions",
    "compute",
]

NO_CHANNEL = ("Unknown", "Unattributed")
POLICIES = ("ours", "all", "keep first", "keep last", "keep largest")
SEED = 20_260_101
FEWEST_FOR_INTERVAL = 10  # below ten values a bootstrap interval is narrower than the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of counts with its 95 % Wilson interval; None where the denominator is zero."""

    numerator: int
    denominator: int
    interval: Interval | None

    @classmethod
    def of(cls, numerator: int, denominator: int) -> Rate:
        """The rate of two counts, the first within the second."""
        interval = Interval(*wilson(numerator, denominator)) if denominator else None
        return cls(numerator=numerator, denominator=denominator, interval=interval)

    @property
    def value(self) -> float | None:
        """The share, 0 to 1."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in the shop's currency; the interval is None where too few values carry it."""

    value: Decimal
    interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Sessions of people: bots and internal traffic are outside, and counted beside."""

    total: int
    outside: int
    conversion: Rate
    cart: Rate
    checkout: Rate
    purchase: Rate
    with_referrer: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Counted orders, those set aside by status, and what each policy of repeated ids is worth.

    Each of the ``counted`` is in one of four places: ``after_checkout`` (in a session of a person
    that shows a checkout start), ``without_checkout`` (in one that shows none), ``outside`` (in a
    session of a bot or of staff), ``without_session`` (no session is known of it).
    """

    counted: int
    revenue: Money
    mean: Money | None
    set_aside: dict[str, int]
    collisions: int
    policies: dict[str, Decimal]
    after_checkout: int
    without_checkout: int
    outside: int
    without_session: int
    unseen_checkout: int
    unseen_checkout_revenue: Decimal
    other_currencies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCredit:
    """Revenue credited to a channel by each of two models; None where a model was not run."""

    channel: str
    first: Decimal | None
    last: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what arrived one day carried a client id and a referrer, 0 to 1."""

    date: dt.date
    identity: float | None
    referrer: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """The gate's scores, 0 to 100, and the rows it kept out."""

    latest_score: int
    lowest_score: int
    lowest_date: str | None
    rows_read: int
    rows_quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the summary states. A part that the given tables cannot tell is None or empty.

    Attributes:
        days: The dates with data, oldest first. A date that nobody delivered is not among them:
            what happened on it is not known, and not nothing.
        gaps: The dates between them without data; holes of more than a month are left out.
        no_channel: What was sold that no channel can claim by last click; refunds aside.
        no_channel_of: What was sold in all, refunds aside.
        no_channel_orders: Where none of the orders lacks a channel, or each does: the exact
            one-sided 95 % bound on the share of orders that do, as (0, bound) or (bound, 1).
    """

    first: dt.date | None
    last: dt.date | None
    days_with_data: int
    sessions: Sessions | None
    orders: Orders | None
    days: tuple[Day, ...]
    gaps: tuple[dt.date, ...]
    channels: tuple[ChannelCredit, ...]
    no_channel: Money | None
    no_channel_of: Decimal
    no_channel_share: Interval | None
    no_channel_orders: Interval | None
    coverage: tuple[Coverage, ...]
    referrer_coverage: Rate | None
    identity_coverage: Rate | None
    deliveries: Deliveries | None

    @property
    def no_channel_value(self) -> float | None:
        """The share of what was sold that no channel can claim by last click, 0 to 1.

        Refunds are left out: of one whose order is older than the data no channel is known, and
        what it takes back is no part of what was sold.
        """
        if self.no_channel is None or not self.no_channel_of:
            return None
        return float(self.no_channel.value / self.no_channel_of)


def compute(
    engine: Engine, *, currency: str, through: dt.date | None, own: str | None = None
) -> Numbers:
    """All numbers of the data up to and including ``through`` (all data if None).

    Args:
        engine: One in which the tables can be read.
        currency: The currency of amounts.
        through: The last date that counts.
        own: The shop's own, which orders are given that state none; ``currency`` if not given.
    """
    tables = present(engine)
    prepare(engine, tables, through)
    days = days_with_data(engine)
    has_credit = {"fct_orders", "fct_attribution"} <= tables
    orders = _orders(engine, {"", currency, own or currency}) if "fct_orders" in tables else None
    nothing = None, Decimal(0), None, None
    no_channel, sold, share, bound = _no_channel(engine) if has_credit else nothing
    first = days[0].date if days else None
    last = days[-1].date if days else None
    known = {day.date for day in days}
    daily = "metrics_daily" in tables and last is not None
    return Numbers(
        first=first,
        last=last,
        days_with_data=len(days),
        sessions=_sessions(engine) if "fct_sessions" in tables else None,
        orders=orders,
        days=days,
        gaps=gaps(days),
        channels=_channels(engine) if has_credit else (),
        no_channel=no_channel,
        no_channel_of=sold,
        no_channel_share=share,
        no_channel_orders=bound,
        coverage=tuple(c for c in _coverage(engine, last) if c.date in known) if daily else (),
        referrer_coverage=_covered(engine, "referrer_coverage", last) if daily else None,
        identity_coverage=_covered(engine, "identity_coverage", last) if daily else None,
        deliveries=_deliveries(engine, last) if "ledger_deliveries" in tables else None,
    )


def _one(engine: Engine, sql: str) -> tuple[Any, ...]:
    return engine.rows(sql)[0]


def _sessions(engine: Engine) -> Sessions:
    total, outside, sold, cart, reached, reached_any, bought, referred = (
        int(value)
        for value in _one(
            engine,
            """
            select
                count(case when not outside then 1 end),
                count(case when outside then 1 end),
                count(case when not outside and orders > 0 then 1 end),
                count(case when not outside and carts > 0 then 1 end),
                count(case when not outside and checkouts > 0 then 1 end),
                count(case when not outside and (carts > 0 or checkouts > 0) then 1 end),
                count(case when not outside and checkouts > 0 and orders > 0 then 1 end),
                count(case when not outside and has_referrer then 1 end)
            from report_sessions
            """,
        )
    )
    return Sessions(
        total=total,
        outside=outside,
        conversion=Rate.of(sold, total),
        cart=Rate.of(cart, total),
        checkout=Rate.of(reached, reached_any),
        purchase=Rate.of(bought, reached),
        with_referrer=Rate.of(referred, total),
    )


def _orders(engine: Engine, ours: AbstractSet[str]) -> Orders:
    found = engine.rows(
        "select revenue, coalesce(status, '') = 'refund' from report_orders where is_counted"
        " and revenue is not null order by order_id"
    )
    amounts = [float(value) for value, _ in found]
    revenue = sum((value for value, _ in found), Decimal(0))
    values = [value for value, is_refund in found if not is_refund]
    enough = len(values) >= FEWEST_FOR_INTERVAL
    mean = None
    if values:
        sold = [float(value) for value in values]
        mean = Money(
            value=sum(values, Decimal(0)) / len(values),
            interval=bootstrap_mean(sold, seed=SEED) if enough else None,
        )
    aside = engine.rows(
        "select status, count(*) from report_orders where not is_counted group by 1 order by 1"
    )
    collisions, foreign = _one(
        engine,
        "select count(case when id_status = 'id_collision' then 1 end),"
        " count(case when is_counted and coalesce(currency, '') not in "
        f"({', '.join(map(literal, sorted(ours)))}) then 1 end) from report_orders",
    )
    after, without, outside, alone, unseen, unseen_revenue = _one(
        engine,
        """
        select
            count(case when not s.outside and s.checkouts > 0 then 1 end),
            count(case when not s.outside and coalesce(s.checkouts, 0) = 0 then 1 end),
            count(case when s.outside then 1 end),
            count(case when s.outside is null then 1 end),
            count(case when coalesce(s.checkouts, 0) = 0 then 1 end),
            coalesce(sum(case when coalesce(s.checkouts, 0) = 0 then o.revenue end), 0)
        from report_orders as o
        left join report_sessions as s on o.session_id = s.session_id
        where o.is_counted and o.revenue is not null and coalesce(o.status, '') <> 'refund'
        """,
    )
    return Orders(
        counted=len(values),
        revenue=Money(
            value=revenue,
            interval=bootstrap_total(amounts, seed=SEED) if enough else None,
        ),
        mean=mean,
        set_aside={str(status): int(number) for status, number in aside},
        collisions=int(collisions),
        policies=_policies(engine, revenue),
        after_checkout=int(after),
        without_checkout=int(without),
        outside=int(outside),
        without_session=int(alone),
        unseen_checkout=int(unseen),
        unseen_checkout_revenue=Decimal(unseen_revenue),
        other_currencies=int(foreign),
    )


def _policies(engine: Engine, counted: Decimal) -> dict[str, Decimal]:
    """Revenue if repeated transaction ids were treated otherwise; refunds stay in each policy."""
    everything, refunds, first, last, largest = (
        Decimal(value)
        for value in _one(
            engine,
            """
            with ranked as (
                select
                    revenue,
                    coalesce(status, '') = 'refund' as is_refund,
                    row_number() over (
                        partition by coalesce(transaction_id, order_id), status = 'refund'
                        order by ordered_at, order_id) as from_first,
                    row_number() over (
                        partition by coalesce(transaction_id, order_id), status = 'refund'
                        order by ordered_at desc, order_id desc) as from_last,
                    row_number() over (
                        partition by coalesce(transaction_id, order_id), status = 'refund'
                        order by revenue desc nulls last, ordered_at, order_id) as from_largest
                from report_orders
                -- A refund sent twice is no order that some policy would count.
                where coalesce(status, '') <> 'redelivery' or revenue >= 0
            )
            select
                coalesce(sum(revenue), 0),
                coalesce(sum(case when is_refund then revenue end), 0),
                coalesce(sum(case when not is_refund and from_first = 1 then revenue end), 0),
                coalesce(sum(case when not is_refund and from_last = 1 then revenue end), 0),
                coalesce(sum(case when not is_refund and from_largest = 1 then revenue end), 0)
            from ranked
            """,
        )
    )
    amounts = (counted, everything, refunds + first, refunds + last, refunds + largest)
    return dict(zip(POLICIES, amounts, strict=True))


_COUNTED_CREDIT = """
    from report_credit as c
    join report_orders as o on c.order_id = o.order_id
    where o.is_counted
"""


def _channels(engine: Engine) -> tuple[ChannelCredit, ...]:
    """Credit by channel, the largest last click first; the channels that are none come last."""
    models = {str(model) for (model,) in engine.rows(f"select distinct c.model {_COUNTED_CREDIT}")}
    found = engine.rows(
        f"""
        select coalesce(c.channel, 'Unknown'),
            coalesce(sum(case when c.model = 'first_click' then c.revenue end), 0),
            coalesce(sum(case when c.model = 'last_click' then c.revenue end), 0)
        {_COUNTED_CREDIT} and c.model in ('first_click', 'last_click')
        group by 1
        """
    )
    shares = [
        ChannelCredit(
            channel=str(channel),
            first=Decimal(first) if "first_click" in models else None,
            last=Decimal(last) if "last_click" in models else None,
        )
        for channel, first, last in found
    ]
    return tuple(
        sorted(
            shares,
            key=lambda c: (c.channel in NO_CHANNEL, -(c.last or 0), -(c.first or 0), c.channel),
        )
    )


def _no_channel(
    engine: Engine,
) -> tuple[Money | None, Decimal, Interval | None, Interval | None]:
    names = ", ".join(literal(name) for name in NO_CHANNEL)
    found = engine.rows(
        f"""
        select c.order_id, sum(c.revenue),
            sum(case when coalesce(c.channel, 'Unknown') in ({names}) then c.revenue else 0 end)
        {_COUNTED_CREDIT} and c.model = 'last_click' and o.revenue > 0
        group by 1 order by 1
        """
    )
    if not found:
        return None, Decimal(0), None, None
    sold = sum((Decimal(row[1] or 0) for row in found), Decimal(0))
    totals = [float(row[1] or 0) for row in found]
    without = [float(row[2] or 0) for row in found]
    amount = sum((Decimal(row[2] or 0) for row in found), Decimal(0))
    if len(found) < FEWEST_FOR_INTERVAL:
        return Money(value=amount), sold, None, None
    bound = none_seen(len(found))
    if not any(without):  # resampling would say that it can never be
        return Money(value=amount), sold, None, Interval(0.0, bound)
    if without == totals:
        return Money(value=amount), sold, None, Interval(1 - bound, 1.0)
    share = bootstrap_ratio(without, totals, seed=SEED)
    return Money(value=amount, interval=bootstrap_total(without, seed=SEED)), sold, share, None


def _coverage(engine: Engine, last: dt.date | None) -> tuple[Coverage, ...]:
    found = engine.rows(
        """
        select cast(date as date), max(case when metric = 'identity_coverage' then value end),
            max(case when metric = 'referrer_coverage' then value end)
        from metrics_daily
        where segment = 'all' and metric in ('identity_coverage', 'referrer_coverage')
            and cast(date as date) <= ?
        group by 1 order by 1
        """,
        [last],
    )
    return tuple(Coverage(date=row[0], identity=row[1], referrer=row[2]) for row in found)


def _covered(engine: Engine, metric: str, last: dt.date | None) -> Rate | None:
    filled, of = engine.rows(
        "select cast(sum(numerator) as bigint), cast(sum(denominator) as bigint)"
        " from metrics_daily where segment = 'all' and metric = ? and cast(date as date) <= ?",
        [metric, last],
    )[0]
    return Rate.of(int(filled or 0), int(of)) if of else None


def _deliveries(engine: Engine, last: dt.date | None) -> Deliveries | None:
    found = engine.rows(
        "select cast(date as varchar), cast(score as bigint), rows_read, rows_quarantined"
        " from ledger_deliveries where ? is null or date is null or cast(date as varchar) <= ?"
        " order by date nulls first, delivery",
        [last.isoformat() if last else None] * 2,
    )
    if not found:
        return None
    lowest = min(found, key=lambda row: row[1])
    return Deliveries(
        latest_score=int(found[-1][1]),
        lowest_score=int(lowest[1]),
        lowest_date=lowest[0],
        rows_read=sum(int(row[2] or 0) for row in found),
        rows_quarantined=sum(int(row[3] or 0) for row in found),
    )
