"""Times that come as numbers: seconds, or smaller units, since 1970."""

from __future__ import annotations

from collections.abc import Sequence

from tallymark.contract import UNITS, Contract, TimeFormat

__all__ = ["FIRST_MS", "LAST_MS", "counted_time", "counted_times"]

# Clocks that stand still or ran away: before there was a web shop, or after this century.
FIRST_MS = 631_152_000_000  # 1990-01-01
LAST_MS = 4_102_444_800_000  # 2100-01-01
_NUMBER = r"'^[0-9]+(\.[0-9]+)?$'"  # what a spreadsheet rounded, 1.7383E+12, is no time
_MICRO, _SECOND_MS = 10**6, 10**3


def counted_time(text: str, formats: Sequence[TimeFormat]) -> str:
    """SQL that reads a text as a number of units since 1970; null where it is none of them.

    Args:
        text: The SQL expression of the text.
        formats: The units; of the years that are read no number is two of them.
    """
    number = f"try_cast({text} as decimal(28, 6))"
    arms = []
    for name in formats:
        unit = UNITS[name]
        first, last = (ms * unit // _SECOND_MS for ms in (FIRST_MS, LAST_MS))
        micros = f"cast({number} * {_MICRO // unit} as bigint)" if unit <= _MICRO else (
            f"cast(split_part({text}, '.', 1) as bigint) // {unit // _MICRO}"
        )  # fmt: skip
        arms.append(f"when {number} >= {first} and {number} < {last} "
                    f"then make_timestamp({micros})")  # fmt: skip
    read = f"case {' '.join(arms)} else cast(null as timestamp) end"
    return f"case when regexp_matches({text}, {_NUMBER}) then {read} end"


def counted_times(contract: Contract) -> tuple[str, str]:
    """Which times are surely of UTC, and the arm of a case that reads numbers, if agreed."""
    column = contract.by_role("timestamp")
    formats = column.formats if column is not None else ()
    if not formats:
        return "ends_with(stamp, 'Z')", ""
    number = f"regexp_matches(stamp, {_NUMBER})"
    arm = f"when {number} then {counted_time('stamp', formats)} "
    return f"ends_with(stamp, 'Z') or {number}", arm
