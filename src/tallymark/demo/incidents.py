"""What can go wrong in a shop's data: one small function for each kind of incident.

A function receives the scene (one day's rows and the details asked for), changes the rows in
place and says exactly what it touched. To add a kind, write such a function and register it.
"""

from __future__ import annotations

import json

import numpy as np

from tallymark.demo.orders import payload_text
from tallymark.demo.render import COLUMNS, DayTable, isos
from tallymark.demo.scene import (
    NOTHING,
    PURCHASE_NAME,
    Scene,
    Stage,
    Touched,
    demand,
    incident,
    span,
    take_out,
    worth,
)
from tallymark.demo.season import DAY_MS
from tallymark.demo.specs import Detail, a_choice, a_count, a_name, a_share, hours
from tallymark.errors import UsageError

__all__ = ["RENAMED", "purchase_payloads"]

_ITEM_FIELDS = ("item_id", "item_name", "item_variant", "quantity", "item_price")
_TOP_FIELDS = ("transaction_id", "revenue", "user_email")
RENAMED = {
    "client_id": "clientId",
    "page_url": "pageUrl",
    "referrer": "referer",
    "timestamp": "ts",
    "event_name": "eventName",
    "event_data": "eventData",
    "user_agent": "userAgent",
}
"""The usual other spelling of each column."""


def purchase_payloads(table: DayTable) -> list[str]:
    """Payloads of a day's purchases, or nothing if their columns are gone."""
    columns = table.columns
    return [
        payload
        for name, payload in zip(
            columns.get("event_name", ()), columns.get("event_data", ()), strict=False
        )
        if name == PURCHASE_NAME
    ]


# ---------------------------------------------------------------- the incidents


@incident(
    Stage.FEWER_ROWS,
    touches="event_name",
    share=Detail("0.8", a_share, "share of the day's purchases that do not happen"),
)
def conversion_collapse(scene: Scene) -> Touched:
    """Checkouts begin as ever, but most purchases of the day do not happen."""
    purchases = scene.purchases()
    if not len(purchases):
        return NOTHING
    gone = scene.some(purchases)
    times = scene.table.ms[gone]
    return span(times, take_out(scene.table, gone))


@incident(
    Stage.CHANGED_ROWS,
    touches="event_data",
    field=Detail("item_price", a_choice((*_ITEM_FIELDS, *_TOP_FIELDS)), "the payload's field"),
    share=Detail("1.0", a_share, "share of the purchases in those hours"),
    hours=Detail("0-24", hours, "hours of the day, UTC, from and up to"),
)
def payload_null(scene: Scene) -> Touched:
    """A field of the purchases' payload turns null."""
    field = scene.details["field"]
    rows = scene.inside(scene.purchases())
    if not len(rows):
        return NOTHING
    payloads = scene.table.columns["event_data"]
    touched = []
    for row in scene.some(rows).tolist():
        payload = json.loads(payloads[row])
        holders = payload["items"] if field in _ITEM_FIELDS else [payload]
        if all(holder.get(field) is None for holder in holders):
            continue
        for holder in holders:
            holder[field] = None
        payloads[row] = payload_text(payload)
        touched.append(row)
    return span(scene.table.ms[np.array(touched, dtype=np.int64)])


@incident(
    Stage.CHANGED_ROWS,
    touches="event_data",
    count=Detail("1", a_count, "how many orders receive an id already used"),
)
def order_id_collision(scene: Scene) -> Touched:
    """An order carries the transaction id of an earlier order of somebody else."""
    payloads = scene.table.columns["event_data"]
    rows = [row for row in scene.purchases().tolist() if json.loads(payloads[row])["revenue"]]
    earlier = [json.loads(text) for text in scene.earlier]
    older = [payload for payload in earlier if payload["revenue"] and payload["transaction_id"]]
    wanted = min(a_count(scene.details["count"]), len(rows) - (0 if older else 1))
    if wanted < 1:
        return NOTHING
    if not older:  # the first day: the day's first order lends its id
        older = [json.loads(payloads[rows.pop(0)])]
    changed = np.sort(scene.chance.choice(np.array(rows), wanted, replace=False))
    pairs: list[dict[str, str]] = []
    touched = []
    for row in changed.tolist():
        payload = json.loads(payloads[row])
        others = [
            other
            for other in older
            if other["user_email"] != payload["user_email"]
            and other["transaction_id"] not in {pair["now"] for pair in pairs}
        ]
        if not others:
            continue
        lender = others[int(scene.chance.integers(0, len(others)))]
        pairs.append({"was": payload["transaction_id"], "now": lender["transaction_id"]})
        payloads[row] = payload_text(payload | {"transaction_id": lender["transaction_id"]})
        touched.append(row)
    times = scene.table.ms[np.array(touched, dtype=np.int64)]
    return span(times, {"transaction_ids": pairs})


@incident(
    Stage.MORE_ROWS,
    share=Detail("1.0", a_share, "share of the day's purchases that arrive twice"),
    within=Detail("20", a_count, "the copy comes at most so many seconds later"),
)
def orders_redelivered(scene: Scene) -> Touched:
    """Purchases arrive a second time, the same order some seconds later."""
    purchases = scene.purchases()
    if not len(purchases):
        return NOTHING
    table = scene.table
    rows = scene.some(purchases)
    delay = scene.chance.integers(1, 1000 * a_count(scene.details["within"]) + 1, len(rows))
    ms = np.minimum(table.ms[rows] + delay, scene.midnight + DAY_MS - 1)
    copies = {
        name: [values[row] for row in rows.tolist()] for name, values in table.columns.items()
    }
    copies["timestamp"] = isos(ms)
    facts = worth(copies["event_data"])
    table.add(ms, copies)
    return span(ms, facts)


@incident(
    Stage.MORE_ROWS,
    touches="client_id",
    share=Detail("0.15", a_share, "rows added, as a share of the day's rows"),
    hours=Detail("0-24", hours, "hours of the day, UTC, from and up to"),
)
def anonymous_rows(scene: Scene) -> Touched:
    """Page views without a client id are added, with the day's own pages and user agents."""
    table = scene.table
    if not len(table):
        return NOTHING
    begins, ends = scene.window()
    count = max(1, round(a_share(scene.details["share"]) * len(table)))
    ms = np.sort(scene.chance.integers(begins, ends, count))
    views = [row for row, name in enumerate(table.columns["event_name"]) if name == "page_viewed"]
    like = [views[at] for at in scene.chance.integers(0, len(views), count).tolist()]
    pages, agents = table.columns["page_url"], table.columns["user_agent"]
    table.add(
        ms,
        {
            "client_id": [""] * count,
            "page_url": [pages[row].partition("?")[0] for row in like],
            "referrer": [""] * count,
            "timestamp": isos(ms),
            "event_name": ["page_viewed"] * count,
            "event_data": [""] * count,
            "user_agent": [agents[row] for row in like],
        },
    )
    return span(ms)


@incident(Stage.SILENCE, hours=Detail("11-13", hours, "hours of the day, UTC, from and up to"))
def outage(scene: Scene) -> Touched:
    """Nothing is collected for some hours."""
    begins, ends = scene.window()
    gone = np.flatnonzero((scene.table.ms >= begins) & (scene.table.ms < ends))
    if not len(gone):
        return NOTHING
    return Touched(len(gone), begins, ends, take_out(scene.table, gone))


@incident(
    Stage.HEADER,
    lasting=True,
    column=Detail("client_id", a_choice(COLUMNS), "the column"),
    to=Detail("", a_name, "its new name; by default the usual other spelling"),
)
def column_renamed(scene: Scene) -> Touched:
    """A column arrives under another name, at its old place."""
    column = scene.details["column"]
    name = scene.details["to"] or RENAMED[column]
    demand(scene, column)
    if name in scene.table.columns:
        raise UsageError(
            f"a column cannot be renamed to {name!r}, which is there already",
            where=f"--incident {scene.spec}",
            fix="choose another name with to=",
        )
    scene.table.columns = {
        name if old == column else old: values for old, values in scene.table.columns.items()
    }
    return span(scene.table.ms, {"to": name})


@incident(Stage.HEADER, lasting=True, column=Detail("referrer", a_choice(COLUMNS), "the column"))
def column_gone(scene: Scene) -> Touched:
    """A column is not delivered any more."""
    column = scene.details["column"]
    demand(scene, column)
    del scene.table.columns[column]
    return span(scene.table.ms)


@incident(Stage.FILE)
def missing_day(scene: Scene) -> Touched:
    """The day's file never comes."""
    scene.table.written = False
    columns = scene.table.columns
    if {"event_name", "event_data"} <= set(columns):
        facts = worth(purchase_payloads(scene.table))
    else:
        facts = {}
    return Touched(len(scene.table), scene.midnight, scene.midnight + DAY_MS, facts)
