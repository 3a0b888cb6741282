"""The landed rows that some days need: theirs, and around them those of their clients.

The models then run over this window as over a whole history, and what they make of its days is
right. Of other days only what those need is here, so that what is made of them is thrown away:

- of each client of the days: the events of the days before and after that can matter, and all of
  a session that began on one of the days;
- of each transaction id: all its purchases and refunds, however old, and the sessions around an
  order that a refund takes back;
- of each client: a row where it was seen for the first time, so that nobody is new who is not;
- a row on the first and the last date of all, because hours are counted between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.build.book import Book
from tallymark.build.history import EMAILS
from tallymark.build.inputs import days_of, load_inputs, may_repeat
from tallymark.build.persons import MAX_CLIENTS_PER_EMAIL, MAX_EMAILS_PER_CLIENT, group_persons
from tallymark.build.plan import Plan, Planner, dates
from tallymark.build.steps import STEPS, Context, Step
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.landing_sql import CLIENT_KEY, landed_view
from tallymark.ingest.url_sql import landed_urls

__all__ = ["Window", "changed_persons"]


class Window:
    """Loads the window of a plan into the engine.

    Args:
        planner: What worked out the plan; its schemas are read.
        plan: The plan.
        book: The book of this build.
    """

    def __init__(self, planner: Planner, plan: Plan, book: Book) -> None:
        self.planner = planner
        self.engine = planner.engine
        self.context: Context = planner.context
        self.plan = plan
        self.book = book
        self.days = dates(plan.why)

    def load(self, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Make ``landed`` and the other sources; returns whether rows in it came late."""
        self._wanted()
        span = [row[0] for row in self.engine.rows("select distinct date from plan.wanted")]
        paths = self.book.files(self.planner.root, {*map(str, span), *self.plan.why})
        landed = landed_view(paths, self.book.days, self.context.contract.internal)
        self.engine.execute(
            f"create table landed as select * from ({landed}) as rows where rejected = 0 and ("
            f"event_date in {self.days} or exists (select 1 from plan.wanted as wanted "
            "where wanted.client_key = rows.client_key and wanted.date = rows.event_date))"
        )
        self._orders()
        self._reminders()
        urls = landed_urls(pages=self.context.contract.pages)
        self.engine.execute(f"create view landed_urls as {urls}")
        self._inputs(entries)
        late = "select 1 from landed where delivery_date > event_date limit 1"
        return bool(self.engine.rows(late))

    def _wanted(self) -> None:
        """Which clients' rows of which other days are needed."""
        before, gap = self.planner.before, self.planner.gap
        # A client whose order is taken back on one of the days needs that order's surroundings.
        sold = (
            "select sold.client_key, sold.date from plan.orders as sold semi join ("
            f"select transaction_id from plan.orders where is_refund and date in {self.days}"
            ") as refunds on sold.transaction_id = refunds.transaction_id "
            f"where sold.client_key is not null and sold.date not in {self.days}"
        )
        self.engine.execute(
            "create table plan.wanted as "
            f"with seeds as (select client_key, date from plan.days where date in {self.days} "
            f"union {sold}), spans as ("
            "select seeds.client_key, sessions.session_date as first, "
            "max(cast(sessions.session_end as date)) as last "
            f"from (select {CLIENT_KEY} as client_key, session_date, session_end "
            f"from old.fct_sessions where session_date in {self.days} "
            f"and cast(session_end as date) >= session_date + {gap}) as sessions "
            "inner join seeds on sessions.client_key = seeds.client_key "
            "and sessions.session_date = seeds.date group by all) "
            "select distinct days.client_key, days.date from plan.days as days "
            "inner join seeds on days.client_key = seeds.client_key "
            # Said once more without the client, so that no file of other times is read.
            f"where days.date >= (select min(date) from seeds) - {before} "
            f"and days.date not in {self.days} and days.date >= seeds.date - {before} "
            f"and days.date <= seeds.date + {gap} union "
            "select days.client_key, days.date from plan.days as days inner join spans "
            "on days.client_key = spans.client_key where days.date >= spans.first "
            f"and days.date <= spans.last + 1 and days.date not in {self.days}"
        )

    def _orders(self) -> None:
        """All purchases and refunds under the transaction ids of the window."""
        self.engine.execute(
            "insert into landed by name select orders.* exclude (date, transaction_id, is_refund, "
            "stated_currency) from plan.orders as orders semi join ("
            "select numbers.transaction_id from plan.orders as numbers "
            "semi join landed on numbers.event_id = landed.event_id) as here "
            "on orders.transaction_id = here.transaction_id "
            "anti join landed on orders.event_id = landed.event_id"
        )

    def _reminders(self) -> None:
        """Rows that only say: this client was here before; there are events on this date."""
        keys = self.engine.rows("select min(delivery) from landed")
        columns = (
            "select -(row_number() over (order by event_ms, client_key, delivery_date)) "
            "as event_id, *, $delivery as delivery, 0 as line_number, "
            "make_timestamp_ms(event_ms) as event_time, 0 as event_hour, 'seen' as event_name, "
            "'other' as step, false as referrer_collected, 0 as faults, 0 as rejected, "
            "false as is_marked from"
        )
        firsts = " union all ".join(
            "select clients.client_key, clients.client_id, days.date as event_date, "
            f"days.first_ms as event_ms, {stated} as delivery_date from clients inner join ("
            "select client_key, min(date) as date, arg_min(first_ms, date) as first_ms, "
            "arg_min(on_time, date) as on_time from plan.days as days "
            "semi join clients on days.client_key = clients.client_key "
            f"{test} group by client_key) as days on clients.client_key = days.client_key"
            for test, stated in (
                ("", "case when days.on_time then days.date else days.date + 1 end"),
                ("where on_time", "days.date"),
            )
        )
        bounds = [
            f"select null::bigint, null::varchar, date {day!r}, epoch_ms(timestamp {day!r}), "
            f"date {day!r} + {0 if on_time else 1}"
            for on_time in (False, True)
            for day in self.book.bounds(on_time=on_time) or ()
            if day not in self.plan.why
        ]
        rows = " union ".join([f"select * from ({firsts})", *bounds])
        self.engine.execute(
            "insert into landed by name with clients as (select client_key, "
            "any_value(client_id) as client_id from landed where client_id is not null "
            f"group by client_key) {columns} (select reminders.* from ({rows}) as reminders "
            "left join plan.wanted as wanted on reminders.client_key = wanted.client_key "
            "and reminders.event_date = wanted.date where wanted.date is null "
            f"and reminders.event_date not in {self.days})",
            {"delivery": keys[0][0] or ""},
        )

    def _inputs(self, entries: Sequence[Mapping[str, Any]]) -> None:
        here = {row[0] for row in self.engine.rows("select distinct delivery from landed")}
        days = self.plan.why.keys()
        due = {key for key, one in self.book.held.items() if not days.isdisjoint(one.dates)}
        named = [
            # What has no row on these days need not have any here.
            one if one["delivery"] in due else {**one, "rows_accepted": 0}
            for one in entries
            if one["delivery"] in here | due or one["date"] in days
        ]
        calendar = [day for day in days_of(entries) if day.isoformat() in self.plan.why]
        load_inputs(self.engine, named, repeats=may_repeat(entries), days=calendar)

    # ------------------------------------------------------------ persons

    def steps(self) -> dict[str, Step]:
        """The steps, of which that of persons looks at all e-mails that its clients lead to."""
        return {
            **STEPS,
            "dim_persons": Step(reads=("landed",), make=self._persons, by_value=True),
        }

    def _persons(self, context: Context) -> None:
        STEPS["dim_persons"].make(context)
        engine = context.engine
        engine.execute(
            f"create table plan.emails as select client_id, customer from old.{EMAILS} "
            f"where date not in {self.days} union select client_id, customer from {EMAILS} "
            f"where date in {self.days}"
        )
        seeds = engine.rows(
            "select distinct emails.client_id from plan.emails as emails "
            "semi join landed on emails.client_id = landed.client_id"
        )
        persons = _persons_of(engine, "plan.emails", [row[0] for row in seeds])
        clients = sorted(persons)
        engine.values(
            "dim_persons",
            {
                "client_id": ("varchar", clients),
                "person_id": ("varchar", [persons[client] for client in clients]),
            },
        )


def changed_persons(engine: DuckEngine, days: str) -> dict[str, str | None]:
    """Clients whose person is another one than before, and which; None if it is none any more.

    Args:
        engine: After the models have run over a window.
        days: Its days, as a list in SQL.
    """
    engine.execute(
        f"create table plan.old_emails as select distinct client_id, customer from old.{EMAILS}"
    )
    # Pairs of other days are the same before and after.
    engine.execute(
        "create table plan.moved_emails as "
        f"(select client_id, customer from old.{EMAILS} where date in {days} "
        f"except select * from plan.emails) union all (select client_id, customer from {EMAILS} "
        f"where date in {days} except select * from plan.old_emails)"
    )
    seeds = {row[0] for row in engine.rows("select client_id from plan.moved_emails")}
    if not seeds:
        return {}
    for pairs in ("plan.emails", "plan.old_emails"):
        # An address may join others no more, or again; one of too many before and after does not.
        shared = engine.rows(
            f"select list(pairs.client_id) from {pairs} as pairs semi join plan.moved_emails as "
            "moved on pairs.customer = moved.customer group by pairs.customer "
            f"having count(*) <= {MAX_CLIENTS_PER_EMAIL}"
        )
        seeds |= {client for row in shared for client in row[0]}
    before = _persons_of(engine, "plan.old_emails", sorted(seeds))
    after = _persons_of(engine, "plan.emails", sorted(seeds))
    # What one of them leads to now, it may have led to before by another way only.
    reached = sorted(before.keys() | after.keys())
    before = _persons_of(engine, "plan.old_emails", reached)
    after = _persons_of(engine, "plan.emails", reached)
    return {
        client: after.get(client)
        for client in sorted(before.keys() | after.keys())
        if before.get(client) != after.get(client)
    }


def _persons_of(engine: DuckEngine, pairs: str, clients: Sequence[str]) -> dict[str, str]:
    """The persons of some clients and of all that these lead to, as far as they have any.

    What joins nothing, because it has too many partners, leads nowhere.
    """
    found: set[tuple[str, str]] = set()
    seen_clients: set[str] = set()
    seen_emails: set[str] = set()
    frontier = list(clients)
    while frontier:
        seen_clients.update(frontier)
        engine.values("frontier", {"client_id": ("varchar", frontier)})
        rows = engine.rows(
            f"select client_id, customer from {pairs} as pairs "
            "semi join frontier on pairs.client_id = frontier.client_id"
        )
        found.update(rows)
        emails: dict[str, list[str]] = {}
        for client, email in rows:
            emails.setdefault(client, []).append(email)
        asked = sorted(
            {
                email
                for theirs in emails.values()
                if len(theirs) <= MAX_EMAILS_PER_CLIENT
                for email in theirs
            }
            - seen_emails
        )
        seen_emails.update(asked)
        engine.values("frontier", {"customer": ("varchar", asked)})
        rows = engine.rows(
            f"select client_id, customer from {pairs} as pairs "
            "semi join frontier on pairs.customer = frontier.customer"
        )
        found.update(rows)
        owners: dict[str, list[str]] = {}
        for client, email in rows:
            owners.setdefault(email, []).append(client)
        frontier = sorted(
            {
                client
                for theirs in owners.values()
                if len(theirs) <= MAX_CLIENTS_PER_EMAIL
                for client in theirs
            }
            - seen_clients
        )
    persons = group_persons(sorted(found))
    return {client: persons[client] for client in sorted(seen_clients & persons.keys())}
