"""Times and counts by the hour, as the ledger and the reports write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

__all__ = ["HOUR_MS", "moment", "packed", "unpacked"]

HOUR_MS = 3_600_000

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 -- UTC throughout, as in the tables


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 UTC.

    >>> moment(1)
    '1970-01-01T00:00:00.001Z'
    """
    time = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    return f"{time.isoformat(timespec='milliseconds')}Z"


def packed(counts: Sequence[int | None]) -> str:
    """Counts by hour as the ledger keeps them; a missing one is a dash."""
    return " ".join("-" if one is None else str(one) for one in counts)


def unpacked(text: str) -> list[int]:
    """Counts by hour out of the ledger; a missing one is -1."""
    return [-1 if one == "-" else int(one) for one in text.split()]
