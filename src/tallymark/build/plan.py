"""Which days an incremental build computes anew, and why.

A day is computed anew if anything of it could differ from what is published: rows of it came,
changed or went; a client with such rows has sessions that began before, or sessions, inherited
channels or orders within the look-backs after; a client was not new there after all; an order
became another one's redelivery; or a refund takes back an order whose touches may have changed.
Days may be too many. They are never too few: that is the incremental law.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tallymark.build.book import Book, Held
from tallymark.build.history import (
    CLIENT_DAYS,
    ON_TIME,
    ORDER_EVENTS,
    STEPS_OF_ORDERS,
    VOTES,
    client_days,
    order_events,
)
from tallymark.build.orders import Votes, make_orders
from tallymark.build.steps import Context
from tallymark.config import Config
from tallymark.engine.base import identifier, literal
from tallymark.engine.parts import relation
from tallymark.engine.warehouse import Warehouse
from tallymark.ingest.landing_sql import CLIENT_KEY, landed_view
from tallymark.results import FIRST_BUILD

__all__ = ["LIMIT", "Plan", "Planner", "context_days", "dates", "whole_reason"]

MINUTES_PER_DAY = 1440
# A day can be an hour short: a gap of so many minutes can skip one.
SHORT_DAY = 23 * 60
# If more of all rows than this would be read again, reading all of them is as fast.
LIMIT = 0.5

_ROWS = "rows came, changed or went"


@dataclass(kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        whole: Why all days are computed anew; empty if only some are.
        why: Why each of the days is, by date, ISO 8601.
        fresh: The dates of which landed rows changed.
        added: Deliveries with landed rows that are not yet in the tables.
        gone: Deliveries whose landed rows are in the tables and are not current any more.
        counted: Dates of deliveries whose counts changed.
        clients: How many clients have events on those days.
    """

    whole: str = ""
    why: dict[str, str] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    added: list[Held] = field(default_factory=list)
    gone: list[Held] = field(default_factory=list)
    clients: int | None = None

    @property
    def days(self) -> list[str]:
        """The dates to compute anew, oldest first."""
        return sorted(self.why)

    def add(self, days: Iterable[str], reason: str) -> None:
        """Compute these dates anew, too; the first reason given for a date stays."""
        for day in days:
            self.why.setdefault(day, reason)


def whole_reason(old: Book | None, new: Book, config: Config, own: Iterable[str]) -> str:
    """Why all days must be computed anew, as far as settings tell; empty if they need not be.

    Args:
        old: The book of the last publication.
        new: That of this build.
        config: The configuration.
        own: Shipped models that the shop replaced, and own ones that read what is not published.
    """
    if old is None:
        return FIRST_BUILD
    names = sorted(old.settings.keys() | new.settings.keys())
    changed = [name for name in names if old.settings.get(name) != new.settings.get(name)]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"{changed[0]} changed{more}"
    if listed := sorted(own):
        return f"the shop's own {listed[0]} may need all days"
    if config.sessions.break_on_campaign or config.sessions.cap_hours is not None:
        return "sessions that are cut by campaign or length depend on all days"
    return ""


def context_days(config: Config) -> tuple[int, int]:
    """How many days before and after a day its sessions, channels and credit can depend on.

    Before: an order's touches lie in the look-back, and a touch may have inherited its channel
    from a session one more look-back earlier; a day more at each end, because days begin in local
    time and look-backs are exact. After: the first event after the gap.
    """
    gap = 2 if config.sessions.gap_minutes >= SHORT_DAY else 1
    return 2 * config.attribution.lookback_days + 2 + gap, gap


class Planner:
    """Works out the plan, and leaves what it found in the engine for the build.

    In schema ``old`` are the published tables; in ``plan``: ``fresh_days`` and ``days`` (the
    clients of each day, as they are now), ``changed`` (clients with changed rows, by date) and
    ``orders`` (the events of orders, as they are now).
    """

    def __init__(self, warehouse: Warehouse, context: Context, old: Book, new: Book) -> None:
        self.warehouse = warehouse
        self.root = warehouse.root
        self.context = context
        self.engine = context.engine
        self.old = old
        self.new = new
        self.before, self.gap = context_days(context.config)

    # ------------------------------------------------------------ what changed

    def plan(self) -> Plan:
        """The plan; ``whole`` says so where all days are as well computed."""
        plan = self._changed()
        if any(not (self.root / str(one.file)).is_file() for one in plan.gone):
            plan.whole = "an earlier version of a delivery is gone"
        if plan.whole or self._too_many(plan):
            return plan
        self._mount()
        self._look(plan)
        self._sessions(plan)
        self._first_seen(plan)
        self._orders(plan)
        self._refunds(plan)
        if not self._too_many(plan):
            plan.clients = self.engine.rows(
                f"select count(distinct client_key) from plan.days where date in {dates(plan.why)}"
            )[0][0]
        return plan

    def _changed(self) -> Plan:
        plan = Plan()
        fresh: set[str] = set()
        for key in sorted(self.old.held.keys() | self.new.held.keys()):
            old, new = self.old.held.get(key), self.new.held.get(key)
            if old == new:
                continue
            named = {one.date for one in (old, new) if one is not None and one.date}
            plan.add(sorted(named), f"delivery {key} came, changed or went")
            if old and new and (old.file, old.stated) == (new.file, new.stated):
                continue
            for one, found in ((old, plan.gone), (new, plan.added)):
                if one is not None and one.dates:
                    found.append(one)
                    fresh |= one.dates.keys()
            plan.add(sorted(fresh), f"delivery {key} came, changed or went")
        plan.fresh = frozenset(fresh)
        for on_time in (False, True):
            moved = self.old.hour_days(on_time=on_time) ^ self.new.hour_days(on_time=on_time)
            plan.add(sorted(moved), "the first or the last day moved")
        return plan

    def _too_many(self, plan: Plan) -> bool:
        rows = self.new.rows
        some = sum(rows.get(day, 0) for day in plan.why)
        if some > LIMIT * sum(rows.values()):
            plan.whole = f"{len(plan.why)} days are touched, which is most of what there is"
        return bool(plan.whole)

    def _mount(self) -> None:
        self.engine.execute("create schema old")
        self.engine.execute("create schema plan")
        for name, parts in self.warehouse.parts().items():
            sql = relation(parts, raw=True)
            self.engine.execute(f"create view old.{identifier(name)} as {sql}")

    def _landed(self, held: Iterable[Held], book: Book) -> str:
        paths = [self.root / str(one.file) for one in held]
        return f"({landed_view(paths, book.days, self.context.contract.internal)})"

    def _look(self, plan: Plan) -> None:
        """The clients of the changed rows and of the changed days."""
        pairs = [
            "select client_key, event_date as date, event_ms from "
            f"{self._landed(held, book)} where rejected = 0 and client_id is not null"
            for held, book in ((plan.added, self.new), (plan.gone, self.old))
            if held
        ]
        nothing = (
            "select null::bigint as client_key, null::date as date, null::bigint as event_ms "
            "where false"
        )
        self.engine.execute(
            "create table plan.changed as select client_key, date, min(event_ms) as first_ms "
            f"from ({' union all '.join(pairs or [nothing])}) group by client_key, date"
        )
        paths = self.new.files(self.root, plan.fresh)
        landed = landed_view(paths, self.new.days)
        fresh = client_days(f"({landed})")
        self.engine.execute(
            f"create table plan.fresh_days as select * from ({fresh}) "
            f"where date in {dates(plan.fresh)}"
        )
        self.engine.execute(
            f"create view plan.days as select * from old.{CLIENT_DAYS} "
            f"where date not in {dates(plan.fresh)} union all by name select * from plan.fresh_days"
        )

    def _found(self, sql: str) -> list[str]:
        return [str(row[0]) for row in self.engine.rows(sql)]

    # ------------------------------------------------------------ what follows from it

    def _sessions(self, plan: Plan) -> None:
        """Days on which sessions begin that hold changed rows, or that come after such."""
        gap = self.context.config.sessions.gap_minutes * 60_000
        # Said once more without the client, so that most sessions are passed over at once.
        earliest = self.engine.rows("select coalesce(min(first_ms), 0) from plan.changed")[0][0]
        began = self._found(
            f"select distinct sessions.session_date from (select {CLIENT_KEY} as client_key, "
            "session_date, session_end from old.fct_sessions where session_end >= "
            f"make_timestamp_ms({earliest - gap})) as sessions "
            "inner join plan.changed as changed on sessions.client_key = changed.client_key "
            "where sessions.session_date < changed.date "
            f"and epoch_ms(sessions.session_end) >= changed.first_ms - {gap}"
        )
        plan.add(began, "a session that began then goes on into a changed day")
        later = self._found(
            "select distinct days.date from plan.days as days inner join plan.changed as changed "
            "on days.client_key = changed.client_key where days.date > changed.date "
            f"and days.date <= changed.date + {self.before}"
        )
        plan.add(later, "a client with changed events came again")

    def _first_seen(self, plan: Plan) -> None:
        """Days on which a client with changed rows was the first time, or is now."""
        for test in ("", " where days.on_time"):
            firsts = " union all ".join(
                f"select '{which}' as which, days.client_key, min(days.date) as date "
                f"from {table} as days semi join plan.changed as changed "
                f"on days.client_key = changed.client_key{test} group by days.client_key"
                for which, table in (("old", f"old.{CLIENT_DAYS}"), ("new", "plan.days"))
            )
            moved = self._found(
                f"with firsts as ({firsts}) select distinct date from (select date, "
                "count(*) over (partition by client_key, date) as times from firsts) "
                "where times = 1"
            )
            plan.add(moved, "a client was seen earlier or later for the first time")

    def votes(self, days: Iterable[str]) -> tuple[Votes, Votes]:
        """What orders of other days say of item prices; and those that were known on their day."""
        kept = frozenset(days)
        others, known = self.engine.rows(
            "select coalesce(sum(votes), 0), coalesce(sum(known_votes), 0) "
            f"from old.{VOTES} where date not in {dates(kept)}"
        )[0]
        return Votes(others=int(others), days=kept), Votes(others=int(known), days=kept)

    def _orders(self, plan: Plan) -> None:
        """Days of orders whose standing changed because another one came or went."""
        self._judge(
            "added",
            f"select * from {self._landed(plan.added, self.new)} "
            f"where rejected = 0 and step in {STEPS_OF_ORDERS}",
        )
        orders = order_events("plan.landed_added", "plan.added")
        self.engine.execute(f"create table plan.added_orders as {orders}")
        gone = ", ".join(["''", *(literal(one.delivery) for one in plan.gone)])
        self.engine.execute(
            f"create view plan.orders as select * from old.{ORDER_EVENTS} "
            f"where delivery not in ({gone}) union all by name select * from plan.added_orders"
        )
        self.engine.execute(
            "create table plan.numbers as select transaction_id from plan.added_orders "
            f"union select transaction_id from old.{ORDER_EVENTS} where delivery in ({gone})"
        )
        far = self.engine.rows(
            f"select 1 from old.{ORDER_EVENTS} as orders semi join plan.numbers as numbers "
            "on orders.transaction_id = numbers.transaction_id "
            f"where orders.date not in {dates(plan.why)} limit 1"
        )
        if far:
            self._standing(plan)

    def _standing(self, plan: Plan) -> None:
        columns = "* exclude (date, transaction_id, is_refund, stated_currency)"
        for name, table in (("before", f"old.{ORDER_EVENTS}"), ("after", "plan.orders")):
            self._judge(
                name, f"select {columns} from {table} as orders semi join plan.numbers as numbers "
                "on orders.transaction_id = numbers.transaction_id",
            )  # fmt: skip
            self._judge(
                f"{name}_known", f"select * from plan.landed_{name} where {ON_TIME}", known=True
            )
        changed = " union ".join(
            f"select event_id from (select * from plan.before{kind} "
            f"except select * from plan.after{kind})"
            for kind in ("", "_known")
        )
        self.engine.execute(
            "create table plan.moved as select orders.date, before.order_id "
            f"from ({changed}) as moved inner join old.{ORDER_EVENTS} as orders "
            "on moved.event_id = orders.event_id "
            "inner join plan.before as before on moved.event_id = before.event_id"
        )
        plan.add(
            self._found("select distinct date from plan.moved"),
            "an order of then is another one's redelivery, conflict or collision",
        )
        plan.add(
            self._found(
                "select distinct sessions.session_date from plan.moved as moved "
                "inner join old.fct_orders as orders on moved.order_id = orders.order_id "
                "inner join old.fct_sessions as sessions on orders.session_id = sessions.session_id"
            ),
            "an order of a session that began then counts otherwise now",
        )

    def _judge(self, name: str, rows: str, *, known: bool = False) -> None:
        """Identify the orders of some rows: ``plan.landed_<name>`` and ``plan.<name>``."""
        # How item prices are read does not change, or all days are computed anew.
        votes = self.votes(())[known]
        self.engine.execute(f"create table plan.landed_{name} as {rows}")
        self.engine.execute("create schema judged")
        self.engine.execute("set search_path = 'judged,main'")
        try:
            self.engine.execute(f"create view landed as select * from plan.landed_{name}")
            make_orders(self.engine, self.context.config, self.context.contract, votes)
            self.engine.execute(
                f"create table plan.{name} as select * from judged.int_order_identity"
            )
        finally:
            self.engine.execute("set search_path = 'main'")
            self.engine.execute("drop schema judged cascade")

    def _refunds(self, plan: Plan) -> None:
        """Days of refunds of orders on other days: they take the credit of those orders back."""
        found = self._found(
            "select distinct refunds.date from plan.orders as refunds "
            "semi join (select transaction_id from plan.orders "
            f"where not is_refund and date in {dates(plan.why)}) as sold "
            "on refunds.transaction_id = sold.transaction_id where refunds.is_refund"
        )
        plan.add(found, "a refund of then takes back an order of a changed day")


def dates(days: Iterable[str] | Mapping[str, object]) -> str:
    """Dates as a list in SQL; one that holds none holds a date that no event has."""
    return "(" + ", ".join(f"date {literal(day)}" for day in sorted(days) or ["1000-01-01"]) + ")"
