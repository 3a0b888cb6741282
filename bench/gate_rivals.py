"""Fifteen rules on one million rows: Tallymark beside Great Expectations, Pandera and Pointblank.

Each tool gets the same CSV of a simulated day and the same rules in its own words, and reads the
file in the fastest way it has: Great Expectations with pandas, Pandera and Pointblank with
Polars, every column as text. Measured from the start of the process to its end: wall clock, CPU
time, peak memory; medians of several runs, taken in turns.

Before that all four judge a smaller file with planted faults, and every count of failing rows
must be the one that plain Python counts.

The others are installed with pip into throw-away environments (needs a package index);
``--environments DIR`` keeps them for the next time.

    make bench-gate-rivals
    .venv/bin/python -m bench.gate_rivals --rows 100000 --runs 1 --environments ENVIRONMENTS
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.river import Cost, measure, median

Rule = dict[str, Any]
RULES: list[Rule] = [
    {"id": "client_there", "check": "nulls", "columns": ["client_id"]},
    {"id": "page_there", "check": "nulls", "columns": ["page_url"]},
    {"id": "payload_length", "check": "length", "columns": ["event_data"], "min": 2, "max": 65536},
    {"id": "name_there", "check": "nulls", "columns": ["event_name"]},
    {"id": "agent_there", "check": "nulls", "columns": ["user_agent"]},
    {"id": "client_form", "check": "pattern", "columns": ["client_id"],
     "pattern": "^[0-9]{10}-[A-Za-z0-9_-]{12}$"},
    {"id": "page_form", "check": "pattern", "columns": ["page_url"],
     "pattern": "^https://[a-z0-9.-]+/"},
    {"id": "referrer_form", "check": "pattern", "columns": ["referrer"],
     "pattern": "^(https?|android-app|ios-app)://"},
    {"id": "time_form", "check": "pattern", "columns": ["timestamp"],
     "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$"},
    {"id": "payload_form", "check": "pattern", "columns": ["event_data"], "pattern": "^[{].*[}]$"},
    {"id": "name_known", "check": "allowed", "columns": ["event_name"],
     "values": ["page_viewed", "product_added_to_cart", "checkout_started", "checkout_completed",
                "email_filled_on_popup"]},
    {"id": "client_length", "check": "length", "columns": ["client_id"], "min": 23, "max": 23},
    {"id": "page_length", "check": "length", "columns": ["page_url"], "min": 12, "max": 2048},
    {"id": "agent_length", "check": "length", "columns": ["user_agent"], "min": 8, "max": 512},
    {"id": "event_once", "check": "compound_key",
     "columns": ["client_id", "timestamp", "event_name"]},
]  # fmt: skip
# What is planted: column, bad value; the last one repeats the row before it.
FAULTS: list[tuple[str, str]] = [
    ("client_id", ""), ("page_url", ""), ("timestamp", ""), ("event_name", ""), ("user_agent", ""),
    ("client_id", "GA1.2.345"), ("page_url", "/products/lamp"), ("referrer", "google"),
    ("timestamp", "05.01.2026 10:00"), ("event_data", "revenue=1"), ("event_name", "pageview"),
    ("page_url", "https://shop.example/" + "x" * 2048), ("user_agent", "curl"),
]  # fmt: skip
EVERY = 997  # of so many rows one is spoilt, so that no row has two planted faults
VERIFIED = 50_000  # rows of the file with planted faults, at most

GREAT_EXPECTATIONS = """
import json, os, sys
os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx
import great_expectations.expectations as e
import pandas as pd
path, rules = sys.argv[1], json.loads(sys.argv[2])
frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}

def expectation(rule):
    column, meta = rule["columns"][0], {"id": rule["id"]}
    if rule["check"] == "nulls":
        return e.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
    if rule["check"] == "pattern":
        return e.ExpectColumnValuesToMatchRegex(column=column, regex=rule["pattern"], meta=meta)
    if rule["check"] == "allowed":
        return e.ExpectColumnValuesToBeInSet(column=column, value_set=rule["values"], meta=meta)
    if rule["check"] == "length":
        return e.ExpectColumnValueLengthsToBeBetween(
            column=column, min_value=rule["min"], max_value=rule["max"], meta=meta)
    return e.ExpectCompoundColumnsToBeUnique(
        column_list=rule["columns"], ignore_row_if="any_value_is_missing", meta=meta)

asset = context.data_sources.add_pandas("shop").add_dataframe_asset("events")
batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
suite = gx.ExpectationSuite(name="rules", expectations=[expectation(rule) for rule in rules])
result = batch.validate(suite, result_format="BASIC")
print(json.dumps({
    one.expectation_config.meta["id"]: one.result["unexpected_count"] for one in result.results
}))
"""
PANDERA = """
import json, sys
import pandera.polars as pa
import polars as pl
path, rules = sys.argv[1], json.loads(sys.argv[2])
frame = pl.read_csv(path, infer_schema=False)
checks, filled, unique = {}, {}, None
for rule in rules:
    column = rule["columns"][0]
    mine = checks.setdefault(column, [])
    if rule["check"] == "nulls":
        filled[column] = rule["id"]
    elif rule["check"] == "pattern":
        mine.append(pa.Check.str_matches(rule["pattern"], name=rule["id"]))
    elif rule["check"] == "allowed":
        mine.append(pa.Check.isin(rule["values"], name=rule["id"]))
    elif rule["check"] == "length":
        mine.append(pa.Check.str_length(rule["min"], rule["max"], name=rule["id"]))
    else:
        unique = rule
schema = pa.DataFrameSchema(
    {
        column: pa.Column(pl.String, checks=those, nullable=column not in filled)
        for column, those in checks.items()
    },
    unique=unique["columns"],
)
found = {rule["id"]: 0 for rule in rules}
try:
    schema.validate(frame, lazy=True)
except pa.errors.SchemaErrors as errors:
    for one in errors.schema_errors:
        if one.reason_code.name == "SERIES_CONTAINS_NULLS":
            name = filled[one.schema.name]
        elif one.reason_code.name == "DUPLICATES":
            name = unique["id"]
        else:
            name = one.check.name
        found[name] += one.failure_cases.height
print(json.dumps(found))
"""
POINTBLANK = """
import json, sys
import pointblank as pb
import polars as pl
path, rules = sys.argv[1], json.loads(sys.argv[2])
table = pb.Validate(data=pl.read_csv(path, infer_schema=False))
for rule in rules:
    column = rule["columns"][0]
    if rule["check"] == "nulls":
        table = table.col_vals_not_null(columns=column)
    elif rule["check"] == "pattern":
        table = table.col_vals_regex(columns=column, pattern=rule["pattern"], na_pass=True)
    elif rule["check"] == "allowed":
        table = table.col_vals_in_set(columns=column, set=[*rule["values"], None])
    elif rule["check"] == "length":
        size = pl.col(column).str.len_chars()
        fits = size.is_between(rule["min"], rule["max"])
        table = table.col_vals_expr(expr=pl.col(column).is_null() | fits)
    else:
        table = table.rows_distinct(columns_subset=rule["columns"])
table = table.interrogate(collect_extracts=False)
print(json.dumps({rule["id"]: n for rule, n in zip(rules, table.n_failed().values())}))
"""


@dataclass(frozen=True)
class Rival:
    """Another tool: what pip installs, and the program that judges with it."""

    name: str
    packages: tuple[str, ...]
    program: str


RIVALS = (
    Rival("Great Expectations", ("great-expectations",), GREAT_EXPECTATIONS),
    Rival("Pandera (Polars)", ("pandera[polars]",), PANDERA),
    Rival("Pointblank (Polars)", ("pointblank", "polars"), POINTBLANK),
)

# ---------------------------------------------------------------- the deliveries


def simulated(folder: Path, rows: int) -> Path:
    """A day of a simulated shop of about so many rows."""
    make = ["demo", "make", str(folder), "--days", "1", "--seed", "1", "--quiet"]
    measure([sys.executable, "-m", "tallymark", *make, "--events-per-day", str(rows)])
    (path,) = (folder / "raw").glob("*.csv")
    return path


def planted(source: Path, target: Path) -> Path:
    """The first rows of a delivery with faults of every kind."""
    with (
        source.open(encoding="utf-8", newline="") as given,
        target.open("w", encoding="utf-8", newline="") as made,
    ):
        reader = csv.DictReader(given)
        writer = csv.DictWriter(made, reader.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        for number, row in enumerate(reader):
            if number == VERIFIED:
                break
            fault = number // EVERY % (len(FAULTS) + 1) if number % EVERY == 0 else None
            if fault is not None and fault < len(FAULTS):
                column, value = FAULTS[fault]
                row[column] = value
            writer.writerow(row)
            if fault == len(FAULTS):
                writer.writerow(row)
    return target


def counted(path: Path) -> tuple[Counter[str], int]:
    """The failing rows of each rule as plain Python counts them, and all rows with a twin."""
    found: Counter[str] = Counter({rule["id"]: 0 for rule in RULES})
    keys: Counter[tuple[str, ...]] = Counter()
    with path.open(encoding="utf-8", newline="") as given:
        for row in csv.DictReader(given):
            for rule in RULES:
                if rule["check"] == "compound_key":
                    key = tuple(row[column] for column in rule["columns"])
                    keys.update([key] if all(key) else [])
                else:
                    found[rule["id"]] += fails(rule, row[rule["columns"][0]])
    twins = sum(count for count in keys.values() if count > 1)
    found["event_once"] = twins - sum(1 for count in keys.values() if count > 1)
    return found, twins


def fails(rule: Rule, value: str) -> bool:
    """Whether a value fails a rule; what is not there fails only the rule that asks for it."""
    if rule["check"] == "nulls" or not value:
        return rule["check"] == "nulls" and not value
    if rule["check"] == "pattern":
        return re.search(rule["pattern"], value) is None
    if rule["check"] == "allowed":
        return value not in rule["values"]
    return not rule["min"] <= len(value) <= rule["max"]


# ---------------------------------------------------------------- the tools


def rules_file(path: Path) -> Path:
    """The rules in Tallymark's words; JSON is YAML."""
    rules = []
    for rule in RULES:
        columns = rule["columns"]
        names = {"columns": columns} if rule["check"] == "compound_key" else {"column": columns[0]}
        rest = {key: value for key, value in rule.items() if key != "columns"}
        rules.append({**rest, **names, "severity": "P2"})
    path.write_text(json.dumps({"version": 1, "rules": rules}, indent=1), encoding="utf-8")
    return path


def ours(delivery: Path, rules: Path, output: Path) -> list[str]:
    """The command of Tallymark."""
    return [
        sys.executable, "-m", "tallymark", "check", "--input", str(delivery),
        "--rules", str(rules), "--output", str(output), "--quiet", "--fail-on", "never",
    ]  # fmt: skip


def our_counts(delivery: Path, rules: Path, output: Path) -> dict[str, int]:
    """What Tallymark counts; a rule without a finding counts nothing."""
    command = [*ours(delivery, rules, output), "--json"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (report,) = json.loads(said)["deliveries"]
    found = {rule["id"]: 0 for rule in RULES}
    return found | {one["rule"]: one["rows"] for one in report["findings"] if one["rule"] in found}


def environment(rival: Rival, root: Path) -> Path:
    """The Python of an environment with a rival in it; installed unless it is there."""
    folder = root / rival.packages[0].partition("[")[0]
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {rival.name} ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        quiet = ["-q", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *rival.packages], check=True)
        (folder / "installed").touch()
    return python


def version(python: Path, rival: Rival) -> str:
    """The installed version of a rival."""
    name = rival.packages[0].partition("[")[0]
    ask = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run(
        [python, "-c", ask], check=True, capture_output=True, text=True
    ).stdout.strip()


def differences(
    counts: Mapping[str, Mapping[str, int]], expected: Mapping[str, int], twins: int
) -> Iterator[str]:
    """Every count that is not the one of plain Python."""
    for name, found in counts.items():
        for rule, right in expected.items():
            # The others count every row that has a twin, Tallymark those that are too many.
            allowed = {right} if name == "Tallymark" or rule != "event_once" else {right, twins}
            if found.get(rule) not in allowed:
                yield f"{name}: {rule}: {found.get(rule)} rows, and {right} is right"


def verify(path: Path, rules: Path, scratch: Path, pythons: Mapping[str, Path]) -> None:
    """Let every tool count the planted faults; exit if one is wrong."""
    expected, twins = counted(path)
    counts: dict[str, Mapping[str, int]] = {"Tallymark": our_counts(path, rules, scratch / "seen")}
    for rival in RIVALS:
        python = str(pythons[rival.name])
        command = [python, "-c", rival.program, str(path), json.dumps(RULES)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        counts[rival.name] = json.loads(done.stdout.splitlines()[-1])
    wrong = list(differences(counts, expected, twins))
    if wrong:
        sys.exit("the tools do not agree:\n  " + "\n  ".join(wrong))
    faults = sum(expected.values())
    print(f"all four find the same {faults:,} failing rows by rule in {path.name}, as Python does")


# ---------------------------------------------------------------- the measurement


def timed(
    delivery: Path, rules: Path, scratch: Path, pythons: Mapping[str, Path], runs: int
) -> dict[str, Cost]:
    """Medians of what each tool costs, in turns."""
    costs: dict[str, list[Cost]] = {}
    for run in range(runs):
        command = ours(delivery, rules, scratch / f"run{run}")
        costs.setdefault("Tallymark", []).append(measure(command))
        for rival in RIVALS:
            program = [str(pythons[rival.name]), "-c", rival.program]
            costs.setdefault(rival.name, []).append(
                measure([*program, str(delivery), json.dumps(RULES)])
            )
    return {name: median(each) for name, each in costs.items()}


def show(costs: Mapping[str, Cost], versions: Mapping[str, str]) -> bool:
    """Print the table; whether Tallymark is fastest and smallest."""
    mine = costs["Tallymark"]
    print(f"{'':36}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall, x ours':>14}")
    for name, cost in costs.items():
        label = f"{name} {versions.get(name, '')}".strip()
        print(
            f"{label:36}{cost.wall:9.2f}{cost.cpu:9.2f}{cost.memory:9.0f}"
            f"{cost.wall / mine.wall:14.2f}"
        )
    others = [cost for name, cost in costs.items() if name != "Tallymark"]
    fastest = all(mine.wall < cost.wall for cost in others)
    smallest = all(mine.memory < cost.memory for cost in others)
    words = {True: "yes", False: "NO"}
    print(f"Tallymark is fastest: {words[fastest]}; needs least memory: {words[smallest]}")
    return fastest and smallest


def main(given: Sequence[str] | None = None) -> None:
    """Install, verify, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--environments", type=Path, help="where to keep what pip installs")
    asked = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        root = asked.environments or scratch / "environments"
        pythons = {rival.name: environment(rival, root) for rival in RIVALS}
        versions = {rival.name: version(pythons[rival.name], rival) for rival in RIVALS}
        delivery = simulated(scratch / "shop", asked.rows)
        rules = rules_file(scratch / "rules.yml")
        verify(planted(delivery, scratch / "planted.csv"), rules, scratch, pythons)
        with delivery.open("rb") as stream:
            rows = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b"")) - 1
        size = delivery.stat().st_size / 1e6
        print(f"{len(RULES)} rules on {rows:,} rows, {size:,.0f} MB of CSV; median of {asked.runs}")
        good = show(timed(delivery, rules, scratch, pythons, asked.runs), versions)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
