"""What is true of one delivery: counts and examples, measured once, judged by the rules after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tallymark.check.counting.broken_lines import first_damaged
from tallymark.check.counting.hourly import moment
from tallymark.check.counting.orders import OrderFacts, chance_collisions, measure_orders
from tallymark.check.counting.repeats import Close, close_events, repeated_rows
from tallymark.check.header.columns import Mapping_
from tallymark.contract import Contract, Payload
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED, Fault

if TYPE_CHECKING:
    from tallymark.check.rules import Hit

__all__ = ["Facts", "OrderFacts", "chance_collisions", "measure"]

_TEXTS = frozenset({"client_id", "page_url", "event_name"})  # that land as they were delivered
_FAULTS, _ROWS, _FIRST, _LAST = 2, 4, 5, 6  # places in a group of rows


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
    undecoded: int = 0  # of the bad lines, those that are not UTF-8
    damaged: tuple[int, str] | None = None  # the first of the others, and why it is no row
    encoding: str = ""  # what those probably are, as the end of a sentence
    first_repeat: str | None = None  # the time of the first row that repeats another
    first_of: Mapping[Fault, str] = field(default_factory=dict)  # of rows with a time
    close: Close = field(default_factory=Close)
    groups: Sequence[tuple[Any, ...]] = ()  # accepted rows by day, hour, faults and step
    headers: int = 0  # of the rows without a time, those that are the header again
    cut: bool = False  # the file ends in the middle of a row
    names: Payload = field(default_factory=Payload)
    values: Mapping[str, Sequence[Hit]] = field(default_factory=dict)

    def of(self, fault: Fault) -> int:
        """Accepted rows with a fault; of all rows, where none is accepted.

        What is kept out for a graver reason has been told.
        """
        if not self.accepted:
            return self.faults[fault]
        return sum(row[_ROWS] for row in self.groups if row[_FAULTS] & fault.value)


def measure(
    engine: DuckEngine, delivery: Delivery, columns: Mapping_, landed: Landed, contract: Contract
) -> Facts:
    """Measure a landed delivery: one aggregate over its rows, one over its purchases."""
    source, light = landed.source, landed.light
    sound = f"faults & {REJECTED.value} = 0"
    filled = (
        "count(case when has_referrer then 1 end), count(case when has_payload then 1 end)"
        if light
        else "count(referrer), count(payload)"
    )
    groups = engine.rows(
        "select event_date, event_hour, faults, step, count(*), min(event_ms), max(event_ms), "
        f"{filled} from {source} group by all"
    )
    rejected = REJECTED.value  # operations on flags take longer than all other counting
    good = [row for row in groups if not row[_FAULTS] & rejected]
    days: Counter[str] = Counter()
    for row in good:
        days[str(row[0])] += row[_ROWS]
    close = close_events(engine, landed)
    repeated, first_repeat = repeated_rows(engine, landed, close)
    asked = "buyer, event_ms, purchase" if light else "client_id, event_ms, payload"
    purchases = engine.rows(
        f"select {asked} from {source} "
        f"where step = 'purchase' and {sound} order by event_ms, line_number"
    )
    marks: Counter[int] = Counter()
    for row in groups:
        marks[row[_FAULTS]] += row[_ROWS]
    faults = {
        fault: sum(rows for mark, rows in marks.items() if mark & fault.value) for fault in Fault
    }
    return Facts(
        delivery=delivery,
        columns=columns,
        rows=landed.rows + len(landed.bad_lines),
        accepted=sum(row[_ROWS] for row in good),
        bad_lines=len(landed.bad_lines),
        repeated=repeated,
        first_repeat=None if first_repeat is None else moment(first_repeat),
        first_of=_firsts(groups),
        close=close,
        groups=good,
        faults=faults,
        headers=_headers(engine, landed, columns, faults),
        first=moment(min(row[_FIRST] for row in good)) if good else None,
        last=moment(max(row[_LAST] for row in good)) if good else None,
        main_day=min(days, key=lambda day: (-days[day], day), default=None),
        orders=measure_orders(purchases, contract),
        careful=landed.careful,
        undecoded=landed.undecoded,
        damaged=first_damaged(landed),
        encoding=landed.encoding,
        names=contract.payload,
    )


def _headers(
    engine: DuckEngine, landed: Landed, columns: Mapping_, faults: Mapping[Fault, int]
) -> int:
    """Rows that are the header again, as files that were joined have it."""
    names = {role: name for role, name in columns.roles.items() if name and role in _TEXTS}
    if not faults[Fault.TIME] or landed.light or "event_name" not in names:
        return 0
    same = " and ".join(f"{role} = {literal(name)}" for role, name in sorted(names.items()))
    time = f"faults & {Fault.TIME.value} > 0"
    return int(engine.rows(f"select count(*) from {landed.source} where {time} and {same}")[0][0])


def _firsts(groups: Sequence[tuple[Any, ...]]) -> dict[Fault, str]:
    """When each fault first occurs, of those that have been seen."""
    firsts: dict[int, int] = {}
    for row in groups:
        mark, first = row[_FAULTS], row[_FIRST]
        if mark and first is not None:
            firsts[mark] = min(first, firsts.get(mark, first))
    found: dict[Fault, str] = {}
    for fault in Fault:
        times = [first for mark, first in firsts.items() if mark & fault.value]
        if times:
            found[fault] = moment(min(times))
    return found
