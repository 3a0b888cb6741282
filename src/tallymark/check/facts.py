"""What is true of one delivery: counts and examples, measured once, judged by the rules after."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tallymark.check.columns import Mapping_
from tallymark.contract import Contract, Payload
from tallymark.engine.base import path_list
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.identity import is_test, same_customer
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED, Fault
from tallymark.ingest.payloads import Order, parse_order

__all__ = ["Facts", "OrderFacts", "chance_collisions", "measure"]

_COUNTER = re.compile(r"^(.*?)(\d+)$", re.DOTALL)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 -- UTC throughout, as in the tables
_FEW = 1000  # milliseconds with more than one event, to be spelled out in a query
MAX_FIELDS = 200  # distinct payload keys worth following; a hostile payload may invent more


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """Counts over the purchases of a delivery; money in the delivery's own unit."""

    orders: int = 0
    invalid: int = 0
    without_id: int = 0
    without_revenue: int = 0
    negative: int = 0
    test: int = 0
    redelivered: int = 0
    colliding: int = 0
    conflicting: int = 0
    colliding_ids: int = 0
    distinct_ids: int = 0
    revenue: Decimal = Decimal(0)
    colliding_revenue: Decimal = Decimal(0)
    chance_collisions: float | None = None
    fields: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules judge."""

    delivery: Delivery
    columns: Mapping_
    rows: int
    accepted: int
    bad_lines: int
    repeated: int
    faults: Mapping[Fault, int]
    first: str | None
    last: str | None
    main_day: str | None
    orders: OrderFacts
    careful: str | None = None


def measure(
    engine: DuckEngine, delivery: Delivery, columns: Mapping_, landed: Landed, contract: Contract
) -> Facts:
    """Measure a landed delivery: one aggregate over its rows, one over its purchases."""
    source = f"read_parquet({path_list([landed.path])})"
    sound = f"faults & {REJECTED.value} = 0"
    groups = engine.rows(
        "select faults, event_date, count(*), min(event_ms), max(event_ms) "
        f"from {source} group by all"
    )
    good = [row for row in groups if not row[0] & REJECTED]
    days: Counter[str] = Counter()
    for row in good:
        days[str(row[1])] += row[2]
    repeated = _repeated(engine, source, sound)
    purchases = engine.rows(
        f"select client_id, event_ms, payload from {source} "
        f"where step = 'purchase' and {sound} order by event_ms, line_number"
    )
    faults = {fault: sum(row[2] for row in groups if row[0] & fault) for fault in Fault}
    return Facts(
        delivery=delivery,
        columns=columns,
        rows=landed.rows + len(landed.bad_lines),
        accepted=sum(row[2] for row in good),
        bad_lines=len(landed.bad_lines),
        repeated=repeated,
        faults=faults,
        first=_moment(min((row[3] for row in good), default=None)),
        last=_moment(max((row[4] for row in good), default=None)),
        main_day=min(days, key=lambda day: (-days[day], day), default=None),
        orders=_orders(purchases, contract),
        careful=landed.careful,
    )


def _repeated(engine: DuckEngine, source: str, sound: str) -> int:
    """How many rows repeat another one exactly; only rows of one millisecond are compared."""
    twins = engine.rows(
        f"select distinct event_ms from (select event_ms from {source} where {sound} "
        "group by event_ms, client_id having count(*) > 1)"
    )
    if not twins:
        return 0
    # A short list of numbers lets the reader leave out all other rows before it unpacks them.
    few = ", ".join(str(int(row[0])) for row in twins) if len(twins) <= _FEW else ""
    there = few or "select unnest(cast(? as bigint[]))"
    found = engine.rows(
        f"select cast(coalesce(sum(n - 1), 0) as bigint) from (select count(*) as n from {source} "
        f"where {sound} and event_ms in ({there}) group by event_ms, client_id, page_url, "
        "referrer, event_name, payload, user_agent having count(*) > 1)",
        [] if few else [[row[0] for row in twins]],
    )
    return int(found[0][0])


def _moment(milliseconds: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 UTC."""
    if milliseconds is None:
        return None
    moment = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds") + "Z"


def _orders(rows: Sequence[tuple[str | None, int, str | None]], contract: Contract) -> OrderFacts:
    parsed = [(client, parse_order(payload, contract.payload)) for client, _, payload in rows]
    by_id: dict[str, list[tuple[str | None, Order]]] = {}
    for client, order in parsed:
        if order.transaction_id is not None and not is_test(order):
            by_id.setdefault(order.transaction_id, []).append((client, order))
    redelivered = conflicting = 0
    colliding: list[Order] = []
    colliding_ids = 0
    for group in by_id.values():
        customers = same_customer(
            [(client, order.customer, order.content) for client, order in group]
        )
        if len(set(customers)) > 1:
            colliding_ids += 1
            colliding += [order for _, order in group]
        for customer in set(customers):
            theirs = [
                order for (_, order), who in zip(group, customers, strict=True) if who == customer
            ]
            contents = {order.content for order in theirs}
            redelivered += len(theirs) - len(contents)
            conflicting += len(contents) if len(contents) > 1 else 0
    revenues = [order.revenue for _, order in parsed if order.revenue is not None]
    return OrderFacts(
        orders=len(parsed),
        invalid=sum(1 for _, order in parsed if not order.valid),
        without_id=sum(1 for _, order in parsed if order.valid and order.transaction_id is None),
        without_revenue=sum(1 for _, order in parsed if order.valid and order.revenue is None),
        negative=sum(1 for revenue in revenues if revenue < 0),
        test=sum(1 for _, order in parsed if is_test(order)),
        redelivered=redelivered,
        colliding=len(colliding),
        conflicting=conflicting,
        colliding_ids=colliding_ids,
        distinct_ids=len(by_id),
        revenue=sum(revenues, Decimal(0)),
        colliding_revenue=sum((order.revenue or Decimal(0) for order in colliding), Decimal(0)),
        chance_collisions=chance_collisions(list(by_id)),
        fields=_filled([order for _, order in parsed if order.valid], contract.payload),
    )


def _filled(orders: Sequence[Order], names: Payload) -> dict[str, tuple[int, int]]:
    """For each field, how often it is filled and how often it could be: an order, or its line."""
    if not orders:
        return {}
    item = f"{names.items}[]."
    always = (names.transaction_id, names.revenue, names.email, names.items)
    inside = (names.item_id, names.item_name, names.quantity, names.item_price)
    filled = Counter(dict.fromkeys((*always, *(f"{item}{name}" for name in inside)), 0))
    for order in orders:
        for name, (have, _) in order.fields.items():
            if name in filled or len(filled) < MAX_FIELDS:
                filled[name] += have
    lines = sum(len(order.items) for order in orders)
    return {
        name: (have, lines if name.startswith(item) else len(orders))
        for name, have in sorted(filled.items())
    }


def chance_collisions(ids: Sequence[str]) -> float | None:
    """Colliding pairs expected if the digits at the end of each id were drawn at random.

    Ids of one prefix and one number of digits share a space of 10^digits; n ids drawn from a
    space of s give n(n-1)/2s colliding pairs (the birthday problem). None where the ids do not
    end in digits, so that the size of their space is unknown.
    """
    spaces: Counter[tuple[str, int]] = Counter()
    for one in ids:
        if (match := _COUNTER.match(one)) is not None:
            spaces[match[1], len(match[2])] += 1
    if not spaces:
        return None
    return sum(n * (n - 1) / 2 / 10.0**digits for (_, digits), n in sorted(spaces.items()))
