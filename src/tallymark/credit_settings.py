"""What a shop says of its orders and of the credit for them."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tallymark.channel_rules import CHANNELS

__all__ = ["Attribution", "CreditModel", "Orders"]

CreditModel = Literal[
    "first_click", "last_click", "last_non_direct", "linear", "position_based", "time_decay"
]


class _Settings(BaseModel):
    """Frozen, and no key is let through unread."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True,
        defer_build=True,  # a model inside another one never needs a validator of its own
    )  # fmt: skip


class Attribution(_Settings):
    """Which touches may take credit, and how much each model gives them."""

    lookback_days: int = Field(
        7, ge=1, le=90, description="Touches this many times 24 hours before an order count, exact."
    )
    models: tuple[CreditModel, ...] = Field(
        get_args(CreditModel), description="Models to credit orders by; the first two are needed."
    )
    exclude_channels: tuple[str, ...] = Field(
        (), description="Channels whose sessions are no touches, such as Direct."
    )
    exclude_bots: bool = Field(default=False, description="Whether sessions of bots are none.")
    exclude_internal: bool = Field(
        default=False, description="Whether sessions of the shop's own staff are none."
    )
    max_touches: int = Field(
        20, ge=2, le=100,
        description="Of an order with more, linear, position_based and time_decay credit the first "
        "and the latest ones, this many together.",
    )  # fmt: skip
    position_first: int = Field(
        40, ge=0, le=100, description="Percent that position_based gives the first touch."
    )
    position_last: int = Field(
        40, ge=0, le=100, description="Percent for the last one; those between share the rest."
    )
    half_life_days: float = Field(
        7, ge=0.1, le=365, description="Days in which a touch loses half its weight in time_decay."
    )

    @field_validator("exclude_channels")
    @classmethod
    def _known_channels(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            if one not in CHANNELS:
                close = difflib.get_close_matches(one, CHANNELS, n=1, cutoff=0.5)
                msg = f"{one!r} is no channel" + (f"; did you mean {close[0]!r}?" if close else "")
                raise ValueError(msg)
        return given

    @field_validator("models")
    @classmethod
    def _needed_models(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        for needed in ("first_click", "last_click"):
            if needed not in models:
                msg = f"{needed} is missing: reports and the watch rest on it"
                raise ValueError(msg)
        return tuple(dict.fromkeys(models))

    @model_validator(mode="after")
    def _at_most_everything(self) -> Attribution:
        if not 0 < self.position_first + self.position_last <= 100:  # noqa: PLR2004 -- percent
            msg = "position_first and position_last are 1 to 100 percent together"
            raise ValueError(msg)
        return self


Code = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Rate = Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class Orders(_Settings):
    """What of an order is its revenue, and in which currency."""

    revenue: Literal["total", "subtotal", "without_tax", "without_shipping"] = Field(
        "total",
        description="The revenue as delivered; or the payload's subtotal, else the revenue without "
        "tax and shipping; or the revenue without one of them. Keys: `payload` of the contract.",
    )
    currency_rates: dict[Code, Rate] = Field(
        {},
        description="By currency: how much of the shop's currency one unit is worth. Needed where "
        "orders come in several.",
    )
