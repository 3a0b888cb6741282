"""The parts of a contract of the Open Data Contract Standard that an import reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tallymark.config import Strict

__all__ = ["Agreement", "Custom", "Document", "Open", "Options", "Property", "Quality", "Table"]


class Open(Strict):
    """A part of the standard, of which only some keys are of use here."""

    model_config = ConfigDict(extra="allow", frozen=True, str_strip_whitespace=True)


class Custom(Open):
    """A key of somebody's own, with its value."""

    property: str
    value: Any = None


class Options(Open):
    """What a column's values keep to."""

    pattern: str | None = None
    format: str | None = None
    minLength: int | None = None  # noqa: N815 -- as the standard spells it
    maxLength: int | None = None  # noqa: N815 -- as the standard spells it
    minimum: Any = None
    maximum: Any = None
    exclusiveMinimum: Any = None  # noqa: N815 -- as the standard spells it
    exclusiveMaximum: Any = None  # noqa: N815 -- as the standard spells it


class Quality(Open):
    """A rule of quality, of a column or a table."""

    name: str | None = None
    type: str | None = None
    metric: str | None = None
    rule: str | None = None
    arguments: dict[str, Any] = Field({})
    mustBe: Any = None  # noqa: N815 -- as the standard spells it
    validValues: Any = None  # noqa: N815 -- as the standard spells it


class Property(Open):
    """A column."""

    name: str = Field(min_length=1)
    physicalName: str | None = None  # noqa: N815 -- as the standard spells it
    logicalType: str | None = None  # noqa: N815 -- as the standard spells it
    logicalTypeOptions: Options = Options()  # noqa: N815 -- as the standard spells it
    description: str | None = None
    required: bool = False
    unique: bool = False
    primaryKey: bool = False  # noqa: N815 -- as the standard spells it
    enum: tuple[dict[str, Any], ...] = ()
    quality: tuple[Quality, ...] = ()
    properties: tuple[Any, ...] = ()
    customProperties: tuple[Custom, ...] = ()  # noqa: N815 -- as the standard spells it

    @property
    def column(self) -> str:
        """What the files call it."""
        return self.physicalName or self.name


class Table(Open):
    """A table, which the standard calls an object of the schema."""

    name: str
    properties: tuple[Property, ...] = ()
    quality: tuple[Quality, ...] = ()


class Agreement(Open):
    """A service level that is promised."""

    property: str
    value: Any = None


class Document(Open):
    """A contract of the standard, version 3."""

    apiVersion: str = Field(pattern=r"^v3\.")  # noqa: N815 -- as the standard spells it
    kind: Literal["DataContract"]
    version: str = Field(min_length=1)
    tables: tuple[Table, ...] = Field((), alias="schema")
    slaProperties: tuple[Agreement, ...] = ()  # noqa: N815 -- as the standard spells it
    customProperties: tuple[Custom, ...] = ()  # noqa: N815 -- as the standard spells it
