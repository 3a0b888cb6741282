"""What a single damage costs: a seeded mutator over every class of it, through the real reader.

Prints for each class how many damaged files were read ideally (exactly the untouched rows
accepted, unchanged, and exactly the damaged bytes kept out under their line number), safely but
not ideally (a good row kept out beside the damaged one, or named at another line), or with silent
corruption (a row altered, lost, or made up). Cases whose touched row is by the letter of RFC 4180
still a row are counted apart: nothing can tell them from a row that was meant so.

    .venv/bin/python bench/mutations.py
    .venv/bin/python bench/mutations.py --per-class 50 --seed 7 --show 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the mutator is shared with tests/

from tests.ingest.damage import CLASSES, Case, cases
from tests.ingest.outcomes import Outcome, outcome, read

WANTED = 0.98


def main() -> None:
    """Damage, read, judge, print the table; exit code 1 below the wanted share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many cases that fall short")
    given = parser.parse_args()
    counts: dict[str, Counter[Outcome]] = {name: Counter() for name in CLASSES}
    apart: Counter[str] = Counter()
    short: dict[Outcome, list[str]] = defaultdict(list)
    started = time.perf_counter()
    for case in cases(given.seed, given.per_class):
        with tempfile.TemporaryDirectory() as folder:
            accepted, out = read(case, Path(folder))
        found = outcome(case, accepted, out)
        if case.still_a_row and found is Outcome.IDEAL:
            apart[case.kind] += 1
            continue
        counts[case.kind][found] += 1
        if found is not Outcome.IDEAL:
            short[found].append(_shown(case, found, out))
    _print(counts, apart, time.perf_counter() - started)
    for text in (text for texts in short.values() for text in texts[: given.show]):
        print(text)
    total = sum(counts.values(), Counter())
    good = total[Outcome.IDEAL] >= WANTED * total.total() and not total[Outcome.SILENT]
    sys.exit(0 if good else 1)


def _print(counts: dict[str, Counter[Outcome]], apart: Counter[str], seconds: float) -> None:
    print(f"{'class of damage':<20}{'ideal':>8}{'safe':>8}{'silent':>8}{'still a row':>14}")
    for name, found in counts.items():
        cells = "".join(f"{found[one]:>8}" for one in Outcome)
        print(f"{name:<20}{cells}{apart[name]:>14}")
    total = sum(counts.values(), Counter())
    cells = "".join(f"{total[one]:>8}" for one in Outcome)
    print(f"{'all':<20}{cells}{apart.total():>14}")
    share = total[Outcome.IDEAL] / total.total()
    print(
        f"ideal: {share:.2%} of {total.total()}; silent: {total[Outcome.SILENT]} ({seconds:.0f} s)"
    )


def _shown(case: Case, found: Outcome, out: dict[int, bytes]) -> str:
    return (
        f"\n{case.kind}: {found.value}\n{case.content.decode(errors='backslashreplace')}\n"
        f"  wanted out: {dict(case.bad)}\n  still: {dict(case.still_a_row)}\n  out: {out}"
    )


if __name__ == "__main__":
    main()
