"""Does the gate see what goes wrong, and does it stay quiet where nothing does?

Simulated shops of ten days, one incident each, on a random day, from a random hour and of a
random strength; then `tallymark check` in process. Prints for each kind how often it was found,
with the right day, hour and number of rows, and what else was said. `--misses` says of each miss
what was planted, what was said, and the command that shows it again. `--clean N` judges sound
shops of 28 days with promotions instead, and lists every P0, P1 and P2.

Development uses seeds below 10000. Seeds from 10000 on are for the one judgement at the end
(`--judgement`): nothing may be built against them.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ruamel.yaml import YAML

from tallymark.classify.agents import classify_agents
from tallymark.demo.chance import stream
from tallymark.demo.scene import PURCHASE_NAME
from tallymark.demo.shop import Truth, make_shop
from tallymark.demo.write import Format
from tallymark.errors import UsageError
from tallymark.project import Project
from tallymark.results import CheckResult, Finding, Severity

TABLE = Path(__file__).parent / "data" / "gate_incidents.yml"
DAYS, CLEAN_DAYS = 10, 28
FIRST_DAY = 5  # the earliest day of an incident: what is usual must have been seen before
FEWEST, MOST = 1000, 3000  # events a day
HALF_AN_HOUR = dt.timedelta(minutes=30)
NEAR = 0.10  # a number of rows is near the truth if it is off by no more
JUDGEMENT_SEEDS = 10_000
SEEDS = range(5)
TRIES = 20  # days on which an incident may find nothing to touch
LOUD = (Severity.P0, Severity.P1, Severity.P2)
BROKEN = "the gate broke down"
T = TypeVar("T")
R = TypeVar("R")


# ---------------------------------------------------------------- what is expected


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of incident, the strengths it comes in, and what answers it.

    The keys are those of bench/data/gate_incidents.yml, where they are explained.
    """

    name: str
    incident: str
    details: Mapping[str, Any] = field(default_factory=dict)
    answers: Sequence[str] = ()
    along: Sequence[str] = ()
    hours: Sequence[int] | None = None
    rows: str = "touched"
    fmt: Format = "csv"
    cut: bool = False
    first: int = FIRST_DAY
    last: int = DAYS


def cases() -> dict[str, Case]:
    """All cases by name, as bench/data/gate_incidents.yml lists them."""
    kinds = YAML(typ="safe").load(TABLE.read_text(encoding="utf-8"))["kinds"]
    return {name: Case(name=name, **said) for name, said in kinds.items()}


# ---------------------------------------------------------------- planting


@dataclass(frozen=True, slots=True)
class Planted:
    """A shop with one incident, and what the gate said of it."""

    case: Case
    seed: int
    spec: str
    truth: Truth
    said: Sequence[Finding]
    file: Path | None


def spec_of(case: Case, day: int, chance: np.random.Generator) -> str:
    """The incident in words, with details drawn from its ranges."""
    details: dict[str, str] = {}
    for key, value in case.details.items():
        if key == "swap":
            details["column"], details["other"] = value[int(chance.integers(len(value)))]
        elif isinstance(value, dict):
            details[key] = f"{chance.uniform(value['from'], value['to']):.2f}"
        elif isinstance(value, list):
            details[key] = str(value[int(chance.integers(len(value)))])
        else:
            details[key] = value
    if case.hours is not None:
        earliest, latest, least, most = case.hours
        first = int(chance.integers(earliest, latest + 1))
        details["hours"] = f"{first}-{min(24, first + int(chance.integers(least, most + 1)))}"
    given = ",".join(f"{key}={value}" for key, value in details.items())
    return f"{case.incident}@{day}..{day}{':' if given else ''}{given}"


def made(case: Case, seed: int, folder: Path) -> tuple[Truth, str]:
    """A shop with the incident on a random day, or on the next on which it finds something."""
    chance = stream(seed, f"gate {case.name}")
    events = int(chance.integers(FEWEST, MOST + 1))
    day = int(chance.integers(case.first, case.last + 1))
    spec = spec_of(case, day, chance)
    for number in range(TRIES):
        try:
            truth = make_shop(
                folder, days=DAYS, events_per_day=events, seed=seed + 100_000 * number,
                incidents=[spec], fmt=case.fmt,
            )  # fmt: skip
        except UsageError as error:
            if "nothing to touch" not in error.what:
                raise
        else:
            return truth, spec
    message = f"{spec} found nothing to touch in {TRIES} shops"
    raise RuntimeError(message)


def checked(folder: Path, now: dt.datetime | None = None, *, keep: bool = False) -> CheckResult:
    """What the gate says of the deliveries in ``raw/``."""
    project = Project.open(folder, source=str(folder / "raw"), output=folder)
    project.now = now
    return project.check(keep=keep)


def planted(case: Case, seed: int, folder: Path) -> Planted:
    """Make a shop, run the gate, and gather its findings."""
    truth, spec = made(case, seed, folder)
    day = truth.incidents[0].day.replace("-", "")
    file = folder / "raw" / f"events_{day}.{case.fmt}"
    if case.incident == "delivered_late":
        result = arrived_late(folder, file, truth)
    else:
        result = checked(folder)
    said = [one for report in result.deliveries for one in report.findings]
    said += list(getattr(result, "findings", ()))
    return Planted(case, seed, spec, truth, said, file if file.is_file() else None)


def arrived_late(folder: Path, file: Path, truth: Truth) -> CheckResult:
    """Check when the file should have been there, and again when it came."""
    contracts = folder / "contracts"
    contracts.mkdir()
    shipped = resources.files("tallymark").joinpath("contracts/events.yml").read_text("utf-8")
    (contracts / "events.yml").write_text(
        f'{shipped}\ncalendar:\n  expected_by: "06:00"\n  grace_minutes: 60\n', encoding="utf-8"
    )
    facts = truth.incidents[0].days[0]
    due, arrival = (dt.datetime.fromisoformat(facts[key]) for key in ("due", "arrival"))
    aside = folder / file.name
    later = [path for path in truth.files if path.name > file.name]
    hidden = [(path, folder / path.name) for path in (file, *later)]
    for path, away in hidden:
        path.rename(away)
    # The folder as it was on the morning on which the file should have come.
    checked(folder, due + dt.timedelta(hours=1), keep=True)
    aside.rename(file)
    result = checked(folder, arrival, keep=True)
    for path, away in hidden[1:]:
        away.rename(path)
    return result


# ---------------------------------------------------------------- judging


@dataclass(slots=True)
class Outcome:
    """How one planted incident was answered."""

    spec: str
    seed: int
    found: bool = False
    day: bool = False
    hour: bool = False
    exact: bool = False
    near: bool = False
    extras: list[str] = field(default_factory=list)
    told: str = ""


def judge(one: Planted) -> Outcome:
    """Compare what was said with what was planted; the best answer counts."""
    case, incident = one.case, one.truth.incidents[0]
    outcome = Outcome(one.spec, one.seed)
    columns = incident.detail.get("columns", incident.column or "").split("+")
    answers = [each.format(column=re.escape(c)) for c in columns for each in case.answers]
    needed = [[a.format(column=re.escape(c)) for a in case.answers] for c in columns]
    hits = [finding for finding in one.said if matches(finding, answers)]
    outcome.found = all(any(matches(f, each) for f in one.said) for each in needed)
    counts = wanted_rows(one)
    good = [finding for finding in hits if on_day(finding, incident.day)]
    outcome.day = outcome.found and bool(good)
    dated = [finding for finding in good if begins(finding, incident.start)]
    has_hour = case.hours is not None or case.cut
    outcome.hour = outcome.day and (bool(dated) or not has_hour)
    told = dated or good  # one finding says all rows, or each of several says its part
    errors = [
        abs(rows - count) / max(1, count)
        for rows in [finding.rows or 0 for finding in told] + [sum(f.rows or 0 for f in told)]
        for count in counts
    ]
    outcome.exact = outcome.day and (not counts or min(errors) == 0)
    outcome.near = outcome.day and (not counts or min(errors) <= NEAR)
    allowed = [*answers, *case.along]
    outcome.extras = sorted(
        f"{finding.id} {finding.severity} {finding.date}"
        for finding in one.said
        if finding.severity in LOUD
        and not (on_day(finding, incident.day) and matches(finding, allowed))
    )
    outcome.told = (
        f"planted {incident.rows_touched} rows from {incident.start} (rows that would be right: "
        f"{sorted(counts) or 'any'}); said: "
        + ("; ".join(f"{f.id} {f.severity} rows={f.rows} since={f.since} date={f.date}"
                     for f in one.said
                     if on_day(f, incident.day) and f.severity in LOUD) or "nothing")
    )  # fmt: skip
    return outcome


def matches(finding: Finding, patterns: Sequence[str]) -> bool:
    """Whether a finding's id is one of some patterns."""
    return any(re.fullmatch(pattern, finding.id) for pattern in patterns)


def on_day(finding: Finding, day: str) -> bool:
    """Whether a finding is about a day."""
    return finding.date == day or (finding.delivery or "").find(day.replace("-", "")) >= 0


def begins(finding: Finding, start: str) -> bool:
    """Whether a finding begins in the right hour, or less than half an hour beside it."""
    if finding.since[:13] == start[:13]:
        return True
    try:
        said = dt.datetime.fromisoformat(finding.since)
    except ValueError:
        return False
    return abs(said - dt.datetime.fromisoformat(start)) < HALF_AN_HOUR


def wanted_rows(one: Planted) -> set[int]:
    """Numbers of rows any of which is right; none if the file cannot tell."""
    case, incident = one.case, one.truth.incidents[0]
    touched = incident.rows_touched
    if case.rows == "unknown":
        return set()
    if case.rows == "touched" or one.file is None:
        return {touched}
    if case.rows == "views":
        return {touched, incident.days[0]["by_event"]["page_viewed"]}
    rows = list(read(one.file))
    if case.rows == "file":
        return {touched, len(rows)}
    if case.rows == "items":
        return {touched, sum(row["event_data"].count('"item_price":null') for row in rows)}
    if case.rows == "orders":
        return {touched, touched - test_orders_again(rows)}
    if case.rows == "bots":
        return {touched, *bots_in(rows, incident.start, incident.end)}
    column = incident.column or ""
    empty = [row for row in rows if not row[column]]
    during = [row for row in empty if incident.start <= row["timestamp"] <= incident.end]
    return {touched, len(empty), len(during)}


def test_orders_again(rows: Sequence[Mapping[str, str]]) -> int:
    """Test orders that come again; they are no orders, so nobody need count them."""
    payloads = [json.loads(row["event_data"]) for row in rows if row["event_name"] == PURCHASE_NAME]
    tests = [one["transaction_id"] for one in payloads if not one["items"][0]["item_name"]]
    return len(tests) - len(set(tests))


def bots_in(rows: Sequence[Mapping[str, str]], start: str, end: str) -> tuple[int, int]:
    """Rows of bots in the file, and in the hours from one row to another."""
    agents = {agent: known.is_bot for agent, known in classified(rows).items()}
    made_by_bots = [row["timestamp"] for row in rows if agents[row["user_agent"]]]
    hours = [time for time in made_by_bots if start[:13] <= time[:13] <= end[:13]]
    return len(made_by_bots), len(hours)


def classified(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Each user agent of some rows, and what it is."""
    agents = sorted({row["user_agent"] for row in rows})
    return dict(zip(agents, classify_agents(agents), strict=True))


def read(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def work(task: tuple[str, int]) -> Outcome:
    """Plant one incident and judge the answer."""
    name, seed = task
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return judge(planted(cases()[name], seed, Path(scratch)))
        except Exception as error:  # noqa: BLE001 -- a gate that breaks down is a miss, and is told
            what = getattr(error, "what", str(error))
            return Outcome(name, seed, told=f"{BROKEN}: {type(error).__name__}: {what}")


def sound(seed: int, days: int = CLEAN_DAYS) -> list[str]:
    """What the gate says, from P2 up, of a sound shop; one of four weeks has promotions."""
    events = int(stream(seed, "gate clean").integers(FEWEST, MOST + 1))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_shop(folder, days=days, events_per_day=events, seed=seed)
        result = checked(folder)
        shutil.rmtree(folder / "raw")
    return [
        f"seed {seed}: {finding.severity} {finding.id} {finding.date}: {finding.message}"
        for report in result.deliveries
        for finding in report.findings
        if finding.severity in LOUD
    ]


# ---------------------------------------------------------------- telling

LINE = "{:26}{:>6}{:>7}{:>7}{:>7}{:>12}{:>12}{:>8}"


def table(outcomes: Mapping[str, Sequence[Outcome]]) -> bool:
    """Print a line for each kind; whether everything was found with day, hour and rows."""
    print(LINE.format("kind", "shops", "found", "day", "hour", "rows exact", "rows ±10 %", "extra"))
    for name, some in outcomes.items():
        print(LINE.format(
            name, len(some), *(sum(getattr(one, part) for one in some)
                               for part in ("found", "day", "hour", "exact", "near")),
            sum(len(one.extras) for one in some),
        ))  # fmt: skip
    every = [one for some in outcomes.values() for one in some]
    right = [one for one in every if one.found and one.day and one.hour and one.near]
    extra = sum(len(one.extras) for one in every)
    print(f"\n{len(right)} of {len(every)} with the right kind, day, hour and rows "
          f"(within 10 %); {sum(one.found for one in every)} found; "
          f"{extra} other findings")  # fmt: skip
    broken = [one.told for one in every if one.told.startswith(BROKEN)]
    if broken:
        print(f"{len(broken)} times the gate broke down, first with: {broken[0]}")
    return len(right) == len(every) and not extra


def tell_misses(outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    """Print each miss so that it can be seen again."""
    for name, some in outcomes.items():
        for one in some:
            parts = {"found": one.found, "day": one.day, "hour": one.hour, "rows": one.near}
            wrong = [part for part, good in parts.items() if not good]
            if wrong or one.extras:
                print(
                      f"\n{name}, seed {one.seed}: wrong: {', '.join(wrong) or 'nothing'}; extra: "
                      f"{', '.join(one.extras) or 'nothing'}\n  {one.spec}\n  {one.told}\n  python "
                      f"bench/gate_incidents.py --kinds {name} --seeds {one.seed} --misses"
                )  # fmt: skip


def span(text: str) -> range:
    """Seeds written ``A..B``, both included, or one seed."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def run(kinds: Sequence[str], seeds: range, jobs: int) -> dict[str, list[Outcome]]:
    """Plant each kind once for each seed."""
    tasks = [(name, seed) for name in kinds for seed in seeds]
    outcomes: dict[str, list[Outcome]] = {name: [] for name in kinds}
    for (name, _), outcome in zip(tasks, spread(work, tasks, jobs), strict=True):
        outcomes[name].append(outcome)
    return outcomes


def spread(function: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    """Apply a function to tasks, in so many processes."""
    if jobs == 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(function, tasks)


def main() -> int:
    """Judge planted or sound shops; 0 if all is as wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = list(cases())
    parser.add_argument("--seeds", type=span, help="A..B (default: 0..4)")
    parser.add_argument("--kinds", nargs="+", choices=known, default=known)
    parser.add_argument("--clean", type=int, help="judge so many sound shops instead")
    parser.add_argument("--judgement", action="store_true", help="seeds for the end; once")
    parser.add_argument("--misses", action="store_true", help="tell each miss")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    first = JUDGEMENT_SEEDS if given.judgement else 0
    seeds = given.seeds or range(first, first + len(SEEDS))
    if max(seeds) >= JUDGEMENT_SEEDS and not given.judgement:
        parser.error("seeds from 10000 on are for the one judgement at the end: --judgement")
    if given.clean:
        shops = range(seeds[0], seeds[0] + given.clean)
        said = [line for lines in spread(sound, shops, given.jobs) for line in lines]
        print("\n".join(said))
        loud = [line for line in said if " P2 " not in line]
        print(f"{given.clean} sound shops of {CLEAN_DAYS} days: {len(loud)} P0 or P1 (0 wanted), "
              f"{len(said) - len(loud)} P2")  # fmt: skip
        return int(bool(loud))
    outcomes = run(given.kinds, seeds, given.jobs)
    if given.misses:
        tell_misses(outcomes)
        print()
    return int(not table(outcomes))


if __name__ == "__main__":
    sys.exit(main())
