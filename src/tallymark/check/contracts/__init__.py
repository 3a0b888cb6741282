"""Contracts: learnt from files, exchanged, compared, and changed."""

from __future__ import annotations

__all__: list[str] = []
