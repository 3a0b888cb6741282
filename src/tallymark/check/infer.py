"""`init`: read a shop's files and write a commented project that fits them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.check.columns import Mapping_, map_columns
from tallymark.classify.hosts import host_of, internal_host
from tallymark.config import load, shipped
from tallymark.contract import Contract
from tallymark.engine.warehouse import write_atomically
from tallymark.errors import InputError, UsageError
from tallymark.ingest.deliveries import Delivery, find_deliveries
from tallymark.ingest.header import Broken, Head, read_head

__all__ = ["write_project"]

LOOKED_AT = 30  # files; evenly spread over what there is, the first and the last among them
HOSTS_SHOWN = 5
OWN = 0.005  # share of the sampled pages from which on a host is taken for the shop's own


def write_project(directory: Path, source: str, *, force: bool = False) -> list[Path]:
    """Write tallymark.yml, contract and rules into ``directory``.

    Args:
        directory: The project folder; made if it is not there.
        source: Deliveries to learn from.
        force: Replace files that are there.

    Raises:
        UsageError: A file is there already.
        InputError: No delivery can be read.
    """
    deliveries = find_deliveries(source)
    heads = _heads(deliveries)
    if not heads:
        raise InputError(
            "none of the deliveries can be read", where=source,
            fix="run `tallymark check --input ...` to see what is wrong with each",
        )  # fmt: skip
    texts = {
        "tallymark.yml": _settings(directory, source, heads),
        "contracts/events.yml": _contract(heads),
        "rules/check.yml": shipped("rules/check.yml"),
        "rules/monitor.yml": shipped("rules/monitor.yml"),
    }
    paths = [directory / name for name in texts]
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise UsageError("is there already", where=str(there[0]), fix="use --force to replace it")
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths


def _heads(deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Head]]:
    step = max(1, len(deliveries) // LOOKED_AT)
    chosen = sorted({*range(0, len(deliveries), step), len(deliveries) - 1})
    heads = []
    for index in chosen:
        try:
            heads.append((deliveries[index], read_head(deliveries[index])))
        except Broken:
            continue
    return heads


def _values(heads: Sequence[tuple[Delivery, Head]], role: str) -> Counter[str]:
    contract = load(Contract, None, "contracts/events.yml")
    found: Counter[str] = Counter()
    for _, head in heads:
        column = map_columns(contract, head).roles.get(role)
        found.update(value for value in head.sample.get(column or "", ()) if value)
    return found


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar on one line; YAML, unlike JSON, knows no pairs of surrogates."""
    return "".join(
        one if one.isprintable() else f"\\U{ord(one):08x}"
        for one in json.dumps(text, ensure_ascii=False)
    )


def _settings(directory: Path, source: str, heads: Sequence[tuple[Delivery, Head]]) -> str:
    hosts: Counter[str] = Counter()
    for url, count in _values(heads, "page_url").items():
        if (host := host_of(url)) is not None:
            hosts[host] += count
    seen = ", ".join(f"{_quoted(host)} {count}" for host, count in hosts.most_common(HOSTS_SHOWN))
    internal = sorted(host for host in hosts if internal_host(host))
    # A page that somebody else shows, such as a translation, must not make its host the shop's.
    own = [
        host
        for host, count in hosts.most_common(HOSTS_SHOWN)
        if host not in internal and count >= OWN * hosts.total()
    ]
    where = os.path.relpath(Path(source).absolute(), directory.absolute())
    return f"""# Tallymark's settings; every key is optional. `tallymark run` reads this file.
version: 1

# The deliveries: a folder, or a pattern such as raw/*.csv, relative to this file.
input: {_quoted(Path(where).as_posix())}

shop:
  name: {_quoted(own[0] if own else "Shop")}
  currency: USD            # of revenue whose payload names no currency
  timezone: UTC            # dates in tables and reports are days of this zone
  # Page hosts seen in the sample: {seen or "none"}
  # Hosts of the same registrable domain as a row's page are the shop's own without being named.
  own_hosts: [{", ".join(_quoted(host) for host in own)}]
  payment_hosts: []        # payment providers beyond the shipped list; never a traffic source
  internal_hosts: [{", ".join(_quoted(host) for host in internal)}]

sessions:
  gap_minutes: 30          # a longer silence starts a new session

attribution:
  lookback_days: 7         # times 24 hours, exact, both ends in

on_rename: adopt           # read an unambiguously renamed column (and raise a P0), or: stop
export: csv                # none, csv or parquet
"""


def _contract(heads: Sequence[tuple[Delivery, Head]]) -> str:
    contract = load(Contract, None, "contracts/events.yml")
    first, head = heads[0]
    mapped = map_columns(contract, head)
    lines = [
        "# What a delivery promises to be, as learned from your files.",
        f"# Looked at {len(heads)} of the deliveries, {_quoted(first.key)} first.",
        'version: "1"',
        "",
        "# role: what Tallymark uses the column for. name: what the files call it.",
        "# aliases: other names that are fine too. A rename that nobody agreed to is a P0.",
        f"# Columns of {_quoted(first.key)}: {', '.join(_quoted(one) for one in head.columns)}",
        "columns:",
    ]
    likely = {one.column.role: one.delivered for one in mapped.renames if not one.adopted}
    later = _later_names(heads, contract, mapped)
    for column in contract.columns:
        name = mapped.roles.get(column.role)
        if name is None:
            lines.append(f"  # no column of {_quoted(first.key)} plays the part of {column.role}")
            name = column.name
        if column.role in likely:
            lines.append(f"  # {_quoted(likely[column.role])} may be it: name it here if it is")
        lines += [f"  # {note}" for note in later.get(column.role, ())]
        lines += [
            f"  - name: {_quoted(name)}",
            f"    role: {column.role}",
            f"    kind: {column.kind}",
            f"    required: {str(column.required).lower()}",
            "    aliases: []",
            f"    if_missing: {column.if_missing}",
            f"    why: {_quoted(column.why)}",
        ]
    rest = shipped("contracts/events.yml").split("# The steps of the funnel", 1)[1]
    names = _values(heads, "event_name").most_common(20)
    seen = ", ".join(f"{_quoted(name)} {count}" for name, count in names)
    return "\n".join([*lines, "", f"# Event names in the sample: {seen or 'none'}",
                      f"# The steps of the funnel{rest}"])  # fmt: skip


def _later_names(
    heads: Sequence[tuple[Delivery, Head]], contract: Contract, first: Mapping_
) -> Mapping[str, list[str]]:
    """Names that later files give a column, or that it is missing, and since when."""
    notes: dict[str, list[str]] = {}
    told: set[tuple[str, str | None]] = set()
    for delivery, head in heads[1:]:
        mapped = map_columns(contract, head)
        for role, name in mapped.roles.items():
            if name != first.roles.get(role) and (role, name) not in told:
                told.add((role, name))
                note = (
                    f"not in {_quoted(delivery.key)}"
                    if name is None
                    else f"called {_quoted(name)} from {_quoted(delivery.key)} on: agree with "
                    f"aliases: [{_quoted(name)}]"
                )
                notes.setdefault(role, []).append(note)
    return notes
