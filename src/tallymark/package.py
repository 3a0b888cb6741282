"""What the package carries: the shipped contract, rules and lists, as text and as data."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from tallymark.errors import ConfigError

__all__ = ["COMPILED", "shipped", "shipped_tree"]

COMPILED = "shipped.json"


def shipped(name: str) -> str:
    """The text of a shipped default, such as ``contracts/events.yml``."""
    return importlib.resources.files("tallymark").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _compiled() -> Mapping[str, Any]:
    try:
        kept: Mapping[str, Any] = json.loads(shipped(COMPILED))
    except FileNotFoundError:  # a checkout in which it was not made yet
        return {}
    return kept


def shipped_tree(name: str) -> Any:
    """A shipped YAML file as plain data.

    A YAML parser in Python takes a fifth of a second for all of them, so the package carries them
    as JSON too (``shipped.json``, made by ``make docs``). What is kept there counts only while its
    text is the file's own: an edited file is parsed.
    """
    text = shipped(name)
    kept = _compiled().get(name)
    if kept is not None and kept["sha256"] == hashlib.sha256(text.encode()).hexdigest():
        return kept["tree"]
    from ruamel.yaml import YAML  # noqa: PLC0415 -- see above
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError(
            f"is not YAML: {error}", where=f"tallymark/{name}", fix="install Tallymark again"
        ) from error
