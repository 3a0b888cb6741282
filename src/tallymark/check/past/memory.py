"""What the ledger remembers of a delivery for the days that follow: compact, and never an id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.counting.facts import Facts
from tallymark.check.counting.traffic import measure_traffic
from tallymark.check.header.columns import Mapping_
from tallymark.check.past.event_names import counted_names
from tallymark.check.past.seen import keep_keys, keys_file, seen_before
from tallymark.config import Shop
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.header import Head
from tallymark.ingest.landing import Landed

__all__ = ["arrived", "recalled", "remembered"]

Entry = dict[str, Any]


def remembered(
    engine: DuckEngine,
    base: Mapping[str, Any],
    head: Head,
    columns: Mapping_,
    landed: Landed,
    facts: Facts,
    contract: Contract,
    shop: Shop,
    folder: Path,
) -> Entry:
    """The keys that a ledger entry gets; the hashes of its orders go into a file of ``folder``."""
    traffic = measure_traffic(
        engine, landed, columns.roles, contract, shop, facts.close, facts.groups
    )
    keep_keys(folder, base, facts.orders.keys)
    text = facts.delivery.format != "parquet"
    form: Entry = {"bom": head.bom} if text else {}
    if facts.delivery.format == "csv" and len(head.columns) > 1:
        form["delimiter"] = head.delimiter
    if facts.delivery.format == "jsonl":
        form["unordered"] = True  # the keys of an object have no order
    return {
        "form": form, "traffic": traffic.as_entry(), "orders": facts.orders.as_entry(),
        "events": counted_names(engine, landed),
    }  # fmt: skip


def recalled(entries: Sequence[Entry], folder: Path) -> list[Entry]:
    """The entries, each with what its transaction ids say of earlier ones; not kept anywhere.

    Files of hashes that no entry needs any more are removed.
    """
    seen = seen_before(entries, folder)
    wanted = {keys_file(folder, one) for one in entries}
    for path in folder.glob("*.npy"):
        if path not in wanted:
            path.unlink()
    return [{**one, "seen": seen.get(one["delivery"], {})} for one in entries]


def arrived(
    entry: Entry, known: Mapping[str, Any] | None, others: Iterable[object], now: dt.datetime | None
) -> Entry:
    """The entry with when its delivery was first seen, if there is a clock.

    What is there when nothing was known yet is a backlog: when it came, nobody can say.
    """
    kept = {key: known[key] for key in ("first_seen", "backlog") if known and key in known}
    if kept or now is None or known is not None:
        return {**entry, **kept}
    first = {"first_seen": now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return {**entry, **first, **({} if any(True for _ in others) else {"backlog": True})}
