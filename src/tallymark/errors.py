"""What can go wrong, as one tree that can be read at a glance.

TallymarkError              anything Tallymark says instead of a traceback; exit code 2
├── UsageError              the command line asks for something that cannot be
├── ConfigError             a YAML file is broken or says something unknown (file:line:column)
├── InputError              a folder or file of deliveries cannot be read at all
├── WarehouseError          the warehouse is missing, unreadable or of another version
│   └── WarehouseBusyError  another run holds the warehouse
├── DiskFullError           there is no room left where something is to be written
├── ModelError              an SQL model cannot be parsed, ordered or run
└── ReconciliationError     the amounts do not add up, so nothing was published

Each error says what happened, where, and how to mend it, in one or two lines.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DiskFullError",
    "InputError",
    "ModelError",
    "ReconciliationError",
    "TallymarkError",
    "UsageError",
    "WarehouseBusyError",
    "WarehouseError",
]


class TallymarkError(Exception):
    """The root of the tree; catching it catches everything Tallymark raises on purpose.

    Args:
        what: What is wrong, as a sentence without a full stop.
        where: The file, file:line:column, folder or table concerned.
        fix: What to do about it, as a sentence without a full stop.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"


class UsageError(TallymarkError):
    """The command line asks for something that cannot be."""


class ConfigError(TallymarkError):
    """A YAML file is broken or says something unknown; ``where`` is file:line:column."""


class InputError(TallymarkError):
    """A folder or file of deliveries cannot be read at all."""


class WarehouseError(TallymarkError):
    """The warehouse is missing, unreadable or of another version."""


class WarehouseBusyError(WarehouseError):
    """Another run holds the warehouse; the message says which."""


class DiskFullError(TallymarkError):
    """There is no room left where something is to be written; ``where`` is the folder."""


class ModelError(TallymarkError):
    """An SQL model cannot be parsed, ordered or run; ``where`` names the file."""


class ReconciliationError(TallymarkError):
    """The amounts do not add up, so nothing was published."""
