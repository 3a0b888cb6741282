"""What a sample of a shop's files shows: columns, events, payloads and hosts, with counts.

Only the heads of the files are looked at, so that a shop of any size is read in a second. Counts
stand for the sample, not for the shop; whoever prints them says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.check.contracts.synonyms import called, synonyms
from tallymark.check.header.columns import map_columns
from tallymark.check.header.shapes import epoch_of, expected, shape_of
from tallymark.classify.hosts import HostIndex, host_of, load_payment_hosts, registrable_domain
from tallymark.contract import UNITS, Column, Contract, Kind, TimeFormat
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Head
from tallymark.ingest.payloads import currency_code

__all__ = [
    "Profile", "Purchases", "Sample", "counted_in", "known_payment_hosts", "payment_like",
    "profiles", "purchases", "steps_of", "values_of", "with_formats",
]  # fmt: skip

Sample = Sequence[tuple[Delivery, Head]]
# Most telling first: a whole number is a number too, and anything is text.
_KINDS: tuple[Kind, ...] = ("timestamp", "date", "url", "json", "user_agent", "integer", "number")
_LOOKS = {
    "timestamp": "a time", "date": "a day", "url": "a URL", "json": "JSON",
    "user_agent": "a user agent", "integer": "a whole number", "number": "a number",
    "text": "text",
}  # fmt: skip
_ENOUGH = 20  # filled values from which on a kind is believed
_LONGEST = 262_144  # characters of a payload that is looked at
_NAME = 64  # characters of a key that is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One column over all sampled files.

    Attributes:
        files: In how many of the files it is.
        of: How many files there are.
        filled: Share of its sampled values that are filled, 0 to 1.
        distinct: How many different values they are.
        kind: What every one of them looks like; ``text`` where nothing is sure.
        values: The sampled values.
    """

    files: int
    of: int
    filled: float
    distinct: int
    kind: Kind
    values: Sequence[str | None] = field(repr=False)

    def sentence(self, column: Column | None = None) -> str:
        """The evidence in words, for a comment: against a column of the contract, if given."""
        looks = f", looks like {_LOOKS[self.kind]}" if self.distinct else ""
        if column is not None and self.distinct:
            fits = shape_of(column, self.values).fits
            looks = f", {100 * fits:.1f} % of them look like {expected(column)}"
        return (
            f"{self.files} of {self.of} files, {100 * self.filled:.1f} % filled, "
            f"{self.distinct:,} distinct value{'s' * (self.distinct != 1)}{looks}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """Payloads of the purchases in a sample.

    Attributes:
        count: How many could be read.
        keys: How many of them fill each key at the top.
        lines: How many order lines they have.
        line_keys: How many of the lines fill each key.
        kinds: Types of JSON that the values of each key at the top have.
        currencies: How many of them state each currency, as ISO 4217 writes it.
    """

    count: int
    keys: Mapping[str, int]
    lines: int
    line_keys: Mapping[str, int]
    kinds: Mapping[str, frozenset[str]]
    currencies: Mapping[str, int]


def profiles(sample: Sample) -> dict[str, Profile]:
    """Every column of the sampled files, in the order in which they come up."""
    values: dict[str, list[str | None]] = {}
    files: Counter[str] = Counter()
    for _, head in sample:
        for name in dict.fromkeys(head.columns):
            files[name] += 1
            values.setdefault(name, []).extend(head.sample.get(name, ()))
    return {
        name: Profile(
            files=files[name], of=len(sample),
            filled=sum(1 for one in found if one) / len(found) if found else 0.0,
            distinct=len({one for one in found if one}), kind=_kind(found), values=found,
        )
        for name, found in values.items()
    }  # fmt: skip


def _kind(values: Sequence[str | None]) -> Kind:
    filled = [value for value in values if value]
    if len(filled) < _ENOUGH:
        return "text"
    for kind in _KINDS:
        if shape_of(Column(name="sample", kind=kind), filled).fits == 1:
            return kind
    return "text"


def values_of(sample: Sample, contract: Contract, role: str) -> Counter[str]:
    """The filled values of the column that plays a role, with how often each comes."""
    found: Counter[str] = Counter()
    for _, head in sample:
        column = map_columns(contract, head).roles.get(role)
        found.update(value for value in head.sample.get(column or "", ()) if value)
    return found


def with_formats(contract: Contract, formats: Sequence[TimeFormat]) -> Contract:
    """The contract with a time column whose numbers may count some units since 1970."""
    told = formats[0] if len(formats) == 1 else tuple(formats)
    return contract.model_copy(
        update={
            "columns": tuple(
                one.model_copy(update={"format": told}) if one.role == "timestamp" else one
                for one in contract.columns
            )
        }
    )


def counted_in(sample: Sample, contract: Contract) -> dict[TimeFormat, int]:
    """In how many files most times are numbers, by what these count since 1970."""
    any_unit = with_formats(contract, tuple(UNITS))
    files: Counter[TimeFormat] = Counter()
    for _, head in sample:
        column = map_columns(any_unit, head).roles.get("timestamp")
        filled = [value.strip() for value in head.sample.get(column or "", ()) if value]
        units = Counter(unit for value in filled if (unit := epoch_of(value)) is not None)
        files.update(unit for unit, count in units.items() if 2 * count > len(filled))
    return {unit: files[unit] for unit in UNITS if files[unit]}


# ---------------------------------------------------------------- events and payloads


def steps_of(names: Mapping[str, int], contract: Contract) -> dict[str, tuple[str, ...]]:
    """The event names of each step: those of the contract, or else the usual one that is there.

    A second name for a step is not added: it may report the same thing twice.
    """
    steps = {}
    for step, known in contract.events.steps():
        more: list[str] = []
        if not any(name in names for name in known):
            usual = called(synonyms().events[step], names)
            free = [name for name in usual if contract.events.step_of(name) is None]
            more = sorted(free, key=lambda name: -names[name])[:1]
        steps[step] = (*more, *known)
    return steps


def purchases(sample: Sample, contract: Contract, names: Iterable[str]) -> Purchases:
    """The payloads of the events of some names, where both columns were sampled row by row."""
    wanted = frozenset(names)
    found: list[dict[str, Any]] = []
    for _, head in sample:
        roles = map_columns(contract, head).roles
        events = head.sample.get(roles.get("event_name") or "", ())
        payloads = head.sample.get(roles.get("event_data") or "", ())
        if len(events) == len(payloads):
            pairs = zip(events, payloads, strict=True)
            read = (_object(payload) for name, payload in pairs if name in wanted)
            found += [one for one in read if one is not None]
    keys = Counter(key for one in found for key, value in one.items() if _filled(value))
    kinds: dict[str, set[str]] = {}
    for one in found:
        for key, value in one.items():
            kinds.setdefault(key, set()).add(_type(value))
    money = called([contract.payload.currency, *synonyms().payload["currency"]], keys)
    stated = (currency_code(str(one.get(money[0]) if money else "")) for one in found)
    items = called([contract.payload.items, *synonyms().payload["items"]], keys)
    lines = [line for one in found for line in _lines(one.get(items[0]) if items else None)]
    return Purchases(
        count=len(found), keys=keys, lines=len(lines),
        line_keys=Counter(key for line in lines for key, value in line.items() if _filled(value)),
        kinds={key: frozenset(some) for key, some in kinds.items()},
        currencies=Counter(code for code in stated if code is not None),
    )  # fmt: skip


def _object(payload: str | None) -> dict[str, Any] | None:
    if not payload or len(payload) > _LONGEST:
        return None
    try:
        read = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    return {str(key)[:_NAME]: value for key, value in read.items()}


def _lines(items: object) -> list[dict[str, Any]]:
    if not isinstance(items, list):
        return []
    return [
        {str(key)[:_NAME]: value for key, value in line.items()}
        for line in items
        if isinstance(line, dict)
    ]


def _filled(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _type(value: object) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (str, "string"), ((int, float), "number"),
                       (list, "array")):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "object"


# ---------------------------------------------------------------- hosts


def _hosts(urls: Mapping[str, int]) -> Counter[str]:
    hosts: Counter[str] = Counter()
    for url, count in urls.items():
        host = host_of(url)
        if host is not None:
            hosts[host] += count
    return hosts


def known_payment_hosts(referrers: Mapping[str, int]) -> Counter[str]:
    """Referring hosts that the shipped list knows as payment providers, with counts."""
    known = HostIndex(dict.fromkeys(sorted(load_payment_hosts()), True))
    return Counter({host: n for host, n in _hosts(referrers).items() if known.lookup(host)})


def payment_like(referrers: Mapping[str, int], own: Iterable[str]) -> Counter[str]:
    """Referring hosts whose name sounds like payment and that nobody knows yet, with counts."""
    known = HostIndex(dict.fromkeys(sorted(load_payment_hosts()), True))
    home = {registrable_domain(host) for host in own}
    words = synonyms().payment_words
    return Counter(
        {
            host: count
            for host, count in _hosts(referrers).items()
            if not known.lookup(host) and registrable_domain(host) not in home
            and any(_sounds(part, words) for part in re.split(r"[.-]", host))
        }
    )  # fmt: skip


def _sounds(part: str, words: Sequence[str]) -> bool:
    return any(part.startswith(word) or part.endswith(word) for word in words)
