"""The rules of channels as SQL: what Python decides for each landing, said in one select.

The lists become seed tables, the ordered rules one ``case``; both are written from the very data
that Python reads, so that a rule that is changed is changed in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tallymark.build.staging_sql import like_pattern
from tallymark.channel_rules import ChannelRule
from tallymark.classify.channels import Channels, Landing
from tallymark.classify.clicks import CLICK_IDS
from tallymark.classify.hosts import GENERIC, WILDCARD, load_payment_hosts
from tallymark.classify.own import OWN
from tallymark.classify.shipped import document, table
from tallymark.config import Config
from tallymark.engine.base import literal

__all__ = ["channel_seeds", "traffic_parameters"]

Rows = list[tuple[str | int, ...]]


# ---------------------------------------------------------------- lists as tables


def channel_seeds(config: Config) -> dict[str, tuple[tuple[str, ...], Rows]]:
    """The lists as tables: name to columns and rows.

    ``is_open`` says that an entry holds under every country ending, as ``google.*`` does;
    ``turn`` that the shop's own (0) is asked before ours (1).
    """
    endings = document("public_suffixes")
    return {
        "seed_sources": (("entry", "is_open", "kind", "name", "turn"), _sources(config)),
        "seed_returns": (("entry", "is_open"), _entries(_returns(config))),
        "seed_endings": (
            ("ending", "kind"),
            [(one, kind) for kind in ("country", "hosting") for one in str(endings[kind]).split()],
        ),
        "seed_clicks": (("name", "source", "medium", "source_kind", "channel"), _clicks()),
        "seed_platforms": (("platform", "entry", "is_open"), _platforms()),
    }


def _entries(words: Iterable[str]) -> Rows:
    return [(word.removesuffix(WILDCARD), "y" if word.endswith(WILDCARD) else "n")
            for word in dict.fromkeys(one.strip().lower() for one in words)]  # fmt: skip


def _returns(config: Config) -> list[str]:
    return [*sorted(load_payment_hosts()), *config.shop.payment_hosts, *config.shop.own_hosts]


def _sources(config: Config) -> Rows:
    found: Rows = []
    shipped = [
        (kind, name, words.split())
        for kind, text in document("sources").items()
        if kind != "version"
        for name, words in table(text).items()
    ]
    own = [
        (kind, name.strip().lower(), list(words))
        for kind, named in config.channels.sources.items()
        for name, words in named.items()
    ]
    for turn, listed in enumerate((own, shipped)):
        for kind, name, words in listed:
            found += [(*entry, kind, name, turn) for entry in _entries([name, *words])]
    return found


def _clicks() -> Rows:
    channels = Channels.shipped()
    nowhere = dict.fromkeys(("utm_source", "utm_medium", "utm_campaign", "partner"))
    found: Rows = []
    for name, click in CLICK_IDS.items():
        alone = Landing(
            **nowhere, click_id=name, referrer_host=None, own=False, landing_seen=True,
            referrer_collected=True,
        )  # fmt: skip
        kind = _kind_of(click.source)
        found.append((name, click.source, click.medium, kind, channels.classify(alone).channel))
    return found


def _kind_of(word: str) -> str:
    from tallymark.classify.sources import known_sources  # noqa: PLC0415 -- reads the lists

    found = known_sources().by_tag(word)
    return found.kind if found is not None else ""


def _platforms() -> Rows:
    named = table(document("click_ids")["platforms"])
    return [(platform, *entry) for platform, words in named.items()
            for entry in _entries(words.split())]  # fmt: skip


# ---------------------------------------------------------------- rules as SQL


def _any_of(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({', '.join(literal(one) for one in values)})"


def _rule_case(source: str, kind: str, medium: str, campaign: str) -> str:
    """The id of the first shipped rule that holds for some tags; null if none does."""
    tree = document("channels")
    columns = {"source": source, "medium": medium, "campaign": campaign}
    arms = []
    for rule in tree["rules"]:
        tests = " or ".join(
            "(" + " and ".join(_condition(tree, key, wanted, columns, kind)
                               for key, wanted in when.items()) + ")"
            for when in rule["when"]
        )  # fmt: skip
        arms.append(f"when {tests} then {literal(rule['id'])}")
    return f"case {' '.join(arms)} end"


def _condition(
    tree: Mapping[str, Any], key: str, wanted: Any, columns: Mapping[str, str], kind: str
) -> str:
    values = [str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
    field, _, how = key.partition("_")
    if how == "in":
        return _any_of(kind, values)
    if how == "is":
        return _any_of(columns[field], values)
    found = " or ".join(
        f"matches({columns[field]}, {literal(tree['patterns'][one])})" for one in values
    )
    return f"({columns[field]} <> '' and ({found}))"


def _channel_case(rule: str) -> str:
    arms = [f"when {literal(one['id'])} then {literal(one['channel'])}"
            for one in document("channels")["rules"]]  # fmt: skip
    return f"case {rule} {' '.join(arms)} end"


def _referrer_case(kind: str, key: str) -> str:
    listed = document("channels")["referrers"]
    arms = [f"when {literal(one)} then {literal(row[key])}" for one, row in listed.items()]
    return f"case {kind} {' '.join(arms)} end"


def _covers(host: str, stem: str, seed: str) -> str:
    """Whether an entry of a list covers a host: it, or what stands right of a dot in it."""
    return (
        f"(({seed}.is_open = 'n' and ({host} = {seed}.entry "
        f"or ends_with({host}, concat('.', {seed}.entry)))) "
        f"or ({seed}.is_open = 'y' and {stem} <> '' and ({stem} = {seed}.entry "
        f"or ends_with({stem}, concat('.', {seed}.entry)))))"
    )


def _cleaned(column: str) -> str:
    bare = f"lower(trim(replace(replace({column}, '  ', ' '), '  ', ' ')))"
    absent = ", ".join(literal(one) for one in document("channels")["placeholders"])
    return f"case when {bare} in ({absent}) then '' else coalesce({bare}, '') end"


def _own_rules(rules: Sequence[ChannelRule]) -> str:
    """The id of the first rule of the shop that holds; null if none does."""
    arms = []
    for rule in rules:
        tests = [
            "(" + " or ".join(_reads_like(column, " ".join(one.lower().split())) for one in words)
            + ")"
            for column, words in (
                ("answered.source", rule.source), ("answered.medium", rule.medium),
                ("answered.said_campaign", rule.campaign), ("lower(answered.click)", rule.click_id),
                ("answered.partner", rule.partner),
            )
            if words
        ]  # fmt: skip
        if rule.referrer:
            hosts = " or ".join(
                f"answered.referrer = {literal(one.lower())} "
                f"or ends_with(answered.referrer, {literal(f'.{one.lower()}')})"
                for one in rule.referrer
            )
            tests.append(f"({hosts})")
        arms.append(f"when {' and '.join(tests)} then {literal(f'{OWN}{rule.id}')}")
    return f"case {' '.join(arms)} end" if arms else "cast(null as varchar)"


def _reads_like(column: str, pattern: str) -> str:
    said = f"{column} not in ('', '(direct)', '(none)', '(not set)')"
    if "*" not in pattern:
        return f"({said} and {column} = {literal(pattern)})"
    return f"({said} and matches({column}, {literal(like_pattern(pattern))}))"


def _own_channels(rules: Sequence[ChannelRule]) -> str:
    arms = [f"when {literal(f'{OWN}{one.id}')} then {literal(one.channel)}" for one in rules]
    return f"case decided.own_rule {' '.join(arms)} end" if arms else "cast(null as varchar)"


_HOST = "lower(part(part(part(part({0}, '/', 1), '?', 1), '#', 1), ':', 1))"


def traffic_parameters(config: Config) -> dict[str, str]:
    """The pieces of ``dim_traffic`` that the rules make, by their names there."""
    rules = config.channels.rules
    generic = ", ".join(literal(one) for one in sorted(GENERIC))
    return {
        "source": _cleaned("utm_source"), "medium": _cleaned("utm_medium"),
        "campaign": _cleaned("utm_campaign"), "tag_host": _HOST.format("part(source, '://', 2)"),
        "tag_bare": _HOST.format("source"), "generic": generic,
        "covers_source": _covers("stems.host", "stems.stem", "seed_sources"),
        "covers_return": _covers("stems.host", "stems.stem", "seed_returns"),
        "covers_platform": _covers("stems.host", "stems.stem", "seed_platforms"),
        "rule_tags": _rule_case("tags.source", "tags.source_kind", "tags.medium", "tags.campaign"),
        "rule_medium": _rule_case("''", "''", "tags.medium", "''"),
        "rule_click": _rule_case("tags.who", "tags.who_kind", "tags.click_medium", "tags.campaign"),
        "channel_tags": _channel_case("asked.rule_tags"),
        "channel_click": _channel_case("asked.rule_click"),
        "clicked_kind": _referrer_case("asked.referrer_kind", "channel"),
        "referrer_channel": _referrer_case("asked.referrer_kind", "channel"),
        "referrer_medium": _referrer_case("asked.referrer_kind", "medium"),
        "own_rule": _own_rules(rules), "own_channel": _own_channels(rules),
    }  # fmt: skip
