"""The event contract: what a delivery promises to be (``contracts/events.yml``)."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tallymark.config import Severity, Shop, Strict, load, place
from tallymark.errors import ConfigError

__all__ = [
    "SHIPPED",
    "UNITS",
    "Alias",
    "Calendar",
    "Column",
    "Contract",
    "EventNames",
    "Hosts",
    "InternalMarks",
    "Kind",
    "Payload",
    "Role",
    "TimeFormat",
    "Weekday",
    "bumped",
    "load_contract",
]

SHIPPED = "contracts/events.yml"

Role = Literal[
    "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent"
]
Kind = Literal[
    "identifier",
    "url",
    "timestamp",
    "name",
    "json",
    "user_agent",
    "text",
    "number",
    "integer",
    "boolean",
    "date",
]
TimeFormat = Literal[
    "epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "epoch_nanoseconds"
]
# How many of each a second has. Of the years that a shop can have no number is two of them.
UNITS: Mapping[TimeFormat, int] = {
    "epoch_seconds": 1,
    "epoch_milliseconds": 10**3,
    "epoch_microseconds": 10**6,
    "epoch_nanoseconds": 10**9,
}
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Name = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
_NUMBERS = frozenset({"number", "integer"})
_NEEDED = frozenset({"client_id", "page_url", "timestamp", "event_name"})
# What Python's regular expressions know and RE2, which reads the rows in linear time, does not.
_ESCAPES_NOT_RE2 = re.compile(r"\\[1-9ZuUN]")
_GROUPS_NOT_RE2 = re.compile(r"\(\?<?[=!]|\(\?>|\(\?\(|\(\?P=|[*+?}]\+")
_ESCAPE_OR_SET = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def _re2(pattern: str) -> str:
    """The pattern, if it is one that RE2 can read.

    Raises:
        ValueError: It is no regular expression, or uses what RE2 does not have.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"is no regular expression: {error}"
        raise ValueError(msg) from error
    whole = pattern.replace("\\\\", "")
    if _ESCAPES_NOT_RE2.search(whole) or _GROUPS_NOT_RE2.search(_ESCAPE_OR_SET.sub("x", whole)):
        msg = "uses look-around, back-references or escapes that RE2 patterns do not have"
        raise ValueError(msg)
    return pattern


class Alias(Strict):
    """Another name of a column that somebody agreed to."""

    name: Name
    since: dt.date | None = Field(
        None, description="First day delivered under this name; tells, does not restrict."
    )


class Column(Strict):
    """One column of a delivery: its name there, its role here, and the shape of its values.

    A column without a role is described for the gate alone; no table rests on it.
    """

    name: Name
    role: Role | None = Field(None, description="What the tables use the column for, if anything.")
    kind: Kind = Field(description="What a value looks like.")
    required: bool = True
    aliases: tuple[Name | Alias, ...] = Field(
        (), description="Other names that are fine too: a text, or `name` and `since` (a day)."
    )
    format: TimeFormat | tuple[TimeFormat, ...] = Field(
        (), description="Of kind timestamp: what numbers in it count since 1970, one unit or a "
        "list; texts of ISO 8601 are read in any case.",
    )  # fmt: skip
    pattern: str | None = Field(None, description="RE2 pattern that filled values match.")
    allowed: tuple[str, ...] | None = Field(None, description="The only values there may be.")
    min_length: int | None = Field(None, ge=0, description="Fewest characters of a filled value.")
    max_length: int | None = Field(None, ge=0, description="Most characters of a filled value.")
    min: Finite | None = Field(None, description="Smallest number; of kind number or integer.")
    max: Finite | None = Field(None, description="Largest number; of kind number or integer.")
    unique: bool = Field(default=False, description="Whether no filled value comes twice.")
    if_missing: Severity = Severity.P1
    why: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and every name that is fine too."""
        return (self.name, *(one if isinstance(one, str) else one.name for one in self.aliases))

    @property
    def formats(self) -> tuple[TimeFormat, ...]:
        """What numbers may be that stand for times; of each the unit."""
        return (self.format,) if isinstance(self.format, str) else self.format

    @field_validator("aliases")
    @classmethod
    def _plain_if_no_day(cls, value: tuple[str | Alias, ...]) -> tuple[str | Alias, ...]:
        return tuple(
            one.name if isinstance(one, Alias) and one.since is None else one for one in value
        )

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, value: str | None) -> str | None:
        if value is None:
            return value
        return _re2(value)

    @field_validator("allowed")
    @classmethod
    def _something_is_allowed(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            msg = "an empty list allows nothing; leave the key out to allow everything"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _limits_agree(self) -> Column:
        for low, high in (("min", "max"), ("min_length", "max_length")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                msg = f"{low} {least} is above {high} {most}"
                raise ValueError(msg)
        if self.kind not in _NUMBERS and (self.min is not None or self.max is not None):
            msg = f"min and max are for numbers; this column is of kind {self.kind}"
            raise ValueError(msg)
        if self.formats and self.kind != "timestamp":
            msg = f"format is for times; this column is of kind {self.kind}"
            raise ValueError(msg)
        return self


# These are keys of an item; the others, of the order.
_OF_AN_ITEM = frozenset({"item_id", "item_name", "quantity", "item_price"})


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
    tax: str = "tax"
    shipping: str = "shipping"
    subtotal: str = "subtotal"

    @model_validator(mode="after")
    def _each_key_once(self) -> Payload:
        seen: dict[tuple[bool, str], str] = {}
        for field in type(self).model_fields:
            if field in self.model_fields_set:
                key = getattr(self, field)
                other = seen.setdefault((field in _OF_AN_ITEM, key), field)
                if other != field and (other, field) != ("revenue", "subtotal"):
                    msg = f"the key {key!r} cannot be both {other} and {field}"
                    raise ValueError(msg)
        return self


class EventNames(Strict):
    """Names under which each step of the shop's funnel arrives."""

    page_view: tuple[str, ...] = ("page_viewed", "page_view")
    add_to_cart: tuple[str, ...] = ("product_added_to_cart", "add_to_cart")
    checkout_start: tuple[str, ...] = ("checkout_started", "begin_checkout")
    purchase: tuple[str, ...] = ("checkout_completed", "purchase")
    email: tuple[str, ...] = ("email_filled_on_popup", "email_submitted")
    refund: tuple[str, ...] = ("refund", "order_refunded")
    cancellation: tuple[str, ...] = ("order_cancelled", "order_canceled")

    @model_validator(mode="after")
    def _each_name_once(self) -> EventNames:
        seen: dict[str, str] = {}
        for step, names in self.steps():
            for name in names if step in self.model_fields_set else ():
                other = seen.setdefault(name, step)
                if other != step:
                    msg = f"the event {name!r} cannot be both {other} and {step}"
                    raise ValueError(msg)
        return self

    def steps(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each step of the funnel with the event names it arrives under."""
        for step in type(self).model_fields:
            yield step, getattr(self, step)

    def step_of(self, event_name: str) -> str | None:
        """The step that an event name stands for, or None."""
        return next((step for step, names in self.steps() if event_name in names), None)


class Hosts(Strict):
    """Hosts that are not a source of traffic; `shop` of tallymark.yml may name more."""

    own: tuple[Name, ...] = Field((), description="Further hosts of the shop itself.")
    payment: tuple[Name, ...] = Field((), description="Payment providers beyond the shipped list.")
    internal: tuple[Name, ...] = Field((), description="Staging hosts: internal traffic.")


class InternalMarks(Strict):
    """What marks an event as the shop's own staff or tests, besides the internal hosts."""

    url_parameters: tuple[Name, ...] = Field(
        (), description="Of the page's address: `name`, whatever its value, or `name=value`."
    )
    user_agents: tuple[Name, ...] = Field(
        (), description="Parts of a user agent, such as the name of a monitoring tool."
    )


# Paths of the common shop systems. A language may stand before them: /en/products/lamp.
_PAGES: dict[str, tuple[Name, ...]] = {
    "home": ("/",),
    "product": ("*/products/*", "*/product/*", "/p/*"),
    "category": ("*/collections", "*/collections/*", "*/category/*", "*/categories/*", "/c/*"),
    "cart": ("*/cart", "*/basket"),
    "checkout": ("*/checkout", "*/checkout/*", "*/checkouts/*"),
    "search": ("*/search", "*/search/*"),
    "account": ("*/account", "*/account/*", "*/login", "*/register"),
    "content": ("*/blog", "*/blog/*", "*/blogs/*", "*/pages/*"),
}


_TIME_OF_DAY = r"([01]\d|2[0-3]):[0-5]\d"


class Calendar(Strict):
    """When a day's delivery is expected; times are of the shop's time zone."""

    expected_by: str | None = Field(
        None, json_schema_extra={"pattern": f"^{_TIME_OF_DAY}$"},
        description="Time of day such as `07:30`; without it no delivery is late.",
    )  # fmt: skip

    days_after: int = Field(
        1, ge=0, le=31, description="A delivery is due this many days after the day it holds."
    )
    grace_minutes: int = Field(
        60, ge=0, le=10_080, description="A delivery this much later is not late yet."
    )
    weekdays: tuple[Weekday, ...] = Field(
        WEEK, min_length=1, description="Days of the week of which there is a delivery."
    )
    first_day: dt.date | None = Field(None, description="No day before this one is expected.")

    @field_validator("expected_by")
    @classmethod
    def _time_of_day(cls, told: str | None) -> str | None:
        if told is not None and not re.fullmatch(_TIME_OF_DAY, told):
            msg = 'is no time of day; write it as "07:30", in quotes'
            raise ValueError(msg)
        return told

    def expects(self, day: dt.date) -> bool:
        """Whether there is to be a delivery of that day."""
        first = self.first_day
        return WEEK[day.weekday()] in self.weekdays and (first is None or day >= first)


class Contract(Strict):
    """What a delivery promises to be."""

    version: Name = Field(
        "1", description="Named by every verdict; `tallymark contract alias` raises it."
    )
    columns: tuple[Column, ...]
    events: EventNames = EventNames()
    payload: Payload = Payload()
    payloads: dict[str, dict[str, Any] | str] = Field(
        {},
        description="By step or event name: the JSON Schema of the payload, or the path of a "
        ".json file with it, relative to this file.",
    )
    hosts: Hosts = Hosts()
    internal: InternalMarks = InternalMarks()
    pages: dict[Name, tuple[Name, ...]] = Field(
        _PAGES,
        description="By type of page: patterns of its path, in which `*` stands for any text. The "
        "first type with one that fits counts; other pages are `other`.",
    )
    client_made_at: str | None = Field(
        None,
        description="RE2 pattern of a client id that tells when it was made; its one group is that "
        r"time in seconds or milliseconds since 1970, as in `^GA1\.\d\.\d+\.(\d{10})$`.",
    )
    calendar: Calendar = Calendar()

    @field_validator("client_made_at")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None and re.compile(_re2(value)).groups != 1:
            msg = r"needs one group in brackets around the time, such as (\d{10})"
            raise ValueError(msg)
        return value

    @field_validator("columns")
    @classmethod
    def _each_role_once(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        roles = [str(column.role) for column in columns if column.role is not None]
        names: tuple[tuple[str, list[str]], ...] = (
            ("role", roles),
            ("name", [name for column in columns for name in column.names]),
        )
        for what, values in names:
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                msg = f"the {what} {twice[0]!r} is given twice"
                raise ValueError(msg)
        needed = _NEEDED - set(roles)
        if needed:
            msg = f"no column has the role {min(needed)!r}"
            raise ValueError(msg)
        return columns

    def by_role(self, role: str) -> Column | None:
        """The column that plays a role, or None."""
        return next((column for column in self.columns if column.role == role), None)

    def by_name(self, name: str) -> Column | None:
        """The column of a name or an alias, or None."""
        return next((column for column in self.columns if name in column.names), None)

    def schema_of(self, event_name: str) -> Mapping[str, Any] | None:
        """The JSON Schema of an event's payload: by the event's name, else by its step."""
        for key in (event_name, self.events.step_of(event_name)):
            schema = self.payloads.get(key) if key is not None else None
            if isinstance(schema, dict):
                return schema
        return None

    def merged_into(self, shop: Shop) -> Shop:
        """The shop's settings with the hosts of the contract added: the one merged view."""
        return shop.model_copy(
            update={
                "own_hosts": _joined(shop.own_hosts, self.hosts.own),
                "payment_hosts": _joined(shop.payment_hosts, self.hosts.payment),
                "internal_hosts": _joined(shop.internal_hosts, self.hosts.internal),
            }
        )


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def bumped(version: str) -> str:
    """The next version of a contract that promises nothing less than before.

    ``1`` becomes ``2``; of ``1.4`` and ``1.4.2`` the second number rises, to ``1.5`` and
    ``1.5.0``; any other text gets a number of its own, or the next: ``spring``, ``spring-2``.

    Example:
        >>> bumped("9"), bumped("1.4.2"), bumped("spring"), bumped("spring-2")
        ('10', '1.5.0', 'spring-2', 'spring-3')
    """
    if re.fullmatch(r"\d+(\.\d+)*", version):
        first, *rest = version.split(".")
        if not rest:
            return str(int(first) + 1)
        return ".".join([first, str(int(rest[0]) + 1), *("0" for _ in rest[1:])])
    numbered = re.fullmatch(r"(.+-)(\d+)", version)
    return f"{numbered[1]}{int(numbered[2]) + 1}" if numbered else f"{version}-2"


# ---------------------------------------------------------------- reading


def load_contract(path: Path | None, *, beside: Path | None = None) -> Contract:
    """Read a contract and the JSON Schemas it names; afterwards each schema is a mapping.

    Args:
        path: The file; the shipped contract if it is None or not there.
        beside: The folder its schemas' paths are relative to, if it is not the file's own.

    Raises:
        ConfigError: The contract is broken or a schema is no JSON Schema; with the place.
    """
    contract = load(Contract, path, SHIPPED)
    if path is None or not contract.payloads:
        return contract
    schemas: dict[str, dict[str, Any] | str] = {}
    for name, given in contract.payloads.items():
        file = (beside or path.parent) / given if isinstance(given, str) else path
        above = () if isinstance(given, str) else ("payloads", name)
        schema = _schema_in(file, path, name) if isinstance(given, str) else given
        _refuse_no_schema(schema, file, above)
        schemas[name] = schema
    return contract.model_copy(update={"payloads": schemas})


def _schema_in(file: Path, contract: Path, name: str) -> dict[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"payloads.{name}: {file.name} cannot be read: {error.strerror}",
            where=place(contract, "payloads", name),
            fix="mend the path, which is relative to the contract",
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"is not JSON: {error.msg}", where=f"{file}:{error.lineno}:{error.colno}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            "cannot be read as JSON", where=str(file), fix="save it as UTF-8 text, less nested"
        ) from error
    if not isinstance(schema, dict):
        raise ConfigError("a JSON Schema is needed here, as an object", where=f"{file}:1:1")
    return schema


def _refuse_no_schema(schema: dict[str, Any], file: Path, above: tuple[str, ...]) -> None:
    import jsonschema_rs  # noqa: PLC0415 -- only a contract with payload schemas needs it

    for steps, reference in _references(schema):
        if not reference.startswith("#"):
            raise ConfigError(
                f"$ref {reference!r} leads out of this schema; nothing is fetched",
                where=place(file, *above, *steps),
                fix="put what it refers to under $defs of the same schema: '#/$defs/...'",
            )
    try:
        jsonschema_rs.validator_for(schema)
    except jsonschema_rs.ValidationError as error:
        said = (str(error.message).splitlines() or ["unreadable"])[0]
        raise ConfigError(
            f"is no JSON Schema: {'.'.join(map(str, (*above, *error.instance_path)))}: {said}",
            where=place(file, *above, *error.instance_path),
            fix="see https://json-schema.org/learn for how one is written",
        ) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        said = (str(error).splitlines() or ["unreadable"])[0]
        raise ConfigError(f"is no JSON Schema: {said}", where=place(file, *above)) from None


def _references(node: object, *steps: int | str) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Every ``$ref`` of a schema, and the way to it."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield (*steps, key), value
            else:
                yield from _references(value, *steps, key)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _references(value, *steps, number)
