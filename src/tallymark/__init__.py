"""Trusted morning numbers from raw shop events."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("tallymark")
