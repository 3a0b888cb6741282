"""The tables that Python makes: what is worked out once per distinct value and joined back."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallymark.build.persons import group_persons
from tallymark.classify.agents import classify_agents
from tallymark.classify.channels import Channels, Landing
from tallymark.classify.hosts import (
    HostIndex,
    internal_host,
    load_payment_hosts,
    registrable_domain,
)
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.identity import Judged, Purchase, is_test, judge_orders
from tallymark.ingest.landing_sql import BARE_URL, landing_parts
from tallymark.ingest.payloads import Item, Order, customer_of, parse_order

__all__ = ["SOURCES", "STEPS", "Context", "Step", "calendar"]

SOURCES = (
    "landed", "landed_urls", "int_delivery_days", "int_payload_days", "int_calendar",
    "int_day_hours",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step may know: the engine, the configuration and the contract."""

    engine: DuckEngine
    config: Config
    contract: Contract


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
            "agent_id": ("integer", list(range(len(values)))),
            "device": ("varchar", [agent.device for agent in agents]),
            "browser": ("varchar", [agent.browser for agent in agents]),
            "os": ("varchar", [agent.os for agent in agents]),
            "is_bot": ("boolean", [agent.is_bot for agent in agents]),
            "bot_name": ("varchar", [agent.bot_name for agent in agents]),
        },
    )


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


_PLACES = Decimal("0.0001")
_TOO_LARGE = Decimal(10) ** 14  # what DECIMAL(18,4) cannot hold

_LANDING = (
    "utm_source", "utm_medium", "utm_campaign", "click_id_kind", "partner", "referrer_host",
    "page_host", "landing_seen", "referrer_collected",
)  # fmt: skip


_SESSION = (
    "landing_event_id", "client_id", "session_start_ms", "session_end_ms", "session_date",
    "landing_seen", "is_new_client", "events", "page_views", "add_to_carts", "checkouts_started",
    "known_carted", "known_checked_out", "first_view_ms",
)  # fmt: skip
_LANDED = """(
    select
        int_sessions.landing_event_id,
        landed.client_id,
        int_sessions.session_start_ms,
        int_sessions.session_end_ms,
        landed.event_date as session_date,
        landed.step = 'page_view' as landing_seen,
        int_sessions.is_new_client,
        int_sessions.events,
        int_sessions.page_views,
        int_sessions.add_to_carts,
        int_sessions.checkouts_started,
        case when int_sessions.first_cart_date = landed.event_date then 1 else 0 end
            as known_carted,
        case when int_sessions.first_checkout_date = landed.event_date then 1 else 0 end
            as known_checked_out,
        int_sessions.first_view_ms,
        landed.page_url,
        landed.page_host,
        landed.referrer,
        landed.referrer_collected,
        dim_user_agents.agent_id
    from landed
    inner join int_sessions on landed.event_id = int_sessions.landing_event_id
    left join dim_user_agents on landed.user_agent = dim_user_agents.user_agent
)"""


def _landings(context: Context) -> None:
    """How each session began: its page, tags, click id and referrer, and the key of them all.

    The rest of the session is carried along: joining two tables of all sessions costs more.
    """
    keyed = ", ".join(_LANDING)
    kept = (
        f"{', '.join(_SESSION)}, {BARE_URL} as landing_page, page_host, referrer_collected, "
        "agent_id"
    )
    context.engine.execute(
        "create or replace table int_landings as "
        f"select *, cast(hash({keyed}) >> 1 as bigint) as traffic_key, "
        "coalesce(utm_source, utm_medium, utm_campaign) is not null as is_tagged "
        f"from ({landing_parts(_LANDED, kept)})"
    )


def _traffic(context: Context) -> None:
    columns = ", ".join(f"any_value({name})" for name in _LANDING)
    rows = context.engine.rows(
        f"select traffic_key, {columns} from int_landings group by traffic_key order by traffic_key"
    )
    shop = context.config.shop
    payment = load_payment_hosts() | frozenset(shop.payment_hosts)
    not_a_source = HostIndex(dict.fromkeys([*sorted(payment), *shop.own_hosts], True))
    landings = [
        Landing(
            utm_source=source,
            utm_medium=medium,
            utm_campaign=campaign,
            click_id=click,
            partner=partner,
            referrer_host=referrer,
            own=_own(referrer, page, not_a_source),
            landing_seen=bool(seen),
            referrer_collected=bool(collected),
        )
        for _, source, medium, campaign, click, partner, referrer, page, seen, collected in rows
    ]
    traffic = Channels.shipped().classify_all(landings)
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


def _own(referrer: str | None, page: str | None, not_a_source: HostIndex[bool]) -> bool:
    if referrer is None:
        return False
    if page is not None and registrable_domain(referrer) == registrable_domain(page):
        return True
    return bool(not_a_source.lookup(referrer))


def _orders(context: Context) -> None:
    rows = context.engine.rows(
        "select event_id, client_id, event_ms, cast(event_date as varchar), payload from landed "
        "where rejected = 0 and step = 'purchase' order by event_ms, delivery, line_number"
    )
    payloads = {row[4]: parse_order(row[4], context.contract.payload) for row in rows}
    orders = [payloads[row[4]] for row in rows]
    final, known = _judged(rows, orders)
    ids = _order_ids(rows, orders)
    zero = Decimal(0)
    context.engine.values(
        "int_order_identity",
        {
            "event_id": ("bigint", [row[0] for row in rows]),
            "order_id": ("varchar", ids),
            "transaction_id": ("varchar", [one.transaction_id for one in orders]),
            "revenue": ("decimal(18,4)", [one.revenue or zero for one in orders]),
            "currency": ("varchar", [one.currency for one in orders]),
            "items": ("integer", [len(one.items) for one in orders]),
            "status": ("varchar", [one.status for one in final]),
            "id_status": ("varchar", [one.id_status for one in final]),
            "known_status": ("varchar", [one.status for one in known]),
            "known_id_status": ("varchar", [one.id_status for one in known]),
        },
    )
    _order_lines(context, ids, orders)


def _order_lines(context: Context, ids: Sequence[str], orders: Sequence[Order]) -> None:
    lines = [
        (order_id, number, item)
        for order_id, order in zip(ids, orders, strict=True)
        for number, item in enumerate(order.items, start=1)
    ]
    by_unit = _price_is_per_unit(orders)
    context.engine.values(
        "int_order_lines",
        {
            "order_id": ("varchar", [order_id for order_id, _, _ in lines]),
            "line": ("integer", [number for _, number, _ in lines]),
            "item_id": ("varchar", [item.item_id for _, _, item in lines]),
            "item_name": ("varchar", [item.item_name for _, _, item in lines]),
            "quantity": ("decimal(18,4)", [item.quantity for _, _, item in lines]),
            "line_revenue": (
                "decimal(18,4)",
                [_line_revenue(item, by_unit=by_unit) for _, _, item in lines],
            ),
        },
    )


def _line_revenue(item: Item, *, by_unit: bool) -> Decimal | None:
    if item.price is None:
        return None
    times = item.quantity if by_unit and item.quantity is not None else Decimal(1)
    product = item.price * times
    return product.quantize(_PLACES) if abs(product) < _TOO_LARGE else None


def _price_is_per_unit(orders: Sequence[Order]) -> bool:
    """Whether item prices are for one unit: which reading makes more orders add up?

    Shops disagree, so the orders decide: sums of price x quantity against sums of prices, over
    orders where the two differ. Where none does it makes no difference.
    """
    unit = line = 0
    for order in orders:
        if order.revenue and all(item.price is not None for item in order.items):
            sums = [
                sum((_line_revenue(item, by_unit=by) or Decimal(0) for item in order.items),
                    Decimal(0))
                for by in (True, False)
            ]  # fmt: skip
            if sums[0] != sums[1]:
                unit += sums[0] == order.revenue
                line += sums[1] == order.revenue
    return unit >= line


def _order_ids(rows: Sequence[tuple[Any, ...]], orders: Sequence[Order]) -> list[str]:
    """Ids from content alone: who, when, what; equal twins are numbered in the total order."""
    seen: dict[str, int] = {}
    ids = []
    for row, order in zip(rows, orders, strict=True):
        text = "\x1f".join(
            [order.transaction_id or "", row[1] or "", order.customer or "", order.content,
             str(row[2])]
        )  # fmt: skip
        digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
        twin = seen[digest] = seen.get(digest, 0) + 1
        ids.append(digest if twin == 1 else f"{digest}-{twin}")
    return ids


def _judged(
    rows: Sequence[tuple[Any, ...]], orders: Sequence[Order]
) -> tuple[list[Judged], list[Judged]]:
    """What each order is, and what it was by the end of its own day."""
    kept = Judged(status="kept", id_status="unique")
    test = Judged(status="test", id_status="unique")
    final = [test if is_test(order) else kept for order in orders]
    known = list(final)
    groups: dict[str, list[int]] = {}
    for index, order in enumerate(orders):
        if final[index] is kept:
            # Without an id only an exact twin can be the same order.
            twin = f"\x1f{rows[index][1]}\x1f{rows[index][2]}\x1f{order.content}"
            groups.setdefault(order.transaction_id or twin, []).append(index)
    for members in groups.values():
        if len(members) > 1:
            group = [
                Purchase(
                    client=rows[index][1], customer=orders[index].customer,
                    content=orders[index].content, rank=index, day=rows[index][3],
                )
                for index in members
            ]  # fmt: skip
            for index, verdict in zip(members, judge_orders(group), strict=True):
                final[index] = verdict
            for day in sorted({one.day for one in group}):
                until = [place for place, one in enumerate(group) if one.day <= day]
                verdicts = judge_orders([group[place] for place in until])
                for place, verdict in zip(until, verdicts, strict=True):
                    if group[place].day == day:
                        known[members[place]] = verdict
    return final, known


def _persons(context: Context) -> None:
    rows = context.engine.rows(
        "select distinct client_id, payload from landed where rejected = 0 "
        "and client_id is not null and payload is not null and step in ('purchase', 'email') "
        "order by client_id, payload"
    )
    names = context.contract.payload
    pairs = {
        (client, customer)
        for client, payload in rows
        if (customer := customer_of(payload, names)) is not None
    }
    persons = group_persons(sorted(pairs))
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
