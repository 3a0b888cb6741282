"""When deliveries are due: warn when one is late, call it missing when the grace is over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from zoneinfo import ZoneInfo

from tallymark.contract import Calendar

__all__ = ["Due"]

_DAY = dt.timedelta(days=1)
_LOOK_BACK = 45  # days: further back than any delivery is due after its day


@dataclasses.dataclass(frozen=True, slots=True)
class Due:
    """The delivery calendar, and what time it is.

    Attributes:
        calendar: Of the contract.
        zone: The shop's time zone.
        now: The time, with a time zone; without one nothing is late.
    """

    calendar: Calendar
    zone: str = "UTC"
    now: dt.datetime | None = None

    def expects(self, day: dt.date) -> bool:
        """Whether a delivery of that day is to come at all."""
        return self.calendar.expects(day)

    def times(self, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
        """From when on the delivery of a day is late, and from when on missing; naive UTC."""
        local = dt.datetime.combine(
            day + dt.timedelta(days=self.calendar.days_after),
            dt.time.fromisoformat(self.calendar.expected_by or "00:00"),
            ZoneInfo(self.zone),
        )
        late = local.astimezone(dt.UTC).replace(tzinfo=None)
        return late, late + dt.timedelta(minutes=self.calendar.grace_minutes)

    def today(self) -> dt.date | None:
        """The shop's date now; None without a clock."""
        return None if self.now is None else self.now.astimezone(ZoneInfo(self.zone)).date()

    def missing_from(self) -> dt.date | None:
        """The newest day whose delivery counts as missing if it is not there now."""
        return self._newest(1)

    def awaited(self) -> dt.date | None:
        """The newest day whose delivery is late by now, and not missing yet; None if none is."""
        newest = self._newest(0)
        return None if newest is None or newest == self._newest(1) else newest

    def _newest(self, which: int) -> dt.date | None:
        if self.now is None or self.calendar.expected_by is None:
            return None
        now = self.now.astimezone(dt.UTC).replace(tzinfo=None)
        day = now.date() + _DAY
        for _ in range(_LOOK_BACK):
            if self.expects(day) and self.times(day)[which] < now:
                return day
            day -= _DAY
        return None
