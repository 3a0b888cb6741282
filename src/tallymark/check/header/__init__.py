"""Columns: which plays which role, what shape its values have, and what changed in the header."""

from __future__ import annotations

__all__: list[str] = []
