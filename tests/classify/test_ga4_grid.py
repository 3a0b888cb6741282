"""Tags, click ids and referrers together: GA4's published text, and each difference of ours.

The reference below is written from "[GA4] Default channel group" and "[GA4] Traffic-source
dimensions" (support.google.com/analytics/answer/9756891 and /11242870) and reads none of our data.
Where we go another way on purpose, ``DIFFERENCES`` says when, what we say instead, and why.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tallymark.classify.channels import Channels, Landing

KINDS = {
    "google": "search", "bing": "search", "facebook": "social", "youtube": "video",
    "amazon": "shopping", "chatgpt": "ai", "www.google.de": "search", "l.facebook.com": "social",
    "m.youtube.com": "video", "www.ebay.co.uk": "shopping", "chatgpt.com": "ai",
    "notgoogle.de": "", "blog.example": "", "mail.google.com": "",
}  # fmt: skip
SOURCES = ["", "Google", "bing", "facebook", "YouTube", "amazon", "chatgpt", "dealsite", "sms",
           "e-mail"]  # fmt: skip
MEDIUMS = ["", "CPC", "paid-social", "organic", "email", "referral", "affiliate", "banner",
           "online-video", "ai-assistant", "mobile-push", "pmax"]  # fmt: skip
CAMPAIGNS = ["", "spring", "US | Shopping", "cross-network test"]
# What the parameter says: whose it is, and the medium it stands for.
CLICKS = {
    "": ("", ""), "gclid": ("google", "cpc"), "dclid": ("google", "display"),
    "msclkid": ("bing", "cpc"), "ttclid": ("tiktok", "cpc"), "fbclid": ("facebook", "social"),
    "mc_eid": ("mailchimp", "email"), "clickid": ("", ""),
}  # fmt: skip
GOOGLE = {"gclid", "dclid"}  # the only ones that GA4 reads
REFERRERS = ["", "www.google.de", "l.facebook.com", "m.youtube.com", "www.ebay.co.uk",
             "chatgpt.com", "mail.google.com", "notgoogle.de", "blog.example"]  # fmt: skip


class Visit(NamedTuple):
    """One cell of the grid."""

    source: str
    medium: str
    campaign: str
    click: str
    referrer: str

    @property
    def tagged(self) -> bool:
        """Whether it has a UTM source, medium or campaign."""
        return bool(self.source or self.medium or self.campaign)


def manual(source: str, medium: str, campaign: str) -> str:
    """The published table for manual traffic, read from the top; all values in lower case."""
    kind = KINDS.get(source, "")
    paid = bool(re.fullmatch(r".*cp.*|ppc|retargeting|paid.*", medium))
    shops = kind == "shopping" or bool(re.search(r"([^a-df-z]|^)shop|shopping", campaign))
    mails = {"email", "e-mail", "e_mail", "e mail"}
    rows: list[tuple[str, bool]] = [
        ("Direct", not source and not medium and not campaign),
        ("Cross-network", "cross-network" in campaign),
        ("Paid Shopping", shops and paid),
        ("Paid Search", kind == "search" and paid),
        ("Paid Social", kind == "social" and paid),
        ("Paid Video", kind == "video" and paid),
        ("Display", medium in {"display", "banner", "expandable", "interstitial", "cpm"}),
        ("Paid Other", paid),
        ("Organic Shopping", shops),
        ("Organic Social", kind == "social" or medium in {"social", "social-network", "sm"}),
        ("Organic Video", kind == "video" or "video" in medium),
        ("Organic Search", kind == "search" or medium == "organic"),
        ("AI Assistant", medium == "ai-assistant"),
        ("Referral", medium in {"referral", "app", "link"}),
        ("Email", source in mails or medium in mails),
        ("Affiliates", medium == "affiliate"),
        ("Audio", medium == "audio"),
        ("SMS", "sms" in {source, medium}),
        ("Mobile Push Notifications", medium.endswith("push") or "mobile" in medium
         or "notification" in medium or source == "firebase"),
    ]  # fmt: skip
    return next((channel for channel, holds in rows if holds), "Unassigned")


def ga4(visit: Visit) -> str:
    """What GA4 says: an advertiser's click first, then tags, then the referrer."""
    if visit.click in GOOGLE:
        source, medium = CLICKS[visit.click]
        return manual(source, medium, visit.campaign.lower())
    if visit.tagged:
        return manual(visit.source.lower(), visit.medium.lower(), visit.campaign.lower())
    if visit.referrer:
        medium = {"search": "organic", "ai": "ai-assistant"}.get(KINDS[visit.referrer], "referral")
        return manual(visit.referrer, medium, "")
    return "Direct"


def of_tags(visit: Visit) -> str:
    """What the tags alone say."""
    return manual(visit.source.lower(), visit.medium.lower(), visit.campaign.lower())


def silent(visit: Visit) -> bool:
    """Whether the medium by itself says nothing."""
    return manual("", visit.medium.lower(), "") in {"Unassigned", "Direct"}


def ours(visit: Visit) -> bool:
    """Whether the click id is that of the platform that the source names, or of a mailing tool."""
    platform = CLICKS[visit.click][0]
    same = {"google": {"google", "youtube"}, "bing": {"bing"}, "facebook": {"facebook"}}
    return bool(platform) and (
        not visit.source
        or visit.source.lower() in same.get(platform, set())
        or platform == "mailchimp"
    )


def of_click(visit: Visit) -> str:
    """What the click id says, for the source that is named if it is a known one."""
    platform, medium = CLICKS[visit.click]
    named = visit.source.lower()
    return manual(named if named in KINDS else platform, medium, visit.campaign.lower())


class Difference(NamedTuple):
    """Where we differ on purpose: when, what we say, and why."""

    applies: Callable[[Visit], bool]
    says: Callable[[Visit], str]
    why: str


KNOWN_CLICKS = {name for name, (platform, _) in CLICKS.items() if platform}
DIFFERENCES = {
    "click_id_alone": Difference(
        lambda one: not one.tagged and one.click in KNOWN_CLICKS - {"ttclid"},
        lambda one: manual(*CLICKS[one.click], ""),
        "GA4 reads Google's click ids alone; without tags every platform's decides by its kind, "
        "fbclid as Organic Social because Facebook adds it to unpaid links too",
    ),
    "tiktok_alone": Difference(
        lambda one: not one.tagged and one.click == "ttclid",
        lambda _: "Paid Social",
        "as above; TikTok is a social network",
    ),
    "silent_medium": Difference(
        lambda one: one.tagged and one.click in KNOWN_CLICKS and ours(one) and silent(one)
        and one.click != "ttclid",
        of_click,
        "where the medium says nothing, the platform's own click id knows what was paid",
    ),
    "silent_medium_tiktok": Difference(
        lambda one: one.tagged and one.click == "ttclid" and not one.source and silent(one),
        lambda one: {"Paid Other": "Paid Social"}.get(of_click(one), of_click(one)),
        "as above; TikTok is a social network",
    ),
    "assistant_without_medium": Difference(
        lambda one: one.source == "chatgpt" and of_tags(one) == "Unassigned",
        lambda _: "AI Assistant",
        "assistants tag links with a source and no medium; GA4 leaves those Unassigned",
    ),
    "tags_before_clicks": Difference(
        lambda one: one.tagged and one.click in GOOGLE,
        of_tags,
        "tags are what the shop said itself; GA4 lets an advertiser's click id overrule them",
    ),
    "mailboxes": Difference(
        lambda one: not one.tagged and one.click not in KNOWN_CLICKS
        and one.referrer == "mail.google.com",
        lambda _: "Email",
        "a mailbox in the browser is e-mail; GA4 calls it Referral",
    ),
}  # fmt: skip
GRID = [Visit(*cell) for cell in itertools.product(SOURCES, MEDIUMS, CAMPAIGNS, CLICKS, REFERRERS)]


def expected(visit: Visit) -> tuple[str, str]:
    """The first difference that applies and what it says; else GA4's answer."""
    for name, one in DIFFERENCES.items():
        if one.applies(visit):
            return name, one.says(visit)
    return "", ga4(visit)


def test_the_grid(channels: Channels) -> None:
    """Every combination has GA4's channel, or the one that a written difference says."""
    assert len(GRID) >= 5_000
    said = channels.classify_all(
        [
            Landing(
                utm_source=one.source or None, utm_medium=one.medium or None,
                utm_campaign=one.campaign or None, click_id=one.click or None, partner=None,
                referrer_host=one.referrer or None, own=False, landing_seen=True,
                referrer_collected=True,
            )
            for one in GRID
        ]
    )  # fmt: skip
    wrong = Counter(
        (one._replace(referrer="", campaign=""), found.channel, *expected(one))
        for one, found in zip(GRID, said, strict=True)
        if found.channel != expected(one)[1]
    )
    assert not wrong
    assert len({one.channel for one in said}) >= 18


@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_difference_is_one(name: str) -> None:
    """A written difference applies somewhere, and GA4 says otherwise there."""
    told = [one for one in GRID if expected(one)[0] == name]
    assert any(expected(one)[1] != ga4(one) for one in told)
    assert DIFFERENCES[name].why
