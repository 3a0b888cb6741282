"""One visit explained: what a build would read from its page and referrer, and say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallymark.classify.channels import Channels, Landing
from tallymark.classify.explain import Tried, explain
from tallymark.classify.hosts import is_no_source, returns_index
from tallymark.classify.sources import sources_of
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.url_sql import UTM, one_visit

__all__ = ["Explained", "explain_visit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """How one visit is classified, and why.

    Attributes:
        channel: Its channel; of a return from an own or payment host, what holds if the client
            has no earlier one inside the look-back.
        rule: The rule that decided.
        source: Its source.
        medium: Its medium.
        campaign: Its campaign.
        inherits: Whether the client's previous channel holds.
        page: The page's host, path, page and type.
        utm: The campaign tags on the page.
        click_id: The click id on it, by its parameter.
        partner: The affiliate network that left a parameter on it.
        referrer_host: The host of the referrer; None without one or where it is no URL.
        referrer_kind: The list that host is on; ``own or payment`` where it is no source.
        source_kind: The list that the utm_source is on.
        tried: The rules that were asked, in order; the last one decided.
    """

    channel: str
    rule: str
    source: str
    medium: str
    campaign: str | None = None
    inherits: bool = False
    page: Mapping[str, str]
    utm: Mapping[str, str]
    click_id: str | None = None
    partner: str | None = None
    referrer_host: str | None = None
    referrer_kind: str | None = None
    source_kind: str | None = None
    tried: Sequence[Tried] = ()


def explain_visit(
    url: str,
    referrer: str | None,
    *,
    config: Config,
    contract: Contract,
    landing_seen: bool = True,
    referrer_collected: bool = True,
) -> Explained:
    """Explain a session that begins on a page, coming from a referrer.

    The page is read by the SQL that reads the pages of a build.

    Args:
        url: The page's address.
        referrer: The referrer's, or None.
        config: The shop's settings, its hosts merged with those of the contract.
        contract: Types of pages.
        landing_seen: Whether the session begins with a page view.
        referrer_collected: Whether the delivery had the referrer column.
    """
    engine = DuckEngine(threads=1)
    try:
        given = {"url": url.strip(), "referrer": (referrer or "").strip() or None}
        values = engine.rows(one_visit(contract.pages), given)[0]
    finally:
        engine.close()
    names = ("page", "path", "host", *UTM, "click_id", "partner", "referrer_host", "type")
    told = dict(zip(names, values, strict=True))
    shop = config.shop
    own = is_no_source(
        told["referrer_host"], told["host"], returns_index(shop.own_hosts, shop.payment_hosts)
    )
    landing = Landing(
        utm_source=told["utm_source"], utm_medium=told["utm_medium"],
        utm_campaign=told["utm_campaign"], click_id=told["click_id"], partner=told["partner"],
        referrer_host=told["referrer_host"] if referrer_collected else None, own=own,
        landing_seen=landing_seen, referrer_collected=referrer_collected,
    )  # fmt: skip
    channels = Channels.of_shop(config.channels)
    traffic = channels.classify(landing)
    known = sources_of(config.channels.sources)
    listed = known.by_host(told["referrer_host"])
    tagged = known.by_tag((told["utm_source"] or "").strip().lower())
    kind = listed.kind if listed else "unlisted" if told["referrer_host"] else None
    return Explained(
        channel=traffic.channel, rule=traffic.rule, source=traffic.source, medium=traffic.medium,
        campaign=traffic.campaign, inherits=traffic.inherits,
        page={name: told[name] for name in ("page", "host", "path", "type") if told[name]},
        utm={name: told[name] for name in UTM if told[name]},
        click_id=told["click_id"], partner=told["partner"], referrer_host=told["referrer_host"],
        referrer_kind="own or payment" if own else kind,
        source_kind=tagged.kind if tagged else "unlisted" if told["utm_source"] else None,
        tried=explain(channels, landing),
    )  # fmt: skip
