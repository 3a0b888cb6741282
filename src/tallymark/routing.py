"""Who is told of what: the ``alerts`` part of ``tallymark.yml``.

No secret is ever written here. A channel names the environment variable that holds its address or
key, so that the file can be kept in version control and shown to anybody.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["PAGERDUTY", "Alerts", "Channel", "QuietHours", "Service"]

Service = Literal["slack", "webhook", "pagerduty", "email", "apprise"]
Level = Literal["P0", "P1", "P2"]

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
_NO_SECRET_NEEDED = frozenset({"email"})


class _Part(BaseModel):
    """A part of the configuration: frozen, and no key is let through unread."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True,
        defer_build=True,  # a model inside another one never needs a validator of its own
    )  # fmt: skip


class QuietHours(_Part):
    """When nobody is to be disturbed; a P0 is told all the same. Of the shop's time zone."""

    start: str = Field(pattern=_TIME, description="Such as `22:00`.")
    end: str = Field(pattern=_TIME, description="Such as `07:00`; may lie on the next day.")

    def hold(self, now: dt.time) -> bool:
        """Whether a time of day lies inside.

        >>> QuietHours(start="22:00", end="07:00").hold(dt.time(23, 30))
        True
        >>> QuietHours(start="22:00", end="07:00").hold(dt.time(7, 0))
        False
        """
        start, end = dt.time.fromisoformat(self.start), dt.time.fromisoformat(self.end)
        if start <= end:
            return start <= now < end
        return now >= start or now < end


class Channel(_Part):
    """One place where incidents are told."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="How reports and errors name it."
    )
    service: Service = Field(description="What kind of place it is.")
    env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the address (slack, webhook, apprise), the "
        "routing key (pagerduty) or the password (email); never the secret itself.",
    )
    severity: Level = Field("P1", description="Incidents of this severity and worse.")
    owners: tuple[str, ...] = Field(
        (), description="Only incidents of these owners; all if not given."
    )
    resolved: bool = Field(default=True, description="Whether the end of an incident is told too.")
    endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Another address of PagerDuty's Events API v2, such as that of its EU region.",
    )
    to: tuple[str, ...] = Field((), description="Addresses of an e-mail.")
    sender: str | None = Field(None, description="From whom an e-mail comes.")
    host: str | None = Field(None, description="The mail server.")
    port: int | None = Field(None, ge=1, le=65535, description="Its port; 587, 465 with `tls`.")
    user: str | None = Field(None, description="Account at the mail server, if it asks for one.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the way to the mail server is protected."
    )

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if "@" not in one or any(character.isspace() for character in one):
                msg = f"{one!r} is no e-mail address"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _complete(self) -> Channel:
        if self.env is None and self.service not in _NO_SECRET_NEEDED:
            msg = f"channel {self.name!r} needs `env`: the variable that holds its address or key"
            raise ValueError(msg)
        if self.service == "email" and not (self.to and self.sender and self.host):
            msg = f"channel {self.name!r} needs `to`, `sender` and `host`"
            raise ValueError(msg)
        if self.user is not None and self.env is None:
            msg = f"channel {self.name!r} has a `user` but no `env` for the password"
            raise ValueError(msg)
        return self


class Alerts(_Part):
    """Who is told of incidents, and how."""

    channels: tuple[Channel, ...] = Field((), description="Nobody is told without one.")
    quiet_hours: QuietHours | None = Field(
        None, description="What is not a P0 waits until they end."
    )
    timeout_seconds: float = Field(
        10.0, gt=0, le=60, description="A service that has not answered by then is tried again."
    )
    attempts: int = Field(
        3, ge=1, le=10, description="Attempts of one run; the next run goes on trying."
    )

    @field_validator("channels")
    @classmethod
    def _names_once(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        names = [one.name for one in channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"the channel name {twice[0]!r} is given twice"
            raise ValueError(msg)
        return channels
