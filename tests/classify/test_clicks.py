from __future__ import annotations

import pytest

from tallymark.classify.clicks import CLICK_IDS, PARTNERS, same_platform

PAID = {"paid_search", "paid_social", "paid_other", "display"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gclid", "paid_search"),
        ("gbraid", "paid_search"),
        ("wbraid", "paid_search"),
        ("gad_source", "paid_search"),
        ("msclkid", "paid_search"),
        ("yclid", "paid_search"),
        ("dclid", "display"),
        ("ttclid", "paid_social"),
        ("twclid", "paid_social"),
        ("li_fat_id", "paid_social"),
        ("epik", "paid_social"),
        ("ScCid", "paid_social"),
        ("sccid", "paid_social"),
        ("rdt_cid", "paid_social"),
        ("fbclid", "organic_social"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    """Click ids of advertising are paid; Facebook marks unpaid links too."""
    assert CLICK_IDS[name].kind == kind


def test_rows_are_complete() -> None:
    """Each row has a kind we know, a source and a medium."""
    kinds = PAID | {"organic_social", "organic_search", "email"}
    for name, click in CLICK_IDS.items():
        assert click.kind in kinds, name
        assert click.source, name
        assert click.medium in {"cpc", "display", "social", "organic", "email"}, name


def test_paid_speaks_before_unpaid() -> None:
    """A page with an advertisement's click id and fbclid is the advertisement's."""
    order = list(CLICK_IDS)
    first_unpaid = min(order.index(name) for name, c in CLICK_IDS.items() if c.kind not in PAID)
    last_paid = max(order.index(name) for name, c in CLICK_IDS.items() if c.kind in PAID)
    assert last_paid < first_unpaid
    assert order[0] == "gclid"
    assert order.index("gclid") < order.index("gad_source")


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("irclickid", "impact"),
        ("irgwc", "impact"),
        ("awc", "awin"),
        ("cjevent", "cj"),
        ("ranSiteID", "rakuten"),
        ("sscid", "shareasale"),
        ("tduid", "tradedoubler"),
    ],
)
def test_partners(name: str, network: str) -> None:
    """A parameter of one network names it."""
    assert PARTNERS[name] == network


@pytest.mark.parametrize(
    "name", ["clickid", "sub1", "subid", "ref", "aid", "cid", "pid", "affid", "oid", "sfdr_ptcid"]
)
def test_ambiguous_names_name_nobody(name: str) -> None:
    """A name that shops and several tools use is no evidence of a partner."""
    assert name not in {partner.lower() for partner in PARTNERS}


def test_no_parameter_is_both() -> None:
    """Nothing is a click id and a partner's parameter at once."""
    assert not set(CLICK_IDS) & set(PARTNERS)


@pytest.mark.parametrize(
    ("name", "source", "same"),
    [
        ("gclid", "google", True),
        ("gclid", "www.google.de", True),
        ("gclid", "youtube", True),
        ("gclid", "dealsite", False),
        ("gclid", "bing", False),
        ("gclid", "notgoogle.com", False),
        ("msclkid", "microsoft", True),
        ("msclkid", "bing", True),
        ("msclkid", "google", False),
        ("fbclid", "ig", True),
        ("fbclid", "fb", True),
        ("fbclid", "instagram.com", True),
        ("fbclid", "tiktok", False),
        ("mc_eid", "spring_newsletter", True),
    ],
)
def test_same_platform(name: str, source: str, *, same: bool) -> None:
    """A source is compared with the platform that added the click id, by word or host."""
    assert same_platform(CLICK_IDS[name], source) is same
