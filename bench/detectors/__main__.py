"""Does the watch see what goes wrong in a shop, and does it stay quiet where nothing does?

Simulated shops of 1,000, 3,500, 20,000 and 200,000 events a day, 420 days each, as daily and hourly
metrics; every day of the healthy shop is judged, and each kind of incident is planted at five ages
of the shop's history and looked for on seven days. Prints recall on the same day and within seven
days, the delay, and false alarm-days in a shop's year, for the shipped rules with the default
detector (deterministic rules included), for the same rules with the plain z rule, and, for scores
whose threshold is set on the first half of the shops, the z rule and a library forecaster at the
same number of false alarm-days. The second half is what is printed.

    make bench-detectors
    .venv/bin/python -m bench.detectors --shops 200 --forecaster --judgement

Development uses seeds below 10000; those from 10000 to 19999 judged an earlier detector, whose
misses were looked at. Seeds from 20000 on are for the one judgement at the end (`--judgement`):
nothing may be built against them.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from bench.detectors import rivals
from bench.detectors.kinds import KINDS
from bench.detectors.trial import AGES, Outcome, Scored, Trial, score_shop, try_shop

VOLUMES = (1_000, 3_500, 20_000, 200_000)
JUDGEMENT_SEEDS = 20_000
WORKERS = 2
BUDGET = 2.0
MONTH = 28
YEAR = 365.0
FOCUS = 3_500
ETS_AGES = (28, 180)  # each fit takes a twentieth of a second
PLAIN = 40  # shops that the plain rule judges, at most
SCORED = {"z": 64, "ETS": 8}  # shops of which the rivals' scores are taken, at most
TARGETS = (
    ("purchase given checkout -80 %", 0, 0.90),
    ("purchase given checkout -50 %", 6, 0.90),
    ("paid share -50 %", 0, 0.95),
)
MEAN_SAME, MEAN_WEEK = 0.55, 0.70
Job = tuple[int, float, str]


def main() -> None:
    """Read the options, try the shops, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shops", type=int, default=24)
    parser.add_argument("--judgement", action="store_true", help="seeds kept for the end")
    parser.add_argument("--no-rivals", action="store_true", help="the default detector alone")
    parser.add_argument(
        "--forecaster", action="store_true", help="a library forecaster too; 80 s a shop, 8 shops"
    )
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes")
    options = parser.parse_args()
    base = JUDGEMENT_SEEDS if options.judgement else 0
    started = time.monotonic()
    jobs = [(base + number, float(VOLUMES[number % len(VOLUMES)]), "predictive")
            for number in range(options.shops)]  # fmt: skip
    plain = [] if options.no_rivals else [(*job[:2], "z") for job in jobs[:PLAIN]]
    with ProcessPoolExecutor(options.workers) as pool:
        trials = list(pool.map(_tried, [*jobs, *plain], chunksize=1))
        ours, zs = trials[: len(jobs)], trials[len(jobs) :]
        scored = (
            []
            if options.no_rivals
            else list(pool.map(_scored, _few(jobs, forecaster=options.forecaster), chunksize=1))
        )
    _table("the default detector", ours)
    if zs:
        _table("the plain rule as shipped: z >= 3 over 14 days and 20 %", zs)
    for name in sorted({one.name for one in scored}):
        _rival(name, [one for one in scored if one.name == name])
    if options.forecaster and not rivals.is_there():
        print("\nlibrary forecaster: absent (pip install statsmodels to have it compared)")
    _kinds(ours, zs)
    _targets(ours)
    print(f"\n{options.shops} shops, {time.monotonic() - started:.0f} s")


def _tried(job: Job) -> Trial:
    seed, events, detector = job
    return try_shop(seed, events, {"detector": detector, "false_alarms_per_year": BUDGET})


def _few(jobs: Sequence[Job], *, forecaster: bool) -> list[tuple[int, float, str]]:
    names = ["z"] + (["ETS"] if forecaster and rivals.is_there() else [])
    return [(seed, events, name) for name in names for seed, events, _ in jobs[: SCORED[name]]]


def _scored(job: tuple[int, float, str]) -> Scored:
    seed, events, name = job
    ages = ETS_AGES if name == "ETS" else AGES
    return score_shop(seed, events, name, {"z": rivals.Z, "ETS": rivals.ETS}[name], ages)


# ---------------------------------------------------------------- tables


def _table(name: str, trials: Sequence[Trial]) -> None:
    print(f"\n{name}\n")
    print("| events a day | shops | false alarm-days a year | of errors | "
          + " | ".join(f"history {age}: same day / 7 days" for age in AGES)
          + " | median delay |")  # fmt: skip
    print("|" + " ---: |" * (5 + len(AGES)))
    for events in (*VOLUMES, None):
        chosen = [one for one in trials if events in {None, one.events}]
        if not chosen:
            continue
        days = sum(one.judged for one in chosen) or 1
        rows = [_recall(_of(chosen, partial(_aged, age))) for age in AGES]
        print(f"| {'all' if events is None else f'{events:,}'} | {len(chosen)} "
              f"| {YEAR * sum(one.alarm_days for one in chosen) / days:.2f} "
              f"| {YEAR * sum(one.errors for one in chosen) / days:.2f} "
              f"| {' | '.join(rows)} | {_delay(_of(chosen, lambda _: True))} |")  # fmt: skip
    loud: Counter[str] = Counter()
    for one in trials:
        loud.update(one.alarms)
    print("\nfalse alarms by rule: "
          + ", ".join(f"{name} {count}" for name, count in loud.most_common(6)))  # fmt: skip


def _of(trials: Iterable[Trial], wanted: Callable[[Outcome], bool]) -> list[Outcome]:
    return [one for trial in trials for one in trial.outcomes if wanted(one)]


def _aged(age: int, outcome: Outcome) -> bool:
    return outcome.age == age


def _recall(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "-"
    same = np.mean([one.delay == 0 for one in outcomes])
    week = np.mean([one.delay is not None for one in outcomes])
    return f"{same:.2f} / {week:.2f}"


def _delay(outcomes: Sequence[Outcome]) -> str:
    seen = [one.delay for one in outcomes if one.delay is not None]
    return f"{np.median(seen):.0f}" if seen else "-"


def _rival(name: str, scored: Sequence[Scored]) -> None:
    """Threshold on one half of the shops, recall and false alarms on the other."""
    first, second = scored[: len(scored) // 2], scored[len(scored) // 2 :]
    if not second:
        return
    healthy = np.sort(np.concatenate([one.healthy for one in first]))
    allowed = round(BUDGET / YEAR * len(healthy))
    limit = float(healthy[-allowed - 1])
    again = np.concatenate([one.healthy for one in second])
    alarms = YEAR * np.mean(again > limit)
    print(f"\n{name} with a threshold of {limit:.1f} standard deviations, set on {len(first)} "
          f"shops, on {len(second)} others: {alarms:.2f} false alarm-days a year")  # fmt: skip
    for age in AGES:
        rows = [row for one in second for kind, at, row in one.planted if at == age
                and not KINDS[kind].fixed]  # fmt: skip
        if rows:
            same = np.mean([row[0] > limit for row in rows])
            week = np.mean([row.max() > limit for row in rows])
            print(f"  history {age}: same day {same:.2f}, within 7 days {week:.2f} "
                  "(kinds that statistics are to see)")  # fmt: skip


def _kinds(ours: Sequence[Trial], zs: Sequence[Trial]) -> None:
    print(f"\nkinds, with {MONTH} or more days of history: same day / within 7 days\n")
    print("| kind | " + " | ".join(f"{events:,}" for events in VOLUMES) + f" | z, {FOCUS:,} |")
    print("| --- |" + " ---: |" * (1 + len(VOLUMES)))
    for kind in KINDS:
        cells = [_recall(_late(ours, events, kind)) for events in VOLUMES]
        print(f"| {kind} | {' | '.join(cells)} | {_recall(_late(zs, FOCUS, kind))} |")


def _late(trials: Iterable[Trial], events: float, kind: str | None = None) -> list[Outcome]:
    chosen = [one for one in trials if one.events == events]
    return _of(chosen, lambda one: one.age >= MONTH and kind in {None, one.kind})


def _targets(ours: Sequence[Trial]) -> None:
    print(f"\nwanted at {FOCUS:,} events a day with {MONTH} or more days of history:")
    for kind, within, wanted in TARGETS:
        found = _late(ours, FOCUS, kind)
        got = np.mean([one.delay is not None and one.delay <= within for one in found])
        print(f"  {kind}, within {within + 1} day(s): {got:.2f} of {len(found)}, "
              f"wanted {wanted:.2f}: {'met' if got >= wanted else 'MISSED'}")  # fmt: skip
    everything = _late(ours, FOCUS)
    for text, within, wanted in (("same day", 0, MEAN_SAME), ("within 7 days", 6, MEAN_WEEK)):
        got = np.mean([one.delay is not None and one.delay <= within for one in everything])
        free = [one for one in everything if not KINDS[one.kind].fixed]
        bare = np.mean([one.delay is not None and one.delay <= within for one in free])
        verdict = "met" if got >= wanted else "MISSED"
        print(f"  mean over all kinds, {text}: {got:.2f} (without those of deterministic rules "
              f"{bare:.2f}), wanted {wanted:.2f}: {verdict}")  # fmt: skip
    for name, chosen in (
        ("all shops", ours),
        (f"shops of {FOCUS:,}", [one for one in ours if one.events == FOCUS]),
    ):
        days = sum(one.judged for one in chosen) or 1
        alarms = YEAR * sum(one.alarm_days for one in chosen) / days
        print(f"  false alarm-days a year, {name}: {alarms:.2f}, wanted at most {BUDGET:.2f}: "
              f"{'met' if alarms <= BUDGET else 'MISSED'}")  # fmt: skip


if __name__ == "__main__":
    main()
