"""Trusted morning numbers from raw shop events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallymark.version import __version__

if TYPE_CHECKING:
    from tallymark.project import Project

__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> object:
    """``Project``, loaded by whoever asks for it: ``import tallymark`` itself loads nothing."""
    if name == "Project":
        from tallymark.project import Project  # noqa: PLC0415 -- see above

        return Project
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
