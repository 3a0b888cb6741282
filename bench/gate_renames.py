"""Is a renamed column named rightly, and is nothing called a rename that is none?

Simulated shops, one delivery of each: one or two columns renamed in style, by another word or
wholly anew, with and without another type; and sound deliveries with columns added, moved and
left out. Prints a table by kind of case; `--misses` prints each miss with its seed.

Names come from bench/data/renames.yml. Its `judgement` lists, like seeds from 10000 on, are each
for one measurement (`--judgement LIST`): nothing may be built against a list before it was judged.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from tallymark.check.header.columns import map_columns
from tallymark.config import load
from tallymark.contract import Contract
from tallymark.demo.chance import stream
from tallymark.demo.retyping import RETYPED, digest
from tallymark.demo.season import season
from tallymark.demo.shop import simulate
from tallymark.ingest.deliveries import find_deliveries
from tallymark.ingest.header import read_head

NAMES = Path(__file__).parent / "data" / "renames.yml"
DAYS, EVENTS = 5, 400
START = dt.date(2026, 3, 2)
JUDGEMENT_SEEDS = {"judgement": 10_000, "judgement_2": 20_000, "judgement_3": 40_000}
FIRST_KEPT = min(JUDGEMENT_SEEDS.values())
TWO_COLUMNS, CHANGED_TYPE, MOVED, ALSO_EXTRA = 0.4, 0.35, 0.15, 0.3
REORDERED, LEFT_OUT = 0.4, 0.3
MOST_EXTRA = 3
SHAPES = {"page_url": "url", "referrer": "url", "event_data": "json"}
ENOUGH = 0.99
LINE = "{:40}{:>7}{:>7}{:>9}{:>17}{:>15}"
Table = dict[str, list[str]]
Case = tuple[str, Table, dict[str, str]]
"""What kind of case it is, the delivered columns, and the new name of each renamed one."""

# ---------------------------------------------------------------- names


def words(name: str) -> list[str]:
    """The words of a snake-case name."""
    return name.split("_")


def short(name: str) -> str:
    """A name without the vowels inside its longer words."""
    least = 3
    return "_".join(
        word[0] + re.sub("[aeiou]", "", word[1:]) if len(word) > least else word
        for word in words(name)
    )


STYLES: tuple[Callable[[str], str], ...] = (
    lambda name: words(name)[0] + "".join(word.title() for word in words(name)[1:]),
    lambda name: "".join(word.title() for word in words(name)),
    lambda name: "-".join(words(name)),
    lambda name: ".".join(words(name)),
    lambda name: name.upper(),
    lambda name: " ".join(word.title() for word in words(name)),
    lambda name: "".join(words(name)),
    lambda name: f"event.{name}",
    lambda name: f"raw_{name}",
    short,
)


def new_name(
    way: str, column: str, names: dict[str, list[str]], chance: np.random.Generator
) -> str:
    """Another name for a column: ``style``, ``word`` or ``new``."""
    if way == "style":
        return str(STYLES[chance.integers(len(STYLES))](column))
    name = str(chance.choice(names["new" if way == "new" else column]))
    restyled = STYLES[chance.integers(6)](name)
    return restyled if way == "word" and chance.random() < 0.4 else name  # noqa: PLR2004


# ---------------------------------------------------------------- cases


def delivered(seed: int) -> Table:
    """The rows of a random day of a simulated shop."""
    plan = season(START, DAYS, stream(seed, "season"), promotions=False)
    _, days = simulate(plan, EVENTS, seed)
    chosen = int(stream(seed, "day").integers(DAYS))
    return next(day.columns for number, day in enumerate(days) if number == chosen)


def renamed(seed: int, names: dict[str, list[str]], extra: dict[str, Any]) -> Case:
    """A delivery with one or two columns renamed."""
    chance = stream(seed, "rename")
    table = delivered(seed)
    columns = list(table)
    count = 2 if chance.random() < TWO_COLUMNS else 1
    chosen = [columns[at] for at in chance.choice(len(columns), count, replace=False)]
    way = str(chance.choice(["style", "word", "new"]))
    changed = bool(chance.random() < CHANGED_TYPE)
    truth: dict[str, str] = {}
    for column in chosen:
        name = column
        while name in {*columns, *truth.values()}:
            name = new_name(way, column, names, chance)
        truth[column] = name
    if changed:
        column = chosen[0]
        kind = str(chance.choice(sorted(RETYPED[column])))
        change = RETYPED[column][kind]
        table[column] = [change(value) if value else "" for value in table[column]]
    table = {truth.get(name, name): values for name, values in table.items()}
    moved = way == "style" and bool(chance.random() < MOVED)
    if moved:
        last = truth[chosen[0]]
        table[last] = table.pop(last)
    if chance.random() < ALSO_EXTRA:
        labels = sorted(n for n, kind in extra["other"].items() if kind in {"label", "number"})
        name = str(chance.choice(labels))
        table[name] = made(extra["other"][name], table[next(iter(table))], chance)
    told = f"{way}{', moved' if moved else ''}, {'other' if changed else 'same'} type"
    return f"{('one', 'two')[count - 1]} column{'s' * (count - 1)}, {told}", table, truth


def made(kind: str, like: Sequence[str], chance: np.random.Generator) -> list[str]:
    """Values of a column that the contract does not know."""
    count = len(like)
    numbers = chance.integers(0, 10**6, count).tolist()
    makers: dict[str, Callable[[int], str]] = {
        "url": lambda n: f"https://cdn.lumenloft.example/{n % 97}/view.jpg",
        "id": lambda n: digest(str(n))[:16],
        "uuid": lambda n: str(uuid.UUID(digest(str(n))[:32])),
        "time": lambda n: f"2026-03-02T{n % 24:02d}:{n % 60:02d}:{n % 59:02d}.{n % 1000:03d}Z",
        "label": lambda n: ("DE", "FR", "AT", "NL")[n % 4],
        "number": lambda n: str(n % 2000),
        "json": lambda n: f'{{"variant":"{"ab"[n % 2]}"}}',
        "host": lambda n: ("www.google.com", "www.bing.com", "t.co")[n % 3],
    }
    return list(like) if kind == "copy" else [makers[kind](number) for number in numbers]


def sound(seed: int, extra: dict[str, Any], contract: Contract) -> Case:
    """A delivery with columns added, moved and left out, and none renamed."""
    chance = stream(seed, "sound")
    table = delivered(seed)
    optional = [column.name for column in contract.columns if not column.required]
    gone = [name for name in optional if chance.random() < LEFT_OUT]
    kept = {name: values for name, values in table.items() if name not in gone}
    order = list(kept)
    moved = bool(chance.random() < REORDERED)
    if moved:
        order = [order[at] for at in chance.permutation(len(order))]
    known = {name: (kind, "client_id") for name, kind in extra["other"].items()}
    for column in set(kept) & set(extra["near"]):
        known |= {name: (kind, column) for name, kind in extra["near"][column].items()}
    count = int(chance.integers(0, MOST_EXTRA + 1))
    for name in chance.choice(sorted(known), count, replace=False).tolist():
        kind, like = known[name]
        kept[name] = made(kind, table[like], chance)
        # What has the shape of a column that was left out stands at the front, far from its place.
        shape = SHAPES.get(like) if kind == "copy" else kind
        alike = shape in {SHAPES[one] for one in gone if one in SHAPES}
        order.insert(0 if alike else int(chance.integers(0, len(order) + 1)), name)
    told = ["columns added"] if count else []
    told += ["left out"] if gone else []
    told += ["moved"] if moved else []
    return "sound: " + (", ".join(told) or "as agreed"), {name: kept[name] for name in order}, {}


# ---------------------------------------------------------------- judging


@dataclass(slots=True)
class Tally:
    """How the cases of one kind came out."""

    cases: int = 0
    right: int = 0
    adopted: int = 0
    suggested_wrong: int = 0
    adopted_wrong: int = 0


def judged(table: Table, contract: Contract, folder: Path) -> dict[str, tuple[str, bool]]:
    """Deliver a table, and say which columns the gate takes for renamed: (new name, adopted)."""
    path = folder / "events_20260302.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    (delivery,) = find_deliveries(path)
    mapping = map_columns(contract, read_head(delivery))
    return {one.column.name: (one.delivered, one.adopted) for one in mapping.renames}


def measure(
    cases: Sequence[tuple[int, Case]], contract: Contract, *, misses: bool
) -> dict[str, Tally]:
    """Judge cases and count; a case is right if exactly its renames are named."""
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed, (kind, table, truth) in cases:
            said = judged(table, contract, Path(scratch))
            tally = tallies.setdefault(kind, Tally())
            named = {column: name for column, (name, _) in said.items()}
            false = [sure for column, (name, sure) in said.items() if truth.get(column) != name]
            tally.cases += 1
            tally.right += named == truth
            tally.adopted += named == truth and all(sure for _, sure in said.values())
            tally.suggested_wrong += bool(false) and not any(false)
            tally.adopted_wrong += any(false)
            if misses and named != truth:
                print(f"seed {seed}: {kind}: {list(table)}: is {truth}, said {said}")
    return tallies


def show(tallies: dict[str, Tally]) -> Tally:
    """Print a line for each kind, and return the sum."""
    total: Counter[str] = Counter()
    for kind in sorted(tallies):
        one = tallies[kind]
        print(LINE.format(kind, one.cases, one.right, one.adopted, one.suggested_wrong,
                          one.adopted_wrong))  # fmt: skip
        total.update({name: getattr(one, name) for name in Tally.__slots__})
    return Tally(**total)


def wrong(tally: Tally) -> int:
    """Cases in which a column was called renamed that is not, or by a wrong name."""
    return tally.suggested_wrong + tally.adopted_wrong


def span(text: str) -> range:
    """Seeds written ``A..B``, both included."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    """Judge renamed and sound deliveries, print both tables and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=span, help="shops with a rename (default: 0..299)")
    parser.add_argument("--clean", type=int, default=1000, help="how many sound shops")
    parser.add_argument("--judgement", choices=sorted(JUDGEMENT_SEEDS), help="names to judge by")
    parser.add_argument("--misses", action="store_true", help="print each miss")
    given = parser.parse_args()
    first = JUDGEMENT_SEEDS[given.judgement] if given.judgement else 0
    seeds = given.seeds or range(first, first + 300)
    if max(seeds) >= FIRST_KEPT and not given.judgement:
        parser.error(f"seeds from {FIRST_KEPT} on are for judgements: --judgement LIST")
    data = YAML(typ="safe").load(NAMES.read_text(encoding="utf-8"))
    names = data[given.judgement or "development"]
    contract = load(Contract, None, "contracts/events.yml")
    print(LINE.format("", "cases", "right", "adopted", "wrong suggestion", "wrong adoption"))
    bad = show(
        measure(
            [(seed, renamed(seed, names, data["extra"])) for seed in seeds],
            contract, misses=given.misses,
        )
    )  # fmt: skip
    clean = range(first, first + given.clean)
    good = show(
        measure(
            [(seed, sound(seed, data["extra"], contract)) for seed in clean],
            contract, misses=given.misses,
        )
    )  # fmt: skip
    share = bad.right / bad.cases
    print(f"\n{bad.right} of {bad.cases} renames named rightly ({share:.1%}; {ENOUGH:.0%} wanted), "
          f"{bad.adopted} of them adopted; in {wrong(bad)} a wrong name")  # fmt: skip
    print(f"{wrong(good)} of {good.cases} sound deliveries called renamed (0 wanted), "
          f"{good.adopted_wrong} of them read so")  # fmt: skip


if __name__ == "__main__":
    main()
