"""Trusted morning numbers from raw shop events."""

__all__ = ["__version__"]

__version__ = "0.1.0"
