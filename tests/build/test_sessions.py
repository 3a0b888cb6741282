"""Sessions at their edges: what begins one, what they hold, and what is told of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tests.build.shop import (
    AGENT,
    HOME,
    HOUR,
    MINUTE,
    SECOND,
    Event,
    Shop,
    cart,
    order,
    stamp,
    view,
)

DAY = 24 * HOUR
NOON = 12 * HOUR
MAIL = f"{HOME}?utm_source=news&utm_medium=email&utm_campaign=may"
AD = f"{HOME}lamp?gclid=first"
OTHER_AD = f"{HOME}lamp?gclid=second"
GOOGLE = "https://www.google.com/"


def _settings(home: Path, settings: str, contract: str = "") -> None:
    """Write a project around the deliveries."""
    home.joinpath("tallymark.yml").write_text(f"input: raw\n{settings}", encoding="utf-8")
    if contract:
        shipped = Path(__file__).parents[2] / "src" / "tallymark" / "contracts" / "events.yml"
        folder = home / "contracts"
        folder.mkdir()
        text = shipped.read_text(encoding="utf-8") + contract
        folder.joinpath("events.yml").write_text(text, encoding="utf-8")


def _built(
    home: Path, days: dict[int, list[Event]], settings: str = "", contract: str = ""
) -> Shop:
    shop = Shop(home)
    _settings(home, settings, contract)
    for day, events in days.items():
        shop.deliver(day, events)
    shop.build()
    return shop


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """All cases that need no settings, built once."""
    days: dict[int, list[Event]] = {0: [], 1: []}
    for part in (GAPS, CLOCKS, PAGES, CAMPAIGNS, LONG):
        for day, events in part.items():
            days[day] += events
    return _built(tmp_path_factory.mktemp("plain"), days)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """All cases of settings and contract that do not meet, built once."""
    cases = (TYPED, MARKED, COOKIES, RUNAWAY, HOSTS, RULED)
    return _built(
        tmp_path_factory.mktemp("told"), {0: [one for case in cases for one in case]},
        SETTINGS, CONTRACT,
    )  # fmt: skip


def _starts(shop: Shop, client: str, columns: str = "session_start, events") -> list[Any]:
    return shop.rows(
        f"select {columns} from fct_sessions where client_id = '{client}' order by session_start"
    )


# ---------------------------------------------------------------- the gap

HALF, TEN = 30 * MINUTE, 10 * MINUTE
GAPS = {
    0: [
        view(NOON, "stays"), view(NOON + HALF, "stays"),
        view(NOON, "breaks"), view(NOON + HALF + 1, "breaks"),
        view(NOON, "chain"), view(NOON + HALF, "chain"), view(NOON + 2 * HALF, "chain"),
        view(NOON, "ten"), view(NOON + TEN, "ten"), view(NOON + 2 * TEN + 1, "ten"),
    ]
}  # fmt: skip
CLOCKS = {
    0: [
        *(view(NOON + at * MINUTE, "back") for at in (10, 0, 50, 20)),
        view(NOON, "late"), view(NOON + 50 * MINUTE, "late"),
    ],
    1: [view(NOON + 25 * MINUTE, "late"), view(DAY + NOON, "late")],
}  # fmt: skip
END = NOON + 90 * SECOND + 999
PAGES = {
    0: [
        view(NOON, "one", url=f"{HOME}products/lamp?x=1"),
        view(NOON, "many", url=HOME), view(END, "many", url=f"{HOME}en/collections/lamps#top"),
        cart(END, "many", url=f"{HOME}en/products/lamp/"),
        view(NOON + SECOND, "many", url=f"{HOME}cart"),
    ],
    1: [view(END, "bob", url=f"{HOME}search?q=lamp"), order(END + SECOND, "bob")],
}  # fmt: skip


def test_the_gap_is_exact(plain: Shop) -> None:
    """30:00.000 stays and 30:00.001 breaks; a chain of short pauses is one session."""
    assert [len(_starts(plain, who)) for who in ("stays", "breaks", "chain", "ten")] == [1, 2, 1, 1]
    assert _starts(plain, "breaks") == [(stamp(NOON), 1), (stamp(NOON + HALF + 1), 1)]


def test_the_gap_is_a_setting(tmp_path: Path) -> None:
    """Where it is ten minutes, 10:00.000 stays and 10:00.001 breaks."""
    shop = _built(tmp_path, GAPS, "sessions: {gap_minutes: 10}\n")
    assert [len(_starts(shop, who)) for who in ("stays", "breaks", "chain", "ten")] == [2, 2, 3, 2]
    assert _starts(shop, "ten") == [(stamp(NOON), 2), (stamp(NOON + 2 * TEN + 1), 1)]


def test_order_of_arrival_does_not_matter(plain: Shop) -> None:
    """A clock that runs backwards in a file, and a late event in a later one, change no session."""
    assert _starts(plain, "back") == [(stamp(NOON), 4)]
    assert _starts(plain, "late") == [(stamp(NOON), 3), (stamp(DAY + NOON), 1)]


def _pages(shop: Shop, client: str) -> list[tuple[Any, ...]]:
    return shop.rows(
        "select session_pages.landing_page, landing_page_type, exit_page, exit_page_type "
        "from session_pages inner join fct_sessions using (session_id) "
        f"where client_id = '{client}'"
    )


def test_a_session_of_one_event(plain: Shop) -> None:
    """It begins where it ends, lasts no time, and leaves by the page it came to."""
    assert _starts(plain, "one", "session_start, session_end, duration_seconds, events") == [
        (stamp(NOON), stamp(NOON), 0, 1)
    ]
    lamp = f"{HOME}products/lamp"
    assert _pages(plain, "one") == [(lamp, "product", lamp, "product")]


def test_pages_and_duration(plain: Shop) -> None:
    """The last page is that of the last event; ties go by delivery and line; seconds are whole."""
    assert _starts(plain, "many", "duration_seconds") == [(90,)]
    assert _pages(plain, "many") == [(HOME, "home", f"{HOME}en/products/lamp/", "product")]
    assert _pages(plain, "bob") == [(f"{HOME}search", "search", HOME, "home")]
    sessions = plain.values("select count(*) from fct_sessions")
    assert plain.values("select count(*) from session_pages") == sessions


# ---------------------------------------------------------------- breaks that are asked for

_MINUTES = iter(range(NOON, NOON + 20 * MINUTE, MINUTE))
CAMPAIGNS = {
    0: [
        *(view(at, "clicks", url=url, referrer=GOOGLE if at == NOON else "")
          for at, url in zip(
              _MINUTES, (HOME, MAIL, HOME, MAIL, AD, AD, OTHER_AD, HOME, f"{AD}&x=1"),
              strict=False,
          )),
        view(NOON, "tie", url=MAIL), view(NOON, "tie", url=AD), view(NOON + 1, "tie"),
        view(NOON, "next", url=MAIL), view(NOON + HOUR, "next"),
        view(NOON + HOUR + 1, "next", url=MAIL),
        view(NOON, "order", url=f"{HOME}?utm_medium=email&utm_source=a"),
        view(NOON + 1, "order", url=f"{HOME}?utm_source=a&page=2&utm_medium=email"),
    ]
}  # fmt: skip
LONG = {0: [view(at, "long") for at in range(0, 5 * HOUR + 1, 20 * MINUTE)]}


def test_nothing_but_the_gap_breaks_unless_asked_for(plain: Shop) -> None:
    """Neither campaigns nor length end a session by themselves."""
    assert [len(_starts(plain, who)) for who in ("clicks", "long")] == [1, 1]


@pytest.mark.parametrize(("zone", "sessions"), [("UTC", [1, 2]), ("Europe/Berlin", [2, 1])])
def test_midnight_breaks_where_it_is_asked_for(
    tmp_path: Path, zone: str, sessions: list[int]
) -> None:
    """Midnight is that of the shop's time zone: 22:00 UTC in a summer in Berlin."""
    events = [
        view(DAY - 2 * HOUR - 1, "berlin"), view(DAY - 2 * HOUR, "berlin"),
        view(DAY - 1, "utc"), view(DAY, "utc"),
    ]  # fmt: skip
    settings = f"sessions: {{break_at_midnight: true}}\nshop: {{timezone: {zone}}}\n"
    shop = _built(tmp_path, {0: events}, settings)
    assert [len(_starts(shop, who)) for who in ("berlin", "utc")] == sessions
    who = "utc" if zone == "UTC" else "berlin"
    assert [day.day for (day,) in _starts(shop, who, "session_date")] == [5, 6]
    assert _starts(shop, who, "is_new_client") == [(True,), (False,)]


def test_campaigns_break_where_it_is_asked_for(tmp_path: Path) -> None:
    """Other tags or another click id begin a session; the same again and no tags do not."""
    shop = _built(tmp_path, CAMPAIGNS, "sessions: {break_on_campaign: true}\n")
    assert _starts(shop, "clicks", "events, channel") == [
        (1, "Organic Search"), (3, "Email"), (2, "Paid Search"), (2, "Paid Search"),
        (1, "Paid Search"),
    ]  # fmt: skip
    # Events of one millisecond stay together; a visit after the gap is compared with itself.
    assert _starts(shop, "tie", "events") == [(3,)]
    assert _starts(shop, "next", "events") == [(1,), (1,), (1,)]
    assert _starts(shop, "order", "events") == [(2,)]
    assert shop.values("select sum(events) from fct_sessions") == [len(CAMPAIGNS[0])]


def test_a_cap_cuts_a_long_session(tmp_path: Path) -> None:
    """Every so many hours from its start, and nothing is lost."""
    shop = _built(tmp_path, LONG, "sessions: {cap_hours: 2}\n")
    assert _starts(shop, "long") == [(stamp(0), 6), (stamp(2 * HOUR), 6), (stamp(4 * HOUR), 4)]


def test_all_breaks_together_lose_nothing(tmp_path: Path) -> None:
    """Midnight, campaigns and a cap at once: every event is in exactly one session."""
    events = [
        view(at, f"client-{at % 3}", url=(HOME, MAIL, AD, OTHER_AD)[at // MINUTE % 4])
        for at in range(20 * HOUR, 27 * HOUR, 7 * MINUTE)
    ]
    settings = "sessions: {break_at_midnight: true, break_on_campaign: true, cap_hours: 1}\n"
    shop = _built(tmp_path, {0: events}, settings)
    assert shop.values("select sum(events) from fct_sessions") == [len(events)]
    assert shop.values("select max(duration_seconds) from fct_sessions")[0] < 3600


def test_breaks_do_not_depend_on_the_runs(tmp_path: Path) -> None:
    """Day by day with late events and a redelivery is what a full refresh makes of it."""
    settings = "sessions: {break_at_midnight: true, break_on_campaign: true, cap_hours: 2}\n"
    events = [
        view(at, f"client-{at % 2}", url=(HOME, MAIL, AD)[at // MINUTE % 3])
        for at in range(20 * HOUR, 30 * HOUR, 11 * MINUTE)
    ]
    late, early = events[::5], [one for number, one in enumerate(events) if number % 5]
    days = {0: [one for one in early if one.at < DAY], 1: [one for one in early if one.at >= DAY],
            2: late}  # fmt: skip
    whole = _built(tmp_path / "whole", days, settings)
    steps = _built(tmp_path / "steps", {1: days[1]}, settings)
    for day in (2, 0):
        steps.deliver(day, days[day])
        steps.build()
    steps.deliver(1, days[1])
    steps.build()
    assert steps.exports() == whole.exports()


# ---------------------------------------------------------------- time zones


# Berlin: on 30 March 02:00 becomes 03:00, so the day has 23 hours; on 26 October it has 25.
LOCAL = {
    "2031-03-29T22:59:59.999": "2031-03-29",
    "2031-03-29T23:00:00.000": "2031-03-30",
    "2031-03-30T21:59:59.999": "2031-03-30",
    "2031-03-30T22:00:00.000": "2031-03-31",
    "2031-10-25T21:59:59.999": "2031-10-25",
    "2031-10-25T22:00:00.000": "2031-10-26",
    "2031-10-26T22:59:59.999": "2031-10-26",
    "2031-10-26T23:00:00.000": "2031-10-27",
}


def test_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    """A session counts on the local day of its start, on the days clocks change too."""
    shop = Shop(tmp_path)
    _settings(tmp_path, "shop: {timezone: Europe/Berlin}\n")
    ends = {at: dt.datetime.fromisoformat(at) - stamp(0) for at in LOCAL}
    shop.deliver("all.csv", [view(int(one / dt.timedelta(milliseconds=1)), at)
                             for at, one in ends.items()])  # fmt: skip
    shop.build()
    found = shop.rows("select client_id, cast(session_date as varchar) from fct_sessions")
    assert dict(found) == LOCAL
    assert shop.rows(
        "select cast(event_date as varchar), event_hour from events order by event_time limit 2"
    ) == [("2031-03-29", 23), ("2031-03-30", 0)]


# ---------------------------------------------------------------- who it was

SETTINGS = """
sessions: {runaway_events: 4, runaway_hours: 1}
shop:
  own_hosts: [lamps-checkout.example]
  payment_hosts: [acmepay.example]
channels:
  rules:
    - {id: spring, channel: Display, source: [own], campaign: ["spring*"]}
    - {id: mailing, channel: SMS, source: ["o*n"], medium: [EMAIL]}
    - {id: friends, channel: Affiliates, referrer: [friends.example]}
    - {id: pay-deals, channel: Affiliates, referrer: [klarna.com]}
  sources:
    social: {pinboard: [pinboard.example]}
"""
CONTRACT = """
pages:
  start: [/]
  thing: ['*/p_*']
internal:
  url_parameters: [preview, 'env=test']
  user_agents: [AcmeWatch]
client_made_at: '^GA1\\.\\d\\.\\d+\\.(\\d{10})$'
hosts: {payment: [partner-pay.example]}
"""
PATHS = {"": "start", "p_1": "thing", "p-1": "other", "x/p_2": "thing", "P_3/": "thing"}
TYPED = [
    *(view(NOON + at, "typed", url=HOME + path) for at, path in enumerate(PATHS)),
    view(NOON + HOUR, "typed", url="/relative/p_9"), view(NOON + HOUR + 1, "typed", url="nowhere"),
]  # fmt: skip
MARKED = [
    view(NOON, "almost", url=f"{HOME}?q=preview&envy=test"),
    view(NOON, "prefix", url=f"{HOME}?env=tester"),
    view(NOON, "named", url=f"{HOME}?a=1&preview=yes"), view(NOON, "bare", url=f"{HOME}?preview#a"),
    view(NOON, "valued", url=f"{HOME}?env=test"), view(NOON, "agent", agent=f"{AGENT} AcmeWatch/2"),
    view(NOON, "later"), view(NOON + 1, "later", url=f"{HOME}?preview=1"),
]  # fmt: skip
MADE = int(stamp(NOON).replace(tzinfo=dt.UTC).timestamp())
FRESH = (f"GA1.1.1.{MADE}", f"GA1.1.2.{MADE - 1800}", f"GA1.1.3.{MADE + 60}", "plain")
OLD = f"GA1.1.4.{MADE - 1801}"
COOKIES = [*(view(NOON, who) for who in (*FRESH, OLD)), view(NOON + HOUR, FRESH[0])]
RUNAWAY = [
    *(view(NOON + at, "runs") for at in range(5)),
    *(view(at, "long") for at in range(0, HOUR + 1, HALF)),
    *(view(at, "longer") for at in [*range(0, HOUR + 1, HALF), HOUR + SECOND]),
]
RETURNS = {
    "checkout": ("https://pay.lamps-checkout.example/done", "Email"),
    "payment": ("https://secure.acmepay.example/", "Email"),
    "shipped": ("https://www.paypal.com/checkoutnow", "Email"),
    "same_domain": ("https://konto.lamps.example/", "Email"),
    "contract": ("https://a.partner-pay.example/", "Email"),
    "looks_alike": ("https://evillamps-checkout.example/", "Referral"),
    "longer_name": ("https://lamps.example.evil.example/", "Referral"),
}
HOSTS = [
    event
    for who, (referrer, _) in RETURNS.items()
    for event in (view(NOON, who, url=MAIL), view(NOON + HOUR, who, referrer=referrer))
]
OWN = f"{HOME}?utm_source=OWN&utm_medium=email&utm_campaign="
RULED = [
    view(NOON, "r_ad", url=AD), view(NOON, "r_friend", referrer="https://M.Friends.example/x"),
    view(NOON, "r_mail", url=f"{OWN}may"), view(NOON, "r_pay", referrer="https://www.klarna.com/"),
    view(NOON, "r_pins", referrer="https://www.pinboard.example/"),
    view(NOON, "r_spring", url=f"{OWN}Spring-31"),
]  # fmt: skip


def test_page_types_come_from_the_contract(told: Shop) -> None:
    """Patterns of the contract replace the shipped ones; what stands for a text is `*` alone."""
    assert told.values(
        "select page_type from events where client_id = 'typed' order by event_time"
    ) == [*PATHS.values(), "thing", None]


def test_internal_marks_reach_the_tables(told: Shop) -> None:
    """The contract's parameters and user agents mark events and sessions, and leave rates."""
    marked = {"named", "bare", "valued", "agent"}
    assert set(told.values("select client_id from fct_sessions where is_internal")) == marked
    assert set(told.values("select client_id from events where is_internal")) == {*marked, "later"}
    for metric, table in (("sessions", "fct_sessions"), ("page_views", "events")):
        assert told.values(
            f"select numerator from metrics_daily where metric = '{metric}' and segment = 'all'"
        ) == told.values(f"select count(*) from {table} where not is_internal")


def test_a_cookie_made_before_the_visit_came_back(told: Shop) -> None:
    """Where the contract says how a client id tells its age, an old one is no new client."""
    new = told.values("select client_id from fct_sessions where is_new_client")
    assert set(FRESH) <= set(new)
    assert OLD not in new
    assert len(set(new)) == len(new)
    # Every client is in dim_clients, new or not, with its first channel.
    clients = told.values("select count(distinct client_id) from fct_sessions")
    assert (
        told.values("select count(*) from dim_clients where first_channel is not null") == clients
    )


def test_runaway_sessions_are_said_and_kept(told: Shop) -> None:
    """They stand in the reconciliation with their events; nothing is cut or left out."""
    sessions, events = told.rows("select count(*), sum(events) from fct_sessions")[0]
    # Two of five events, and one of an hour and a second; four events or an hour are not too many.
    assert told.rows(
        "select measure, amount_in, difference, explained from reconciliation "
        "where step = 'runaway' order by place"
    ) == [("sessions", sessions, 3, 3), ("events", events, 14, 14)]


# ---------------------------------------------------------------- where it came from


@pytest.mark.parametrize("who", RETURNS)
def test_a_checkout_on_another_domain_is_no_source(told: Shop, who: str) -> None:
    """Own and payment hosts cover their subdomains, and nothing that only ends alike."""
    assert _starts(told, who, "channel") == [("Email",), (RETURNS[who][1],)]


def test_rules_of_the_shop_come_first(told: Shop) -> None:
    """The first own rule that holds decides and is recorded; own sources are known too."""
    rows = told.rows(
        "select client_id, source, medium, channel, channel_rule from fct_sessions "
        "where starts_with(client_id, 'r_') order by client_id"
    )
    assert rows == [
        ("r_ad", "google", "cpc", "Paid Search", "click_id:gclid"),
        ("r_friend", "m.friends.example", "referral", "Affiliates", "own:friends"),
        ("r_mail", "own", "email", "SMS", "own:mailing"),
        ("r_pay", "klarna.com", "referral", "Affiliates", "own:pay-deals"),
        ("r_pins", "pinboard", "social", "Organic Social", "referrer_social"),
        ("r_spring", "own", "email", "Display", "own:spring"),
    ]
