"""What was kept out, and what people decided about it."""

from __future__ import annotations

__all__: list[str] = []
