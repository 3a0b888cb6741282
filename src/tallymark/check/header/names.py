"""How alike the names of columns are, and which names are known to mean the same or another thing.

Usual names by role, short forms and names of other meaning are data: ``column_names.yml``,
which is read when a column is looked for and not before.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallymark.errors import ConfigError
from tallymark.package import shipped

__all__ = ["Likeness", "likeness", "name_likeness", "same_name"]

_FILE = "contracts/column_names.yml"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_VOWELS = re.compile(r"(?<=.)[aeiou]")
_LONG = 128  # characters of a name that are looked at
USUAL = 0.95  # how alike a usual name of the role is; only the same name in another style is 1
_SHORT = 0.9  # the same name with short forms written out, without its vowels, or with a filler
_NEAR = 0.85  # of how much a resemblance letter by letter is worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike a delivered name is to a column of the contract.

    Attributes:
        score: 0 to 1; 1 is the same name in another style.
        usual: Whether it is a usual name for what the column is used for.
        other: Whether it is known to mean something else.
    """

    score: float
    usual: bool = False
    other: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the data file says, in the form that is compared."""

    roles: Mapping[str, frozenset[str]]
    short_forms: Mapping[str, Sequence[str]]
    fillers: frozenset[str]
    other_names: frozenset[str]
    other_words: frozenset[str]


def _words(name: str) -> list[str]:
    return _WORD.findall(_CAMEL.sub(" ", name[:_LONG]).lower())


def same_name(first: str, second: str) -> bool:
    """Whether two names differ in style alone (snake, camel, dots, spaces).

    >>> same_name("client_id", "ClientID"), same_name("client_id", "client_ip")
    (True, False)
    """
    return "".join(_words(first)) == "".join(_words(second)) != ""


def name_likeness(old: str, new: str) -> float:
    """How alike two column names are letter by letter, 0 to 1; style does not count.

    >>> name_likeness("client_id", "clientId")
    1.0
    """
    from rapidfuzz.fuzz import ratio, token_set_ratio  # noqa: PLC0415 -- only renames need it

    first, second = " ".join(_words(old)), " ".join(_words(new))
    if first.replace(" ", "") == second.replace(" ", ""):
        return 1.0
    return float(max(ratio(first, second), _NEAR * token_set_ratio(first, second))) / 100


def likeness(names: Sequence[str], role: str | None, new: str) -> Likeness:
    """How alike a delivered name is to a column of the contract.

    Args:
        names: The column's name and aliases.
        role: What the column is used for, if anything; it says which names are usual.
        new: The delivered name.

    >>> likeness(["client_id"], "client_id", "anonymousId").usual
    True
    >>> likeness(["client_id"], "client_id", "session_id").other
    True
    """
    if any(same_name(name, new) for name in names):
        return Likeness(score=1.0)
    known = _known()
    forms = _forms(new, known)
    agreed = frozenset("".join(_words(name)) for name in names)
    usual = known.roles.get(role or "", frozenset())
    if forms[0] in usual:
        return Likeness(score=USUAL, usual=True)
    if forms[0] in known.other_names or known.other_words & set(_words(new)):
        return Likeness(score=0.0, other=True)
    if any(form in agreed for form in forms):
        return Likeness(score=_SHORT)
    bare = {_skeleton(name) for name in names}
    if _skeleton(new) in bare:
        return Likeness(score=_SHORT)
    if any(form in usual for form in forms):
        return Likeness(score=_SHORT, usual=True)
    return Likeness(score=min(_SHORT, max(name_likeness(name, new) for name in names)))


def _skeleton(name: str) -> str:
    """A name without the vowels inside its words."""
    return "".join(_VOWELS.sub("", word) for word in _words(name))


def _forms(name: str, known: _Known) -> list[str]:
    """A name as it stands, with its short forms written out, and without its fillers."""
    words = _words(name)
    spelled = [long for word in words for long in known.short_forms.get(word, (word,))]
    found = ["".join(words), "".join(spelled)]
    for some in (words, spelled):
        if some and some[0] in known.fillers:
            found.append("".join(some[1:]))
        if some and some[-1] in known.fillers:
            found.append("".join(some[:-1]))
    return [found[0], *(form for form in found[1:] if form)]


@functools.cache
def _known() -> _Known:
    from ruamel.yaml import YAML  # noqa: PLC0415 -- only renames need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        tree: dict[str, Any] = YAML(typ="safe", pure=True).load(shipped(_FILE))
        return _Known(
            roles={role: _joined(text) for role, text in tree["roles"].items()},
            short_forms={short: _words(long) for short, long in tree["short_forms"].items()},
            fillers=frozenset(tree["fillers"].split()),
            other_names=_joined(tree["other_meaning"]["names"]),
            other_words=frozenset(tree["other_meaning"]["words"].split()),
        )
    except (YAMLError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"is broken: {error}", where=f"tallymark/{_FILE}", fix="install Tallymark again"
        ) from error


def _joined(text: str) -> frozenset[str]:
    return frozenset("".join(_words(name)) for name in text.split())
