"""The difference of two contracts, and which of it breaks.

A change is *breaking* if a file that kept the old contract can break the new one, or if
something that the tables read is no longer promised. Everything else is said and breaks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tallymark.contract import Column, Contract

__all__ = ["Change", "Difference", "compare"]

# A kind may widen without a file breaking it: every value of the first has the second too.
_WIDER = {
    "integer": {"number", "text"},
    "identifier": {"text"},
    "name": {"identifier", "text"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs between two contracts.

    Attributes:
        path: What differs, as ``columns.client_id.pattern``.
        change: What happened to it, as one word: ``removed``, ``renamed``, ``narrowed`` ...
        breaking: Whether a file that kept the old contract can break the new one.
        message: The same as a sentence.
        old: The value before, where there is one to show.
        new: The value after.
    """

    path: str
    change: str
    breaking: bool
    message: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All changes between two contracts, and whether any of them breaks."""

    old_version: str
    new_version: str
    breaking: bool
    changes: Sequence[Change] = ()


def compare(old: Contract, new: Contract) -> Difference:
    """What changed from one contract to another, breaking or not, in the order of the file."""
    changes = [
        *_columns(old, new), *_events(old, new), *_payload(old, new), *_schemas(old, new),
        *_settings(old, new),
    ]  # fmt: skip
    if changes and old.version == new.version:
        changes.append(
            Change(path="version", change="kept", breaking=False,
                   message=f"the version is {new.version} in both, although they differ")
        )  # fmt: skip
    return Difference(
        old_version=old.version, new_version=new.version,
        breaking=any(one.breaking for one in changes), changes=changes,
    )  # fmt: skip


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    pairs = _pairs(old.columns, new.columns)
    for first in old.columns:
        path = f"columns.{first.name}"
        second = pairs.get(first.name)
        if second is None:
            yield Change(path=path, change="removed", breaking=True, old=first.name,
                         message=f"column {first.name} is no longer described")  # fmt: skip
        else:
            yield from _column(path, first, second)
    matched = {one.name for one in pairs.values()}
    for one in new.columns:
        if one.name not in matched:
            need = "required" if one.required else "optional"
            yield Change(path=f"columns.{one.name}", change="added", breaking=one.required,
                         new=one.name, message=f"column {one.name} is new and {need}")  # fmt: skip
    kept = [one.name for one in old.columns if one.name in pairs]
    order = [pairs[name].name for name in kept]
    if order != [one.name for one in new.columns if one.name in matched]:
        yield Change(path="columns", change="reordered", breaking=False,
                     message="the columns stand in another order")  # fmt: skip


def _pairs(old: Sequence[Column], new: Sequence[Column]) -> dict[str, Column]:
    """For the name of an old column, the new one: by name, else by role, else by an alias."""
    pairs: dict[str, Column] = {}
    left = list(new)
    tests = (
        lambda a, b: a.name == b.name and a.role == b.role,
        lambda a, b: a.role is not None and a.role == b.role,
        lambda a, b: a.name == b.name,
        lambda a, b: bool({*a.names} & {*b.names}),
    )
    for alike in tests:
        for one in old:
            found = next((two for two in left if one.name not in pairs and alike(one, two)), None)
            if found is not None:
                pairs[one.name] = found
                left.remove(found)
    return pairs


def _column(path: str, old: Column, new: Column) -> Iterator[Change]:
    yield from _names(path, old, new)
    if old.role != new.role:
        yield _said(f"{path}.role", old.role, new.role, breaking=True)
    if old.kind != new.kind:
        wider = new.kind in _WIDER.get(old.kind, ()) or new.kind == "text"
        yield _said(f"{path}.kind", old.kind, new.kind, breaking=not wider)
    for key in ("required", "unique"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield _said(f"{path}.{key}", before, after, breaking=after)
    if old.formats != new.formats:
        fewer = bool(set(old.formats) - set(new.formats))
        yield _said(f"{path}.format", ", ".join(old.formats), ", ".join(new.formats),
                    breaking=fewer)  # fmt: skip
    yield from _limits(path, old, new)
    for key in ("if_missing", "why"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield _said(f"{path}.{key}", str(before), str(after), breaking=False)


def _names(path: str, old: Column, new: Column) -> Iterator[Change]:
    if old.name != new.name:
        still = old.name in new.names
        yield Change(path=path, change="renamed", breaking=not still, old=old.name, new=new.name,
                     message=f"column {old.name} is called {new.name}"
                     + (f"; {old.name} is still fine" if still else ""))  # fmt: skip
    for name in new.names:
        if name not in old.names and name != new.name:
            yield Change(path=f"{path}.aliases", change="added", breaking=False, new=name,
                         message=f"{name} is fine as a name of {new.name}")  # fmt: skip
    for name in old.names[1:]:
        if name not in new.names:
            yield Change(path=f"{path}.aliases", change="removed", breaking=True, old=name,
                         message=f"{name} is no longer fine as a name of {new.name}")  # fmt: skip


def _limits(path: str, old: Column, new: Column) -> Iterator[Change]:
    """Patterns, sets and ranges: narrower breaks, wider does not."""
    if old.pattern != new.pattern:
        yield _said(f"{path}.pattern", old.pattern, new.pattern, breaking=new.pattern is not None)
    if old.allowed != new.allowed:
        before, after = set(old.allowed or ()), set(new.allowed or ())
        narrower = new.allowed is not None and (old.allowed is None or bool(before - after))
        if before != after or (old.allowed is None) != (new.allowed is None):
            yield _said(f"{path}.allowed", _listed(old.allowed), _listed(new.allowed),
                        breaking=narrower)  # fmt: skip
    for key, narrower_if in (("min", 1), ("max", -1), ("min_length", 1), ("max_length", -1)):
        low, high = getattr(old, key), getattr(new, key)
        if low != high:
            narrower = high is not None and (low is None or (high - low) * narrower_if > 0)
            yield _said(f"{path}.{key}", low, high, breaking=narrower)


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _said(path: str, old: Any, new: Any, *, breaking: bool) -> Change:
    if old is None or old == "":
        change, message = "added", f"{path} is now {new}"
    elif new is None or new == "":
        change, message = "removed", f"{path} was {old} and is given up"
    else:
        change, message = "changed", f"{path} was {old} and is {new}"
    if breaking:
        message += ": files that were fine may not be"
    return Change(path=path, change=change, breaking=breaking, message=message, old=old, new=new)


def _events(old: Contract, new: Contract) -> Iterator[Change]:
    for step, names in old.events.steps():
        after = getattr(new.events, step)
        for name in names:
            if name not in after:
                other = new.events.step_of(name)
                message = f"event {name} is no longer {step}" + (f" but {other}" if other else "")
                yield Change(path=f"events.{step}", change="removed", breaking=True, old=name,
                             message=message)  # fmt: skip
        for name in after:
            if name not in names and old.events.step_of(name) is None:
                yield Change(path=f"events.{step}", change="added", breaking=False, new=name,
                             message=f"event {name} counts as {step}")  # fmt: skip


def _payload(old: Contract, new: Contract) -> Iterator[Change]:
    for key in type(old.payload).model_fields:
        before, after = getattr(old.payload, key), getattr(new.payload, key)
        if before != after:
            yield _said(f"payload.{key}", before, after, breaking=True)


def _schemas(old: Contract, new: Contract) -> Iterator[Change]:
    for name in sorted({*old.payloads, *new.payloads}):
        before, after = old.payloads.get(name), new.payloads.get(name)
        path = f"payloads.{name}"
        if before == after:
            continue
        if after is None:
            yield Change(path=path, change="removed", breaking=False,
                         message=f"the payload of {name} has no schema any more")  # fmt: skip
        else:
            word = "changed" if before is not None else "added"
            yield Change(path=path, change=word, breaking=True, message=f"the payload of {name} "
                         f"has a {'new' if word == 'added' else 'changed'} schema: files that were "
                         "fine may not be")  # fmt: skip


def _settings(old: Contract, new: Contract) -> Iterator[Change]:
    """Hosts, marks, pages and calendar: what is counted or expected, not what is fine."""
    for name in ("pages", "client_made_at"):
        first, second = getattr(old, name), getattr(new, name)
        if first != second:
            yield _said(name, first or None, second or None, breaking=False)
    for section in ("hosts", "internal", "calendar"):
        first = getattr(old, section).model_dump(mode="json")
        second = getattr(new, section).model_dump(mode="json")
        for key in first:
            if first[key] != second[key]:
                yield _said(f"{section}.{key}", first[key] or None, second[key] or None,
                            breaking=False)  # fmt: skip
