"""The published rules of GA4's default channel group, restated, against our rules as data.

The text is "[GA4] Default channel group", section "Manual traffic",
support.google.com/analytics/answer/9756891. Nothing here reads our data files: sources are
words whose list is beyond doubt.
"""

from __future__ import annotations

import itertools
import re

import pytest

from tallymark.classify.channels import Channels, Landing

SHOPPING = {"amazon", "ebay.com", "Etsy.com"}
SEARCH = {"google", "BING", "duckduckgo.com", "yahoo"}
SOCIAL = {"facebook", "instagram.com", "TikTok", "pinterest"}
VIDEO = {"youtube", "vimeo.com", "Twitch.tv"}
OTHERS = {"", "newsletter", "sms", "email", "e-mail", "firebase", "walmart.co", "partner-site"}
SOURCES = sorted(SHOPPING | SEARCH | SOCIAL | VIDEO | OTHERS)
MEDIUMS = [
    "",
    "cpc",
    "CPC",
    "ppc",
    "cpm",
    "ecpa",
    "paid",
    "paid_social",
    "PaidSearch",
    "unpaid",
    "retargeting",
    "retargeting2",
    "display",
    "banner",
    "expandable",
    "interstitial",
    "Interstitials",
    "social",
    "social-network",
    "social-media",
    "sm",
    "social network",
    "social media",
    "socials",
    "video",
    "online-video-1",
    "organic",
    "organics",
    "referral",
    "app",
    "link",
    "links",
    "email",
    "e-mail",
    "e_mail",
    "E Mail",
    "emails",
    "affiliate",
    "affiliates",
    "audio",
    "sms",
    "web-push",
    "push",
    "pushed",
    "mobile",
    "in-mobile-app",
    "notification",
    "ai-assistant",
    "banana",
]
CAMPAIGNS = [
    "",
    "spring",
    "cross-network",
    "My Cross-Network Test",
    "shop",
    "Shopping-US",
    "eshop",
    "workshop",
    "bishop",
    "e shop",
    "us_shop_2",
]


def ga4(source: str, medium: str, campaign: str) -> str:  # noqa: C901, PLR0911, PLR0912 -- the text
    """The channel of manual traffic, clause by clause in the published order."""
    s, m, c = source.lower(), medium.lower(), campaign.lower()
    paid = re.match(r"^(.*cp.*|ppc|retargeting|paid.*)$", m)
    shop = re.match(r"^(.*(([^a-df-z]|^)shop|shopping).*)$", c)
    shopping, search, social, video = (
        s in {word.lower() for word in group} for group in (SHOPPING, SEARCH, SOCIAL, VIDEO)
    )
    mails = {"email", "e-mail", "e_mail", "e mail"}
    if not s and not m and not c:  # source is (direct) and medium is (none)
        return "Direct"
    if "cross-network" in c:
        return "Cross-network"
    if (shopping or shop) and paid:
        return "Paid Shopping"
    if search and paid:
        return "Paid Search"
    if social and paid:
        return "Paid Social"
    if video and paid:
        return "Paid Video"
    if m in {"display", "banner", "expandable", "interstitial", "cpm"}:
        return "Display"
    if paid:
        return "Paid Other"
    if shopping or shop:
        return "Organic Shopping"
    if social or m in {
        "social",
        "social-network",
        "social-media",
        "sm",
        "social network",
        "social media",
    }:
        return "Organic Social"
    if video or re.match(r"^(.*video.*)$", m):
        return "Organic Video"
    if search or m == "organic":
        return "Organic Search"
    if m == "ai-assistant":
        return "AI Assistant"
    if m in {"referral", "app", "link"}:
        return "Referral"
    if s in mails or m in mails:
        return "Email"
    if m == "affiliate":
        return "Affiliates"
    if m == "audio":
        return "Audio"
    if "sms" in {s, m}:
        return "SMS"
    if m.endswith("push") or "mobile" in m or "notification" in m or s == "firebase":
        return "Mobile Push Notifications"
    return "Unassigned"


def landing(source: str, medium: str, campaign: str) -> Landing:
    """A seen landing with these tags and nothing else."""
    return Landing(
        source or None,
        medium or None,
        campaign or None,
        None,
        None,
        None,
        own=False,
        landing_seen=True,
        referrer_collected=True,
    )


def test_grid(channels: Channels) -> None:
    """Every combination of the words above has GA4's channel."""
    grid = list(itertools.product(SOURCES, MEDIUMS, CAMPAIGNS))
    assert len(grid) >= 10_000
    said = channels.classify_all([landing(*combination) for combination in grid])
    wrong = {
        combination: (traffic.channel, ga4(*combination))
        for combination, traffic in zip(grid, said, strict=True)
        if traffic.channel != ga4(*combination)
    }
    assert wrong == {}
    assert len({traffic.channel for traffic in said}) == 20  # all but Unknown


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "channel"),
    [
        ("(direct)", "(none)", "", "Direct"),
        ("(direct)", "(not set)", "", "Direct"),
        ("google", "cpc", "2025 | Cross-Network | US", "Cross-network"),
        ("ebay", "ppc", "", "Paid Shopping"),
        ("any", "cpc", "us_shop_all", "Paid Shopping"),
        ("any", "cpc", "workshop", "Paid Other"),
        ("any", "cpc", "eshop", "Paid Shopping"),
        ("google", "CPC", "", "Paid Search"),
        ("facebook", "paid-social", "", "Paid Social"),
        ("facebook", "cpm", "", "Paid Social"),
        ("youtube", "cpv", "", "Paid Video"),
        ("youtube", "cpc", "", "Paid Video"),
        ("dv360", "cpm", "", "Display"),
        ("facebook", "display", "", "Display"),
        ("taboola", "cpc", "", "Paid Other"),
        ("any", "retargeting", "", "Paid Other"),
        ("amazon.co.uk", "", "", "Organic Shopping"),
        ("tiktok", "bio", "", "Organic Social"),
        ("any", "sm", "", "Organic Social"),
        ("any", "video", "", "Organic Video"),
        ("google", "", "", "Organic Search"),
        ("any", "organic", "", "Organic Search"),
        ("chatgpt", "ai-assistant", "(ai-assistant)", "AI Assistant"),
        ("any", "link", "", "Referral"),
        ("email", "", "", "Email"),
        ("newsletter", "e mail", "", "Email"),
        ("newsletter", "newsletter", "", "Unassigned"),
        ("any", "affiliate", "", "Affiliates"),
        ("any", "partnership", "", "Unassigned"),
        ("any", "audio", "", "Audio"),
        ("sms", "text", "", "SMS"),
        ("firebase", "x", "", "Mobile Push Notifications"),
        ("any", "browser-push", "", "Mobile Push Notifications"),
        ("any", "banana", "", "Unassigned"),
    ],
)
def test_known_answers(
    channels: Channels, source: str, medium: str, campaign: str, channel: str
) -> None:
    """Examples worked by hand from the published text."""
    assert channels.classify(landing(source, medium, campaign)).channel == channel
