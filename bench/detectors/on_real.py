"""What the watch does on real series whose changes others have dated.

The other benches simulate what they judge, and their author wrote the detector too. Here are three
real series with changes that are known from elsewhere, taken from packages of the index (none of
it is kept here):

- the yearly flow of the Nile 1871-1970, lower from 1899 on (Cobb 1978, "The problem of the Nile",
  Biometrika 65); statsmodels, public domain;
- car drivers killed or seriously injured in Great Britain, monthly 1969-1984, fewer from the
  seat-belt law of February 1983 on (Harvey and Durbin 1986); sktime (BSD), with the label. As it
  is, and as counts that the same month of earlier years made comparable;
- unemployment in the United States, quarterly 1959-2009, which rises after each of eight peaks of
  the economy (as dated by the National Bureau of Economic Research); statsmodels, public domain.
  Taken as a share of 60,000 who are asked, about what the survey behind it asks.

Each is one metric, each step is a day, and each day is judged by what was known then: by the
default detector and by the plain z rule, with the shipped limits of `sessions` (counts) or
`conversion_rate` (rates). Nothing is tuned for them.

    .venv/bin/python -m bench.detectors.on_real
    .venv/bin/python -m bench.detectors.on_real --environment ENVIRONMENT

The packages are installed with pip, without what they depend on, into a throw-away environment
(needs a package index); ``--environment DIR`` keeps it for the next time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRules, load
from tallymark.monitor.tables import Series, Tables
from tallymark.monitor.watch import Watch
from tallymark.results import Severity

__all__ = ["Change", "Real", "alarms", "answered", "comparable", "series"]

Floats = NDArray[np.float64]

PACKAGES = ("statsmodels", "sktime")
DETECTORS = {"predictive": "default detector", "z": "plain z rule"}
FIRST = dt.date(2031, 1, 1)
MONTHS, QUARTERS = 12, 4
YEARS_FIRST = 2  # of which a month's usual part of a year is known before counts are compared
NILE_STARTS, NILE_LOWER = 1871, 1899
RATES_START = 1959
PEAKS = (
    (1960, 2), (1969, 4), (1973, 4), (1980, 1), (1981, 3), (1990, 3), (2001, 1), (2007, 4),
)  # fmt: skip
ASKED = 60_000
# Reads the files as they lie in the packages: importing these would need all they depend on.
READING = """
import csv, importlib.metadata, json
def column(package, path, name):
    place = importlib.metadata.distribution(package).locate_file(path)
    with open(place, encoding="utf-8", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]
seats = "sktime/datasets/data/seatbelts/seatbelts.csv"
print(json.dumps({
    "versions": {name: importlib.metadata.version(name) for name in ("statsmodels", "sktime")},
    "nile": column("statsmodels", "statsmodels/datasets/nile/nile.csv", "volume"),
    "drivers": column("sktime", seats, "KSI"),
    "law": column("sktime", seats, "label"),
    "unemployed": column("statsmodels", "statsmodels/datasets/macrodata/macrodata.csv", "unemp"),
}))
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is known from elsewhere.

    Attributes:
        at: The first step that differs.
        name: When that is, in words.
        within: Steps in which it is to be seen, and in which an alarm is no false one.
    """

    at: int
    name: str
    within: int


@dataclass(frozen=True, slots=True)
class Real:
    """One real series.

    Attributes:
        name: What it counts.
        step: What a step is.
        rule: The shipped rule that judges it.
        values: Counts, or parts of ``of``.
        of: Of how many; None for counts.
        changes: In order.
        direction: Which changes are asked for.
    """

    name: str
    step: str
    rule: str
    values: Floats
    of: Floats | None
    changes: Sequence[Change]
    direction: str = "both"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a change was answered, and what was said besides.

    Attributes:
        delays: Steps from each change to its first alarm; None where there was none in time.
        healthy: Steps before the first change, and between the spans in which one is to be seen.
        false: Alarms that began on one of them; consecutive steps are one alarm.
        lingering: Healthy steps on which an alarm stood that began within a span.
    """

    delays: Sequence[int | None]
    healthy: int
    false: int
    lingering: int


def series(told: Mapping[str, Any]) -> list[Real]:
    """The series, from what the packages hold."""
    drivers = np.asarray(told["drivers"])
    law, start = told["law"].index(1.0), YEARS_FIRST * MONTHS
    unemployed = np.asarray(told["unemployed"]) / 100
    peaks = [
        Change(QUARTERS * (year - RATES_START) + quarter, f"{year} Q{quarter}", 2 * QUARTERS)
        for year, quarter in PEAKS
    ]  # the first quarter after the peak's is the first that differs
    lower = Change(NILE_LOWER - NILE_STARTS, str(NILE_LOWER), 10)
    return [
        Real("flow of the Nile", "year", "sessions", np.asarray(told["nile"]), None, [lower]),
        Real("drivers hurt", "month", "sessions", drivers, None,
             [Change(law, "February 1983", MONTHS)]),
        Real("drivers hurt, months made comparable", "month", "sessions",
             comparable(drivers)[start:], None, [Change(law - start, "February 1983", MONTHS)]),
        Real("unemployment rises", "quarter", "conversion_rate", np.rint(unemployed * ASKED),
             np.full(len(unemployed), float(ASKED)), peaks, "up"),
    ]  # fmt: skip


def comparable(values: Floats) -> Floats:
    """Monthly counts over what the same month of earlier years was, of those years' mean.

    Args:
        values: From a January on. The first two years stay as they are.
    """
    found = values.copy()
    for month in range(YEARS_FIRST * MONTHS, len(values)):
        years = values[: month // MONTHS * MONTHS].reshape(-1, MONTHS)
        parts = years / years.mean(axis=1, keepdims=True)
        found[month] = np.rint(values[month] / parts[:, month % MONTHS].mean())
    return found


def alarms(real: Real, detector: str) -> list[bool]:
    """Of each step, whether it was told, as it would have been then."""
    shipped = load(MonitorRules, None, "rules/monitor.yml")
    (rule,) = [one for one in shipped.rules if one.id == real.rule]
    rules = shipped.model_copy(
        update={
            "rules": [rule.model_copy(update={"direction": real.direction})],
            "detector": detector,
        }
    )
    size = len(real.values)
    nothing = np.full(size, np.nan)
    found = (
        Series(real.values, real.values, nothing)
        if real.of is None
        else Series(real.values / real.of, real.values, real.of)
    )
    key = (rule.metric or "", "all")
    tables = Tables(
        first=FIRST, size=size, delivered=np.ones(size, dtype=np.bool_), series={key: found},
        hourly={}, deliveries={}, exported=False, segments={key: ("all",)},
    )  # fmt: skip
    watch = Watch(tables, rules)
    return [
        any(one.severity is not Severity.P3 for one in watch.findings(date))
        for date in watch.days()
    ]


def answered(told: Sequence[bool], changes: Sequence[Change]) -> Answer:
    """Compare the steps that were told with the changes that are known.

    A step within the span of a change is neither healthy nor false; nor is any after the last
    change, for nobody says how long it lasts.
    """
    delays, excused = [], set(range(changes[-1].at, len(told)))
    for change in changes:
        steps = range(change.at, min(len(told), change.at + change.within))
        delays.append(next((step - change.at for step in steps if told[step]), None))
        excused |= set(steps)
    healthy = [step for step in range(len(told)) if step not in excused]
    false = lingering = 0
    for step in (step for step in healthy if told[step]):
        begun = step
        while begun > 0 and told[begun - 1]:
            begun -= 1
        false += begun == step
        lingering += begun in excused
    return Answer(delays, len(healthy), false, lingering)


# ---------------------------------------------------------------- the packages


def read(environment: Path) -> dict[str, Any]:
    """What the packages hold; they are installed there unless they are.

    Raises:
        subprocess.CalledProcessError: They cannot be installed, or hold something else by now.
    """
    python = environment / "bin" / "python"
    if not (environment / "installed").exists():
        print(f"installing {' and '.join(PACKAGES)} ...", file=sys.stderr)
        venv.create(environment, with_pip=True, clear=True)
        quiet = ["-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        _said([str(python), "-m", "pip", "install", *quiet, *PACKAGES])
        (environment / "installed").touch()
    found: dict[str, Any] = json.loads(_said([str(python), "-c", READING]))
    return found


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# ---------------------------------------------------------------- telling

HONEST = """
What these show: whether changes that others dated are seen, by a detector whose author had no hand
in the series. What they do not: they are years, months and quarters, not shops. They have no
weekday, which the detector looks for, and a year's season, which it does not know; one metric has
the whole budget of false alarms to itself, which in a shop thirty and more share; unemployment
swells for a year where faults in shops strike in a day; the Nile swings by an eighth from year to
year, and fell by a fifth. Ten changes are too few for a rate of recall, and a few hundred steps too
few for one of false alarms."""


def main() -> int:
    """Install, read, judge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--environment", type=Path, help="where to keep what pip installs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            told = read(given.environment or Path(folder) / "environment")
        except subprocess.CalledProcessError as error:
            last = (str(error.stderr or "").strip().splitlines() or ["no reason given"])[-1]
            print(f"real series: skipped, for {' and '.join(PACKAGES)} cannot be had here: {last}")
            return 0
    named = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    print(f"real series, from {named}\n")
    print("| series | judged by | changes | seen | steps until seen | false alarms | healthy steps "
          "| of them under an alarm of the change before |")  # fmt: skip
    print("| --- | --- | --- | ---: | --- | ---: | ---: | ---: |")
    for real in series(told):
        for detector, name in DETECTORS.items():
            answer = answered(alarms(real, detector), real.changes)
            seen = sum(one is not None for one in answer.delays)
            names = ", ".join(one.name for one in real.changes)
            print(f"| {real.name}, by {real.step} | {name} "
                  f"| {names} | {seen} of {len(answer.delays)} "
                  f"| {', '.join('-' if one is None else str(one) for one in answer.delays)} "
                  f"| {answer.false} | {answer.healthy} | {answer.lingering} |")  # fmt: skip
    print(HONEST)
    return 0


if __name__ == "__main__":
    sys.exit(main())
