"""The tables that Python makes: what is worked out once per distinct value and joined back."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tallymark.build.batches import batches
from tallymark.build.orders import Votes, make_orders
from tallymark.build.persons import group_persons
from tallymark.build.sessions import make_breaks, new_client
from tallymark.classify.agents import classify_agents
from tallymark.classify.channels import Channels, Landing
from tallymark.classify.hosts import (
    HostIndex,
    internal_host,
    is_no_source,
    returns_index,
)
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.payloads import customer_of
from tallymark.ingest.url_sql import BARE_URL, landing_parts

__all__ = ["SOURCES", "STEPS", "Context", "Step", "calendar"]

SOURCES = (
    "landed", "landed_urls", "int_delivery_days", "int_payload_days", "int_calendar",
    "int_day_hours",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step may know: the engine, the configuration and the contract.

    Where only some days are at hand, also what the orders of the others say of item prices, and
    what those said of them that were known on their own day.
    """

    engine: DuckEngine
    config: Config
    contract: Contract
    votes: Votes | None = None
    known_votes: Votes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Python-made table: what it reads, and the function that makes it.

    ``by_value`` says that a row depends on nothing but its own distinct value, so that the table
    serves every subset of the events.
    """

    reads: Sequence[str]
    make: Callable[[Context], None]
    by_value: bool = False


def _user_agents(context: Context) -> None:
    values = [
        row[0]
        for row in context.engine.rows(
            "select distinct user_agent from landed where user_agent is not null order by 1"
        )
    ]
    agents = classify_agents(values)
    context.engine.values(
        "dim_user_agents",
        {
            "user_agent": ("varchar", values),
            "agent_id": ("bigint", [_number(value) for value in values]),
            "device": ("varchar", [agent.device for agent in agents]),
            "browser": ("varchar", [agent.browser for agent in agents]),
            "os": ("varchar", [agent.os for agent in agents]),
            "is_bot": ("boolean", [agent.is_bot for agent in agents]),
            "bot_name": ("varchar", [agent.bot_name for agent in agents]),
            "bot_category": ("varchar", [agent.bot_category for agent in agents]),
        },
    )


def _number(text: str) -> int:
    """A number for a text that does not depend on what other texts there are; 63 bits."""
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) >> 1


def _hosts(context: Context) -> None:
    values = [
        row[0]
        for row in context.engine.rows(
            "select distinct page_host from landed where page_host is not null order by 1"
        )
    ]
    configured = HostIndex(dict.fromkeys(context.config.shop.internal_hosts, True))
    internal = [bool(configured.lookup(host)) or internal_host(host) for host in values]
    context.engine.values(
        "dim_hosts",
        {"page_host": ("varchar", values), "is_internal": ("boolean", internal)},
    )


_LANDING = (
    "utm_source", "utm_medium", "utm_campaign", "click_id_kind", "partner", "referrer_host",
    "page_host", "landing_seen", "referrer_collected",
)  # fmt: skip


_SESSION = (
    "landing_event_id", "client_id", "session_start_ms", "session_end_ms", "session_date",
    "landing_seen", "is_new_client", "events", "page_views", "add_to_carts", "checkouts_started",
    "known_carted", "known_checked_out", "first_view_ms", "is_marked",
)  # fmt: skip
_LANDED = """(
    select
        int_sessions.landing_event_id,
        landed.client_id,
        int_sessions.session_start_ms,
        int_sessions.session_end_ms,
        landed.event_date as session_date,
        landed.step = 'page_view' as landing_seen,
        {new_client} as is_new_client,
        int_sessions.events,
        int_sessions.page_views,
        int_sessions.add_to_carts,
        int_sessions.checkouts_started,
        case when int_sessions.first_cart_date = landed.event_date then 1 else 0 end
            as known_carted,
        case when int_sessions.first_checkout_date = landed.event_date then 1 else 0 end
            as known_checked_out,
        int_sessions.first_view_ms,
        landed.is_marked,
        landed.page_url,
        landed.page_host,
        landed.referrer,
        landed.referrer_collected,
        dim_user_agents.agent_id
    from landed
    inner join int_sessions on landed.event_id = int_sessions.landing_event_id
    left join dim_user_agents on landed.user_agent = dim_user_agents.user_agent
    where {there} and {begun}
)"""


def _landings(context: Context) -> None:
    """How each session began: its page, tags, click id and referrer, and the key of them all.

    The rest of the session is carried along: joining two tables of all sessions costs more.
    """
    keyed = ", ".join(_LANDING)
    first = new_client(
        context.contract, context.config, first="int_sessions.is_new_client",
        client="landed.client_id", start_ms="int_sessions.session_start_ms",
    )  # fmt: skip
    kept = (
        f"{', '.join(_SESSION)}, {BARE_URL} as landing_page, page_host, referrer_collected, "
        "agent_id"
    )
    for number, span in enumerate(batches(context.engine)):
        landed = _LANDED.format(
            new_client=first, there=span.holds("landed.event_ms"),
            begun=span.holds("int_sessions.session_start_ms"),
        )  # fmt: skip
        context.engine.execute(
            f"{'insert into' if number else 'create or replace table'} int_landings "
            f"{'' if number else 'as '}"
            f"select *, cast(hash({keyed}) >> 1 as bigint) as traffic_key, "
            "coalesce(utm_source, utm_medium, utm_campaign) is not null as is_tagged "
            f"from ({landing_parts(landed, kept)})"
        )


def _traffic(context: Context) -> None:
    columns = ", ".join(f"any_value({name})" for name in _LANDING)
    rows = context.engine.rows(
        f"select traffic_key, {columns} from int_landings group by traffic_key order by traffic_key"
    )
    shop = context.config.shop
    returns = returns_index(shop.own_hosts, shop.payment_hosts)
    landings = [
        Landing(
            utm_source=source,
            utm_medium=medium,
            utm_campaign=campaign,
            click_id=click,
            partner=partner,
            referrer_host=referrer,
            own=is_no_source(referrer, page, returns),
            landing_seen=bool(seen),
            referrer_collected=bool(collected),
        )
        for _, source, medium, campaign, click, partner, referrer, page, seen, collected in rows
    ]
    traffic = Channels.of_shop(context.config.channels).classify_all(landings)
    context.engine.values(
        "dim_traffic",
        {
            "traffic_key": ("bigint", [row[0] for row in rows]),
            "source": ("varchar", [one.source for one in traffic]),
            "medium": ("varchar", [one.medium for one in traffic]),
            "campaign": ("varchar", [one.campaign for one in traffic]),
            "channel": ("varchar", [one.channel for one in traffic]),
            "rule": ("varchar", [one.rule for one in traffic]),
            "inherits": ("boolean", [one.inherits for one in traffic]),
        },
    )


def _breaks(context: Context) -> None:
    make_breaks(context.engine, context.config)


def _orders(context: Context) -> None:
    make_orders(context.engine, context.config, context.contract, context.votes)


def _persons(context: Context) -> None:
    rows = context.engine.rows(
        "select distinct client_id, payload, event_date from landed where rejected = 0 "
        "and client_id is not null and payload is not null and step in ('purchase', 'email') "
        "order by client_id, payload"
    )
    names = context.contract.payload
    found = sorted(
        {
            (client, customer, day)
            for client, payload, day in rows
            if (customer := customer_of(payload, names)) is not None
        }
    )
    context.engine.values(
        "int_person_emails",
        {
            "date": ("date", [day for _, _, day in found]),
            "client_id": ("varchar", [client for client, _, _ in found]),
            "customer": ("varchar", [customer for _, customer, _ in found]),
        },
    )
    persons = group_persons(sorted({(client, customer) for client, customer, _ in found}))
    clients = sorted(persons)
    context.engine.values(
        "dim_persons",
        {
            "client_id": ("varchar", clients),
            "person_id": ("varchar", [persons[client] for client in clients]),
        },
    )


STEPS: Mapping[str, Step] = {
    "dim_user_agents": Step(reads=("landed",), make=_user_agents, by_value=True),
    "dim_hosts": Step(reads=("landed",), make=_hosts, by_value=True),
    "int_breaks": Step(reads=("landed", "int_delivery_days", "event_repeats"), make=_breaks),
    "int_landings": Step(reads=("landed", "int_sessions", "dim_user_agents"), make=_landings),
    "dim_traffic": Step(reads=("int_landings",), make=_traffic),
    "int_order_identity": Step(reads=("landed",), make=_orders),
    # Made together with the orders' identity; named so that the graph knows it.
    "int_order_lines": Step(reads=("int_order_identity",), make=lambda _context: None),
    "dim_persons": Step(reads=("landed",), make=_persons),
}


def calendar(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every date from the first to the last."""
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
