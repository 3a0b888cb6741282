"""What a shop asks of its values: rules, made into SQL and measured."""

from __future__ import annotations

__all__: list[str] = []
