"""The pieces of the compiled staging that a contract and a configuration decide, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tallymark.build.money import TEN_THOUSANDTHS, unit_of
from tallymark.build.persons import MAX_CLIENTS_PER_EMAIL, MAX_EMAILS_PER_CLIENT
from tallymark.classify.clicks import CLICK_IDS, PARTNERS
from tallymark.classify.shipped import document, table
from tallymark.config import Config
from tallymark.contract import UNITS, Contract
from tallymark.engine.base import identifier, literal
from tallymark.engine.render import Dialect
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import ModelError
from tallymark.ingest.landing_sql import FIRST_MS, LAST_MS
from tallymark.ingest.url_sql import UTM

__all__ = [
    "AGENTS", "AGENT_COLUMNS", "agent_seed", "like_pattern", "list_seeds", "plain_name",
    "raw_name", "staging_parameters",
]  # fmt: skip

AGENTS = "seed_user_agents"
AGENT_COLUMNS = ("user_agent", "device", "browser", "os", "is_bot", "bot_name", "bot_category")
_ROLES = (
    "timestamp", "event_name", "client_id", "page_url", "referrer", "user_agent", "event_data",
)  # fmt: skip
_KEYS = (
    "transaction_id", "revenue", "currency", "email", "items", "item_id", "item_name", "quantity",
    "item_price",
)  # fmt: skip
_EXPECTED = ("transaction_id", "revenue", "email")


def staging_parameters(config: Config, contract: Contract) -> dict[str, str]:
    """What stands for ``:name`` in ``build/compiled``.

    Raises:
        ModelError: A key of the payload is no plain word, which a path into JSON needs.
    """
    names = contract.payload
    for key in _KEYS:
        if not getattr(names, key).isidentifier():
            raise ModelError(
                f"the payload's key {getattr(names, key)!r} cannot be said in SQL of every engine",
                where="contracts/events.yml", fix="compile with keys of letters, digits and _",
            )  # fmt: skip
    columns = {role: contract.by_role(role) for role in _ROLES}
    return {
        **{
            f"raw_{role}": _column(one.name) if one is not None else "cast(null as varchar)"
            for role, one in columns.items()
        },
        **{f"key_{key}": literal(getattr(names, key)) for key in _KEYS},
        "first_ms": str(FIRST_MS),
        "last_ms": str(LAST_MS),
        "iso": literal(_ISO),
        "iso_minutes": literal(_ISO_MINUTES),
        "read_ms": _read_ms(contract),
        "timezone": literal(config.shop.timezone),
        "step": _steps(contract),
        "is_marked": _marked(contract),
        "raw_tags": ",\n        ".join(f"{_tag(name)} as raw_{name}" for name in UTM),
        "utm_columns": ",\n        ".join(f"{_decoded(name)} as {name}" for name in UTM),
        "click_id_kind": _first_filled({name: name for name in CLICK_IDS}),
        "partner": _first_filled(PARTNERS),
        "page_type": _page_type(contract.pages),
        "payload_fields": _payload_fields(contract),
        "breaks": _breaks(config),
        "first_labels": _words(str(document("internal_hosts")["first_labels"]).split()),
        "max_clients": str(MAX_CLIENTS_PER_EMAIL),
        "max_customers": str(MAX_EMAILS_PER_CLIENT),
        "taken_off": _taken_off(config, contract),
        "currency_case": _currency(config),
        "amount_case": _converted(_AMOUNT, config),
        "line_case": _converted("line_amount", config),
    }


# What no engine takes for a name without quotes, or one of them does not.
_WORDS = """
account all and any array as asc at between both by case cast check collate column connect
constraint create cross cube current current_date current_time current_timestamp current_user
database default define delete desc describe distinct do drop else end enum escape except
exists extract false fetch filter following for foreign from full function grant group grouping
having if ignore ilike in increment inner insert intersect interval into is issue join lateral
leading left like limit localtime localtimestamp lookup merge minus natural new no not null
nulls of offset on only or order organization outer over partition pivot placing preceding
primary proto qualify range recursive references regexp respect revoke right rlike rollup row
rows sample schema select session_user set show some start struct summarize symmetric table
tablesample then to trailing treat trigger true try_cast unbounded union unique unknown unnest
unpivot update user using values variadic view when whenever where window with within
"""
_RESERVED = frozenset(_WORDS.split())


def plain_name(name: str) -> bool:
    """Whether a column needs no quotes in any engine; one without keeps to the engine's case."""
    return name.isascii() and name.isidentifier() and name.lower() not in _RESERVED


def raw_name(name: str, engine: Dialect) -> str:
    """A column of ``raw_events`` in an engine's SQL."""
    from sqlglot import exp  # noqa: PLC0415 -- heavy, and only compiling needs it

    return name if plain_name(name) else exp.to_identifier(name, quoted=True).sql(engine)


def _column(name: str) -> str:
    """A column as it was made: without quotes where it needs none, for engines differ in case."""
    return f"raw_events.{name if plain_name(name) else identifier(name)}"


def list_seeds(config: Config) -> dict[str, tuple[tuple[str, ...], list[tuple[str | int, ...]]]]:
    """Lists that are no rules of channels, as tables: name to columns and rows."""
    hosts = [*str(document("internal_hosts")["suffixes"]).split(), *config.shop.internal_hosts]
    tree = document("bots")
    category = {
        name.strip(): kind
        for kind, names in table(tree["categories"]).items()
        for name in names.split("|")
    }
    named = [
        (word.strip(), name, category.get(name, "other"))
        for name, words in table(tree["names"]).items()
        for word in words.split("|")
    ]
    # Behind the names: words that programs use of themselves.
    hints = [(word, "bot", "other") for word in str(tree["hints"]).split()]
    rows: list[tuple[str | int, ...]] = [
        (word, name, kind, place) for place, (word, name, kind) in enumerate([*named, *hints])
    ]
    return {
        "seed_internal_hosts": (("host",), [(one,) for one in dict.fromkeys(hosts)]),
        "seed_bots": (("word", "name", "category", "place"), rows),
    }


def agent_seed(warehouse: Path | None) -> list[tuple[object, ...]]:
    """The user agents of a warehouse as Python classified them; none without one."""
    if warehouse is None or not Warehouse(warehouse).catalog.is_file():
        return []
    engine = Warehouse(warehouse).open()
    try:
        return [
            tuple("true" if one is True else "false" if one is False else one for one in row)
            for row in engine.rows(
                f"select {', '.join(AGENT_COLUMNS)} from dim_user_agents order by user_agent"
            )
        ]
    finally:
        engine.close()


# ---------------------------------------------------------------- rows


_OFFSET = "[+-](0?[0-9]|1[0-4])(:?[0-9][0-9])?"  # no zone is farther from UTC
_ISO = (
    "^[0-9]+-[0-9]+-[0-9]+([T ][0-9]+:[0-9]+(:[0-9]+([.][0-9]*)?)?"
    f"( ?Z|{_OFFSET}| [A-Z][A-Za-z_/]+)?)?$"
)
_ISO_MINUTES = (
    f"^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9](Z|{_OFFSET})?$"
)
_CLOCK_MS = (
    "iso_ms(case when matches(clock, ':[0-9.]+[+-][0-9][0-9][0-9][0-9]$') then "
    "concat(substr(clock, 1, length(clock) - 2), ':', substr(clock, length(clock) - 1)) "
    "else clock end)"
)
_NUMBER = "'^[0-9]+([.][0-9]+)?$'"
_WHOLE = "try_whole(part(stamp, '.', 1))"
_THOUSANDTHS = "try_whole(substr(concat(part(stamp, '.', 2), '000'), 1, 3))"
_SECOND_MS = 1000


def _read_ms(contract: Contract) -> str:
    """A delivered time in milliseconds: a text, or a number of what the contract agreed to."""
    column = contract.by_role("timestamp")
    formats = column.formats if column is not None else ()
    if not formats:
        return _CLOCK_MS
    arms = []
    for name in formats:
        unit = UNITS[name]
        first, last = (ms * unit // _SECOND_MS for ms in (FIRST_MS, LAST_MS))
        finer = unit // _SECOND_MS
        ms = f"({_WHOLE} - {_WHOLE} % {finer}) // {finer}" if finer > 1 else _WHOLE
        read = f"{_WHOLE} * {_SECOND_MS} + {_THOUSANDTHS}" if unit == 1 else ms
        arms.append(f"when {_WHOLE} >= {first} and {_WHOLE} < {last} then {read}")
    return (
        f"case when matches(stamp, {_NUMBER}) then case {' '.join(arms)} end else {_CLOCK_MS} end"
    )


def _words(words: Sequence[str]) -> str:
    return ", ".join(literal(one) for one in words)


def _steps(contract: Contract) -> str:
    arms = [
        f"when placed.event_name in ({_words(names)}) then {literal(step)}"
        for step, names in contract.events.steps()
        if names
    ]
    return f"case {' '.join(arms)} else 'other' end" if arms else "'other'"


def _marked(contract: Contract) -> str:
    """Whether an event is marked as the shop's own."""
    marks = contract.internal
    tests = [f"contains(placed.user_agent, {literal(one)})" for one in marks.user_agents]
    asked = "concat('&', part(part(placed.page_url, '?', 2), '#', 1), '&')"  # the query alone
    for one in marks.url_parameters:
        words = [f"&{one}&"] if "=" in one else [f"&{one}=", f"&{one}&"]
        tests += [f"contains({asked}, {literal(word)})" for word in words]
    return f"coalesce({' or '.join(tests)}, false)" if tests else "false"


# ---------------------------------------------------------------- URLs


def _tag(name: str) -> str:
    """The first value of a tag as it was delivered; null where absent or empty."""
    return f"nullif(part(part(query, {literal(f'&{name}=')}, 2), '&', 1), '')"


def _decoded(name: str) -> str:
    """The value of a tag, decoded where it is coded; one that is not stays as it is."""
    raw = f"raw_{name}"
    return (
        f"case when contains({raw}, '%') or contains({raw}, '+') "
        f"then nullif(trim(url_decoded({raw}), ' '), '') else {raw} end"
    )


def _first_filled(names: Mapping[str, str]) -> str:
    """What the first of some parameters that has a value stands for."""
    arms = [
        f"when place(said, {literal(f'&{name}=')}) > 0 then {literal(value)}"
        for name, value in names.items()
    ]
    return f"case {' '.join(arms)} end"


def like_pattern(pattern: str) -> str:
    """A pattern in which ``*`` stands for any text, as a regular expression of every engine."""
    plain = "".join(
        ".*" if one == "*" else one if one.isalnum() or one in " -_/" else f"[{one}]"
        for one in pattern
    )
    return f"^{plain.replace('[^]', '.')}$"


def _page_type(pages: Mapping[str, Sequence[str]]) -> str:
    path = "told.page_path"
    bare = f"lower(case when {path} = '/' then '/' else rtrim({path}, '/') end)"
    arms = []
    for name, patterns in pages.items():
        fits = " or ".join(
            f"matches({bare}, {literal(like_pattern(one.lower().rstrip('/') or '/'))})"
            if "*" in one
            else f"{bare} = {literal(one.lower().rstrip('/') or '/')}"
            for one in patterns
        )
        if fits:
            arms.append(f"when {fits} then {literal(name)}")
    return (
        f"case when told.page_path is null then cast(null as varchar) {' '.join(arms)} "
        "else 'other' end"
    )


# ---------------------------------------------------------------- sessions and orders


def _breaks(config: Config) -> str:
    if not config.sessions.break_at_midnight:
        return "select event_id from landed where 1 = 0"
    return (
        "select event_id from (select landed.event_id as event_id, landed.event_date as "
        "event_date, lag(landed.event_date) over (partition by landed.client_key order by "
        "landed.event_ms nulls first, landed.delivery nulls first, landed.line_number nulls first"
        ") as before from landed left join event_repeats on landed.event_id = "
        "event_repeats.event_id where landed.rejected = 0 and landed.client_id is not null and "
        "event_repeats.event_id is null) as days where event_date <> before"
    )


def _payload_fields(contract: Contract) -> str:
    names = contract.payload
    tests = {
        getattr(names, key): f"json_field(payload, {literal(getattr(names, key))}) <> ''"
        for key in _EXPECTED
    }
    tests[names.items] = f"json_count(payload, {literal(names.items)}) > 0"
    return "\nunion all\n".join(
        f"select event_date as date, {literal(key)} as field, "
        f"count(case when {test} then 1 end) as filled, count(*) as expected "
        "from purchases group by event_date"
        for key, test in sorted(tests.items())
    )


def _taken_off(config: Config, contract: Contract) -> str:
    """What the policy takes off an amount: tax, shipping, all beyond the subtotal, or nothing."""
    names = contract.payload

    def stated(key: str) -> str:
        return f"abs(try_money(trim(json_field(payload, {literal(key)}))))"

    tax, shipping = (f"coalesce({stated(key)}, 0)" for key in (names.tax, names.shipping))
    return {
        "total": "0",
        "without_tax": tax,
        "without_shipping": shipping,
        "subtotal": f"coalesce({stated(names.revenue)} - {stated(names.subtotal)}, "
        f"{tax} + {shipping})",
    }[config.orders.revenue]


_AMOUNT = (
    "case when taken_off >= 0 and taken_off <= abs(delivered_revenue) "
    "then abs(delivered_revenue) - taken_off else abs(delivered_revenue) end"
)


def _currency(config: Config) -> str:
    rates = sorted(config.orders.currency_rates)
    ours = f"when code in ({_words(rates)}) then {literal(config.shop.currency)} " if rates else ""
    return f"case {ours}when matches(code, '^[A-Z][A-Z][A-Z]$') then code end"


def _converted(amount: str, config: Config) -> str:
    ours = config.shop.currency
    unit = Decimal(unit_of(ours)) / TEN_THOUSANDTHS
    digits = max(0, -int(unit.normalize().as_tuple().exponent))
    arms = [
        f"when code = {literal(code)} then round({amount} * {rate}, {digits})"
        for code, rate in sorted(config.orders.currency_rates.items())
        if code != ours
    ]
    found = f"case {' '.join(arms)} else {amount} end" if arms else amount
    return f"cast({found} as decimal(18, 4))"
