"""What a shop can set: ``tallymark.yml``, the event contract, and the rules.

Every file is optional and every key has a default. A file that says something unknown is
refused with the place it says it: ``file:line:column``, what is wrong, and the likely cure.
"""

from __future__ import annotations

import difflib
import enum
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tallymark.channel_rules import ChannelSettings
from tallymark.credit_settings import Attribution, CreditModel, Orders
from tallymark.errors import ConfigError
from tallymark.package import shipped, shipped_tree
from tallymark.routing import Alerts
from tallymark.yamltext import position, read_yaml, spoken, steps_in

__all__ = [
    "Action",
    "Attribution",
    "CheckRule",
    "CheckRules",
    "Config",
    "CreditModel",
    "Engine",
    "Exports",
    "MonitorRule",
    "MonitorRules",
    "Orders",
    "Promotion",
    "Quarantine",
    "ReportFormat",
    "Sessions",
    "Severity",
    "Shop",
    "Strict",
    "fingerprint",
    "load",
    "place",
    "replaced",
]

Share = Annotated[float, Field(ge=0, le=1)]
_UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


def _size(text: str) -> int:
    """A size such as 1.5GB as a number of bytes."""
    number, unit = re.findall(r"([\d.]+)\s?(\w+)", text)[0]
    return int(float(number) * _UNITS[unit])


class Severity(enum.StrEnum):
    """How bad: P0 and P1 are errors, P2 a warning, P3 information."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @property
    def is_error(self) -> bool:
        """Whether the finding turns the status RED."""
        return self in {Severity.P0, Severity.P1}


class Strict(BaseModel):
    """A part of a configuration file: frozen, and no key is let through unread."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True,
        defer_build=True,  # a model inside another one never needs a validator of its own
    )  # fmt: skip


# ---------------------------------------------------------------- tallymark.yml


class Shop(Strict):
    """Who the shop is and what counts as its own ground."""

    name: str = Field("Shop", description="Printed on the executive summary.")
    currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="Of revenue whose payload names none; ISO 4217."
    )
    timezone: str = Field("UTC", description="Reporting time zone of dates in gold tables.")
    own_hosts: tuple[str, ...] = Field(
        (), description="Further hosts of the shop; the host of each row's own page counts anyway."
    )
    payment_hosts: tuple[str, ...] = Field(
        (), description="Payment providers beyond the shipped list; never a traffic source."
    )
    internal_hosts: tuple[str, ...] = Field((), description="Staging hosts: internal traffic.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            # A zone that is whatever the machine's is: other days elsewhere, and no SQL knows it.
            ZoneInfo("" if value in {"localtime", "posixrules"} else value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            msg = f"{value!r} is no IANA time zone, such as UTC or Europe/Berlin"
            raise ValueError(msg) from error
        return value


class Sessions(Strict):
    """How events become sessions."""

    gap_minutes: int = Field(
        30, ge=1, le=1440, description="More minutes of silence than this start a new session."
    )
    break_at_midnight: bool = Field(
        default=False, description="Whether a session also ends at midnight, in the shop's time."
    )
    break_on_campaign: bool = Field(
        default=False,
        description="Whether other UTM tags or another click id than the client's last ones also "
        "start a new session.",
    )
    cap_hours: int | None = Field(
        None, ge=1, le=8760, description="A session is cut every so many hours; never if not given."
    )
    runaway_events: int = Field(
        1000, ge=2, description="A session of more events is reported as a runaway session."
    )
    runaway_hours: int = Field(
        12, ge=1, le=8760, description="So is one that lasts longer, whatever it holds."
    )


class Engine(Strict):
    """Limits of the embedded engine."""

    memory_limit: str | None = Field(
        None,
        pattern=r"^\d+(\.\d+)?\s?(MB|GB|MiB|GiB)$",
        description="Such as 500MB; the rest spills to disk. Else half a gigabyte a thread.",
    )
    threads: int | None = Field(None, ge=1, le=256, description="One a core if not given.")
    max_unpacked: str = Field(
        "50GB",
        pattern=r"^\d{1,12}(\.\d{1,3})?\s?(MB|GB|MiB|GiB)$",
        description="A compressed delivery that unpacks to more than this is refused.",
    )

    @property
    def unpacked_bytes(self) -> int:
        """``max_unpacked`` as a number of bytes."""
        return _size(self.max_unpacked)


ReportFormat = Literal["md", "json", "csv", "junit", "sarif"]


class Quarantine(Strict):
    """What is kept of deliveries that were refused whole."""

    keep_files_up_to: str = Field(
        "256MB",
        pattern=r"^\d{1,12}(\.\d{1,3})?\s?(MB|GB|MiB|GiB)$",
        description="A refused delivery up to this size is copied into quarantine/files.",
    )

    @property
    def keep_bytes(self) -> int:
        """The size as a number of bytes."""
        return _size(self.keep_files_up_to)


class Exports(Strict):
    """What a run writes for other tools."""

    prometheus: str | None = Field(None, min_length=1, description="Textfile of metrics.")


class Config(Strict):
    """``tallymark.yml``: all keys optional."""

    version: Literal[1] = Field(1, description="Of the form of this file.")
    input: str | None = Field(None, description="Folder or pattern of the deliveries.")
    contract: str = Field("contracts/events.yml", description="The event contract.")
    check_rules: str = Field("rules/check.yml", description="The rules of the gate.")
    monitor_rules: str = Field("rules/monitor.yml", description="The rules of the watch.")
    on_rename: Literal["adopt", "stop"] = Field(
        "adopt", description="Read an unambiguously renamed column, or refuse the delivery."
    )
    export: Literal["none", "csv", "parquet"] = Field(
        "csv", description="Format of fct_sessions, fct_orders and fct_attribution beside the data."
    )
    reports: tuple[ReportFormat, ...] = Field(
        ("md", "json", "csv"), description="Forms of dq_report; the first three are always written."
    )
    generations: int = Field(5, ge=1, le=100, description="Catalogs kept for going back.")
    shop: Shop = Field(Shop(), description="Who the shop is and what counts as its own ground.")
    sessions: Sessions = Field(Sessions(), description="How events become sessions.")
    channels: ChannelSettings = Field(ChannelSettings(), description="The shop's own channels.")
    attribution: Attribution = Field(Attribution(), description="Which touches may take credit.")
    orders: Orders = Field(Orders(), description="What of an order is revenue, and its currency.")
    engine: Engine = Field(Engine(), description="Limits of the embedded engine.")
    publish: Literal["flag", "withhold"] = Field(
        "flag",
        description="What `run` does with the tables of a day with an open P0 or P1: publish, flag "
        "and snapshot them; or put them into quarantine and leave the last good ones in place.",
    )
    alerts: Alerts = Field(Alerts(), description="Who is told of incidents, and how.")
    quarantine: Quarantine = Field(
        Quarantine(), description="What is kept of deliveries that were refused whole."
    )
    exports: Exports = Field(Exports(), description="What a run writes for other tools.")


# ---------------------------------------------------------------- rules/check.yml

Action = Literal["stop", "quarantine_delivery", "quarantine_rows", "warn"]


class CheckRule(Strict):
    """One rule of the gate. ``check`` names what is computed; the rest says what follows."""

    id: str
    check: str
    severity: Severity
    action: Action = "warn"
    column: str | None = None
    event: str | None = None
    expression: str | None = None
    columns: tuple[str, ...] | None = Field(None, description="Columns that are a key together.")
    values: tuple[str, ...] | None = Field(None, description="The only values there may be.")
    pattern: str | None = Field(None, description="RE2 pattern that filled values match.")
    min: float | str | None = Field(None, description="Least number, length, day or time.")
    max: float | str | None = Field(None, description="Most: number, length, day or time.")
    threshold: float | None = Field(None, description="Fires above this share or count.")
    unit: Literal["share", "rows"] | None = Field(
        None, description="What `threshold` counts in checks of values: a share (default) or rows."
    )
    why: str = ""
    fix: str = ""
    owner: str | None = None
    runbook: str | None = Field(None, description="A link to what to do, printed with a finding.")
    enabled: bool = True


class CheckRules(Strict):
    """``rules/check.yml``: the gate's rules, in order."""

    version: Literal[1] = 1
    rules: tuple[CheckRule, ...]

    @field_validator("rules")
    @classmethod
    def _ids_once(cls, rules: tuple[CheckRule, ...]) -> tuple[CheckRule, ...]:
        _refuse_twice([rule.id for rule in rules])
        return rules


# ---------------------------------------------------------------- rules/monitor.yml

Direction = Literal["both", "down", "up"]


class MonitorRule(Strict):
    """One rule of the watch: a metric (and segments) judged against its own past."""

    id: str
    layer: Literal["health", "quality", "business"]
    severity: Severity
    metric: str | None = None
    segment: str = Field("all", description="'all', or a kind such as 'channel' for each of it.")
    method: Literal["deterministic", "collapse", "count", "rate", "money", "hours"] = (
        "deterministic"
    )
    direction: Direction = "both"
    min_change: float | None = Field(None, ge=0, description="Smallest relative change said.")
    min_points: Share | None = Field(None, description="Smallest change of a rate, absolute.")
    threshold: float | None = None
    rise: Annotated[float, Field(gt=0)] | None = Field(
        None, description="The relative rise from which on, beyond doubt, it is an error."
    )
    depends_on: tuple[str, ...] = Field((), description="Columns or fields the metric rests on.")
    why: str = ""
    fix: str = ""
    owner: str | None = None
    runbook: str | None = Field(None, description="A link to what to do, printed with a finding.")
    enabled: bool = True


class Promotion(Strict):
    """Days that are known to be different and must not set the baseline."""

    name: str
    start: str
    end: str


class MonitorRules(Strict):
    """``rules/monitor.yml``: what is watched, and how many false alarms a year are accepted."""

    version: Literal[1] = 1
    false_alarms_per_year: Annotated[float, Field(gt=0, le=365)] = 2.0
    baseline_days: Annotated[int, Field(ge=7, le=730)] = 56
    learning_days: Annotated[int, Field(ge=2, le=28)] = 3
    detector: Literal["predictive", "z"] = Field(
        "predictive", description="`z` is the plain rule: standard deviations and per cent."
    )
    z_score: Annotated[float, Field(ge=1, le=20)] = 3.0
    z_change: Annotated[float, Field(ge=0, le=10)] = 0.2
    z_days: Annotated[int, Field(ge=3, le=365)] = 14
    promotions: tuple[Promotion, ...] = ()
    rules: tuple[MonitorRule, ...]

    @field_validator("rules")
    @classmethod
    def _ids_once(cls, rules: tuple[MonitorRule, ...]) -> tuple[MonitorRule, ...]:
        _refuse_twice([rule.id for rule in rules])
        return rules


def _refuse_twice(ids: list[str]) -> None:
    twice = sorted({value for value in ids if ids.count(value) > 1})
    if twice:
        msg = f"the rule id {twice[0]!r} is given twice"
        raise ValueError(msg)


# ---------------------------------------------------------------- reading

Model = TypeVar("Model", bound=Strict)
# What is wrong, where the validator says it for programmers.
_PLAIN = {
    "missing": "is required",
    "model_type": "keys and values are needed here, such as `name: value`",
    "tuple_type": "a list is needed here, such as [one, two]",
    "string_type": "a text is needed here; quote it if it looks like something else",
}


def load(model: type[Model], path: Path | None, default: str | None = None) -> Model:
    """Read a YAML file into ``model``.

    Args:
        model: The pydantic model of the file.
        path: The file; ``None`` or a file that is not there means the default.
        default: The shipped default to use then; ``None`` means the model's own defaults.

    Raises:
        ConfigError: With file:line:column, for broken YAML, unknown keys and wrong values.
    """
    if path is not None and path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot be read: {error}", where=str(path), fix="save it as UTF-8 text"
            ) from error
        return _parse(model, text, str(path))
    if default is None:
        return model()
    try:
        return model.model_validate(shipped_tree(default))
    except ValidationError:  # say where
        return _parse(model, shipped(default), f"tallymark/{default}")


def replaced(settings: Config, changes: Mapping[str, Any]) -> Config:
    """The settings with some top-level keys replaced, held to what a file is held to.

    Raises:
        ConfigError: A key is unknown, or a value is wrong.

    Example:
        >>> replaced(Config(), {"export": "parquet"}).export
        'parquet'
    """
    try:
        given = Config.model_validate(dict(changes))
    except ValidationError as error:
        found = _located(error, Config, dict(changes), "")
        raise ConfigError(found.what, where="Project.open", fix=found.fix) from None
    return settings.model_copy(update={name: getattr(given, name) for name in changes})


def _parse(model: type[Model], text: str, name: str) -> Model:
    tree, plain = read_yaml(text, name)
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        raise _located(error, model, tree, name) from None


def place(path: Path, *steps: int | str) -> str:
    """Where something stands in a YAML file, as file:line:column; the file alone if it is gone.

    Args:
        path: The file, which has been read before.
        steps: The keys and places in lists that lead to it.
    """
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 -- only an error needs it

    try:
        tree = _placed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError):
        return str(path)
    return "{}:{}:{}".format(path, *position(tree, steps))


@functools.lru_cache(maxsize=2)
def _placed(text: str) -> Any:
    """A file with its places, parsed once: who asks for one of many columns asks for all."""
    from ruamel.yaml import YAML  # noqa: PLC0415 -- only an error needs it

    return YAML(typ="rt").load(text)


def _located(error: ValidationError, model: type[BaseModel], tree: Any, name: str) -> ConfigError:
    # A key that is mistyped is missing too; the mistyped one says where.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    steps = steps_in(first["loc"], tree)
    line, column = position(tree, steps)
    path = spoken(tree, steps)
    where = f"{name}:{line}:{column}"
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, steps[:-1])
        word = str(first["loc"][-1])
        close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
        fix = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return ConfigError(f"unknown key {word!r}", where=where, fix=fix)
    message = _PLAIN.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "should be", 1)
    fix = getattr((first.get("ctx") or {}).get("error"), "fix", "")  # of what may be a secret
    bare = fix or isinstance(first["input"], (dict, list, tuple))
    shown = "" if bare else f" (got {first['input']!r})"
    return ConfigError(f"{path or 'the file'}: {message}{shown}", where=where, fix=fix)


def _keys_at(model: type[BaseModel], steps: tuple[int | str, ...]) -> list[str]:
    """The keys allowed where an error points: follow the location through the model's schema."""
    schema: Any = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for step in steps:
        while "$ref" in schema or "allOf" in schema:
            reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
            schema = definitions[reference.rsplit("/", 1)[1]]
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(step, {})
        # Of several forms, the one that has keys.
        schema = next((one for one in schema.get("anyOf", ()) if "$ref" in one), schema)
    while "$ref" in schema or "allOf" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        schema = definitions[reference.rsplit("/", 1)[1]]
    return sorted(schema.get("properties", {}))


def fingerprint(*parts: BaseModel | str) -> str:
    """A short hash of settings: equal settings, equal hash; 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        text = part if isinstance(part, str) else json.dumps(part.model_dump(mode="json"))
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
