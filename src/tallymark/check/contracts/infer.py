"""`init`: read a shop's files and write a commented project that fits them.

What is written was seen: every line that says something about the files has the evidence beside
it, as a comment. Nothing is guessed into force: what is only likely is a comment as well.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallymark.check.contracts.evidence import (
    Profile,
    Purchases,
    Sample,
    counted_in,
    known_payment_hosts,
    payment_like,
    profiles,
    purchases,
    steps_of,
    values_of,
    with_formats,
)
from tallymark.check.contracts.synonyms import called, synonyms
from tallymark.check.header.columns import map_columns
from tallymark.classify.hosts import host_of, internal_host
from tallymark.config import Config, Severity, load
from tallymark.contract import SHIPPED, WEEK, Column, Contract
from tallymark.engine.warehouse import write_atomically
from tallymark.errors import InputError, UsageError
from tallymark.ingest.deliveries import Delivery, find_deliveries
from tallymark.ingest.header import SAMPLE_ROWS, Broken, read_head
from tallymark.ingest.outputs import Say, unsaid
from tallymark.package import shipped
from tallymark.paths import Paths

__all__ = ["write_project"]

LOOKED_AT = 30  # files, or nearly twice as many; evenly spread, the first and the last among them
HOSTS_SHOWN = 5
NAMES_SHOWN = 20
RESTED = 2  # weeks without a file on a weekday, before none is expected on it
OWN = 0.005  # share of the sampled pages from which on a host is taken for the shop's own


def write_project(
    directory: Path, source: str, *, force: bool = False, say: Say = unsaid
) -> list[Path]:
    """Write tallymark.yml, contract and rules into ``directory``.

    The same files give the same project. Of at most 60 of them the first 300 rows are read.

    Args:
        directory: The project folder; made if it is not there.
        source: Deliveries to learn from.
        force: Replace files that are there.
        say: Called with a sentence where something is left out that a run wrote.

    Raises:
        UsageError: A file is there already.
        InputError: No delivery can be read.
    """
    own = Paths.of(Config(), directory / "tallymark.yml", output=directory).written
    deliveries = find_deliveries(source, own=own, say=say)
    sample, broken = _sample(deliveries)
    if not sample:
        first, reason = broken[0]
        asked = shlex.quote(source)
        raise InputError(
            f"none of the deliveries can be read: {first.key}: {reason}", where=source,
            fix=f"run `tallymark check --input {asked}` to see what is wrong with each",
        )  # fmt: skip
    contract = _named(load(Contract, None, SHIPPED), sample)
    contract = with_formats(contract, tuple(counted_in(sample, contract)))
    names = values_of(sample, contract, "event_name")
    steps = steps_of(names, contract)
    bought = purchases(sample, contract, steps["purchase"])
    draft = _Draft(deliveries, sample, contract, names, steps, bought)
    texts = {
        "tallymark.yml": _settings(directory, source, sample, contract, bought.currencies),
        "contracts/events.yml": draft.text(),
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


def _sample(deliveries: Sequence[Delivery]) -> tuple[Sample, list[tuple[Delivery, str]]]:
    """The heads of some deliveries, and why others cannot be read."""
    step = max(1, len(deliveries) // LOOKED_AT)
    chosen = sorted({*range(0, len(deliveries), step), len(deliveries) - 1})
    heads, broken = [], []
    for index in chosen:
        try:
            heads.append((deliveries[index], read_head(deliveries[index])))
        except Broken as error:
            broken.append((deliveries[index], error.message))
    return heads, broken


def _named(contract: Contract, sample: Sample) -> Contract:
    """The contract with the names that the gate would read its columns under.

    What is sure of some columns makes others sure: so it is asked again until nothing changes.
    """
    seen, head = profiles(sample), sample[0][1]
    for _ in contract.columns:
        taken = {name for name in map_columns(contract, head).roles.values() if name}
        taken |= {one.delivered for one in map_columns(contract, head).renames}
        others = tuple(
            Column(name=name, kind=profile.kind, required=False, if_missing=Severity.P3)
            for name, profile in seen.items()
            if name not in taken and profile.files == profile.of
        )
        whole = contract.model_copy(update={"columns": (*contract.columns, *others)})
        renames = map_columns(whole, head).renames
        names = {one.column.name: one.delivered for one in renames if one.adopted}
        if not names:
            break
        columns = tuple(
            one.model_copy(update={"name": names.get(one.name, one.name)})
            for one in contract.columns
        )
        contract = contract.model_copy(update={"columns": columns})
    return contract


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar on one line; YAML, unlike JSON, knows no pairs of surrogates."""
    return "".join(
        one if one.isprintable() else f"\\U{ord(one):08x}"
        for one in json.dumps(text, ensure_ascii=False)
    )


def _listed(names: Iterable[str], plain: Iterable[str] = ()) -> str:
    """A YAML list on one line; names that are known to be harmless stand without quotes."""
    known = set(plain)
    return f"[{', '.join(one if one in known else _quoted(one) for one in names)}]"


def _counted(counts: Mapping[str, int], most: int) -> str:
    """The most frequent names with their counts, in words; ties by name."""
    order = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join(f"{_quoted(name)} {count:,}" for name, count in order[:most])
    rest = f" and {len(order) - most:,} more" if len(order) > most else ""
    return (told or "none") + rest


# ---------------------------------------------------------------- tallymark.yml


def _settings(
    directory: Path, source: str, sample: Sample, contract: Contract, stated: Mapping[str, int]
) -> str:
    hosts: Counter[str] = Counter()
    for url, count in values_of(sample, contract, "page_url").items():
        if (host := host_of(url)) is not None:
            hosts[host] += count
    internal = sorted(host for host in hosts if internal_host(host))
    # A page that somebody else shows, such as a translation, must not make its host the shop's.
    own = [
        host
        for host, count in hosts.most_common(HOSTS_SHOWN)
        if host not in internal and count >= OWN * hosts.total()
    ]
    referrers = values_of(sample, contract, "referrer")
    known = _counted(known_payment_hosts(referrers), HOSTS_SHOWN)
    likely = _counted(payment_like(referrers, own), HOSTS_SHOWN)
    where = os.path.relpath(Path(source).absolute(), directory.absolute())
    return f"""# Tallymark's settings; every key is optional. `tallymark run` reads this file.
version: 1

# The deliveries: a folder, or a pattern such as raw/*.csv, relative to this file.
input: {_quoted(Path(where).as_posix())}

shop:
  name: {_quoted(own[0] if own else "Shop")}
  currency: {_currency(stated)}            # of revenue whose payload names no currency
  # Currencies that purchases of the sample state: {_counted(stated, NAMES_SHOWN)}
  timezone: UTC            # dates in tables and reports are days of this zone
  # Page hosts seen in the sample: {_counted(hosts, HOSTS_SHOWN)}
  # Hosts of the same registrable domain as a row's page are the shop's own without being named.
  own_hosts: {_listed(own)}
  # Referrers in the sample that are known as payment providers: {known}
  # Referrers whose name sounds like payment; name those that are: {likely}
  payment_hosts: []        # payment providers beyond the shipped list; never a traffic source
  internal_hosts: {_listed(internal)}
{_rates(stated)}
sessions:
  gap_minutes: 30          # a longer silence starts a new session

attribution:
  lookback_days: 7         # times 24 hours, exact, both ends in

on_rename: adopt           # read an unambiguously renamed column (and raise a P0), or: stop
export: csv                # none, csv or parquet
"""


def _currency(stated: Mapping[str, int]) -> str:
    """The shop's currency: what most purchases state."""
    most = sorted(stated, key=lambda code: (-stated[code], code))
    return most[0] if most else Config().shop.currency


def _rates(stated: Mapping[str, int]) -> str:
    """What to fill in where orders come in several currencies."""
    ours = _currency(stated)
    others = ", ".join(f"{code}: 1.0" for code in sorted(set(stated) - {ours}))
    if not others:
        return ""
    return f"""
# Orders come in several currencies, so a build needs rates: how many {ours} one unit is worth.
# orders:
#   currency_rates: {{{others}}}
"""


# ---------------------------------------------------------------- contracts/events.yml


@dataclass(frozen=True, slots=True)
class _Draft:
    """The contract that is being written, and what it rests on."""

    deliveries: Sequence[Delivery]
    sample: Sample
    contract: Contract
    names: Mapping[str, int]
    steps: Mapping[str, Sequence[str]]
    bought: Purchases

    def text(self) -> str:
        """The whole file."""
        bought = self.bought
        return "\n".join(
            [*self._head(), *self._columns(), "", *self._events(self.names, self.steps), "",
             *self._payload(bought), "", *_schema(bought, self._keys(bought)), "",
             *self._calendar(), ""]
        )  # fmt: skip

    def _head(self) -> list[str]:
        first, head = self.sample[0]
        rows = sum(max(map(len, one.sample.values()), default=0) for _, one in self.sample)
        return [
            "# What a delivery promises to be, as learned from your files.",
            f"# Read: {len(self.sample)} of {len(self.deliveries)} deliveries, the first of them",
            f"# {_quoted(first.key)}; of each at most {SAMPLE_ROWS} rows, {rows:,} in all.",
            "# Counts and shares below are of these rows alone.",
            'version: "1"',
            "",
            "# role: what Tallymark uses the column for. name: what the files call it.",
            "# aliases: other names that are fine too. A rename that nobody agreed to is a P0;",
            "# `tallymark contract alias OLD NEW` agrees to one.",
            f"# Columns of {_quoted(first.key)}: {', '.join(_quoted(one) for one in head.columns)}",
            "columns:",
        ]

    def _columns(self) -> Iterator[str]:
        first, head = self.sample[0]
        mapped = map_columns(self.contract, head)
        seen = profiles(self.sample)
        likely = {one.column.role: one.delivered for one in mapped.renames if not one.adopted}
        later = self._later(mapped.roles)
        counted = counted_in(self.sample, self.contract)
        for column in self.contract.columns:
            role = str(column.role)
            name = mapped.roles.get(role)
            if name is None:
                yield f"  # no column of {_quoted(first.key)} plays the part of {role}"
            elif name in seen:
                yield f"  # {seen[name].sentence(column)}"
            if role in likely:
                yield f"  # {_quoted(likely[column.role])} may be it: name it here if it is"
            yield from (f"  # {note}" for note in later.get(role, ()))
            for unit in column.formats:
                said = f"numbers in {counted[unit]} of {len(self.sample)} files"
                yield f"  # {said}, which count {unit.removeprefix('epoch_')} since 1970"
            yield from _described(column, name or column.name)
        yield from self._others(seen)

    def _others(self, seen: Mapping[str, Profile]) -> Iterator[str]:
        """Columns that play no role: described if every file has them, else only told."""
        taken: set[str] = set()
        for _, head in self.sample:
            mapped = map_columns(self.contract, head)
            taken |= {name for name in mapped.roles.values() if name is not None}
            taken |= {one.delivered for one in mapped.renames}
        for name, profile in seen.items():
            if name in taken:
                continue
            if profile.files < profile.of:
                yield f"  # {_quoted(name)}: {profile.sentence()}; describe it if it is to be there"
                continue
            yield f"  # {profile.sentence()}"
            yield f"  - name: {_quoted(name)}"
            yield f"    kind: {profile.kind}"
            yield "    required: false"
            yield "    if_missing: P3"

    def _later(self, first: Mapping[str, str | None]) -> Mapping[str, list[str]]:
        """Names that later files give a column, or that it is missing, and since when."""
        notes: dict[str, list[str]] = {}
        told: set[tuple[str, str | None]] = set()
        for delivery, head in self.sample[1:]:
            for role, name in map_columns(self.contract, head).roles.items():
                if name != first.get(role) and (role, name) not in told:
                    told.add((role, name))
                    note = (
                        f"not in {_quoted(delivery.key)}"
                        if name is None
                        else f"called {_quoted(name)} from {_quoted(delivery.key)} on: agree with "
                        f"aliases: [{_quoted(name)}]"
                    )
                    notes.setdefault(role, []).append(note)
        return notes

    def _events(
        self, names: Mapping[str, int], steps: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        yield "# The steps of the funnel and the names under which they arrive."
        yield "events:"
        placed: set[str] = set()
        for step, known in self.contract.events.steps():
            there = {name: names[name] for name in steps[step] if name in names}
            placed |= set(steps[step])
            usual = called(synonyms().events[step], names)
            more = {name: names[name] for name in usual if name not in steps[step]}
            yield f"  # in the sample: {_counted(there, NAMES_SHOWN)}"
            if more:
                yield (
                    "  # the same step by name, add it if it does not report the same twice: "
                    f"{_counted(more, NAMES_SHOWN)}"
                )
            yield f"  {step}: {_listed(steps[step], known)}"
        other = {name: count for name, count in names.items() if name not in placed}
        yield f"  # other, of no step: {_counted(other, NAMES_SHOWN)}"

    def _keys(self, bought: Purchases) -> dict[str, str]:
        """Of each part of an order, the key that holds it: as shipped, or as the sample has it."""
        chosen = {}
        for part, key in self.contract.payload.model_dump().items():
            there = bought.line_keys if part in _OF_A_LINE else bought.keys
            usual = [] if key in there else called(synonyms().payload[part], there)
            chosen[part] = max(usual, key=lambda one: there[one]) if usual else key
        twice = {key for key in chosen.values() if [*chosen.values()].count(key) > 1}
        given = self.contract.payload.model_dump()
        return {part: given[part] if key in twice else key for part, key in chosen.items()}

    def _payload(self, bought: Purchases) -> Iterator[str]:
        keys = self._keys(bought)
        yield (
            "# Keys of a purchase's JSON payload, and how often they are filled in the sample: of "
            f"{bought.count:,}\n# purchases, {bought.lines:,} order lines."
        )
        yield "payload:"
        given = self.contract.payload.model_dump()
        for part, key in keys.items():
            of_line = part in _OF_A_LINE
            there, every = (
                (bought.line_keys, bought.lines) if of_line else (bought.keys, bought.count)
            )
            share = f"{100 * there.get(key, 0) / every:.1f} % filled" if every else "not seen"
            yield f"  {part}: {_listed([key], [given[part]])[1:-1]}  # {share}"
        for what, there in (("a purchase", bought.keys), ("an order line", bought.line_keys)):
            other = {key: count for key, count in there.items() if key not in keys.values()}
            if other:
                yield f"  # other keys of {what}: {_counted(other, NAMES_SHOWN)}"

    def _calendar(self) -> Iterator[str]:
        days = sorted({one.date for one in self.deliveries if one.date is not None})
        yield "# When a day's delivery is due, in the shop's time zone; without it, none is late."
        if days:
            span = (days[-1] - days[0]).days + 1
            without = span - len(days)
            lack = f"{without} day{'s' * (without != 1)} between without a file" if without else (
                "no day between without a file"
            )  # fmt: skip
            yield f"# Seen: {len(self.deliveries)} deliveries, {days[0]} to {days[-1]}, {lack}."
        resting = _resting(days)
        if resting:
            names = ", ".join(resting)
            yield f"# Never in these files: {names}, of which nothing is expected."
            yield "calendar:"
            yield f"  weekdays: [{', '.join(one for one in WEEK if one not in resting)}]"
        yield from (
            "#" if resting else "# calendar:",
            '#   expected_by: "07:00"',
            "#   days_after: 1         # a day's file comes on the next morning",
            "#   grace_minutes: 60",
        )


def _resting(days: Sequence[dt.date]) -> list[str]:
    """The weekdays of which there is no file in at least two weeks, while others have some."""
    if not days:
        return []
    span = (days[-1] - days[0]).days + 1
    all_days = [days[0] + dt.timedelta(days=one) for one in range(span)]
    came, could = (Counter(WEEK[one.weekday()] for one in some) for some in (days, all_days))
    resting: list[str] = [one for one in WEEK if could[one] >= RESTED and not came[one]]
    # Where other weekdays lack more than a holiday, or most have none, there is no such habit.
    steady = all(came[one] >= could[one] - 1 for one in WEEK if one not in resting)
    return resting if steady and len(resting) <= len(WEEK) // 2 else []


_OF_A_LINE = frozenset({"item_id", "item_name", "quantity", "item_price"})


def _described(column: Column, name: str) -> list[str]:
    formats = _listed(column.formats, column.formats)[1:-1]
    if len(column.formats) > 1:
        formats = f"[{formats}]"
    return [
        f"  - name: {_quoted(name)}",
        f"    role: {column.role}",
        f"    kind: {column.kind}",
        *([f"    format: {formats}"] if formats else []),
        f"    required: {str(column.required).lower()}",
        "    aliases: []",
        f"    if_missing: {column.if_missing}",
        f"    why: {_quoted(column.why)}",
    ]


def _schema(bought: Purchases, keys: Mapping[str, str]) -> Iterator[str]:
    """What the purchases have in common, as a JSON Schema that somebody may put into force."""
    yield "# The shape of a payload, by step or event name, as a JSON Schema or the path of one."
    yield "# Off by default: the rules of the gate judge what orders need. Seen in the sample:"
    always = [
        key for key, count in bought.keys.items()
        if count == bought.count and key in keys.values()
    ]  # fmt: skip
    yield "# payloads:"
    yield "#   purchase:"
    yield "#     type: object"
    yield f"#     required: {_listed(sorted(always))}"
    yield "#     properties:"
    for key in sorted(key for key in bought.kinds if key in keys.values()):
        yield f"#       {_quoted(key)}: {{type: {_listed(sorted(bought.kinds[key]))}}}"
