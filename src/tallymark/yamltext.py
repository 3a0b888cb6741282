"""YAML read and written: what a file says as plain data, and plain data as text; places in words.

Read: anchors may repeat what is written once, but a file of a few lines cannot become a million
values, nor nest deeper than can be followed. Written: blocks, one key a line. A text stands bare
where every reader of YAML takes it for a text, else in double quotes with all that is not
printable escaped, so that what is read is what was written, to the character.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from tallymark.errors import ConfigError

__all__ = ["position", "read_yaml", "spoken", "steps_in", "yaml_text"]

# Bare words: no number, no date, no sign that means something; never what YAML 1.1 or 1.2 reads
# as true, false or nothing.
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ ./-][A-Za-z0-9_]+)*")
_MEANS_MORE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_INDENT = "  "
_REPEATED = 100_000  # values that anchors may add to those that a file spells out


def read_yaml(text: str, name: str) -> tuple[Any, Any]:
    """What a YAML file says: once with the places of all keys, once as plain data.

    Args:
        text: The file's text.
        name: The file, for messages.

    Raises:
        ConfigError: It is no YAML, nests too deeply, or repeats itself beyond all measure.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 -- 0.1 s that `tallymark --help` must not pay
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        tree = YAML(typ="rt").load(text)
        # Without anchors there are fewer values than characters.
        return tree, _Plain(len(text) + _REPEATED).of({} if tree is None else tree)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(
            f"is not YAML: {error.problem or error.context}",
            where=f"{name}{place}",
            fix="check indentation, quotes and colons near there",
        ) from error
    except (YAMLError, ValueError) as error:
        said = (str(error).splitlines() or ["unreadable"])[0]
        at = getattr(error, "position", None)  # where a character stands that YAML forbids
        before = text[:at].split("\n") if isinstance(at, int) else []
        place = f":{len(before)}:{len(before[-1]) + 1}" if before else ""
        raise ConfigError(f"is not YAML: {said}", where=f"{name}{place}") from error
    except RecursionError:
        raise ConfigError(
            "is nested too deeply", where=name, fix="look for a bracket that is never closed"
        ) from None
    except OverflowError:
        raise ConfigError(
            "its anchors repeat each other until there are too many values", where=name,
            fix="write out what is meant, without anchors that hold anchors",
        ) from None  # fmt: skip


class _Plain:
    """Makes plain data of what the reader of YAML wraps, up to a number of values."""

    def __init__(self, most: int) -> None:
        self._left = most

    def of(self, node: Any) -> Any:
        """The data; an ``OverflowError`` if there are too many."""
        self._left -= 1
        if self._left < 0:
            raise OverflowError
        if isinstance(node, dict):
            return {str(key): self.of(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.of(value) for value in node]
        if isinstance(node, bool) or node is None:
            return node
        for plain in (str, int, float):
            if isinstance(node, plain):
                return plain(node)
        return str(node)


def yaml_text(value: Mapping[str, object]) -> str:
    """A mapping of texts, numbers, lists and mappings as YAML; same value, same bytes.

    Example:
        >>> print(yaml_text({"version": "1", "names": ["a", "no"], "none": {}}), end="")
        version: "1"
        names:
          - a
          - "no"
        none: {}
    """
    return "".join(f"{line}\n" for line in _mapping(value, "")) or "{}\n"


def _mapping(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, one in value.items():
        yield from _entry(f"{indent}{_scalar(str(key))}:", one, indent)


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, indent + _INDENT)
    elif _is_list(value) and value:
        yield head
        yield from _items(value, indent + _INDENT)
    else:
        yield f"{head} {_scalar(value)}"


def _items(values: Sequence[object], indent: str) -> Iterator[str]:
    for one in values:
        inside = indent + _INDENT
        if isinstance(one, Mapping) and one:
            lines = _mapping(one, inside)
        elif _is_list(one) and one:
            lines = _items(one, inside)
        else:
            yield f"{indent}- {_scalar(one)}"
            continue
        # The first line of what is inside stands beside the dash.
        for number, line in enumerate(lines):
            yield f"{indent}- {line[len(inside) :]}" if number == 0 else line


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _scalar(value: object) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return "[]"
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return _number(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _MEANS_MORE:
        return text
    return _quoted(text)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    # Readers of YAML 1.1 take 1e+16 for a text: it needs a point.
    mantissa, exponent, power = repr(value).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"


def _quoted(text: str) -> str:
    """In double quotes; YAML, unlike JSON, knows no pairs of surrogates."""
    # Half a pair cannot be said in UTF-8.
    whole = text.encode(errors="replace").decode()
    return "".join(
        one if one.isprintable() else f"\\U{ord(one):08x}"
        for one in json.dumps(whole, ensure_ascii=False)
    )


def spoken(tree: Any, steps: Sequence[int | str]) -> str:
    """Some steps into a tree in words: entries of a list by their id or name, if they have one.

    >>> spoken({"rules": [{"id": "one"}]}, ["rules", 0, "severity"])
    "rule 'one', severity"
    >>> spoken({"shop": {"own_hosts": [1]}}, ["shop", "own_hosts", 0])
    'shop.own_hosts, entry 1'
    """
    told: list[str] = []
    keys: list[str] = []
    node = tree
    for step in steps:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
        if isinstance(step, str):
            keys.append(step)
            continue
        names = [node.get(key) for key in ("id", "name")] if isinstance(node, dict) else []
        name = next((one for one in names if isinstance(one, str) and one), None)
        kind = keys.pop() if name and keys else ""
        told += [".".join(keys)] if keys else []
        word = kind.removesuffix("s") or "entry"
        told.append(f"{word} {name!r}" if name else f"entry {step + 1}")
        keys = []
    told += [".".join(keys)] if keys else []
    return ", ".join(told)


def position(tree: Any, steps: Sequence[int | str]) -> tuple[int, int]:
    """Line and column, from 1, of the last of some steps that can be found in a parsed file."""
    line, column = 1, 1
    node: Any = tree
    for step in steps:
        try:
            mark = node.lc
            found = mark.key(step) if isinstance(node, dict) else mark.item(step)
            line, column = found[0] + 1, found[1] + 1
            node = node[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line, column


def steps_in(location: Sequence[int | str], tree: Any) -> tuple[int | str, ...]:
    """The steps of a location that are in the file: the validator adds the names of choices."""
    steps: list[int | str] = []
    node = tree
    for number, step in enumerate(location, start=1):
        if isinstance(node, dict) and (step in node or number == len(location)):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            continue
        steps.append(step)
    return tuple(steps)
