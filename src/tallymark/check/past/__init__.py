"""One delivery against those before it."""

from __future__ import annotations

__all__: list[str] = []
