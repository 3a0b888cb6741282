"""Events fired twice and rows written twice: told by hashes of who did what, and when.

Rows of one client and event in one slot of time are found by their hashes alone; only those few
are looked at closely. A table of hashes costs a fifth of what grouping all rows does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tallymark.contract import EventNames
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.landing import Landed, Reread, RowsWanted
from tallymark.ingest.landing_sql import REJECTED, Fault

__all__ = ["DOUBLE_MS", "Close", "all_differ", "close_events", "repeated_rows"]

DOUBLE_MS = 2000
"""The same client, event and page again within so many milliseconds is one event fired twice."""
_STEPS = (*EventNames.model_fields, "other")
_MOST = 4_000_000  # rows whose hashes are held at once
_HAND, _MOST_HANDS = 1 << 17, 256  # keys that are looked at together, about
_KEY_BITS = 63  # of a key; its sign is none of them
_PLACE = 20  # where the bits begin that name a place: above those that tell parts from each other
_SPARE = 4  # bits more than the rows need: of a table of 16 places a row, few are shared
_REREAD = 5000  # lines that are read again at most
_FEW = 1000  # milliseconds with more than one event, to be spelled out in a query
_SOUND = f"faults & {REJECTED.value} = 0"
_REST = "client_id, page_url, referrer, payload"
_REST_LIGHT = "client_key, rest_key"
_KNOWN = 16  # marks, above the step, an event of a known client
_MARKS = 2 * _KNOWN - 1  # the lowest bits of a key

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Events of one client and name in one slot of time.

    Attributes:
        doubles: By step of the funnel: how many follow another; about as many as fired twice.
        twins: Milliseconds in which one client has the same event more than once; sorted.
    """

    doubles: Mapping[str, int] = field(default_factory=dict)
    twins: tuple[int, ...] = ()


def close_events(engine: DuckEngine, landed: Landed) -> Close:
    """Find what may be fired twice or written twice among the accepted rows of a delivery."""
    client = "client_key" if landed.light else "client_id"
    key = f"cast(hash({client}, event_name, event_ms // {DOUBLE_MS}) >> 1 as bigint)"
    steps = " ".join(f"when '{step}' then {place}" for place, step in enumerate(_STEPS))
    known = f"case when faults & {Fault.CLIENT.value} > 0 then 0 else {_KNOWN} end"
    parts = _parts(landed)
    doubles: Counter[str] = Counter()
    twins: list[Numbers] = []
    for part in range(parts):
        only = "" if parts == 1 else f" and (({key}) >> 5) & {parts - 1} = {part}"
        found = engine.arrays(
            f"select (({key}) & {~_MARKS}) | (case step {steps} end + {known}) as key, event_ms "
            f"from {landed.source} where {_SOUND}{only}"
        )
        counted, same = _of_one_slot(found["key"], found["event_ms"])
        doubles.update(counted)
        twins.append(same)
    return Close(
        doubles={step: count for step, count in sorted(doubles.items()) if count},
        twins=tuple(int(one) for one in np.unique(np.concatenate(twins))),
    )


def _of_one_slot(key: Numbers, event_ms: Numbers) -> tuple[dict[str, int], Numbers]:
    """By step, the events that follow another in its slot; the milliseconds that are the same."""
    some = _suspects(key)
    key, event_ms = key[some], event_ms[some]
    order = np.lexsort((event_ms, key))
    key, event_ms = key[order], event_ms[order]
    follows = key[1:] == key[:-1]
    kinds, counts = np.unique(key[1:][follows] & _MARKS, return_counts=True)
    doubles = {
        _STEPS[int(kind) - _KNOWN]: int(count)
        for kind, count in zip(kinds, counts, strict=True)
        if kind >= _KNOWN
    }
    return doubles, event_ms[1:][follows & (event_ms[1:] == event_ms[:-1])]


def all_differ(engine: DuckEngine, landed: Landed, key: str) -> bool:
    """Whether no two rows have the same number in a column of hashes; null is no number."""
    parts = _parts(landed)
    for part in range(parts):
        only = "" if parts == 1 else f" and ({key} >> 5) & {parts - 1} = {part}"
        found = engine.arrays(
            f"select {key} as key from {landed.source} where {key} is not null{only}"
        )["key"]
        some = found[_suspects(found)]
        if len(np.unique(some)) < len(some):
            return False
    return True


def _parts(landed: Landed) -> int:
    """In how many parts the rows are looked at, so that the memory it takes is bounded."""
    return 1 << max(0, (landed.rows - 1) // _MOST).bit_length()


def _suspects(key: Numbers) -> npt.NDArray[np.intp]:
    """Places of keys that may be there more than once, rising.

    The keys are dealt out by their highest bits, so that each hand fits into a processor's cache
    and little memory is held.
    """
    bits = min((len(key) // _HAND).bit_length(), _MOST_HANDS.bit_length() - 1)
    if bits == 0:
        return _alike(key)
    hand = (key >> (_KEY_BITS - bits)).astype(np.uint8)
    order = np.argsort(hand, kind="stable")
    dealt = key[order]
    ends = np.cumsum(np.bincount(hand, minlength=1 << bits))
    found = [
        order[begin:end][_alike(dealt[begin:end])]
        for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    return np.sort(np.concatenate(found))


def _alike(key: Numbers) -> npt.NDArray[np.intp]:
    """The same of few keys.

    Each key writes its number into a table at the place that its bits name; where another number
    is read later, two keys share the place.
    """
    number = np.arange(len(key), dtype=np.uint32)
    bits = len(key).bit_length() + _SPARE
    place = (key >> _PLACE) & ((1 << bits) - 1)
    table = np.empty(1 << bits, dtype=np.uint32)
    table[place] = number
    last = table[place]
    first = np.flatnonzero(last != number)
    return np.union1d(first, last[first])


def repeated_rows(engine: DuckEngine, landed: Landed, close: Close) -> tuple[int, int | None]:
    """How many rows repeat another one exactly, and the millisecond of the first that does.

    Args:
        engine: The engine.
        landed: The landed delivery; only its accepted rows are compared.
        close: Its twins: the rows that may repeat each other.
    """
    if not close.twins:
        return 0, None
    if landed.reread is not None:
        return _reread(engine, landed, landed.reread, close)
    # A short list of numbers lets the reader leave out all other rows before it unpacks them.
    few = ", ".join(map(str, close.twins)) if len(close.twins) <= _FEW else ""
    there = few or "select unnest(cast(? as bigint[]))"
    given: list[Any] = [] if few else [list(close.twins)]
    found = engine.rows(
        "select cast(coalesce(sum(n - 1), 0) as bigint), min(event_ms) from ("
        f"select event_ms, count(*) as n from {landed.source} "
        f"where {_SOUND} and event_ms in ({there}) group by event_ms, event_name, user_agent, "
        f"{_REST_LIGHT if landed.light else _REST} having count(*) > 1)",
        given,
    )
    return int(found[0][0]), found[0][1]


def _reread(
    engine: DuckEngine, landed: Landed, reread: Reread, close: Close
) -> tuple[int, int | None]:
    """The same from the lines of the twins alone.

    Raises:
        RowsWanted: There are too many of them.
    """
    found = engine.rows(
        f"select line_number from {landed.source} where {_SOUND} "
        f"and event_ms in (select unnest(cast(? as bigint[]))) limit {_REREAD + 1}",
        [list(close.twins)],
    )
    if len(found) > _REREAD:
        raise RowsWanted
    columns = ("event_ms", "event_name", "user_agent", *_REST.split(", "))
    rows = Counter(reread([row[0] for row in found], columns)) if found else Counter()
    more = {row: count - 1 for row, count in rows.items() if count > 1}
    return sum(more.values()), min((row[0] for row in more), default=None)
