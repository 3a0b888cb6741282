"""The event contract: what a delivery promises to be (``contracts/events.yml``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tallymark.config import Severity, Strict

__all__ = ["Column", "Contract", "EventNames", "Kind", "Payload", "Role"]

Role = Literal[
    "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent"
]
Kind = Literal["identifier", "url", "timestamp", "name", "json", "user_agent", "text"]


class Column(Strict):
    """One column of a delivery: its name there, its role here, and the shape of its values."""

    name: str
    role: Role
    kind: Kind
    required: bool = True
    aliases: tuple[str, ...] = ()
    pattern: str | None = Field(None, description="RE2 pattern that filled values match.")
    if_missing: Severity = Severity.P1
    why: str = ""


class Payload(Strict):
    """Where the payload of a purchase keeps what the tables need (keys of a JSON object)."""

    transaction_id: str = "transaction_id"
    revenue: str = "revenue"
    currency: str = "currency"
    email: str = "user_email"
    items: str = "items"
    item_id: str = "item_id"
    item_name: str = "item_name"
    quantity: str = "quantity"
    item_price: str = "item_price"


class EventNames(Strict):
    """Names under which each step of the shop's funnel arrives."""

    page_view: tuple[str, ...] = ("page_viewed", "page_view")
    add_to_cart: tuple[str, ...] = ("product_added_to_cart", "add_to_cart")
    checkout_start: tuple[str, ...] = ("checkout_started", "begin_checkout")
    purchase: tuple[str, ...] = ("checkout_completed", "purchase")
    email: tuple[str, ...] = ("email_filled_on_popup", "email_submitted")


class Contract(Strict):
    """What a delivery promises to be."""

    version: str = "1"
    columns: tuple[Column, ...]
    events: EventNames = EventNames()
    payload: Payload = Payload()

    @field_validator("columns")
    @classmethod
    def _each_role_once(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        names: tuple[tuple[str, list[str]], ...] = (
            ("role", [str(c.role) for c in columns]),
            ("name", [n for c in columns for n in (c.name, *c.aliases)]),
        )
        for what, values in names:
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                msg = f"the {what} {twice[0]!r} is given twice"
                raise ValueError(msg)
        needed = {"client_id", "page_url", "timestamp", "event_name"} - {c.role for c in columns}
        if needed:
            msg = f"no column has the role {min(needed)!r}"
            raise ValueError(msg)
        return columns

    def by_role(self, role: str) -> Column | None:
        """The column that plays a role, or None."""
        return next((column for column in self.columns if column.role == role), None)
