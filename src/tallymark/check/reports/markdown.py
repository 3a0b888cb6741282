"""The gate's report for people: what matters first, each cause once, every number countable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tallymark.check.counting.samples import ORDER
from tallymark.check.reports.stories import Run, Story, runs, seen_on, stories
from tallymark.check.score import RULE, arithmetic
from tallymark.check.words import count, day_words, moment_words, money_words, percent
from tallymark.escaping import code, escaped, rich
from tallymark.results import CheckResult, DeliveryReport, Finding, Severity, Verdict

__all__ = ["markdown"]

_LISTED = 3  # deliveries named in a finding; of more, the first and the last
_SAID = 8  # sentences of one finding that are told; the JSON has all
_FACTS = 8  # facts of the evidence; the JSON has all
_SHARES = ("share", "likeness")  # how the names of shares end
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_LEVELS = tuple(Severity)


def markdown(result: CheckResult) -> str:
    """The report as Markdown; the same result gives the same text. Data in it does nothing."""
    told = stories(result.deliveries)
    open_ = [one for one in told if one.one.severity is not Severity.P3]
    notes = [one for one in told if one.one.severity is Severity.P3]
    lines = [f"# Data quality: {result.status}", "", *_headline(result, open_), ""]
    lines += ["## Deliveries", "", *_table(result.deliveries), *_repeated(result.deliveries)]
    if open_:
        lines += ["", "## What is wrong"]
        for story in open_:
            lines += ["", *_block(story)]
    if notes:
        lines += ["", "## For information", ""]
        lines += [_note(one) for one in notes]
    lines += ["", *_foot(result)]
    return "\n".join(lines) + "\n"


def _note(story: Story) -> str:
    one = story.one
    first = "first " if len(story.on) > 1 else ""
    told = f"{_place(story)}; {first}since {moment_words(one.since)}; rule {code(one.id)}"
    return f"- {rich(one.message)} ({told})"


# ---------------------------------------------------------------- what matters first


def _headline(result: CheckResult, told: Sequence[Story]) -> Iterator[str]:
    if told:
        one = told[0].one
        yield f"**{rich(_sentence(one.message))}.** {_seen(told[0])}."
        if one.fix:
            yield ""
            yield f"What to do: {rich(_sentence(one.fix))}."
    elif result.deliveries:
        yield "**Nothing is wrong: every delivery passed.**"
    else:
        yield "**No delivery was found.**"
    yield ""
    yield _numbers(result, told)


def _sentence(text: str) -> str:
    """A text that begins like a sentence; its end is left to the writer."""
    bare = text.strip().rstrip(".")
    first = bare.split(" ", 1)[0]
    # A name keeps its spelling: column names and fields are no words.
    return bare if not first.isalpha() else f"{bare[:1].upper()}{bare[1:]}"


def _seen(story: Story) -> str:
    began = moment_words(story.one.since)
    since = "It is not known since when" if began == "unknown" else f"Since {began}"
    return f"{since}, {_place(story)}"


def _place(story: Story) -> str:
    if len(story.on) == 1:
        return f"in {code(story.on[0].delivery)}"
    return seen_on(story)


def _numbers(result: CheckResult, told: Sequence[Story]) -> str:
    read = sum(one.rows_read for one in result.deliveries)
    out = sum(one.rows_quarantined for one in result.deliveries)
    said = (
        (Verdict.PASS, "passed"), (Verdict.WARN, "passed with warnings"),
        (Verdict.QUARANTINE, "partly or wholly in quarantine"), (Verdict.STOP, "refused"),
    )  # fmt: skip
    verdicts = ", ".join(
        f"{number:,} {words}"
        for verdict, words in said
        if (number := sum(one.verdict is verdict for one in result.deliveries))
    )
    errors = sum(one.one.severity.is_error for one in told)
    found = " and ".join(
        [count(errors, "error")] * bool(errors)
        + [count(len(told) - errors, "warning")] * (len(told) > errors)
    )
    return (
        f"{count(len(result.deliveries), 'delivery', 'deliveries')}"
        f"{f' ({verdicts})' if verdicts else ''}, {count(read, 'row')}: {read - out:,} accepted, "
        f"{out:,} quarantined. {f'{found[:1].upper()}{found[1:]}. ' if found else ''}"
        f"Contract version {escaped(result.contract_version)}."
    )


# ---------------------------------------------------------------- the table


def _table(reports: Sequence[DeliveryReport]) -> Iterator[str]:
    yield "| Delivery | Verdict | Score | Rows | Quarantined | Findings |"
    yield "|---|---|--:|--:|--:|---|"
    for run in runs(reports):
        rows = sum(one.rows_read for one in run.deliveries)
        out = sum(one.rows_quarantined for one in run.deliveries)
        first = run.deliveries[0]
        yield (
            f"| {_named(run)} | {first.verdict} | {_scores(run)} | {rows:,} | {out:,} "
            f"| {_counted(run.deliveries)} |"
        )


def _repeated(reports: Sequence[DeliveryReport]) -> Iterator[str]:
    """How many rows were delivered more than once: they are accepted, and counted in nothing."""
    having = [one for one in reports if one.rows_repeated]
    if having:
        rows = sum(one.rows_repeated for one in having)
        many = rows > 1
        yield ""
        yield (
            f"{count(rows, 'accepted row')} {'are exact repeats' if many else 'is an exact repeat'}"
            f" of {'others' if many else 'another'} and {'count' if many else 'counts'} in "
            f"nothing: {_listed(having)}."
        )


def _named(run: Run) -> str:
    first, last = run.deliveries[0], run.deliveries[-1]
    if first is last:
        return escaped(first.delivery)
    number = count(len(run.deliveries), "delivery", "deliveries")
    return f"{number}, {escaped(first.delivery)} to {escaped(last.delivery)}"


def _scores(run: Run) -> str:
    scores = [one.score for one in run.deliveries]
    return str(scores[0]) if min(scores) == max(scores) else f"{min(scores)} to {max(scores)}"


def _counted(reports: Iterable[DeliveryReport]) -> str:
    found = [one.severity for report in reports for one in report.findings]
    return ", ".join(f"{found.count(one)} {one}" for one in _LEVELS if one in found) or "none"


# ---------------------------------------------------------------- one finding


def _block(story: Story) -> Iterator[str]:
    one = story.one
    yield f"### {one.severity}: {rich(one.message)}"
    yield ""
    yield f"- {_seen(story)}{_names(story)}"
    if len(story.sentences) > 1:
        yield from _sentences(story)
    if story.rows is not None:
        yield f"- Rows: {story.rows:,}{_share(story)}"
    if story.money is not None:
        yield f"- Money touched: {money_words(story.money)}{_currency(story)}"
    if one.fix:
        yield f"- Fix: {rich(one.fix)}"
    if one.owner:
        yield f"- Owner: {escaped(one.owner)}"
    if one.runbook:
        yield f"- Runbook: {_link(one.runbook)}"
    facts = _facts(one)
    if facts:
        yield f"- Evidence: {facts}"
    yield f"- Rule: {code(one.id)}"
    if one.query:
        day = f" ({escaped(story.on[0].delivery)})" if len(story.on) > 1 else ""
        yield f"- Count it yourself{day}: {code(one.query)}"
    if one.sample:
        yield ""
        yield from _sample(one.sample)


def _sentences(story: Story) -> Iterator[str]:
    """What was said of each delivery, where that is not the same."""
    yield "- What was said:"
    for one in story.sentences[:_SAID]:
        more = f" and {len(one.on) - _LISTED:,} more" if len(one.on) > _LISTED else ""
        where = ", ".join(code(each.delivery) for each in one.on[:_LISTED])
        yield f"  - {where}{more}: {rich(one.message.removeprefix(f'{one.on[0].delivery}: '))}"
    if len(story.sentences) > _SAID:
        yield f"  - and {len(story.sentences) - _SAID:,} more in dq_report.json"


def _currency(story: Story) -> str:
    """The currency of the money, where the orders state one."""
    told = story.one.evidence.get("currency")
    return f" {escaped(told)}" if isinstance(told, str) else ""


def _names(story: Story) -> str:
    """The files, where there is more than the one that the place names anyway."""
    if len(story.on) == 1:
        return ""
    if len(story.on) <= _LISTED:
        return f": {', '.join(code(one.delivery) for one in story.on)}"
    return f": {code(story.on[0].delivery)} to {code(story.on[-1].delivery)}"


def _share(story: Story) -> str:
    """The share of the finding; of several, how it was on the first."""
    if story.one.share is None:
        return ""
    if len(story.on) == 1:
        return f" ({percent(story.one.share)})"
    first = story.one.rows
    share = percent(story.one.share)
    return f" in all; {share if first is None else f'{first:,} ({share})'} on the first"


def _facts(one: Finding) -> str:
    shown = [
        f"{escaped(name.replace('_', ' '))} {escaped(_fact(value, name))}"
        for name, value in one.evidence.items()
        if value is not None and value not in ("", [], {}) and not _said(name, value, one)
    ]
    return ", ".join(shown[:_FACTS])


def _said(name: str, value: Any, one: Finding) -> bool:
    """Whether a fact says nothing that is not said elsewhere: any row counts, or the currency."""
    return (name == "threshold" and not value) or (name == "currency" and one.money is not None)


def _fact(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_fact(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_fact(inner) for inner in value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and name.endswith(_SHARES) and 0 <= value <= 1:
        return percent(value)
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return moment_words(value)
    return str(value)


def _link(address: str) -> str:
    """An address of ours that can be followed; anything but a plain web address is text."""
    parts = urlsplit(address)
    whole = parts.scheme in {"http", "https"} and parts.netloc
    if whole and not any(mark in address for mark in " <>\"'`\\"):
        return f"<{address}>"
    return code(address)


def _sample(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    given = {name for row in rows for name in row}
    names = [name for name in ORDER if name in given] + sorted(given.difference(ORDER))
    yield f"| {' | '.join(escaped(str(name)) for name in names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        cells = [_empty(row.get(name)) for name in names]
        yield f"| {' | '.join(cells)} |"


def _empty(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    # In a table a bar ends the cell, inside of code as well.
    return code(value).replace("|", "\\|") if isinstance(value, str) else str(value)


# ---------------------------------------------------------------- how the scores come about


def _foot(result: CheckResult) -> Iterator[str]:
    yield "## How the scores come about"
    yield ""
    yield RULE
    told: dict[str, list[DeliveryReport]] = {}
    for one in result.deliveries:
        if one.score_parts:
            told.setdefault(arithmetic(one), []).append(one)
    if told:
        yield ""
    for said, reports in told.items():
        yield f"- {said}: {_listed(reports)}"


def _listed(reports: Sequence[DeliveryReport]) -> str:
    if len(reports) <= _LISTED:
        return ", ".join(escaped(one.delivery) for one in reports)
    first, last = reports[0].date, reports[-1].date
    number = count(len(reports), "delivery", "deliveries")
    if not (first and last):
        return number
    return f"{number} between {day_words(first)} and {day_words(last, year=True)}"
