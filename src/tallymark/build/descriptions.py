"""The files beside the models: what a row is, what the columns mean, and what must hold of them."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from tallymark.config import Strict, load

__all__ = [
    "DESCRIPTIONS", "AcceptedValues", "DescribedColumn", "Description", "OwnTest", "Reference",
    "described", "shipped_description",
]  # fmt: skip

DESCRIPTIONS = "described.json"
"""What stands beside the shipped models, as JSON; ``make docs`` writes it."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class AcceptedValues(Strict):
    """The only values that a column may have; nulls are let through."""

    accepted_values: Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]


class Reference(Strict):
    """Every value of the column is a value of another table's column; nulls are let through."""

    references: str = Field(pattern=r"^[a-z][a-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")


ColumnTest = Literal["unique", "not_null"] | AcceptedValues | Reference


class DescribedColumn(Strict):
    """One column: its meaning, and what must hold of it."""

    name: Name
    description: str = ""
    tests: tuple[ColumnTest, ...] = ()


class OwnTest(Strict):
    """A query that finds rows which must not be."""

    name: Name
    sql: str
    description: str = ""


class Description(Strict):
    """The file beside a model."""

    description: str = ""
    grain: tuple[Name, ...] = Field((), description="The columns that name one row.")
    columns: tuple[DescribedColumn, ...] = ()
    tests: tuple[OwnTest, ...] = ()

    @field_validator("columns", "tests")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [one.name for one in values]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"{twice[0]!r} is given twice"
            raise ValueError(msg)
        return values


def described(path: Path) -> Description:
    """Read one file.

    Raises:
        ConfigError: It is broken or says something unknown; with file:line:column.
    """
    return load(Description, path)


@functools.cache
def _kept() -> Mapping[str, Any]:
    root = importlib.resources.files("tallymark").joinpath("models")
    kept: dict[str, Any] = json.loads(root.joinpath(DESCRIPTIONS).read_text(encoding="utf-8"))
    return kept


@functools.cache
def shipped_description(table: str) -> Description | None:
    """What stands beside a shipped model, or a table that Python makes; None for others."""
    tree = _kept().get(table)
    return None if tree is None else Description.model_validate(tree)
