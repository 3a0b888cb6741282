"""An incident taken apart by the rows themselves: added or lost, on which page, by which agent.

Metrics say how much changed; the landed rows of the day, beside those of usual days, say where.
They are asked only about incidents of the judged day, so that a quiet day costs nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.monitor.cells import LandedRows
from tallymark.monitor.places import agent_name, page_name, source_name, source_of
from tallymark.monitor.questions import Question, question_of
from tallymark.monitor.slices import Cell, Slice, gaps, leading, volumes
from tallymark.monitor.tables import Tables
from tallymark.monitor.words import number, parse, percent
from tallymark.results import Incident

__all__ = ["rewritten", "told_apart"]

Days = NDArray[np.int64]
Usual = Callable[[Incident], Days]
Evidence = Mapping[str, Any]

_WEEK = 7
_SAME_WEEKDAYS = 4  # of volumes, which know weekdays; what a share lacks hardly does
_FEWEST_SAME = 3
_MOST_ROWS = 250_000  # that are looked at: more would say the same, only later
_MOST_READ = 4_000_000  # rows of usual days through which it goes for those
_MOST_ASKED = 3  # questions on one day: a day with more troubles has one at the root of them
_SHOWN = 0.005  # of the whole change: less is not worth a word


def told_apart(
    incidents: Sequence[Incident], rows: LandedRows, tables: Tables, day: int, usual: Usual
) -> dict[str, Evidence]:
    """What the landed rows say of a day's incidents: evidence by the id of the incident.

    Args:
        incidents: Those found on the day, gravest first.
        rows: The landed rows.
        tables: What the watch knows.
        day: The judged day.
        usual: Days with which an incident may be compared, oldest first.
    """
    if not 0 <= day < tables.size or not tables.delivered[day]:
        return {}
    asked: dict[tuple[Question, tuple[int, ...]], Evidence | None] = {}
    found: dict[str, Evidence] = {}
    for incident in incidents:
        question = question_of(incident)
        if question is None:
            continue
        before = _compared(usual(incident), incident, question, tables, day)
        key = (question, tuple(before))
        if not before or (key not in asked and len(asked) == _MOST_ASKED):
            continue
        if key not in asked:
            if not asked and not rows.there():
                return {}
            asked[key] = _answer(question, rows, tables, day, before)
        parts = asked[key]
        if parts is not None:
            found[incident.id] = _with(incident, parts, question)
    return found


def _compared(
    usual: Days, incident: Incident, question: Question, tables: Tables, day: int
) -> list[int]:
    """The latest usual days before it began; of volumes those of its weekday, if enough."""
    began = parse(incident.since)
    first = tables.day(began.date()) if began is not None else day
    days = [int(one) for one in usual if one < min(first, day)]
    same = [one for one in days if (day - one) % _WEEK == 0][-_SAME_WEEKDAYS:]
    alike = question.filled is None and len(same) >= _FEWEST_SAME
    chosen = same if alike else days[-_WEEK:]
    kept, read = list[int](), 0.0
    for one in reversed(chosen):
        read += tables.value("events", one) or 0.0
        if kept and read > _MOST_READ:
            break
        kept.append(one)
    return sorted(kept)


def _answer(
    question: Question, rows: LandedRows, tables: Tables, day: int, before: Sequence[int]
) -> Evidence | None:
    dates = [tables.date(one) for one in before]
    all_rows = sum(tables.value("events", one) or 0.0 for one in (*before, day))
    every = 1 if question.few else max(1, round(all_rows / _MOST_ROWS))
    cells = rows.cells(question, tables.date(day), dates, every=every)
    if question.filled is None:
        found = volumes(cells, question.dimensions)
        found = found or (leading(cells, question.leading) if question.leading else [])
        whole = (every * sum(one.usual for one in cells), every * sum(one.rows for one in cells))
        return _of_volume(question, _times(found, every), whole, dates) if found else None
    found = gaps(cells, question.dimensions)
    # Where next to no row ever had the value, it is not this that the incident is about.
    if not found or not any(one.usual_filled for one in cells):
        return None
    fallen = _fallen(question, cells, found)
    return _of_gap(question, _times(found, every), _times(fallen, every), dates)


def _times(found: Sequence[Slice], every: int) -> list[Slice]:
    """Slices of every n-th row as slices of all rows."""
    return [
        dataclasses.replace(
            one, rows=every * one.rows, usual=every * one.usual, added=every * one.added,
            lost=every * one.lost,
        )
        for one in found
    ]  # fmt: skip


def _fallen(question: Question, cells: Sequence[Cell], found: Sequence[Slice]) -> list[Slice]:
    """Of values that were lost: which there are fewer of, where the rows themselves name them."""
    lost, added = sum(one.lost for one in found), sum(one.added for one in found)
    if not question.named or lost < added:
        return []
    filled = [
        dataclasses.replace(one, rows=one.filled, usual=one.usual_filled)
        for one in cells
        if one.usual_filled or one.filled
    ]
    return volumes(filled, ("source",))


def _of_gap(
    question: Question,
    found: Sequence[Slice],
    fallen: Sequence[Slice],
    dates: Sequence[dt.date],
) -> Evidence:
    lost, added = sum(one.lost for one in found), sum(one.added for one in found)
    text = (
        f"about {number(round(lost + added))} more {question.rows} than usual: "
        f"{number(round(lost))} lost it, {number(round(added))} were added without it"
    )
    named = [one for one in found if one.dimension]
    told = [
        f"{_name(one)} ({percent(_share(one))}: {_fate(one)})"
        for one in named
        if one.share >= _SHOWN
    ]
    told += [
        f"{_value(one)}, named {number(round(one.rows))} times and usually "
        f"{number(round(one.usual))}"
        for one in fallen
    ]
    text += f"; most of it: {', '.join(told)}" if told else "; no page, agent or source stands out"
    return {
        "what_changed": text,
        "values_lost": round(lost),
        "rows_added": round(added),
        "where": [
            {
                **_place(one),
                "values_lost": round(one.lost),
                "rows_added": round(one.added),
                "rows": round(one.rows),
                "usual_rows": round(one.usual),
            }
            for one in named
        ]
        + [_moved(one) for one in fallen],
        "compared_with": _dates(dates),
    }


def _of_volume(
    question: Question,
    found: Sequence[Slice],
    whole: tuple[float, float],
    dates: Sequence[dt.date],
) -> Evidence:
    told = ", ".join(
        f"{_name(one)} {number(round(one.rows))} (usually {number(round(one.usual))}, "
        f"{percent(_share(one))} of the change)"
        for one in found
    )
    usual, now = whole
    text = f"{question.rows} {number(round(now))} (usually {number(round(usual))})"
    return {
        "what_changed": f"{text}; most of it: {told}",
        "where": [_moved(one) for one in found],
        "compared_with": _dates(dates),
    }


def _with(incident: Incident, parts: Evidence, question: Question) -> Evidence:
    """The incident's evidence with what the rows say; of volumes, after what metrics say."""
    said = incident.evidence.get("what_changed")
    if question.filled is None and said:
        return {**incident.evidence, **parts, "what_changed": f"{said}; {parts['what_changed']}"}
    return {**incident.evidence, **parts}


def rewritten(incident: Incident, found: Mapping[str, Evidence], date: str) -> Incident:
    """An incident with what the rows of its day say, if it was found on that day."""
    if incident.date != date or incident.id not in found:
        return incident
    return dataclasses.replace(incident, evidence=found[incident.id])


def _fate(one: Slice) -> str:
    few = _SHOWN * (one.lost + one.added)
    if one.added <= few:
        return "lost"
    if one.lost <= few:
        return "added"
    return f"{number(round(one.lost))} lost, {number(round(one.added))} added"


def _name(one: Slice) -> str:
    if one.dimension == "section":
        return f"pages under {page_name(one.name)}" if one.name != "/" else "the front page"
    if one.dimension == "source":
        return f"{source_of(one.name)} {source_name(one.name)}" if one.name else "no referrer"
    if not one.name:
        return "no user agent"
    return f"{one.dimension} {_value(one)}"


def _value(one: Slice) -> str:
    if one.dimension in {"section", "page"}:
        return page_name(one.name)
    return source_name(one.name) if one.dimension == "source" else agent_name(one.name)


def _moved(one: Slice) -> dict[str, Any]:
    return {**_place(one), "rows": round(one.rows), "usual_rows": round(one.usual)}


def _place(one: Slice) -> dict[str, Any]:
    kind = source_of(one.name).replace(" ", "_") if one.dimension == "source" else one.dimension
    return {"dimension": kind, "value": _value(one), "share": _share(one)}


def _share(one: Slice) -> float:
    """Of the whole change; a part that rose while others fell is not said to be more than all."""
    return round(min(1.0, one.share), 4)


def _dates(dates: Sequence[dt.date]) -> list[str]:
    return [one.isoformat() for one in dates]
