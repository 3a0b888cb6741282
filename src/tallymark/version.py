"""The version of this program: part of every judgement, so that a newer one judges again."""

__all__ = ["__version__"]

__version__ = "0.1.0"
