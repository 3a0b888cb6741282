"""The SQL of what is told from URLs: their parts, campaign tags, click ids, partners and hosts.

It is worked out where somebody asks for it: a query that does not pays nothing, and most do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tallymark.classify.clicks import CLICK_IDS, PARTNERS
from tallymark.engine.base import literal

__all__ = [
    "BARE_URL",
    "QUERY",
    "UTM",
    "absolute",
    "case",
    "host_of",
    "landed_urls",
    "landing_parts",
    "one_visit",
    "page_type",
]

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_RAW = ", ".join(f"raw_{name}" for name in UTM)
_SCHEME = "^[^/?#]*://"
_AUTHORITY = "(?:[^/?#]*@)?([^/?#@:]*)"
_AFTER = "substr(page_url, strpos(page_url, '?') + 1)"
QUERY = (
    f"(case when not contains(page_url, '?') then null when contains(page_url, '#') "
    f"then split_part({_AFTER}, '#', 1) else {_AFTER} end)"
)
_BEFORE = "string_split(page_url, '?')[1]"
BARE_URL = (
    f"(case when contains(page_url, '#') then string_split({_BEFORE}, '#')[1] else {_BEFORE} end)"
)
_PAGE_PATH = (
    f"case when regexp_matches(bare_url, '{_SCHEME}') then case "
    "when strpos(substr(bare_url, strpos(bare_url, '://') + 3), '/') > 0 "
    "then substr(bare_url, strpos(bare_url, '://') + 2 "
    "+ strpos(substr(bare_url, strpos(bare_url, '://') + 3), '/')) else '/' end "
    "when starts_with(bare_url, '/') then bare_url end"
)


def case(branches: Sequence[tuple[str, str]], otherwise: str = "null") -> str:
    """SQL that picks the value of the first of the (condition, value) branches that holds."""
    arms = " ".join(f"when {when} then {then}" for when, then in branches)
    return f"case {arms} else {otherwise} end" if arms else otherwise


def absolute(url: str) -> str:
    """Whether a text is an absolute URL; one inside a relative URL makes none."""
    # Nearly every URL of a shop begins like this, and then it is told at once.
    return f"(starts_with({url}, 'https://') or regexp_matches({url}, '{_SCHEME}'))"


def host_of(url: str) -> str:
    """The lower-case host of an absolute URL, without its user and port; null without a host."""
    # One pattern and no condition: so DuckDB asks it once of each value of a dictionary.
    return f"nullif(lower(regexp_extract({url}, '{_SCHEME}{_AUTHORITY}', 1)), '')"


def _tag(name: str) -> str:
    """The first value of a campaign tag as it was delivered; null where absent or empty."""
    # Asking every row is cheaper than asking which rows to ask.
    return f"nullif(split_part(split_part(query, '&{name}=', 2), '&', 1), '')"


def _decoded(raw: str) -> str:
    """A raw value decoded where it can be; most need no decoding at all."""
    decoded = f"coalesce(try(url_decode(replace({raw}, '+', ' '))), {raw})"
    coded = f"contains({raw}, '%') or contains({raw}, '+')"
    return f"case when {coded} then nullif(trim({decoded}), '') else {raw} end"


def _known(names: Mapping[str, str], listed: str) -> str:
    """What the listed parameters stand for; of several the first in the table decides."""
    exact = case(
        [
            (f"list_contains({listed}, {literal(name)})", literal(value))
            for name, value in names.items()
        ]
    )
    one = f"{listed}[1]" if all(name == value for name, value in names.items()) else exact
    return f"case when len({listed}) = 1 then {one} when len({listed}) > 1 then {exact} end"


def _filled(names: Iterable[str], *, rarely: bool) -> str:
    """Which of some parameters have a value, as a list; null or empty where none has.

    Args:
        names: The parameters.
        rarely: Whether few rows have any: then it is cheaper to ask first.
    """
    pattern = literal(f"&({'|'.join(re.escape(name) for name in names)})=[^&]")
    found = f"regexp_extract_all(query, {pattern}, 1)"
    return f"case when regexp_matches(query, {pattern}) then {found} end" if rarely else found


def landing_parts(source: str, kept: str, tags: Sequence[str] = UTM[:3]) -> str:
    """SQL that adds tags, click id, partner and referrer host to rows with their URLs.

    Texts are searched in the query string; only what is found there becomes short lists.

    Args:
        source: A relation with ``page_url`` and ``referrer``.
        kept: The select list of columns to keep.
        tags: Which of the campaign tags.
    """
    host = f"{host_of('referrer')} as referrer_host"
    values = ", ".join(f"{_tag(name)} as raw_{name}" for name in tags)
    decoded = ", ".join(f"{_decoded(f'raw_{name}')} as {name}" for name in tags)
    clicks = {name: name for name in CLICK_IDS}
    return (
        f"select {kept}, {decoded}, {_known(clicks, 'clicks')} as click_id_kind, "
        f"{_known(PARTNERS, 'partners')} as partner, {host} from ("
        f"select *, {values}, {_filled(clicks, rarely=False)} as clicks, "
        f"{_filled(PARTNERS, rarely=True)} as partners from ("
        f"select *, '&' || {QUERY} as query from {source}))"
    )


def landed_urls(landed: str = "landed", pages: Mapping[str, Sequence[str]] | None = None) -> str:
    """SQL that adds the parts of their URLs to landed rows.

    A view of its own: binding it takes longer than most queries that do not need it.

    Args:
        landed: A relation as :func:`landed_view` makes it.
        pages: Patterns of paths by type of page; the first type that has one that fits counts.
    """
    return (
        f"select *, {page_type(pages or {})} as page_type from ("
        + landing_parts(
            f"(select *, {BARE_URL} as bare_url from {landed})",
            f"* exclude (query, {_RAW}, clicks, partners), {_PAGE_PATH} as page_path",
            UTM,
        )
        + ")"
    )


def one_visit(pages: Mapping[str, Sequence[str]]) -> str:
    """SQL that tells of one page (``$url``) and referrer (``$referrer``) what a build would."""
    page = (
        "(select cast($url as varchar) as page_url, cast($referrer as varchar) as referrer, "
        f"{BARE_URL} as bare_url from (select cast($url as varchar) as page_url))"
    )
    kept = f"bare_url, {_PAGE_PATH} as page_path, {host_of('page_url')} as page_host"
    return f"select *, {page_type(pages)} as page_type from ({landing_parts(page, kept, UTM)})"


def page_type(pages: Mapping[str, Sequence[str]], path: str = "page_path") -> str:
    """SQL that tells the type of a page from its path, capitals and a last slash aside.

    Args:
        pages: Patterns by type, in which ``*`` stands for any text.
        path: The SQL expression of the path.
    """
    bare = f"lower(case when {path} = '/' then '/' else rtrim({path}, '/') end)"
    branches = []
    for name, patterns in pages.items():
        fits = " or ".join(f"{bare} like {literal(_like(one))} escape '!'" for one in patterns)
        if fits:
            branches.append((fits, literal(name)))
    return case([(f"{path} is null", "cast(null as varchar)"), *branches], "'other'")


def _like(pattern: str) -> str:
    """A pattern with ``*`` as one of SQL, where ``%`` and ``_`` stand for something too."""
    lower = pattern.lower()
    bare = lower.rstrip("/") or lower
    return re.sub(r"([!%_])", r"!\1", bare).replace("*", "%")
