"""Who is told of what: the ``alerts`` part of ``tallymark.yml``.

No secret is ever written here. A channel names the environment variable that holds its address or
key, so that the file can be kept in version control and shown to anybody.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

__all__ = ["PAGERDUTY", "Alerts", "Channel", "QuietHours", "Service", "WithheldError"]

Service = Literal["slack", "webhook", "pagerduty", "email", "apprise"]
Level = Literal["P0", "P1", "P2"]

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
_NO_SECRET_NEEDED = frozenset({"email"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of an environment variable
_A_KEY = re.compile(r"(?=.*\d)[A-Za-z0-9]{20,}")  # a routing key rather than a variable's name
_ADDRESSES = frozenset({"endpoint"})  # fields where an address belongs, as it is no secret
_SECRETS = frozenset({"address", "key", "password", "routing_key", "secret", "token", "url",
                      "webhook", "webhook_url"})  # fmt: skip
_INSTEAD = "put the value into an environment variable, and that variable's name after `env:`"


class WithheldError(ValueError):
    """A complaint that does not say the value, which may be a secret.

    Args:
        what: What is wrong.
        fix: What to do about it.
    """

    def __init__(self, what: str, fix: str = _INSTEAD) -> None:
        self.fix = fix
        super().__init__(what)


class _Part(BaseModel):
    """A part of the configuration: frozen, and no key is let through unread."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True,
        hide_input_in_errors=True,  # it may be a secret
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

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, given: Any) -> Any:
        if not isinstance(given, (dict, Channel)):
            raise WithheldError(
                "a channel has a `name`, a `service` and more; this is a single value"
            )
        for key in given if isinstance(given, dict) else ():
            if str(key).lower() in _SECRETS:
                msg = f"`{key}` is no key of a channel: no address, key or password belongs here"
                raise WithheldError(msg)
        return given

    @field_validator("*", mode="before")
    @classmethod
    def _no_address(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name == "env" and value is not None:
            text = str(value).strip()
            if not _NAME.fullmatch(text) or _A_KEY.fullmatch(text):
                raise WithheldError(
                    "this must be the name of an environment variable, not the secret"
                )
        elif info.field_name not in _ADDRESSES and "://" in str(value):
            raise WithheldError(
                f"`{info.field_name}` is no address, and an address may be a secret"
            )
        return value

    @field_validator("service", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        known = get_args(Service)
        close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        if close and close[0] != value:
            raise WithheldError(
                f"should be one of {', '.join(known)}", f"did you mean {close[0]!r}?"
            )
        return value

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
        10.0, gt=0, le=60, description="How long a service may take to answer."
    )
    attempts: int = Field(
        3, ge=1, le=10, description="Attempts of one run; the next run goes on trying."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_single_value(cls, given: Any) -> Any:
        channels = given.get("channels") if isinstance(given, dict) else given
        if channels is not None and not isinstance(channels, (list, tuple, Alerts)):
            raise WithheldError("alerts have `channels`, a list; this is a single value")
        return given

    @field_validator("channels")
    @classmethod
    def _names_once(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        names = [one.name for one in channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"the channel name {twice[0]!r} is given twice"
            raise ValueError(msg)
        return channels
