"""Incidents are taken apart by the landed rows: added or lost, and where."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tallymark.engine.duckdb import DuckEngine
from tallymark.monitor import apart
from tallymark.monitor.apart import told_apart
from tallymark.monitor.cells import LandedRows
from tallymark.monitor.report import markdown
from tallymark.monitor.tables import Series, Tables
from tallymark.notify.messages import as_slack, message_of
from tallymark.results import Incident, Layer, Severity

Shop = Any
Dates = Callable[[int], dt.date]

FIRST = dt.date(2031, 5, 5)
SIZE = 9
TODAY = SIZE - 1
SHOP = "https://lamps.example"
PAGES = ("/", "/products/arc-lamp", "/products/desk-lamp", "/cart", "/checkout/pay?step=2")
AGENTS = ("chrome", "safari", "firefox")
REFERRERS = (None, "https://www.google.com/", "https://search.example/?q=x", f"{SHOP}/")


@dataclass
class Rows:
    """Landed rows, as a test makes them."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    agents: dict[str, tuple[str, str, str, bool, str | None]] = field(
        default_factory=lambda: {
            "chrome": ("desktop", "Chrome", "Windows", False, None),
            "safari": ("mobile", "Safari", "iOS", False, None),
            "firefox": ("desktop", "Firefox", "Linux", False, None),
            "crawler": ("other", "other", "other", True, "Crawlerbot"),
        }
    )

    def add(
        self,
        number: int,
        day: int = TODAY,
        *,
        client: str | None = "cid",
        page: str | None = SHOP + "/",
        referrer: str | None = None,
        agent: str | None = "chrome",
        step: str = "page_view",
        payload: str | None = None,
        delivered: int | None = None,
    ) -> None:
        """So many rows alike on a day."""
        date = FIRST + dt.timedelta(days=day)
        known = FIRST + dt.timedelta(days=day if delivered is None else delivered)
        host = None if page is None else "lamps.example"
        row = (date, known, client, page, host, referrer, agent, step, payload)
        self.rows += [row] * number

    def usual(
        self, day: int, each: int = 20, change: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        """A day on which each page, agent and referrer meet equally often."""
        for page in PAGES:
            for agent in AGENTS:
                for referrer in REFERRERS:
                    one: dict[str, Any] = {"number": each, "page": SHOP + page, "agent": agent,
                           "referrer": referrer, "client": "cid"}  # fmt: skip
                    if change is not None:
                        change(one)
                    self.add(day=day, **one)

    def before(self) -> Rows:
        """All days before the judged one, unchanged."""
        for day in range(TODAY):
            self.usual(day)
        return self

    def engine(self) -> DuckEngine:
        """The two relations that are asked."""
        engine = DuckEngine(threads=1)
        kinds = ("date", "date", *["varchar"] * 7)
        names = ("event_date", "delivery_date", "client_id", "page_url", "page_host", "referrer",
                 "user_agent", "step", "payload")  # fmt: skip
        columns = list(zip(*self.rows, strict=True))
        engine.values("given", {name: (kind, list(one)) for name, kind, one
                                in zip(names, kinds, columns, strict=True)})  # fmt: skip
        engine.execute(
            "create view landed as select *, 0 as rejected, rowid as line_number from given"
        )
        agents = [(name, *facts) for name, facts in self.agents.items()]
        engine.values(
            "dim_user_agents",
            {
                name: ("boolean" if name == "is_bot" else "varchar", [one[at] for one in agents])
                for at, name in enumerate(
                    ("user_agent", "device", "browser", "os", "is_bot", "bot_name")
                )
            },
        )
        return engine

    def tell(
        self, key: str = "identity_coverage", *, series: Any = None, **more: Any
    ) -> dict[str, Any]:
        """What is told of an incident of the judged day; empty if nothing."""
        tables = Tables(
            first=FIRST, size=SIZE, delivered=np.ones(SIZE, dtype=np.bool_), series=series or {},
            hourly={}, deliveries={}, exported=False,
        )  # fmt: skip
        found = told_apart(
            [incident(key, **more)], LandedRows(self.engine()), tables, TODAY,
            lambda _: np.arange(TODAY),
        )  # fmt: skip
        return dict(found.get(key, {}))


def incident(key: str, **more: Any) -> Incident:
    """An incident that began on the judged day."""
    date = (FIRST + dt.timedelta(days=TODAY)).isoformat()
    given = {"layer": Layer.QUALITY, "severity": Severity.P1, "message": "m", "date": date,
             "since": f"{date}T00:00:00.000Z"}  # fmt: skip
    return Incident(id=key, **{**given, **more})


def test_rows_that_one_agent_added() -> None:
    """As many rows with an id as ever, and new ones without it from one program: added."""
    rows = Rows().before()
    rows.usual(TODAY)
    for page in PAGES:
        rows.add(200, client=None, page=SHOP + page, agent="crawler")
    told = rows.tell()
    assert (told["rows_added"], told["values_lost"]) == (1000, 0)
    assert told["where"][0] == {
        "dimension": "device", "value": "bot", "share": 1.0, "values_lost": 0, "rows_added": 1000,
        "rows": 1000, "usual_rows": 0,
    }  # fmt: skip
    assert (
        "1,000 were added without it; most of it: device bot (100 %: added)"
        in (told["what_changed"])
    )
    assert told["compared_with"] == [
        (FIRST + dt.timedelta(days=day)).isoformat() for day in range(1, TODAY)
    ]


def test_ids_lost_on_one_page() -> None:
    """As many rows as ever, those of one page without an id: lost, and the page is named."""
    rows = Rows().before()

    def change(one: dict[str, Any]) -> None:
        one["client"] = None if "/cart" in one["page"] else "cid"

    rows.usual(TODAY, change=change)
    told = rows.tell()
    assert (told["rows_added"], told["values_lost"]) == (0, 240)
    assert [(one["dimension"], one["value"]) for one in told["where"]] == [("section", "/cart")]


def test_a_busy_day_is_no_addition() -> None:
    """Half as many rows again everywhere, and one browser lost its ids: all of it was lost."""
    rows = Rows().before()

    def change(one: dict[str, Any]) -> None:
        one["client"] = None if one["agent"] == "safari" else "cid"

    rows.usual(TODAY, each=30, change=change)
    told = rows.tell()
    assert (told["rows_added"], told["values_lost"]) == (0, 600)
    assert told["where"][0]["value"] == "mobile"


def test_both_at_once() -> None:
    """A page that lost ids and a program that added rows on every page are told apart."""
    rows = Rows().before()

    def change(one: dict[str, Any]) -> None:
        one["client"] = None if "/cart" in one["page"] else "cid"

    rows.usual(TODAY, change=change)
    for page in PAGES:
        rows.add(80, client=None, page=SHOP + page, agent="crawler")
    told = rows.tell()
    assert (told["rows_added"], told["values_lost"]) == (400, 240)
    fates = {one["value"]: (one["rows_added"], one["values_lost"]) for one in told["where"]}
    assert fates == {"bot": (400, 0), "/cart": (0, 240)}


def test_referrers_lost_everywhere() -> None:
    """All alike: lost, and no page or agent is blamed."""
    rows = Rows().before()
    rows.usual(TODAY, change=lambda one: one.update(referrer=None))
    told = rows.tell("referrer_coverage")
    assert (told["rows_added"], told["values_lost"], told["where"]) == (0, 900, [])
    assert told["what_changed"].endswith("no page, agent or source stands out")


def test_referrers_of_one_host() -> None:
    """Where the referrers of one host are gone, it is named."""
    rows = Rows().before()

    def change(one: dict[str, Any]) -> None:
        if "google" in str(one["referrer"]):
            one["referrer"] = None

    rows.usual(TODAY, change=change)
    told = rows.tell("column_partly_empty:referrer", rule="column_partly_empty")
    assert told["values_lost"] == 300
    assert told["where"] == [
        {"dimension": "referrer", "value": "google.com", "share": 1.0, "rows": 0, "usual_rows": 300}
    ]
    assert "google.com, named 0 times and usually 300" in told["what_changed"]


@pytest.mark.parametrize(
    ("key", "tagged"),
    [("utm_coverage", "?utm_source=news&utm_medium=email"), ("click_id_coverage", "?gclid=abc")],
)
def test_tags_that_were_lost(key: str, tagged: str) -> None:
    """Campaign tags and click ids that landing pages no longer carry."""
    rows = Rows()
    for day in range(SIZE):
        rows.usual(day)
        for agent in AGENTS:
            lost = day == TODAY and agent == "safari"
            rows.add(200, day, page=f"{SHOP}/sale{'' if lost else tagged}", agent=agent)
    told = rows.tell(key)
    assert told["values_lost"] == 200
    assert "/sale" in json.dumps(told["where"]) or "mobile" in json.dumps(told["where"])


def test_payloads_without_a_field() -> None:
    """Purchases of one browser state no revenue; a broken payload is one without it."""
    rows = Rows()
    for day in range(SIZE):
        for agent in AGENTS:
            lost = day == TODAY and agent == "safari"
            sold = "{broken" if lost else '{"revenue": 12.5, "items": [{"item_name": "x"}]}'
            rows.add(60, day, step="purchase", agent=agent, payload=sold)
    for name in ("revenue", "items[].item_name"):
        told = rows.tell(f"payload_coverage:purchase.{name}", metric="payload_coverage")
        assert (told["values_lost"], told["rows_added"]) == (60, 0)
        assert told["where"][0]["value"] == "mobile"
    assert rows.tell("payload_coverage:purchase.x'); drop", metric="payload_coverage") == {}
    assert rows.tell("payload_coverage:purchase.never", metric="payload_coverage") == {}


def test_bots_that_came_in_a_wave() -> None:
    """Of a wave of bots the program is named."""
    rows = Rows().before()
    for day in range(SIZE):
        rows.add(50, day, agent="crawler")
    rows.add(900, agent="crawler")
    rows.usual(TODAY)
    told = rows.tell("bot_share", metric="bot_share", evidence={"what_changed": "so far"})
    assert told["what_changed"] == (
        "so far; rows of bots 950 (usually 50); most of it: agent Crawlerbot 950 (usually 50, "
        "100 % of the change)"
    )


def test_orders_of_one_device() -> None:
    """Fewer orders, and all of them are missing on mobile."""
    rows = Rows()
    for day in range(SIZE):
        for agent in AGENTS:
            broken = day == TODAY and agent == "safari"
            rows.add(2 if broken else 60, day, step="purchase", agent=agent)
    told = rows.tell("orders", metric="orders", layer=Layer.BUSINESS)
    assert told["where"] == [
        {"dimension": "device", "value": "mobile", "share": 1.0, "rows": 2, "usual_rows": 60}
    ]


def test_a_fall_that_is_everywhere_is_no_places() -> None:
    """Where all fell alike, nothing is named."""
    rows = Rows().before()
    rows.usual(TODAY, each=8)
    assert rows.tell("sessions", metric="sessions", layer=Layer.BUSINESS) == {}


def test_names_from_outside() -> None:
    """Ids, e-mails, markup, links and escapes in URLs and agents are never said."""
    rows = Rows().before()
    rows.usual(TODAY)
    hostile = (
        "https://x/<script>alert(1)</script>", "javascript:alert(1)", "https://x/u/jo@mail.example",
        "https://x/account/8fa31c77d0", f"{SHOP}/p/[a](http://evil.example)", "//@here/<!channel>",
        "https://x/\x1b[31m/\u202eabc", "https://x/" + "a" * 5000, "' or 1=1 --/x/y",
    )  # fmt: skip
    for at, text in enumerate(hostile):
        name = f"{text}' {at}"
        rows.agents[name] = ("mobile", text, text, True, text)
        rows.add(400, client=None, page=text, referrer=f"https://{text}", agent=name)
    told = rows.tell()
    assert told["rows_added"] == 400 * len(hostile)
    text = json.dumps(told, ensure_ascii=False)
    for never in ("<", "@", "\x1b", "\u202e", "alert", "8fa31c77d0", "evil", "aaaaaaaa", "--"):
        assert never not in text


def test_what_came_later_is_not_known() -> None:
    """Rows of the day that a later delivery brought change nothing of what is said of it."""
    early, late = Rows().before(), Rows().before()
    for one in (early, late):
        one.usual(TODAY)
        one.add(300, client=None, agent="crawler")
    late.add(900, client=None, agent="safari", delivered=TODAY + 1)
    late.add(900, 3, client=None, agent="safari", delivered=TODAY + 2)
    assert early.tell() == late.tell()


def test_the_order_of_rows_says_nothing() -> None:
    """The same rows in any order, the same words; ties are broken by name."""
    rows = Rows().before()
    rows.usual(TODAY)
    for page in ("/a", "/b", "/c", "/d"):
        rows.add(300, client=None, page=SHOP + page, agent=None)
    first = rows.tell()
    rows.rows = rows.rows[::-3] + rows.rows[-2::-3] + rows.rows[-3::-3]
    assert rows.tell() == first
    assert [one["value"] for one in first["where"]] == ["none"]


def test_days_that_were_no_better() -> None:
    """Days since it began are no measure; with none left, nothing is said."""
    rows = Rows().before()
    rows.usual(TODAY, change=lambda one: one.update(client=None))
    assert rows.tell(since="2031-05-08T07:00:00.000Z")["compared_with"] == [
        "2031-05-05", "2031-05-06", "2031-05-07",
    ]  # fmt: skip
    assert rows.tell(since="2031-05-05T07:00:00.000Z") == {}


@pytest.mark.parametrize("key", ["column_renamed:client_id", "hours_missing", "order_conflict"])
def test_what_rows_cannot_tell(key: str) -> None:
    """A column under another name, missing hours, one order: there is nothing to take apart."""
    rows = Rows().before()
    rows.usual(TODAY, change=lambda one: one.update(client=None))
    assert rows.tell(key, rule=key, metric="identity_coverage" if ":" in key else None) == {}


def test_exported_tables_have_no_rows() -> None:
    """Where nothing has landed, metrics must do."""
    assert not LandedRows(DuckEngine(threads=1)).there()


def test_in_report_and_alert(simulated: Shop, day: Dates) -> None:
    """It stands in the report and in the alert, of the judged day alone, and is escaped."""

    def plant(one: Any) -> None:
        if one.number >= 20:
            one.anonymous = np.round(one.events / 2)

    made = simulated.simulate(23, sessions=3000, plant=plant)
    rows = Rows()
    for number in range(23):
        for page in ("/a_b", "/c"):
            lost = number >= 20 and page == "/a_b"
            rows.add(500, number, client=None if lost else "cid", page=f"{SHOP}{page}/x_y")
    watch = made.watch()
    watch._rows = LandedRows(rows.engine())
    result = watch.judge(day(21))
    found = next(one for one in result.incidents if one.id == "identity_coverage")
    assert found.evidence["values_lost"] == 500
    assert "pages under /a_b (100 %: lost)" in found.evidence["what_changed"]
    assert "/a_b (100 %: lost)" in markdown(result)
    kept = next(one for one in watch.incidents() if one.id == "identity_coverage")
    assert kept.evidence == found.evidence
    told = message_of(found, event="opened", channel="c", key=str(found.key), ordinal=1,
                      shop="s", currency="USD")  # fmt: skip
    assert "/a_b" in json.dumps(as_slack(told))
    fresh = made.watch()
    fresh._rows = watch._rows
    assert fresh.judge(day(21)) == result  # whatever was judged before
    watch.judge(day(22))
    assert fresh.judge(day(22)).incidents == watch.judge(day(22)).incidents
    assert fresh.incidents() == watch.incidents()


def test_a_large_day_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many rows only some are read; the numbers are those of all, about."""
    rows = Rows().before()

    def change(one: dict[str, Any]) -> None:
        one["client"] = None if "/cart" in one["page"] else "cid"

    rows.usual(TODAY, change=change)
    events = Series.empty(SIZE)
    events.value[:] = 1200
    monkeypatch.setattr(apart, "_MOST_ROWS", 3200)
    told = rows.tell(series={("events", "all"): events})
    assert [one["value"] for one in told["where"]] == ["/cart"]
    assert 200 <= told["values_lost"] <= 280
    monkeypatch.setattr(apart, "_MOST_READ", 2500)
    assert len(rows.tell(series={("events", "all"): events})["compared_with"]) == 2


def test_a_quiet_day_asks_nothing(simulated: Shop, day: Dates) -> None:
    """Where nothing was found, no row is read."""

    class Never:
        def rows(self, *_: object) -> None:
            pytest.fail("rows were asked")

    watch = simulated.simulate(20, sessions=3000).watch()
    watch._rows = LandedRows(Never())  # type: ignore[arg-type]
    assert not watch.judge(day(19)).incidents
