"""Incidents inside a file: values lost or false, columns mixed up, and rows that do not belong.

As in :mod:`tallymark.demo.incidents`, each kind is one small function.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tallymark.demo.agents import BOTS
from tallymark.demo.catalogue import SHOP_HOST
from tallymark.demo.chance import Ints, pick, tokens
from tallymark.demo.incidents import RENAMED
from tallymark.demo.orders import payload_text
from tallymark.demo.render import COLUMNS, isos
from tallymark.demo.retyping import RETYPED, usual
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
from tallymark.demo.specs import (
    Detail,
    a_choice,
    a_delay,
    a_host,
    a_list,
    a_share,
    hours,
)
from tallymark.errors import UsageError

__all__: list[str] = []

_HOURS = Detail("0-24", hours, "hours of the day, UTC, from and up to")
_LATER_HOURS = Detail("14-24", hours, "hours of the day, UTC, from and up to")
_WHERE = {
    "all": ("page_url", "://"),
    "products": ("page_url", "/products/"),
    "collections": ("page_url", "/collections/"),
    "journal": ("page_url", "/journal/"),
    "iphone": ("user_agent", "iPhone"),
    "android": ("user_agent", "Android"),
    "windows": ("user_agent", "Windows NT"),
    "safari": ("user_agent", "Version/"),
}
_EVENTS = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    PURCHASE_NAME,
)
_HEADER, _VALUES = "header", "values"
_TESTERS = 4
_VIEWED = "page_viewed"
_EARLIEST_CUT, _LATEST_CUT = 0.15, 0.85


def _filled(scene: Scene, column: str) -> Ints:
    """The rows in which a column says something."""
    demand(scene, column)
    values = scene.table.columns[column]
    return np.array([row for row, value in enumerate(values) if value], dtype=np.int64)


def _emptied(scene: Scene, column: str, rows: Ints) -> Touched:
    """Empty a column in the share asked for of some rows."""
    rows = scene.inside(rows)
    if not len(rows):
        return NOTHING
    chosen = scene.some(rows)
    values = scene.table.columns[column]
    for row in chosen.tolist():
        values[row] = ""
    return span(scene.table.ms[chosen], {"filled_rows": len(rows)})


# ---------------------------------------------------------------- values


@incident(
    Stage.CHANGED_ROWS,
    column=Detail("user_agent", a_choice(COLUMNS), "the column"),
    share=Detail("0.5", a_share, "share of its filled values in those hours"),
    hours=_HOURS,
)
def column_partly_empty(scene: Scene) -> Touched:
    """A column arrives, but some of its values are empty."""
    column = scene.details["column"]
    return _emptied(scene, column, _filled(scene, column))


@incident(
    Stage.CHANGED_ROWS,
    touches="client_id",
    where=Detail("all", a_choice(_WHERE), "pages or devices concerned"),
    share=Detail("1.0", a_share, "share of their rows in those hours"),
    hours=_LATER_HOURS,
)
def ids_lost(scene: Scene) -> Touched:
    """The client id is empty on some pages or devices, from an hour on."""
    column, mark = _WHERE[scene.details["where"]]
    values = scene.table.columns[column]
    rows = _filled(scene, "client_id")
    there = np.array([mark in values[row] for row in rows.tolist()], dtype=np.bool_)
    return _emptied(scene, "client_id", rows[there] if len(rows) else rows)


@incident(
    Stage.CHANGED_ROWS,
    touches="referrer",
    share=Detail("1.0", a_share, "share of its filled values in those hours"),
    hours=_LATER_HOURS,
)
def referrer_lost(scene: Scene) -> Touched:
    """The referrer is empty, from an hour on."""
    return _emptied(scene, "referrer", _filled(scene, "referrer"))


def _repriced(scene: Scene, sign: int) -> Touched:
    """Multiply the revenue of the share asked for of the orders that have one."""
    payloads = scene.table.columns["event_data"]
    rows = scene.inside(scene.purchases())
    real = [row for row in rows.tolist() if json.loads(payloads[row])["revenue"]]
    if not real:
        return NOTHING
    chosen = scene.some(np.array(real, dtype=np.int64))
    facts = worth([payloads[row] for row in chosen.tolist()])
    for row in chosen.tolist():
        payload = json.loads(payloads[row])
        payloads[row] = payload_text(payload | {"revenue": payload["revenue"] * sign})
    return span(scene.table.ms[chosen], facts)


@incident(
    Stage.CHANGED_ROWS,
    touches="event_data",
    share=Detail("1.0", a_share, "share of the orders in those hours"),
    hours=_HOURS,
)
def revenue_zero(scene: Scene) -> Touched:
    """Orders with named items and prices state a revenue of zero."""
    return _repriced(scene, 0)


@incident(
    Stage.CHANGED_ROWS,
    touches="event_data",
    share=Detail("1.0", a_share, "share of the orders in those hours"),
    hours=_HOURS,
)
def revenue_negative(scene: Scene) -> Touched:
    """Orders state their revenue with a minus sign."""
    return _repriced(scene, -1)


# ---------------------------------------------------------------- columns


@incident(
    Stage.TYPES,
    lasting=True,
    column=Detail("timestamp", a_choice(COLUMNS), "the column"),
    into=Detail(
        "",
        a_choice(sorted({kind for kinds in RETYPED.values() for kind in kinds})),
        "how its values are written; by default the first that the column can",
    ),
)
def type_changed(scene: Scene) -> Touched:
    """A column's values are written in another way, such as times as milliseconds."""
    column = scene.details["column"]
    into = scene.details["into"] or usual(column)
    if into not in RETYPED[column]:
        raise UsageError(
            f"{column!r} cannot change into {into!r}",
            where=f"--incident {scene.spec}",
            fix=f"choose one of {', '.join(RETYPED[column])}",
        )
    rows = _filled(scene, column)
    values = scene.table.columns[column]
    written = {value: RETYPED[column][into](value) for value in set(values) if value}
    scene.table.columns[column] = [written.get(value, value) for value in values]
    changed = [row for row in rows.tolist() if written[values[row]] != values[row]]
    return span(scene.table.ms[np.array(changed, dtype=np.int64)], {"into": into})


@incident(
    Stage.HEADER,
    lasting=True,
    column=Detail("page_url", a_choice(COLUMNS), "one column"),
    other=Detail("referrer", a_choice(COLUMNS), "the other column"),
    what=Detail(_VALUES, a_choice((_HEADER, _VALUES)), "whether names or values change places"),
    hours=_HOURS,
)
def columns_swapped(scene: Scene) -> Touched:
    """Two columns change places: their names above the old values, or the values below."""
    one, other = scene.details["column"], scene.details["other"]
    table = scene.table
    if one == other:
        raise UsageError(
            f"{one!r} cannot be swapped with itself",
            where=f"--incident {scene.spec}",
            fix="give another column with other=",
        )
    demand(scene, one)
    demand(scene, other)
    if scene.details["what"] == _HEADER:
        swapped = {one: other, other: one}
        table.columns = {swapped.get(name, name): cells for name, cells in table.columns.items()}
        return span(table.ms)
    first, second = table.columns[one], table.columns[other]
    rows = scene.inside(np.arange(len(table), dtype=np.int64))
    changed = [row for row in rows.tolist() if first[row] != second[row]]
    for row in changed:
        first[row], second[row] = second[row], first[row]
    return span(table.ms[np.array(changed, dtype=np.int64)])


@incident(
    Stage.HEADER,
    lasting=True,
    columns=Detail("client_id+page_url+user_agent", a_list(COLUMNS), "the columns, with +"),
)
def columns_renamed(scene: Scene) -> Touched:
    """Several columns arrive under their usual other spelling, each at its old place."""
    chosen = a_list(COLUMNS)(scene.details["columns"])
    for column in chosen:
        demand(scene, column)
    names = {column: RENAMED[column] for column in chosen}
    table = scene.table
    table.columns = {names.get(name, name): cells for name, cells in table.columns.items()}
    return span(table.ms, {"to": names})


# ---------------------------------------------------------------- rows that do not belong


@incident(
    Stage.MORE_ROWS,
    event=Detail(_VIEWED, a_choice((*_EVENTS, "all")), "which events"),
    share=Detail("0.3", a_share, "share of them in those hours"),
    delay=Detail("100", a_delay, "milliseconds to the second firing, about; 0 for none"),
    hours=_HOURS,
)
def double_fired(scene: Scene) -> Touched:
    """Events fire twice: the same row again, some milliseconds later or at the same time."""
    table = scene.table
    event = scene.details["event"]
    names = table.columns["event_name"]
    alike = [row for row, name in enumerate(names) if event in {"all", name}]
    rows = scene.inside(np.array(alike, dtype=np.int64))
    if not len(rows):
        return NOTHING
    chosen = scene.some(rows)
    delay = a_delay(scene.details["delay"])
    lag = scene.chance.integers((delay + 1) // 2, delay + delay // 2 + 1, len(chosen))
    ms = np.minimum(table.ms[chosen] + lag, scene.midnight + DAY_MS - 1)
    copies = {
        name: [values[row] for row in chosen.tolist()] for name, values in table.columns.items()
    }
    copies["timestamp"] = isos(ms)
    orders = [
        payload
        for name, payload in zip(copies["event_name"], copies["event_data"], strict=True)
        if name == PURCHASE_NAME
    ]
    facts = worth(orders) | {
        "exact_repeats": int((ms == table.ms[chosen]).sum()),
        "by_event": dict(sorted(Counter(copies["event_name"]).items())),
    }
    table.add(ms, copies)
    return span(ms, facts)


def _views_like(scene: Scene, share: float) -> tuple[Ints, list[int]]:
    """Times of page views to add in the hours asked for, and a page view to copy for each."""
    views = [row for row, name in enumerate(scene.table.columns["event_name"]) if name == _VIEWED]
    if not views:
        return np.array([], dtype=np.int64), []
    begins, ends = scene.window()
    count = max(1, round(share * len(scene.table)))
    ms = np.sort(scene.chance.integers(begins, ends, count))
    return ms, [views[at] for at in scene.chance.integers(0, len(views), count).tolist()]


def _add_views(
    scene: Scene, ms: Ints, clients: Sequence[str], pages: list[str], agents: list[str]
) -> None:
    count = len(ms)
    scene.table.add(
        ms,
        {
            "client_id": list(clients),
            "page_url": pages,
            "referrer": [""] * count,
            "timestamp": isos(ms),
            "event_name": [_VIEWED] * count,
            "event_data": [""] * count,
            "user_agent": agents,
        },
    )


@incident(
    Stage.MORE_ROWS,
    share=Detail("0.1", a_share, "rows added, as a share of the day's rows"),
    host=Detail("staging.lumenloft.example", a_host, "where the shop's own people try things"),
    hours=Detail("9-18", hours, "hours of the day, UTC, from and up to"),
)
def staging_traffic(scene: Scene) -> Touched:
    """A test system sends its page views to the shop's own collection."""
    table = scene.table
    ms, like = _views_like(scene, a_share(scene.details["share"]))
    if not like:
        return NOTHING
    pages, agents = table.columns["page_url"], table.columns["user_agent"]
    begins = int(ms[0]) // 1000
    testers = [f"{begins}-{word}" for word in tokens(scene.chance, _TESTERS, 12)]
    who = scene.chance.integers(0, _TESTERS, len(ms)).tolist()
    tools = [agents[like[number % len(like)]] for number in range(_TESTERS)]
    here, there = f"//{SHOP_HOST}", f"//{scene.details['host']}"
    views = [pages[row].partition("?")[0].replace(here, there, 1) for row in like]
    _add_views(scene, ms, [testers[one] for one in who], views, [tools[one] for one in who])
    return span(ms, {"clients": len(set(who)), "host": scene.details["host"]})


@incident(
    Stage.MORE_ROWS,
    touches="user_agent",
    share=Detail("0.5", a_share, "rows added, as a share of the day's rows"),
    hours=Detail("2-5", hours, "hours of the day, UTC, from and up to"),
)
def bot_wave(scene: Scene) -> Touched:
    """A crawler reads the shop for some hours, each request with a client id of its own."""
    ms, like = _views_like(scene, a_share(scene.details["share"]))
    if not like:
        return NOTHING
    agent = BOTS[int(pick(scene.chance, [weight for _, weight in BOTS], 1)[0])][0]
    seconds = (ms // 1000).tolist()
    words = tokens(scene.chance, len(ms), 12)
    clients = [f"{second}-{word}" for second, word in zip(seconds, words, strict=True)]
    pages = scene.table.columns["page_url"]
    _add_views(
        scene, ms, clients, [pages[row].partition("?")[0] for row in like], [agent] * len(ms)
    )
    return span(ms, {"agent": agent})


@incident(
    Stage.SILENCE,
    share=Detail("", a_share, "share of the rows that are kept; by default any from 0.15 to 0.85"),
)
def half_file(scene: Scene) -> Touched:
    """The file ends properly, but early: all rows after some place are missing."""
    given = scene.details["share"]
    share = a_share(given) if given else scene.chance.uniform(_EARLIEST_CUT, _LATEST_CUT)
    rows = np.arange(round(share * len(scene.table)), len(scene.table), dtype=np.int64)
    if not len(rows):
        return NOTHING
    times = scene.table.ms[rows]
    return span(times, take_out(scene.table, rows))
