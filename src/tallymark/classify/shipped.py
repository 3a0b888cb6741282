"""Reading the data files that ship with this package."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tallymark.errors import ConfigError
from tallymark.package import shipped_tree

__all__ = ["document", "table"]


@functools.cache
def document(name: str) -> Mapping[str, Any]:
    """One shipped YAML file as plain data, read once per process.

    Args:
        name: The file's name without folder and ending, such as ``channels``.

    Raises:
        ConfigError: The file is no YAML mapping, which means a broken installation.
    """
    path = f"classify/data/{name}.yml"
    tree = shipped_tree(path)
    if not isinstance(tree, dict):
        raise ConfigError("is no mapping", where=f"tallymark/{path}", fix="install Tallymark again")
    return MappingProxyType(tree)


def table(text: str) -> dict[str, str]:
    r"""The lines ``name: value`` of a text block, in order.

    The long lists are text blocks because a YAML parser needs ten times as long for the same
    lines as nodes. The name ends at the first colon and space, so it may hold anything else.

    >>> table("google: google.* adwords\nbing: bing.*")
    {'google': 'google.* adwords', 'bing': 'bing.*'}
    """
    pairs = (line.partition(": ") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}
