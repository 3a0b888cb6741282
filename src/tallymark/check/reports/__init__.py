"""What the gate found, for people and programs."""

from __future__ import annotations

__all__: list[str] = []
