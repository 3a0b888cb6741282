"""What is true of one delivery: rows, orders, traffic, money, and what shows it."""

from __future__ import annotations

__all__: list[str] = []
