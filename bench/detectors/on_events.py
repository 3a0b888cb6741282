"""Does the watch see in whole shops of events what only deterministic rules can see?

The other benches of this folder simulate metrics, and many faults never reach a metric: a renamed
column, a file delivered twice, an order id that two customers share. Here shops of 3,500 events a
day are made as files, and the whole river runs over them (check, build, monitor): four weeks of
sound days, then one kind of incident from a day and of a strength that chance chooses. Prints for
each kind whether its day was RED or YELLOW with a finding of that cause, on the same day and within
seven days, with which severity and by which rule; and every P0 or P1 on a day on which nothing was
wrong. What is then said, truly, of days before (a week that is low together, a day that is still
missing) is counted apart, as an echo. A sound shop is judged beside them. Kinds and what answers
them: bench/data/on_events.yml.

The four weeks are made and judged once for each shop and copied for each kind, as the files of a
shop do not depend on an incident that comes later. Every day is judged by what was known then.

    .venv/bin/python -m bench.detectors.on_events --shops 1 --seed 1
    .venv/bin/python -m bench.detectors.on_events --kinds ids_lost outage --misses

Development uses seeds below 10000; seeds from there on are for the one judgement at the end.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.gate_incidents import Case, cases, spec_of
from tallymark.demo.chance import stream
from tallymark.demo.shop import Truth, make_shop
from tallymark.errors import TallymarkError, UsageError
from tallymark.project import Project
from tallymark.results import Finding, MonitorResult, Severity, Status

__all__ = ["Kind", "Quiet", "Seen", "Shop", "four_weeks", "judged", "kinds", "quiet", "seen"]

TABLE = Path(__file__).parents[1] / "data" / "on_events.yml"
EVENTS = 3_500
FIRST = dt.date(2026, 1, 5)
HISTORY = 28  # sound days before anything may happen, and before anything is counted
EARLIEST, LATEST = 30, 34  # day on which an incident begins, counted from 1
DAYS = 42
LASTS = WEEK = 7
SOUND = "nothing"
BROKEN = "the river broke down"
JUDGEMENT_SEEDS = 10_000
LOUD = (Severity.P0, Severity.P1, Severity.P2)
LATE = "delivered_late"
NO_PROMOTIONS = "\npromotions: []\n"
CALENDAR = 'calendar:\n  expected_by: "06:00"\n  grace_minutes: 60\n'
AFTER_GRACE = dt.timedelta(hours=2)
Results = Mapping[dt.date, MonitorResult]


# ---------------------------------------------------------------- what is asked


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident and what answers it; the keys of bench/data/on_events.yml."""

    case: Case
    lasts: int = LASTS
    seen_as: Sequence[str] = ()
    after: Sequence[str] = ()

    def answers(self, columns: Sequence[str]) -> list[str]:
        """Patterns of the ids and rules of findings that name it.

        Args:
            columns: The columns that were hurt.
        """
        names = "|".join(re.escape(column) for column in columns)
        return [one.format(column=f"({names})") for one in (*self.case.answers, *self.seen_as)]


@dataclass(frozen=True, slots=True)
class Seen:
    """How an incident was answered.

    Attributes:
        delay: Days until it was, 0 on its first; None if it was not within seven days.
        severity: The gravest of the findings that named it first.
        rule: That finding's rule, or its id.
    """

    delay: int | None = None
    severity: Severity | None = None
    rule: str = ""


@dataclass
class Quiet:
    """What was said on days on which nothing was wrong.

    Attributes:
        days: How many there were.
        errors: By day: P0 and P1 that are false.
        echoes: By day: P0 and P1 that are true of an incident before.
        warned: By day: P2 that are false, where no P0 or P1 is.
    """

    days: int = 0
    errors: dict[dt.date, list[str]] = field(default_factory=dict)
    echoes: dict[dt.date, list[str]] = field(default_factory=dict)
    warned: dict[dt.date, list[str]] = field(default_factory=dict)


@dataclass
class Shop:
    """One shop with one kind of incident, or with none, after it was judged.

    Attributes:
        kind: The kind's name.
        seed: The shop's.
        spec: What was planted.
        seen: How it was answered.
        quiet: What was said while nothing was wrong.
        said: What was said on the first day.
    """

    kind: str
    seed: int
    spec: str = ""
    seen: Seen = field(default_factory=Seen)
    quiet: Quiet = field(default_factory=Quiet)
    said: str = ""


def kinds() -> dict[str, Kind]:
    """All kinds by name."""
    listed = YAML(typ="safe").load(TABLE.read_text(encoding="utf-8"))["kinds"]
    known, found = cases(), {}
    for name, said in listed.items():
        given: dict[str, Any] = dict(said)
        own = given.pop("case", None)
        case = known[name] if own is None else Case(name=name, **own)
        found[name] = Kind(case=case, **given)
    return found


# ---------------------------------------------------------------- judging


def seen(results: Results, first: dt.date, patterns: Sequence[str]) -> Seen:
    """When an incident was first named, and how gravely.

    Args:
        results: The judgement of each day.
        first: The incident's first day.
        patterns: Of ids and rules of findings that name it.
    """
    for delay in range(WEEK):
        result = results.get(first + dt.timedelta(days=delay))
        if result is None or result.status is Status.GREEN:
            continue
        named = [one for one in _loud(result) if _matches(one, patterns)]
        if named:
            gravest = min(named, key=lambda one: (one.severity, one.id))
            return Seen(delay, gravest.severity, gravest.rule or gravest.id)
    return Seen()


def quiet(results: Results, ill: Collection[dt.date], after: Sequence[str]) -> Quiet:
    """What was said, with a month of history, on days on which nothing was wrong.

    Args:
        results: The judgement of each day.
        ill: The incident's days.
        after: Patterns of ids and rules of findings that are still true when it is over.
    """
    found = Quiet()
    for day, result in results.items():
        if day in ill or (day - FIRST).days < HISTORY:
            continue
        found.days += 1
        said: dict[bool, list[Finding]] = {True: [], False: []}
        for one in _loud(result):
            said[_echoes(one, day, ill, after)].append(one)
        grave = [one for one in said[False] if one.severity.is_error]
        echoes = [one for one in said[True] if one.severity.is_error]
        false = [] if grave else said[False]
        for where, those in ((found.errors, grave), (found.echoes, echoes), (found.warned, false)):
            if those:
                where[day] = [f"{one.severity} {one.id}: {one.message}" for one in those]
    return found


def _echoes(finding: Finding, day: dt.date, ill: Collection[dt.date], after: Sequence[str]) -> bool:
    """Whether a finding speaks of days together that the incident is among, or of what it left."""
    together = int(finding.evidence.get("days_together", 1))
    if any(day - dt.timedelta(days=number) in ill for number in range(together)):
        return True
    return bool(ill) and min(ill) < day and _matches(finding, after)


def _loud(result: MonitorResult) -> list[Finding]:
    return [one for one in result.findings if one.severity in LOUD]


def _matches(finding: Finding, patterns: Sequence[str]) -> bool:
    names = (finding.id, finding.rule or "")
    return any(re.fullmatch(pattern, name) for pattern in patterns for name in names)


# ---------------------------------------------------------------- shops


def judged(base: Path, kind: str, asked: Kind | None, seed: int, scratch: Path) -> Shop:
    """Plant a kind of incident after the four weeks of a shop, run the river, and judge.

    Args:
        base: The shop's folder with its four weeks, judged.
        kind: The kind's name.
        asked: The kind; None for a shop that stays sound.
        seed: The shop's.
        scratch: An empty folder.
    """
    made = scratch / "made"
    truth, first = _made(made, kind, asked, seed)
    home = Path(shutil.copytree(base, scratch / "shop"))
    before = _late(home, made, truth) if kind == LATE else {}
    _deliver(made, home, DAYS)
    results = _run(home) | before
    shop = Shop(kind, seed)
    if asked is None:
        shop.quiet = quiet(results, (), ())
        return shop
    incident = truth.incidents[0]
    ill = {first + dt.timedelta(days=number) for number in range(asked.lasts)}
    hurt = incident.detail.get("columns", incident.column or "").split("+")
    answers = asked.answers(sorted({*hurt, incident.detail.get("other", hurt[0])}))
    shop.spec, shop.seen = incident.spec, seen(results, first, answers)
    shop.said = "; ".join(f"{one.id} {one.severity}" for one in _loud(results[first]))
    shop.quiet = quiet(results, ill, asked.after)
    return shop


def four_weeks(folder: Path, seed: int) -> Path:
    """A shop's sound days with their judgement, and its promotions in the watch's calendar."""
    truth = make_shop(folder, days=DAYS, events_per_day=EVENTS, seed=seed, start=FIRST)
    for file in truth.files[HISTORY:]:
        file.unlink()
    sales = YAML(typ="safe").load(truth.path.read_text(encoding="utf-8"))["promotions"]
    calendar = "".join(
        f"  - {{name: {one['name']}, start: {one['first']}, end: {one['last']}}}\n" for one in sales
    )
    shipped = resources.files("tallymark").joinpath("rules/monitor.yml").read_text("utf-8")
    (folder / "rules").mkdir()
    text = shipped.replace(NO_PROMOTIONS, f"\npromotions:\n{calendar}") if sales else shipped
    (folder / "rules" / "monitor.yml").write_text(text, encoding="utf-8")
    _run(folder)
    return folder


def _made(folder: Path, kind: str, asked: Kind | None, seed: int) -> tuple[Truth, dt.date]:
    """The shop with its incident, on a random day or on the next on which it finds something."""
    chance = stream(seed, f"on events {kind}")
    wanted = range(EARLIEST, LATEST + 1)
    begin = int(chance.integers(EARLIEST, LATEST + 1))
    for day in (*wanted[begin - EARLIEST :], *wanted[: begin - EARLIEST]):
        spec = []
        if asked is not None:
            once = spec_of(asked.case, day, chance)
            spec = [once.replace(f"@{day}..{day}", f"@{day}..{day + asked.lasts - 1}", 1)]
        try:
            truth = make_shop(
                folder, days=DAYS, events_per_day=EVENTS, seed=seed, incidents=spec, start=FIRST
            )
        except UsageError as error:
            if "nothing to touch" not in error.what:
                raise
        else:
            return truth, FIRST + dt.timedelta(days=day - 1)
    message = f"{kind} found nothing to touch in the shop of seed {seed}"
    raise RuntimeError(message)


def _run(home: Path, now: dt.datetime | None = None) -> dict[dt.date, MonitorResult]:
    """Check, build and monitor what is in ``raw/``; the judgement of each day."""
    project = Project.open(home, source=str(home / "raw"), output=home)
    project.now = now
    found = {one.date: one for one in project.run(skip=frozenset({"report"})).monitor}
    if now is not None:
        latest = project.monitor()
        found[latest.date] = latest
    return {dt.date.fromisoformat(date): one for date, one in found.items()}


def _deliver(made: Path, home: Path, days: int) -> None:
    """Bring the files of a shop's first days into its project, where they are not there yet."""
    end = (FIRST + dt.timedelta(days=days)).strftime("events_%Y%m%d")
    for file in sorted((made / "raw").iterdir()):
        if file.name < end and not (home / "raw" / file.name).exists():
            shutil.copy(file, home / "raw")


def _late(home: Path, made: Path, truth: Truth) -> dict[dt.date, MonitorResult]:
    """What is said of a day on the morning on which its delivery is not there; then it comes."""
    (home / "contracts").mkdir()
    shipped = resources.files("tallymark").joinpath("contracts/events.yml").read_text("utf-8")
    (home / "contracts" / "events.yml").write_text(f"{shipped}\n{CALENDAR}", encoding="utf-8")
    incident = truth.incidents[0]
    day = dt.date.fromisoformat(incident.day)
    due, arrival = (
        dt.datetime.fromisoformat(str(incident.days[0][key])) for key in ("due", "arrival")
    )
    _deliver(made, home, (day - FIRST).days)
    _run(home)
    found = _run(home, due + AFTER_GRACE)
    _deliver(made, home, (day - FIRST).days + 1)
    _run(home, arrival)
    return {day: found[day]}


# ---------------------------------------------------------------- telling


def main() -> None:
    """Read the options, make and judge the shops, print the tables."""
    known = kinds()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shops", type=int, default=1, help="shops a kind")
    parser.add_argument("--seed", type=int, default=1, help="of the first shop")
    parser.add_argument("--kinds", nargs="+", choices=[*known, SOUND], default=[*known, SOUND])
    parser.add_argument("--judgement", action="store_true", help="seeds kept for the end")
    parser.add_argument("--misses", action="store_true", help="tell what was said of each miss")
    given = parser.parse_args()
    if (given.seed + given.shops > JUDGEMENT_SEEDS) != given.judgement:
        parser.error("seeds from 10000 on, and no others, go with --judgement")
    started = time.monotonic()
    shops = []
    for seed in range(given.seed, given.seed + given.shops):
        with tempfile.TemporaryDirectory() as folder:
            base = four_weeks(Path(folder) / "base", seed)
            for number, kind in enumerate(given.kinds):
                scratch = Path(folder) / str(number)
                scratch.mkdir()
                try:
                    shops.append(judged(base, kind, known.get(kind), seed, scratch))
                except TallymarkError as error:  # a river that breaks down is a miss, and is told
                    shops.append(Shop(kind, seed, said=f"{BROKEN}: {error.what}"))
                shutil.rmtree(scratch)
    _kinds(shops)
    _alarms(shops)
    if given.misses:
        _misses(shops)
    print(f"\n{len(shops)} shops of {EVENTS:,} events a day and {DAYS} days from {given.shops} "
          f"seed(s) from {given.seed}, {time.monotonic() - started:.0f} s")  # fmt: skip


def _kinds(shops: Sequence[Shop]) -> None:
    print("| kind | shops | same day | within 7 days | severity | rule |")
    print("| --- | ---: | ---: | ---: | --- | --- |")
    for kind in dict.fromkeys(one.kind for one in shops if one.kind != SOUND):
        some = [one.seen for one in shops if one.kind == kind]
        print(f"| {kind} | {len(some)} | {_counts(some)} "
              f"| {_often([str(one.severity) for one in some if one.severity])} "
              f"| {_often([one.rule for one in some if one.rule])} |")  # fmt: skip
    every = [one.seen for one in shops if one.kind != SOUND]
    if every:
        same = sum(one.delay == 0 for one in every) / len(every)
        week = sum(one.delay is not None for one in every) / len(every)
        print(f"\nover all kinds: same day {same:.2f}, within 7 days {week:.2f}")


def _counts(some: Sequence[Seen]) -> str:
    return f"{sum(one.delay == 0 for one in some)} | {sum(one.delay is not None for one in some)}"


def _often(names: Sequence[str]) -> str:
    """What was said, the most frequent first; how often, if not always the same."""
    counts = Counter(names).most_common()
    alone = len(counts) == 1
    return ", ".join(name if alone else f"{name} ({count})" for name, count in counts) or "-"


def _alarms(shops: Sequence[Shop]) -> None:
    print("\n| shops | clean days after 28 | false P0 or P1 days | of them a shop | echo days "
          "| false days with P2 only |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, some in (
        ("sound", [one.quiet for one in shops if one.kind == SOUND]),
        ("with an incident", [one.quiet for one in shops if one.kind != SOUND]),
    ):
        if some:
            errors = sum(len(one.errors) for one in some)
            print(f"| {name}: {len(some)} | {sum(one.days for one in some)} | {errors} "
                  f"| {errors / len(some):.2f} | {sum(len(one.echoes) for one in some)} "
                  f"| {sum(len(one.warned) for one in some)} |")  # fmt: skip
    for one in shops:
        if one.said.startswith(BROKEN):
            print(f"  {one.kind}, seed {one.seed}: {one.said}")
        told = {"false": one.quiet.errors | one.quiet.warned, "echo": one.quiet.echoes}
        for name, by_day in told.items():
            for day, texts in sorted(by_day.items()):
                for text in texts:
                    print(f"  {name}: {one.kind}, seed {one.seed}, {day}: {text}"
                          f"{' after ' if one.spec else ''}{one.spec}")  # fmt: skip


def _misses(shops: Sequence[Shop]) -> None:
    for one in shops:
        if one.kind != SOUND and one.seen.delay != 0:
            print(f"\n{one.kind}, seed {one.seed}: {one.spec}\n  said on its day: "
                  f"{one.said or 'nothing'}; found after {one.seen.delay} days")  # fmt: skip


if __name__ == "__main__":
    main()
