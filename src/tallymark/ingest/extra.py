"""What the rules of a shop ask of landing beyond the usual columns: more columns, more faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["NOTHING", "Asked", "Rejecting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejecting:
    """A test for rows that a rule keeps out.

    Attributes:
        rule: The id of the rule.
        reason: Why, in words, for the quarantine.
        bad: SQL over the columns of a landed row; true for a row that is kept out.
    """

    rule: str
    reason: str
    bad: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of landing one delivery.

    Attributes:
        extras: Landed columns beyond the usual ones, and the delivered column that each holds;
            None where it was not delivered.
        beside: By delivered column others that are read in rows where it is empty.
        rejecting: Tests for rows to keep out, in the order of the rules.
        light: Whether to land only what counting needs; a damaged file is landed whole.
        flags: If light, tests of rows to land as the bits of ``flags``, as SQL.
        keys: If light, what is landed as ``key_0``, ``key_1`` ...: a BIGINT or null, as SQL.
    """

    extras: Mapping[str, str | None] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rejecting: Sequence[Rejecting] = ()
    light: bool = False
    flags: Sequence[str] = ()
    keys: Sequence[str] = ()

    @property
    def reject(self) -> str | None:
        """One SQL boolean for a row that a rule keeps out; None if no rule keeps rows out."""
        tests = [f"coalesce({one.bad}, false)" for one in self.rejecting]
        return f"({' or '.join(tests)})" if tests else None

    @property
    def first(self) -> str:
        """SQL for the place in ``rejecting`` of the first test that a row fails; null for none."""
        arms = " ".join(f"when {one.bad} then {place}" for place, one in enumerate(self.rejecting))
        return f"case {arms} end" if arms else "cast(null as integer)"


NOTHING = Asked()
"""The usual columns and faults."""
