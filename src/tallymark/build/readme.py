"""The page beside compiled SQL: what is in the folder, how to run it, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallymark.build.staging_sql import raw_name
from tallymark.config import Config
from tallymark.engine.render import Dialect

__all__ = ["DIFFERENT", "PROVEN", "readme"]

PROVEN: Mapping[Dialect, str] = {
    "duckdb": "Tallymark's tests run these files on DuckDB and compare their tables with those of "
    "`tallymark build`, row by row.",
    "spark": "Tallymark's tests run these files on a local Spark where `pyspark` is installed, and "
    "compare their tables with DuckDB's. They were not run on a cluster, nor on Databricks.",
    "snowflake": "These files were **not executed on Snowflake**. Tallymark's tests run them on "
    "the emulator `fakesnow` where it is installed; it has DuckDB inside, so that this proves the "
    "syntax and little of the meaning.",
    "bigquery": "These files were **generated and not executed** anywhere. Tallymark's tests "
    "render them strictly and read the result again; that proves that they are SQL, not that "
    "BigQuery means the same.",
}
"""What is known of the SQL for each engine, said plainly."""

DIFFERENT = (
    (
        "There is no gate: load rows that you trust. A row without a readable time or an event "
        "name is left out; no rule of `rules/check.yml` is asked."
    ),
    (
        "Times are read in the forms of ISO 8601: a date, or one with a time of day after `T` or a "
        "space, with or without seconds, their fraction, and `Z` or an offset. `tallymark build` "
        "reads some more, such as dates with slashes."
    ),
    "Around what is delivered spaces are taken off, other white space is not.",
    "Every run makes all tables anew. There are no incremental runs, generations or ledger.",
    (
        "Rows that came late count in the `known_*` columns of the metrics too: all that has the "
        "date of another day than its delivery, as around midnight in the shop's time zone."
    ),
    "`order_id` and `person_id` are hashes of another kind; they name the same orders and persons.",
    (
        "An order sent twice is recognised by the same text of its payload; `tallymark build` "
        "compares what the text means, whatever the order of its keys."
    ),
    (
        "Orders in several currencies are not refused where `orders.currency_rates` lacks one: "
        "look at the currencies in `fct_orders` before you add up."
    ),
    (
        "A refund that names no amount takes back all that is left of its order, and nothing "
        "without one; what its lines come to is not asked. One that names no currency is read in "
        "the shop's; `tallymark build` reads it in its order's."
    ),
    "Hours are counted from the first to the last date with an event, delivered for it or not.",
    (
        "Persons are joined along short chains of shared addresses; one of more than 16 clients "
        "is not taken apart."
    ),
    (
        "User agents that are not in `seed_user_agents` are told by words in them: device and bot, "
        "and no browser or system."
    ),
    "Private addresses other than 10.*, 127.* and 192.168.* are no internal hosts.",
    (
        "The coverage of payloads is told for transaction id, revenue, e-mail and items alone, on "
        "the date of the purchase, and counts what is no JSON as a payload without them; "
        "`tallymark build` tells it of every field, by the day of the delivery."
    ),
    "A calendar of more than 10,000 days, and lines of an order beyond the 10,000th, are cut off.",
)
"""How the tables differ from those of a build."""

_BEFORE: Mapping[Dialect, str] = {
    "duckdb": "Begin with no file `shop_next.duckdb`.",
    "snowflake": "Begin with an empty schema `shop_next`.",
    "bigquery": "Begin with an empty dataset `shop_next`.",
    "spark": "Begin with an empty database: `CREATE DATABASE shop_next`, and `USE shop_next` where "
    "you load.",
}
_LOAD: Mapping[Dialect, str] = {
    "duckdb": """\
insert into raw_events by name
select * exclude (source_file), source_file as delivery,
    row_number() over (partition by source_file) + 1 as line_number
from read_csv('raw/*.csv', all_varchar = true, filename = 'source_file', union_by_name = true);
copy seed_user_agents from 'seeds/seed_user_agents.csv' (header);
""",
    "snowflake": """\
COPY INTO raw_events
FROM (SELECT METADATA$FILENAME, METADATA$FILE_ROW_NUMBER, {places} FROM @deliveries t)
FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '"'
               EMPTY_FIELD_AS_NULL = FALSE);
""",
    "bigquery": """\
INSERT INTO raw_events
SELECT _FILE_NAME, ROW_NUMBER() OVER (PARTITION BY _FILE_NAME), * FROM deliveries;
""",
    "spark": """\
CREATE TEMPORARY VIEW deliveries USING csv
OPTIONS (path 'raw/*.csv', header true, enforceSchema false, multiLine true, escape '"');
INSERT INTO raw_events
SELECT delivery, 1 + row_number() OVER (PARTITION BY delivery ORDER BY place), {names}
FROM (SELECT *, element_at(split(input_file_name(), '/'), -1) AS delivery,
             monotonically_increasing_id() AS place FROM deliveries);
CREATE TEMPORARY VIEW agents USING csv OPTIONS (path 'seeds/seed_user_agents.csv', header true);
INSERT INTO seed_user_agents
SELECT user_agent, device, browser, os, is_bot = 'true', bot_name, bot_category FROM agents;
""",
}
_RUN: Mapping[Dialect, str] = {
    "duckdb": "cat [0-9]*.sql | duckdb -bail -cmd \"set timezone = 'UTC'; "
    "set default_null_order = 'nulls_first';\" shop_next.duckdb",
    "snowflake": "(echo \"ALTER SESSION SET TIMEZONE = 'UTC'; USE SCHEMA shop_next;\"; "
    "cat [0-9]*.sql) > all.sql\nsnowsql -o exit_on_error=true -f all.sql",
    "bigquery": "for file in [0-9]*.sql; do bq query --nouse_legacy_sql "
    "--dataset_id=shop_next < $file || exit 1; done",
    "spark": "cat [0-9]*.sql > all.sql\nspark-sql --database shop_next "
    "--conf spark.sql.session.timeZone=UTC --conf spark.sql.ansi.enabled=false -f all.sql",
}
_SWAP: Mapping[Dialect, str] = {
    "duckdb": "rename `shop_next.duckdb` to `shop.duckdb`",
    "snowflake": "`ALTER SCHEMA shop SWAP WITH shop_next;`",
    "bigquery": "copy the tables of `shop_next` over those of `shop` with `bq cp -f`",
    "spark": "point readers at `shop_next`, and build the next run in the other one",
}


def readme(
    engine: Dialect,
    files: Sequence[tuple[str, str]],
    *,
    config: Config,
    columns: Sequence[str],
    left_out: Sequence[str],
    unproved: Sequence[str] = (),
) -> str:
    """The page, as Markdown.

    Args:
        engine: For which engine the files are.
        files: Path and table of each, in the order in which they run.
        config: The configuration, whose settings stand in the SQL.
        columns: The columns of ``raw_events``.
        left_out: Settings of the shop that the SQL does not say.
        unproved: What its own models use beyond the portable subset.
    """
    numbered = [(path, table) for path, table in files if path.endswith(".sql")]
    rows = "\n".join(f"| `{path}` | {_what(path, table)} |" for path, table in numbered)
    lost = "\n".join(f"- {one}." for one in left_out)
    notes = f"\n\nOf this shop's settings, these are not in the SQL:\n\n{lost}" if lost else ""
    if unproved:
        listed = "\n".join(f"- {one}." for one in unproved)
        notes += f"\n\nBeyond the portable subset, so look at what it means here:\n\n{listed}"
    last = numbered[-1][0]
    return _PAGE.format(
        engine=engine, first_file=numbered[0][0], proven=PROVEN[engine], before=_BEFORE[engine],
        load=_load(engine, columns[2:]), run=_RUN[engine], swap=_SWAP[engine], rows=rows, last=last,
        columns=", ".join(f"`{one}`" for one in columns), notes=notes,
        different="\n".join(f"- {one}" for one in DIFFERENT),
        gap=config.sessions.gap_minutes, lookback=config.attribution.lookback_days,
        models=", ".join(config.attribution.models), timezone=config.shop.timezone,
        currency=config.shop.currency,
    )  # fmt: skip


def _load(engine: Dialect, columns: Sequence[str]) -> str:
    """The statements that load CSV files."""
    return (
        _LOAD[engine]
        .rstrip()
        .format(
            names=", ".join(raw_name(one, engine) for one in columns),
            places=", ".join(f"t.${place}" for place in range(1, len(columns) + 1)),
        )
    )


def _what(path: str, table: str) -> str:
    if path.endswith("_setup.sql"):
        return "tables to load, and functions"
    if path.endswith("_validate_all.sql"):
        return "all validations and tests: one row for each that found something"
    if "_validate_" in path:
        return f"validation `{table}`: must find no row"
    return f"list `{table}`" if table.startswith("seed_") else f"makes `{table}`"


_PAGE = """\
# The shop's tables as SQL for {engine}

Written by `tallymark compile --engine {engine}`. The files make every table of the model out of
raw events, and check it. Compile again after a change of configuration, contract or models.

{proven}

## Settings in this SQL

A session ends after {gap} minutes without an event. Touches up to {lookback} x 24 hours before an
order take credit, in the models {models}. Dates are those of {timezone}; amounts without a
currency are {currency}.{notes}

## Load the deliveries

{before} There `{first_file}` makes `raw_events` with the columns
{columns}, all text but `line_number`.
`delivery` is the file's name, `line_number` the row's line in it. A delivery in which every
referrer is null did not collect it, and nothing in it is Direct; one empty text says that it did.
Adapt this to your files; where some have other columns, load those by themselves:

```sql
{load}
```

`seeds/seed_user_agents.csv` has the user agents that Tallymark has classified so far; load it too,
into the table of its name. It has rows if there was a warehouse when this was compiled
(`tallymark compile --warehouse`).

## Run

In the folder of these files, in this order; it stops at the first file that fails:

```sh
{run}
```

## Schedule it

Once a morning, when the last delivery is there: load all deliveries into an empty `shop_next`, run
all files there, and look at what `{last}` returns. **If it returns any row, stop**: the tables that
people read stay those of yesterday. If it returns none, show the new ones at once: {swap}. Any
scheduler will do (cron, Airflow, a task of the warehouse itself), as long as a failing file stops
the run.

The validations judge what was loaded. Whether everything was loaded they cannot know: ask
`SELECT MAX(event_date), COUNT(*) FROM landed WHERE rejected = 0` too.

## How these tables differ from those of `tallymark build`

{different}

## Files

| file | what it is |
| --- | --- |
{rows}
"""
