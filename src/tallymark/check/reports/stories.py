"""Findings as people tell them: one cause is told once, with the deliveries it was seen on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallymark.check.words import count, day_words
from tallymark.results import DeliveryReport, Finding, Severity, Verdict

__all__ = ["Run", "Sentence", "Story", "runs", "seen_on", "stories"]

_RUN = 3  # as many clean deliveries side by side are one line
# Sentences that differ in numbers alone, and in what agrees with them, say the same.
_NUMBER = re.compile(r"(under )?\d[\d.,:%]*|\b(has|have|is|are|repeats?|comes?)\b")
_HEAVY = {Verdict.STOP: 0, Verdict.QUARANTINE: 1, Verdict.WARN: 2, Verdict.PASS: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What was said of some of the deliveries of a story, as it was first said."""

    message: str
    on: Sequence[DeliveryReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Findings of one id on one or more deliveries, the earliest delivery first.

    Attributes:
        one: The finding as it was first said, with the worst severity it reached.
        on: The deliveries it was seen on.
        still: Whether the latest of all deliveries is among them.
        together: Whether all deliveries from the first to the last of them have it.
        rows: Rows touched on all of them together, where it touches rows.
        money: Money touched on all of them together, where it touches orders of one currency.
        sentences: What was said of them, each sentence once; one where they all say the same.
    """

    one: Finding
    on: Sequence[DeliveryReport]
    still: bool
    together: bool
    rows: int | None
    money: Decimal | None
    sentences: Sequence[Sentence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Deliveries that are told in one line: a single one, or clean ones side by side."""

    deliveries: Sequence[DeliveryReport]


def stories(reports: Sequence[DeliveryReport]) -> list[Story]:
    """One story an id, the worst and oldest first."""
    seen: dict[str, list[tuple[int, Finding]]] = {}
    for place, report in enumerate(reports):
        for one in report.findings:
            seen.setdefault(one.id, []).append((place, one))
    told = [_story(found, reports) for found in seen.values()]
    return sorted(told, key=_weight)


def _weight(story: Story) -> tuple[Severity, int, str, str]:
    """The worst first; among equals what keeps a delivery out, then what began earlier."""
    verdict = min(_HEAVY[one.verdict] for one in story.on)
    return story.one.severity, verdict, story.one.since, story.one.id


def _story(found: Sequence[tuple[int, Finding]], reports: Sequence[DeliveryReport]) -> Story:
    places = list(dict.fromkeys(place for place, _ in found))
    ones = [one for _, one in found]
    rows = [one.rows for one in ones if one.rows is not None]
    touching = [one for one in ones if one.money is not None]
    money = [Decimal(str(one.money)) for one in touching]
    alike = len({str(one.evidence.get("currency")) for one in touching}) == 1
    first = dataclasses.replace(
        ones[0],
        severity=min(one.severity for one in ones),
        since=min((one.since for one in ones if one.since), default=""),
    )
    return Story(
        one=first,
        on=[reports[place] for place in places],
        still=places[-1] == len(reports) - 1,
        together=places == list(range(places[0], places[-1] + 1)),
        rows=sum(rows) if rows else None,
        money=sum(money, Decimal(0)) if alike else None,
        sentences=_sentences([(reports[place], one.message) for place, one in found]),
    )


def _sentences(said: Sequence[tuple[DeliveryReport, str]]) -> list[Sentence]:
    """Sentences that differ in more than the name of their delivery and in numbers."""
    kinds: dict[str, list[tuple[DeliveryReport, str]]] = {}
    for report, message in said:
        bare = message.replace(report.delivery, "")
        kinds.setdefault(_NUMBER.sub("", bare), []).append((report, message))
    return [
        Sentence(message=some[0][1], on=list({one.delivery: one for one, _ in some}.values()))
        for some in kinds.values()
    ]


def seen_on(story: Story) -> str:
    """On how many deliveries and when, in words: ``on 9 deliveries from 2 March on``."""
    first, last = story.on[0], story.on[-1]
    number = count(len(story.on), "delivery", "deliveries")
    if len(story.on) == 1:
        return "on 1 delivery"
    if not (first.date and last.date):
        return f"on {number}"
    if story.together and story.still:
        return f"on {number} from {day_words(first.date)} on"
    between = "from" if story.together else "between"
    link = "to" if story.together else "and"
    return f"on {number} {between} {day_words(first.date)} {link} {day_words(last.date)}"


def runs(reports: Sequence[DeliveryReport], least: int = _RUN) -> Iterator[Run]:
    """Deliveries in their order; ``least`` or more clean ones side by side come as one."""
    waiting: list[DeliveryReport] = []
    for report in [*reports, None]:
        if report is not None and report.verdict is Verdict.PASS:
            waiting.append(report)
            continue
        if len(waiting) >= least:
            yield Run(deliveries=waiting)
        else:
            yield from (Run(deliveries=[one]) for one in waiting)
        waiting = []
        if report is not None:
            yield Run(deliveries=[report])
